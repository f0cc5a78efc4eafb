/** Shapes made calm: the cover as bands instead of single places, and reach contours without the steps of the grid they were read from. */
import { contours } from "d3-contour";
import type { Feature, FeatureCollection, Geometry, MultiPolygon, Position as Place } from "geojson";
import type { Cover, Reach } from "../wire";

/** The longer side of the grid on which the cover is read. */
const GRID = 72;
/** A place tells of what lies within so many times the usual distance to the next one. */
const TELLS = 2.1;
/** Fewer units than these are near: nobody, one, two; and where calls are expected at all. */
export const BANDS = [0, 1, 2, 3] as const;

/** Where at most so many units are near, the widest band first: each lies on those before it. */
export function coverBands(places: Cover["places"]): FeatureCollection<MultiPolygon, { units: number }> {
  const points = places.features.flatMap(({ geometry, properties }) =>
    geometry.type === "Point" ? [{ x: geometry.coordinates[0]!, y: geometry.coordinates[1]!, units: Math.min(3, properties.units) }] : [],
  );
  if (points.length < 3) return { type: "FeatureCollection", features: [] };
  const squeeze = Math.cos((points[0]!.y * Math.PI) / 180);
  const [west, east] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const [south, north] = [Math.min(...points.map(({ y }) => y)), Math.max(...points.map(({ y }) => y))];
  const apart = Math.max(Math.sqrt(((east - west) * squeeze * (north - south)) / points.length), 1e-4);
  const reach = TELLS * apart;
  const cell = Math.max((east - west) * squeeze + 2 * reach, north - south + 2 * reach) / GRID;
  const columns = Math.ceil(((east - west) * squeeze + 2 * reach) / cell) + 1;
  const rows = Math.ceil((north - south + 2 * reach) / cell) + 1;
  const at = (column: number, row: number): Place => [west + (column * cell - reach) / squeeze, south + row * cell - reach];

  const said = new Float64Array(columns * rows);
  const weight = new Float64Array(columns * rows);
  for (const { x, y, units } of points) {
    const [middle, level] = [((x - west) * squeeze + reach) / cell, (y - south + reach) / cell];
    const far = reach / cell;
    for (let row = Math.max(0, Math.ceil(level - far)); row <= Math.min(rows - 1, level + far); row++)
      for (let column = Math.max(0, Math.ceil(middle - far)); column <= Math.min(columns - 1, middle + far); column++) {
        const share = 1 - ((column - middle) ** 2 + (row - level) ** 2) / far ** 2;
        if (share <= 0) continue;
        weight[row * columns + column]! += share ** 4;
        said[row * columns + column]! += units * share ** 4;
      }
  }
  // How many are missing from three, and -1 where no call is expected; a thin rim falls off to there.
  const missing = Array.from(said, (units, n) => (weight[n]! > 0.05 ? 3 - units / weight[n]! : -1));
  return {
    type: "FeatureCollection",
    features: contours()
      .size([columns, rows])
      .thresholds([-0.5, 0.5, 1.5, 2.5])(missing)
      .map(({ coordinates }, n) => ({
        type: "Feature",
        properties: { units: 3 - n },
        geometry: { type: "MultiPolygon", coordinates: coordinates.map((polygon) => polygon.map((ring) => ring.map(([x, y]) => at(x! - 0.5, y! - 0.5)))) },
      })),
  };
}

const SMALLEST_M2 = 30_000;
const M_A_DEGREE = 111_195;

/** The same reach with its corners cut, the widest first, and without islands and holes of a block or two. */
export function smooth(reach: Reach): Reach {
  const features = reach.features.map((feature): Feature<Geometry, { minutes: number }> => {
    const { geometry } = feature;
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : null;
    if (!polygons) return feature;
    const kept = polygons.filter(([outer], n) => n === 0 || size_m2(outer!) >= SMALLEST_M2);
    const coordinates = kept.map(([outer, ...holes]) => [outer!, ...holes.filter((hole) => size_m2(hole) >= SMALLEST_M2)].map((ring) => cut(cut(thinned(split(ring))))));
    return { ...feature, geometry: { type: "MultiPolygon", coordinates } };
  });
  return { ...reach, features: features.reverse() };
}

/** No side much longer than the usual step, so that what is straight for long stays so up to its corners. */
function split(ring: Place[]): Place[] {
  const sides = ring.slice(1).map(([x, y], n) => Math.hypot(x! - ring[n]![0]!, y! - ring[n]![1]!));
  const step = [...sides].sort((a, b) => a - b)[Math.floor(sides.length / 2)]! * 1.5;
  const out: Place[] = [];
  sides.forEach((side, n) => {
    const [[ax, ay], [bx, by]] = [ring[n]!, ring[n + 1]!];
    const parts = Math.min(64, Math.max(1, Math.ceil(side / step)));
    for (let part = 0; part < parts; part++) out.push([ax! + ((bx! - ax!) * part) / parts, ay! + ((by! - ay!) * part) / parts]);
  });
  return [...out, ring[0]!];
}

/** Every other corner of a stair is no corner of what it stands for. */
function thinned(ring: Place[]): Place[] {
  const open = ring.slice(0, -1);
  if (open.length < 8) return ring;
  const middles = open.map(([x, y], n): Place => {
    const [a, b] = open[(n + 1) % open.length]!;
    return [(x! + a!) / 2, (y! + b!) / 2];
  });
  return [...middles, middles[0]!];
}

/** Chaikin's corner cutting: each corner becomes two, a quarter of the way along its sides. */
function cut(ring: Place[]): Place[] {
  const out: Place[] = [];
  for (let n = 0; n < ring.length - 1; n++) {
    const [[ax, ay], [bx, by]] = [ring[n]!, ring[n + 1]!];
    out.push([ax! * 0.75 + bx! * 0.25, ay! * 0.75 + by! * 0.25], [ax! * 0.25 + bx! * 0.75, ay! * 0.25 + by! * 0.75]);
  }
  return [...out, out[0]!];
}

function size_m2(ring: Place[]): number {
  let twice = 0;
  for (let n = 0; n < ring.length - 1; n++) twice += ring[n]![0]! * ring[n + 1]![1]! - ring[n + 1]![0]! * ring[n]![1]!;
  return (Math.abs(twice) / 2) * M_A_DEGREE ** 2 * Math.cos(((ring[0]?.[1] ?? 0) * Math.PI) / 180);
}
