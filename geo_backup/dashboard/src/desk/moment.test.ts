/** A time as it is typed, and which time is meant by it. */
import { describe, expect, it } from "vitest";
import { meant, spoken } from "./moment";

const ZONE = "Europe/Stockholm";
const NOW = Date.parse("2026-11-27T13:20:30Z"); // 14:20:30 there
const at = (text: string): string => new Date(meant(spoken(text)!, NOW, ZONE)).toISOString().slice(0, 19);

describe("a time that is typed", () => {
  it.each([
    ["20 min", "2026-11-27T13:00:30"],
    ["20min", "2026-11-27T13:00:30"],
    ["1.5 h", "2026-11-27T11:50:30"],
    ["30 s", "2026-11-27T13:20:00"],
    ["2 days", "2026-11-25T13:20:30"],
    ["14:05", "2026-11-27T13:05:00"],
    ["1405", "2026-11-27T13:05:00"],
    ["14.05", "2026-11-27T13:05:00"],
    ["9:07", "2026-11-27T08:07:00"],
    ["14:05:59", "2026-11-27T13:05:59"],
    ["23:50", "2026-11-26T22:50:00"], // has not come yet today
    ["yesterday 22:10", "2026-11-26T21:10:00"],
    ["2026-07-01 08:00", "2026-07-01T06:00:00"], // in summer the clocks are an hour on
    ["2026-07-01T08:00", "2026-07-01T06:00:00"],
  ])("%s", (text, meaning) => expect(at(text)).toBe(meaning));

  it.each(["", "soon", "24:10", "14:5", "20", "20 min ago", "yesterday", "2026-13-40 10:00", "14:05 15:05"])("%s is none", (text) => expect(spoken(text)).toBeNull());
});
