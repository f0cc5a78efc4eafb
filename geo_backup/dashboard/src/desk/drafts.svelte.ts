/** What is written to each incident and is not on record yet; an incident to which nothing is written is not kept here. */
import { SvelteMap } from "svelte/reactivity";

export interface Entered {
  note_id: string;
  text: string;
}

export class Drafts {
  // An object that Svelte watches would hold each name that was ever in it: a map lets go of them.
  readonly #written = new SvelteMap<string, string>();
  readonly #entered = new SvelteMap<string, readonly Entered[]>();

  /** So many incidents are kept here. */
  get kept(): number {
    return new Set([...this.#written.keys(), ...this.#entered.keys()]).size;
  }

  /** What is being written: the feed never touches it, and it is still there when one comes back. */
  of(incident: string): string {
    return this.#written.get(incident) ?? "";
  }

  write(incident: string, text: string): void {
    if (text) this.#written.set(incident, text);
    else this.#written.delete(incident);
  }

  /** What was entered and is not yet known to be on record. */
  waiting(incident: string): readonly Entered[] {
    return this.#entered.get(incident) ?? [];
  }

  /** What was written is entered, and one goes on writing. */
  enter(incident: string, entered: Entered): void {
    this.write(incident, "");
    this.#entered.set(incident, [...this.waiting(incident), entered]);
  }

  /** A note is on record, or it was refused: then its words are in the field again, before those written since. */
  answered(incident: string, { note_id, text }: Entered, noted: boolean): void {
    const left = this.waiting(incident).filter((row) => row.note_id !== note_id);
    if (left.length) this.#entered.set(incident, left);
    else this.#entered.delete(incident);
    if (!noted) this.write(incident, [text, this.of(incident)].filter(Boolean).join(" "));
  }
}

export const drafts = new Drafts();
