/** What the page knows and what the user is doing; the components read it, the map is told by effects. */
import { Problem, api, newId } from "./api";
import { ServerClock } from "./clock";
import { FeedSocket, emptyWorld, merge, type Link, type Message, type World } from "./feed";
import type { Candidate, Incident, LonLat, Ranking, ReplayClock } from "./types";
import type { Geometry } from "geojson";

export type Tool = "look" | "incident" | "closure-line" | "closure-area";
type Theme = "light" | "dark";

/** A key sends whoever has held its place at least this long. */
const SETTLE_MS = 600;

const systemDark = matchMedia("(prefers-color-scheme: dark)");

class Page {
  // What the server says; replaced whole, never changed in place.
  world = $state.raw<World>(emptyWorld());
  link = $state<Link>("connecting");
  replay = $state.raw<ReplayClock | null>(null);
  /** The server's clock, ticking four times a second for what counts down. */
  nowMs = $state(Date.now());

  // What the user does.
  selectedId = $state<string | null>(null);
  selectedUnit = $state<string | null>(null);
  replacing = $state<string | null>(null);
  tool = $state<Tool>("look");
  drawn = $state.raw<LonLat[]>([]);
  showReach = $state(false);
  showHelp = $state(false);
  confirmClose = $state(false);
  theme = $state<Theme>((localStorage.getItem("theme") as Theme | null) ?? (systemDark.matches ? "dark" : "light"));
  said = $state("");
  error = $state("");
  /** Opened here, not yet come back through the feed. */
  opening = $state.raw<{ id: string; place: LonLat } | null>(null);

  readonly clock = new ServerClock();

  // A derived value that stays identical wakes nobody: a frame of positions leaves the lists alone.
  mode = $derived(this.world.mode);
  area = $derived(this.world.area);
  units = $derived(this.world.units);
  positions = $derived(this.world.positions);
  incidentOf = $derived(this.world.incidents);
  rankings = $derived(this.world.rankings);
  closures = $derived(this.world.closures);
  incidents = $derived(
    Object.values(this.incidentOf).sort(
      (a, b) => a.priority - b.priority || a.opened_time.localeCompare(b.opened_time) || a.incident_id.localeCompare(b.incident_id),
    ),
  );
  selected = $derived<Incident | undefined>(this.selectedId ? this.incidentOf[this.selectedId] : undefined);
  ranking = $derived<Ranking | undefined>(this.selectedId ? this.rankings[this.selectedId] : undefined);
  /** The pointer or the focus is in the list: rows keep their places, so that a click sends the unit it was aimed at. */
  holding = $state(false);
  #order: string[] = [];
  #orderOf: string | null = null;
  #changedAt: number[] = [];
  /** The candidates as they stand on the page. */
  shown = $derived.by<Candidate[]>(() => {
    const rows = this.ranking?.candidates ?? [];
    if (!this.holding || this.#orderOf !== this.selectedId) return rows;
    const place = new Map(this.#order.map((unit, at) => [unit, at]));
    return [...rows].sort((a, b) => (place.get(a.unit_id) ?? rows.length) - (place.get(b.unit_id) ?? rows.length));
  });
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

  connect(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const resume = () => (this.world.epoch ? { epoch: this.world.epoch, after: this.world.seq } : undefined);
    new FeedSocket(`${scheme}://${location.host}/v1/feed`, resume, (message) => this.#hear(message), (link) => this.#linked(link));
    setInterval(() => (this.nowMs = this.clock.now()), 250);
  }

  callsign(unit: string): string {
    return this.units[unit]?.callsign ?? unit;
  }

  say(words: string): void {
    this.said = words;
    this.error = "";
  }

  toggleTheme(): void {
    this.theme = this.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", this.theme);
  }

  select(id: string | null): void {
    if (id === this.selectedId) return;
    this.selectedId = id;
    this.selectedUnit = null;
    this.replacing = null;
    this.confirmClose = false;
  }

  step(by: number): void {
    const at = this.incidents.findIndex((incident) => incident.incident_id === this.selectedId);
    const next = this.incidents[at < 0 ? 0 : (at + by + this.incidents.length) % this.incidents.length];
    if (next) this.select(next.incident_id);
  }

  take(tool: Tool): void {
    this.tool = this.tool === tool ? "look" : tool;
    this.drawn = [];
  }

  cancel(): void {
    if (this.showHelp) this.showHelp = false;
    else if (this.confirmClose) this.confirmClose = false;
    else if (this.tool !== "look") this.take("look");
    else if (this.replacing) this.replacing = null;
    else if (this.selectedUnit) this.selectedUnit = null;
    else this.select(null);
    this.error = "";
  }

  async openIncident(place: LonLat): Promise<void> {
    const id = newId("I");
    this.tool = "look";
    this.opening = { id, place };
    this.select(id);
    const done = await this.#try(() => api.openIncident(id, place, 1), `Incident ${id} opened.`);
    if (!done) this.select(null);
    this.opening = null;
  }

  async send(unit: string, preempt = false): Promise<void> {
    const { selectedId: id, ranking, replacing } = this;
    if (!id) return;
    const assignment = {
      unit_id: unit,
      ...(ranking ? { as_of_seq: ranking.as_of_seq, as_of_time: ranking.as_of_time } : {}),
      ...(replacing ? { replaces: replacing } : {}),
      ...(preempt ? { preempt: true as const } : {}),
    };
    const words = replacing
      ? `${this.callsign(unit)} sent in place of ${this.callsign(replacing)}.`
      : `${this.callsign(unit)} sent to ${id}.`;
    if (await this.#try(() => api.assign(id, assignment), words)) {
      this.replacing = null;
      this.selectedUnit = null;
    }
  }

  /** Remember which places have just changed hands. */
  noteOrder(id: string | null, units: string[]): void {
    const now = performance.now();
    const same = id === this.#orderOf;
    this.#changedAt = units.map((unit, at) =>
      same && this.#order[at] !== undefined && this.#order[at] !== unit ? now : same ? (this.#changedAt[at] ?? 0) : 0,
    );
    this.#order = units;
    this.#orderOf = id;
  }

  sendRanked(place: number): void {
    const candidate = this.shown[place];
    if (!candidate) return;
    // Whoever pressed the key had read the former order.
    if (performance.now() - (this.#changedAt[place] ?? 0) < SETTLE_MS) this.say(`Place ${place + 1} has just become ${this.callsign(candidate.unit_id)}: press again to send it.`);
    else void this.send(candidate.unit_id);
  }

  async setAssignment(unit: string, state: string): Promise<void> {
    const id = this.selectedId;
    if (id) await this.#try(() => api.setAssignment(id, unit, state), `${this.callsign(unit)}: ${state.replace("_", " ")}.`);
  }

  async changeIncident(change: { priority?: number; note?: string }): Promise<void> {
    const id = this.selectedId;
    if (id) await this.#try(() => api.changeIncident(id, change), `Incident ${id} changed.`);
  }

  async closeIncident(): Promise<void> {
    const id = this.selectedId;
    this.confirmClose = false;
    if (id && (await this.#try(() => api.closeIncident(id), `Incident ${id} closed.`))) this.select(null);
  }

  addPoint(point: LonLat): void {
    const last = this.drawn.at(-1);
    if (last && last[0] === point[0] && last[1] === point[1]) return;
    this.drawn = [...this.drawn, point];
  }

  async finishClosure(): Promise<void> {
    const area = this.tool === "closure-area";
    const points = this.drawn;
    if (points.length < (area ? 3 : 2)) {
      this.error = area ? "An area needs three points." : "A line needs two points.";
      return;
    }
    const geometry: Geometry = area
      ? { type: "Polygon", coordinates: [[...points, points[0]!]] }
      : { type: "LineString", coordinates: points };
    if (await this.#try(() => api.close(newId("C"), geometry, "closed from the map"), "Closure added.")) this.take("look");
  }

  async liftClosure(id: string): Promise<void> {
    await this.#try(() => api.lift(id), "Closure lifted.");
  }

  async setReplay(change: { playing?: boolean; speed?: number; time?: string }): Promise<void> {
    await this.#try(async () => this.#replayed(await api.setReplay(change)), "");
  }

  /** Runs a request; true when it was done, else the server's words stand in `error`. */
  async #try(work: () => Promise<unknown>, words: string): Promise<boolean> {
    try {
      await work();
      this.say(words);
      return true;
    } catch (error) {
      this.error = error instanceof Problem ? error.message : String(error);
      return false;
    }
  }

  #replayed(clock: ReplayClock | undefined): void {
    if (!clock || typeof clock.now_ms !== "number") return;
    this.replay = clock;
    this.clock.runs(clock.now_ms, clock.speed, clock.playing);
    this.nowMs = clock.now_ms;
  }

  #linked(link: Link): void {
    if (link === "live" && this.link === "lost") this.say("Connected again.");
    this.link = link;
  }

  #hear(message: Message): void {
    if (message.type === "heartbeat") this.clock.heard(Date.parse(message.server_time));
    if (message.type === "clock") this.#replayed(message);
    if (message.type === "error") this.error = message.message;
    const before = this.world.incidents;
    this.world = merge(this.world, message);
    if (message.type === "snapshot" && message.mode === "replay") {
      api.replay().then((clock) => this.#replayed(clock), () => undefined);
    }
    if (this.selectedId && !this.opening && !(this.selectedId in this.world.incidents)) this.select(null);
    // Who looks at nothing is shown what is new.
    if (!this.selectedId && this.world.incidents !== before) {
      const fresh = this.incidents.find((incident) => !(incident.incident_id in before));
      if (fresh) this.select(fresh.incident_id);
    }
  }
}

export const page = new Page();
