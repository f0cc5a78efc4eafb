/** Smooth motion between pings: each unit glides to its newest position and never beyond it. */
import type { Position } from "../wire";

const GLIDE_MS = 1000;
/** A step longer than this (about 1 km) is a jump or a seek, not driving. */
const JUMP = 0.01 / 360;

/** Places are told in Mercator's square from 0 to 1, so that drawing a unit costs two products. */
export type Square = readonly [x: number, y: number];

export function mercator(lon: number, lat: number): Square {
  return [(lon + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360)) / (2 * Math.PI)];
}

interface Glide {
  lon: number;
  lat: number;
  from: Square;
  to: Square;
  startMs: number;
}

export class Fleet {
  readonly #glides = new Map<string, Glide>();

  /** Takes the newest positions; units that are not in them are gone. Whether one came, left or jumped. */
  update(positions: Record<string, Position>, nowMs: number): boolean {
    let jumped = false;
    for (const id of this.#glides.keys()) if (!(id in positions)) jumped = this.#glides.delete(id);
    for (const id in positions) {
      const [lon, lat] = positions[id]!;
      const glide = this.#glides.get(id);
      if (glide && glide.lon === lon && glide.lat === lat) continue;
      const to = mercator(lon, lat);
      const from = glide ? along(glide, nowMs) : to;
      const jumps = !glide || Math.abs(from[0] - to[0]) > JUMP || Math.abs(from[1] - to[1]) > JUMP;
      this.#glides.set(id, { lon, lat, from: jumps ? to : from, to, startMs: nowMs });
      jumped ||= jumps;
    }
    return jumped;
  }

  at(id: string, nowMs: number): Square | undefined {
    const glide = this.#glides.get(id);
    return glide && along(glide, nowMs);
  }

  /** How far a unit is about to move each millisecond; 0 when it stands. */
  speed(id: string, nowMs: number): number {
    const glide = this.#glides.get(id);
    if (!glide || nowMs >= glide.startMs + GLIDE_MS) return 0;
    return Math.hypot(glide.to[0] - glide.from[0], glide.to[1] - glide.from[1]) / GLIDE_MS;
  }
}

function along({ from, to, startMs }: Glide, nowMs: number): Square {
  const share = Math.min(1, Math.max(0, (nowMs - startMs) / GLIDE_MS));
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
}
