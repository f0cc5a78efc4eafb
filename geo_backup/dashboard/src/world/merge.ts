/** What the feed has told so far: a pure merge of each message into what is known. */
import type { Area, Changes, Closure, Condition, DeskMessage, FreshnessLimits, Incident, Maps, Message, Mode, Past, Position, Ranking, Timer, Unit } from "../wire";

export interface Told {
  epoch: string | null;
  seq: number;
  mode: Mode;
  area: Area | null;
  freshness: FreshnessLimits | null;
  units: Record<string, Unit>;
  positions: Record<string, Position>;
  incidents: Record<string, Incident>;
  rankings: Record<string, Ranking>;
  closures: Record<string, Closure>;
  timers: Record<string, Timer>;
  messages: Record<string, DeskMessage>;
  /** Who else has which incident open, as this link says it. */
  present: Record<string, string[]>;
  /** Units that a message waits for and nothing could show it to, as this link says it. */
  noPhone: readonly string[];
  /** What is wrong with the server; a new link begins with nothing, and is told at once if something is. */
  wrong: Condition[];
  /** Where this desk goes on when the server is gone: it is to be known when nobody can be asked any more. */
  elsewhere: string[];
}

export function nothing(): Told {
  return { epoch: null, seq: 0, mode: "live", area: null, freshness: null, units: {}, positions: {}, incidents: {}, rankings: {}, closures: {}, timers: {}, messages: {}, present: {}, noPhone: [], wrong: [], elsewhere: [] };
}

/** What is told after a message. Untouched maps keep their identity, so a reader can see by `===` what changed. */
export function merge(told: Told, message: Message): Told {
  switch (message.type) {
    case "snapshot":
      return whole(message);
    case "resumed":
      return { ...told, epoch: message.epoch, seq: message.seq, freshness: message.freshness, present: {}, noPhone: [], wrong: [] };
    case "freshness":
      return { ...told, freshness: message.freshness };
    case "present":
      return { ...told, present: message.incidents };
    case "no_phone":
      return { ...told, noPhone: message.units };
    case "health":
      return { ...told, wrong: message.conditions, elsewhere: message.elsewhere ?? [] };
    case "frame":
      return { ...told, seq: message.seq, ...changed(told, message) };
    default:
      return told;
  }
}

/** What a snapshot tells, of now or of a moment of the past. */
export function whole(snapshot: Omit<Past, "past">): Told {
  const { epoch, seq, mode, area, freshness } = snapshot;
  const fresh = nothing();
  return { ...fresh, epoch, seq, mode, area, freshness, ...changed(fresh, snapshot) };
}

function changed(told: Told, by: Partial<Maps>) {
  return {
    units: merged(told.units, by.units),
    positions: merged(told.positions, by.positions),
    incidents: merged(told.incidents, by.incidents),
    rankings: merged(told.rankings, by.rankings),
    closures: merged(told.closures, by.closures),
    timers: merged(told.timers, by.timers),
    messages: merged(told.messages, by.messages),
  };
}

/** The former map is left as it was. */
function merged<T>(former: Record<string, T>, changes: Changes<T> | undefined): Record<string, T> {
  if (!changes) return former;
  const after = { ...former };
  for (const [id, value] of Object.entries(changes)) {
    if (value === null) delete after[id];
    else after[id] = value;
  }
  return after;
}
