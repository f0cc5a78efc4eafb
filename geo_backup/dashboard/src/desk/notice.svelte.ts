/** What the desk was last told: that something was done, and how to take it back for a while, or why it was not. */
import { Problem } from "../api";
import { session } from "./session.svelte";

const UNDO_MS = 5_000;

class Notice {
  said = $state("");
  error = $state("");
  /** Takes back what was just done. */
  undo = $state.raw<(() => unknown) | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(words: string, undo: (() => unknown) | null = null): void {
    this.said = words;
    this.error = "";
    this.undo = undo;
    clearTimeout(this.#timer);
    if (undo) this.#timer = setTimeout(() => (this.undo = null), UNDO_MS);
  }

  takeBack(): void {
    const { undo } = this;
    this.undo = null;
    void undo?.();
  }

  /** Runs a request; true when it was done, else the server's words stand in `error`. */
  async attempt(work: () => Promise<unknown>, words: string | (() => string), undo: (() => unknown) | null = null): Promise<boolean> {
    try {
      await work();
      this.say(typeof words === "string" ? words : words(), undo);
      return true;
    } catch (error) {
      this.error = error instanceof Problem ? error.message : String(error);
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) void session.look();
      return false;
    }
  }
}

export const notice = new Notice();
