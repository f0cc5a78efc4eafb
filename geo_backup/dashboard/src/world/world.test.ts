import { describe, expect, it } from "vitest";
import { toEdge } from "../map/edge";
import { CLOSURE_LOOKS } from "../map/symbols";
import { words } from "../words";
import type { Closure, Emergency, FreshnessLimits, Incident, Message, Need, Unit } from "../wire";
import { ServerClock } from "./clock";
import { backoffMs } from "./feed";
import { merge, nothing } from "./merge";
import { closureKind, freshness, is, onlyPractice, urgency } from "./readings";

const unit = (unit_id: string) => ({ unit_id, status: "available" }) as Unit;
const incident = (incident_id: string) => ({ incident_id }) as Incident;
const area = { name: "A" } as never;
const limits: FreshnessLimits = {
  moving_ms: [15_000, 60_000, 300_000], parked_ms: [60_000, 300_000, 1_800_000], kinds: { boat: { moving_ms: [1, 2, 3], parked_ms: [4, 5, 6] } },
};
const snapshot: Message = {
  type: "snapshot", epoch: "e", seq: 5, mode: "live", area, freshness: limits,
  units: { a: unit("a"), b: unit("b") }, positions: { a: [1, 2, null, null, 3, 0] }, incidents: { i: incident("i") }, rankings: {}, closures: {}, timers: {}, messages: {},
};

describe("the feed", () => {
  it("replaces whole values, removes nulls and leaves untouched maps identical", () => {
    const before = merge(nothing(), snapshot);
    const after = merge(before, { type: "frame", seq: 9, units: { b: null, c: unit("c") } });
    expect(Object.keys(after.units)).toEqual(["a", "c"]);
    expect(after.seq).toBe(9);
    expect(after.incidents).toBe(before.incidents);
    expect(Object.keys(before.units)).toEqual(["a", "b"]);
  });

  it("forgets everything at a new snapshot and nothing at a resume", () => {
    const before = merge(nothing(), snapshot);
    expect(merge(before, { type: "resumed", epoch: "e", seq: 7, freshness: limits }).units).toBe(before.units);
    expect(merge(before, { ...snapshot, epoch: "f", units: {} }).units).toEqual({});
  });

  it("takes the limits of freshness whenever they are told", () => {
    const before = merge(nothing(), snapshot);
    expect(before.freshness).toBe(limits);
    const other = { ...limits, kinds: {} };
    const after = merge(before, { type: "freshness", freshness: other });
    expect([after.freshness, after.units]).toEqual([other, before.units]);
  });

  it("knows what is wrong with the server until it is told otherwise, or links anew", () => {
    const full = { name: "log_full", words: "the disk is full: make room", since: "2026-06-01T10:00:00Z" };
    const troubled = merge(merge(nothing(), snapshot), { type: "health", conditions: [full] });
    expect(troubled.wrong).toEqual([full]);
    expect(merge(troubled, { type: "frame", seq: 9 }).wrong).toEqual([full]);
    expect(merge(troubled, { type: "health", conditions: [] }).wrong).toEqual([]);
    const shared = merge(troubled, { type: "health", conditions: [], elsewhere: ["https://cad-2"] });
    expect(merge(shared, { type: "resumed", epoch: "e", seq: 7, freshness: limits }).elsewhere).toEqual(["https://cad-2"]);
    expect(merge(troubled, { type: "resumed", epoch: "e", seq: 7, freshness: limits }).wrong).toEqual([]);
    expect(merge(troubled, snapshot).wrong).toEqual([]);
  });

  it("is the same world when a frame comes twice", () => {
    const frame: Message = { type: "frame", seq: 9, units: { b: null }, positions: { a: [4, 5, 1, 2, 6, 0] } };
    const once = merge(merge(nothing(), snapshot), frame);
    expect(merge(once, frame)).toEqual(once);
  });

  it("backs off to ten seconds with jitter", () => {
    expect(backoffMs(0, 0)).toBe(250);
    expect(backoffMs(0, 1)).toBe(500);
    expect(backoffMs(20, 0)).toBe(5000);
    expect(backoffMs(20, 1)).toBe(10_000);
  });
});

describe("time", () => {
  it("ages a fix by whether the unit moves", () => {
    const grades = (parked: boolean, kind: string, ...ages: number[]) => ages.map((age) => freshness(age, parked, kind, limits));
    expect(grades(false, "patrol", 15_000, 15_001, 60_001, 300_001)).toEqual(["live", "delayed", "stale", "lost"]);
    expect(grades(true, "patrol", 60_000, 60_001, 301_000, 1_800_001)).toEqual(["live", "delayed", "stale", "lost"]);
    expect([...grades(false, "boat", 1, 2, 4), ...grades(true, "boat", 4, 5, 7)]).toEqual(["live", "delayed", "lost", "live", "delayed", "lost"]);
  });

  it("runs at the replay's speed and stands while it is paused", () => {
    const clock = new ServerClock();
    clock.runs(1_000_000, 60, true, 500);
    expect(clock.now(1500)).toBe(1_060_000);
    clock.runs(2_000_000, 60, false, 2000);
    expect(clock.now(9000)).toBe(2_000_000);
  });

  it("reads as people write it", () => {
    expect([words.minutesSeconds(200.4), words.minutesSeconds(3725), words.minutesSeconds(-3)]).toEqual(["3:20", "1:02:05", "0:00"]);
    expect([words.distance(123), words.distance(1234)]).toEqual(["120 m", "1.2 km"]);
    expect(words.parts({ turnout_s: 5, clear_s: 0, drive_s: 79, last_leg_s: 0 })).toBe("turnout 0:05 · drive 1:19");
    const match = (needs: Need[], capabilities: string[]) => words.match(needs, (name) => is(capabilities, name));
    const needs: Need[] = [
      { capability: "k-9", count: 1, need: "must", substitutes: ["patrol"] },
      { capability: "any", count: 2, need: "must", substitutes: [] },
    ];
    expect([match(needs, ["k-9"]), match(needs, ["patrol"]), match(needs, [])]).toEqual(["k-9, any", "for k-9, any", "any"]);
    expect(match(needs.slice(0, 1), ["ALS"])).toBe("nothing asked for");
    expect([words.reason("NO_POSITION"), words.reason("SOMETHING_NEW")]).toEqual(["no position known", "something new"]);
  });
});

describe("closures", () => {
  const noon = Date.parse("2026-06-01T10:00:00Z"); // 12:00 in Gothenburg
  const closure = (more: Partial<Closure>) =>
    ({
      closure_id: "c", geometry: { edges: [1] }, levels: "all", reason: "", valid_from: null, valid_to: null, applies_to: "all",
      slow_factor: null, edges: 2, edges_spared: 0, levels_in_shape: [0], streets: ["Avenyn"], ...more,
    }) as Closure;
  const kind = (more: Partial<Closure>) => closureKind(closure(more), noon);
  const said = (more: Partial<Closure>) => words.closures.closure(closure(more), noon, "Europe/Stockholm");

  it("have a kind that changes with the clock, each with a colour and dashes of its own", () => {
    expect([kind({}), kind({ applies_to: "routine" }), kind({ slow_factor: 0.5, applies_to: "routine" })]).toEqual(["closed", "routine", "slow"]);
    expect(kind({ valid_from: "2026-06-01T10:00:00.001Z" })).toBe("idle");
    expect(kind({ valid_from: "2026-06-01T10:00:00Z", valid_to: "2026-06-01T10:00:00.001Z" })).toBe("closed");
    expect(kind({ valid_to: "2026-06-01T10:00:00Z" })).toBe("idle");
    const looks = Object.values(CLOSURE_LOOKS);
    expect(new Set(looks.map((look) => look.colour)).size).toBe(looks.length);
    expect(new Set(looks.map((look) => String(look.dashes))).size).toBe(looks.length);
  });

  it("are told in words: what, where, for whom, when", () => {
    expect(said({})).toBe("closed · Avenyn");
    expect(said({ slow_factor: 0.25, applies_to: "routine" })).toBe("slow: 25 % of the speed · sirens pass · Avenyn");
    expect(said({ valid_from: "2026-06-01T11:00:00Z", valid_to: "2026-06-02T11:30:00Z" })).toBe("closed · Avenyn · from 13:00 until 2 Jun 13:30");
    expect(said({ valid_from: "2026-06-01T09:00:00Z", valid_to: "2026-06-01T11:30:00Z" })).toBe("closed · Avenyn · until 13:30");
    expect(said({ valid_to: "2026-06-01T09:30:00Z" })).toBe("closed · Avenyn · over since 11:30");
    const shape = { geometry: { type: "Point", coordinates: [0, 0] } } as Partial<Closure>;
    expect(said({ ...shape, levels: "top" })).toBe("closed · Avenyn");
    expect(said({ ...shape, levels: [0, -1] })).toBe("closed · Avenyn · on the ground, tunnel");
    expect([words.closures.level(1), words.closures.level(3), words.closures.level(-2)]).toEqual(["bridge", "bridge, level 3", "tunnel, level -2"]);
    expect(words.closures.streets(["A", "", "A", "B", "C"])).toBe("A, a road without a name, B and 1 more");
  });
});

describe("an officer's emergency", () => {
  const emergency = { alarms: true, stands: true, placed_by: "fix", presses: 1, verified: true, pressed_time: "2026-06-01T10:00:00Z", acknowledged: [] } as Emergency;
  const pressed = (more: Partial<Emergency>, exercise = false) => ({ incident_id: "e", exercise, emergency: { ...emergency, ...more } }) as Incident;

  it("comes before all else, first while it sounds", () => {
    expect([pressed({}), pressed({ alarms: false }), pressed({ alarms: false, stands: false }), incident("i")].map(urgency)).toEqual([0, 1, 2, 2]);
  });

  it("is said in words: who, since when, how often, and when nobody knows where or it is not on record", () => {
    const said = (more: Partial<Emergency>, exercise = false, recorded = true) =>
      words.emergency.alarm({ ...pressed(more, exercise), recorded }, "P1", "Europe/Stockholm");
    expect(said({})).toBe("OFFICER EMERGENCY · P1 · since 12:00:00");
    expect(said({ presses: 3, placed_by: "nothing", verified: false }, true, false)).toBe(
      "EXERCISE · OFFICER EMERGENCY · P1 · since 12:00:00 · UNVERIFIED, MAY BE SOMEBODY ELSE · pressed 3 times · PLACE NOT KNOWN · NOT ON RECORD YET",
    );
    expect(words.emergency.taken(pressed({ acknowledged: [{ by: "Ann", at: "2026-06-01T10:00:05Z" }] }), "Europe/Stockholm")).toBe("acknowledged by Ann at 12:00:05");
  });
});

describe("an exercise", () => {
  it("marks the whole page only while nothing real is open", () => {
    const open = (...exercises: boolean[]) => exercises.map((exercise) => ({ exercise }) as Incident);
    expect([open(), open(true), open(true, true), open(true, false), open(false)].map(onlyPractice)).toEqual([false, true, true, false, false]);
  });
});

describe("what is wrong with the server", () => {
  it("is said in the page's words beside the server's, and in the server's alone when it is new here", () => {
    const said = (name: string) => [words.wrong.condition({ name, words: "as the server says", since: "" }), words.wrong.remedy({ name, words: "as the server says", since: "" })];
    expect(said("log_full")).toEqual([expect.stringContaining("disk is full"), "as the server says"]);
    expect(said("something_new")).toEqual(["as the server says", ""]);
  });
});

describe("a unit off the map", () => {
  it("stands at its place where that can be seen, else at the edge with the way on from there", () => {
    const box = { left: 10, top: 10, right: 90, bottom: 90 };
    expect(toEdge(50, 50, box)).toEqual({ x: 50, y: 50, beyond_deg: null });
    expect(toEdge(50, -900, box)).toEqual({ x: 50, y: 10, beyond_deg: 0 });
    expect(toEdge(900, 50, box)).toEqual({ x: 90, y: 50, beyond_deg: 90 });
    expect(toEdge(-900, 1000, box)).toMatchObject({ x: 10, y: 90, beyond_deg: -135 });
  });
});
