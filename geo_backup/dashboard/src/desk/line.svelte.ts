/** The command line: what is typed, what it would do, what it may become, and the last order as it would have been typed. */
import { api, orders as sent } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { FoundPlace, Incident } from "../wire";
import { carry } from "./carry";
import { COMMANDS, commandOf, parted, read, type Known, type Option, type Order } from "./commands";
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { meant, spoken } from "./moment";
import { past } from "./past.svelte";
import { may } from "./session.svelte";
import { sight } from "./sight.svelte";
import { idOf, tagOf } from "./tags";
import { titleOf } from "./titles";
import { typed } from "./typed";

/** Whoever types is asked for after this rest. */
const REST_MS = 90;
const PLACES = 7;
const FINISHED = 7;
const WEEK_MS = 7 * 24 * 3_600_000;

/** An option, with what it stands for where it is no word of the line. */
type Choice = Option & { place?: FoundPlace; finished?: Incident };
interface Sought {
  of: string;
  places: FoundPlace[];
  unknown: string[];
  finished: Incident[];
}
const NONE: Sought = { of: "", places: [], unknown: [], finished: [] };

class Line {
  /** Counts the wishes to type. */
  wanted = $state(0);
  active = $state(false);
  text = $state("");
  /** The option that the arrows are on; -1: none. */
  at = $state(-1);
  /** The last order as it would be typed. */
  echo = $state("");
  #sought = $state.raw<Sought>(NONE);
  #timer: ReturnType<typeof setTimeout> | undefined;

  known = $derived<Known>({
    units: Object.values(world.units),
    incidents: world.incidents.map(({ incident_id }) => ({ incident_id, tag: tagOf(incident_id), title: titleOf(incident_id) })),
    ranked: desk.shown.map((row) => row.unit_id),
    incident: desk.selectedId,
    unit: desk.selectedUnit,
    may,
    past: world.backMs !== null,
  });
  reading = $derived(read(this.text, this.known));
  /** What of the line is looked up: a place, or finished incidents. */
  #question = $derived.by(() => {
    const { order } = this.reading;
    return order && this.#seeks(order) ? `${order.name} ${order.text}` : "";
  });
  #answered = $derived(this.#question !== "" && this.#sought.of === this.#question);
  choices = $derived.by<Choice[]>(() => {
    if (!this.#question) return this.reading.options;
    const { places, finished } = this.#sought;
    if (COMMANDS[this.reading.order!.name].takes === "place") return places.map((place) => ({ line: this.text, shows: [place.name, words.places.what(place), this.#unsaid(place), place.hazard].filter(Boolean).join(" · "), place }));
    return finished.map((incident) => ({ line: this.text, shows: `${this.#titled(incident)} · ${words.command.finishedOn(words.past.dated(Date.parse(incident.opened_time), world.zone))}`, finished: incident }));
  });
  /** What Enter will do, in words; or why it does nothing. */
  says = $derived.by<{ well: boolean; words: string }>(() => {
    const { order, trouble } = this.reading;
    if (trouble) return { well: false, words: words.command.trouble[trouble.what](trouble.word, trouble.may) };
    return order ? { well: true, words: this.#saying(order) } : { well: true, words: "" };
  });

  constructor() {
    sent.heard = (method, path, body) => {
      const said = typed(method, path, body, { callsign: (unit) => world.callsign(unit), tag: (incident) => `#${tagOf(incident)}` });
      if (said) this.echo = said;
    };
  }

  /** Takes what is typed next, beginning with this. */
  begin(text = ""): void {
    this.active = true;
    this.wanted += 1;
    if (text) this.write(text);
  }

  /** What a key did is shown as it would be typed. */
  pressed(key: string): void {
    const name = commandOf(key);
    if (name && COMMANDS[name].takes === "nothing") this.echo = name;
  }

  write(text: string): void {
    this.text = text;
    this.at = -1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#seek(), REST_MS);
  }

  step(by: number): void {
    const { length } = this.choices;
    if (length) this.at = (this.at + by + length + (this.at < 0 && by < 0 ? 1 : 0)) % length;
  }

  /** The option that is marked, else the first, becomes the line. */
  complete(): void {
    const choice = this.choices[Math.max(0, this.at)];
    if (choice && choice.line !== this.text) this.write(choice.line);
  }

  /** What Enter does: takes the marked option into the line, or carries the line out. True: it is done. */
  async enter(): Promise<boolean> {
    const choice = this.choices[this.at];
    if (choice && choice.line !== this.text) return this.write(choice.line), false;
    const { order, trouble } = this.reading;
    if (!order) {
      if (trouble) notice.error = this.says.words;
      return false;
    }
    if (this.#seeks(order) && !this.#answered) {
      clearTimeout(this.#timer);
      await this.#seek();
    }
    const { place, finished } = (this.choices[Math.max(0, this.at)] ?? {}) as Partial<Choice>;
    const { kind, note, place: where } = this.#parts(order);
    this.leave();
    await carry(order.name === "new" ? { ...order, text: where } : order, { place, kind, note, finished });
    return true;
  }

  leave(): void {
    this.text = "";
    this.at = -1;
    this.#sought = NONE;
    this.active = false;
  }

  #seeks = ({ name, text }: Order): boolean => (text !== "" && (COMMANDS[name].takes === "place" || name === "reopen")) || name === "closed";

  #parts(order: Order) {
    const kinds = [...new Set(world.cards.flatMap((card) => card.kinds))];
    const whole = { place: order.text, kind: "", note: "" };
    return order.name === "new" ? parted(order.text, kinds, this.#answered ? this.#sought.unknown : []) : whole;
  }

  async #seek(): Promise<void> {
    const { order } = this.reading;
    const of = this.#question;
    if (!order || !of) return;
    try {
      if (order.name === "reopen" || order.name === "closed") {
        const found = order.text.startsWith("#") ? idOf(Number(order.text.slice(1))) : undefined;
        const fromMs = order.name === "reopen" ? world.clock.live() - WEEK_MS : 0;
        const { incidents } = await api.finished(found ?? order.text, new Date(fromMs).toISOString(), FINISHED);
        if (of === this.#question) this.#sought = { ...NONE, of, finished: incidents };
        return;
      }
      const { place } = this.#parts(order);
      const { places } = await api.places(place.slice(0, 200), PLACES, sight.centre());
      if (of === this.#question) this.#sought = { ...NONE, of, places, unknown: places[0]?.unknown_words ?? [] };
    } catch {
      if (of === this.#question) this.#sought = { ...NONE, of };
    }
  }

  /** What of the place is doubtful; words that it does not know are the note of a new incident. */
  #unsaid = (place: FoundPlace): string => words.places.doubt(this.reading.order?.name === "new" ? { ...place, unknown_words: [] } : place);

  #titled = (incident: Incident): string => words.incident.title(incident, world.callsign(incident.for_unit_id ?? ""));

  #meant = (text: string): number => meant(spoken(text)!, world.clock.live(), world.zone);

  #saying(order: Order): string {
    const { says } = words.command;
    const { name, number, text } = order;
    const units = order.units.map((unit) => world.callsign(unit));
    const on = order.incident ? `#${tagOf(order.incident)} ${titleOf(order.incident)}` : "";
    const choice = this.choices[Math.max(0, this.at)];
    const plainly = words.command.what(name);
    switch (name) {
      case "status": return says.status(units, words.status(text));
      case "show": return says.show(units[0]!);
      case "near": return says.near(units[0]!);
      case "track": return says.track(units[0]!);
      case "emergency": return says.emergency(units[0]!);
      case "units": return says.units(text);
      case "send": return says.send(units, on);
      case "set": return says.set(order.incident === desk.selectedId ? desk.set.map((row) => world.callsign(row.unit_id)) : [], on);
      case "replace": return says.replace(units[0]!, units[1]!, on);
      case "release": return says.release(units);
      case "level":
      case "priority":
      case "planned": return says.number(name, number, on);
      case "note":
      case "kind":
      case "callback": return says.text(name, text, on);
      case "message":
      case "urgent": return says.message(name === "urgent", units.join(", ") || (order.incident ? words.messages.allOn(on) : words.messages.everybody), text);
      case "lift": return says.lift(text);
      case "back": return text ? words.past.at(this.#meant(text), world.zone) : plainly;
      case "play": return says.play(number || past.speed);
      case "closed": return choice?.finished ? words.record.found(choice.shows) : this.#answered ? words.record.none : says.closed(text);
      case "backup":
      case "delayed":
      case "end":
      case "timeline":
      case "open": return says.of(plainly, on);
      case "ok": return says.ok(units[0] ?? on);
      case "reopen": return choice?.finished ? says.reopen(choice.shows) : this.#answered ? words.command.trouble.incident(text) : words.command.seeking;
      case "new": {
        const { place, kind, note } = this.#parts(order);
        return text ? says.new(choice?.place?.name ?? place, kind, note) : plainly;
      }
      case "where":
      case "close":
        if (!choice?.place) return this.#answered ? words.command.nothingFound(text) : words.command.seeking;
        return says[name](choice.place.name);
      default: return plainly;
    }
  }
}

export const line = new Line();
