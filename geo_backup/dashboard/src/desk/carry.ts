/** Carries out what was typed, by the same orders as keys and clicks: what takes from somebody asks there too. */
import { api } from "../api";
import { plain } from "../world/roster";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { Closure, FoundPlace, Incident, LonLat, Road } from "../wire";
import * as calls from "./calls";
import { card } from "./card.svelte";
import type { Order } from "./commands";
import { consent } from "./consent.svelte";
import { desk } from "./desk.svelte";
import { drafts } from "./drafts.svelte";
import { nameOf } from "./finder.svelte";
import * as losses from "./losses";
import { messages } from "./messages.svelte";
import { meant, spoken } from "./moment";
import { notice } from "./notice.svelte";
import * as orders from "./orders";
import { overdue } from "./overdue.svelte";
import { past } from "./past.svelte";
import { record } from "./record.svelte";
import { roster } from "./roster.svelte";
import { sight } from "./sight.svelte";
import { liftClosure, tool } from "./tool.svelte";
import { unitLook } from "./unit_look.svelte";

/** What was found for the text of an order, where it names something on the map or in the past. */
export interface Found {
  place?: FoundPlace | undefined;
  /** Of a new incident: what it is, and what was said. */
  kind?: string;
  note?: string;
  finished?: Incident | undefined;
}

const callsigns = (units: readonly string[]) => units.map((unit) => world.callsign(unit)).join(", ");

export async function carry(order: Order, found: Found = {}): Promise<void> {
  const { name, units, incident, text, number } = order;
  const [unit] = units as [string];
  if (incident && name !== "open" && name !== "ok") desk.select(incident);
  switch (name) {
    case "status": return setStatus(units, text);
    case "show": return roster.choose(unit);
    case "near": return roster.choose(unit), void (unitLook.near = true);
    case "track": return roster.choose(unit), void (unitLook.track = true);
    case "emergency": return orders.declareEmergency(unit);
    case "units": return roster.show(text);
    case "send": return units.length === 1 ? orders.send(unit) : orders.sendAll(incident!, units);
    case "set": return orders.sendSet();
    case "replace":
      desk.replacing = unit;
      return orders.send(units[1]!);
    case "swap": return orders.takeSwap(desk.swaps[0]);
    case "release": return release(units);
    case "backup": return orders.askBackup("immediate");
    case "delayed": return orders.askBackup("delayed");
    case "planned":
      desk.minutes = number;
      return orders.askBackup("strategic");
    case "new": return newIncident(text, found);
    case "open": return desk.select(incident);
    case "next": return desk.step(1);
    case "previous": return desk.step(-1);
    case "note":
      drafts.write(incident!, text);
      return calls.note(incident!);
    case "message":
    case "urgent": return void messages.send(units.length ? { units } : incident ? { incident } : {}, text, name === "urgent");
    case "priority": return onIncident(incident, (standing) => calls.changePriority(standing, number));
    case "level": return onIncident(incident, (standing) => calls.change(standing, { level: number }));
    case "kind":
    case "callback": return onIncident(incident, (standing) => calls.change(standing, { [name]: text }));
    case "end": return onIncident(incident, calls.close);
    case "reopen": return reopen(found.finished, text);
    case "where": return goTo(text, found.place);
    case "close": return closeRoad(text, found.place);
    case "lift": return lift(text);
    case "road": return take("closure-line");
    case "area": return take("closure-area");
    case "streets": return take("closure-edges");
    case "closed": return found.finished ? record.open(found.finished.incident_id) : void (notice.error = words.record.none);
    case "timeline": return record.open(incident!);
    case "back": return text ? past.go(meant(spoken(text)!, world.clock.live(), world.zone)) : past.open();
    case "play":
      if (number) past.speed = number;
      return record.play();
    case "live": return past.leave();
    case "ack": return orders.acknowledge();
    case "ok": return seen(units, incident);
    case "overdue": return overdue.go();
    case "why": return void (desk.showWhy = !desk.showWhy);
    case "cover": return void (desk.showCover = !desk.showCover);
    case "trackers": return void (desk.showTrackers = true);
    case "handover": return void (desk.showHandover = !desk.showHandover);
    case "plans": return desk.togglePlans();
    case "reach": return void (desk.showReach = !desk.showReach);
    case "theme": return desk.toggleTheme();
    case "undo": return notice.takeBack();
    case "help": return void (desk.showHelp = true);
  }
}

/** Whoever names a unit or an incident has seen to all that is overdue of it. */
function seen([unit]: readonly string[], incident: string | null): Promise<void> | void {
  if (!unit && !incident) return overdue.seeFirst();
  const of = overdue.waiting.filter((timer) => (unit ? timer.unit_id === unit : timer.incident_id === incident));
  return of.length ? overdue.see(of) : notice.say(words.timers.none);
}

function onIncident(id: string | null, act: (incident: Incident) => unknown): void {
  const incident = id ? world.incidentOf[id] : undefined;
  if (incident) void act(incident);
}

/** Says that a unit may leave its incident by a status. */
const LEAVES = ["available", "on_station", "returning", "out_of_service", "cleared"];

/** The status of units: a unit that works says how far it is, and whoever leaves an incident by it is named first. */
export async function setStatus(units: readonly string[], status: string): Promise<void> {
  const before = units.map((unit) => world.units[unit]?.status ?? "available");
  const one = (unit: string, to: string) => {
    const incident = world.units[unit]?.incident_id;
    const stage = to === "acknowledged" || to === "cleared";
    if (stage && incident) return api.setAssignment(incident, unit, to);
    return api.setStatus(unit, to === "cleared" ? "available" : to === "acknowledged" ? (world.units[unit]?.status ?? "available") : to);
  };
  const lost = LEAVES.includes(status) ? units.flatMap((unit) => losses.ofSending([unit], "")) : [];
  const undo = lost.length || status === "acknowledged" ? null : () => notice.attempt(() => Promise.all(units.map((unit, n) => one(unit, before[n]!))), words.undo);
  const said = words.command.statusSet(callsigns(units), words.status(status));
  const act = () => notice.attempt(() => Promise.all(units.map((unit) => one(unit, status))), said, { undo });
  if (!lost.length) return void (await act());
  consent.ask({ title: words.command.statusLoss(callsigns(units), words.status(status)), losses: lost, yes: words.command.statusYes, no: words.consent.leave, act });
}

/** Takes units off whatever they work for. */
async function release(units: string[]): Promise<void> {
  for (const unit of units) {
    const incident = world.units[unit]?.incident_id;
    if (!incident) continue;
    desk.select(incident);
    await orders.setAssignment(unit, "cancelled");
  }
}

async function newIncident(text: string, { place, kind = "", note = "" }: Found): Promise<void> {
  card.show();
  Object.assign(card.written, { kind, note, ...(text && !place ? { where: text } : {}) });
  // Words that the map does not know are the note.
  if (place) await card.pick(Promise.resolve(note ? { ...place, unknown_words: [] } : place), place.name);
}

const at = ({ lon, lat }: FoundPlace): LonLat => [lon, lat];

function goTo(text: string, place: FoundPlace | undefined): void {
  if (!place) return void (notice.error = words.command.nothingFound(text));
  sight.fly(at(place));
  notice.say([place.name, place.town].filter(Boolean).join(", "));
}

/** The roads of that name at the place, else the nearest: shown as picked on the map, and closed after a yes. */
async function closeRoad(text: string, place: FoundPlace | undefined): Promise<void> {
  if (!place) return void (notice.error = words.command.nothingFound(text));
  let roads: Awaited<ReturnType<typeof api.roadsNear>>["roads"] = [];
  if (!(await notice.attempt(async () => (roads = (await api.roadsNear(at(place))).roads), ""))) return;
  const called = roads.filter((road) => road.name && (plain(place.name).includes(plain(road.name)) || plain(road.name).includes(plain(place.name))));
  const picked = called.length ? called : roads.slice(0, 1);
  if (!picked.length) return void (notice.error = words.command.noStreet(place.name));
  take("closure-edges");
  tool.picked = picked;
  sight.fly(at(place));
  const pieces = await Promise.all(picked.map(async (road) => (await nameOf(middle(road))) || words.closures.streets([road.name])));
  consent.ask({
    title: words.command.closeReally(place.name),
    losses: [words.command.closeLoss(pieces, Math.max(...picked.map((road) => road.length_m)))],
    yes: words.command.closeYes, no: words.command.closeOther,
    act: () => tool.finishClosure(true),
  });
}

/** The middle of a road's line: there it lies between its crossings. */
function middle({ geometry: { coordinates } }: Road): LonLat {
  const at = (coordinates.length - 1) / 2;
  const [a, b] = [coordinates[Math.floor(at)]!, coordinates[Math.ceil(at)]!];
  return [(a[0]! + b[0]!) / 2, (a[1]! + b[1]!) / 2];
}

function take(name: Parameters<typeof tool.take>[0]): void {
  if (tool.name !== name) tool.take(name);
}

function lift(text: string): Promise<void> | void {
  const sought = plain(text).split(/\s+/);
  const said = (of: Closure) => plain([of.reason, of.closure_id, ...of.streets].join(" "));
  const found = Object.values(world.closures).filter((closure) => sought.every((word) => said(closure).includes(word)));
  if (found.length === 1) return liftClosure(found[0]!);
  notice.error = found.length ? words.command.trouble.units(text, found.map((of) => of.reason || words.closures.streets(of.streets))) : words.command.noClosure(text);
}

async function reopen(incident: Incident | undefined, text: string): Promise<void> {
  if (!incident) return void (notice.error = words.command.trouble.incident(text));
  const id = incident.incident_id;
  const title = words.incident.title(incident, world.callsign(incident.for_unit_id ?? ""));
  if (await notice.attempt(() => api.reopen(id), words.command.reopened(title))) desk.select(id in world.incidentOf ? id : desk.selectedId);
}

