/** What the desk does: what is chosen, what is looked at, what is asked for, and what is being written. */
import { standing, underWay } from "../world/readings";
import { world, type Listener } from "../world/world.svelte";
import { words } from "../words";
import type { Candidate, Incident, LonLat, Ranking, Swap } from "../wire";
import { card } from "./card.svelte";
import { consent } from "./consent.svelte";
import { notice } from "./notice.svelte";
import { may, session } from "./session.svelte";
import { Rows, SETTLE_MS } from "./rows.svelte";
import { tool } from "./tool.svelte";

type Theme = "light" | "dark";
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const NEW = { card: "", units: 5, minutes: 60 };

class Desk implements Listener {
  selectedId = $state<string | null>(null);
  selectedUnit = $state<string | null>(null);
  /** The unit in whose place the next one goes. */
  replacing = $state<string | null>(null);
  /** Opened here, not yet come back through the feed. */
  opening = $state.raw<{ id: string; place: LonLat } | null>(null);

  showReach = $state(false);
  showHelp = $state(false);
  showWhy = $state(false);
  showCover = $state(false);
  showPlans = $state(false);
  theme = $state<Theme>((localStorage.getItem("theme") as Theme | null) ?? (systemDark.matches ? "dark" : "light"));

  /** Under which name this desk acknowledges where nobody is signed in, as the log will have it. */
  name = $state(localStorage.getItem("desk") ?? "");
  /** What is being written to each incident: the feed never touches it, and it is still there when one comes back. */
  drafts = $state<Record<string, string>>({});
  /** The incident whose note is to have the focus. */
  noting = $state<string | null>(null);
  #setChangedMs = 0;
  #setWas = "";
  /** What is asked for next: a run card, or so many units whatever they are; `minutes` from now where it is planned. */
  asked = $state({ ...NEW });
  /** Why the chosen unit has no route. */
  noRoute = $state("");

  selected = $derived<Incident | undefined>(this.selectedId ? world.incidentOf[this.selectedId] : undefined);
  ranking = $derived<Ranking | undefined>(this.selectedId ? world.rankings[this.selectedId] : undefined);
  readonly rows = new Rows();
  /** The candidates as they stand on the page. */
  shown = $derived<Candidate[]>(this.rows.placed(this.selectedId, this.ranking?.candidates ?? []));
  /** Practice is on the map: what is chosen is an exercise, or nothing is chosen while one runs. */
  exercise = $derived(this.selected ? this.selected.exercise : world.incidents.some((incident) => incident.exercise));
  /** The recommended units that are not on their way yet. */
  set = $derived.by(() => {
    const { recommended, assignments } = this.selected ?? {};
    const going = new Set(standing(assignments).map((row) => row.unit_id));
    const details = world.decision?.decision_id === recommended?.decision_id ? world.decision?.units : undefined;
    return (recommended?.units ?? [])
      .filter((row) => !going.has(row.unit_id))
      .map((row) => ({ ...row, details: details?.find((other) => other.unit_id === row.unit_id) }));
  });
  /** Offers of a unit in place of one that is still on its way, the most won first. */
  swaps = $derived.by<Swap[]>(() => {
    const going = new Set(underWay(this.selected?.assignments).map((row) => row.unit_id));
    const offers = (this.selected?.recommended?.swaps ?? []).filter((offer) => going.has(offer.replaces) && !going.has(offer.unit_id));
    return offers.sort((a, b) => b.gain_s - a.gain_s);
  });
  /** What taking each unit costs the area, in words, where it costs much. */
  prices = $derived<Record<string, string>>(Object.fromEntries((world.cover?.units ?? []).map((row) => [row.unit_id, row.price_words])));
  /** Whose route is drawn: the chosen unit, else one on its way, else the best. */
  routeUnit = $derived(
    this.selectedUnit ??
      this.ranking?.assigned.find((row) => row.state !== "on_scene")?.unit_id ??
      (this.ranking?.assigned.length ? null : this.ranking?.candidates[0]?.unit_id) ??
      null,
  );

  constructor() {
    systemDark.addEventListener("change", (event) => {
      if (!localStorage.getItem("theme")) this.theme = event.matches ? "dark" : "light";
    });
  }

  /** What is recommended has stood long enough to have been read. */
  setStands(): boolean {
    return performance.now() - this.#setChangedMs >= SETTLE_MS;
  }

  /** The call card has become an incident: that is chosen now, and what was typed meanwhile goes on in its note. */
  handOver(): void {
    const id = card.becoming;
    if (!id || !(id in world.incidentOf)) return;
    const { note } = card.written;
    card.clear();
    this.select(id);
    this.drafts[id] = note;
    this.noting = id;
  }

  toggleTheme(): void {
    this.theme = this.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", this.theme);
  }

  nameIt(name: string): void {
    this.name = name.trim().slice(0, 64);
    localStorage.setItem("desk", this.name);
  }

  select(id: string | null): void {
    if (id === this.selectedId) return;
    this.selectedId = id;
    this.selectedUnit = null;
    this.replacing = null;
    this.showWhy = false;
    consent.leave();
    this.suggest();
  }

  /** The run card of the incident's kind, if there is one. */
  suggest(): void {
    const kind = this.selected?.kind?.toLowerCase() ?? "";
    const card = world.cards.find((card) => card.kinds.some((name) => name.toLowerCase() === kind));
    this.asked = { ...NEW, card: card?.name ?? "" };
  }

  /** The next incident of the list, or the one before. */
  step(by: number): void {
    const at = world.incidents.findIndex((incident) => incident.incident_id === this.selectedId);
    const next = world.incidents[at < 0 ? 0 : (at + by + world.incidents.length) % world.incidents.length];
    if (next) this.select(next.incident_id);
  }

  /** Opens the plans with the map ready to take posts, or puts both away. */
  togglePlans(): void {
    this.showPlans = !this.showPlans;
    if (may("dispatch") && this.showPlans !== (tool.name === "plan")) tool.take(this.showPlans ? "plan" : "look");
  }

  /** One step back: the last thing that was begun is put away. */
  cancel(): void {
    if (tool.name !== "look") tool.take("look");
    else if (card.open) card.putAway();
    else if (this.replacing) this.replacing = null;
    else if (this.selectedUnit) this.selectedUnit = null;
    else this.select(null);
    notice.error = "";
  }

  /** A bare click on the ground: what is chosen is let go, the unit first. */
  letGo(): void {
    if (this.selectedUnit) this.selectedUnit = null;
    else this.select(null);
  }

  linked(link: string, before: string): void {
    if (link !== "live" || before !== "lost") return;
    notice.say(words.link.again);
    void session.look(); // the server may have begun anew
  }

  refused(): void {
    void session.look();
  }

  heard: Listener["heard"] = (message, before) => {
    if (message.type === "error") notice.error = message.message;
    if (this.selectedId && !(this.selectedId in world.incidentOf)) this.select(null);
    if (!this.opening) this.handOver();
    const set = this.set.map((row) => row.unit_id).join(" ");
    if (set !== this.#setWas) this.#setChangedMs = performance.now();
    this.#setWas = set;
    // Who looks at nothing is shown what is new.
    if (!this.selectedId && !card.open && world.incidentOf !== before.incidents) {
      const fresh = world.incidents.find((incident) => !(incident.incident_id in before.incidents));
      if (fresh) this.select(fresh.incident_id);
    }
  };
}

export const desk = new Desk();
