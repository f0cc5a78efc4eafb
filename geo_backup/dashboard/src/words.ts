/** Codes of the contract in the words of a dispatcher, and numbers as people read them. */
import type { BackupMode, Closure, Need, Parts } from "./types";

const REASONS: Record<string, string> = {
  NOT_ASSIGNABLE_STATUS: "not free (status)",
  STALE_POSITION: "position too old",
  NO_POSITION: "no position known",
  NO_ROAD: "not near a road",
  WRONG_CAPABILITY: "lacks what is asked for",
  WRONG_AGENCY_OR_NO_AGREEMENT: "other agency, no agreement",
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
};

/** Why a dispatcher sends another unit than the recommended ones, one key each; what else it may be is typed. */
export const OVERRIDES = ["closer than the map shows", "crew asked for it", "better for this task", "recommended unit cannot go"] as const;

/** When backup is to come. */
export const MODES: Record<BackupMode, string> = { immediate: "at once", delayed: "when units are free", strategic: "planned" };

const STATUSES: Record<string, string> = {
  available: "available",
  on_station: "on station",
  returning: "returning",
  en_route: "en route",
  staging: "staging",
  on_scene: "on scene",
  transporting: "transporting",
  busy: "busy",
  limited: "limited",
  out_of_service: "out of service",
};

const WARNINGS: Record<string, string> = {
  stale_position: "old position: confirm by radio",
  limited: "limited duty",
  preempts: "would be taken from another incident",
  mutual_aid: "mutual aid",
  incident_off_main_network: "the nearest road is cut off from the main network",
  on_call: "on call: has to come in first",
  incident_in_closure: "inside a closed area: units may drive in on the last stretch",
  profile_unknown: "this map has no longer the incident's profile: ranked with siren",
};

const plain = (code: string): string => code.toLowerCase().replaceAll("_", " ");

export const reasonWords = (code: string): string => REASONS[code] ?? plain(code);
export const statusWords = (code: string): string => STATUSES[code] ?? plain(code);
export const warningWords = (code: string): string => WARNINGS[code.toLowerCase()] ?? plain(code);

/** 200.4 -> "3:20"; an hour and more as "1:02:05". */
export function minutesSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(s).padStart(2, "0")}`;
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

export const PARTS = [["turnout_s", "turnout"], ["clear_s", "clear"], ["first_leg_s", "to the road"], ["drive_s", "drive"], ["last_leg_s", "last leg"]] as const;

/** "turnout 0:05 · drive 0:19" */
export function partWords(parts: Parts): string {
  return PARTS.flatMap(([key, name]) => (parts[key] ? [`${name} ${minutesSeconds(parts[key])}`] : [])).join(" · ");
}

/** Whether a unit of these capabilities is what is asked for. */
export const is = (capabilities: readonly string[], name: string): boolean => name === "any" || capabilities.includes(name);

/** What of the things asked for a unit is: by its own capabilities, or standing in for one. */
export function matchWords(needs: readonly Need[], capabilities: readonly string[]): string {
  const found = needs.flatMap(({ capability, substitutes }) =>
    is(capabilities, capability) ? [capability] : substitutes.some((name) => is(capabilities, name)) ? [`for ${capability}`] : [],
  );
  return found.join(", ") || "nothing asked for";
}

export function distance(metres: number): string {
  return metres < 995 ? `${Math.round(metres / 10) * 10} m` : `${(metres / 1000).toFixed(1)} km`;
}

export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

export function clockTime(ms: number, timezone: string | undefined): string {
  return new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: timezone }).format(ms);
}

export type ClosureKind = "closed" | "routine" | "slow" | "idle";

/** How a closure is drawn: what it does to who drives now, or that it does nothing yet or no more. */
export function closureKind(closure: Closure, nowMs: number): ClosureKind {
  if (closure.valid_from && Date.parse(closure.valid_from) > nowMs) return "idle";
  if (closure.valid_to && Date.parse(closure.valid_to) <= nowMs) return "idle";
  if (closure.slow_factor !== null) return "slow";
  return closure.applies_to === "routine" ? "routine" : "closed";
}

export function levelWords(level: number): string {
  if (level === 0) return "on the ground";
  if (level > 0) return level === 1 ? "bridge" : `bridge, level ${level}`;
  return level === -1 ? "tunnel" : `tunnel, level ${level}`;
}

/** The first names and how many more; places without a name have a word too. */
export function streetWords(streets: readonly string[]): string {
  const names = [...new Set(streets.map((name) => name || "a road without a name"))];
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

/** "closed · Avenyn · sirens may pass · until 14:30" */
export function closureWords(closure: Closure, nowMs: number, timezone: string | undefined): string {
  const time = (text: string) => shortTime(Date.parse(text), nowMs, timezone);
  const begins = closure.valid_from && Date.parse(closure.valid_from) > nowMs ? closure.valid_from : null;
  const over = closure.valid_to !== null && Date.parse(closure.valid_to) <= nowMs;
  const span = over
    ? `over since ${time(closure.valid_to!)}`
    : [begins && `from ${time(begins)}`, closure.valid_to && `until ${time(closure.valid_to)}`].filter(Boolean).join(" ");
  const shape = "edges" in closure.geometry ? "" : closure.levels === "all" ? "all levels" : closure.levels === "top" ? "" : closure.levels.map(levelWords).join(", ");
  return [
    closure.slow_factor === null ? "closed" : `slow: ${Math.round(closure.slow_factor * 100)} % of the speed`,
    closure.applies_to === "routine" ? "sirens pass" : "",
    streetWords(closure.streets),
    shape,
    span,
  ].filter(Boolean).join(" · ");
}

/** Hours and minutes, with the day when it is another. */
function shortTime(ms: number, nowMs: number, timezone: string | undefined): string {
  const day = (at: number) => new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: timezone }).format(at);
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "short", timeZone: timezone }).format(ms);
  return day(ms) === day(nowMs) ? time : `${day(ms)} ${time}`;
}
