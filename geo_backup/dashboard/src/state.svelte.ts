/** What the page knows and what the user is doing; the components read it, the map is told by effects. */
import { Problem, api, newId } from "./api";
import { ServerClock } from "./clock";
import { FeedSocket, emptyWorld, merge, type Link, type Message, type World } from "./feed";
import { urgency } from "./emergency";
import { MODES, streetWords } from "./words";
import type { BackupMode, Candidate, Closure, ClosureGeometry, Cover, Decision, EmergencyEnd, Incident, LonLat, NewAssignment, NewClosure, PlanPost, Ranking, ReplayClock, Road, RunCard, Swap } from "./types";

export type Tool = "look" | "incident" | "plan" | "closure-line" | "closure-area" | "closure-edges";

/** What a closure that is being drawn will say; `share` of the speed in percent, 0 = closed, `minutes` 0 = until lifted. */
export interface Draft {
  share: number;
  routineOnly: boolean;
  minutes: number;
  reason: string;
}
const blank = (): Draft => ({ share: 0, routineOnly: false, minutes: 0, reason: "" });

/** A street drawn across with the mouse is hit by this much. */
const LINE_BUFFER_M = 15;
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
  /** Streets picked for a closure, and what lay on top of each other under the last click. */
  picked = $state.raw<Road[]>([]);
  stacked = $state.raw<Road[]>([]);
  draft = $state<Draft>(blank());
  showReach = $state(false);
  showHelp = $state(false);
  confirmClose = $state(false);
  theme = $state<Theme>((localStorage.getItem("theme") as Theme | null) ?? (systemDark.matches ? "dark" : "light"));
  said = $state("");
  error = $state("");
  /** The unit for which an emergency is about to be declared: a second press does it. */
  declaring = $state<string | null>(null);
  /** Who sits at this desk, as the log will name them; empty until it was asked. */
  deskName = $state(localStorage.getItem("desk") ?? "");
  /** An emergency waits to be acknowledged until the desk has said its name, once. */
  naming = $state(false);
  /** What is asked for next: a run card, or so many units whatever they are; `minutes` from now where it is planned. */
  asked = $state({ card: "", units: 5, minutes: 60 });
  cards = $state.raw<RunCard[]>([]);
  /** What the newest recommendation of the selected incident was made of. */
  decision = $state.raw<Decision | null>(null);
  showWhy = $state(false);
  showCover = $state(false);
  /** The cover as it was a few seconds ago, while somebody looks at it or at an incident. */
  cover = $state.raw<Cover | null>(null);
  showPlans = $state(false);
  /** Posts of the plan that is being made. */
  posts = $state<Omit<PlanPost, "post_id">[]>([]);
  /** Another unit than a recommended one is about to be sent, and the desk is asked why. */
  asking = $state.raw<{ incident: string; assignment: NewAssignment; words: string } | null>(null);
  /** Why the chosen unit has no route. */
  noRoute = $state("");
  /** Opened here, not yet come back through the feed. */
  opening = $state.raw<{ id: string; place: LonLat } | null>(null);

  readonly clock = new ServerClock();

  // A derived value that stays identical wakes nobody: a frame of positions leaves the lists alone.
  mode = $derived(this.world.mode);
  area = $derived(this.world.area);
  units = $derived(this.world.units);
  positions = $derived(this.world.positions);
  freshness = $derived(this.world.freshness);
  incidentOf = $derived(this.world.incidents);
  rankings = $derived(this.world.rankings);
  closures = $derived(this.world.closures);
  wrong = $derived(this.world.wrong);
  incidents = $derived(
    Object.values(this.incidentOf).sort(
      (a, b) => urgency(a) - urgency(b) || a.priority - b.priority || a.opened_time.localeCompare(b.opened_time) || a.incident_id.localeCompare(b.incident_id),
    ),
  );
  selected = $derived<Incident | undefined>(this.selectedId ? this.incidentOf[this.selectedId] : undefined);
  /** Emergencies that stand, and those of them that sound. */
  emergencies = $derived(this.incidents.filter((incident) => incident.emergency?.stands));
  alarms = $derived(this.emergencies.filter((incident) => incident.emergency?.alarms));
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
  /** Practice is on the map: what is chosen is an exercise, or nothing is chosen while one runs. */
  exercise = $derived(this.selected ? this.selected.exercise : this.incidents.some((incident) => incident.exercise));
  /** The recommended units that are not on their way yet. */
  set = $derived.by(() => {
    const { recommended, assignments } = this.selected ?? {};
    const going = new Set(assignments?.filter((row) => !["cleared", "cancelled"].includes(row.state)).map((row) => row.unit_id));
    const details = this.decision?.decision_id === recommended?.decision_id ? this.decision?.units : undefined;
    return (recommended?.units ?? [])
      .filter((row) => !going.has(row.unit_id))
      .map((row) => ({ ...row, details: details?.find((other) => other.unit_id === row.unit_id) }));
  });
  /** What taking each unit costs the area, in words, where it costs much. */
  prices = $derived<Record<string, string>>(Object.fromEntries((this.cover?.units ?? []).map((row) => [row.unit_id, row.price_words])));
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
    void api.runCards().then((answer) => {
      this.cards = answer.run_cards;
      this.#suggest();
    }, () => undefined);
  }

  callsign(unit: string): string {
    return this.units[unit]?.callsign ?? unit;
  }

  say(words: string): void {
    this.said = words;
    this.error = "";
  }

  /** A closure as people call it. */
  closureName(id: string): string {
    const closure = this.closures[id];
    if (id === "(traffic)") return "the measured traffic";
    return closure?.reason || (closure && streetWords(closure.streets)) || id;
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
    this.showWhy = false;
    this.asking = null;
    this.#suggest();
  }

  /** The run card of the incident's kind, if there is one. */
  #suggest(): void {
    const kind = this.selected?.kind?.toLowerCase() ?? "";
    const card = this.cards.find((card) => card.kinds.some((name) => name.toLowerCase() === kind));
    this.asked = { card: card?.name ?? "", units: 5, minutes: 60 };
  }

  step(by: number): void {
    const at = this.incidents.findIndex((incident) => incident.incident_id === this.selectedId);
    const next = this.incidents[at < 0 ? 0 : (at + by + this.incidents.length) % this.incidents.length];
    if (next) this.select(next.incident_id);
  }

  /** Opens the plans with the map ready to take posts, or puts both away. */
  togglePlans(): void {
    this.showPlans = !this.showPlans;
    if (this.showPlans !== (this.tool === "plan")) this.take(this.showPlans ? "plan" : "look");
  }

  take(tool: Tool): void {
    this.tool = this.tool === tool ? "look" : tool;
    this.drawn = [];
    this.picked = this.stacked = [];
    this.draft = blank();
  }

  cancel(): void {
    if (this.showHelp) this.showHelp = false;
    else if (this.naming) this.naming = false;
    else if (this.declaring) this.declaring = null;
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
    const done = await this.attempt(() => api.openIncident(id, place, 1), `Incident ${id} opened.`);
    if (!done) this.select(null);
    this.opening = null;
  }

  async send(unit: string, preempt = false): Promise<void> {
    const { selectedId: incident, selected, ranking, replacing } = this;
    if (!incident) return;
    const taken = preempt || ranking?.candidates.some((row) => row.unit_id === unit && row.warnings.includes("PREEMPTS"));
    const assignment: NewAssignment = {
      unit_id: unit,
      ...(ranking ? { as_of_seq: ranking.as_of_seq, as_of_time: ranking.as_of_time } : {}),
      ...(replacing ? { replaces: replacing } : {}),
      ...(taken ? { preempt: true } : {}),
    };
    const words = replacing
      ? `${this.callsign(unit)} sent in place of ${this.callsign(replacing)}.`
      : `${this.callsign(unit)} sent to ${incident}.`;
    const passedOver = this.set.length > 0 && !this.set.some((row) => row.unit_id === unit);
    // Nobody who runs to an officer in danger waits for a reason.
    if (passedOver && !selected?.emergency?.stands) this.asking = { incident, assignment, words };
    else await this.#assign(incident, assignment, words);
  }

  /** Sends the unit that the desk was asked about; no reason is an answer too. */
  async sendAsked(reason: string): Promise<void> {
    const { asking } = this;
    this.asking = null;
    if (asking) await this.#assign(asking.incident, { ...asking.assignment, ...(reason.trim() ? { reason: reason.trim() } : {}) }, asking.words);
  }

  async #assign(incident: string, assignment: NewAssignment, words: string): Promise<void> {
    if (await this.attempt(() => api.assign(incident, assignment), words)) {
      this.replacing = null;
      this.selectedUnit = null;
    }
  }

  /** Asks for backup: by the run card that is chosen, else so many units; urgent after delayed keeps what was asked. */
  async askBackup(mode: BackupMode): Promise<void> {
    const { selectedId: id, asked } = this;
    if (!id) return;
    const again = this.selected?.mode && this.selected.mode !== mode && !asked.card;
    const ask = {
      mode,
      ...(asked.card ? { run_card: asked.card } : again ? {} : { units: asked.units || 1 }),
      ...(mode === "strategic" ? { arrive_by: new Date(this.clock.now() + (asked.minutes || 60) * 60_000).toISOString() } : {}),
    };
    await this.attempt(() => api.askBackup(id, ask), `Backup asked for, ${MODES[mode]}.`);
  }

  /** Sends all recommended units that are not on their way. */
  async sendSet(): Promise<void> {
    const { selectedId: id, set, ranking } = this;
    if (!id || set.length === 0) return this.say("Nobody is recommended: ask for backup with b.");
    const seen = ranking ? { as_of_seq: ranking.as_of_seq, as_of_time: ranking.as_of_time } : {};
    const all = () => Promise.all(set.map((row) => api.assign(id, { unit_id: row.unit_id, ...seen, ...(row.details?.preempts ? { preempt: true as const } : {}) })));
    await this.attempt(all, `${set.map((row) => this.callsign(row.unit_id)).join(", ")} sent to ${id}.`);
  }

  /** Offers of a unit in place of one that is still on its way, the most won first. */
  get swaps(): Swap[] {
    const going = new Set(this.selected?.assignments?.filter((row) => ["assigned", "acknowledged", "en_route"].includes(row.state)).map((row) => row.unit_id));
    const offers = (this.selected?.recommended?.swaps ?? []).filter((offer) => going.has(offer.replaces) && !going.has(offer.unit_id));
    return offers.sort((a, b) => b.gain_s - a.gain_s);
  }

  async takeSwap(offer: Swap | undefined): Promise<void> {
    const { selectedId: id } = this;
    if (!id || !offer) return this.say("No swap is offered.");
    const assignment = { unit_id: offer.unit_id, replaces: offer.replaces, reason: "swap offered" };
    await this.#assign(id, assignment, `${this.callsign(offer.unit_id)} sent in place of ${this.callsign(offer.replaces)}.`);
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

  /** The first press asks, the second declares. */
  declareEmergency(unit = this.selectedUnit): void {
    if (!unit) this.say("Choose a unit on the map first, then press ! twice to declare its emergency.");
    else if (this.declaring !== unit) this.declaring = unit;
    else {
      this.declaring = null;
      void this.attempt(() => api.declare(unit, newId("E")), `Emergency of ${this.callsign(unit)} declared.`);
    }
  }

  /** Takes the oldest alarm in hand; the desk is asked its name once. */
  async acknowledge(): Promise<void> {
    const incident = this.alarms[0];
    if (!incident) return this.say("No emergency waits to be acknowledged.");
    this.asking = null;
    if (!this.deskName) {
      this.naming = true;
      return;
    }
    const id = incident.incident_id;
    this.select(id);
    await this.attempt(() => api.acknowledge(id, this.deskName), `Emergency acknowledged by ${this.deskName}.`);
  }

  /** Keeps the desk's name and goes on with what waited for it. */
  nameDesk(name: string): void {
    this.deskName = name.trim().slice(0, 64) || "desk";
    localStorage.setItem("desk", this.deskName);
    if (this.naming) void this.acknowledge();
    this.naming = false;
  }

  clearEmergency(id: string, end: EmergencyEnd): Promise<boolean> {
    return this.attempt(() => api.clearEmergency(id, end), "The emergency is over; its incident stays open.");
  }

  async setAssignment(unit: string, state: string): Promise<void> {
    const id = this.selectedId;
    if (id) await this.attempt(() => api.setAssignment(id, unit, state), `${this.callsign(unit)}: ${state.replace("_", " ")}.`);
  }

  async changeIncident(change: { priority?: number; note?: string }): Promise<void> {
    const id = this.selectedId;
    if (id) await this.attempt(() => api.changeIncident(id, change), `Incident ${id} changed.`);
  }

  async closeIncident(): Promise<void> {
    const id = this.selectedId;
    this.confirmClose = false;
    if (id && (await this.attempt(() => api.closeIncident(id), `Incident ${id} closed.`))) this.select(null);
  }

  /** A click, or Space at the crosshair, for the tool in hand. */
  point(place: LonLat): void {
    if (this.tool === "closure-edges") void this.pick(place);
    else if (this.tool === "plan") this.addPost(place);
    else this.addPoint(place);
  }

  addPoint(point: LonLat): void {
    const last = this.drawn.at(-1);
    if (last && last[0] === point[0] && last[1] === point[1]) return;
    this.drawn = [...this.drawn, point];
  }

  /** A post needs what the one before it does until something else is said. */
  addPost([lon, lat]: LonLat): void {
    const needs = this.posts.at(-1)?.needs ?? [{ capability: "any", count: 2 }];
    this.posts.push({ lon, lat, needs: needs.map((need) => ({ ...need })) });
  }

  /** Picks the street nearest to a place, or lets it go. */
  async pick(place: LonLat): Promise<void> {
    let roads: Road[] = [];
    const found = await this.attempt(async () => (roads = (await api.roadsNear(place)).roads), "");
    if (!found || !roads[0] || this.tool !== "closure-edges") return;
    this.toggle(roads[0]);
    this.stacked = roads.length > 1 ? roads : [];
  }

  isPicked(road: Road): boolean {
    return this.picked.some((other) => other.edges[0] === road.edges[0]);
  }

  toggle(road: Road): void {
    const others = this.picked.filter((other) => other.edges[0] !== road.edges[0]);
    this.picked = others.length < this.picked.length ? others : [...this.picked, road];
  }

  /** Why the closure cannot be made yet; empty when it can. */
  missing = $derived(
    this.tool === "closure-edges" ? (this.picked.length ? "" : "Click a street to pick it.")
    : this.tool === "closure-area" ? (this.drawn.length < 3 ? "An area needs three points." : "")
    : this.drawn.length < 2 ? "A line needs two points." : "",
  );

  async finishClosure(): Promise<void> {
    if (this.missing) {
      this.error = this.missing;
      return;
    }
    const { draft, drawn: points } = this;
    const geometry: ClosureGeometry =
      this.tool === "closure-edges" ? { edges: this.picked.flatMap((road) => road.edges) }
      : this.tool === "closure-area" ? { type: "Polygon", coordinates: [[...points, points[0]!]] }
      : { type: "LineString", coordinates: points };
    const done = await this.#close({
      closure_id: newId("C"),
      geometry,
      ...(this.tool === "closure-line" ? { buffer_m: LINE_BUFFER_M } : {}),
      reason: draft.reason.trim(),
      applies_to: draft.routineOnly ? "routine" : "all",
      ...(draft.share ? { slow_factor: draft.share / 100 } : {}),
      ...(draft.minutes ? { valid_to: new Date(this.clock.now() + draft.minutes * 60_000).toISOString() } : {}),
    });
    if (done) this.take("look");
  }

  /** The same closure once more, for the roads beneath too. */
  async closeBeneath(closure: Closure): Promise<void> {
    const { closure_id, geometry, buffer_m, reason, applies_to, slow_factor, valid_from, valid_to } = closure;
    const done = await this.#close({
      closure_id: newId("C"),
      geometry, buffer_m, reason, applies_to,
      levels: "all",
      ...(slow_factor === null ? {} : { slow_factor }),
      ...(valid_from === null ? {} : { valid_from }),
      ...(valid_to === null ? {} : { valid_to }),
    });
    if (done) await this.attempt(() => api.lift(closure_id), "The roads beneath are closed too.");
  }

  #close(closure: NewClosure): Promise<boolean> {
    let spared = 0;
    return this.attempt(
      async () => (spared = (await api.close(closure)).edges_spared),
      () => (spared ? "Closure added; the roads beneath stay open." : "Closure added."),
    );
  }

  async liftClosure(id: string): Promise<void> {
    await this.attempt(() => api.lift(id), "Closure lifted.");
  }

  async setReplay(change: { playing?: boolean; speed?: number; time?: string }): Promise<void> {
    await this.attempt(async () => this.#replayed(await api.setReplay(change)), "");
  }

  /** Runs a request; true when it was done, else the server's words stand in `error`. */
  async attempt(work: () => Promise<unknown>, words: string | (() => string)): Promise<boolean> {
    try {
      await work();
      this.say(typeof words === "string" ? words : words());
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
