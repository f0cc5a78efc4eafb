/** Places as they are typed: what is found for a text, best first, and what a place of the map is called. */
import { api } from "../api";
import { may } from "./session.svelte";
import type { FoundPlace, LonLat } from "../wire";

/** A question follows the last key by this much. */
const REST_MS = 60;
const SHOWN = 8;

/** One search box. */
export class Finder {
  found = $state.raw<FoundPlace[]>([]);
  /** The row that Enter takes. */
  at = $state(0);
  /** For which text; "" where nothing is open. */
  text = $state("");
  #timer: ReturnType<typeof setTimeout> | undefined;

  typed(text: string): void {
    this.text = text.trim();
    clearTimeout(this.#timer);
    if (!this.text) this.found = [];
    else this.#timer = setTimeout(() => void this.#ask(this.text), REST_MS);
  }

  step(by: number): void {
    this.at = Math.max(0, Math.min(this.found.length - 1, this.at + by));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.found = [];
    this.text = "";
    this.at = 0;
  }

  /** What Enter takes: the row that is marked, else the first of what is found for the text. */
  async take(text: string): Promise<FoundPlace | undefined> {
    const marked = text.trim() === this.#of ? this.found[this.at] : undefined;
    this.close();
    return marked ?? (await find(text))[0];
  }

  #of = "";
  async #ask(text: string): Promise<void> {
    const found = await find(text);
    if (text !== this.text) return;
    this.found = found;
    this.#of = text;
    this.at = 0;
  }
}

async function find(text: string): Promise<FoundPlace[]> {
  if (!text.trim() || !may("look_around")) return [];
  return api.places(text.trim(), SHOWN).then((answer) => answer.places, () => []);
}

/** What a place is called; empty where nobody can say. */
export async function nameOf([lon, lat]: LonLat): Promise<string> {
  return may("look_around") ? api.placeName(lon, lat).then((answer) => answer.name, () => "") : "";
}

/** A found place as an incident there is recorded: of bare coordinates, what is there; of one of several that are called so,
 * which of them. */
export async function recorded(found: FoundPlace): Promise<string> {
  const { kind, name, town, beside } = found;
  return kind === "coordinates" ? nameOf([found.lon, found.lat]) : [beside.startsWith(name) ? beside : name, town].filter(Boolean).join(", ");
}
