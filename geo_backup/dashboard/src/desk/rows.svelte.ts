/** The rows of the ranking: they keep their places while the pointer or the focus is in them, so that a click sends the unit it was aimed at. */
import type { Candidate } from "../wire";

/** A key is for whoever has held its place at least this long. */
export const SETTLE_MS = 600;

export class Rows {
  holding = $state(false);
  #order: string[] = [];
  #of: string | null = null;
  #changedAt: number[] = [];

  /** The candidates of an incident in the order in which they stand on the page. */
  placed(incident: string | null, candidates: Candidate[]): Candidate[] {
    if (!this.holding || this.#of !== incident) return candidates;
    const place = new Map(this.#order.map((unit, at) => [unit, at]));
    return [...candidates].sort((a, b) => (place.get(a.unit_id) ?? candidates.length) - (place.get(b.unit_id) ?? candidates.length));
  }

  /** Remember which places have just changed hands. */
  note(incident: string | null, units: string[]): void {
    const now = performance.now();
    const same = incident === this.#of;
    this.#changedAt = units.map((unit, at) =>
      same && this.#order[at] !== undefined && this.#order[at] !== unit ? now : same ? (this.#changedAt[at] ?? 0) : 0,
    );
    this.#order = units;
    this.#of = incident;
  }

  /** Whoever presses the key of a place has read who stands there now. */
  settled(place: number): boolean {
    return performance.now() - (this.#changedAt[place] ?? 0) >= SETTLE_MS;
  }
}
