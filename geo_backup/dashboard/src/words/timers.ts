/** What somebody should have said or done by now, in English. */
import type { Timer } from "../wire";
import { times, type Zone } from "./numbers";

const { minute } = times("en-GB");

/** "40 s", "32 min", "2 h 05": as long as it is in words. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (seconds < 120) return `${seconds} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

const after = (time: string, nowMs: number) => span(nowMs - Date.parse(time));
/** When a unit was to be there; where nobody had promised it, when it was missed. */
const expected = ({ expected_time, due_time }: Timer) => expected_time ?? due_time;

const LINES: Record<Timer["rule"], (timer: Timer, callsign: string, nowMs: number) => string> = {
  acknowledge: ({ since }, callsign, nowMs) => `${callsign} was sent ${after(since, nowMs)} ago and has not answered.`,
  late: (timer, callsign, nowMs) => `${callsign} should have arrived ${after(expected(timer), nowMs)} ago.`,
  welfare: ({ since }, callsign, nowMs) => `${callsign} has been on scene ${after(since, nowMs)} without a word: is the crew well?`,
  unattended: ({ since }, _callsign, nowMs) => `Nobody has been on it for ${after(since, nowMs)}.`,
  message: ({ since }, callsign, nowMs) => `${callsign || "Somebody"}: urgent message not acknowledged for ${after(since, nowMs)}.`,
};

const SHORT: Record<Timer["rule"], (timer: Timer, nowMs: number) => string> = {
  acknowledge: ({ since }, nowMs) => `no answer ${after(since, nowMs)}`,
  late: (timer, nowMs) => `late ${after(expected(timer), nowMs)}`,
  welfare: ({ since }, nowMs) => `no word ${after(since, nowMs)}`,
  unattended: ({ since }, nowMs) => `nobody for ${after(since, nowMs)}`,
  message: ({ since }, nowMs) => `unanswered ${after(since, nowMs)}`,
};

const SIGNS: Record<Timer["rule"], string> = { acknowledge: "NO ANSWER", late: "LATE", welfare: "NO WORD", unattended: "NOBODY ON IT", message: "NO ANSWER" };

export const timers = {
  title: "Overdue",
  /** What a loud one begins with. */
  sign: ({ rule, exercise }: Timer): string => (exercise ? `EXERCISE · ${SIGNS[rule]}` : SIGNS[rule]),
  line: (timer: Timer, callsign: string, nowMs: number): string => LINES[timer.rule](timer, callsign, nowMs),
  short: (timer: Timer, nowMs: number): string => `${timer.exercise ? "exercise: " : ""}${SHORT[timer.rule](timer, nowMs)}`,
  seenBy: ({ acknowledged }: Timer, zone: Zone): string =>
    acknowledged ? `seen to by ${acknowledged.by.replaceAll("person:", "")} at ${minute(Date.parse(acknowledged.at), zone)}` : "",
  count: (count: number) => `${count} overdue`,
  goTo: "Go to what is overdue, one after the other (z)",
  more: (count: number) => `and ${count} more`,
  seen: "Seen to",
  there: "Go there",
  nowSeen: (what: string) => `Seen to: ${what}`,
  none: "Nothing is overdue.",
  noneHere: "Nothing is loud, and nothing is overdue in what is chosen: press z to go to what is.",
  changed: "What is overdue first has just changed: read it, then press again.",
};
