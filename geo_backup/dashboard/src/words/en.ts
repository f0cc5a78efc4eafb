/** The page in English: every word a dispatcher reads, and what the codes of the contract are called. `[k]` in a sentence is a key. */
import type { ClosureKind } from "../world/readings";
import type { BackupMode, Closure, Condition, FoundPlace, Freshness, Incident, Lacking, LonLat, Need, Parts, Ranking, RunCard } from "../wire";
import { command } from "./commands";
import { counted, percent, said } from "./english";
import { handover } from "./handover";
import { help } from "./help";
import { messages } from "./messages";
import { past, record } from "./past";
import { phone } from "./phone";
import { plans } from "./plans";
import { timers } from "./timers";
import { trackers } from "./trackers";
import { units } from "./units";
import { minutesSeconds, times, type Zone } from "./numbers";

const { clock, minute, near, headed } = times("en-GB");

/** A code of the contract; one that is not known here is written as people write. */
const named = (names: Record<string, string>) => (code: string): string => names[code] ?? code.toLowerCase().replaceAll("_", " ");

/** Why a unit is left out of a ranking. */
const reason = named({
  NOT_ASSIGNABLE_STATUS: "not free (status)",
  STALE_POSITION: "position too old",
  NO_POSITION: "no position known",
  NO_ROAD: "not near a road",
  WRONG_CAPABILITY: "lacks what is asked for",
  WRONG_AGENCY_OR_NO_AGREEMENT: "other agency, no agreement",
  HIDDEN: "undercover",
  UNSTAFFED: "no crew",
  REST_PERIOD: "crew must rest",
  END_OF_SHIFT: "shift ends",
  COVERAGE_FLOOR: "its beat would be empty",
  NEEDS_APPROVAL: "mutual aid: needs approval",
  AID_SHARE_USED: "its agency has lent its share",
  UNREACHABLE: "cannot reach it by road",
  OUTSIDE_HORIZON: "more than an hour away",
  ALREADY_ASSIGNED: "assigned to another incident",
  REQUESTER: "asked for the backup",
  EXCLUDED_BY_DISPATCHER: "left out by the dispatcher",
  SLOWER: "slower than those listed",
});

const warning = named({
  STALE_POSITION: "old position: confirm by radio",
  LIMITED: "limited duty",
  PREEMPTS: "would be taken from another incident",
  MUTUAL_AID: "mutual aid",
  INCIDENT_OFF_MAIN_NETWORK: "the nearest road is cut off from the main network",
  ON_CALL: "on call: has to come in first",
  INCIDENT_IN_CLOSURE: "inside a closed area: units may drive in on the last stretch",
  PROFILE_UNKNOWN: "this map has no longer the incident's profile: ranked with siren",
});

/** What is wrong with the server, for who sits at a desk; the server's own words say what its administrator does. */
const CONDITIONS: Record<string, string> = {
  log_full: "The server's disk is full. Write down what you do; emergencies still sound.",
  log_slow: "The server's disk is slow. What you send may take long to hold.",
  log_failing: "The server records nothing any more. Write down what you do; emergencies still sound.",
  log_cut_off: "The server that leads does not answer: nothing is recorded. Write down what you do; emergencies still sound.",
  log_alone: "What you do stands on one machine only: the standby is missing. Tell whoever looks after the server.",
  log_doubtful: "The server's record has lost something, or somebody changed it. Tell whoever looks after it.",
  emergency_unrecorded: "An officer's emergency is not on record yet. Write it down.",
  clock: "The server's clock is wrong. Times and ages on this page may be too.",
  witness_silent: "No second server would take over by itself. Tell whoever looks after the server.",
  clocks_apart: "The clocks of the two servers differ. Tell whoever looks after them.",
};


/** The first names and how many more; roads without a name have a word too. */
function streets(names: readonly string[]): string {
  const all = [...new Set(names.map((name) => name.replaceAll(";", " / ") || "a road without a name"))];
  return all.length > 3 ? `${all.slice(0, 3).join(", ")} and ${all.length - 3} more` : all.join(", ");
}

function level(of: number): string {
  if (of === 0) return "on the ground";
  if (of > 0) return of === 1 ? "bridge" : `bridge, level ${of}`;
  return of === -1 ? "tunnel" : `tunnel, level ${of}`;
}

/** "closed · Avenyn · sirens pass · until 14:30" */
function closure(of: Closure, nowMs: number, zone: Zone): string {
  const time = (text: string) => near(Date.parse(text), nowMs, zone);
  const begins = of.valid_from && Date.parse(of.valid_from) > nowMs ? of.valid_from : null;
  const over = of.valid_to !== null && Date.parse(of.valid_to) <= nowMs;
  const span = over
    ? `over since ${time(of.valid_to!)}`
    : [begins && `from ${time(begins)}`, of.valid_to && `until ${time(of.valid_to)}`].filter(Boolean).join(" ");
  const shape = "edges" in of.geometry ? "" : of.levels === "all" ? "all levels" : of.levels === "top" ? "" : of.levels.map(level).join(", ");
  return [
    of.slow_factor === null ? "closed" : `slow: ${Math.round(of.slow_factor * 100)} % of the speed`,
    of.applies_to === "routine" ? "sirens pass" : "",
    streets(of.streets),
    shape,
    span,
  ].filter(Boolean).join(" · ");
}

/** What the learned pace makes of a drive, in the words of the server. */
const drive = (words: string) => `drive ${words}`;
const PARTS: [keyof Omit<Parts, "pace">, string][] = [["turnout_s", "turnout"], ["clear_s", "clear"], ["first_leg_s", "to the road"], ["drive_s", "drive"], ["last_leg_s", "last leg"], ["overhead_s", "beyond driving"]];

function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

const distance = (metres: number) => (metres < 995 ? `${Math.round(metres / 10) * 10} m` : `${(metres / 1000).toFixed(1)} km`);
const fieldNamed = named({ kind: "kind", lon: "place", lat: "place", level: "alarm level", callback: "callback", note: "first note" });
const quoted = (text: string) => (text ? `\u201c${text}\u201d` : "empty");
const unitsAsked = ({ count, capability }: { count: number; capability: string }) => `${count} × ${capability === "any" ? "any unit" : capability}`;
const MODES: Record<BackupMode, string> = { immediate: "at once", delayed: "when units are free", strategic: "planned" };
const EXERCISE = "EXERCISE";
const DANGER = "OFFICER IN DANGER";
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export const en = {
  units,
  trackers,
  phone,
  timers,
  messages,
  plans,
  handover,
  command,
  past,
  record,

  // Codes, times and numbers.
  reason,
  warning,
  status: named({}),
  freshness: (of: Freshness): string => of,
  clock,
  minute,
  near,
  headed,
  age,
  percent,
  minutesSeconds,
  distance,
  said,
  /** "turnout 0:05 · drive 0:19" */
  parts: (of: Parts) => [...PARTS.flatMap(([key, name]) => (of[key] ? [`${name} ${minutesSeconds(of[key])}`] : [])), ...(of.pace ? [drive(of.pace)] : [])].join(" · "),
  send: "Send",
  cancel: "Cancel",
  undo: "Undo",
  nothingToFinish: "Ctrl+Enter does nothing here.",
  nothingToTakeBack: "Nothing can be taken back any more: that is so for a few seconds only.",
  typedNowhere: "You are typing, but not into a field: press i for the note, or n for a new incident.",
  typedAtQuestion: "You are typing, but this is a question: Enter answers it, Esc leaves it.",

  top: {
    title: "geo_backup",
    link: { connecting: "connecting…", live: "connected", quiet: "no word", lost: "link lost" },
    mode: { live: "", simulated: "SIMULATED", replay: "REPLAY" },
    exercise: EXERCISE,
    byStatus: "Units by status",
    looks: { danger: "in danger", free: "free", moving: "en route", scene: "on scene", busy: "busy", out: "out of service" },
    units: (count: number, offMap: number) => `${count} units${offMap ? `, ${offMap} off the map` : ""}`,
    theme: "Light or dark",
    themeKey: "Light or dark (t)",
    help: "Help: keys",
    helpKey: "Keys (?)",
  },

  session: {
    title: "Sign in",
    who: "Person",
    password: "Password",
    code: "One-time code",
    codeHint: "if you have one",
    token: "Token",
    byToken: "Use a token instead",
    byPassword: "Use name and password instead",
    elsewhere: (provider: string) => `Sign in with ${provider || "your organisation"}`,
    begin: "Sign in",
    signOut: "Sign out",
    asking: "Asking the server who is signed in…",
    roles: (roles: readonly string[]) => roles.map((role) => role.replaceAll("_", " ")).join(", "),
    ended: {
      over: "Your session is over. Sign in again.",
      idle: "Your session ended because nobody typed or clicked. Sign in again.",
      changed: "What you may do here has changed.",
    },
    ending: "Nobody has typed or clicked for long. Press a key or tap to stay signed in.",
    endsIn: (seconds: number) => `signed out in ${seconds} s`,
    open: "open",
    openShort: "Open: nobody is configured",
    openWhy: "Open: nobody is configured. Whoever reaches this port may do everything, and the log does not know who they were.",
    nothing: (roles: string) => `Nothing on this page is for your roles (${roles || "none"}).`,
  },

  wrong: {
    server: "SERVER",
    /** The server's own words where the page has none. */
    condition: ({ name, words }: Condition) => CONDITIONS[name] ?? words,
    /** What the server says to whoever runs it, where that is not said already. */
    remedy: ({ name, words }: Condition) => (name in CONDITIONS ? words : ""),
    since: (ms: number, zone: Zone) => `since ${clock(ms, zone)}`,
    /** Codes of refusals that mean the same whatever was asked. */
    refusals: {
      assigned_elsewhere: "Not sent: another desk has just sent it to another incident. Choose Take to have it leave there.",
      already_here: "It is sent to this incident already: it was sent once.",
      in_emergency: "Its own officer is in danger.",
      requester: "It is the one that asks for help.",
      incident_closed: "The incident is closed.",
      emergency_stands: "An emergency stands there: end that first.",
      not_your_right: "Your roles do not allow this.",
      not_signed_in: "You are not signed in any more.",
      wrong: "Name, password or code do not fit.",
      locked: "Too many wrong tries from here. An admin can unlock you; emergencies still get through by radio and button.",
    } as Record<string, string>,
    silence: "The server does not answer.",
    answered: (status: number) => `The server answered ${status}.`,
    noMap: (why: string) => `The map cannot be drawn in this browser (${why}). The lists work without it.`,
    noWebGL: "no WebGL",
  },

  emergency: {
    alarm: ({ emergency, exercise, recorded }: Incident, callsign: string, zone: Zone) =>
      [
        exercise ? EXERCISE : "",
        `OFFICER EMERGENCY · ${callsign} · since ${clock(Date.parse(emergency!.pressed_time), zone)}`,
        emergency!.verified ? "" : "UNVERIFIED, MAY BE SOMEBODY ELSE",
        emergency!.presses > 1 ? `pressed ${emergency!.presses} times` : "",
        emergency!.placed_by === "nothing" ? "PLACE NOT KNOWN" : "",
        recorded === false ? "NOT ON RECORD YET" : "",
      ].filter(Boolean).join(" · "),
    taken: ({ emergency }: Incident, zone: Zone) =>
      (emergency?.acknowledged ?? []).map(({ by, at }) => `acknowledged by ${by.replaceAll("person:", "")} at ${clock(Date.parse(at), zone)}`).join(", "),
    silent: "The sound is off until you click or press a key.",
    yourName: "Name of this desk, as the log will have it",
    desk: "desk",
    acknowledge: "Acknowledge",
    acknowledged: (by: string) => `Emergency acknowledged by ${by}.`,
    none: "No emergency waits to be acknowledged.",
    chooseFirst: "Choose a unit on the map first, then press ! to declare its emergency.",
    declare: "Emergency",
    really: (callsign: string) => `Declare that ${callsign} is in danger?`,
    declared: (callsign: string) => `Emergency of ${callsign} declared.`,
    end: (callsign: string) => `End the emergency of ${callsign}…`,
    word: "The unit's word",
    safe: "The unit is safe",
    supervisor: "Supervisor",
    reason: "Reason",
    endIt: "End it",
    endReally: (callsign: string) => `End the emergency of ${callsign}?`,
    endLoss: (callsign: string) => `${callsign} no longer counts as in danger, on every desk; whoever is on the way goes on.`,
    over: "The emergency is over; its incident stays open.",
    nobodyNeedGo: "The emergency is over: nobody is sent by Ctrl+Enter. Press u or a number to send somebody all the same.",
    overHere: "The emergency is over. Who was recommended stands here still; nobody need go.",
  },

  unit: {
    kmh: (mps: number) => `${Math.round(mps * 3.6)} km/h`,
    seen: (ms: number) => `seen ${age(ms)}`,
    eta: (seconds: number) => `ETA ${minutesSeconds(seconds)}`,
    offMap: "off the map",
    offMapWhy: "Its last position lies outside the map: no way can be worked out from there.",
    noRoute: (why: string) => `no way there by road: ${why}`,
    letGo: "Let go of this unit",
    sendIt: (callsign: string) => `Send ${callsign}`,
  },

  incidents: {
    panel: "Incidents and closures",
    resize: "Make the panel larger or smaller",
    dismiss: "Dismiss",
    title: "Incidents",
    none: "Press [n], or click the map with the other button where help is needed.",
    noneOpen: "No incident is open.",
    exercise: EXERCISE,
    onScene: (count: number) => `${count} on scene`,
    onTheWay: (count: number) => `${count} on the way`,
    best: (seconds: number) => `best ${minutesSeconds(seconds)}`,
    nobody: "no unit yet",
    placeUnknown: "place unknown",
    /** Who else has it open; desks of a server where nobody signs in have no names. */
    alsoOpen: (names: readonly string[]) => `also open at ${names.map((name) => said(name) || "another desk").join(", ")}`,
  },

  incident: {
    /** Some of those who were to go could not: who, why, and who went. */
    notAllWent: (failed: readonly (readonly [callsign: string, why: string])[], went: readonly string[]) =>
      [...failed.map(([callsign, why]) => `${callsign} was not sent: ${why}`), went.length ? `${went.join(", ")} ${went.length === 1 ? "was" : "were"} sent.` : ""].filter(Boolean).join(" "),
    backupSign: "BACKUP",
    moreCalls: (count: number) => `${count} more ${count === 1 ? "call" : "calls"} for backup`,
    opening: "Opening the incident…",
    /** What it is and where, else what was said of it, else the end of its id. */
    title({ emergency, kind, place, note, incident_id }: Incident, callsign: string): string {
      if (emergency) return `${callsign}: ${emergency.stands ? DANGER : "emergency over"}`;
      return capital([kind, place].filter(Boolean).join(" · ")) || note || this.short(incident_id);
    },
    short: (id: string) => `#${id.length > 8 ? id.slice(-6) : id.replace(/^\w-/, "")}`,
    opened: "Incident opened.",
    closed: (title: string) => `${title}: closed.`,
    reopened: "The incident is open again.",
    changed: (title: string, fields: string[]) => `${title}: ${fields.map(fieldNamed).join(", ")} changed.`,
    level: "Alarm",
    agency: "Agency",
    more: "Place, callback, agency",
    notes: "What was said",
    earlier: (count: number) => `${counted(count, "earlier note", "earlier notes")}`,
    facts: ({ agency, callback, level, opened_time }: Incident, where: string, zone: Zone) =>
      [where, level > 1 ? `alarm ${level}` : "", agency, callback && `call back ${callback}`, `since ${minute(Date.parse(opened_time), zone)}`].filter(Boolean).join(" · "),
    noteWaits: "waits for the server",
    noted: (title: string) => `Noted: ${title}.`,
    prioritySet: (title: string, to: number) => `${title}: P${to}.`,
    recalled: (callsigns: string) => `Taken back: ${callsigns}.`,
    priority: "Priority",
    note: "Note",
    whatHappens: "what happens there",
    reach: "Reach",
    close: "Close incident",
    keep: "Keep",
    exercise: `${EXERCISE}: no real unit is sent`,
    assigned: "Assigned",
    there: "there",
    clear: "Clear",
    onScene: "On scene",
    replace: "Replace",
    release: "Release",
    instead: (callsign: string) => `Who goes in place of ${callsign}?`,
    first: "Who can be there first",
    /** Eight of ten such units arrive then. */
    between: (low_s: number, p90_s: number) => `8 of 10 within ${minutesSeconds(low_s)} to ${minutesSeconds(p90_s)}`,
    /** How far times can be trusted, and how the streets are driven where the incident is. */
    times: ({ times, pace }: Ranking) =>
      [
        times.state === "measured" ? `times measured on ${counted(times.drives, "drive", "drives")}` : "times assumed",
        pace ? `pace here: ${pace.words.replaceAll(" x ", " × ")}` : "not learned yet",
      ].join(" · "),
    timesWhy: "The thin line under each time: eight of ten such units arrive within it, nine of ten by its end",
    pace: drive,
    ranking: "Ranking…",
    nobody: "No unit can be sent as it is asked for. Who is left out, and why, stands below; each can be sent all the same.",
    further: (count: number) => `and ${count} more further away`,
    leftOut: (count: number) => `${count} not considered`,
    take: "Take\u2026",
    anyway: "Send anyway\u2026",
    nMore: (count: number) => `${count} more`,
    takeWhy: "Take it from its incident",
    cutOff: "cut off by",
    then: ", then ",
    traffic: "the measured traffic",
    sent: (callsigns: string, title: string) => `${callsigns} sent: ${title}.`,
    sentInstead: (callsign: string, other: string) => `${callsign} sent in place of ${other}.`,
    stateSet: (callsign: string, state: string) => `${callsign}: ${state.replace("_", " ")}.`,
    placeChanged: (place: number, callsign: string) => `Place ${place} has just become ${callsign}: press again to send it.`,
  },

  card: {
    new: "New incident",
    short: "Incident",
    title: "New incident",
    close: "Put the card away",
    where: "Where",
    whereHint: "street and number, crossing, name, coordinates",
    onTheMap: "On the map",
    callback: "Callback",
    calledFrom: (callback: string) => `call back ${callback}`,
    anotherCall: "another call about this",
    alike: (count: number) => (count === 1 ? "An incident stands near there already:" : "Incidents stand near there already:"),
    another: "Open another",
    back: "Back to the card",
    joinThis: (title: string, far_m: number) => `Add this call to ${title}, ${distance(far_m)} away`,
    strange: (kind: string) => `No run card is for ${quoted(kind.trim())}. What kind of incident is it?`,
    anybody: "Without a known kind five units of any kind are asked for, engines and ambulances too.",
    strangeYes: "Open it all the same",
    strangeNo: "Choose a kind",
    itIsNote: "It is the note",
    alikeRow: (title: string, far_m: number, ageMs: number) => `${title}, ${distance(far_m)} away, ${age(ageMs)}`,
    join: "Add this call to it",
    joined: (title: string) => `Added to ${title}.`,
    whereFirst: "Where is it? Type the place, or point at it on the map.",
    notFound: (where: string) => (where.trim() ? `Nothing is found for \u201c${where.trim()}\u201d: point at it on the map.` : "Where is it?"),
    coordinates: ([lon, lat]: LonLat) => `${lat.toFixed(5)}, ${lon.toFixed(5)}`,
    kind: "What",
    kindHint: "kind of incident",
    asks: ({ about, mode }: RunCard) => `${about} Asked for ${MODES[mode]}.`,
    open: "Open and ask for backup",
    putAway: "The call card was put away.",
  },

  places: {
    found: "Places found",
    what: ({ kind, category, name, town, also, beside }: FoundPlace) =>
      [beside.startsWith(`${name} `) ? beside.slice(name.length + 1) : beside, also && `also ${also}`, kind === "place" || kind === "own" ? category.replaceAll("_", " ") : kind === "coordinates" ? "" : kind, town].filter(Boolean).join(" · "),
    /** What of the text was not found. */
    doubt: ({ matched, missing, unknown_words }: FoundPlace) =>
      [
        ({ house_number: "This house number is not in the map: somewhere near it.", house_numbers: "The map has no house numbers here: somewhere on the street.",
          crossing: "They do not cross in this map.", exit: "This exit is not in the map.", post: "This post is not in the map." } as Record<string, string>)[missing] ?? "",
        unknown_words.length ? `Not understood: ${unknown_words.join(" ")}.` : matched === "close" ? "Spelled otherwise." : "",
      ].filter(Boolean).join(" "),
  },

  consent: {
    leave: "Leave it",
    command: (text: string, title: string) => `${quoted(text)} reads as a command. Is it one, or a note for ${title}?`,
    asCommand: "A command",
    asNote: "A note",
    goOnWriting: "Go on writing",
    leftOut: (callsign: string, why: string) => `${callsign} is left out: ${why}.`,
    both: (title: string) => `${title}: somebody changed the same thing. Whose stands?`,
    theirs: (field: string, value: string, by: string, ms: number, zone: Zone) => `${said(by)} made the ${fieldNamed(field)} ${quoted(value)} at ${clock(ms, zone)}.`,
    value: (field: string, value: string) => `${fieldNamed(field)} ${quoted(value)}`,
    mine: (values: string[]) => `Mine: ${values.join(", ")}`,
    theirsStays: "Theirs stays",
    move: (title: string, where: string) => `${title}: move it to ${where}?`,
    rerouted: (callsigns: string[]) => `${callsigns.join(", ")} would be sent to the new place.`,
    moveYes: "Move it",
    take: (callsign: string) => `Take ${callsign} from its incident?`,
    takeSet: (callsigns: string) => `Send ${callsigns}?`,
    leaves: (callsign: string, title: string, priority: number, state: string, left: number) =>
      `${callsign}${state ? `, ${named({})(state)},` : ""} leaves ${title} (P${priority}): ${left ? `${counted(left, "unit stays", "units stay")} with it` : "nobody is left there"}.`,
    close: (title: string) => `Close ${title}?`,
    turnedBack: (callsigns: string[]) => `${callsigns.join(", ")} ${callsigns.length === 1 ? "is" : "are"} on the way and would be turned back.`,
    clearedThere: (callsigns: string[]) => `${callsigns.join(", ")} ${callsigns.length === 1 ? "is" : "are"} there and would be cleared.`,
    release: (callsign: string) => `Release ${callsign}?`,
    lower: (title: string, to: number) => `${title}: lower to P${to}?`,
    lowerEmergency: "An officer is in danger there. Units on their way could be taken for other calls, and help is asked for again less often.",
    lowerFirst: "Units on their way there could then be taken for a P1 call.",
    lowerYes: (to: number) => `Lower to P${to}`,
    mode: (mode: BackupMode) => `Ask for backup ${MODES[mode]}?`,
    lessUrgent: (from: BackupMode, to: BackupMode) => `So far it is asked for ${MODES[from]}. ${to === "strategic" ? "Units would leave only in time for the hour that is planned." : "Units of lesser calls would no longer be taken for it, and beats keep theirs."}`,
    modeYes: (mode: BackupMode) => `Ask ${MODES[mode]}`,
  },

  backup: {
    title: "Backup",
    what: "Run card",
    anyUnits: "any units",
    howMany: "How many",
    now: "Now",
    urgent: "Make it urgent",
    whenFree: "When free",
    planned: "Planned",
    fromNow: "Minutes from now",
    in: "in",
    min: "min",
    asked: (mode: BackupMode) => `Backup asked for, ${MODES[mode]}.`,
    choosing: "Choosing…",
    nobodyFits: "Nobody who can go fits.",
    needs: (needs: readonly Need[]) => `Asked for: ${needs.map((need) => `${unitsAsked(need)}${need.need === "want" ? " (wanted)" : ""}`).join(", ")}`,
    gone: "sent elsewhere",
    asAsked: (needs: readonly Need[]) => `as asked: ${needs.map(unitsAsked).join(", ") || "any units"}`,
    askedAgain: (going: number, of: number, more: number) => (more ? `${going} of ${of} ${going === 1 ? "is" : "are"} on the way or there; ${more} more ${more === 1 ? "is" : "are"} asked for.` : `All ${going} who are asked for are on the way or there.`),
    allUnderWay: "Everybody who is needed is on the way.",
    nobodyRecommended: "Nobody is recommended: ask for backup with b.",
    setChanged: "Who is recommended has just changed: press again to send them.",
    leavesBy: (ms: number, zone: Zone) => `leaves by ${minute(ms, zone)}`,
    leavesWhy: "Nine of ten drives that begin then are there in time",
    staged: "waits at staging",
    takenFrom: (id: string) => `taken from ${id}`,
    sendThese: (count: number) => `Send these ${count}`,
    sendAllTheSame: (count: number) => `Send these ${count} all the same`,
    why: "Why",
    standing: (mode: BackupMode, arriveMs: number | null, asOfMs: number, zone: Zone) =>
      `${MODES[mode]}${arriveMs === null ? "" : `, there by ${clock(arriveMs, zone)}`} · as of ${clock(asOfMs, zone)}`,
    sooner: (seconds: number, other: string) => `would be there ${minutesSeconds(seconds)} sooner than ${other}`,
    swap: "Swap",
    noSwap: "No swap is offered.",
    /** "1 × engine is needed, and nobody has it: 50 patrols are free." */
    lacking({ capability, count, need, why, free_others, excluded_counts }: Lacking): string {
      const what = `${unitsAsked({ count, capability })} ${count === 1 ? "is" : "are"} ${need === "must" ? "needed" : "wanted"}`;
      const others = Object.entries(free_others).map(([kind, n]) => counted(n, kind, `${kind}s`));
      const free = others.length ? `${others.join(", ")} ${Object.values(free_others).reduce((sum, n) => sum + n, 0) === 1 ? "is" : "are"} free, none of them can do it` : "nobody else is free";
      const kept = Object.entries(excluded_counts).map(([code, n]) => `${n} ${reason(code)}`);
      const because: Record<string, string> = {
        NO_UNITS: "no unit is registered",
        INCIDENT_OFF_MAP: "the place lies off the map",
        NOBODY_HAS_IT: `nobody has it: ${free}`,
        NEEDED_ELSEWHERE: "whoever could go is kept for another call, or for cover",
        NO_WAY_IN: "no road leads in from outside",
        ALL_EXCLUDED: `whoever has it cannot go: ${kept.join(", ")}`,
      };
      return `${what}: ${because[why] ?? why.toLowerCase().replaceAll("_", " ")}.`;
    },
    staging: (seconds: number) => `staging ${minutesSeconds(seconds)}`,
  },

  why: {
    columns: ["Unit", "There in", "Is", "Cover", "Why"],
    recommended: "recommended",
    recommendedFrom: (id: string) => `recommended, from ${id}`,
    kept: "kept for another call, or for cover",
    slower: "slower",
    standsIn: (capability: string) => `for ${capability}`,
    nothing: "nothing asked for",
  },

  override: {
    title: (callsign: string) => `Why ${callsign}?`,
    leftOut: "Why does it go all the same?",
    recommended: (callsigns: string) => `Recommended: ${callsigns}`,
    /** One key each; what else it may be is typed. They are kept in the log as they stand here. */
    reasons: ["closer than the map shows", "crew asked for it", "better for this task", "recommended unit cannot go"],
    other: "other",
    without: "Send without a reason",
    withThis: "Send with this reason",
    nobody: "Send nobody",
    swap: "swap offered",
  },

  closures: {
    title: "Closures",
    none: "Press [c] and draw a line across a road or bridge, or [e] and pick streets.",
    noneStand: "No road is closed.",
    kinds: { closed: "closed", routine: "closed, but sirens pass", slow: "slow", idle: "not yet, or over" } satisfies Record<ClosureKind, string>,
    closure,
    streets,
    level,
    pieces: (count: number) => counted(count, "road piece", "road pieces"),
    spared: (count: number, beneath: boolean) => `${counted(count, "road piece", "road pieces")} ${beneath ? "beneath" : "of other levels"} stay open`,
    thoseToo: "Those too",
    /** "196 road pieces over 2.1 km: Avenyn, Kungsgatan; on the ground, tunnel." */
    much: (edges: number, metres: number, names: readonly string[], levels: readonly number[]) =>
      `${counted(edges, "road piece", "road pieces")} over ${distance(metres)}: ${[streets(names), levels.length > 1 ? levels.map(level).join(", ") : ""].filter(Boolean).join("; ")}.`,
    closeReally: (slow: boolean) => (slow ? "Slow all of this down?" : "Close all of this?"),
    closeYes: (slow: boolean) => (slow ? "Slow it all down" : "Close it all"),
    drawOn: "Back to the map",
    lift: "Lift",
    lifted: "Closure lifted.",
    added: (spared: boolean) => (spared ? "Closure added; the roads beneath stay open." : "Closure added."),
    beneathToo: "The roads beneath are closed too.",
    pickHere: "Pick here",
    addPoint: "Add point",
    stacked: "Roads on top of each other here",
    howFar: "How far it is closed",
    paces: [[0, "Closed"], [75, "Slow: 75 %"], [50, "Slow: 50 %"], [25, "Slow: 25 %"], [10, "Slow: 10 %"]] as [share: number, name: string][],
    whoFor: "Who it is for",
    forAll: "for all",
    sirensPass: "sirens pass",
    howLong: "How long",
    lasts: [[0, "until lifted"], [30, "for 30 min"], [60, "for 1 h"], [240, "for 4 h"], [720, "for 12 h"]] as [minutes: number, name: string][],
    reason: "Reason",
    reasonHint: "reason",
    slow: "Slow down",
    close: "Close",
    missing: { streets: "Click a street to pick it.", area: "An area needs three points.", line: "A line needs two points." },
  },

  map: {
    title: "Map",
    tools: "Map tools",
    tool: {
      "closure-line": ["Close a road", "Road"],
      "closure-area": ["Close an area", "Area"],
      "closure-edges": ["Close streets", "Streets"],
    },
    cover: "Cover",
    plans: "Plans",
    hint: {
      look: "",
      place: "Click the place, or move the map under the crosshair and press Enter.",
      "closure-line": "Click two points or more across the road; double click or Ctrl+Enter finishes.",
      "closure-area": "Click the corners of the area; double click or Ctrl+Enter finishes.",
      "closure-edges": "Click streets to pick them, again to let them go.",
      plan: "Click where units are to wait: each click is a post of the plan.",
    },
    thisPlace: "This place",
    setPostHere: "Set a post here",
    reach: (minutes: readonly number[]) => `reach in ${minutes.join(", ")} minutes`,
    offMap: (callsign: string) => `${callsign} · off the map`,
  },

  cover: {
    found: (free: number, minutes: number) => `of calls would find one of ${free} free units within ${minutes} min`,
    near: ["nobody", "1", "2", "3 and more units near"],
    beat: (id: string, free: number, floor: number, cover: number, last: string) =>
      `beat ${id}: ${free} free of ${floor} to keep, cover ${percent(cover)}${last ? `, last: ${last}` : ""}`,
    move: (words: string) => `Move ${words}`,
  },

  replay: { play: "Play", pause: "Pause", time: "Time of the replay", speed: "Speed", waiting: "waiting for the replay's clock…" },

  link: {
    again: "Connected again.",
    quiet: "No word from the server for 3 seconds: sending is off. What you see may be old.",
    lost: "Link to the server lost: sending is off. What you see may be old; trying again\u2026",
    elsewhere: "The same map, on another machine:",
    off: "Nothing is sent while the link is lost: say it by radio.",
    unsure: "The server did not answer. It may have been done all the same: that is looked up as soon as the server answers.",
    wasDone: (done: string) => `It was done after all. ${done}`,
    wasNotDone: (done: string) => `NOT done: \u201c${done}\u201d. Do it again if it still holds.`,
  },

  help,

  /** What of the things asked for a unit is: by its own capabilities, or standing in for one. */
  match(needs: readonly Need[], is: (name: string) => boolean): string {
    const found = needs.flatMap(({ capability, substitutes }) => (is(capability) ? [capability] : substitutes.some(is) ? [this.why.standsIn(capability)] : []));
    return found.join(", ") || this.why.nothing;
  },
};
