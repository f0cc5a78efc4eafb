/** What the server says: the newest of the feed, the clock it runs on, and its answers to what the desk looks at. */
import { api } from "../api";
import type { Cover, Decision, Incident, Message, ReplayClock, RunCard } from "../wire";
import { ServerClock } from "./clock";
import { FeedSocket, type Link } from "./feed";
import { merge, nothing, type Told } from "./merge";
import { doing, urgency } from "./readings";

/** Whoever acts on what is heard; `before` is what was told before it. */
export interface Listener {
  heard(message: Message, before: Told): void;
  linked(link: Link, before: Link): void;
  /** The server follows this page no longer: a session is over, or its rights have changed. */
  refused(): void;
}

const TICK_MS = 250;

class World {
  /** Replaced whole, never changed in place. */
  told = $state.raw<Told>(nothing());
  link = $state<Link>("connecting");
  replay = $state.raw<ReplayClock | null>(null);
  readonly clock = new ServerClock();
  /** The server's clock, ticking for what counts down. */
  nowMs = $state(Date.now());
  cards = $state.raw<RunCard[]>([]);
  /** What the newest recommendation of the selected incident was made of. */
  decision = $state.raw<Decision | null>(null);
  /** The cover as it was a few seconds ago, while somebody looks at it or at an incident. */
  cover = $state.raw<Cover | null>(null);

  // A derived value that stays identical wakes nobody: a frame of positions leaves the lists alone.
  mode = $derived(this.told.mode);
  area = $derived(this.told.area);
  zone = $derived(this.told.area?.timezone);
  units = $derived(this.told.units);
  positions = $derived(this.told.positions);
  freshness = $derived(this.told.freshness);
  incidentOf = $derived(this.told.incidents);
  rankings = $derived(this.told.rankings);
  closures = $derived(this.told.closures);
  timers = $derived(this.told.timers);
  present = $derived(this.told.present);
  wrong = $derived(this.told.wrong);
  incidents = $derived<Incident[]>(
    Object.values(this.incidentOf).sort(
      (a, b) => urgency(a) - urgency(b) || a.priority - b.priority || a.opened_time.localeCompare(b.opened_time) || a.incident_id.localeCompare(b.incident_id),
    ),
  );
  /** Emergencies that stand, and those of them that sound. */
  emergencies = $derived(this.incidents.filter((incident) => incident.emergency?.stands));
  alarms = $derived(this.emergencies.filter((incident) => incident.emergency?.alarms));

  #feed: FeedSocket | undefined;

  connect(listener: Listener): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const resume = () => (this.told.epoch ? { epoch: this.told.epoch, after: this.told.seq } : undefined);
    const linked = (link: Link) => {
      const before = this.link;
      this.link = link;
      listener.linked(link, before);
    };
    this.#feed = new FeedSocket(`${scheme}://${location.host}/v1/feed`, resume, (message) => listener.heard(message, this.#hear(message)), linked, () => listener.refused());
    // Once a second, so that all that is counted down changes in one go.
    setInterval(() => {
      const now = this.clock.now();
      if (Math.floor(now / 1000) !== Math.floor(this.nowMs / 1000)) this.nowMs = now;
    }, TICK_MS);
    void api.runCards().then((answer) => (this.cards = answer.run_cards), () => undefined);
  }

  /** Tells the other desks which incident this one has open. */
  tell(incident: string | null): void {
    this.#feed?.say({ type: "open", incident_id: incident });
  }

  callsign(unit: string): string {
    return this.units[unit]?.callsign ?? unit;
  }

  /** What a unit does now. */
  doing(unit: string): string {
    const known = this.units[unit];
    return known ? doing(known, this.incidentOf) : "";
  }

  /** Takes the replay's clock as the server says it. */
  replayed(clock: ReplayClock | undefined): void {
    if (!clock || typeof clock.now_ms !== "number") return;
    this.replay = clock;
    this.clock.runs(clock.now_ms, clock.speed, clock.playing);
    this.nowMs = clock.now_ms;
  }

  #hear(message: Message): Told {
    if (message.type === "heartbeat") this.clock.heard(Date.parse(message.server_time));
    if (message.type === "clock") this.replayed(message);
    const before = this.told;
    this.told = merge(before, message);
    if (message.type === "snapshot" && message.mode === "replay") {
      api.replay().then((clock) => this.replayed(clock), () => undefined);
    }
    return before;
  }
}

export const world = new World();
