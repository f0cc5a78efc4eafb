/** What places are called: asked for what is looked at and for nothing else, and kept for a place and its surroundings. */
import { SvelteMap } from "svelte/reactivity";
import { untrack } from "svelte";
import { api } from "../api";
import type { LonLat } from "../wire";
import { may } from "./session.svelte";

/** Places this near to each other share a name: about 30 m. */
const CELL_DEG = 0.0003;
const KEPT = 3_000;
const AT_ONCE = 4;
/** Who drives is named anew this often at most. */
const ANEW_MS = 10_000;

const cell = (place: LonLat): string => place.map((degrees) => Math.round(degrees / CELL_DEG)).join(" ");

class Named {
  readonly #names = new SvelteMap<string, string>();
  /** The last name of each unit and when it was asked for: it stands until the next one is there. */
  readonly #units = new Map<string, { cell: string; atMs: number }>();
  readonly #waiting = new Map<string, LonLat>();
  #asking = 0;

  /** Where a unit is, as people say it; empty while nobody knows. */
  ofUnit(unit: string, place: LonLat): string {
    const now = performance.now();
    const key = cell(place);
    const last = this.#units.get(unit);
    if (!last || (last.cell !== key && now - last.atMs >= ANEW_MS)) {
      this.#units.set(unit, { cell: key, atMs: now });
      this.#ask(key, place);
      return this.#names.get(key) ?? (last && this.#names.get(last.cell)) ?? "";
    }
    return this.#names.get(last.cell) ?? "";
  }

  /** The name that a unit has already. */
  known(unit: string): string {
    const last = this.#units.get(unit);
    return (last && untrack(() => this.#names.get(last.cell))) ?? "";
  }

  #ask(key: string, place: LonLat): void {
    if (!may("look_around") || untrack(() => this.#names.has(key))) return;
    this.#waiting.set(key, place);
    this.#next();
  }

  #next(): void {
    for (const [key, place] of this.#waiting) {
      if (this.#asking >= AT_ONCE) return;
      this.#waiting.delete(key);
      this.#asking += 1;
      void api.placeName(...place)
        .then(({ name }) => this.#keep(key, name), () => undefined)
        .finally(() => ((this.#asking -= 1), this.#next()));
    }
  }

  #keep(key: string, name: string): void {
    if (this.#names.size >= KEPT) for (const old of [...this.#names.keys()].slice(0, KEPT / 10)) this.#names.delete(old);
    this.#names.set(key, name);
  }
}

export const named = new Named();
