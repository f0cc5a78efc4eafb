/** Who is drawn where: units on scene in a ring round their incident, free ones in clusters from far away, labels that do not collide. */
import type { Square } from "./motion";
import type { UnitMark } from "./symbols";

export interface Seen extends UnitMark {
  id: string;
  label: string;
  square: Square;
  /** The incident on whose scene it is. */
  scene: string | null;
  /** It counts for what is looked at (chosen, sent, in danger, among the first of a ranking): it never hides in a cluster. */
  matters: boolean;
}

export interface Cluster {
  x: number;
  y: number;
  count: number;
}

export interface Label {
  id: string;
  x: number;
  y: number;
  size: readonly [width: number, height: number];
}

export interface Point {
  x: number;
  y: number;
}

/** Free units closer than this are drawn as one where the map is far out ... */
const CELL_PX = 44;
/** ... unless they are fewer. */
const FEWEST = 4;
const CLUSTERS_BELOW_ZOOM = 13;
/** With more than this in sight only labels of units that matter are looked for. */
const MOST_LABELLED = 150;
const NEAR_RING_PX = 70;

/** Moves units on scene to a ring round their incident, evenly from the top on, always in the same order. */
export function inRings(units: Seen[], incidents: Record<string, Point>): void {
  const rings = new Map<string, Seen[]>();
  for (const unit of units) {
    const at = unit.scene && incidents[unit.scene];
    if (!at || Math.hypot(at.x - unit.x, at.y - unit.y) > NEAR_RING_PX) continue;
    if (!rings.has(unit.scene!)) rings.set(unit.scene!, []);
    rings.get(unit.scene!)!.push(unit);
  }
  for (const [scene, ring] of rings) {
    const r = Math.max(34, (ring.length * 30) / (2 * Math.PI));
    ring.sort((a, b) => (a.id < b.id ? -1 : 1));
    ring.forEach((unit, n) => {
      const angle = (n / ring.length) * 2 * Math.PI - Math.PI / 2;
      unit.x = incidents[scene]!.x + r * Math.cos(angle);
      unit.y = incidents[scene]!.y + r * Math.sin(angle);
      unit.course = null;
    });
  }
}

/** Takes free units that stand close to each other out of `units`; cells stay where they are on the ground while the map moves. */
export function clustered(units: Seen[], zoom: number): { alone: Seen[]; clusters: Cluster[] } {
  if (zoom >= CLUSTERS_BELOW_ZOOM) return { alone: units, clusters: [] };
  const per = (512 * 2 ** Math.floor(zoom)) / CELL_PX;
  const alone: Seen[] = [];
  const cells = new Map<number, Seen[]>();
  for (const unit of units) {
    if (unit.matters || unit.offMap || unit.look !== "free") {
      alone.push(unit);
      continue;
    }
    const cell = Math.floor(unit.square[0] * per) * 0x4000000 + Math.floor(unit.square[1] * per);
    const there = cells.get(cell);
    if (there) there.push(unit);
    else cells.set(cell, [unit]);
  }
  const clusters: Cluster[] = [];
  for (const there of cells.values()) {
    if (there.length < FEWEST) alone.push(...there);
    else {
      const mean = (axis: "x" | "y") => there.reduce((sum, unit) => sum + unit[axis], 0) / there.length;
      clusters.push({ x: mean("x"), y: mean("y"), count: there.length });
    }
  }
  return { alone, clusters };
}

type Rect = readonly [left: number, top: number, right: number, bottom: number];
const BUCKET_PX = 48;

/** What is already covered. */
class Taken {
  readonly #buckets = new Map<number, Rect[]>();

  add(rect: Rect): void {
    this.#each(rect, (key) => {
      const there = this.#buckets.get(key);
      if (there) there.push(rect);
      else this.#buckets.set(key, [rect]);
      return false;
    });
  }

  meets(rect: Rect): boolean {
    const [left, top, right, bottom] = rect;
    return this.#each(rect, (key) => this.#buckets.get(key)?.some((other) => left < other[2] && right > other[0] && top < other[3] && bottom > other[1]) ?? false);
  }

  #each([left, top, right, bottom]: Rect, visit: (key: number) => boolean): boolean {
    for (let x = Math.floor(left / BUCKET_PX); x <= Math.floor(right / BUCKET_PX); x++)
      for (let y = Math.floor(top / BUCKET_PX); y <= Math.floor(bottom / BUCKET_PX); y++) if (visit(x * 100_003 + y)) return true;
    return false;
  }
}

/** Beneath, right, left, above, then the corners and further out; in pixels from the mark's rim. */
const SLOTS: readonly (readonly [x: number, y: number, far: number])[] = [
  [0, 1, 2], [1, 0, 3], [-1, 0, 3], [0, -1, 2], [1, 1, 0], [-1, 1, 0], [1, -1, 0], [-1, -1, 0],
  [0, 1, 20], [0, -1, 20], [1, 0, 24], [-1, 0, 24], [1, 1, 20], [-1, 1, 20], [1, -1, 20], [-1, -1, 20],
];
const NEAR_SLOTS = 4;

/** Where labels stand. Those of units that matter always have a place, the first ones the best; others only where there is room.
 * `before` keeps the slot of each, so that a label does not hop about; it is changed. */
export function labelled(
  units: Seen[], covered: readonly Rect[], incidents: Record<string, Point>, before: Map<string, number>, view: { width: number; height: number },
  size: (unit: Seen) => readonly [number, number],
): Label[] {
  const taken = new Taken();
  for (const rect of covered) taken.add(rect);
  for (const { x, y, assigned } of units) {
    const r = assigned ? 13 : 8;
    taken.add([x - r, y - r, x + r, y + r]);
  }
  const rank = (unit: Seen) => (unit.chosen ? 0 : unit.alarmed ? 1 : unit.assigned ? 2 : unit.matters ? 3 : before.has(unit.id) ? 4 : 5);
  const wanted = units.length > MOST_LABELLED ? units.filter((unit) => unit.matters) : [...units];
  wanted.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  const labels: Label[] = [];
  const kept = new Map<string, number>();
  for (const unit of wanted) {
    const [width, height] = size(unit);
    const rim = unit.assigned || unit.chosen ? 14 : 9;
    const at = (slot: number): Point => {
      const [dx, dy, far] = SLOTS[slot]!;
      return { x: unit.x + dx * (rim + far + width / 2), y: unit.y + dy * (rim + far + height / 2) };
    };
    const rect = ({ x, y }: Point): Rect => [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
    // Round a ring labels stand outside.
    const middle = unit.scene ? incidents[unit.scene] : undefined;
    const outward = middle && (Math.abs(unit.x - middle.x) > Math.abs(unit.y - middle.y) * 0.6 ? (unit.x > middle.x ? 1 : 2) : unit.y > middle.y ? 0 : 3);
    const first = before.get(unit.id) ?? outward ?? 0;
    const last = unit.matters ? SLOTS.length : NEAR_SLOTS;
    const order = [first, ...(outward === undefined ? [] : [outward]), ...Array.from({ length: last }, (_, n) => n)];
    const cutOff = ([left, top, right, bottom]: Rect) => left < 0 || top < 0 || right > view.width || bottom > view.height;
    const slot = order.find((n) => n < last && !cutOff(rect(at(n))) && !taken.meets(rect(at(n)))) ?? (unit.matters ? first : undefined);
    if (slot === undefined) continue;
    const place = at(slot);
    taken.add(rect(place));
    kept.set(unit.id, slot);
    labels.push({ id: unit.id, ...place, size: [width, height] });
  }
  before.clear();
  for (const [id, slot] of kept) before.set(id, slot);
  return labels;
}
