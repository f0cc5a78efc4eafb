/** A unit's way as crumbs: lines broken where nobody heard from it, the older the paler, and the times at which it was
 * somewhere. */
import type { Feature, FeatureCollection } from "geojson";
import { metres } from "../world/readings";
import type { LonLat } from "../wire";

/** Nobody draws a way through so long a silence. */
const SILENT_MS = 180_000;
/** A time stands at the first fix of each ten minutes. */
const EVERY_MS = 600_000;
/** Whoever is this near to where it was has stayed. */
const STAYS_M = 60;

/** From when to when a unit was at a place; `now`: it still is. */
export interface Crumb {
  at: LonLat;
  ms: number;
  to_ms: number;
  now: boolean;
}

export interface Crumbs {
  /** Each of one span of ten minutes. */
  lines: { way: LonLat[]; ms: number }[];
  times: Crumb[];
}

const span = (ms: number): number => Math.floor(ms / EVERY_MS);

/** Rows are lon, lat, speed_mps, course_deg, fix_ms, oldest first. */
export function crumbs(fixes: readonly (readonly (number | null)[])[]): Crumbs {
  const lines: Crumbs["lines"] = [];
  const times: Crumb[] = [];
  let last: { at: LonLat; ms: number } | null = null;
  let stays = false;
  for (const [lon, lat, , , ms] of fixes as readonly [number, number, unknown, unknown, number][]) {
    const at: LonLat = [lon, lat];
    const silent = !last || ms - last.ms > SILENT_MS;
    const fresh = !last || span(ms) > span(last.ms);
    // A line of the next span begins where the last one ended.
    if (silent || fresh) lines.push({ way: silent ? [] : [last!.at], ms });
    lines.at(-1)!.way.push(at);
    stays &&= metres(times.at(-1)!.at, at) < STAYS_M;
    if (stays) times.at(-1)!.to_ms = ms;
    else if (fresh) stays = Boolean(times.push({ at, ms, to_ms: ms, now: false }));
    last = { at, ms };
  }
  if (stays) times.at(-1)!.now = true;
  return { lines, times };
}

/** `age` goes from 0 for the newest to 1 for the oldest. */
export function drawn({ lines, times }: Crumbs): FeatureCollection {
  const [oldest, newest] = [lines[0]?.ms ?? 0, lines.at(-1)?.ms ?? 0];
  const age = (ms: number) => ({ age: newest > oldest ? (newest - ms) / (newest - oldest) : 0 });
  const features: Feature[] = [
    ...lines.filter(({ way }) => way.length > 1).map(({ way, ms }): Feature => ({ type: "Feature", properties: age(ms), geometry: { type: "LineString", coordinates: way } })),
    ...times.map(({ at, ms }): Feature => ({ type: "Feature", properties: age(ms), geometry: { type: "Point", coordinates: at } })),
  ];
  return { type: "FeatureCollection", features };
}
