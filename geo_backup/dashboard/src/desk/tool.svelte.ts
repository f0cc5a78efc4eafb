/** The tool in hand, and what is being drawn with it on the map: a place, a closure, or the posts of a plan. */
import { api, newId } from "../api";
import { words } from "../words";
import { metres } from "../world/readings";
import { world } from "../world/world.svelte";
import type { Closure, ClosureGeometry, LonLat, NewClosure, PlanPost, Road } from "../wire";
import { consent } from "./consent.svelte";
import * as losses from "./losses";
import { notice } from "./notice.svelte";

export type ToolName = "look" | "place" | "plan" | "closure-line" | "closure-area" | "closure-edges";

/** What a closure that is being drawn will say; `share` of the speed in percent, 0 = closed, `minutes` 0 = until lifted. */
interface Draft {
  share: number;
  routineOnly: boolean;
  minutes: number;
  reason: string;
}
const blank = (): Draft => ({ share: 0, routineOnly: false, minutes: 0, reason: "" });

/** A street drawn across with the mouse is hit by this much. */
const LINE_BUFFER_M = 15;

class Tool {
  name = $state<ToolName>("look");
  drawn = $state.raw<LonLat[]>([]);
  /** Streets picked for a closure, and what lay on top of each other under the last click. */
  picked = $state.raw<Road[]>([]);
  stacked = $state.raw<Road[]>([]);
  draft = $state<Draft>(blank());
  /** Posts of the plan that is being made. */
  posts = $state<Omit<PlanPost, "post_id">[]>([]);
  /** Those of the made plan that is read. */
  planned = $state.raw<PlanPost[]>([]);

  /** Why the closure cannot be made yet; empty when it can. */
  missing = $derived(
    this.name === "closure-edges" ? (this.picked.length ? "" : words.closures.missing.streets)
    : this.name === "closure-area" ? (this.drawn.length < 3 ? words.closures.missing.area : "")
    : this.drawn.length < 2 ? words.closures.missing.line : "",
  );

  /** Takes a tool, or puts it away when it is in hand already. */
  take(name: ToolName): void {
    this.name = this.name === name ? "look" : name;
    this.drawn = [];
    this.picked = this.stacked = [];
    this.draft = blank();
  }

  #use: ((place: LonLat) => void) | null = null;

  /** The next place that is pointed at is for this. */
  askPlace(use: (place: LonLat) => void): void {
    this.take("look");
    this.take("place");
    this.#use = use;
  }

  /** A click, or Space at the crosshair. */
  point(place: LonLat): void {
    if (this.name === "place") {
      this.take("look");
      this.#use?.(place);
    } else if (this.name === "closure-edges") void this.#pick(place);
    else if (this.name === "plan") this.#addPost(place);
    else this.#addPoint(place);
  }

  #addPoint(point: LonLat): void {
    const last = this.drawn.at(-1);
    if (last && last[0] === point[0] && last[1] === point[1]) return;
    this.drawn = [...this.drawn, point];
  }

  /** A post needs what the one before it does until something else is said. */
  #addPost([lon, lat]: LonLat): void {
    const needs = this.posts.at(-1)?.needs ?? [{ capability: "any", count: 2 }];
    this.posts.push({ lon, lat, needs: needs.map((need) => ({ ...need })) });
  }

  /** Picks the street nearest to a place, or lets it go. */
  async #pick(place: LonLat): Promise<void> {
    let roads: Road[] = [];
    const found = await notice.attempt(async () => (roads = (await api.roadsNear(place)).roads), "");
    if (!found || !roads[0] || this.name !== "closure-edges") return;
    this.toggle(roads[0]);
    this.stacked = roads.length > 1 ? roads : [];
  }

  isPicked(road: Road): boolean {
    return this.picked.some((other) => other.edges[0] === road.edges[0]);
  }

  toggle(road: Road): void {
    const others = this.picked.filter((other) => other.edges[0] !== road.edges[0]);
    this.picked = others.length < this.picked.length ? others : [...this.picked, road];
  }

  #finishing = false;

  /** Closes what is drawn or picked; asks first where that is much, unless whoever calls has asked. */
  async finishClosure(asked = false): Promise<void> {
    if (this.missing) {
      notice.error = this.missing;
      return;
    }
    if (this.#finishing) return; // a second click is no second closure
    this.#finishing = true;
    const [closure, far_m, slow] = [this.#written(), this.#metres(), this.draft.share > 0];
    let lost: string[] = [];
    const look = async () => (lost = losses.ofClosingRoads(await api.wouldClose(closure), far_m));
    const act = async () => (await close(closure)) && this.take("look");
    if (asked || (await notice.attempt(look, ""))) {
      if (lost.length) consent.ask({ title: words.closures.closeReally(slow), losses: lost, yes: words.closures.closeYes(slow), no: words.closures.drawOn, act });
      else await act();
    }
    this.#finishing = false;
  }

  /** How long the line or the streets are; of an area how far it is across. */
  #metres(): number {
    if (this.name === "closure-edges") return this.picked.reduce((sum, road) => sum + road.length_m, 0);
    const points = this.drawn;
    if (this.name === "closure-area") return Math.max(...points.flatMap((a) => points.map((b) => metres(a, b))));
    return points.slice(1).reduce((sum, point, n) => sum + metres(points[n]!, point), 0);
  }

  #written(): NewClosure {
    const { draft, drawn: points } = this;
    const geometry: ClosureGeometry =
      this.name === "closure-edges" ? { edges: this.picked.flatMap((road) => road.edges) }
      : this.name === "closure-area" ? { type: "Polygon", coordinates: [[...points, points[0]!]] }
      : { type: "LineString", coordinates: points };
    return {
      closure_id: newId("C"),
      geometry,
      ...(this.name === "closure-line" ? { buffer_m: LINE_BUFFER_M } : {}),
      reason: draft.reason.trim(),
      applies_to: draft.routineOnly ? "routine" : "all",
      ...(draft.share ? { slow_factor: draft.share / 100 } : {}),
      ...(draft.minutes ? { valid_to: new Date(world.clock.now() + draft.minutes * 60_000).toISOString() } : {}),
    };
  }

  /** The same closure once more, for the roads beneath too. */
  async closeBeneath(closure: Closure): Promise<void> {
    if (await close({ ...again(closure), levels: "all" }, false)) await notice.attempt(() => api.lift(closure.closure_id), words.closures.beneathToo);
  }
}

/** Opens the roads again; for a moment they can be closed as they were. */
export async function liftClosure(closure: Closure): Promise<void> {
  await notice.attempt(() => api.lift(closure.closure_id), words.closures.lifted, { undo: () => close({ ...again(closure), levels: closure.levels }) });
}

/** A closure as it was, under another id. */
function again({ geometry, buffer_m, reason, applies_to, slow_factor, valid_from, valid_to }: Closure): NewClosure {
  return {
    closure_id: newId("C"),
    geometry, buffer_m, reason, applies_to,
    ...(slow_factor === null ? {} : { slow_factor }),
    ...(valid_from === null ? {} : { valid_from }),
    ...(valid_to === null ? {} : { valid_to }),
  };
}

function close(closure: NewClosure, takenBack = true): Promise<boolean> {
  let spared = 0;
  return notice.attempt(
    async () => (spared = (await api.close(closure)).edges_spared),
    () => words.closures.added(spared > 0),
    { undo: takenBack ? () => notice.attempt(() => api.lift(closure.closure_id), words.closures.lifted) : null },
  );
}

export const tool = new Tool();
