/** The list of units and a unit's card, in English. */
import type { Freshness } from "../wire";
import { counted } from "./english";

const span = (ms: number): string => {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return "now";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
};

export const units = {
  title: "Units",
  show: "List of units (q)",
  close: "Put the list away",
  filter: "callsign, status, agency, skill, place",
  groupedBy: "Grouped by",
  groups: [["status", "by status"], ["agency", "by agency"], ["beat", "by beat"]] as ["status" | "agency" | "beat", string][],
  none: { status: "", agency: "no agency", beat: "outside all beats" },
  found: (found: number, all: number) => (found === all ? counted(all, "unit", "units") : `${found} of ${counted(all, "unit", "units")}`),
  nothing: (filter: string) => `Nothing matches \u201c${filter.trim()}\u201d. Type a callsign; free, en route, on scene, busy, out of service; police, fire, EMS, dog, supervisor; a skill, a kind or a place.`,
  since: span,
  fresh: (of: Freshness, ms: number | null) => (ms === null ? "never seen" : `${of} ${span(ms)}`),

  crew: (count: number) => (count ? `crew of ${count}` : "no crew"),
  shownBy: (device: string) => `position by ${device}`,
  shiftEnds: (at: string, left_ms: number) => (left_ms > 0 ? `shift ends ${at}, in ${span(left_ms)}` : `shift ended ${at}`),
  /** "in beat North since 14:02"; a closure by its reason. */
  inside: (name: string, reason: string, since: string) =>
    `in ${name.startsWith("beat:") ? `beat ${name.slice(5)}` : reason ? `the closure \u201c${reason}\u201d` : "a closed road"}${since ? ` since ${since}` : ""}`,
  beat: (id: string) => `beat ${id}`,
  status: "Status",
  statusOf: (callsign: string) => `Status of ${callsign}`,
  track: "Last hour",
  /** When it was at a place along its way. */
  stayed: (from: string, to: string, now: boolean) => (now ? `since ${from}` : from === to ? from : `${from}\u2013${to}`),
  trackEmpty: "No position of the last hour is known.",
  near: "Who is near",
  byRoad: (time: string) => time,
  byAir: (distance: string) => `${distance} by air`,
  nobodyNear: "Nobody else has a position.",
  today: "Its incidents today",
  noneToday: "None so far.",
  chooseFirst: "Choose a unit first: on the map, or in the list (q).",
};
