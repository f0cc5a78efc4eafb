/** What the desk does: what is chosen, what is looked at, what is asked for, and what waits for a second press. */
import { standing, underWay } from "../world/readings";
import { world, type Listener } from "../world/world.svelte";
import { words } from "../words";
import type { Candidate, Incident, LonLat, NewAssignment, Ranking, Swap } from "../wire";
import { notice } from "./notice.svelte";
import { may, session } from "./session.svelte";
import { Rows } from "./rows.svelte";
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

  confirmClose = $state(false);
  /** The unit for which an emergency is about to be declared: a second press does it. */
  declaring = $state<string | null>(null);
  /** Who sits at this desk, as the log will name them; empty until it was asked. */
  name = $state(localStorage.getItem("desk") ?? "");
  /** An emergency waits to be acknowledged until the desk has said its name, once. */
  naming = $state(false);
  /** Another unit than a recommended one is about to be sent, and the desk is asked why. */
  asking = $state.raw<{ incident: string; assignment: NewAssignment; words: string } | null>(null);
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

  toggleTheme(): void {
    this.theme = this.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", this.theme);
  }

  /** Keeps the name under which this desk acknowledges. */
  nameIt(name: string): void {
    this.name = name.trim().slice(0, 64) || words.emergency.desk;
    localStorage.setItem("desk", this.name);
  }

  select(id: string | null): void {
    if (id === this.selectedId) return;
    this.selectedId = id;
    this.selectedUnit = null;
    this.replacing = null;
    this.confirmClose = false;
    this.showWhy = false;
    this.asking = null;
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

  /** Takes back the last thing that was begun. */
  cancel(): void {
    if (this.showHelp) this.showHelp = false;
    else if (this.naming) this.naming = false;
    else if (this.declaring) this.declaring = null;
    else if (this.confirmClose) this.confirmClose = false;
    else if (tool.name !== "look") tool.take("look");
    else if (this.replacing) this.replacing = null;
    else if (this.selectedUnit) this.selectedUnit = null;
    else this.select(null);
    notice.error = "";
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
    if (this.selectedId && !this.opening && !(this.selectedId in world.incidentOf)) this.select(null);
    // Who looks at nothing is shown what is new.
    if (!this.selectedId && world.incidentOf !== before.incidents) {
      const fresh = world.incidents.find((incident) => !(incident.incident_id in before.incidents));
      if (fresh) this.select(fresh.incident_id);
    }
  };
}

export const desk = new Desk();
