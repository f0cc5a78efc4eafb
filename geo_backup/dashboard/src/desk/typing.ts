/** Whether keys are somebody's words, typed where no field has the focus. */

/** Keys that follow each other this fast are somebody's words, once they are so many. */
const TYPING_MS = 500;
const TYPING_KEYS = 3;
/** Keys of a hand that goes through the lists. */
const STEPS = new Set([..."jk123456789"]);

/** Whether somebody types a text and believes that it goes into a field. */
class Typing {
  #count = 0;
  #atMs = -Infinity;

  blind(key: string, nowMs: number): boolean {
    const letter = [...key].length === 1;
    const follows = nowMs - this.#atMs < TYPING_MS;
    if (key === "/" && !(follows && this.#count >= TYPING_KEYS)) return (this.over(), false); // what follows has a field
    if (letter && !(STEPS.has(key) && !follows)) {
      this.#count = follows ? this.#count + 1 : 1;
      this.#atMs = nowMs;
    }
    const blind = this.#count >= TYPING_KEYS && nowMs - this.#atMs < TYPING_MS && (letter || key === "Enter");
    if (key === "Enter" && !blind) this.over();
    return blind;
  }

  /** Another key has been pressed just before. */
  goesOn(nowMs: number): boolean {
    return this.#count > 1 && nowMs - this.#atMs < TYPING_MS;
  }

  over(): void {
    this.#count = 0;
    this.#atMs = -Infinity;
  }
}
export const typing = new Typing();
