/** Officers in danger: what comes first, what the banner says, and the sound that lasts until somebody acknowledges. */
import type { Incident } from "./types";
import { age, clockTime } from "./words";

/** Alarms before emergencies in hand, those before all else. */
export const urgency = ({ emergency }: Incident): number => (emergency?.alarms ? 0 : emergency?.stands ? 1 : 2);

export function alarmWords({ emergency, exercise, recorded }: Incident, callsign: string, nowMs: number, timezone: string | undefined): string {
  const pressed = Date.parse(emergency!.pressed_time);
  const again = emergency!.presses > 1 ? ` · pressed ${emergency!.presses} times` : "";
  const unplaced = emergency!.placed_by === "nothing" ? " · PLACE NOT KNOWN" : "";
  const unrecorded = recorded === false ? " · NOT ON RECORD YET" : "";
  return `${exercise ? "EXERCISE · " : ""}OFFICER EMERGENCY · ${callsign} · since ${clockTime(pressed, timezone)}, ${age(nowMs - pressed)}${again}${unplaced}${unrecorded}`;
}

export function takenWords({ emergency }: Incident, timezone: string | undefined): string {
  return (emergency?.acknowledged ?? []).map(({ by, at }) => `acknowledged by ${by} at ${clockTime(Date.parse(at), timezone)}`).join(", ");
}

const TONES_HZ = [880, 660] as const;
const TONE_S = 0.22;
const EVERY_MS = 1500;

/** Two tones again and again. A browser keeps a page silent until it was first touched: `silent` says so. */
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
