/** What an incident is called, wherever it is named. */
import { words } from "../words";
import { world } from "../world/world.svelte";

export function titleOf(id: string): string {
  const incident = world.incidentOf[id] ?? world.live.incidents[id];
  return incident ? words.incident.title(incident, world.callsign(incident.for_unit_id ?? "")) : words.incident.short(id);
}
