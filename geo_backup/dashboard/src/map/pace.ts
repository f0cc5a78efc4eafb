/** When to draw next: as soon as something has moved by a pixel, and no oftener than the machine can bear. */

/** A frame of an idle screen. */
const FRAME_MS = 1000 / 60;
/** Drawing takes at most one part of the time in so many. */
const SHARE = 4;
const SLOWEST_MS = 500;

export class Pace {
  #cost_ms = 0;

  /** What a drawing kept the screen from doing: how late the second frame after it came. */
  drew(frames: number, took_ms: number): void {
    const late = Math.max(0, took_ms - frames * FRAME_MS * 1.25);
    this.#cost_ms += (late - this.#cost_ms) * (late > this.#cost_ms ? 0.5 : 0.2);
  }

  /** From one drawing to the next, where the fastest of what is seen moves by so many pixels a millisecond. */
  wait_ms(fastest: number): number {
    const still = fastest > 0 ? 1 / fastest : Infinity;
    return Math.max(still, this.rest_ms);
  }

  /** From one drawing to the next, whatever happens. */
  get rest_ms(): number {
    return Math.min(SLOWEST_MS, this.#cost_ms * SHARE);
  }
}
