/** The server's clock as this page sees it: live, simulated and replay alike. */
export class ServerClock {
  #serverMs = Date.now();
  #localMs = performance.now();
  #rate = 1;

  now(localMs = performance.now()): number {
    return this.#serverMs + (localMs - this.#localMs) * this.#rate;
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
