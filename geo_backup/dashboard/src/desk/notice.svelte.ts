/** What the desk was last told: that something was done, or why it was not. */
import { Problem } from "../api";
import { session } from "./session.svelte";

class Notice {
  said = $state("");
  error = $state("");

  say(words: string): void {
    this.said = words;
    this.error = "";
  }

  /** Runs a request; true when it was done, else the server's words stand in `error`. */
  async attempt(work: () => Promise<unknown>, words: string | (() => string)): Promise<boolean> {
    try {
      await work();
      this.say(typeof words === "string" ? words : words());
      return true;
    } catch (error) {
      this.error = error instanceof Problem ? error.message : String(error);
      if (error instanceof Problem && (error.status === 401 || error.status === 403)) void session.look();
      return false;
    }
  }
}

export const notice = new Notice();
