/** The sound of an officer's emergency: two tones again and again, until somebody acknowledges. */

const TONES_HZ = [880, 660] as const;
const TONE_S = 0.22;
const EVERY_MS = 1500;

/** A browser keeps a page silent until it was first touched: `silent` says so. */
export class Siren {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #onSilent: (silent: boolean) => void;

  constructor(onSilent: (silent: boolean) => void) {
    this.#onSilent = onSilent;
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, () => void this.#wake(), { capture: true });
  }

  sound(on: boolean): void {
    clearInterval(this.#timer);
    if (!on) return;
    void this.#wake();
    this.#play();
    this.#timer = setInterval(() => this.#play(), EVERY_MS);
  }

  async #wake(): Promise<void> {
    try {
      this.#context ??= new AudioContext();
      this.#context.onstatechange = () => this.#onSilent(this.#context?.state !== "running");
      this.#onSilent(this.#context.state !== "running");
      // Never settles before the first gesture, so nothing waits for it.
      await this.#context.resume();
    } catch {
      this.#onSilent(true);
    }
  }

  #play(): void {
    const context = this.#context;
    if (context?.state !== "running") return;
    TONES_HZ.forEach((hertz, at) => {
      const start = context.currentTime + at * TONE_S;
      const tone = new OscillatorNode(context, { type: "square", frequency: hertz });
      const loud = new GainNode(context, { gain: 0.18 });
      tone.connect(loud).connect(context.destination);
      tone.start(start);
      tone.stop(start + TONE_S);
    });
  }
}
