/** Messages from the desk to units, in English. */
import type { DeskMessage, Recipient } from "../wire";
import { times, type Zone } from "./numbers";

const { minute } = times("en-GB");
const list = (of: readonly string[]) => of.join(", ");

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
  /** "R-12 not seen, 2 min", "R-12 acknowledged 14:03". */
  state: (callsign: string, { shown_time, acknowledged_time }: Recipient, { sent_time }: DeskMessage, nowMs: number, zone: Zone): string => {
    if (acknowledged_time) return `${callsign} acknowledged ${minute(Date.parse(acknowledged_time), zone)}`;
    return `${callsign} ${shown_time ? "seen, no answer" : "not seen"}, ${age(sent_time, nowMs)}`;
  },
  sign: ({ urgent }: DeskMessage): string => (urgent ? "URGENT" : ""),
  sent: (callsigns: readonly string[]) => `Message sent to ${list(callsigns.slice(0, 5))}${callsigns.length > 5 ? ` and ${callsigns.length - 5} more` : ""}.`,
  sending: "Message sent.",
  isHeard: (callsign: string) => `${callsign} knows.`,
  more: (count: number) => `and ${count} more`,
};
