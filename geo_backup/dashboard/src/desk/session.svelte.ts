/** Who is signed in on this page and what they may do, which is asked here and nowhere else; and when their session ends. */
import { api } from "../api";
import { world } from "../world/world.svelte";
import type { Right, Session, SignIn } from "../wire";

/** A key or a click is told to the server at most so often, or four times in a session that is short. */
const TOLD_EVERY_MS = 60_000;
/** So long before the end somebody is warned, or half of a session that is short. */
const WARNED_MS = 60_000;
const TICK_MS = 1_000;
const AGAIN_MS = 2_000;

/** Why a page began anew, for whoever sits before it: the session is over, nobody typed, or rights have changed. */
export type Ended = "over" | "idle" | "changed";
/** A window that was not told of keys and clicks elsewhere asks again after this long. */
const ASKED_AGAIN_MS = 15_000;
/** The server looks once a second for sessions that nobody uses. */
const LATE_MS = 3_000;

class SignedIn {
  /** What the server says; null: it has not been asked yet. */
  told = $state.raw<Session | null>(null);
  /** The server does not say who is signed in, because of this. */
  silence = $state("");
  /** The session ends within so many seconds unless a key or a click comes; 0: it does not. */
  endsIn_s = $state(0);
  ended = $state<Ended | null>(null);
  #rights = $derived(new Set(this.told?.rights));
  #own = $derived(new Set(this.told?.own));
  #units = $derived(new Set(this.told?.speaker?.unit_ids));
  /** Nobody typed or clicked for as long as a session lasts. */
  #unused = false;
  #looking: Promise<void> | null = null;

  /** Whether the page may be shown. */
  isIn = $derived(this.told !== null && (this.told.open || this.told.speaker !== null));
  /** Who it is, as people say it; empty: nobody knows. */
  name = $derived(this.told?.speaker ? this.told.speaker.name || this.told.speaker.said_by : "");

  /** Asks until the server has said who is here; whoever left a moment ago is told why. */
  async begin(): Promise<void> {
    this.ended = sessionStorage.getItem("ended") as Ended | null;
    sessionStorage.removeItem("ended");
    while (this.told === null) {
      try {
        this.told = await api.session();
        this.silence = "";
      } catch (error) {
        this.silence = error instanceof Error ? error.message : String(error);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, (event) => this.#heard(event), { capture: true });
    setInterval(() => this.#tick(), TICK_MS);
    if (this.#idleMs) this.#tell();
  }

  /** Raises Problem. The page begins anew with the rights of whoever came. */
  async signIn(shown: SignIn): Promise<void> {
    await api.session(); // somebody may have signed in beside this page: their word is needed to change that
    await api.signIn(shown);
    location.reload();
  }

  async signOut(): Promise<void> {
    await api.signOut();
    location.reload();
  }

  /** Asks whether things are as they were. If they are not, the page begins anew: nothing that was shown stays in it. */
  look(): Promise<void> {
    this.#looking ??= api
      .session()
      .then(
        (now) => {
          if (of(now) === of(this.told)) this.told = now;
          else this.#beginAnew(now);
        },
        () => undefined,
      )
      .finally(() => (this.#looking = null));
    return this.#looking;
  }

  #beginAnew(now: Session): void {
    if (!now.open && now.speaker === null) sessionStorage.setItem("ended", this.#unused ? "idle" : "over");
    else if (now.speaker?.said_by === this.told?.speaker?.said_by) sessionStorage.setItem("ended", "changed");
    location.reload();
  }

  may(right: Right, unit?: string | null): boolean {
    return this.#rights.has(right) && (unit === undefined || !this.#own.has(right) || this.#units.has(unit ?? ""));
  }

  /** How long the session lasts without a key or a click; 0: as long as it likes. */
  get #idleMs(): number {
    return (this.told?.idle_s ?? 0) * 1000;
  }

  /** When the server last heard of a key or a click in any window of this browser. */
  get #heardMs(): number {
    return Number(localStorage.getItem("active") ?? 0);
  }

  #heard(event: Event): void {
    const idle = this.#idleMs;
    // A key that was pressed to stay does nothing else: it might send somebody. An alarm does not wait for that.
    if (this.endsIn_s && event instanceof KeyboardEvent && event.key !== "a" && !(event.target as HTMLElement).matches("input, textarea")) {
      event.stopImmediatePropagation();
      event.preventDefault();
    }
    if (idle && Date.now() - this.#heardMs >= Math.min(TOLD_EVERY_MS, idle / 4)) this.#tell();
  }

  #tell(): void {
    localStorage.setItem("active", String(Date.now()));
    this.endsIn_s = 0;
    this.#unused = false;
    void api.active().catch(() => this.look());
  }

  #tick(): void {
    const idle = this.#idleMs;
    if (!idle) return;
    const left = this.#heardMs + idle - Date.now();
    this.endsIn_s = left < Math.min(WARNED_MS, idle / 2) ? Math.max(1, Math.ceil(left / 1000)) : 0;
    this.#unused ||= left < 0;
    if (left > -LATE_MS) return;
    void this.look().then(() => localStorage.setItem("active", String(Date.now() - idle + ASKED_AGAIN_MS)));
  }
}

/** What makes a page another one: who speaks, and what they may. */
const of = (session: Session | null): string => JSON.stringify([session?.open, session?.speaker, session?.rights, session?.own, session?.topics]);

export const session = new SignedIn();

/** What can still be done while the desk looks back: nothing that changes what is. */
const LOOKING = new Set<Right>(["look", "look_ahead", "look_around", "look_back", "take", "report", "read_log", "measure"]);

/** Whether whoever is signed in may do this now, for this unit where it is about one. */
export const may = (right: Right, unit?: string | null): boolean => (world.backMs === null || LOOKING.has(right)) && session.may(right, unit);
