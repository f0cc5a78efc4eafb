/** Backup that officers asked for from their phones, until somebody goes or this desk has seen it. */
import { openCall } from "../world/readings";
import { world } from "../world/world.svelte";
import type { Note } from "../wire";
import { desk } from "./desk.svelte";
import { past } from "./past.svelte";

export interface OfficersCall {
  incident: string;
  note: Note;
}

class OfficersCalls {
  #seen = $state<string[]>([]);
  /** By now, the oldest first. */
  waiting = $derived<OfficersCall[]>(
    Object.values(world.live.incidents)
      .flatMap((incident) => {
        const note = openCall(incident);
        return note && !this.#seen.includes(note.note_id) ? [{ incident: incident.incident_id, note }] : [];
      })
      .sort((a, b) => a.note.at.localeCompare(b.note.at)),
  );

  of(incident: string): Note | undefined {
    return this.waiting.find((call) => call.incident === incident)?.note;
  }

  go({ incident }: OfficersCall): void {
    past.leave();
    desk.showHandover = false;
    desk.select(incident);
  }

  /** This desk has seen to the call of an incident. */
  see(incident: string): void {
    const note = this.of(incident);
    if (note) this.#seen.push(note.note_id);
  }
}

export const officersCalls = new OfficersCalls();
