/** What the desk orders, each said to the server and then in a notice; what is done comes back through the feed. */
import { api, newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { BackupMode, EmergencyEnd, LonLat, NewAssignment, Swap } from "../wire";
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { may, session } from "./session.svelte";
import { tool } from "./tool.svelte";

export async function openIncident(place: LonLat): Promise<void> {
  if (!may("dispatch")) return;
  const id = newId("I");
  tool.name = "look";
  desk.opening = { id, place };
  desk.select(id);
  const done = await notice.attempt(() => api.openIncident(id, place, 1), words.incident.opened(id));
  if (!done) desk.select(null);
  desk.opening = null;
}

export async function changeIncident(change: { priority?: number; note?: string }): Promise<void> {
  const id = desk.selectedId;
  if (id) await notice.attempt(() => api.changeIncident(id, change), words.incident.changed(id));
}

/** The first press asks, the second closes. */
export async function closeIncident(): Promise<void> {
  const id = desk.selectedId;
  if (!desk.confirmClose) {
    desk.confirmClose = desk.selected !== undefined;
    return;
  }
  desk.confirmClose = false;
  if (id && (await notice.attempt(() => api.closeIncident(id), words.incident.closed(id)))) desk.select(null);
}

/** What the desk had read when it sent somebody. */
const seen = () => (desk.ranking ? { as_of_seq: desk.ranking.as_of_seq, as_of_time: desk.ranking.as_of_time } : {});

export async function send(unit: string, preempt = false): Promise<void> {
  const { selectedId: incident, selected, ranking, replacing } = desk;
  if (!incident) return;
  const taken = preempt || ranking?.candidates.some((row) => row.unit_id === unit && row.warnings.includes("PREEMPTS"));
  const assignment: NewAssignment = {
    unit_id: unit,
    ...seen(),
    ...(replacing ? { replaces: replacing } : {}),
    ...(taken ? { preempt: true } : {}),
  };
  const done = replacing
    ? words.incident.sentInstead(world.callsign(unit), world.callsign(replacing))
    : words.incident.sent(world.callsign(unit), incident);
  const passedOver = desk.set.length > 0 && !desk.set.some((row) => row.unit_id === unit);
  // Nobody who runs to an officer in danger waits for a reason.
  if (passedOver && !selected?.emergency?.stands) desk.asking = { incident, assignment, words: done };
  else await assign(incident, assignment, done);
}

/** Sends the unit that the desk was asked about; no reason is an answer too. */
export async function sendAsked(reason: string): Promise<void> {
  const { asking } = desk;
  desk.asking = null;
  if (asking) await assign(asking.incident, { ...asking.assignment, ...(reason.trim() ? { reason: reason.trim() } : {}) }, asking.words);
}

async function assign(incident: string, assignment: NewAssignment, done: string): Promise<void> {
  if (await notice.attempt(() => api.assign(incident, assignment), done)) {
    desk.replacing = null;
    desk.selectedUnit = null;
  }
}

export function sendRanked(place: number): void {
  const candidate = desk.shown[place];
  if (!candidate) return;
  // Whoever pressed the key had read the former order.
  if (!desk.rows.settled(place)) notice.say(words.incident.placeChanged(place + 1, world.callsign(candidate.unit_id)));
  else void send(candidate.unit_id);
}

/** Sends all recommended units that are not on their way. */
export async function sendSet(): Promise<void> {
  const { selectedId: id, set } = desk;
  if (!id || set.length === 0) return notice.say(words.backup.nobodyRecommended);
  const read = seen();
  const all = () => Promise.all(set.map((row) => api.assign(id, { unit_id: row.unit_id, ...read, ...(row.details?.preempts ? { preempt: true as const } : {}) })));
  await notice.attempt(all, words.incident.sent(set.map((row) => world.callsign(row.unit_id)).join(", "), id));
}

export async function takeSwap(offer: Swap | undefined): Promise<void> {
  const { selectedId: id } = desk;
  if (!id || !offer) return notice.say(words.backup.noSwap);
  const assignment = { unit_id: offer.unit_id, replaces: offer.replaces, reason: words.override.swap };
  await assign(id, assignment, words.incident.sentInstead(world.callsign(offer.unit_id), world.callsign(offer.replaces)));
}

export async function setAssignment(unit: string, state: string): Promise<void> {
  const id = desk.selectedId;
  if (id) await notice.attempt(() => api.setAssignment(id, unit, state), words.incident.stateSet(world.callsign(unit), state));
}

/** Asks for backup: by the run card that is chosen, else so many units; urgent after delayed keeps what was asked. */
export async function askBackup(mode: BackupMode): Promise<void> {
  const { selectedId: id, asked } = desk;
  if (!id) return;
  const again = desk.selected?.mode && desk.selected.mode !== mode && !asked.card;
  const ask = {
    mode,
    ...(asked.card ? { run_card: asked.card } : again ? {} : { units: asked.units || 1 }),
    ...(mode === "strategic" ? { arrive_by: new Date(world.clock.now() + (asked.minutes || 60) * 60_000).toISOString() } : {}),
  };
  await notice.attempt(() => api.askBackup(id, ask), words.backup.asked(mode));
}

/** The first press asks, the second declares. */
export function declareEmergency(unit = desk.selectedUnit): void {
  if (!unit) notice.say(words.emergency.chooseFirst);
  else if (desk.declaring !== unit) desk.declaring = unit;
  else {
    desk.declaring = null;
    void notice.attempt(() => api.declare(unit, newId("E")), words.emergency.declared(world.callsign(unit)));
  }
}

/** Takes the oldest alarm in hand; a desk at which nobody is signed in is asked its name once. */
export async function acknowledge(): Promise<void> {
  const incident = world.alarms[0];
  if (!incident) return notice.say(words.emergency.none);
  desk.asking = null;
  desk.naming = !session.name && !desk.name;
  if (desk.naming) return;
  const id = incident.incident_id;
  desk.select(id);
  const by = session.name ? undefined : desk.name; // whoever is signed in is named by the server
  await notice.attempt(() => api.acknowledge(id, by), words.emergency.acknowledged(session.name || desk.name));
}

export function clearEmergency(id: string, end: EmergencyEnd): Promise<boolean> {
  return notice.attempt(() => api.clearEmergency(id, end), words.emergency.over);
}

export async function liftClosure(id: string): Promise<void> {
  await notice.attempt(() => api.lift(id), words.closures.lifted);
}

export async function setReplay(change: { playing?: boolean; speed?: number; time?: string }): Promise<void> {
  await notice.attempt(async () => world.replayed(await api.setReplay(change)), "");
}
