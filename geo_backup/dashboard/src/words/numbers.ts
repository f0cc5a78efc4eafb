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
  return { clock, minute, near };
}
