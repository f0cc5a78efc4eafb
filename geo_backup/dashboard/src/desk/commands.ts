/** What a line of the command line means: pure, from what is known to an order, or to what is missing and what may follow.
 * The table lists every action of the page once: its command, the right it needs, and its key where it has one. */
import { bare, plain } from "../world/roster";
import { spoken } from "./moment";
import { links, statuses, verbs, type Name } from "../words/commands";
import type { Right } from "../wire";

export type { Name };

type Takes = "nothing" | "unit" | "send" | "replace" | "units" | "incident" | "number" | "text" | "place" | "words" | "filter" | "moment" | "speed" | "subject" | "message";

/** `ofNow`: it tells what holds now, so it tells nothing while the desk looks back. */
export const COMMANDS: Record<Name, { takes: Takes; needs?: Right; keys?: string; range?: readonly [number, number]; ofNow?: true }> = {
  status: { takes: "units", needs: "respond", keys: "m" },
  show: { takes: "unit" },
  near: { takes: "unit", needs: "drive_times", ofNow: true },
  track: { takes: "unit", needs: "look_back", keys: "h" },
  emergency: { takes: "unit", needs: "press", keys: "!" },
  units: { takes: "filter", keys: "q" },
  send: { takes: "send", needs: "dispatch", keys: "s123456789" },
  set: { takes: "incident", needs: "dispatch", keys: "u" },
  replace: { takes: "replace", needs: "dispatch" },
  swap: { takes: "nothing", needs: "dispatch", keys: "o" },
  release: { takes: "units", needs: "respond" },
  backup: { takes: "incident", needs: "dispatch", keys: "b" },
  delayed: { takes: "incident", needs: "dispatch", keys: "d" },
  planned: { takes: "number", needs: "dispatch", keys: "l", range: [1, 100_000] },
  new: { takes: "place", needs: "dispatch", keys: "n" },
  open: { takes: "incident" },
  next: { takes: "nothing", keys: "j" },
  previous: { takes: "nothing", keys: "k" },
  note: { takes: "text", needs: "dispatch", keys: "i" },
  message: { takes: "message", needs: "dispatch" },
  urgent: { takes: "message", needs: "dispatch" },
  kind: { takes: "text", needs: "dispatch", keys: "f" },
  level: { takes: "number", needs: "dispatch", range: [1, 9] },
  priority: { takes: "number", needs: "dispatch", range: [1, 5] },
  callback: { takes: "text", needs: "dispatch" },
  end: { takes: "incident", needs: "dispatch", keys: "x" },
  reopen: { takes: "words", needs: "dispatch" },
  where: { takes: "place", needs: "look_around" },
  close: { takes: "place", needs: "close_roads" },
  road: { takes: "nothing", needs: "close_roads", keys: "c" },
  area: { takes: "nothing", needs: "close_roads", keys: "g" },
  streets: { takes: "nothing", needs: "close_roads", keys: "e" },
  lift: { takes: "words", needs: "close_roads" },
  closed: { takes: "filter", needs: "look_back" },
  timeline: { takes: "incident", needs: "look_back", keys: ";" },
  back: { takes: "moment", needs: "look_back", keys: "," },
  play: { takes: "speed", needs: "look_back", range: [1, 1000] },
  live: { takes: "nothing", keys: "." },
  ack: { takes: "nothing", needs: "take", keys: "a" },
  ok: { takes: "subject", needs: "take", keys: "y" },
  overdue: { takes: "nothing", keys: "z" },
  why: { takes: "nothing", needs: "look_ahead", keys: "w" },
  cover: { takes: "nothing", needs: "look_ahead", keys: "v", ofNow: true },
  handover: { takes: "nothing", needs: "look_back", ofNow: true },
  trackers: { takes: "nothing", needs: "fleet", ofNow: true },
  plans: { takes: "nothing", needs: "look_ahead", keys: "p", ofNow: true },
  reach: { takes: "nothing", needs: "look", keys: "r", ofNow: true },
  theme: { takes: "nothing", keys: "t" },
  undo: { takes: "nothing" },
  help: { takes: "nothing", keys: "?" },
};

/** What the desk knows while a line is read. */
export interface Known {
  units: readonly { unit_id: string; callsign: string; agency: string }[];
  /** The open ones, with the number that each has on this page. */
  incidents: readonly { incident_id: string; tag: number; title: string }[];
  /** Units by their rank for the chosen incident. */
  ranked: readonly string[];
  incident: string | null;
  unit: string | null;
  may: (right: Right) => boolean;
  /** What is shown is past: what would change something, or is only known of now, is not done. */
  past: boolean;
}

export interface Order {
  name: Name;
  units: string[];
  incident: string | null;
  /** Of a status: its code. Of a place: all that was typed of it. */
  text: string;
  number: number;
}

export type Trouble = "verb" | "unit" | "units" | "which" | "incident" | "incidents" | "whose" | "status" | "rank" | "number" | "text" | "place" | "by" | "right" | "held" | "moment" | "rest";

/** What may stand in place of the last word: `line` is the whole line then. */
export interface Option {
  line: string;
  shows: string;
}

export interface Reading {
  order?: Order;
  trouble?: { what: Trouble; word: string; may: string[] };
  options: Option[];
}

const OPTIONS = 9;
const NAMES = Object.keys(verbs) as Name[];
const VERB = new Map(NAMES.flatMap((name) => verbs[name][0].map((verb) => [verb as string, name])));
const STATUS = new Map(Object.entries(statuses).flatMap(([code, said]) => said.map((word) => [bare(word), code])));

/** A callsign as it is typed: "P-17" stays, "Medic 3" becomes "Medic3". */
export const typeable = (callsign: string): string => callsign.replace(/\s+/g, "");

class Stop extends Error {
  constructor(readonly what: Trouble, readonly word = "", readonly may: string[] = []) {
    super(what);
  }
}

/** Reads a line as far as it goes. */
export function read(line: string, known: Known): Reading {
  const tokens = line.trim().split(/\s+/).filter(Boolean);
  if (!tokens.length) return { options: [] };
  const going = /\s$/.test(line); // the last word is whole
  const options = optionsFor(line, tokens, going, known);
  try {
    return { order: ordered(tokens, known), options };
  } catch (stop) {
    if (!(stop instanceof Stop)) throw stop;
    return { trouble: { what: stop.what, word: stop.word, may: stop.may }, options };
  }
}

function ordered(tokens: string[], known: Known): Order {
  const [first, ...rest] = tokens as [string, ...string[]];
  const name = verbOf(first);
  const order: Order = { name: name ?? "status", units: [], incident: null, text: "", number: 0 };
  if (!name) return ofUnit(tokens, known, order);
  const all = name === "send" && rest.length > 0 && links.all.includes(plain(rest[0]!));
  if (all) order.name = "set";
  const { needs, ofNow } = COMMANDS[order.name];
  if (known.past && (ofNow || (needs && !known.may(needs)))) throw new Stop("held");
  if (needs && !known.may(needs)) throw new Stop("right");
  return TAKEN[COMMANDS[order.name].takes](all ? rest.slice(1) : rest, known, order);
}

const verbOf = (token: string): Name | undefined => VERB.get(plain(token));

/** "p17 os", or a callsign alone: that unit is looked at. */
function ofUnit(tokens: string[], known: Known, order: Order): Order {
  const units: string[] = [];
  let at = 0;
  for (; at < tokens.length && !(at > 0 && STATUS.has(bare(tokens.slice(at).join("")))); at++) {
    const found = unitsOf(tokens[at]!, known);
    if (!found.length) break;
    units.push(oneUnit(tokens[at]!, known));
  }
  const rest = tokens.slice(at);
  if (!units.length) throw new Stop("verb", tokens[0]);
  if (!rest.length) {
    if (units.length > 1) throw new Stop("status", "");
    return { ...order, name: "show", units };
  }
  const status = STATUS.get(bare(rest.join("")));
  if (!status) throw new Stop("status", rest.join(" "));
  if (!known.may("respond")) throw new Stop(known.past ? "held" : "right");
  return { ...order, units, text: status };
}

const TAKEN: Record<Takes, (rest: string[], known: Known, order: Order) => Order> = {
  nothing(rest, _known, order) {
    if (rest.length) throw new Stop("rest", rest.join(" "));
    return order;
  },
  unit(rest, known, order) {
    if (rest.length > 1) throw new Stop("rest", rest.slice(1).join(" "));
    const unit = rest.length ? oneUnit(rest[0]!, known) : known.unit;
    if (!unit) throw new Stop("which");
    return { ...order, units: [unit] };
  },
  units(rest, known, order) {
    const units = rest.length ? rest.map((token) => oneUnit(token, known)) : known.unit ? [known.unit] : [];
    if (!units.length) throw new Stop("which");
    return { ...order, units };
  },
  send(rest, known, order) {
    const at = rest.findIndex((token) => token.startsWith("#") || links.to.includes(plain(token)));
    const who = at < 0 ? rest : rest.slice(0, at);
    if (!who.length) throw new Stop("which");
    const incident = incidentOf(at < 0 ? [] : rest.slice(at), known);
    const units = who.map((token) => {
      if (!/^[1-9]$/.test(token)) return oneUnit(token, known);
      const called = unitsOf(token, known);
      const ranked = incident === known.incident ? known.ranked[Number(token) - 1] : undefined;
      // A unit may be called "7": both are named, and neither is guessed.
      if (called.length && called[0] !== ranked) throw new Stop("units", token, [...called, ...(ranked ? [ranked] : [])].map((id) => named(id, known)));
      if (!ranked) throw new Stop("rank", token);
      return ranked;
    });
    return { ...order, units: [...new Set(units)], incident };
  },
  replace(rest, known, order) {
    const at = rest.findIndex((token) => links.by.includes(plain(token)));
    if (!rest.length) throw new Stop("which");
    if (at !== 1 || !rest[2]) throw new Stop("by");
    return { ...order, units: [oneUnit(rest[0]!, known), oneUnit(rest[2], known)], incident: incidentOf(rest.slice(3), known) };
  },
  incident: (rest, known, order) => ({ ...order, incident: incidentOf(rest, known) }),
  number(rest, known, order) {
    const numbers = rest.filter((token) => /^\d+$/.test(token));
    const number = Number(numbers[0]);
    const [low, high] = COMMANDS[order.name].range ?? [0, Infinity];
    const others = rest.filter((token) => token !== numbers[0]);
    if (!numbers.length || !(number >= low && number <= high)) throw new Stop("number", numbers[0] ?? others.find((token) => !token.startsWith("#")) ?? "");
    return { ...order, number, incident: incidentOf(others, known) };
  },
  text(rest, known, order) {
    const named = rest[0]?.startsWith("#");
    const incident = incidentOf(named ? rest.slice(0, 1) : [], known);
    const text = rest.slice(named ? 1 : 0).join(" ");
    if (!text) throw new Stop("text");
    return { ...order, incident, text };
  },
  place(rest, _known, order) {
    if (!rest.length && order.name !== "new") throw new Stop("place");
    return { ...order, text: rest.join(" ") };
  },
  words(rest, _known, order) {
    if (!rest.length) throw new Stop("text");
    return { ...order, text: rest.join(" ") };
  },
  moment(rest, _known, order) {
    const text = rest.join(" ");
    if (text && !spoken(text)) throw new Stop("moment", text);
    return { ...order, text };
  },
  speed(rest, _known, order) {
    if (!rest.length) return order;
    if (rest.length > 1) throw new Stop("rest", rest.slice(1).join(" "));
    const number = Number(rest[0]);
    const [low, high] = COMMANDS[order.name].range!;
    if (!(number >= low && number <= high)) throw new Stop("number", rest[0]);
    return { ...order, number };
  },
  subject(rest, known, order) {
    if (!rest.length) return order;
    if (rest.length === 1 && unitsOf(rest[0]!, known).length) return { ...order, units: [oneUnit(rest[0]!, known)] };
    return { ...order, incident: incidentOf(rest, known) };
  },
  /** To some units, to all on an incident, or to all in service: then the order names none. */
  message(rest, known, order) {
    if (!rest.length) throw new Stop("which");
    const all = plain(rest[0]!) === links.all[0];
    const incident = rest[0]!.startsWith("#") ? incidentOf(rest.slice(0, 1), known) : null;
    let at = all || incident ? 1 : 0;
    const units: string[] = [];
    if (!at) for (; at < rest.length && unitsOf(rest[at]!, known).length; at++) units.push(oneUnit(rest[at]!, known));
    if (!at) units.push(oneUnit(rest[0]!, known));
    // "msg p17 urgent come back": an alarm too much harms nobody.
    const urgent = verbOf((rest[at] ?? "").replace(/[:,!]+$/, "")) === "urgent";
    const text = rest.slice(urgent ? at + 1 : at).join(" ");
    if (!text) throw new Stop("text");
    return { ...order, name: urgent ? "urgent" : order.name, units: [...new Set(units)], incident, text };
  },
  filter: (rest, _known, order) => ({ ...order, text: rest.join(" ") }),
};

/** Units of this callsign or id; several agencies may have the same. */
function unitsOf(token: string, known: Known): string[] {
  const sought = bare(token);
  if (!sought) return [];
  const byId = known.units.filter(({ unit_id }) => unit_id === token);
  const found = byId.length ? byId : known.units.filter(({ callsign }) => bare(callsign) === sought);
  return found.map(({ unit_id }) => unit_id);
}

function oneUnit(token: string, known: Known): string {
  const found = unitsOf(token, known);
  if (found.length === 1) return found[0]!;
  if (found.length) throw new Stop("units", token, found.map((id) => named(id, known)));
  const near = known.units.filter(({ callsign }) => bare(callsign).startsWith(bare(token))).slice(0, OPTIONS);
  throw near.length && bare(token) ? new Stop("units", token, near.map(({ callsign }) => callsign)) : new Stop("unit", token);
}

/** A unit by what tells it from others: its id and agency beside the callsign where two share that. */
function named(id: string, { units }: Known): string {
  const unit = units.find(({ unit_id }) => unit_id === id);
  if (!unit) return id;
  const shared = units.filter(({ callsign }) => bare(callsign) === bare(unit.callsign)).length > 1;
  return shared ? `${unit.unit_id} (${unit.callsign}, ${unit.agency})` : unit.callsign;
}

/** "to #2", "#2", "#NHTEBN", "to robbery"; nothing: the one that is chosen. */
function incidentOf(rest: string[], known: Known): string {
  const tokens = rest.filter((token, n) => n > 0 || !links.to.includes(plain(token)));
  if (!tokens.length) {
    if (rest.length || !known.incident) throw new Stop("whose");
    return known.incident;
  }
  const said = tokens.join(" ");
  const found = incidentsOf(said, known);
  if (found.length === 1) return found[0]!.incident_id;
  throw found.length ? new Stop("incidents", said, found.map(({ tag, title }) => `#${tag} ${title}`)) : new Stop("incident", said);
}

function incidentsOf(said: string, { incidents }: Known) {
  const number = /^#?(\d{1,4})$/.exec(said);
  const byTag = number ? incidents.filter(({ tag }) => tag === Number(number[1])) : [];
  if (byTag.length) return byTag;
  if (said.startsWith("#")) return said.length > 3 ? incidents.filter(({ incident_id }) => incident_id.toLowerCase().endsWith(said.slice(1).toLowerCase())) : [];
  return incidents.filter(({ title }) => plain(title).includes(plain(said)));
}

/** Whether a note was meant as an order: it begins as a command line does, or names units, an incident or a number as an
 * order would. */
export function meantAsOrder(text: string, known: Known): boolean {
  const said = text.trim().replace(/^\//, "");
  const tokens = said.split(/\s+/).filter(Boolean);
  if (!tokens.length) return false;
  if (said !== text.trim()) return verbOf(tokens[0]!) !== undefined || unitsOf(tokens[0]!, known).length > 0;
  const { order } = read(said, known);
  return order !== undefined && (order.units.length > 0 || order.number > 0 || tokens.slice(1).some((token) => /^#\w+$/.test(token)));
}

/** What the word that is being typed may become. */
function optionsFor(line: string, tokens: string[], going: boolean, known: Known): Option[] {
  const word = going ? "" : tokens.at(-1)!;
  const before = line.slice(0, line.length - word.length);
  const place = going ? tokens.length : tokens.length - 1;
  const option = (text: string, shows: string): Option => ({ line: `${before}${text} `, shows });
  const called = (): Option[] =>
    known.units
      .filter(({ callsign }) => bare(callsign).startsWith(bare(word)) && bare(callsign) !== bare(word))
      .slice(0, OPTIONS)
      .map(({ unit_id, callsign, agency }) => option(unitsOf(callsign, known).length > 1 ? unit_id : typeable(callsign), `${callsign} · ${agency}`));
  const open = (): Option[] =>
    known.incidents
      .filter(({ tag, title }) => !word || `#${tag}`.startsWith(word) || plain(title).includes(plain(word)))
      .filter(({ tag }) => `#${tag}` !== word)
      .slice(0, OPTIONS)
      .map(({ tag, title }) => option(`#${tag}`, `#${tag} ${title}`));
  if (place === 0) {
    const commands = NAMES.filter((name) => verbs[name][0].some((verb) => verb.startsWith(plain(word)) && verb !== plain(word)) && allowed(name, known)).map((name) =>
      option(verbs[name][0].find((verb) => verb.startsWith(plain(word)))!, `${verbs[name][1]}: ${verbs[name][2]}`),
    );
    return [...(verbOf(word) ? [] : called()), ...commands].slice(0, OPTIONS);
  }
  const name = verbOf(tokens[0]!);
  if (!name) {
    const codes = Object.entries(statuses).filter(([, said]) => said.some((status) => bare(status).startsWith(bare(word))));
    return [...(word ? called() : []), ...codes.map(([code, said]) => option(said[0]!, `${said[0]} · ${code.replaceAll("_", " ")}`))].filter(({ shows }) => shows.split(" ")[0] !== word).slice(0, OPTIONS);
  }
  const { takes } = COMMANDS[name];
  const afterTo = tokens.slice(1, place).some((token) => links.to.includes(plain(token)));
  if (takes === "incident" || (afterTo && takes !== "message") || word.startsWith("#")) return open();
  if (takes === "message" && tokens.slice(1, place).some((token) => !unitsOf(token, known).length)) return []; // its text is being typed
  if (takes === "subject" && !word) return open();
  if (takes === "subject" || takes === "unit" || takes === "units" || takes === "send" || takes === "replace" || takes === "message") return word ? called() : [];
  return [];
}

const allowed = (name: Name, known: Known): boolean => {
  const { needs } = COMMANDS[name];
  return !needs || known.may(needs);
};

/** Where the place ends and the kind and the note begin: at a comma, else at a known kind, else at words that the map does
 * not know. */
export function parted(text: string, kinds: readonly string[], unknown: readonly string[] = []): { place: string; kind: string; note: string } {
  const low = plain(text);
  const found = [...kinds]
    .sort((a, b) => b.length - a.length)
    .flatMap((kind) => {
      const at = ` ${low} `.indexOf(` ${plain(kind)} `);
      return at < 0 ? [] : [{ kind, at, end: at + kind.length }];
    })
    .sort((a, b) => a.at - b.at || b.end - a.end)[0];
  const clean = (part: string) => part.replace(/^[\s,;]+|[\s,;]+$/g, "");
  if (found) return { place: clean(text.slice(0, found.at)), kind: found.kind, note: clean(text.slice(found.end)) };
  const comma = text.indexOf(",");
  if (comma > 0 && !/^\s*-?\d/.test(text)) return { place: clean(text.slice(0, comma)), kind: "", note: clean(text.slice(comma)) };
  const strange = unknown.map((word) => low.search(new RegExp(`(^|\\s)${plain(word).replace(/[^\p{L}\p{N}\s]/gu, ".")}(\\s|$)`, "u"))).filter((at) => at > 0);
  if (strange.length) return { place: clean(text.slice(0, Math.min(...strange))), kind: "", note: clean(text.slice(Math.min(...strange))) };
  return { place: clean(text), kind: "", note: "" };
}

/** The command of a key. */
export const commandOf = (key: string): Name | undefined => NAMES.find((name) => COMMANDS[name].keys?.includes(key));
