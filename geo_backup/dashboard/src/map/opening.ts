/** What the map shows first: the fleet and the incidents, and the town where they say too little. */
import type { Area, Incident, Position } from "../wire";

type Extent = Area["extent"];
/** With fewer units than this they may stand anywhere. */
const FLEET = 10;
/** So many of a fleet on each side may be left out: one unit far away is not where the work is. */
const STRAYS = 20;

export function firstLook(area: Area, positions: Record<string, Position>, incidents: readonly Incident[]): Extent {
  const [west, south, east, north] = area.extent;
  const within = ([lon, lat]: readonly [number, number]) => lon >= west && lon <= east && lat >= south && lat <= north;
  const fleet = Object.values(positions).map(([lon, lat]) => [lon, lat] as const).filter(within);
  const calls = incidents.map(({ lon, lat }) => [lon, lat] as const).filter(within);
  const span = (axis: 0 | 1, low: number, high: number): [number, number] => {
    const places = fleet.map((place) => place[axis]).sort((a, b) => a - b);
    const cut = Math.floor(places.length / STRAYS);
    const seen = [...places.slice(cut, places.length - cut), ...calls.map((place) => place[axis])];
    return fleet.length < FLEET ? [Math.min(low, ...seen), Math.max(high, ...seen)] : [Math.min(...seen), Math.max(...seen)];
  };
  const [left, right] = span(0, area.town[0], area.town[2]);
  const [bottom, top] = span(1, area.town[1], area.town[3]);
  return [left, bottom, right, top];
}
