/** The call card: a new incident as it is told on the phone, before it is opened. */
import { newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import { metres, placed } from "../world/readings";
import type { BackupMode, Incident, LonLat, RunCard } from "../wire";
import { notice } from "./notice.svelte";

interface Written {
  /** What stands in the box of the place. */
  where: string;
  place: LonLat | null;
  /** The place in words, where it has some. */
  name: string;
  kind: string;
  /** 0: as the run card of the kind says. */
  priority: number;
  note: string;
  callback: string;
}
const blank = (): Written => ({ where: "", place: null, name: "", kind: "", priority: 0, note: "", callback: "" });

/** What has to be there at once is a P1 until somebody says otherwise; a card that waits or is planned is not. */
const PRIORITY: Record<BackupMode, number> = { immediate: 1, delayed: 3, strategic: 4 };

/** Two calls are about the same thing when they come from so near, within this time. */
const NEAR_M = 300;
const SOON_MS = 10 * 60_000;

class CallCard {
  open = $state(false);
  written = $state<Written>(blank());
  /** The incident that it becomes: what is typed meanwhile goes into its note. */
  becoming = $state<string | null>(null);

  runCard = $derived.by<RunCard | undefined>(() => cardOf(this.written.kind));
  priority = $derived(this.written.priority || PRIORITY[this.runCard?.mode ?? "immediate"]);
  /** Why it cannot be opened yet; empty when it can. */
  missing = $derived(this.written.place ? "" : words.card.whereFirst);

  /** Incidents that this call may be about, the nearest first. */
  alike = $derived.by<{ incident: Incident; far_m: number }[]>(() => {
    const { place } = this.written;
    if (!place) return [];
    return world.incidents
      .filter((incident) => placed(incident) && incident.incident_id !== this.becoming)
      .map((incident) => ({ incident, far_m: metres([incident.lon, incident.lat], place) }))
      .filter(({ incident, far_m }) => far_m <= NEAR_M && world.nowMs - Date.parse(incident.opened_time) <= SOON_MS)
      .sort((a, b) => a.far_m - b.far_m);
  });

  /** Shows the card, at this place if one is pointed at. */
  show(place?: LonLat): void {
    this.open = true;
    if (place) this.point(place);
  }

  point(place: LonLat, name = ""): void {
    Object.assign(this.written, { place, name, where: name || words.card.coordinates(place) });
  }

  /** What was typed in the box of the place is taken. */
  find(): void {
    const place = coordinatesIn(this.written.where, world.area?.extent);
    if (place) this.point(place);
    notice.error = place ? "" : words.card.notFound(this.written.where);
  }

  /** Closes the card; what was written can be had back for a moment. */
  putAway(): void {
    const { written } = this;
    const any = written.where || written.kind || written.note || written.callback;
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
