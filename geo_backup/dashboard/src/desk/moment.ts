/** A time as it is typed: "14:05", "20 min", "2 h", "yesterday 22:10", "2026-11-27 22:10". Pure. */
import { spans, yesterday } from "../words/past";
import { fromField, toField } from "../words/numbers";

/** So long ago; or a time of day, on a day or so many days ago. */
export type Spoken = { ago_ms: number } | ({ time: string; s: number } & ({ days_ago: number } | { date: string }));

const TIME = /^([01]?\d|2[0-3])[:.h]?([0-5]\d)(?::([0-5]\d))?$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const DAY_MS = 24 * 3_600_000;

/** null: it is no time. */
export function spoken(text: string): Spoken | null {
  const said = text.trim().toLowerCase();
  const ago = /^(\d+(?:\.\d+)?)\s*(\p{L}+)$/u.exec(said);
  if (ago) {
    const ms = spans.find(([names]) => (names as readonly string[]).includes(ago[2]!))?.[1];
    return ms ? { ago_ms: Number(ago[1]) * ms } : null;
  }
  const parts = said.split(/[\s,t]+(?=\d)|\s+/);
  const time = TIME.exec(parts.at(-1) ?? "");
  if (!time || parts.length > 2) return null;
  const of = { time: `${time[1]!.padStart(2, "0")}:${time[2]}`, s: Number(time[3] ?? 0) };
  if (parts.length === 1) return { ...of, days_ago: 0 };
  if (yesterday.includes(parts[0]!)) return { ...of, days_ago: 1 };
  return DATE.test(parts[0]!) && !Number.isNaN(Date.parse(parts[0]!)) ? { ...of, date: parts[0]! } : null;
}

/** The time that is meant, on the clock of a zone; a time of day that has not come yet was yesterday's. */
export function meant(said: Spoken, nowMs: number, zone: string | undefined): number {
  if ("ago_ms" in said) return nowMs - said.ago_ms;
  const on = (date: string) => fromField(`${date}T${said.time}`, zone) + said.s * 1000;
  if ("date" in said) return on(said.date);
  const today = toField(nowMs, zone).slice(0, 10);
  const day = (ago: number) => new Date(Date.parse(today) - ago * DAY_MS).toISOString().slice(0, 10);
  const ms = on(day(said.days_ago));
  return ms > nowMs ? on(day(said.days_ago + 1)) : ms;
}
