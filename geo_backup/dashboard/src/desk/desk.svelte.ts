/** What the desk does: what is chosen, what is looked at, what is asked for, and what is being written. */
import { onlyPractice, standing, underWay } from "../world/readings";
import { world, type Listener } from "../world/world.svelte";
import { words } from "../words";
import type { Candidate, Incident, LonLat, Ranking, Route, Swap } from "../wire";
import { card, cardOf } from "./card.svelte";
import { consent } from "./consent.svelte";
import { drafts } from "./drafts.svelte";
import { notice } from "./notice.svelte";
import { may, session } from "./session.svelte";
import { Rows, SETTLE_MS } from "./rows.svelte";
import { tool } from "./tool.svelte";

type Theme = "light" | "dark";
const systemDark = matchMedia("(prefers-color-scheme: dark)");
/** What stands where nobody has asked by a run card or by a number: capabilities that a program named. */
export const AS_ASKED = "=";
const UNITS = 5;

class Desk implements Listener {
  selectedId = $state<string | null>(null);
  selectedUnit = $state<string | null>(null);
  /** The incident whose record is read, open or finished. */
  reading = $state<string | null>(null);
  /** The unit in whose place the next one goes. */
  replacing = $state<string | null>(null);
  /** Opened here, not yet come back through the feed. */
  opening = $state.raw<{ id: string; place: LonLat } | null>(null);

  showReach = $state(false);
  showHelp = $state(false);
  showWhy = $state(false);
  showCover = $state(false);
  showPlans = $state(false);
  showHandover = $state(false);
  showTrackers = $state(false);
  theme = $state<Theme>((localStorage.getItem("theme") as Theme | null) ?? (systemDark.matches ? "dark" : "light"));

  /** Under which name this desk acknowledges where nobody is signed in, as the log will have it. */
  name = $state(localStorage.getItem("desk") ?? "");
  /** The incident whose note is to have the focus. */
  noting = $state<string | null>(null);
  #setChangedMs = 0;
  #setWas = "";
  /** In how many minutes planned backup is to be there. */
  minutes = $state(60);
  /** The newest whole ranking of the chosen incident, while the page needs more than its best. */
  full = $state.raw<Ranking | null>(null);
  /** Whose way is drawn, and what the learned pace makes of it. */
  way = $state.raw<Route["properties"] | null>(null);
  /** Why the chosen unit has no route. */
  noRoute = $state("");

  selected = $derived<Incident | undefined>(this.selectedId ? world.incidentOf[this.selectedId] : undefined);
  /** The emergency that was the reason for it is over: nobody goes there by a mere Ctrl+Enter. */
  over = $derived(this.selected?.emergency?.stands === false);
  ranking = $derived<Ranking | undefined>(this.selectedId ? world.rankings[this.selectedId] : undefined);
  readonly rows = new Rows();
  /** The candidates as they stand on the page. */
  shown = $derived<Candidate[]>(this.rows.placed(this.selectedId, this.ranking?.candidates ?? []));
  /** The whole page is practice: nothing real is open, nor being written or read. */
  exercise = $derived(onlyPractice(world.incidents) && !card.open && (this.reading === null || world.incidentOf[this.reading]?.exercise === true));
  /** So many units of any kind are asked for; 0: something else is. */
  #plain = $derived.by(() => {
    const needs = this.selected?.mode ? (this.selected.requirement ?? []) : [];
    return needs.length === 1 && needs[0]!.capability === "any" ? needs[0]!.count : 0;
  });
  /** What the form asks for, a run card or `units` of any kind: as it stands, else by the kind of the incident. What
   * somebody chooses instead lasts until that changes. */
  #cardStands = $derived(!this.selected?.mode ? (cardOf(this.selected?.kind)?.name ?? "") : this.selected.run_card || (this.#plain ? "" : AS_ASKED));
  #unitsStand = $derived(this.#plain || UNITS);
  card = $derived(this.#cardStands);
  units = $derived(this.#unitsStand);
  /** Nothing else is chosen than what is asked for already. */
  asksAsItStands = $derived(Boolean(this.selected?.mode) && this.card === this.#cardStands && (this.card !== "" || this.units === this.#unitsStand));

  /** The recommended units that are not on their way yet, the soonest first; `gone`: sent elsewhere meanwhile. */
  set = $derived.by(() => {
    const { recommended, assignments } = this.selected ?? {};
    const going = new Set(standing(assignments).map((row) => row.unit_id));
    const details = world.decision?.decision_id === recommended?.decision_id ? world.decision?.units : undefined;
    return (recommended?.units ?? [])
      .filter((row) => !going.has(row.unit_id))
      .map((row) => {
        const of = details?.find((other) => other.unit_id === row.unit_id);
        const unit = world.units[row.unit_id];
        const elsewhere = unit?.incident_id && unit.incident_id !== this.selectedId && of?.preempts !== unit.incident_id;
        return { ...row, details: of, eta_s: this.etaOf(row.unit_id) ?? row.eta_s, old: this.etaOf(row.unit_id) === undefined, gone: !unit || Boolean(elsewhere && of) };
      })
      .sort((a, b) => Number(a.gone) - Number(b.gone) || a.eta_s - b.eta_s);
  });
  /** Whom "send these" sends. */
  toSend = $derived(this.set.filter((row) => !row.gone));
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
    drafts.write(id, note);
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

  /** Chooses an incident; its record stays open where that is what is read. */
  select(id: string | null, reading: string | null = null): void {
    this.reading = reading;
    if (id === this.selectedId) return;
    this.selectedId = id;
    this.selectedUnit = null;
    this.replacing = null;
    this.showWhy = false;
    consent.leave();
    this.full = null;
  }

  /** When planned backup is to be there. */
  arriveBy(): string {
    return new Date(world.clock.now() + (this.minutes || 60) * 60_000).toISOString();
  }

  /** The newest reading of a unit's time to the chosen incident. */
  etaOf(unit: string): number | undefined {
    const of = (row: Candidate) => row.unit_id === unit;
    return (this.ranking?.candidates.find(of) ?? (this.full?.incident_id === this.selectedId ? this.full?.candidates.find(of) : undefined))?.eta_s;
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
    if (this.showHandover) this.showHandover = false;
    else if (tool.name !== "look") tool.take("look");
    else if (card.open) card.putAway();
    else if (this.replacing) this.replacing = null;
    else if (this.selectedUnit) this.selectedUnit = null;
    else if (this.reading) this.reading = null;
    else this.select(null);
    notice.error = "";
  }

  /** A bare click on the ground: what is chosen is let go, the unit first. */
  letGo(): void {
    if (this.selectedUnit) this.selectedUnit = null;
    else this.select(null);
  }

  linked(link: string, before: string): void {
    if (link !== "live" || before === "live" || before === "connecting") return;
    notice.say(words.link.again);
    void session.look(); // the server may have begun anew
  }

  refused(): void {
    void session.look();
  }

  heard: Listener["heard"] = (message, before) => {
    if (message.type === "error") notice.error = message.message;
    if (world.backMs !== null) return; // what is chosen is of then
    if (this.selectedId && !(this.selectedId in world.incidentOf)) this.select(null, this.reading);
    if (!this.opening) this.handOver();
    const set = this.toSend.map((row) => row.unit_id).sort().join(" ");
    if (set !== this.#setWas) this.#setChangedMs = performance.now();
    this.#setWas = set;
    // Who looks at nothing is shown what is new.
    if (!this.selectedId && !this.reading && !card.open && world.incidentOf !== before.incidents) {
      const fresh = world.incidents.find((incident) => !(incident.incident_id in before.incidents));
      if (fresh) this.select(fresh.incident_id);
    }
  };
}

export const desk = new Desk();
