/** What the server says: the newest of the feed or a moment of the past, the clock it runs on, and its answers to what the
 * desk looks at. */
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

/** A moment of the past as it was known then. */
export interface Then {
  told: Told;
  at_ms: number;
}

/** The most urgent first, and practice after what is real. */
const sorted = (incidents: Record<string, Incident>): Incident[] =>
  Object.values(incidents).sort(
    (a, b) => Number(a.exercise) - Number(b.exercise) || urgency(a) - urgency(b) || a.priority - b.priority || a.opened_time.localeCompare(b.opened_time) || a.incident_id.localeCompare(b.incident_id),
  );

class World {
  /** The newest of the feed, which goes on whatever is shown. Replaced whole, never changed in place. */
  live = $state.raw<Told>(nothing());
  /** The time that the desk looks back at; null: what is shown is live. */
  backMs = $state<number | null>(null);
  /** The moment that is shown; null until one is known, and while what is shown is live. */
  then = $state.raw<Then | null>(null);
  told = $derived<Told>(this.then?.told ?? this.live);
  link = $state<Link>("connecting");
  replay = $state.raw<ReplayClock | null>(null);
  readonly clock = new ServerClock();
  /** The server's clock, ticking for what counts down. */
  liveMs = $state(Date.now());
  /** The time of what is shown. */
  nowMs = $derived(this.then?.at_ms ?? this.liveMs);
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
  messages = $derived(this.told.messages);
  present = $derived(this.live.present);
  noPhone = $derived(new Set(this.live.noPhone));
  wrong = $derived(this.live.wrong);
  elsewhere = $derived(this.live.elsewhere);
  incidents = $derived<Incident[]>(sorted(this.incidentOf));
  #openNow = $derived(this.live.incidents);
  /** Emergencies that stand now, whatever is shown, and those of them that sound. */
  emergencies = $derived(sorted(this.#openNow).filter((incident) => incident.emergency?.stands));
  alarms = $derived(this.emergencies.filter((incident) => incident.emergency?.alarms));

  #feed: FeedSocket | undefined;

  connect(listener: Listener, feed = "/v1/feed"): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const resume = () => (this.live.epoch ? { epoch: this.live.epoch, after: this.live.seq } : undefined);
    const linked = (link: Link) => {
      const before = this.link;
      this.link = link;
      listener.linked(link, before);
    };
    this.#feed = new FeedSocket(`${scheme}://${location.host}${feed}`, resume, (message) => listener.heard(message, this.#hear(message)), linked, () => listener.refused());
    // Once a second, so that all that is counted down changes in one go.
    setInterval(() => {
      const now = this.clock.live();
      if (Math.floor(now / 1000) !== Math.floor(this.liveMs / 1000)) this.liveMs = now;
    }, TICK_MS);
    void api.runCards().then((answer) => (this.cards = answer.run_cards), () => undefined);
  }

  /** Tells the other desks which incident this one has open. */
  tell(incident: string | null): void {
    this.#feed?.say({ type: "open", incident_id: incident });
  }

  callsign(unit: string): string {
    return (this.units[unit] ?? this.live.units[unit])?.callsign ?? unit;
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
    this.liveMs = clock.now_ms;
  }

  /** Shows a moment of the past; null: what is live again. */
  show(then: Then | null): void {
    this.then = then;
    this.clock.stand(then?.at_ms ?? null);
  }

  #hear(message: Message): Told {
    if (message.type === "heartbeat") this.clock.heard(Date.parse(message.server_time));
    if (message.type === "clock") this.replayed(message);
    const before = this.live;
    this.live = merge(before, message);
    if (message.type === "snapshot" && message.mode === "replay") {
      api.replay().then((clock) => this.replayed(clock), () => undefined);
    }
    return before;
  }
}

export const world = new World();
