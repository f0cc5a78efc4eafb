/** The hand-over of a shift, in English. */
import type { Handover, OnDuty } from "../wire";

type At = (time: string) => string;

export const handover = {
  title: "Hand-over",
  show: "Hand-over of the shift",
  print: "Print",
  again: "Read again",
  close: "Close",
  asking: "Reading\u2026",
  shift: "The shift",
  hours: [4, 8, 12, 24].map((hours) => [hours, `last ${hours} h`]) as [hours: number, name: string][],
  asOf: (area: string, date: string, since: string) => [area, date, `the shift since ${since}`].filter(Boolean).join(" · "),
  open: "Open incidents",
  overdue: "Overdue",
  closures: "Closed roads",
  plans: "Plans",
  units: "Who is where",
  finished: "Ended in the shift",
  more: "More ended than are listed here.",
  none: "None.",
  columns: ["Unit", "Does", "Since", "Where", "For"],
  nobody: "Nobody is on it.",
  called: (priority: number, title: string, exercise: boolean) => [`P${priority}`, exercise ? "EXERCISE" : "", title].filter(Boolean).join(" "),
  since: (time: string, level: number, callback: string) => [`since ${time}`, level > 1 ? `alarm ${level}` : "", callback ? `call back ${callback}` : ""].filter(Boolean).join(" · "),
  /** What a unit does there, and what was promised of it. */
  part: (callsign: string, state: string, at: string, promised: string) =>
    `${callsign}: ${state.replaceAll("_", " ")} ${at}${promised ? `, to be there ${promised}` : ""}`,
  does: ({ emergency_id, status }: OnDuty, sent: Handover["promised"][number] | undefined) =>
    emergency_id ? "IN DANGER" : (["available", "on_station", "returning"].includes(status) ? (sent?.state ?? status) : status).replaceAll("_", " "),
  where: ({ place, lon, lat, fix_time, freshness }: OnDuty, at: At) => {
    const where = place || (lon === null || lat === null ? "" : `${lat.toFixed(5)}, ${lon.toFixed(5)}`);
    const seen = fix_time === null ? "never seen" : freshness === "stale" || freshness === "lost" ? `last seen ${at(fix_time)}` : "";
    return [where, seen].filter(Boolean).join(", ");
  },
  plan: (name: string, state: string, from: string, to: string) => `${name}: ${state}, there by ${from}, until ${to}`,
  ended: (opened: string, closed: string) => [opened, closed && `ended ${closed}`].filter(Boolean).join(", "),
};
