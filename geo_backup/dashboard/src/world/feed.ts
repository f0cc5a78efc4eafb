/** The link to the live feed: a socket that never gives up. */
import type { Message } from "../wire";

/** `quiet`: the socket stands, and nothing has come through it for longer than the server is ever silent. */
export type Link = "connecting" | "live" | "quiet" | "lost";

/** Milliseconds to wait before the n-th attempt: doubling to 10 s, with half of it jitter so that viewers do not return as one. */
export function backoffMs(attempt: number, random: number): number {
  const full = Math.min(10_000, 500 * 2 ** attempt);
  return full / 2 + (full / 2) * random;
}

/** Heartbeats come each second: after this long nobody knows whether what is shown still stands. */
const QUIET_MS = 3_000;
const SILENCE_MS = 12_000;

/** The server wants to know who this is, or what they may see has changed. */
const REFUSED = [4401, 4403];

const TOPICS = ["units", "positions", "incidents", "rankings", "closures", "timers", "messages"] as const;

export class FeedSocket {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #link: Link = "connecting";
  #url: string;
  #resume: () => { epoch: string; after: number } | undefined;
  #onMessage: (message: Message) => void;
  #onLink: (link: Link) => void;
  #onRefused: () => void;

  constructor(
    url: string,
    resume: () => { epoch: string; after: number } | undefined,
    onMessage: (message: Message) => void,
    onLink: (link: Link) => void,
    onRefused: () => void,
  ) {
    this.#url = url;
    this.#resume = resume;
    this.#onMessage = onMessage;
    this.#onLink = onLink;
    this.#onRefused = onRefused;
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
        this.#turn("live");
      } else if (this.#link === "quiet") this.#turn("live");
      this.#onMessage(message);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket && REFUSED.includes(code)) this.#onRefused();
      this.#lose(socket);
    };
  }

  /** Says something while the server listens; silent else. */
  say(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #turn(link: Link): void {
    this.#link = link;
    this.#onLink(link);
  }

  /** A socket that says nothing for 12 s is as good as closed. */
  #listen(socket: WebSocket): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => socket === this.#socket && this.#link === "live" && this.#turn("quiet"), QUIET_MS);
    this.#silence = setTimeout(() => this.#lose(socket), SILENCE_MS);
  }

  #lose(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    clearTimeout(this.#silence);
    clearTimeout(this.#quiet);
    this.#turn("lost");
    this.#retry = setTimeout(() => this.#connect(), backoffMs(this.#attempt++, Math.random()));
  }
}
