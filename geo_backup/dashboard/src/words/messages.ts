/** Messages from the desk to units, in English. */
import type { DeskMessage, Recipient } from "../wire";
import { times, type Zone } from "./numbers";

const { minute } = times("en-GB");
/** The first five, and how many there are beside them. */
const few = (of: readonly string[]) => `${of.slice(0, 5).join(", ")}${of.length > 5 ? ` and ${of.length - 5} more` : ""}`;

function age(time: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(time)) / 1000));
  return seconds < 60 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

export const messages = {
  title: "Not acknowledged",
  write: "Message",
  toUnit: (callsign: string) => `Message to ${callsign}`,
  toIncident: "Message to all on it",
  send: "Send",
  urgent: "Urgent",
  urgentWhy: "It alarms here until all have acknowledged it",
  heard: "Heard",
  heardWhy: (callsign: string) => `${callsign} said by radio that they know`,
  quoted: (text: string) => `\u201c${text}\u201d`,
  everybody: "all in service",
  allOn: (incident: string) => `all on ${incident}`,
  /** "R-12 not shown yet, 2 min", "R-12 has no phone: call by radio, 2 min", "shown to R-12, no answer, 2 min", "R-12 acknowledged 14:03". */
  state: (callsign: string, { shown_time, acknowledged_time }: Recipient, { sent_time }: DeskMessage, noPhone: boolean, nowMs: number, zone: Zone): string => {
    if (acknowledged_time) return `${callsign} acknowledged ${minute(Date.parse(acknowledged_time), zone)}`;
    const unseen = noPhone ? `${callsign} has no phone: call by radio` : `${callsign} not shown yet`;
    return `${shown_time ? `shown to ${callsign}, no answer` : unseen}, ${age(sent_time, nowMs)}`;
  },
  sign: ({ urgent }: DeskMessage): string => (urgent ? "URGENT" : ""),
  few,
  sent: (callsigns: readonly string[]) => `Message sent to ${few(callsigns)}.`,
  sending: "Message sent.",
  isHeard: (callsign: string) => `${callsign} knows.`,
  more: (count: number) => `and ${count} more`,
};
