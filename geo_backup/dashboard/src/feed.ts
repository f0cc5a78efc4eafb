/** The live feed: a pure merge of messages into what is known, and a socket that never gives up. */
import type { Area, Closure, Condition, FreshnessLimits, Incident, Mode, Position, Ranking, ReplayClock, Unit } from "./types";

type Changes<T> = Record<string, T | null>;

export interface Maps {
  units: Changes<Unit>;
  positions: Changes<Position>;
  incidents: Changes<Incident>;
  rankings: Changes<Ranking>;
  closures: Changes<Closure>;
}

export type Message =
  | ({ type: "snapshot"; epoch: string; seq: number; mode: Mode; area: Area; freshness: FreshnessLimits } & Maps)
  | { type: "resumed"; epoch: string; seq: number; freshness: FreshnessLimits }
  | { type: "freshness"; freshness: FreshnessLimits }
  | ({ type: "frame"; seq: number } & Partial<Maps>)
  | { type: "heartbeat"; seq: number; server_time: string }
  | ({ type: "clock" } & ReplayClock)
  | { type: "health"; conditions: Condition[] }
  | { type: "error"; message: string };

export interface World {
  epoch: string | null;
  seq: number;
  mode: Mode;
  area: Area | null;
  freshness: FreshnessLimits | null;
  units: Record<string, Unit>;
  positions: Record<string, Position>;
  incidents: Record<string, Incident>;
  rankings: Record<string, Ranking>;
  closures: Record<string, Closure>;
  /** What is wrong with the server; a new link begins with nothing, and is told at once if something is. */
  wrong: Condition[];
}

export const TOPICS = ["units", "positions", "incidents", "rankings", "closures"] as const;

export function emptyWorld(): World {
  return { epoch: null, seq: 0, mode: "live", area: null, freshness: null, units: {}, positions: {}, incidents: {}, rankings: {}, closures: {}, wrong: [] };
}

/** A value replaces the former whole, null removes it; the former map is left as it was. */
export function mergeMap<T>(former: Record<string, T>, changes: Changes<T> | undefined): Record<string, T> {
  if (!changes) return former;
  const merged = { ...former };
  for (const [id, value] of Object.entries(changes)) {
    if (value === null) delete merged[id];
    else merged[id] = value;
  }
  return merged;
}

/** The world after a message. Untouched maps keep their identity, so a reader can see by `===` what changed. */
export function merge(world: World, message: Message): World {
  switch (message.type) {
    case "snapshot": {
      const { epoch, seq, mode, area, freshness } = message;
      const fresh = emptyWorld();
      return {
        epoch,
        seq,
        mode,
        area,
        freshness,
        units: mergeMap(fresh.units, message.units),
        positions: mergeMap(fresh.positions, message.positions),
        incidents: mergeMap(fresh.incidents, message.incidents),
        rankings: mergeMap(fresh.rankings, message.rankings),
        closures: mergeMap(fresh.closures, message.closures),
        wrong: fresh.wrong,
      };
    }
    case "resumed":
      return { ...world, epoch: message.epoch, seq: message.seq, freshness: message.freshness, wrong: [] };
    case "freshness":
      return { ...world, freshness: message.freshness };
    case "health":
      return { ...world, wrong: message.conditions };
    case "frame":
      return {
        ...world,
        seq: message.seq,
        units: mergeMap(world.units, message.units),
        positions: mergeMap(world.positions, message.positions),
        incidents: mergeMap(world.incidents, message.incidents),
        rankings: mergeMap(world.rankings, message.rankings),
        closures: mergeMap(world.closures, message.closures),
      };
    default:
      return world;
  }
}

export type Link = "connecting" | "live" | "lost";

/** Milliseconds to wait before the n-th attempt: doubling to 10 s, with half of it jitter so that viewers do not return as one. */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(10_000, 500 * 2 ** attempt);
  return full / 2 + (full / 2) * random;
}

const SILENCE_MS = 12_000;

export class FeedSocket {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #url: string;
  #resume: () => { epoch: string; after: number } | undefined;
  #onMessage: (message: Message) => void;
  #onLink: (link: Link) => void;

  constructor(
    url: string,
    resume: () => { epoch: string; after: number } | undefined,
    onMessage: (message: Message) => void,
    onLink: (link: Link) => void,
  ) {
    this.#url = url;
    this.#resume = resume;
    this.#onMessage = onMessage;
    this.#onLink = onLink;
    const wake = () => document.visibilityState === "visible" && !this.#socket && this.#connect();
    document.addEventListener("visibilitychange", wake);
    addEventListener("online", wake);
    this.#connect();
  }

  #connect(): void {
    clearTimeout(this.#retry);
    if (this.#socket) return;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#listen(socket);
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", topics: TOPICS, resume: this.#resume() }));
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket !== this.#socket) return;
      const message = JSON.parse(event.data) as Message;
      this.#listen(socket);
      if (message.type === "snapshot" || message.type === "resumed") {
        this.#attempt = 0;
        this.#onLink("live");
      }
      this.#onMessage(message);
    };
    socket.onclose = () => this.#lose(socket);
  }

  /** A socket that says nothing for 12 s (heartbeats come every 5) is as good as closed. */
  #listen(socket: WebSocket): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(socket), SILENCE_MS);
  }

  #lose(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    clearTimeout(this.#silence);
    this.#onLink("lost");
    this.#retry = setTimeout(() => this.#connect(), backoffMs(this.#attempt++, Math.random()));
  }
}
