/** The call card: a new incident as it is told on the phone, before it is opened. */
import { newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { LonLat, RunCard } from "../wire";
import { notice } from "./notice.svelte";

interface Written {
  /** What stands in the box of the place: a name, or coordinates. */
  where: string;
  place: LonLat | null;
  kind: string;
  /** 0: as the run card of the kind says. */
  priority: number;
  note: string;
}
const blank = (): Written => ({ where: "", place: null, kind: "", priority: 0, note: "" });

/** Without a run card that says otherwise. */
const PRIORITY = 1;

class CallCard {
  open = $state(false);
  written = $state<Written>(blank());
  /** The incident that it becomes: what is typed meanwhile goes into its note. */
  becoming = $state<string | null>(null);

  runCard = $derived.by<RunCard | undefined>(() => cardOf(this.written.kind));
  priority = $derived(this.written.priority || PRIORITY);
  /** Why it cannot be opened yet; empty when it can. */
  missing = $derived(this.written.place ? "" : words.card.whereFirst);

  /** Shows the card, at this place if one is pointed at. */
  show(place?: LonLat): void {
    this.open = true;
    if (place) this.point(place);
  }

  point(place: LonLat): void {
    this.written.place = place;
    this.written.where = words.card.coordinates(place);
  }

  /** What was typed in the box of the place is taken. */
  find(): void {
    const place = coordinatesIn(this.written.where, world.area?.extent);
    this.written.place = place;
    if (!place) notice.error = words.card.notFound(this.written.where);
    else notice.error = "";
  }

  /** Closes the card; what was written can be had back for a moment. */
  putAway(): void {
    const { written } = this;
    const any = written.where || written.kind || written.note;
    this.clear();
    if (any) notice.say(words.card.putAway, () => ((this.written = written), (this.open = true)));
  }

  clear(): void {
    this.open = false;
    this.becoming = null;
    this.written = blank();
  }

  /** A new id, once for each card that is sent. */
  become(): string {
    this.becoming = newId("I");
    return this.becoming;
  }
}

/** The run card of a kind of incident. */
export function cardOf(kind: string | null | undefined): RunCard | undefined {
  const of = (kind ?? "").trim().toLowerCase();
  return of ? world.cards.find((card) => card.kinds.some((name) => name.toLowerCase() === of)) : undefined;
}

/** "57.7089, 11.9746" as people write it, latitude first, or the other way round where only that is on the map. */
export function coordinatesIn(text: string, extent: readonly [number, number, number, number] | undefined): LonLat | null {
  const found = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*[,;\s]\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*$/.exec(text);
  if (!found) return null;
  const [a, b] = [Number(found[1]), Number(found[2])];
  const inside = ([lon, lat]: LonLat) => !extent || (lon >= extent[0] && lat >= extent[1] && lon <= extent[2] && lat <= extent[3]);
  const ways: LonLat[] = [[b, a], [a, b]];
  return ways.find(inside) ?? (Math.abs(a) <= 90 && Math.abs(b) <= 180 ? ways[0]! : null);
}

export const card = new CallCard();
