/** Numbers and times as people read them; what a language writes in its own way is told by its file of words. */

/** 200.4 -> "3:20"; an hour and more as "1:02:05". */
export function minutesSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(s).padStart(2, "0")}`;
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

export type Zone = string | undefined;

/** Times of day in a locale, on the clock of the map's own time zone. */
export function times(locale: string) {
  const write = (ms: number, how: Intl.DateTimeFormatOptions, timeZone: Zone) => new Intl.DateTimeFormat(locale, { ...how, timeZone }).format(ms);
  const clock = (ms: number, zone: Zone) => write(ms, { timeStyle: "medium" }, zone);
  const minute = (ms: number, zone: Zone) => write(ms, { timeStyle: "short" }, zone);
  const day = (ms: number, zone: Zone) => write(ms, { day: "numeric", month: "short" }, zone);
  /** Hours and minutes, with the day when it is another. */
  const near = (ms: number, nowMs: number, zone: Zone) => (day(ms, zone) === day(nowMs, zone) ? minute(ms, zone) : `${day(ms, zone)} ${minute(ms, zone)}`);
  /** "Fri 27 Nov 2026, 14:05:30" */
  const dated = (ms: number, zone: Zone) => write(ms, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" }, zone);
  /** "Friday 27 November 2026, 14:30" */
  const headed = (ms: number, zone: Zone) => write(ms, { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit" }, zone);
  return { clock, minute, near, dated, headed };
}

/** A time as a field for date and time takes it, on the clock of a zone: "2026-11-23T14:30". */
export function toField(ms: number, timeZone: Zone): string {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }).formatToParts(ms);
  const of = (type: string) => parts.find((part) => part.type === type)?.value ?? "";
  return `${of("year")}-${of("month")}-${of("day")}T${of("hour")}:${of("minute")}`;
}

/** The time that such a field means; NaN for none. In an hour that a clock goes through twice, the first. */
export function fromField(field: string, timeZone: Zone): number {
  const asUtc = (text: string) => Date.parse(`${text}Z`);
  const wanted = asUtc(field);
  if (Number.isNaN(wanted)) return NaN;
  let ms = wanted;
  for (let n = 0; n < 2; n++) ms += wanted - asUtc(toField(ms, timeZone));
  const hourEarlier = ms - 3_600_000;
  return toField(hourEarlier, timeZone) === field ? hourEarlier : ms;
}
