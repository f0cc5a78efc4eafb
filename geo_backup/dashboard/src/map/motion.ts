/** Smooth motion between pings: each unit glides to its newest position and never beyond it. */
import type { LonLat, Position } from "../wire";

const GLIDE_MS = 1000;
/** A step longer than this (about 1 km) is a jump or a seek, not driving. */
const JUMP_DEG = 0.01;

interface Glide {
  from: LonLat;
  to: LonLat;
  startMs: number;
}

export class Fleet {
  #glides = new Map<string, Glide>();
  #restMs = 0;

  /** Takes the newest positions; units that are not in them are gone. */
  update(positions: Record<string, Position>, nowMs: number): void {
    for (const id of this.#glides.keys()) if (!(id in positions)) this.#glides.delete(id);
    for (const [id, [lon, lat]] of Object.entries(positions)) {
      const glide = this.#glides.get(id);
      if (glide && glide.to[0] === lon && glide.to[1] === lat) continue;
      const from = glide ? along(glide, nowMs) : ([lon, lat] as LonLat);
      const jumps = Math.abs(from[0] - lon) > JUMP_DEG || Math.abs(from[1] - lat) > JUMP_DEG;
      this.#glides.set(id, { from: jumps ? [lon, lat] : from, to: [lon, lat], startMs: nowMs });
      this.#restMs = nowMs + GLIDE_MS;
    }
  }

  at(id: string, nowMs: number): LonLat | undefined {
    const glide = this.#glides.get(id);
    return glide && along(glide, nowMs);
  }

  moves(nowMs: number): boolean {
    return nowMs < this.#restMs;
  }
}

function along({ from, to, startMs }: Glide, nowMs: number): LonLat {
  const share = Math.min(1, Math.max(0, (nowMs - startMs) / GLIDE_MS));
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
}
