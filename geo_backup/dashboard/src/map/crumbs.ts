/** A unit's way as crumbs: lines broken where nobody heard from it, and the times at which it was somewhere. */
import type { FeatureCollection, Geometry } from "geojson";
import type { LonLat } from "../wire";

/** Nobody draws a way through so long a silence. */
const SILENT_MS = 180_000;
/** A time stands at the first fix of each ten minutes. */
const EVERY_MS = 600_000;

export interface Crumbs {
  lines: LonLat[][];
  times: { at: LonLat; ms: number }[];
}

/** Rows are lon, lat, speed_mps, course_deg, fix_ms, oldest first. */
export function crumbs(fixes: readonly (readonly (number | null)[])[]): Crumbs {
  const lines: LonLat[][] = [];
  const times: Crumbs["times"] = [];
  let lastMs = -Infinity;
  for (const [lon, lat, , , ms] of fixes as readonly [number, number, unknown, unknown, number][]) {
    if (ms - lastMs > SILENT_MS) lines.push([]);
    lines.at(-1)!.push([lon, lat]);
    if (!times.length || Math.floor(ms / EVERY_MS) > Math.floor(times.at(-1)!.ms / EVERY_MS)) times.push({ at: [lon, lat], ms });
    lastMs = ms;
  }
  return { lines, times };
}

export function drawn({ lines, times }: Crumbs): FeatureCollection {
  const shapes: Geometry[] = [
    ...lines.filter((line) => line.length > 1).map((coordinates): Geometry => ({ type: "LineString", coordinates })),
    ...times.map(({ at }): Geometry => ({ type: "Point", coordinates: at })),
  ];
  return { type: "FeatureCollection", features: shapes.map((geometry) => ({ type: "Feature", properties: {}, geometry })) };
}
