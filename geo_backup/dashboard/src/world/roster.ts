/** The units as a list: what each does and since when, for whom, how fresh that is; sought by words, in groups. */
import type { Freshness, FreshnessLimits, Incident, LonLat, Position, Ranking, Unit } from "../wire";
import { doing, freshness, standing } from "./readings";

export interface Row {
  unit_id: string;
  callsign: string;
  agency: string;
  status: string;
  since_ms: number;
  incident_id: string | null;
  /** Until it is there; null: it is not on its way, or nobody knows. */
  eta_s: number | null;
  place: LonLat | null;
  seen_ms: number | null;
  freshness: Freshness;
  beat: string;
  /** What it can be found by. */
  said: string;
}

export type GroupedBy = "status" | "agency" | "beat";
export type Item = { group: string; count: number } | { row: Row };

/** What is read for the list, all of one moment. */
export interface Seen {
  units: Record<string, Unit>;
  positions: Record<string, Position>;
  incidents: Record<string, Incident>;
  rankings: Record<string, Ranking>;
  freshness: FreshnessLimits | null;
  now_ms: number;
}

/** Who can be sent stands first, who cannot last. */
const STATUSES = ["in_danger", "available", "on_station", "returning", "assigned", "acknowledged", "en_route", "staging", "on_scene", "transporting", "busy", "limited", "out_of_service"];

/** Small letters without accents and marks: "P-17" is found by "p17". */
export const plain = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
export const bare = (text: string): string => plain(text).replace(/[^\p{L}\p{N}]/gu, "");

/** What can be found, and each of its words by itself: "k-9" by "k-9" and by "9". */
const sought = (text: string): string => ` ${plain(text)} ${plain(text).replace(/[^\p{L}\p{N}]+/gu, " ")} `;
/** A word is found by its beginning, a long one anywhere: "gatan" is in "odinsgatan", but "out" not in "en route". */
const LONG = 4;
const has = (said: string, word: string): boolean => said.includes(` ${word}`) || (word.length >= LONG && said.includes(word));

/** What a unit does and since when: until it says so itself, what it was sent to do counts. */
function does(unit: Unit, incidents: Record<string, Incident>): { status: string; since_ms: number } {
  const status = doing(unit, incidents);
  const sent = standing(incidents[unit.incident_id ?? ""]?.assignments).find((row) => row.unit_id === unit.unit_id);
  const told = status === unit.status || !sent ? unit.status_time : sent.at;
  return { status, since_ms: Date.parse(told ?? "") };
}

/** A row for each unit; `called` says a unit and what it does in every word that the page has for that, and `placed` what a
 * place is called where that is known. */
export function rowsOf(seen: Seen, called: (unit: Unit, status: string) => string, placed: (unit: string) => string, beatOf: (place: LonLat) => string): Row[] {
  return Object.values(seen.units).map((unit) => {
    const { unit_id, callsign, agency, kind, capabilities, incident_id } = unit;
    const position = seen.positions[unit_id];
    const place: LonLat | null = position ? [position[0], position[1]] : null;
    const ranking = incident_id ? seen.rankings[incident_id] : undefined;
    const { status, since_ms } = does(unit, seen.incidents);
    const beat = place ? beatOf(place) : "";
    return {
      unit_id, callsign, agency, status, since_ms, incident_id, place, beat,
      eta_s: status === "on_scene" ? null : (ranking?.assigned.find((row) => row.unit_id === unit_id)?.eta_s ?? null),
      seen_ms: position?.[4] ?? null,
      freshness: !position ? "lost" : seen.freshness ? freshness(seen.now_ms - position[4], position[5] === 1, kind, seen.freshness) : "live",
      said: sought([callsign, bare(callsign), called(unit, status), agency, kind, ...capabilities, beat, placed(unit_id)].join(" ")),
    };
  });
}

/** Rows that have each word of the filter, each group of them under its name. */
export function listed(rows: readonly Row[], filter: string, by: GroupedBy): Item[] {
  const wanted = plain(filter).split(/\s+/).filter(Boolean);
  const found = rows.filter(({ said }) => wanted.every((word) => has(said, word)));
  const rank = ({ status }: Row) => (STATUSES.indexOf(status) + 1 || STATUSES.length + 1);
  const order = new Intl.Collator(undefined, { numeric: true });
  const group = (row: Row) => row[by];
  found.sort((a, b) => (by === "status" ? 0 : order.compare(group(a) || "\uffff", group(b) || "\uffff")) || rank(a) - rank(b) || order.compare(a.callsign, b.callsign) || order.compare(a.unit_id, b.unit_id));
  const counts = new Map<string, number>();
  for (const row of found) counts.set(group(row), (counts.get(group(row)) ?? 0) + 1);
  const items: Item[] = [];
  let last: string | null = null;
  for (const row of found) {
    if (group(row) !== last) items.push({ group: (last = group(row)), count: counts.get(last)! });
    items.push({ row });
  }
  return items;
}

type Ring = readonly (readonly number[])[];

/** Whether a place lies in a polygon of rings, holes left out. */
export function inside([x, y]: LonLat, rings: readonly Ring[]): boolean {
  let within = false;
  for (const ring of rings)
    for (let n = 0, before = ring.length - 1; n < ring.length; before = n++) {
      const [[ax, ay], [bx, by]] = [ring[n] as [number, number], ring[before] as [number, number]];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
  return within;
}
