/** The numbers of incidents on this page: "#2" is the same incident for as long as the page is open, and never another. */
import { world } from "../world/world.svelte";

const tags = new Map<string, number>();

/** Incidents that have none yet get theirs in the order in which they were opened. */
export function tagOf(id: string): number {
  if (!tags.has(id)) {
    const fresh = world.incidents.filter((incident) => !tags.has(incident.incident_id));
    fresh.sort((a, b) => a.opened_time.localeCompare(b.opened_time) || a.incident_id.localeCompare(b.incident_id));
    for (const { incident_id } of fresh) tags.set(incident_id, tags.size + 1);
    if (!tags.has(id)) tags.set(id, tags.size + 1);
  }
  return tags.get(id)!;
}

/** The incident that has, or had, this number. */
export function idOf(tag: number): string | undefined {
  return [...tags].find(([, of]) => of === tag)?.[0];
}
