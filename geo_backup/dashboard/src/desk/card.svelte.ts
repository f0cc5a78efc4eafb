/** The call card: a new incident as it is told on the phone, before it is opened. */
import { newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import { metres, placed } from "../world/readings";
import type { BackupMode, FoundPlace, Incident, LonLat, RunCard } from "../wire";
import { Finder, nameOf, recorded } from "./finder.svelte";
import { notice } from "./notice.svelte";

interface Written {
  /** What stands in the box of the place. */
  where: string;
  place: LonLat | null;
  /** The place in words, where it has some. */
  name: string;
  /** What of the place that was typed was not found, and what one has to know before going in. */
  doubt: string;
  hazard: string;
  kind: string;
  /** 0: as the run card of the kind says. */
  priority: number;
  note: string;
  callback: string;
}
const blank = (): Written => ({ where: "", place: null, name: "", doubt: "", hazard: "", kind: "", priority: 0, note: "", callback: "" });

/** What has to be there at once is a P1 until somebody says otherwise; a card that waits or is planned is not. */
const PRIORITY: Record<BackupMode, number> = { immediate: 1, delayed: 3, strategic: 4 };

/** Two calls may be about the same thing when they come from so near within this time, or from the very spot at any. */
const NEAR_M = 300;
const SOON_MS = 10 * 60_000;
const SPOT_M = 60;
/** What has stood so long has been read. */
const READ_MS = 1_200;

class CallCard {
  open = $state(false);
  /** So often it was begun or pointed at a place: each time its next field has the focus. */
  shown = $state(0);
  written = $state<Written>(blank());
  /** The incident that it becomes: what is typed meanwhile goes into its note. */
  becoming = $state<string | null>(null);

  runCard = $derived.by<RunCard | undefined>(() => cardOf(this.written.kind));
  priority = $derived(this.written.priority || this.runCard?.priority || PRIORITY[this.runCard?.mode ?? "immediate"]);
  /** What is written as its kind is none of those that a run card is for. */
  strange = $derived(world.cards.length > 0 && this.written.kind.trim() !== "" && !this.runCard);
  /** Why it cannot be opened yet; empty when it can. */
  missing = $derived(this.written.place ? "" : words.card.whereFirst);

  /** Incidents that this call may be about, the nearest first. */
  alike = $derived.by<{ incident: Incident; far_m: number }[]>(() => {
    const { place } = this.written;
    if (!place) return [];
    return world.incidents
      .filter((incident) => placed(incident) && incident.incident_id !== this.becoming)
      .map((incident) => ({ incident, far_m: metres([incident.lon, incident.lat], place) }))
      .filter(({ incident, far_m }) => far_m <= SPOT_M || (far_m <= NEAR_M && world.nowMs - Date.parse(incident.opened_time) <= SOON_MS))
      .sort((a, b) => a.far_m - b.far_m);
  });

  #offered = "";
  #offeredMs = 0;

  /** These incidents stand on the card now. */
  offered(ids: string): void {
    if (ids !== this.#offered) this.#offeredMs = performance.now();
    this.#offered = ids;
  }

  /** Incidents that this call may be about stand there, and nobody has had the time to read them. */
  unread(): boolean {
    const ids = this.alike.map(({ incident }) => incident.incident_id).join(" ");
    return ids !== "" && (ids !== this.#offered || performance.now() - this.#offeredMs < READ_MS);
  }

  /** Shows the card, at this place if one is pointed at. */
  show(place?: LonLat): void {
    if (place) this.point(place);
    this.open = true;
    this.shown += 1;
  }

  /** A place of the map; what it is called follows. */
  point(place: LonLat): void {
    this.#put(place, words.card.coordinates(place), nameOf(place));
  }

  /** The answer to what was typed, once it is there; it counts unless something else was typed or pointed at meanwhile. */
  async pick(answer: Promise<FoundPlace | undefined>, text: string): Promise<void> {
    const { written } = this;
    this.#finding = answer;
    const found = await answer;
    if (this.written !== written || (written.where !== text && found?.name !== text)) return;
    notice.error = found ? "" : words.card.notFound(text);
    if (found) this.#put([found.lon, found.lat], found.name, recorded(found), words.places.doubt(found), found.hazard);
  }

  /** What stands in the box of the place is looked up where that has not been done. */
  async find(): Promise<void> {
    const { where, place } = this.written;
    if (!place && where.trim()) await this.pick(this.#finding ?? new Finder().take(where), where);
  }

  #finding: Promise<FoundPlace | undefined> | null = null;

  #put(place: LonLat, where: string, name: Promise<string>, doubt = "", hazard = ""): void {
    const { written } = this;
    Object.assign(written, { place, where, name: "", doubt, hazard });
    this.#naming = name.then((called) => {
      if (written.place?.[0] !== place[0] || written.place[1] !== place[1] || !called) return;
      written.name = called;
      if (written.where === where) written.where = called;
    });
  }

  #naming: Promise<void> = Promise.resolve();

  /** The place has its name, or none. */
  named(): Promise<void> {
    return this.#naming;
  }

  typed(where: string): void {
    this.#finding = null;
    Object.assign(this.written, { where, place: null, name: "", doubt: "", hazard: "" });
  }

  /** Closes the card; what was written can be had back for a moment. */
  putAway(): void {
    const { written } = this;
    const any = written.where || written.kind || written.note || written.callback;
    this.clear();
    if (any) notice.say(words.card.putAway, () => ((this.written = written), this.show()));
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

export const card = new CallCard();
