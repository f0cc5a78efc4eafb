/** What is overdue, as a dispatcher reads it. */
import { describe, expect, it } from "vitest";
import type { Timer } from "../wire";
import { timers } from "./timers";

const nowMs = Date.parse("2026-11-23T12:32:00Z");
const of = (rule: Timer["rule"], more: Partial<Timer> = {}): Timer => ({
  timer_id: "t", rule, level: "loud", incident_id: "i", message_id: null, unit_id: "u", since: "2026-11-23T12:00:00Z", due_time: "2026-11-23T12:31:00Z",
  loud_time: "2026-11-23T12:31:30Z", expected_time: null, exercise: false, acknowledged: null, ...more,
});

describe("what is overdue", () => {
  it.each([
    [of("welfare"), "P-17 has been on scene 32 min without a word: is the crew well?", "no word 32 min"],
    [of("late", { expected_time: "2026-11-23T12:28:00Z" }), "P-17 should have arrived 4 min ago.", "late 4 min"],
    [of("late"), "P-17 should have arrived 60 s ago.", "late 60 s"],
    [of("acknowledge", { since: "2026-11-23T12:31:15Z" }), "P-17 was sent 45 s ago and has not answered.", "no answer 45 s"],
    [of("unattended", { since: "2026-11-23T10:27:00Z" }), "Nobody has been on it for 2 h 05.", "nobody for 2 h 05"],
  ])("%#: is said in plain words", (timer, line, short) => {
    expect(timers.line(timer, "P-17", nowMs)).toBe(line);
    expect(timers.short(timer, nowMs)).toBe(short);
  });

  it("tells practice from need", () => {
    expect(timers.sign(of("late", { exercise: true }))).toBe("EXERCISE · LATE");
    expect(timers.short(of("late", { exercise: true }), nowMs)).toBe("exercise: late 60 s");
  });

  it("tells who has seen to it", () =>
    expect(timers.seenBy(of("late", { acknowledged: { by: "person:lind", at: "2026-11-23T12:30:00Z" } }), "UTC")).toBe("seen to by lind at 12:30"));
});
