/** Looking back, and the record of an incident, in English. */
import type { Moment } from "../wire";
import { minutesSeconds, times, type Zone } from "./numbers";

const { clock, dated } = times("en-GB");
const SECOND_MS = 1000;

/** Spans of time as they are typed, in ms. */
export const spans = [
  [["s", "sec", "secs", "second", "seconds"], SECOND_MS],
  [["m", "min", "mins", "minute", "minutes"], 60 * SECOND_MS],
  [["h", "hr", "hrs", "hour", "hours"], 3600 * SECOND_MS],
  [["d", "day", "days"], 24 * 3600 * SECOND_MS],
] as const satisfies readonly (readonly [names: readonly string[], ms: number])[];
export const yesterday = ["yesterday", "yday"];

export const past = {
  banner: "THE PAST",
  title: "Looking back",
  open: "Look back (,)",
  dated,
  slider: "Moment that is shown",
  earlier: "10 seconds earlier (←)",
  later: "10 seconds later (→)",
  play: "Play (Space)",
  pause: "Pause (Space)",
  speed: "Speed",
  live: "Back to live",
  workingOut: (ms: number, zone: Zone) => `working out ${clock(ms, zone)}…`,
  nothingSent: "Nothing can be sent.",
  held: "This is the past: nothing can be done here. Press . to go back to live.",
  ofNow: "That is only known of now. Press . to go back to live.",
  begins: "The log begins here.",
  refused: {
    before_log: "The log does not go back that far.",
    no_checkpoint: "That moment is too far from anything the log has kept: choose a later one.",
    future: "That time has not come yet.",
  } as Record<string, string>,
  at: (ms: number, zone: Zone) => `Look back at ${dated(ms, zone)}`,
};

const quoted = (text: unknown) => `\u201c${String(text)}\u201d`;
const list = (of: readonly string[]) => of.join(", ");
const plain = (code: string) => code.replaceAll("_", " ");
const seconds = (ms: unknown) => minutesSeconds(Number(ms) / 1000);

type Values = Record<string, unknown>;
type Callsign = (unit: string) => string;
type Chosen = [unit: string, eta_ms: number][];

const needs = (of: unknown) => list(((of as { capability: string; count: number }[] | undefined) ?? []).map(({ capability, count }) => `${count} × ${capability === "any" ? "any unit" : capability}`));
const set = (of: unknown, callsign: Callsign) => list(((of as Chosen | undefined) ?? []).map(([unit, eta_ms]) => `${callsign(unit)} ${seconds(eta_ms)}`));
const MODES: Record<string, string> = { immediate: "at once", delayed: "when units are free", strategic: "planned" };
const TIMERS: Record<string, string> = { acknowledge: "has not said that it knows", late: "is later than it should be", welfare: "was not heard of on scene", unattended: "no unit is on the incident", message: "an urgent message was not acknowledged" };

/** What of an incident was changed, each with what it became. */
function changed(values: Values): string {
  const { lon, lat, place, priority, ...rest } = values;
  const parts = Object.entries(rest).map(([field, to]) => `${plain(field)} ${typeof to === "boolean" ? (to ? "yes" : "no") : quoted(to)}`);
  if (priority !== undefined) parts.unshift(`priority P${String(priority)}`);
  if (place !== undefined || lon !== undefined) parts.unshift(`place ${place ? quoted(place) : `${Number(lat).toFixed(5)}, ${Number(lon).toFixed(5)}`}`);
  return list(parts);
}

const SAYS: Record<string, (unit: string, values: Values, callsign: Callsign) => string> = {
  opened: (_, { kind, place, priority, note, plan_id }) => `Opened${priority ? `, P${String(priority)}` : ""}${kind ? `, ${String(kind)}` : ""}${place ? `, ${String(place)}` : ""}${plan_id ? `, of the plan ${String(plan_id)}` : ""}${note ? `: ${quoted(note)}` : ""}`,
  changed: (_, values) => `Changed: ${changed(values)}`,
  noted: (_, { text }) => quoted(text),
  closed: () => "Closed",
  reopened: () => "Opened again",
  requested: (_, { requirement, mode, run_card }) => `Asked for ${needs(requirement) || "units"}${run_card ? `, run card ${String(run_card)}` : ""}${mode ? `, ${MODES[String(mode)] ?? ""}` : ""}`,
  ranked: () => "Ranked for the first time",
  decided: (_, { chosen, first, unmet }, callsign) => `Recommended: ${set(chosen, callsign) || set(first, callsign) || "nobody more"}${unmet ? " (not enough)" : ""}`,
  assigned: (unit, { eta_s, reason, replaces, preempt }, callsign) =>
    `${unit} sent${eta_s !== undefined ? `, there in ${minutesSeconds(Number(eta_s))}` : ""}${replaces ? `, in place of ${callsign(String(replaces))}` : ""}${preempt ? ", taken from another incident" : ""}${reason ? `: ${quoted(reason)}` : ""}`,
  acknowledged: (unit) => `${unit} acknowledged`,
  en_route: (unit) => `${unit} en route`,
  on_scene: (unit) => `${unit} on scene`,
  cleared: (unit) => `${unit} cleared`,
  cancelled: (unit) => `${unit} released`,
  status: (unit, { status, note }) => `${unit}: ${plain(String(status))}${note ? ` ${quoted(note)}` : ""}`,
  pressed: (unit) => `${unit} called for help`,
  press_acknowledged: (_, { by }) => `The call for help was acknowledged${by ? ` by ${String(by)}` : ""}`,
  emergency_cleared: (_, { by, who, reason }) => `The emergency was ended by ${by === "unit" ? "the unit" : String(who || "a supervisor")}${reason ? `: ${quoted(reason)}` : ""}`,
  clear_refused: (_, { who }) => `Somebody tried to end the emergency with a wrong word${who ? `: ${String(who)}` : ""}`,
  aid_approved: (_, { agency }) => `Aid of ${String(agency)} approved`,
  plan_began: (_, { plan_id }) => `The plan ${String(plan_id ?? "")} began`,
  timer_raised: (unit, { rule }) => `Overdue: ${[unit, TIMERS[String(rule)] ?? plain(String(rule))].filter(Boolean).join(" ")}`,
  timer_acknowledged: (_, { by }) => `Seen to${by ? ` by ${String(by)}` : ""}`,
  message_sent: (_, { text, urgent, units }, callsign) => `${urgent ? "Urgent message" : "Message"} to ${list(((units ?? []) as string[]).map(callsign))}: ${quoted(text)}`,
  message_seen: (unit, { acknowledged }) => (acknowledged === false ? `${unit} was shown the message` : `${unit} acknowledged the message`),
  entered: (unit, { area }) => `${unit} entered ${String(area)}`,
  left: (unit, { area }) => `${unit} left ${String(area)}`,
  unit_retired: (unit) => `${unit} left the fleet`,
  clock_turned: () => "The server's clock was set right",
};

const WHO: Record<string, string> = { desk: "desk", unit: "unit", node: "geo_backup", avl: "by its position" };

export const record = {
  title: "What happened",
  key: "What happened",
  from: (openedMs: number, closedMs: number | null, zone: Zone) =>
    closedMs === null ? `open since ${dated(openedMs, zone)}` : `${dated(openedMs, zone)} to ${clock(closedMs, zone)}, ${minutesSeconds((closedMs - openedMs) / 1000)} long`,
  finished: "FINISHED",
  exercise: "EXERCISE: nothing of this was real",
  loading: "Asking what happened…",
  notWhole: "What happened earlier is left out: it is in the log.",
  play: "Play it on the map",
  pause: "Pause",
  goTo: (at: string) => `Show the map as it was at ${at}`,
  close: "Close this record",
  says: (of: Moment, callsign: Callsign): string => {
    const say = SAYS[of.what];
    return say ? say(of.unit_id ? callsign(of.unit_id) : "", of.values, callsign) : plain(String(of.values["fact"] ?? of.what)).replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  },
  by: (said: string) => WHO[said] ?? said.replace(/^(person|program|device):/, ""),
  late: (ms: number) => `heard ${minutesSeconds(ms / 1000)} later`,
  none: "No finished incident has these words.",
  found: (title: string) => `Read what happened: ${title}`,
  choose: "Which incident? Choose one first.",
};
