/** What a document of the server says at this moment: how old a fix is, what a closure does now, what comes first. */
import type { Assignment, Closure, Freshness, FreshnessLimits, Incident } from "../wire";

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

const OVER = ["cleared", "cancelled"];

/** The assignments that are not over. */
export const standing = (assignments: readonly Assignment[] | undefined): Assignment[] => (assignments ?? []).filter((row) => !OVER.includes(row.state));
/** Of those, the ones whose unit is not there yet. */
export const underWay = (assignments: readonly Assignment[] | undefined): Assignment[] => standing(assignments).filter((row) => row.state !== "on_scene");

/** Whether a unit of these capabilities is what is asked for. */
export const is = (capabilities: readonly string[], name: string): boolean => name === "any" || capabilities.includes(name);
