import { describe, expect, it } from "vitest";
import type { Position } from "../wire";
import { clustered, inRings, labelled, type Seen } from "./crowd";
import { Fleet, mercator } from "./motion";
import { Pace } from "./pace";
import { serviceOf } from "./symbols";

describe("motion", () => {
  const at = (lon: number, lat = 57): Record<string, Position> => ({ a: [lon, lat, 10, 90, 0, 0] });
  const lon = (fleet: Fleet, now: number) => fleet.at("a", now)![0] * 360 - 180;

  it("glides to the newest position in a second and stops there", () => {
    const fleet = new Fleet();
    expect(fleet.update(at(11), 0)).toBe(true);
    expect(fleet.update(at(11.001), 1000)).toBe(false);
    expect(lon(fleet, 1500)).toBeCloseTo(11.0005, 6);
    expect(fleet.at("a", 9000)).toEqual(mercator(11.001, 57));
    expect(fleet.speed("a", 1500) * 360_000).toBeCloseTo(0.001, 9);
    expect(fleet.speed("a", 2000)).toBe(0);
  });

  it("starts anew from where it is drawn, jumps when the way is too long, and forgets the gone", () => {
    const fleet = new Fleet();
    fleet.update(at(11), 0);
    fleet.update(at(11.001), 1000);
    fleet.update(at(11.002), 1500);
    expect(lon(fleet, 1500)).toBeCloseTo(11.0005, 6);
    expect(fleet.update(at(11.5), 3000)).toBe(true);
    expect(lon(fleet, 3000)).toBeCloseTo(11.5, 6);
    expect(fleet.update({}, 4000)).toBe(true);
    expect(fleet.at("a", 4000)).toBeUndefined();
  });
});

describe("the pace of drawing", () => {
  it("waits until something has moved by a pixel", () => {
    const pace = new Pace();
    for (let n = 0; n < 20; n++) pace.drew(2, 33);
    expect(pace.wait_ms(0.002)).toBe(500);
    expect(pace.wait_ms(0.5)).toBe(2);
    expect(pace.wait_ms(0)).toBe(Infinity);
  });

  it("leaves a slow machine three quarters of its time, and draws twice a second whatever happens", () => {
    const pace = new Pace();
    for (let n = 0; n < 20; n++) pace.drew(2, 120);
    expect(pace.wait_ms(0.5)).toBeGreaterThan(250);
    for (let n = 0; n < 20; n++) pace.drew(2, 2000);
    expect(pace.wait_ms(0.5)).toBe(500);
    for (let n = 0; n < 60; n++) pace.drew(2, 33);
    expect(pace.wait_ms(0.5)).toBeLessThan(10);
  });
});

describe("the crowd", () => {
  const unit = (id: string, x: number, y: number, more: Partial<Seen> = {}): Seen => ({
    id, x, y, label: id, square: [0.50001 + x / 2 ** 24, 0.50001 + y / 2 ** 24], scene: null, matters: false, look: "free", service: "police", freshness: "live", course: null,
    chosen: false, assigned: false, alarmed: false, offMap: false, beyond_deg: null, ...more,
  });
  const size = () => [40, 16] as const;
  const crowd = (count: number, more: Partial<Seen> = {}) => Array.from({ length: count }, (_, n) => unit(`u${n}`, 100 + n, 100, more));

  it("stands in a ring round the incident on whose scene it is, and only when it is drawn near", () => {
    const units = [...crowd(3, { scene: "i", look: "scene" }), unit("far", 400, 100, { scene: "i" }), unit("free", 100, 100)];
    inRings(units, { i: { x: 100, y: 100 } });
    expect(units.slice(0, 3).map(({ x, y }) => Math.round(Math.hypot(x - 100, y - 100)))).toEqual([34, 34, 34]);
    expect(new Set(units.slice(0, 3).map(({ x, y }) => `${Math.round(x)} ${Math.round(y)}`)).size).toBe(3);
    expect(units.slice(3).map(({ x }) => x)).toEqual([400, 100]);
  });

  it("is one cluster from far away while it is free, never when it is busy, and never from near", () => {
    const busy = crowd(5, { look: "moving", assigned: true, matters: true });
    const { alone, clusters } = clustered([...crowd(5), ...busy], 10);
    expect(alone).toEqual(busy);
    expect(clusters).toEqual([{ x: 102, y: 100, count: 5 }]);
    expect(clustered(crowd(3), 10).clusters).toEqual([]);
    expect(clustered(crowd(50), 13).clusters).toEqual([]);
  });

  it("has labels that do not collide, keeps their slots, and leaves nobody out who matters", () => {
    const slots = new Map<string, number>();
    const place = (units: Seen[]) => labelled(units, [], {}, slots, size);
    const apart = [unit("a", 100, 100), unit("b", 110, 100), unit("c", 120, 100, { matters: true, assigned: true })];
    const labels = place(apart);
    expect(labels[0]!.id).toBe("c");
    for (const one of labels)
      for (const other of labels)
        if (one !== other) expect(Math.abs(one.x - other.x) >= 40 || Math.abs(one.y - other.y) >= 16, `${one.id} on ${other.id}`).toBe(true);
    const before = new Map(slots);
    place(apart);
    expect(slots).toEqual(before);
    expect(place(crowd(40, { matters: true })).length).toBe(40);
    expect(place(crowd(40)).length).toBeLessThan(8);
    expect(place(crowd(200)).length).toBe(0);
  });
});

describe("the service of a unit", () => {
  const of = (kind: string, capabilities: string[] = [], agency = "x") => serviceOf({ kind, capabilities, agency });
  it("is told by its kind, by what it can do, or by whose it is", () => {
    expect([of("patrol"), of("engine", ["BLS"]), of("ambulance"), of("boat", [], "city-fire"), of("boat")]).toEqual(["police", "fire", "ems", "fire", "other"]);
    expect([of("patrol", ["patrol", "k9"]), of("van", ["k-9:explosive"]), of("patrol", ["supervisor"]), of("car", ["battalion chief"])]).toEqual(["dog", "dog", "supervisor", "supervisor"]);
  });
});
