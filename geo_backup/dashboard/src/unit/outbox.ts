/** What this phone has to say and has not said yet: what was pressed, and where it was. Pure: who sends it is told when.
 *
 * An emergency goes first, then the newest position alone, so that the marker moves at once, then what was pressed in its
 * order, then the positions of the time without a link.
 */

/** fix_ms, lon, lat, speed_mps, course_deg, accuracy_m */
export type Fix = [number, number, number, number | null, number | null, number | null];

export interface Pressed {
  id: string;
  kind: "emergency" | "status" | "progress" | "backup" | "message";
  /** Of which incident progress is, which message is answered. */
  of: string;
  body: Record<string, unknown>;
  pressedMs: number;
  /** In words, for whoever waits for it; empty: nobody does. */
  what: string;
  /** An emergency. */
  urgent: boolean;
  /** The body takes the time at which it was pressed. */
  dated: boolean;
}

export type Parcel = { pressed: Pressed } | { fixes: Fix[] };

/** An hour, at one a second: older ones give way. */
export const FIXES_MAX = 3_600;
/** So many at most in one request, as the server takes them. */
export const AT_ONCE = 1_000;
/** Presses wait too, the oldest that is no emergency gives way. */
export const PRESSED_MAX = 100;

export interface Held {
  unit: string;
  fixes: Fix[];
  pressed: Pressed[];
}

export class Outbox {
  /** Oldest first. */
  fixes: Fix[];
  pressed: Pressed[];
  #newest: Fix | null = null;

  constructor(
    readonly unit: string,
    held: Held | null = null,
  ) {
    // what another unit's page has left is not this one's to say
    const mine = held?.unit === unit ? held : null;
    this.fixes = mine?.fixes ?? [];
    this.pressed = mine?.pressed ?? [];
  }

  get held(): Held {
    return { unit: this.unit, fixes: this.#newest ? [...this.fixes, this.#newest] : this.fixes, pressed: this.pressed };
  }

  get waiting(): number {
    return this.fixes.length + (this.#newest ? 1 : 0);
  }

  locate(fix: Fix): void {
    if (this.#newest) this.fixes.push(this.#newest);
    this.#newest = fix;
    if (this.fixes.length >= FIXES_MAX) this.fixes.splice(0, this.fixes.length - FIXES_MAX + 1);
  }

  press(pressed: Pressed): void {
    const gone = this.pressed.length < PRESSED_MAX ? -1 : Math.max(0, this.pressed.findIndex((one) => !one.urgent));
    this.pressed = [...this.pressed.filter((_, n) => n !== gone), pressed];
  }

  /** What goes next; null: nothing waits. It stays until `sent`. `calm`: emergencies were tried, and refused for now. */
  next(calm = false): Parcel | null {
    const urgent = this.pressed.find((one) => one.urgent);
    if (urgent && !calm) return { pressed: urgent };
    if (this.#newest) return { fixes: [this.#newest] };
    const first = this.pressed.find((one) => !one.urgent);
    if (first) return { pressed: first };
    return this.fixes.length ? { fixes: this.fixes.slice(-AT_ONCE) } : null;
  }

  /** It was taken, or will never be. */
  sent(parcel: Parcel): void {
    if ("pressed" in parcel) {
      this.pressed = this.pressed.filter((one) => one.id !== parcel.pressed.id);
      return;
    }
    const gone = new Set(parcel.fixes);
    if (this.#newest && gone.has(this.#newest)) this.#newest = null;
    this.fixes = this.fixes.filter((fix) => !gone.has(fix));
  }
}

const STILL_MS = 15_000;
const MOVING_MS = 1_000;
const STILL_M = 10;
const M_A_DEGREE = 111_195;

/** Whether a fix is worth telling so long after another was told: once a second of who moves, each 15 s of who stands. */
export function worth(last: Fix | null, fix: Fix, since_ms: number): boolean {
  if (!last) return true;
  if (fix[0] <= last[0] || since_ms < MOVING_MS) return false;
  if (since_ms >= STILL_MS) return true;
  const east = (fix[1] - last[1]) * Math.cos((fix[2] * Math.PI) / 180);
  const moved_m = Math.hypot(east, fix[2] - last[2]) * M_A_DEGREE;
  return moved_m > Math.max(STILL_M, Math.min(fix[5] ?? 0, 50));
}
