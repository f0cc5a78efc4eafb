/** What an officer's page goes on with when it is opened without a link: the part of what was told that is about its unit. Pure. */
import { nothing, type Told } from "../world/merge";

const those = <T>(of: Record<string, T>, ids: Iterable<string>): Record<string, T> => Object.fromEntries([...ids].flatMap((id) => (of[id] ? [[id, of[id]]] : [])));

/** Has no epoch: the next link tells the whole anew. */
export function knownOf(told: Told, unit: string): Told {
  const on = told.units[unit]?.incident_id;
  const incidents = Object.values(told.incidents).filter((one) => one.incident_id === on || one.for_unit_id === unit);
  const named = incidents.map((one) => one.incident_id);
  const units = new Set([unit, ...incidents.flatMap((one) => one.assignments.map((row) => row.unit_id))]);
  const messages = Object.values(told.messages).filter(({ recipients }) => recipients.some((one) => one.unit_id === unit && !one.acknowledged_time));
  return {
    ...nothing(),
    mode: told.mode,
    area: told.area,
    units: those(told.units, units),
    positions: those(told.positions, units),
    incidents: those(told.incidents, named),
    rankings: those(told.rankings, named),
    messages: those(told.messages, messages.map((one) => one.message_id)),
  };
}
