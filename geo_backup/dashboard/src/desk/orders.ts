/** What the desk orders, each said to the server and then in a notice; what is done comes back through the feed. */
import { api, newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { BackupMode, EmergencyEnd, NewAssignment, Swap } from "../wire";
import { standing } from "../world/readings";
import { card } from "./card.svelte";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import * as losses from "./losses";
import { notice } from "./notice.svelte";
import { may, session } from "./session.svelte";
import { titleOf } from "./titles";

/** Opens the incident of the call card and asks for backup, in one go. */
export async function openCard(): Promise<void> {
  if (!may("dispatch") || card.becoming) return;
  if (!card.written.place && card.written.where.trim()) card.find();
  if (!card.written.place) {
    notice.error ||= card.missing;
    return;
  }
  const { place, kind, note } = card.written;
  const { priority, runCard } = card;
  const id = card.become();
  desk.opening = { id, place };
  card.written.note = ""; // what is typed from now on is the next word on it
  const opened = { incident_id: id, lon: place[0], lat: place[1], priority, ...(kind.trim() ? { kind: kind.trim() } : {}), ...(note.trim() ? { note: note.trim() } : {}) };
  const done = await notice.attempt(() => api.openIncident(opened), words.incident.opened);
  if (!done) {
    card.becoming = desk.opening = null;
    card.written.note = [note, card.written.note].filter(Boolean).join(" ");
    return;
  }
  const ask = runCard ? { run_card: runCard.name, ...(runCard.mode === "strategic" ? { arrive_by: inMinutes() } : {}) } : { mode: "immediate" as const };
  await notice.attempt(() => api.askBackup(id, ask), words.incident.opened);
  desk.opening = null;
  desk.handOver();
}

/** When planned backup is to be there. */
const inMinutes = () => new Date(world.clock.now() + (desk.asked.minutes || 60) * 60_000).toISOString();

export async function changePriority(priority: number): Promise<void> {
  const incident = desk.selected;
  if (!incident || priority === incident.priority) return;
  const { incident_id: id, priority: before } = incident;
  const change = (to: number, undo?: () => unknown) =>
    notice.attempt(() => api.changeIncident(id, { priority: to }), words.incident.prioritySet(titleOf(id), to), undo ?? null);
  const set = () => change(priority, () => change(before));
  if (priority > before && (incident.emergency?.stands || before === 1)) {
    consent.ask({
      title: words.consent.lower(titleOf(id), priority),
      losses: [incident.emergency?.stands ? words.consent.lowerEmergency : words.consent.lowerFirst],
      yes: words.consent.lowerYes(priority), no: words.consent.leave, act: set,
    });
  } else await set();
}

/** What was written is said to the server; it stays in the field where that fails. */
export async function note(id: string): Promise<void> {
  const text = (desk.drafts[id] ?? "").trim();
  if (!text) return;
  if (await notice.attempt(() => api.changeIncident(id, { note: text }), words.incident.noted(titleOf(id)))) desk.drafts[id] = "";
}

/** Asks first: whoever is under way would be turned back. */
export function closeIncident(): void {
  const incident = desk.selected;
  if (!incident) return;
  const id = incident.incident_id;
  consent.ask({
    title: words.consent.close(titleOf(id)),
    losses: losses.ofClosing(incident),
    yes: words.incident.close, no: words.incident.keep,
    act: async () => {
      if ((await notice.attempt(() => api.closeIncident(id), words.incident.closed(titleOf(id)))) && desk.selectedId === id) desk.select(null);
    },
  });
}

/** What the desk had read when it sent somebody. */
const seen = () => (desk.ranking ? { as_of_seq: desk.ranking.as_of_seq, as_of_time: desk.ranking.as_of_time } : {});

/** Sends a unit; asks first where another incident loses it, and why, where others are recommended. */
export function send(unit: string): void {
  const { selectedId: incident, selected, replacing } = desk;
  if (!incident) return;
  const lost = losses.ofSending([unit], incident);
  const assignment: NewAssignment = {
    unit_id: unit,
    ...seen(),
    ...(replacing ? { replaces: replacing } : {}),
    ...(lost.length ? { preempt: true } : {}),
  };
  const done = replacing
    ? words.incident.sentInstead(world.callsign(unit), world.callsign(replacing))
    : words.incident.sent(world.callsign(unit), titleOf(incident));
  const act = (reason: string) => assign(incident, { ...assignment, ...(reason ? { reason } : {}) }, done);
  // Nobody who runs to an officer in danger waits for a reason.
  const passedOver = desk.set.length > 0 && !desk.set.some((row) => row.unit_id === unit) && !selected?.emergency?.stands;
  if (!passedOver && !lost.length) return void act("");
  consent.ask({
    title: passedOver ? words.override.title(world.callsign(unit)) : words.consent.take(world.callsign(unit)),
    losses: lost,
    yes: passedOver ? words.override.without : words.unit.sendIt(world.callsign(unit)),
    no: passedOver ? words.override.nobody : words.consent.leave,
    ...(passedOver ? { reasons: words.override.recommended(desk.set.map((row) => world.callsign(row.unit_id)).join(", ")) } : {}),
    act,
  });
}

async function assign(incident: string, assignment: NewAssignment, done: string): Promise<void> {
  const { unit_id, replaces, preempt } = assignment;
  const undo = replaces || preempt ? null : () => recall(incident, [unit_id]);
  if (await notice.attempt(() => api.assign(incident, assignment), done, undo)) {
    desk.replacing = null;
    desk.selectedUnit = null;
  }
}

/** Takes back that units were sent. */
async function recall(incident: string, units: string[]): Promise<void> {
  const all = () => Promise.all(units.map((unit) => api.setAssignment(incident, unit, "cancelled")));
  await notice.attempt(all, words.incident.recalled(units.map((unit) => world.callsign(unit)).join(", ")));
}

/** Sends all recommended units that are not on their way. */
export async function sendSet(): Promise<void> {
  const { selectedId: id, set } = desk;
  if (!id || set.length === 0) return notice.say(words.backup.nobodyRecommended);
  const units = set.map((row) => row.unit_id);
  const read = seen();
  const callsigns = units.map((unit) => world.callsign(unit)).join(", ");
  const lost = losses.ofSending(units, id);
  const taken = new Set(units.filter((unit) => losses.worksFor(unit, id)));
  const all = () => Promise.all(units.map((unit_id) => api.assign(id, { unit_id, ...read, ...(taken.has(unit_id) ? { preempt: true as const } : {}) })));
  const act = () => notice.attempt(all, words.incident.sent(callsigns, titleOf(id)), taken.size ? null : () => recall(id, units));
  if (lost.length) consent.ask({ title: words.consent.takeSet(callsigns), losses: lost, yes: words.backup.sendThese(units.length), no: words.consent.leave, act });
  else await act();
}

/** Whoever writes and sends in one go loses no word. */
export async function noteAndSend(): Promise<void> {
  const id = desk.selectedId;
  if (!may("dispatch") || !id) return;
  void note(id);
  await sendFirst();
}

/** Sends what stands first on the page: the recommended set, else the best unit. */
async function sendFirst(): Promise<void> {
  if (desk.set.length) return desk.setStands() ? sendSet() : notice.say(words.backup.setChanged);
  const best = desk.shown[0];
  if (!best) return;
  if (desk.rows.settled(0)) send(best.unit_id);
  else notice.say(words.incident.placeChanged(1, world.callsign(best.unit_id)));
}

export async function takeSwap(offer: Swap | undefined): Promise<void> {
  const { selectedId: id } = desk;
  if (!id || !offer) return notice.say(words.backup.noSwap);
  const assignment = { unit_id: offer.unit_id, replaces: offer.replaces, reason: words.override.swap };
  await assign(id, assignment, words.incident.sentInstead(world.callsign(offer.unit_id), world.callsign(offer.replaces)));
}

export async function setAssignment(unit: string, state: string): Promise<void> {
  const incident = desk.selected;
  if (!incident) return;
  const id = incident.incident_id;
  const act = () => notice.attempt(() => api.setAssignment(id, unit, state), words.incident.stateSet(world.callsign(unit), state));
  if (state === "cancelled" && incident.priority === 1)
    consent.ask({
      title: words.consent.release(world.callsign(unit)),
      losses: [words.consent.leaves(world.callsign(unit), titleOf(id), incident.priority, "", standing(incident.assignments).length - 1)],
      yes: words.incident.release, no: words.incident.keep, act,
    });
  else await act();
}

/** Asks for backup: by the run card that is chosen, else so many units; urgent after delayed keeps what was asked. */
export async function askBackup(mode: BackupMode): Promise<void> {
  const { selectedId: id, selected, asked } = desk;
  if (!id || !selected) return;
  const again = selected.mode && selected.mode !== mode && !asked.card;
  const ask = {
    mode,
    ...(asked.card ? { run_card: asked.card } : again ? {} : { units: asked.units || 1 }),
    ...(mode === "strategic" ? { arrive_by: inMinutes() } : {}),
  };
  const act = () => notice.attempt(() => api.askBackup(id, ask), words.backup.asked(mode));
  const lost = losses.ofMode(selected, mode);
  if (lost.length) consent.ask({ title: words.consent.mode(mode), losses: lost, yes: words.consent.modeYes(mode), no: words.consent.leave, act });
  else await act();
}

/** Asks, then declares the emergency of a unit. */
export function declareEmergency(unit = desk.selectedUnit): void {
  if (!unit) return notice.say(words.emergency.chooseFirst);
  const callsign = world.callsign(unit);
  consent.ask({
    title: words.emergency.really(callsign),
    losses: [],
    yes: words.emergency.declare, no: words.consent.leave,
    act: () => notice.attempt(() => api.declare(unit, newId("E")), words.emergency.declared(callsign)),
  });
}

/** Takes an alarm in hand, the one that is shown first if none is named. */
export async function acknowledge(id = world.alarms[0]?.incident_id): Promise<void> {
  if (!id) return notice.say(words.emergency.none);
  consent.leave();
  desk.select(id);
  const by = session.name ? undefined : desk.name || words.emergency.desk; // whoever is signed in is named by the server
  await notice.attempt(() => api.acknowledge(id, by), words.emergency.acknowledged(session.name || by || ""));
}

/** Asks, then ends an emergency; `done` once it was. */
export function clearEmergency(id: string, end: EmergencyEnd): void {
  const callsign = world.callsign(world.incidentOf[id]?.for_unit_id ?? "");
  consent.ask({
    title: words.emergency.endReally(callsign),
    losses: [words.emergency.endLoss(callsign)],
    yes: words.emergency.endIt, no: words.consent.leave,
    act: () => notice.attempt(() => api.clearEmergency(id, end), words.emergency.over),
  });
}

export async function liftClosure(id: string): Promise<void> {
  await notice.attempt(() => api.lift(id), words.closures.lifted);
}

export async function setReplay(change: { playing?: boolean; speed?: number; time?: string }): Promise<void> {
  await notice.attempt(async () => world.replayed(await api.setReplay(change)), "");
}
