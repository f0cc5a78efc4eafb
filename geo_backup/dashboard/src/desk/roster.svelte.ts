/** The list of units on the page: whether it is open, what it is filtered by, and its rows, read anew once a second. */
import type { LonLat, Unit } from "../wire";
import { api } from "../api";
import { lookNamed, serviceOf } from "../map/symbols";
import { words } from "../words";
import { inside, listed, rowsOf, type GroupedBy, type Item, type Row, type Seen } from "../world/roster";
import { world } from "../world/world.svelte";
import { desk } from "./desk.svelte";
import { named } from "./named.svelte";
import { may } from "./session.svelte";
import { sight } from "./sight.svelte";

type Shape = { type: string; coordinates: unknown };
const AWAY: Seen = { units: {}, positions: {}, incidents: {}, rankings: {}, freshness: null, now_ms: 0 };

/** Every word of the page for what a unit is and does: of its status, of the counters, of the marks, of the command line. */
const calledOn = (unit: Unit, status: string): string =>
  [words.status(status), ...(words.command.statuses[status] ?? []), words.top.looks[lookNamed(status)], words.help.services[serviceOf(unit)]].join(" ");

class Roster {
  open = $state(false);
  filter = $state("");
  by = $state<GroupedBy>("status");
  /** Counts the wishes to type into the filter. */
  wanted = $state(0);
  seen = $state.raw<Seen>(AWAY);
  #beats = $state.raw<{ id: string; polygons: number[][][][] }[]>([]);

  rows = $derived<Row[]>(rowsOf(this.seen, calledOn, (unit) => named.known(unit), (place) => this.#beatAt(place)));
  items = $derived<Item[]>(listed(this.rows, this.filter, this.by));
  /** The units as they stand in the list. */
  found = $derived(this.items.flatMap((item) => ("row" in item ? [item.row.unit_id] : [])));

  /** Reads the newest; the list changes once a second, not with each position. */
  read(): void {
    const { units, positions, incidents, rankings, freshness } = world.told;
    this.seen = { units, positions, incidents, rankings, freshness, now_ms: world.clock.now() };
  }

  show(filter = this.filter): void {
    this.filter = filter;
    this.open = true;
    this.wanted += 1;
    this.read();
  }

  putAway(): void {
    this.open = false;
    this.seen = AWAY;
  }

  group(by: GroupedBy): void {
    this.by = by;
    if (by !== "beat" || !may("look_around")) return;
    void api.beats().then(({ features }) => {
      this.#beats = features.map(({ geometry, properties }) => {
        const { type, coordinates } = geometry as Shape;
        return { id: String(properties["beat_id"]), polygons: (type === "Polygon" ? [coordinates] : coordinates) as number[][][][] };
      });
    }, () => undefined);
  }

  /** The unit after the chosen one, or the one before. */
  step(by: number): void {
    const at = this.found.indexOf(desk.selectedUnit ?? "");
    const next = this.found[at < 0 ? (by > 0 ? 0 : this.found.length - 1) : Math.min(this.found.length - 1, Math.max(0, at + by))];
    if (next) this.choose(next);
  }

  /** Chooses a unit; the map follows it. */
  choose(unit: string): void {
    desk.selectedUnit = sight.unit = unit;
  }

  #beatAt(place: LonLat): string {
    return this.by === "beat" ? (this.#beats.find(({ polygons }) => polygons.some((rings) => inside(place, rings)))?.id ?? "") : "";
  }
}

export const roster = new Roster();
