/** The last hour of the chosen unit, or the hour before the moment that is looked back at: asked for while it is looked at,
 * and read anew now and then. */
import type { FeatureCollection } from "geojson";
import { api } from "../api";
import { desk } from "../desk/desk.svelte";
import { notice } from "../desk/notice.svelte";
import { may } from "../desk/session.svelte";
import { unitLook } from "../desk/unit_look.svelte";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { LonLat } from "../wire";
import type { Sign } from "./overlay";
import { crumbs, drawn, type Crumbs } from "./crumbs";

const ANEW_MS = 20_000;
const NONE: Crumbs = { lines: [], times: [] };

export class Trail {
  #crumbs = $state.raw<Crumbs>(NONE);
  drawn = $derived<FeatureCollection | null>(this.#crumbs.lines.length ? drawn(this.#crumbs) : null);
  /** The times along the way, as signs on the map, the newest first. */
  signs = $derived<Sign[]>(
    this.#crumbs.times.map(({ at, ms, to_ms, now }) => ({ place: at, words: words.units.stayed(words.minute(ms, world.zone), words.minute(to_ms, world.zone), now), look: "busy" as const })).reverse(),
  );
  /** All of the way, for the map to show it once: a new object for each unit that is looked at. */
  whole = $state.raw<LonLat[]>([]);

  #of: string | null = null;
  #shown: string | null = null;
  /** So that a past that plays asks no more often than the present does. */
  readonly #back = $derived(world.then && Math.floor(world.then.at_ms / ANEW_MS));

  /** Made while a component is. */
  constructor() {
    $effect(() => {
      void this.#back;
      const unit = unitLook.track && may("look_back") ? desk.selectedUnit : null;
      if (unit !== this.#of) this.#crumbs = NONE;
      this.#of = unit;
      if (!unit) this.#shown = null;
      if (!unit) return;
      let current = true;
      const load = (first: boolean) =>
        api.track(unit, new Date(world.clock.now()).toISOString()).then(({ fixes }) => {
          if (!current) return;
          this.#crumbs = crumbs(fixes);
          if (first && unit !== this.#shown) this.whole = this.#crumbs.lines.flatMap(({ way }) => way);
          this.#shown = unit;
          if (first && !fixes.length) notice.say(words.units.trackEmpty);
        }, (error: Error) => current && first && (notice.error = error.message));
      void load(true);
      const timer = setInterval(() => void load(false), ANEW_MS);
      return () => {
        current = false;
        clearInterval(timer);
      };
    });
  }
}
