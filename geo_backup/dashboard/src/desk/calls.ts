/** An incident from the call to its end: it is opened, changed, written to, closed and opened again. */
import { api, newId, type Problem } from "../api";
import { words } from "../words";
import { standing } from "../world/readings";
import { world } from "../world/world.svelte";
import type { Incident, IncidentPatch, LonLat, NewIncident } from "../wire";
import { card } from "./card.svelte";
import { nameOf } from "./finder.svelte";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import { drafts } from "./drafts.svelte";
import * as losses from "./losses";
import { notice } from "./notice.svelte";
import { may } from "./session.svelte";
import { titleOf } from "./titles";

/** Opens the incident of the call card and asks for backup, in one go. A kind that nobody has a run card for, and an
 * incident that it may be about and nobody has read of, are asked about first. */
export async function openCard(sure: { kind?: true; another?: true } = {}): Promise<void> {
  if (!may("dispatch") || card.becoming) return;
  if (card.strange && !sure.kind) return askKind(() => openCard({ ...sure, kind: true }));
  const id = card.become();
  const { kind, note, callback } = card.written;
  const { priority, runCard } = card;
  card.written.note = ""; // what is typed from now on is the next word on it
  const giveUp = () => {
    card.becoming = desk.opening = null;
    card.written.note = [note, card.written.note].filter(Boolean).join(" ");
  };
  await card.find();
  await card.named();
  const { place, name } = card.written;
  if (!place) {
    giveUp();
    notice.error ||= card.missing;
    return;
  }
  if (card.unread() && !sure.another) {
    giveUp();
    return askAnother(() => openCard({ ...sure, another: true }));
  }
  desk.opening = { id, place };
  const said = Object.entries({ kind, note, callback, place: name, profile: runCard?.profile ?? "" }).flatMap(([key, text]) => (text.trim() ? [[key, text.trim()]] : []));
  const opened: NewIncident = { incident_id: id, lon: place[0], lat: place[1], priority, ...Object.fromEntries(said) };
  const looked = () => api.incident(id).then(() => true, (problem: Problem) => (problem.unsure ? Promise.reject(problem) : false));
  if (!(await notice.attempt(() => api.openIncident(opened), words.incident.opened, { looked }))) return giveUp();
  const ask = runCard ? { run_card: runCard.name, ...(runCard.mode === "strategic" ? { arrive_by: desk.arriveBy() } : {}) } : { mode: "immediate" as const };
  await notice.attempt(() => api.askBackup(id, ask), words.incident.opened);
  desk.opening = null;
  desk.handOver();
}

function askKind(act: () => unknown): void {
  const { written } = card;
  const toNote = () => (Object.assign(written, { kind: "", note: [written.kind, written.note].filter(Boolean).join(" ") }), card.show());
  consent.ask({
    title: words.card.strange(written.kind),
    losses: [words.card.anybody],
    yes: words.card.strangeYes, no: words.card.strangeNo,
    instead: { words: words.card.itIsNote, act: toNote },
    act,
  });
}

function askAnother(act: () => unknown): void {
  const { incident, far_m } = card.alike[0]!;
  consent.ask({
    title: words.card.alike(card.alike.length),
    losses: card.alike.map((row) => words.card.alikeRow(titleOf(row.incident.incident_id), row.far_m, world.nowMs - Date.parse(row.incident.opened_time))),
    yes: words.card.another, no: words.card.back,
    instead: { words: words.card.joinThis(titleOf(incident.incident_id), far_m), act: () => joinCard(incident.incident_id) },
    act,
  });
}

/** What the call card says is added to an incident that stands already, instead of opening another. */
export async function joinCard(id: string): Promise<void> {
  const { kind, note, callback } = card.written;
  const text = [kind, note, callback && words.card.calledFrom(callback)].map((part) => part.trim()).filter(Boolean).join(" · ") || words.card.anotherCall;
  if (!(await notice.attempt(() => api.note(id, { note_id: newId("N"), text }), words.card.joined(titleOf(id))))) return;
  card.clear();
  desk.select(id);
  desk.noting = id;
}

/** Changes what is named of an incident, on the version that the desk had read; who was slower is asked whose stands. */
export async function change(incident: Incident, patch: IncidentPatch, madeOn: number | undefined = incident.version): Promise<void> {
  const id = incident.incident_id;
  const before = Object.fromEntries(Object.keys(patch).map((key) => [key, incident[key as keyof Incident]])) as IncidentPatch;
  const fields = Object.keys(patch).filter((key) => key !== "lon" && key !== "lat");
  const done = words.incident.changed(titleOf(id), fields);
  await notice.attempt(() => api.changeIncident(id, patch, madeOn), done, {
    undo: () => change(world.incidentOf[id] ?? incident, before),
    refused: (problem) => problem.status === 412 && settle(id, patch, problem),
  });
}

/** Two desks wanted the same field: what the other did stands beside one's own, and one chooses. */
function settle(id: string, patch: IncidentPatch, { errors }: Problem): boolean {
  const rows = errors.filter((error) => error.field && "value" in error);
  if (!rows.length) return false;
  const named = (field: string) => field.replace(/^\//, "");
  consent.ask({
    title: words.consent.both(titleOf(id)),
    losses: rows.map(({ field, value, by, at }) => words.consent.theirs(named(field!), String(value), by ?? "", Date.parse(at ?? ""), world.zone)),
    yes: words.consent.mine(rows.map(({ field }) => words.consent.value(named(field!), String(patch[named(field!) as keyof IncidentPatch] ?? "")))),
    no: words.consent.theirsStays,
    act: () => {
      const now = world.incidentOf[id];
      return now && change(now, patch);
    },
  });
  return true;
}

export async function changePriority(incident: Incident, priority: number): Promise<void> {
  const { priority: before, emergency } = incident;
  if (priority === before) return;
  const title = titleOf(incident.incident_id);
  const act = () => change(incident, { priority });
  if (priority > before && (emergency?.stands || before === 1)) {
    consent.ask({
      title: words.consent.lower(title, priority),
      losses: [emergency?.stands ? words.consent.lowerEmergency : words.consent.lowerFirst],
      yes: words.consent.lowerYes(priority), no: words.consent.leave, act,
    });
  } else await act();
}

/** Asks first: whoever is on the way would be sent elsewhere. */
export async function move(incident: Incident, place: LonLat, called = nameOf(place)): Promise<void> {
  const name = await called;
  const coming = standing(incident.assignments).map((row) => world.callsign(row.unit_id));
  consent.ask({
    title: words.consent.move(titleOf(incident.incident_id), name || words.card.coordinates(place)),
    losses: coming.length ? [words.consent.rerouted(coming)] : [],
    yes: words.consent.moveYes, no: words.consent.leave,
    act: () => change(incident, { lon: place[0], lat: place[1], place: name }),
  });
}

/** What was written is said to the server; it stays in the field where that fails. */
export async function note(id: string): Promise<void> {
  const text = drafts.of(id).trim();
  if (!text) return;
  const note_id = newId("N");
  const entered = { note_id, text };
  drafts.enter(id, entered);
  const looked = () => api.incident(id).then((incident) => incident.notes.some((row) => row.note_id === note_id));
  const noted = await notice.attempt(() => api.note(id, entered), words.incident.noted(titleOf(id)), { looked });
  drafts.answered(id, entered, noted);
}

/** Asks first: whoever is under way would be turned back. */
export function close(incident: Incident): void {
  const id = incident.incident_id;
  const title = titleOf(id);
  consent.ask({
    title: words.consent.close(title),
    losses: losses.ofClosing(incident),
    yes: words.incident.close, no: words.incident.keep,
    act: async () => {
      const looked = () => api.incident(id).then((now) => now.state === "closed");
      const done = await notice.attempt(() => api.closeIncident(id), words.incident.closed(title), { undo: () => reopen(id), looked });
      if (done && desk.selectedId === id) desk.select(null);
    },
  });
}

/** Opens a closed incident again and sends back whom its end released, as far as they are still free. */
async function reopen(id: string): Promise<void> {
  await notice.attempt(async () => {
    const { released } = await api.incident(id);
    await api.reopen(id);
    for (const { unit_id, state } of released ?? []) {
      await api.assign(id, { unit_id });
      if (state !== "assigned") await api.setAssignment(id, unit_id, state);
    }
  }, words.incident.reopened);
  desk.select(id);
}
