/** What the desk was last told: that something was done, and how to take it back for a while; why it was not; or that
 * nobody knows, until the server has been asked. */
import { Problem } from "../api";
import { words } from "../words";
import { session } from "./session.svelte";

const UNDO_MS = 5_000;
const LOOK_EVERY_MS = 1_000;

interface Ways {
  /** Takes back what was done. */
  undo?: (() => unknown) | null;
  /** Whether it was done after all, asked where no answer came; fails while the server is silent. */
  looked?: () => Promise<boolean>;
  /** Takes care of a refusal; false: it does not. */
  refused?: (problem: Problem) => boolean;
}

/** What was just done and can be taken back for a while, whatever is said meanwhile. */
interface Offer {
  words: string;
  undo: () => unknown;
}

class Notice {
  said = $state("");
  error = $state("");
  offer = $state.raw<Offer | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(words: string, undo: (() => unknown) | null = null): void {
    this.said = undo ? "" : words;
    this.error = "";
    if (!undo) return;
    this.offer = { words, undo };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.offer = null), UNDO_MS);
  }

  takeBack(): void {
    const { offer } = this;
    this.offer = null;
    if (offer) void offer.undo();
    else this.say(words.nothingToTakeBack);
  }

  /** Runs a request; true when it was done, else the server's words stand in `error`. */
  async attempt(work: () => Promise<unknown>, done: string | (() => string), { undo, looked, refused }: Ways = {}): Promise<boolean> {
    try {
      await work();
      this.say(typeof done === "string" ? done : done(), undo);
      return true;
    } catch (error) {
      if (error instanceof Problem && refused?.(error)) return false;
      this.error = error instanceof Problem ? error.message : String(error);
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) void session.look();
      if (!(error instanceof Problem) || !error.unsure || !looked) return false;
      const was = await this.#look(looked);
      if (was) this.say(words.link.wasDone(typeof done === "string" ? done : done()), undo);
      else this.error = words.link.wasNotDone(typeof done === "string" ? done : done());
      return was;
    }
  }

  /** Asks until the server answers. */
  async #look(looked: () => Promise<boolean>): Promise<boolean> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      try {
        return await looked();
      } catch {
        continue; // it is still silent
      }
    }
  }
}

export const notice = new Notice();
