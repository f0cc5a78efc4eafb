/** What is drawn on the map and no feed tells: it is asked for when something about it moved, and the newest answer counts. */
import type { Geometry } from "geojson";
import { untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { Problem, api } from "../api";
import { desk } from "../desk/desk.svelte";
import { notice } from "../desk/notice.svelte";
import { may } from "../desk/session.svelte";
import { world } from "../world/world.svelte";
import type { Closure, LonLat, Reach, Route } from "../wire";

export const REACH_MINUTES = [2, 5, 10] as const;
const ROUTE_MS = 1000;
const MOVES_MS = 5000;

/** A closure that stands cannot change, so its roads are asked for once. */
const stamp = (closure: Closure) => `${closure.closure_id} ${closure.added_time}`;

export class Asked {
  /** Where to wait, when somebody is asked to. */
  staging = $state.raw<{ place: LonLat; eta_s: number }[]>([]);
  route = $state.raw<Route | null>(null);
  reach = $state.raw<Reach | null>(null);
  /** Moves of free units that would cover more. */
  moves = $state.raw<{ unit_id: string; words: string }[]>([]);
  readonly #roads = new SvelteMap<string, Geometry>();
  readonly #roadsAsked = new Set<string>();

  /** Where the chosen incident is; the same text while it stays there. */
  readonly #place = $derived(desk.selected ? `${desk.selected.lon} ${desk.selected.lat}` : "");
  readonly #staged = $derived(world.backMs === null && desk.selected?.requirement?.some((need) => need.staged) ? `${desk.selected.incident_id} ${this.#place}` : "");

  #routeOf = "";
  #routeMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Made while a component is; `ready` says whether there is a map to draw on. */
  constructor(ready: () => boolean) {
    $effect(() => this.#askStaging(this.#staged));
    $effect(() => this.#askRoads(Object.values(world.closures)));
    $effect(() => (desk.showCover ? this.#askMoves() : undefined));
    // Route and reach are asked for again when the ranking, a closure or the incident says that something moved.
    $effect(() => {
      void desk.ranking?.as_of_seq;
      this.#askRoute(ready() && world.backMs === null && desk.selectedId && desk.routeUnit ? [desk.selectedId, desk.routeUnit] : null);
    });
    $effect(() => {
      void world.closures;
      void this.#place;
      return ready() ? this.#askReach(desk.showReach ? desk.selectedId : null) : undefined;
    });
  }

  /** The roads under a closure, once they are known. */
  roadsOf(closure: Closure): Geometry | undefined {
    return this.#roads.get(stamp(closure));
  }

  #askStaging(staged: string): (() => void) | undefined {
    this.staging = [];
    if (!staged || !may("look_ahead")) return undefined;
    let current = true;
    void api.staging(staged.split(" ")[0]!).then(
      (answer) =>
        current &&
        (this.staging = answer.features.map(({ geometry, properties }) => ({ place: geometry.coordinates, eta_s: properties.eta_s }))),
      () => undefined,
    );
    return () => (current = false);
  }

  #askRoads(standing: Closure[]): void {
    for (const known of this.#roadsAsked) {
      if (standing.some((closure) => stamp(closure) === known)) continue;
      this.#roadsAsked.delete(known);
      untrack(() => this.#roads.delete(known));
    }
    for (const closure of standing) {
      const key = stamp(closure);
      if (this.#roadsAsked.has(key)) continue;
      this.#roadsAsked.add(key);
      const live = world.live.closures[closure.closure_id];
      const at = world.then && !(live && stamp(live) === key) ? new Date(world.then.at_ms).toISOString() : undefined;
      api.closedRoads(closure.closure_id, at).then(
        (answer) => this.#roadsAsked.has(key) && this.#roads.set(key, answer.geometry),
        () => this.#roadsAsked.delete(key),
      );
    }
  }

  #askMoves(): () => void {
    const load = () => api.moves().then((answer) => (this.moves = answer.moves), () => undefined);
    void load();
    const timer = setInterval(load, MOVES_MS);
    return () => clearInterval(timer);
  }

  /** At most once a second for the same unit and incident. */
  #askRoute(of: [string, string] | null): void {
    clearTimeout(this.#timer);
    const key = of?.join(" ") ?? "";
    const take = (route: Route | null, trouble: string) => {
      this.route = route;
      desk.noRoute = trouble;
      desk.way = route?.properties ?? null;
    };
    if (!of) {
      this.#routeOf = "";
      return take(null, "");
    }
    const wait = key === this.#routeOf ? Math.max(0, this.#routeMs + ROUTE_MS - performance.now()) : 0;
    this.#timer = setTimeout(() => {
      this.#routeOf = key;
      this.#routeMs = performance.now();
      api.route(...of).then(
        (answer) => key === this.#routeOf && take(answer, ""),
        (error: Error) => key === this.#routeOf && take(null, error instanceof Problem && error.status === 409 ? error.message : ""),
      );
    }, wait);
  }

  #askReach(id: string | null): (() => void) | undefined {
    if (!id) {
      this.reach = null;
      return undefined;
    }
    let current = true;
    api.reach(id, REACH_MINUTES).then(
      (answer) => current && (this.reach = answer),
      (error: Error) => current && (notice.error = error.message),
    );
    return () => (current = false);
  }
}
