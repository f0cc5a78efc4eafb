/** Where this phone is, told as often as it is worth it while the officer shares it; and a screen that stays on. */
import { worth, type Fix } from "./outbox";
import { keep, kept } from "./kept";

/** Some phones say nothing while they lie still: then they are asked. */
const ASK_MS = 15_000;
const LOOK_MS = 250;

/** `off`: not shared. `asking`: no place yet. `denied`: the phone does not allow it. `failing`: it knows no place. */
export type Sharing = "off" | "asking" | "on" | "denied" | "failing" | "insecure";

class Share {
  state = $state<Sharing>("off");
  /** The newest place, told or not. */
  here = $state.raw<Fix | null>(null);
  #told: Fix | null = null;
  #toldMs = 0;
  #askedMs = 0;
  #watch: number | null = null;
  #asks: ReturnType<typeof setInterval> | undefined;
  #lock: WakeLockSentinel | null = null;
  #tell: (fix: Fix) => void = () => undefined;

  /** Begins by itself where it was shared when the page was last open. */
  begin(tell: (fix: Fix) => void): void {
    this.#tell = tell;
    document.addEventListener("visibilitychange", () => void this.#stayOn());
    if (kept<boolean>("shares")) this.start();
  }

  start(): void {
    if (this.#watch !== null) return;
    if (!isSecureContext || !("geolocation" in navigator)) return void (this.state = "insecure");
    keep("shares", true);
    this.state = "asking";
    const how: PositionOptions = { enableHighAccuracy: true, maximumAge: 0, timeout: 30_000 };
    this.#watch = navigator.geolocation.watchPosition((at) => this.#heard(at), (error) => this.#failed(error), how);
    this.#asks = setInterval(() => {
      this.#say(); // what came within the second after another
      if (Date.now() - Math.max(this.#toldMs, this.#askedMs) < ASK_MS) return;
      this.#askedMs = Date.now();
      navigator.geolocation.getCurrentPosition((at) => this.#heard(at), () => undefined, { ...how, maximumAge: 5_000 });
    }, LOOK_MS);
    void this.#stayOn();
  }

  stop(): void {
    keep("shares", null);
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    clearInterval(this.#asks);
    this.#watch = null;
    this.state = "off";
    void this.#lock?.release();
  }

  #heard({ timestamp, coords }: GeolocationPosition): void {
    if (this.#watch === null) return;
    const moves = coords.speed !== null && !Number.isNaN(coords.speed);
    const course = coords.heading !== null && !Number.isNaN(coords.heading) ? coords.heading : null;
    const fix: Fix = [Math.round(timestamp), coords.longitude, coords.latitude, moves ? coords.speed : null, course, coords.accuracy || null];
    this.state = "on";
    this.here = fix;
    this.#say();
  }

  #say(): void {
    if (!this.here || !worth(this.#told, this.here, Date.now() - this.#toldMs)) return;
    this.#told = this.here;
    this.#toldMs = Date.now();
    this.#tell(this.here);
  }

  #failed(error: GeolocationPositionError): void {
    if (error.code === error.PERMISSION_DENIED) {
      this.stop();
      this.state = "denied";
    } else this.state = "failing";
  }

  /** A screen that goes dark tells nobody where it is. */
  async #stayOn(): Promise<void> {
    if (this.#watch === null || document.visibilityState !== "visible" || (this.#lock && !this.#lock.released)) return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
    } catch {
      // the phone saves its battery, or has no such lock
    }
  }
}

export const share = new Share();
