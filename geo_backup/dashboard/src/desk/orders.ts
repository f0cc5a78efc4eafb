/** What the desk orders, each said to the server and then in a notice; what is done comes back through the feed. */
import { api, newId, Problem } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { BackupMode, EmergencyEnd, NewAssignment, Swap } from "../wire";
import { standing } from "../world/readings";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import * as losses from "./losses";
import { notice } from "./notice.svelte";
import { officersCalls } from "./officers_calls.svelte";
import { past } from "./past.svelte";
import { session } from "./session.svelte";
import { titleOf } from "./titles";

/** What the desk had read when it sent somebody. */
const seen = () => (desk.ranking ? { as_of_seq: desk.ranking.as_of_seq, as_of_time: desk.ranking.as_of_time } : {});

/** Whether somebody can be sent: what is shown is what stands, and an order would get through. */
function linked(): boolean {
  if (world.link !== "live") notice.error = words.link.off;
  return world.link === "live";
}

/** Units that this desk has just sent or is sending, each with its incident: a second click is none of another desk. */
const MOMENT_MS = 5_000;
const sending = new Set<string>();
const sentHere = new Set<string>();
const part = (incident: string, unit: string): string => `${incident} ${unit}`;

/** Sends units, once: as long as there is no answer another wish for the same ones is none. */
async function once(incident: string, units: readonly string[], work: () => Promise<boolean>): Promise<boolean> {
  const parts = units.map((unit) => part(incident, unit));
  if (parts.every((one) => sending.has(one))) return false;
  for (const one of parts) sending.add(one);
  const done = await work();
  for (const one of parts) {
    sending.delete(one);
    if (!done) continue;
    sentHere.add(one);
    setTimeout(() => sentHere.delete(one), MOMENT_MS);
  }
  return done;
}

/** Somebody was first: who has sent the unit, where to and when. */
function sentBefore({ errors }: Problem): boolean {
  const first = errors.find(({ reason, by }) => by !== undefined && (reason === "assigned_elsewhere" || reason === "already_here"));
  if (!first) return false;
  const { reason, unit_id = "", incident_id = "", by = "", at = "" } = first;
  if (reason === "already_here" && sentHere.has(part(incident_id, unit_id))) {
    notice.say(words.command.sentHere(world.callsign(unit_id), words.clock(Date.parse(at), world.zone)));
    return true;
  }
  const who = by === "desk" ? "" : words.said(by); // nobody is signed in
  const when = words.clock(Date.parse(at), world.zone);
  const { sentElsewhere, sentAlready } = words.command;
  notice.error = reason === "already_here" ? sentAlready(world.callsign(unit_id), who, when) : sentElsewhere(world.callsign(unit_id), who, titleOf(incident_id), when);
  return true;
}

/** Whether a unit was sent after all. */
const isSent = (incident: string, units: readonly string[]) => () =>
  api.incident(incident).then(({ assignments }) => units.every((unit) => standing(assignments).some((row) => row.unit_id === unit)));

/** Sends a unit; asks first where another incident loses it, and why, where others are recommended or it is left out for
 * a reason. */
export function send(unit: string, leftOut = ""): void {
  const { selectedId: incident, selected, replacing } = desk;
  if (!incident || !linked()) return;
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
  const passedOver = desk.toSend.length > 0 && !desk.set.some((row) => row.unit_id === unit) && !selected?.emergency?.stands;
  const against = leftOut ? [words.consent.leftOut(world.callsign(unit), leftOut)] : [];
  if (!passedOver && !lost.length && !leftOut) return void act("");
  const why = passedOver || Boolean(leftOut);
  consent.ask({
    title: why ? words.override.title(world.callsign(unit)) : words.consent.take(world.callsign(unit)),
    losses: [...lost, ...against],
    yes: why ? words.override.without : words.unit.sendIt(world.callsign(unit)),
    no: why ? words.override.nobody : words.consent.leave,
    ...(why ? { reasons: passedOver ? words.override.recommended(desk.toSend.map((row) => world.callsign(row.unit_id)).join(", ")) : words.override.leftOut } : {}),
    act,
  });
}

async function assign(incident: string, assignment: NewAssignment, done: string): Promise<void> {
  const { unit_id, replaces, preempt } = assignment;
  const undo = replaces || preempt ? null : () => recall(incident, [unit_id]);
  const work = () => notice.attempt(() => api.assign(incident, assignment), done, { undo, looked: isSent(incident, [unit_id]), refused: sentBefore });
  if (await once(incident, [unit_id], work)) {
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
  const { selectedId: id, toSend } = desk;
  if (!id || toSend.length === 0) return notice.say(words.backup.nobodyRecommended);
  await sendAll(id, toSend.map((row) => row.unit_id));
}

/** Sends each, whatever is said of the others; who could not be sent is named beside who was. */
async function allGo(units: readonly string[], assign: (unit: string) => Promise<unknown>): Promise<void> {
  const answers = await Promise.allSettled(units.map(assign));
  const failed = units.flatMap((unit, n) => {
    const answer = answers[n]!;
    return answer.status === "rejected" ? [{ unit, why: answer.reason as unknown }] : [];
  });
  if (!failed.length) return;
  const first = failed.find(({ why }) => why instanceof Problem && why.unsure)?.why ?? failed[0]!.why;
  if (first instanceof Problem && !first.unsure) {
    const went = units.filter((_unit, n) => answers[n]!.status === "fulfilled").map((unit) => world.callsign(unit));
    first.message = words.incident.notAllWent(failed.map(({ unit, why }) => [world.callsign(unit), why instanceof Error ? why.message : String(why)]), went);
  }
  throw first;
}

/** Sends units; asks first where other incidents lose them. */
export async function sendAll(id: string, units: string[]): Promise<void> {
  if (!linked()) return;
  const read = seen();
  const callsigns = units.map((unit) => world.callsign(unit)).join(", ");
  const lost = losses.ofSending(units, id);
  const taken = new Set(units.filter((unit) => losses.worksFor(unit, id)));
  const all = () => allGo(units, (unit_id) => api.assign(id, { unit_id, ...read, ...(taken.has(unit_id) ? { preempt: true as const } : {}) }));
  const done = { undo: taken.size ? null : () => recall(id, units), looked: isSent(id, units), refused: sentBefore };
  const act = () => once(id, units, () => notice.attempt(all, words.incident.sent(callsigns, titleOf(id)), done));
  if (lost.length) consent.ask({ title: words.consent.takeSet(callsigns), losses: lost, yes: words.backup.sendThese(units.length), no: words.consent.leave, act });
  else await act();
}

/** Sends what stands first on the page: the recommended set, else the best unit. */
export async function sendFirst(): Promise<void> {
  if (desk.over) return notice.say(words.emergency.nobodyNeedGo);
  if (desk.toSend.length) return desk.setStands() ? sendSet() : notice.say(words.backup.setChanged);
  const best = desk.shown[0];
  if (!best) return;
  if (desk.rows.settled(0)) send(best.unit_id);
  else notice.say(words.incident.placeChanged(1, world.callsign(best.unit_id)));
}

export async function takeSwap(offer: Swap | undefined): Promise<void> {
  const { selectedId: id } = desk;
  if (!id || !offer) return notice.say(words.backup.noSwap);
  if (!linked()) return;
  const assignment = { unit_id: offer.unit_id, replaces: offer.replaces, reason: words.override.swap };
  await assign(id, assignment, words.incident.sentInstead(world.callsign(offer.unit_id), world.callsign(offer.replaces)));
}

/** A unit's part goes on or ends; whoever takes a unit from a P1 is asked. */
export async function setAssignment(unit: string, state: string): Promise<void> {
  const incident = desk.selected;
  if (!incident) return;
  const id = incident.incident_id;
  const before = incident.assignments.find((row) => row.unit_id === unit)?.state;
  const undo = state === "cancelled" || state === "cleared" ? () => sendBack(id, unit, before) : null;
  const looked = () => api.incident(id).then(({ assignments }) => assignments.some((row) => row.unit_id === unit && row.state === state));
  const act = () => notice.attempt(() => api.setAssignment(id, unit, state), words.incident.stateSet(world.callsign(unit), state), { undo, looked });
  if (state === "cancelled" && incident.priority === 1)
    consent.ask({
      title: words.consent.release(world.callsign(unit)),
      losses: [words.consent.leaves(world.callsign(unit), titleOf(id), incident.priority, "", standing(incident.assignments).length - 1)],
      yes: words.incident.release, no: words.incident.keep, act,
    });
  else await act();
}

/** Takes back that a unit was released. */
async function sendBack(incident: string, unit: string, state: string | undefined): Promise<void> {
  await notice.attempt(async () => {
    await api.assign(incident, { unit_id: unit });
    if (state && state !== "assigned") await api.setAssignment(incident, unit, state);
  }, words.incident.sent(world.callsign(unit), titleOf(incident)));
}

/** Asks for backup as the form says: what stands is asked for again, a run card or a number that was chosen instead of it
 * takes its place. How many count already is said. */
export async function askBackup(mode: BackupMode): Promise<void> {
  const { selectedId: id, selected } = desk;
  if (!id || !selected) return;
  const ask = {
    mode,
    ...(desk.asksAsItStands ? {} : desk.card ? { run_card: desk.card } : { units: desk.units || 1 }),
    ...(mode === "strategic" ? { arrive_by: desk.arriveBy() } : {}),
  };
  let said = words.backup.asked(mode);
  const work = async () => {
    const answer = await api.askBackup(id, ask);
    officersCalls.see(id);
    const going = standing(world.incidentOf[id]?.assignments).map((row) => row.unit_id);
    const more = answer.units.filter((row) => !going.includes(row.unit_id)).length;
    if (going.length) said = words.backup.askedAgain(going.length, going.length + more, more);
  };
  const act = () => notice.attempt(work, () => said);
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

/** Takes an alarm in hand, the one that is shown first if none is named; whoever types meanwhile goes on where they are. */
export async function acknowledge(id = world.alarms[0]?.incident_id, types = false): Promise<void> {
  if (!id) return notice.say(words.emergency.none);
  past.leave();
  if (!types) {
    consent.leave();
    desk.select(id);
  }
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
