/** Looking back: which moment the desk wishes to see, the questions about it, and the play from one time to another.
 * The feed goes on beneath, so that what is live is there at once when the desk returns to it. */
import { Problem, api, held } from "../api";
import { words } from "../words";
import { whole } from "../world/merge";
import { world } from "../world/world.svelte";
import type { Past } from "../wire";
import { card } from "./card.svelte";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { may } from "./session.svelte";
import { tool } from "./tool.svelte";

export const SPEEDS = [1, 5, 10, 30, 60, 120];
/** One press of a key goes so far. */
export const STEP_MS = 10_000;
export const FAR_STEP_MS = 60_000;
/** While it plays, a moment follows the former by this much at least. */
const FRAME_MS = 500;
/** An answer that takes longer than this is said to be worked on. */
const PATIENCE_MS = 250;
const BUSY_MS = 600;
const BUSY = 503;

const text = (ms: number): string => new Date(ms).toISOString();
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Steers the clock of a replay. */
export async function setReplay(change: { playing?: boolean; speed?: number; time?: string }): Promise<void> {
  await notice.attempt(async () => world.replayed(await api.setReplay(change)), "");
}

class LookingBack {
  /** When the log begins; null until the server has said so. */
  beginsMs = $state<number | null>(null);
  /** A moment is being worked out, and it takes a while. */
  working = $state(false);
  /** Why the moment that is wished cannot be shown. */
  trouble = $state("");
  playing = $state(false);
  speed = $state(10);
  /** Counts the wishes to steer the bar by keys. */
  wanted = $state(0);
  on = $derived(world.backMs !== null);
  #endMs = Infinity;
  #asking = false;
  #answered = Promise.resolve();
  /** Which wish is shown. */
  #shown = "";
  /** Whoever pauses and plays on begins another run. */
  #runs = 0;
  /** What was chosen before. */
  #before = { incident: null as string | null, unit: null as string | null };

  constructor() {
    held.why = () => (this.on ? words.past.held : "");
  }

  /** Shows a moment as it was known then; one that has not come yet is the present. A replay is moved there instead. */
  go(ms: number): void {
    if (!may("look_back")) return notice.say(words.command.trouble.right());
    if (world.mode === "replay" && !this.on) return void setReplay({ time: text(ms), playing: false });
    if (!this.on) this.#enter();
    world.backMs = Math.round(Math.min(world.clock.live(), Math.max(ms, this.beginsMs ?? 0)));
    this.trouble = "";
    void this.#ask();
  }

  step(by_ms: number): void {
    this.playing = false;
    this.go((world.backMs ?? world.clock.live()) + by_ms);
  }

  /** The bar opens a little back, with its slider in hand. */
  open(): void {
    if (!this.on) this.go(world.clock.now() - FAR_STEP_MS);
    this.wanted += 1;
  }

  /** What is live again, with what was chosen then where it still stands. */
  leave(): void {
    if (!this.on) return;
    this.playing = this.working = false;
    this.trouble = this.#shown = "";
    world.backMs = null;
    world.show(null);
    const { incident, unit } = this.#before;
    if (!desk.selectedId || !(desk.selectedId in world.incidentOf)) desk.select(incident && incident in world.incidentOf ? incident : null, desk.reading);
    desk.selectedUnit ??= unit;
  }

  /** Plays on from the moment that is shown, as far as it was to go, else to the present. */
  play(): void {
    if (world.mode === "replay" && !this.on) return void setReplay({ playing: true });
    if (!this.on) this.go(world.clock.now() - FAR_STEP_MS);
    if (!this.on || this.playing) return;
    if ((world.backMs ?? 0) >= this.#endMs) this.#endMs = Infinity;
    this.playing = true;
    void this.#run();
  }

  /** Plays from one time to another; goes on where it was stopped in between. */
  playFrom(fromMs: number, toMs: number): void {
    if (world.mode === "replay" && !this.on) return void setReplay({ time: text(fromMs), playing: true });
    const goesOn = this.on && this.#endMs === toMs && world.backMs! < toMs;
    if (!goesOn) this.go(fromMs);
    this.#endMs = toMs;
    this.play();
  }

  toggle(): void {
    if (this.playing) this.playing = false;
    else this.play();
  }

  #enter(): void {
    this.#before = { incident: desk.selectedId, unit: desk.selectedUnit };
    this.#endMs = Infinity;
    if (tool.name !== "look") tool.take("look");
    if (card.open) card.putAway();
    consent.leave();
    desk.showPlans = desk.showCover = desk.showReach = desk.showHandover = false;
  }

  async #run(): Promise<void> {
    const run = ++this.#runs;
    const goesOn = () => this.playing && run === this.#runs;
    await this.#ask(); // what it begins with is seen
    let lastMs = performance.now();
    while (goesOn() && world.backMs !== null) {
      await pause(Math.max(0, lastMs + FRAME_MS - performance.now()));
      const nowMs = performance.now();
      if (!goesOn() || world.backMs === null) return;
      const end = Math.min(this.#endMs, world.clock.live());
      const next = world.backMs + (nowMs - lastMs) * this.speed;
      lastMs = nowMs;
      if (next >= end) this.playing = false;
      world.backMs = Math.round(Math.min(next, end));
      await this.#ask();
    }
  }

  /** Asks again where the incident that is chosen now was not ranked. */
  again(): void {
    if (this.on) void this.#ask();
  }

  /** One question at a time; the newest wish is the next one. */
  #ask(): Promise<void> {
    if (!this.#asking) this.#answered = this.#answer();
    return this.#answered;
  }

  async #answer(): Promise<void> {
    this.#asking = true;
    const patience = setTimeout(() => (this.working = true), PATIENCE_MS);
    try {
      for (;;) {
        const ms = world.backMs;
        const wish = `${ms} ${desk.selectedId}`;
        if (ms === null || wish === this.#shown) break;
        try {
          const snapshot = await api.past(text(ms), desk.selectedId ?? "");
          if (world.backMs === null) break;
          this.#take(snapshot, ms);
          this.#shown = wish;
        } catch (error) {
          if (world.backMs === null) break;
          if (error instanceof Problem && error.status === BUSY) await pause(BUSY_MS);
          else if (!(await this.#mended(error))) break;
        }
      }
    } finally {
      clearTimeout(patience);
      this.working = this.#asking = false;
    }
  }

  #take(snapshot: Past, ms: number): void {
    this.beginsMs = Date.parse(snapshot.past.begins);
    world.show({ told: { ...whole(snapshot), area: world.live.area }, at_ms: ms });
  }

  /** Whoever asks for what was before the log gets its first moment; anything else is told. */
  async #mended(error: unknown): Promise<boolean> {
    const reasons = error instanceof Problem ? error.errors.map(({ reason }) => reason) : [];
    if (reasons.includes("before_log") && this.beginsMs === null) {
      const found = await api.past(text(world.clock.live()), "", "").catch(() => null);
      if (found) {
        this.beginsMs = Date.parse(found.past.begins);
        world.backMs = Math.max(world.backMs ?? 0, Math.ceil(this.beginsMs));
        this.trouble = words.past.begins;
        return true;
      }
    }
    this.playing = false;
    const trouble = words.past.refused[reasons[0] ?? ""] ?? (error instanceof Error ? error.message : String(error));
    // The time in the bar is that of what is shown.
    if (world.then) {
      world.backMs = world.then.at_ms;
      this.trouble = trouble;
    } else {
      this.leave();
      notice.error = trouble;
    }
    return false;
  }
}

export const past = new LookingBack();
