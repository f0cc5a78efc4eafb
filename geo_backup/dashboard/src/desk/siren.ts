/** The sounds of the page: of an officer's emergency, two tones again and again until somebody acknowledges; and one low
 * tone, once, for what is overdue. */

const TONES_HZ = [880, 660] as const;
const TONE_S = 0.22;
const EVERY_MS = 1500;
const CHIME_HZ = 392;
const GESTURES = ["pointerdown", "keydown"] as const;

function tone(context: AudioContext, frequency: number, start: number, type: OscillatorType, length_s: number): void {
  const sound = new OscillatorNode(context, { type, frequency });
  const loud = new GainNode(context, { gain: 0.18 });
  sound.connect(loud).connect(context.destination);
  sound.start(start);
  sound.stop(start + length_s);
}

/** A browser keeps a page silent until it was first touched: `silent` says so. */
export class Siren {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #onSilent: (silent: boolean) => void;

  constructor(onSilent: (silent: boolean) => void) {
    this.#onSilent = onSilent;
    for (const gesture of GESTURES) addEventListener(gesture, () => void this.#wake(), { capture: true });
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
    TONES_HZ.forEach((hertz, at) => tone(context, hertz, context.currentTime + at * TONE_S, "square", TONE_S));
  }
}

/** One tone, once; a page that nobody has touched yet stays silent. */
class Chime {
  #context: AudioContext | null = null;

  /** Waits for the first touch of the page; what is returned ends that. */
  listen(): () => void {
    const wake = () => {
      this.#context ??= new AudioContext();
      void this.#context.resume().catch(() => undefined);
    };
    for (const gesture of GESTURES) addEventListener(gesture, wake, { capture: true, once: true });
    return () => GESTURES.forEach((gesture) => removeEventListener(gesture, wake, { capture: true }));
  }

  ring(): void {
    if (this.#context?.state === "running") tone(this.#context, CHIME_HZ, this.#context.currentTime, "triangle", 2 * TONE_S);
  }
}

export const chime = new Chime();
