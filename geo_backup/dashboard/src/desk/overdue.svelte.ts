/** What somebody should have said or done by now: the loud first, and how it is gone to and seen to. */
import { api } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { Timer } from "../wire";
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { past } from "./past.svelte";
import { SETTLE_MS } from "./rows.svelte";
import { session } from "./session.svelte";
import { tagOf } from "./tags";
import { titleOf } from "./titles";

/** What is real before practice, the loud before the quiet. */
const first = (a: Timer, b: Timer): number =>
  Number(a.exercise) - Number(b.exercise) || Number(b.level === "loud") - Number(a.level === "loud") || a.due_time.localeCompare(b.due_time) || a.timer_id.localeCompare(b.timer_id);

class Overdue {
  /** At the moment that is shown. */
  all = $derived<Timer[]>(Object.values(world.timers).sort(first));
  #now = $derived<Timer[]>(Object.values(world.live.timers).sort(first));
  /** Nobody has seen to them by now. */
  waiting = $derived(this.#now.filter((timer) => !timer.acknowledged));
  loud = $derived(this.#now.filter((timer) => timer.level === "loud"));
  ofUnit = $derived<Record<string, Timer>>(Object.fromEntries(this.all.flatMap((timer) => (timer.unit_id ? [[timer.unit_id, timer]] : [])).reverse())); // the first stays
  /** The one that was gone to last, and all that were. */
  #at = "";
  #been = new Set<string>();
  #first = "";
  #firstSinceMs = -Infinity;

  of(incident: string | null): Timer[] {
    return this.all.filter((timer) => timer.incident_id === incident);
  }

  /** In words. */
  line(timer: Timer, nowMs = world.nowMs): string {
    const missing = world.live.messages[timer.message_id ?? ""]?.recipients.filter((row) => !row.acknowledged_time) ?? [];
    const who = missing.length ? words.messages.few(missing.map((row) => world.callsign(row.unit_id))) : world.callsign(timer.unit_id ?? "");
    return words.timers.line(timer, who, nowMs);
  }

  /** The incident or the message that it is about. */
  about({ incident_id, message_id }: Timer): string {
    if (message_id) return words.messages.quoted(world.live.messages[message_id]?.text ?? "");
    return `#${tagOf(incident_id)} ${titleOf(incident_id)}`;
  }

  /** Which one is shown first: whoever presses the key has read that. */
  note(): void {
    const now = this.loud[0]?.timer_id ?? "";
    if (now !== this.#first) this.#firstSinceMs = performance.now();
    this.#first = now;
  }

  /** Goes to what one is about; without a name, to one after the other. */
  go(timer = this.#next()): void {
    if (!timer) return notice.say(words.timers.none);
    past.leave();
    this.#at = timer.timer_id;
    this.#been = new Set([...this.#been, this.#at].filter((id) => id in world.live.timers));
    desk.showHandover = false;
    desk.select(timer.incident_id || null);
    desk.selectedUnit = timer.unit_id;
  }

  /** The loud one that is shown first, else what is overdue of the chosen unit or incident. */
  async seeFirst(): Promise<void> {
    if (this.loud.length && performance.now() - this.#firstSinceMs < SETTLE_MS) return notice.say(words.timers.changed);
    const chosen = this.waiting.filter((timer) => timer.incident_id === desk.selectedId);
    const timer = this.loud[0] ?? chosen.find((one) => one.unit_id === desk.selectedUnit) ?? chosen[0];
    if (timer) await this.see([timer]);
    else notice.say(this.waiting.length ? words.timers.noneHere : words.timers.none);
  }

  /** Somebody has seen to these; who is not signed in need not say a name. */
  async see(timers: readonly Timer[]): Promise<void> {
    const by = session.name ? undefined : desk.name || undefined;
    past.leave();
    const said = words.timers.nowSeen(timers.map((timer) => `${this.line(timer)} ${this.about(timer)}`).join(" "));
    await notice.attempt(() => Promise.all(timers.map((timer) => api.seeTimer(timer.timer_id, by))), said);
  }

  /** A loud one that was not gone to yet, else the one after the last. */
  #next(): Timer | undefined {
    const fresh = this.loud.find((timer) => !this.#been.has(timer.timer_id));
    if (fresh) return fresh;
    const at = this.waiting.findIndex((timer) => timer.timer_id === this.#at);
    return this.waiting[(at + 1) % this.waiting.length];
  }
}

export const overdue = new Overdue();
