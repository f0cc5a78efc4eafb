/** How far the age of a fix lets us trust it; the same numbers as the server's FreshnessRules. */
import type { Freshness } from "./types";

const MOVING_S = [15, 60, 300] as const;
const PARKED_S = [60, 300, 1800] as const;
const PARKED_BELOW_MPS = 1;

export function freshness(ageMs: number, speedMps: number | null): Freshness {
  const [live, delayed, stale] = speedMps !== null && speedMps < PARKED_BELOW_MPS ? PARKED_S : MOVING_S;
  const age = ageMs / 1000;
  return age <= live ? "live" : age <= delayed ? "delayed" : age <= stale ? "stale" : "lost";
}
