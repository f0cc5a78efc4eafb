/** Messages to units: how one is sent, and who has not acknowledged which. */
import { api, newId } from "../api";
import { words } from "../words";
import { world } from "../world/world.svelte";
import type { DeskMessage, NewMessage, Recipient } from "../wire";
import { notice } from "./notice.svelte";

/** Some units, all on an incident, or (neither) all in service. */
export interface Target {
  units?: readonly string[];
  incident?: string;
}

export interface Waiting {
  message: DeskMessage;
  rows: Recipient[];
}

const newest = (a: DeskMessage, b: DeskMessage): number => b.sent_time.localeCompare(a.sent_time);

class Messages {
  /** What is being written, by whom it is for: the feed never touches it. */
  drafts = $state<Record<string, string>>({});
  /** Those that somebody has not acknowledged by now: the urgent first, then the oldest. */
  waiting = $derived<Waiting[]>(
    Object.values(world.live.messages)
      .map((message) => ({ message, rows: message.recipients.filter((row) => !row.acknowledged_time) }))
      .filter(({ rows }) => rows.length)
      .sort((a, b) => Number(b.message.urgent) - Number(a.message.urgent) || a.message.sent_time.localeCompare(b.message.sent_time)),
  );

  /** The messages of an incident or to a unit at the moment that is shown, the newest first. */
  of(incident: string | undefined, unit: string | undefined): DeskMessage[] {
    return Object.values(world.messages)
      .filter((one) => (unit ? one.recipients.some((row) => row.unit_id === unit) : one.incident_id === incident))
      .sort(newest);
  }

  async send(target: Target, text: string, urgent: boolean): Promise<boolean> {
    const { units, incident } = target;
    const message: NewMessage = {
      message_id: newId("M"), text: text.trim(), urgent,
      ...(units ? { to: "units", unit_ids: [...units] } : incident ? { to: "incident", incident_id: incident } : { to: "all" }),
    };
    let told = words.messages.sending;
    const looked = () => api.messages().then(({ messages }) => messages.some((one) => one.message_id === message.message_id));
    const work = () => api.message(message).then(({ recipients }) => (told = words.messages.sent(recipients.map((row) => world.callsign(row.unit_id)))));
    return notice.attempt(work, () => told, { looked });
  }

  /** The desk heard by radio that a unit knows. */
  async heard({ message_id }: DeskMessage, unit: string): Promise<void> {
    await notice.attempt(() => api.heard(message_id, unit), words.messages.isHeard(world.callsign(unit)));
  }
}

export const messages = new Messages();
