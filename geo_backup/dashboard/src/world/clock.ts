/** The server's clock as this page sees it: live, simulated and replay alike. */
export class ServerClock {
  #serverMs = Date.now();
  #localMs = performance.now();
  #rate = 1;
  #stoodMs: number | null = null;

  /** The time that is shown: the server's now, or the moment that is looked back at. */
  now(localMs = performance.now()): number {
    return this.#stoodMs ?? this.live(localMs);
  }

  live(localMs = performance.now()): number {
    return this.#serverMs + (localMs - this.#localMs) * this.#rate;
  }

  /** Stands at a moment of the past; null: it goes on with the server's. */
  stand(ms: number | null): void {
    this.#stoodMs = ms;
  }

  /** A heartbeat tells the time, not the speed it runs at. */
  heard(serverMs: number, localMs = performance.now()): void {
    this.#serverMs = serverMs;
    this.#localMs = localMs;
  }

  runs(serverMs: number, speed: number, playing: boolean, localMs = performance.now()): void {
    this.heard(serverMs, localMs);
    this.#rate = playing ? speed : 0;
  }
}
