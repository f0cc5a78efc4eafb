/** Who is near a unit: by driving time to where it is, and by air line, said as such, where no time is known. */
import { api } from "../api";
import { metres } from "../world/readings";
import { world } from "../world/world.svelte";
import type { LonLat } from "../wire";
import { may } from "./session.svelte";

export interface Near {
  unit_id: string;
  status: string;
  far_m: number;
  /** null: nobody knows; `far_m` by air counts. */
  eta_s: number | null;
}

/** So many of the nearest by air are asked for by road. */
const ASKED = 40;
const SHOWN = 8;

export async function near(unit: string): Promise<Near[]> {
  const own = world.positions[unit];
  if (!own) return [];
  const here: LonLat = [own[0], own[1]];
  const rows = Object.values(world.units)
    .flatMap(({ unit_id }) => {
      const position = world.positions[unit_id];
      const at: LonLat = position ? [position[0], position[1]] : [0, 0];
      return position && unit_id !== unit ? [{ unit_id, status: world.doing(unit_id), at, far_m: metres(here, at) }] : [];
    })
    .sort((a, b) => a.far_m - b.far_m)
    .slice(0, ASKED);
  const starts = rows.map(({ at }) => at);
  const times = rows.length && may("drive_times") ? await api.etas(here, starts).then(({ etas_s }) => etas_s, () => []) : [];
  const found = rows.map(({ at: _, ...row }, n) => ({ ...row, eta_s: times[n] ?? null }));
  return found.sort((a, b) => (a.eta_s ?? Infinity) - (b.eta_s ?? Infinity) || a.far_m - b.far_m).slice(0, SHOWN);
}
