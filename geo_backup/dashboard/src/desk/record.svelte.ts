/** The record of an incident, open or finished: what it was, and what happened in it. It is read, and played on the map. */
import { api } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { Incident, Moment } from "../wire";
import { desk } from "./desk.svelte";
import { notice } from "./notice.svelte";
import { past } from "./past.svelte";

/** What is seen of the map after the last thing happened. */
const AFTER_MS = 5_000;

interface Read {
  incident: Incident;
  moments: Moment[];
  whole: boolean;
}

const chosen = (of: Moment): string => JSON.stringify(of.values["chosen"] ?? []);

/** Recommendations are made again and again: those that say the same as the one before say nothing. */
export function told(moments: readonly Moment[]): Moment[] {
  let last = "[]";
  return moments.filter((of) => {
    if (of.what === "ranked") return false;
    if (of.what !== "decided") return true;
    const units = JSON.stringify(((of.values["chosen"] ?? []) as [string, number][]).map(([unit]) => unit).sort());
    const says = units !== last && chosen(of) !== "[]";
    last = units;
    return says;
  });
}

class Record {
  #read = $state.raw<Read | null>(null);
  /** What is read, once it is here. */
  read = $derived(this.#read?.incident.incident_id === desk.reading ? this.#read : null);
  moments = $derived(told(this.read?.moments ?? []));
  /** Counts what is opened, whose button to play it has the focus then. */
  opened = $state(0);

  open(id: string): void {
    if (id in world.incidentOf) desk.select(id, id);
    else desk.select(null, id);
    this.opened += 1;
    void this.load(id);
  }

  /** The record of the chosen incident, or its view again. */
  toggle(): void {
    if (desk.reading) desk.reading = null;
    else if (desk.selectedId) this.open(desk.selectedId);
    else notice.say(words.record.choose);
  }

  /** Asks anew; what is read stays until the answer is here. */
  async load(id: string): Promise<void> {
    try {
      const [incident, { moments, whole }] = await Promise.all([api.incident(id), api.timeline(id)]);
      if (id === desk.reading) this.#read = { incident, moments, whole };
    } catch (error) {
      if (id === desk.reading) notice.error = error instanceof Error ? error.message : String(error);
    }
  }

  /** Plays the incident that is read from its opening to its end; without one, what is shown of the past. */
  play(): void {
    const { read } = this;
    if (!read) return past.play();
    if (past.playing) return void (past.playing = false);
    const { opened_time, closed_time, incident_id } = read.incident;
    const [from, to] = [Date.parse(opened_time), closed_time ? Date.parse(closed_time) : Infinity];
    past.playFrom(from, to + AFTER_MS);
    desk.select(incident_id, incident_id);
  }

  /** Shows the map as it was when something happened. */
  show(of: Moment): void {
    past.playing = false;
    past.go(Date.parse(of.at));
    desk.select(desk.reading, desk.reading);
  }
}

export const record = new Record();
