import { describe, expect, it } from "vitest";
import { ServerClock } from "./clock";
import { backoffMs, emptyWorld, merge, type Message } from "./feed";
import { freshness } from "./freshness";
import { Fleet } from "./motion";
import type { Incident, Position, Unit } from "./types";
import { distance, minutesSeconds, reasonWords } from "./words";

const unit = (unit_id: string) => ({ unit_id, status: "available" }) as Unit;
const incident = (incident_id: string) => ({ incident_id }) as Incident;
const area = { name: "A" } as never;
const snapshot: Message = {
  type: "snapshot", epoch: "e", seq: 5, mode: "live", area,
  units: { a: unit("a"), b: unit("b") }, positions: { a: [1, 2, null, null, 3] }, incidents: { i: incident("i") }, rankings: {}, closures: {},
};

describe("the feed", () => {
  it("replaces whole values, removes nulls and leaves untouched maps identical", () => {
    const before = merge(emptyWorld(), snapshot);
    const after = merge(before, { type: "frame", seq: 9, units: { b: null, c: unit("c") } });
    expect(Object.keys(after.units)).toEqual(["a", "c"]);
    expect(after.seq).toBe(9);
    expect(after.incidents).toBe(before.incidents);
    expect(Object.keys(before.units)).toEqual(["a", "b"]);
  });

  it("forgets everything at a new snapshot and nothing at a resume", () => {
    const before = merge(emptyWorld(), snapshot);
    expect(merge(before, { type: "resumed", epoch: "e", seq: 7 }).units).toBe(before.units);
    expect(merge(before, { ...snapshot, epoch: "f", units: {} }).units).toEqual({});
  });

  it("is the same world when a frame comes twice", () => {
    const frame: Message = { type: "frame", seq: 9, units: { b: null }, positions: { a: [4, 5, 1, 2, 6] } };
    const once = merge(merge(emptyWorld(), snapshot), frame);
    expect(merge(once, frame)).toEqual(once);
  });

  it("backs off to ten seconds with jitter", () => {
    expect(backoffMs(0, 0)).toBe(250);
    expect(backoffMs(0, 1)).toBe(500);
    expect(backoffMs(20, 0)).toBe(5000);
    expect(backoffMs(20, 1)).toBe(10_000);
  });
});

describe("motion", () => {
  const at = (lon: number, lat = 57): Record<string, Position> => ({ a: [lon, lat, 10, 90, 0] });

  it("glides to the newest position in a second and stops there", () => {
    const fleet = new Fleet();
    fleet.update(at(11), 0);
    fleet.update(at(11.001), 1000);
    expect(fleet.at("a", 1500)![0]).toBeCloseTo(11.0005, 6);
    expect(fleet.at("a", 9000)).toEqual([11.001, 57]);
    expect(fleet.moves(1500)).toBe(true);
    expect(fleet.moves(2500)).toBe(false);
  });

  it("starts anew from where it is drawn, jumps when the way is too long, and forgets the gone", () => {
    const fleet = new Fleet();
    fleet.update(at(11), 0);
    fleet.update(at(11.001), 1000);
    fleet.update(at(11.002), 1500);
    expect(fleet.at("a", 1500)![0]).toBeCloseTo(11.0005, 6);
    fleet.update(at(11.5), 3000);
    expect(fleet.at("a", 3000)![0]).toBe(11.5);
    fleet.update({}, 4000);
    expect(fleet.at("a", 4000)).toBeUndefined();
  });
});

describe("time", () => {
  it("ages a fix by whether the unit moves", () => {
    expect(freshness(15_000, 10)).toBe("live");
    expect(freshness(15_001, 10)).toBe("delayed");
    expect(freshness(59_000, 0)).toBe("live");
    expect(freshness(61_000, null)).toBe("stale");
    expect(freshness(301_000, 10)).toBe("lost");
    expect(freshness(301_000, 0)).toBe("stale");
  });

  it("runs at the replay's speed and stands while it is paused", () => {
    const clock = new ServerClock();
    clock.runs(1_000_000, 60, true, 500);
    expect(clock.now(1500)).toBe(1_060_000);
    clock.runs(2_000_000, 60, false, 2000);
    expect(clock.now(9000)).toBe(2_000_000);
  });

  it("reads as people write it", () => {
    expect([minutesSeconds(200.4), minutesSeconds(3725), minutesSeconds(-3)]).toEqual(["3:20", "1:02:05", "0:00"]);
    expect([distance(123), distance(1234)]).toEqual(["120 m", "1.2 km"]);
    expect([reasonWords("NO_POSITION"), reasonWords("SOMETHING_NEW")]).toEqual(["no position known", "something new"]);
  });
});
