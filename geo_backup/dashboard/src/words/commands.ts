/** The command line in English: what its commands are called, what each does, and what is said while one types. */

/** Verbs, the one that is shown first; and the form and the meaning of each command for the help. */
export const verbs = {
  status: [[], "p17 os", "status of a unit: its callsign, then av, st, rt, er, sg, os, tr, busy, lim, oos or clear"],
  show: [["show", "unit"], "show p17", "choose a unit; the map follows it"],
  near: [["near"], "near p17", "who is near this unit, by driving time"],
  track: [["track", "trail"], "track p17", "where the unit was in its last hour"],
  emergency: [["emergency", "sos"], "emergency p17", "declare an officer's emergency"],
  units: [["units", "list"], "units police free", "the list of units, filtered by words"],
  send: [["send", "s"], "send p17 p18 to #2", "send units to an incident, by callsign or by rank (send 1)"],
  set: [["send all"], "send all", "send the recommended units"],
  replace: [["replace"], "replace p18 by p17", "send a unit in place of one on its way"],
  swap: [["swap"], "swap", "take the swap that is offered"],
  release: [["release", "recall"], "release p17", "take a unit off its incident"],
  backup: [["backup", "now"], "backup #2", "ask for backup at once"],
  delayed: [["delayed", "later"], "delayed", "ask for backup when units are free"],
  planned: [["planned"], "planned 60", "ask for backup that is there in so many minutes"],
  new: [["new", "n"], "new formosa 12 shots fired", "new incident: place, kind, what was said"],
  open: [["open", "go"], "open #2", "choose an incident"],
  next: [["next"], "next", "the next incident"],
  previous: [["previous", "prev"], "previous", "the incident before"],
  note: [["note"], "note #2 two cars", "add a note to an incident"],
  kind: [["kind"], "kind fire", "what kind of incident it is"],
  level: [["level", "alarm"], "level 2", "alarm level: asks for what the run card adds"],
  priority: [["priority", "prio"], "priority 2", "priority of an incident"],
  callback: [["callback"], "callback 555 1234", "where the caller can be called back"],
  end: [["end", "finish"], "end #2", "close an incident"],
  reopen: [["reopen"], "reopen robbery formosa", "open a finished incident again"],
  where: [["where", "w"], "where formosa 12", "find a place and look there"],
  close: [["close"], "close ponte luiz", "close a street or bridge"],
  road: [["road"], "road", "draw a closure across a road"],
  area: [["area"], "area", "draw the closure of an area"],
  streets: [["streets"], "streets", "pick streets to close"],
  lift: [["lift"], "lift ponte luiz", "lift a closure"],
  ack: [["ack", "acknowledge"], "ack", "acknowledge the emergency that is shown first"],
  ok: [["ok"], "ok p17", "you have seen to what is overdue: of a unit, an incident, or the loud one shown first"],
  overdue: [["overdue", "timers"], "overdue", "go to what is overdue, one after the other"],
  why: [["why"], "why", "why these units"],
  cover: [["cover"], "cover", "cover of the area"],
  handover: [["handover"], "handover", "the hand-over of the shift, to read or to print"],
  plans: [["plans"], "plans", "plans"],
  reach: [["reach"], "reach", "how far one gets in 2, 5 and 10 minutes"],
  theme: [["theme", "dark", "light"], "theme", "light or dark"],
  undo: [["undo"], "undo", "take back what was just done"],
  help: [["help"], "help", "keys and commands"],
} as const satisfies Record<string, readonly [verbs: readonly string[], form: string, what: string]>;

export type Name = keyof typeof verbs;

/** How a status is typed; `clear` ends a unit's part in its incident. */
export const statuses: Record<string, readonly string[]> = {
  available: ["av", "available", "free"],
  on_station: ["st", "station", "on station"],
  returning: ["rt", "returning"],
  en_route: ["er", "en route", "route"],
  staging: ["sg", "staging"],
  on_scene: ["os", "on scene", "scene"],
  transporting: ["tr", "transporting"],
  busy: ["busy", "bz"],
  limited: ["lim", "limited"],
  out_of_service: ["oos", "out", "out of service"],
  cleared: ["clear", "cleared"],
  acknowledged: ["roger", "acknowledged"],
};

/** The letter of each status in the menu of a unit. */
export const statusKeys: Record<string, string> = {
  available: "a", on_station: "p", returning: "r", en_route: "e", staging: "g", on_scene: "s", transporting: "t", busy: "b", limited: "l", out_of_service: "o",
};

/** Little words between units and incidents. */
export const links = { to: ["to", "for", "on"], by: ["by", "with"], all: ["all", "set"] };

const list = (of: readonly string[]) => of.join(", ");

export const command = {
  form: (of: Name): string => verbs[of][1],
  what: (of: Name): string => verbs[of][2],
  line: "Command",
  hint: "p17 os · send p17 to #2 · where formosa 12",
  open: "Command line (/)",
  options: "What it may become",
  close: "Leave the command line",
  title: "Commands",
  about: "Press / and type. Tab completes, the arrows choose, Enter does what is said above the line.",
  keys: (keys: string) => (keys.length > 2 ? `${keys[0]}, 1 – 9` : keys),
  columns: ["Key", "Typed", "What it does"],
  typed: "as typed:",
  seeking: "looking for the place…",
  nothingFound: (text: string) => `No place is found for \u201c${text}\u201d.`,
  noStreet: (name: string) => `No road lies at ${name}.`,
  closeReally: (name: string) => `Close ${name}?`,
  closeLoss: (streets: string, pieces: number) => `${streets}: ${pieces === 1 ? "one road piece" : `${pieces} road pieces`}, for everybody, until it is lifted.`,
  closeYes: "Close it",
  statusLoss: (callsign: string, status: string) => `Set ${callsign} to ${status}?`,
  statusYes: "Set it",
  statusSet: (callsign: string, status: string) => `${callsign}: ${status}.`,
  reopened: (title: string) => `${title}: open again.`,
  sentElsewhere: (callsign: string, by: string, title: string, at: string) => `${callsign} was not sent: ${by || "another desk"} sent it to ${title} at ${at}. Choose Take to have it leave there.`,
  sentAlready: (callsign: string, by: string, at: string) => `${callsign} is sent there already, once: by ${by || "another desk"} at ${at}.`,
  noClosure: (text: string) => `No closure is called \u201c${text}\u201d.`,
  finishedOn: (date: string) => `closed, opened ${date}`,

  /** What an order will do, before Enter. */
  says: {
    status: (units: string[], status: string) => `${list(units)}: ${status}`,
    show: (unit: string) => `Look at ${unit}`,
    near: (unit: string) => `Who is near ${unit}`,
    track: (unit: string) => `Last hour of ${unit}`,
    emergency: (unit: string) => `Declare that ${unit} is in danger (asks)`,
    units: (filter: string) => (filter ? `List of units: ${filter}` : "List of units"),
    send: (units: string[], to: string) => `Send ${list(units)} to ${to}`,
    set: (units: string[], to: string) => `Send ${list(units) || "the recommended units"} to ${to}`,
    replace: (one: string, by: string, on: string) => `Send ${by} in place of ${one} to ${on}`,
    release: (units: string[]) => `Release ${list(units)}`,
    of: (what: string, incident: string) => `${incident}: ${what}`,
    number: (what: string, to: number, incident: string) => `${incident}: ${what} ${to}`,
    text: (what: string, text: string, incident: string) => `${incident}: ${what} \u201c${text}\u201d`,
    new: (place: string, kind: string, note: string) => [`New incident: ${place}`, kind, note].filter(Boolean).join(" · "),
    where: (place: string) => `Look at ${place}`,
    close: (place: string) => `Close ${place} (asks)`,
    reopen: (what: string) => `Open again: ${what}`,
    lift: (what: string) => `Lift the closure ${what}`,
    ok: (of: string) => `Seen to what is overdue${of ? `: ${of}` : ""}`,
    takes: "(asks)",
  },

  /** Why it cannot be done as it stands. */
  trouble: {
    verb: (word: string) => `\u201c${word}\u201d is no command and no callsign.`,
    unit: (word: string) => `No unit is called \u201c${word}\u201d.`,
    units: (word: string, may: readonly string[]) => `\u201c${word}\u201d may be ${list(may)}.`,
    which: () => "Which unit?",
    incident: (word: string) => `No open incident is \u201c${word}\u201d.`,
    incidents: (word: string, may: readonly string[]) => `\u201c${word}\u201d may be ${list(may)}.`,
    whose: () => "Which incident? Choose one, or say #2.",
    status: (word: string) => `\u201c${word}\u201d is no status.`,
    rank: (word: string) => `Nobody is number ${word} in the ranking.`,
    number: (word: string) => (word ? `\u201c${word}\u201d is not a number that it can be.` : "Which number?"),
    text: () => "What is it to say?",
    place: () => "Where?",
    by: () => "By whom?",
    right: () => "Your roles do not allow this.",
    rest: (word: string) => `\u201c${word}\u201d is not understood here.`,
  },
};
