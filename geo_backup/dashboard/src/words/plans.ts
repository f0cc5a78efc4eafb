/** Plans and their posts, in English. */
import { counted, percent, said } from "./english";
import { times, type Zone } from "./numbers";

const { minute, near } = times("en-GB");
/** A plan that begins earlier than this before its hour is begun by mistake, most likely. */
const AHEAD_MS = 2 * 3_600_000;

export const plans = {
  title: "Plans",
  putAway: "Put the plans away",
  name: "Name",
  nameHint: "warrant, march, fair …",
  thereBy: "there by",
  past: "That time is over: choose a later one.",
  farAhead: "That is more than a year ahead: choose an earlier time.",
  approveReally: (name: string) => `Approve ${name} all the same?`,
  /** What of its time is over; empty: nothing. */
  over: (arriveMs: number, endsMs: number, nowMs: number, zone: Zone) =>
    endsMs <= nowMs ? `Its time is over: it was to end at ${near(endsMs, nowMs, zone)}.`
    : arriveMs <= nowMs ? `It was to be there by ${near(arriveMs, nowMs, zone)}, which is over.`
    : "",
  beginReally: (name: string) => `Begin ${name} now?`,
  /** What else is odd about beginning now; empty where nothing is. */
  beginEarly: (arriveMs: number, nowMs: number, zone: Zone) =>
    arriveMs - nowMs > AHEAD_MS ? `It is planned for ${near(arriveMs, nowMs, zone)}, in ${Math.round((arriveMs - nowMs) / 3_600_000)} h.`
    : "",
  beginLoss: (units: string[]) => `${counted(units.length, "unit is", "units are")} sent, and not free for calls: ${units.join(", ")}.`,
  lasts: "for, h",
  presence: "only presence",
  posts: "Posts",
  post: (n: number) => `Post ${n}`,
  sign: (n: number) => `post ${n}`,
  howMany: (n: number) => `How many at post ${n}`,
  what: (n: number) => `What at post ${n}`,
  more: (n: number) => `Post ${n} needs something else too`,
  moreHint: "and something else",
  less: (n: number, capability: string) => `Post ${n} does not need ${capability}`,
  lessHint: "not this",
  removePost: (n: number) => `Remove post ${n}`,
  remove: "Remove",
  none: "Click the map where units are to wait.",
  make: "Make the plan",
  setPosts: "Set posts",
  called: (presence: boolean) => (presence ? "Presence" : "Plan"),
  made: (name: string) => `Plan ${name} made: a supervisor approves it.`,
  turned: (name: string, to: "approve" | "activate" | "cancel") => `Plan ${name}: ${{ approve: "approved", activate: "activated", cancel: "cancelled" }[to]}.`,
  state: (state: string, by: string, arriveMs: number, nowMs: number, zone: Zone) => `${state}${by ? ` by ${said(by)}` : ""} · there by ${near(arriveMs, nowMs, zone)}`,
  approve: "Approve",
  begin: "Begin",
  schedule: (name: string) => `${name}: who leaves when`,
  leaves: (ms: number, zone: Zone, post: string, late: boolean) => `leaves ${minute(ms, zone)} for ${post}${late ? ": too late to be sure" : ""}`,
  unmet: (post: string, count: number, capability: string) => `${post}: nobody free for ${count} × ${capability}`,
  coverMeanwhile: (hours: { ms: number; cover: number; without: number }[], zone: Zone) =>
    `Cover of the area meanwhile: ${hours.map((hour) => `${minute(hour.ms, zone)} ${percent(hour.without, 2)} of ${percent(hour.cover, 2)}`).join(" · ")}`,
};
