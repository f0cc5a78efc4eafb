/** What a document of the server says at this moment: how old a fix is, what a closure does now, what comes first. */
import type { Assignment, Closure, Freshness, FreshnessLimits, Incident, Note, Unit } from "../wire";

const GRADES = ["live", "delayed", "stale", "lost"] as const;

/** How far the age of a position lets us trust it, by the limits that the server tells. */
export function freshness(ageMs: number, parked: boolean, kind: string, limits: FreshnessLimits): Freshness {
  const own = limits.kinds[kind] ?? limits;
  return GRADES[(parked ? own.parked_ms : own.moving_ms).filter((limit) => ageMs > limit).length]!;
}

export type ClosureKind = "closed" | "routine" | "slow" | "idle";

/** What a closure does to who drives now: it closes, lets sirens pass, slows, or does nothing yet or no more. */
export function closureKind(closure: Closure, nowMs: number): ClosureKind {
  if (closure.valid_from && Date.parse(closure.valid_from) > nowMs) return "idle";
  if (closure.valid_to && Date.parse(closure.valid_to) <= nowMs) return "idle";
  if (closure.slow_factor !== null) return "slow";
  return closure.applies_to === "routine" ? "routine" : "closed";
}

/** Alarms before emergencies in hand, those before all else. */
export const urgency = ({ emergency }: Incident): number => (emergency?.alarms ? 0 : emergency?.stands ? 1 : 2);

/** Nothing that is open is real. */
export const onlyPractice = (incidents: readonly Incident[]): boolean => incidents.length > 0 && incidents.every((incident) => incident.exercise);

const OVER = ["cleared", "cancelled"];

/** The assignments that are not over. */
export const standing = (assignments: readonly Assignment[] | undefined): Assignment[] => (assignments ?? []).filter((row) => !OVER.includes(row.state));
/** Of those, the ones whose unit is not there yet. */
export const underWay = (assignments: readonly Assignment[] | undefined): Assignment[] => standing(assignments).filter((row) => row.state !== "on_scene");

/** What a unit says of itself while it could be sent. */
const AT_HAND = ["available", "on_station", "returning"];

/** What a unit does: until it says so itself, what it was sent to do counts; an officer in danger is never free. */
export function doing(unit: Unit, incidents: Record<string, Incident>): string {
  if (unit.emergency_id) return "in_danger";
  if (unit.incident_id === null || !AT_HAND.includes(unit.status)) return unit.status;
  return standing(incidents[unit.incident_id]?.assignments).find((row) => row.unit_id === unit.unit_id)?.state ?? "assigned";
}

/** Whether the place of an incident is one: nobody knows where an officer is whose unit was never seen. */
export const placed = ({ emergency }: Incident): boolean => emergency?.placed_by !== "nothing";

const EARTH_M = 6_371_000;

/** Metres between two places, by air line. */
export function metres([lon, lat]: readonly [number, number], [lon2, lat2]: readonly [number, number]): number {
  const rad = Math.PI / 180;
  return EARTH_M * rad * Math.hypot(lat - lat2, (lon - lon2) * Math.cos(((lat + lat2) / 2) * rad));
}

/** Whether a unit of these capabilities is what is asked for. */
export const is = (capabilities: readonly string[], name: string): boolean => name === "any" || capabilities.includes(name);

/** The server names the note of a call after the unit. */
const CALL = /^call:(.+):[^:]*$/;

/** Whose call a note is; undefined: it is no call. */
export const callerOf = ({ note_id }: Note): string | undefined => CALL.exec(note_id)?.[1];

/** The newest call of an incident that nobody was sent after. */
export function openCall({ notes, assignments }: Pick<Incident, "notes" | "assignments">): Note | undefined {
  const call = notes.findLast((note) => callerOf(note));
  return call && !underWay(assignments).some(({ at }) => at > call.at) ? call : undefined;
}
