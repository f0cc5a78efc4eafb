/** What is lost by an order, in words, for the question that is put before it. */
import { words } from "../words";
import { standing, underWay } from "../world/readings";
import { world } from "../world/world.svelte";
import type { BackupMode, Closure, Incident } from "../wire";
import { titleOf } from "./titles";

/** The other incident that a unit works for. */
export function worksFor(unit: string, incident: string): Incident | undefined {
  const other = world.units[unit]?.incident_id;
  return other && other !== incident ? world.incidentOf[other] : undefined;
}

/** Of sending these units: whom they leave. */
export function ofSending(units: readonly string[], incident: string): string[] {
  return units.flatMap((unit) => {
    const other = worksFor(unit, incident);
    if (!other) return [];
    const state = other.assignments.find((row) => row.unit_id === unit)?.state ?? "";
    return [words.consent.leaves(world.callsign(unit), titleOf(other.incident_id), other.priority, state, standing(other.assignments).length - 1)];
  });
}

/** Of closing an incident. */
export function ofClosing(incident: Incident): string[] {
  const coming = underWay(incident.assignments).map((row) => world.callsign(row.unit_id));
  const there = standing(incident.assignments).filter((row) => row.state === "on_scene").map((row) => world.callsign(row.unit_id));
  return [
    ...(coming.length ? [words.consent.turnedBack(coming)] : []),
    ...(there.length ? [words.consent.clearedThere(there)] : []),
  ];
}

/** So many pieces of road, or so many metres, are more than somebody closes by a slip. */
const MANY = 20;
const FAR_M = 500;

/** Of closing roads: nothing where they are few. */
export function ofClosingRoads({ edges, streets, levels_in_shape }: Closure, metres: number): string[] {
  return edges > MANY || metres > FAR_M ? [words.closures.much(edges, metres, streets, levels_in_shape)] : [];
}

const URGENCY: Record<BackupMode, number> = { immediate: 2, delayed: 1, strategic: 0 };

/** Of asking in another mode: nothing where it is as urgent or more. */
export function ofMode(incident: Incident, mode: BackupMode): string[] {
  return incident.mode && URGENCY[mode] < URGENCY[incident.mode] ? [words.consent.lessUrgent(incident.mode, mode)] : [];
}
