/** How far the age of a position lets us trust it, by the limits that the server tells. */
import type { Freshness, FreshnessLimits } from "./types";

const NAMES = ["live", "delayed", "stale", "lost"] as const;

export function freshness(ageMs: number, parked: boolean, kind: string, rules: FreshnessLimits): Freshness {
  const own = rules.kinds[kind] ?? rules;
  return NAMES[(parked ? own.parked_ms : own.moving_ms).filter((limit) => ageMs > limit).length]!;
}
