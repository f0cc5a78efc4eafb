import { describe, expect, it } from "vitest";
import type { MultiPolygon } from "geojson";
import type { Area, Cover, Incident, Position, Unit } from "../wire";
import { clustered, inRings, labelled, type Seen } from "./crowd";
import { Fleet, mercator } from "./motion";
import { crumbs, drawn } from "./crumbs";
import { firstLook } from "./opening";
import { Pace } from "./pace";
import { coverBands, smooth } from "./surface";
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
    const place = (units: Seen[]) => labelled(units, [], {}, slots, { width: 500, height: 500 }, size);
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
    const [edge] = place([unit("edge", 490, 480)]);
    expect(edge!.x + 20 <= 500 && edge!.y + 8 <= 500).toBe(true);
  });
});

describe("surfaces", () => {
  const places = (units: (column: number) => number): Cover["places"] => ({
    type: "FeatureCollection",
    features: Array.from({ length: 100 }, (_, n) => ({
      type: "Feature", properties: { demand: 0.01, units: units(n % 10) }, geometry: { type: "Point", coordinates: [12 + (n % 10) * 0.01, 57 + Math.floor(n / 10) * 0.005] },
    })),
  });
  const inside = (shape: MultiPolygon, [x, y]: [number, number]) =>
    shape.coordinates.flat().reduce((odd, ring) => ring.reduce((now, [ax, ay], n) => {
      const [bx, by] = ring[(n + 1) % ring.length]!;
      return ay! > y !== by! > y && x < ((bx! - ax!) * (y - ay!)) / (by! - ay!) + ax! ? !now : now;
    }, odd), false);

  it("show the cover in bands, each on those where more units are near", () => {
    const { features } = coverBands(places((column) => (column < 5 ? 0 : 9)));
    expect(features.map(({ properties }) => properties.units)).toEqual([3, 2, 1, 0]);
    const at = (place: [number, number]) => features.filter(({ geometry }) => inside(geometry, place)).map(({ properties }) => properties.units);
    expect(at([12.01, 57.02])).toEqual([3, 2, 1, 0]);
    expect(at([12.08, 57.02])).toEqual([3]);
    expect(at([12.2, 57.02])).toEqual([]);
    expect(coverBands({ type: "FeatureCollection", features: [] }).features).toEqual([]);
  });

  it("have no steps where a reach was read from a grid, and keep their size", () => {
    const stair = Array.from({ length: 20 }, (_, n) => [[n, n], [n + 1, n]]).flat();
    const ring = [...stair, [20, 20], [0, 20], [0, 0]].map(([x, y]) => [12 + x! * 0.002, 57 + y! * 0.001]);
    const hole = [[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]].map(([x, y]) => [12.004 + x! * 0.001, 57.015 + y! * 0.001]);
    const area = (points: number[][]) => Math.abs(points.slice(1).reduce((sum, [x, y], n) => sum + (points[n]![0]! - 12) * (y! - 57) - (x! - 12) * (points[n]![1]! - 57), 0));
    const turns = (points: number[][]) => Math.max(...points.slice(2).map(([x, y], n) => {
      const [[ax, ay], [bx, by]] = [points[n]!, points[n + 1]!];
      const turn = Math.atan2(y! - by!, (x! - bx!) / 2) - Math.atan2(by! - ay!, (bx! - ax!) / 2);
      return Math.abs(Math.atan2(Math.sin(turn), Math.cos(turn)));
    }));
    const { features } = smooth({ type: "FeatureCollection", features: [{ type: "Feature", properties: { minutes: 2 }, geometry: { type: "Polygon", coordinates: [ring, hole] } }] });
    const [polygon] = (features[0]!.geometry as MultiPolygon).coordinates;
    expect(polygon!.length).toBe(1);
    expect(area(polygon![0]!) / area(ring)).toBeCloseTo(1, 1);
    expect(turns(polygon![0]!)).toBeLessThan(turns(ring) / 1.5);
  });
});

describe("the first look", () => {
  const area = { extent: [7.7, 49.3, 9.1, 49.6], town: [8.63, 49.36, 8.8, 49.47] } as Area;
  const fleet = (count: number, lon = 8.7): Record<string, Position> => Object.fromEntries(Array.from({ length: count }, (_, n) => [`u${n}`, [lon + n * 0.001, 49.4, null, null, 0, 0]]));
  const call = (lon: number, lat: number) => ({ lon, lat }) as Incident;

  it("is the town while there is no fleet, and what happens is in it", () => {
    expect(firstLook(area, {}, [])).toEqual(area.town);
    expect(firstLook(area, fleet(1, 8.9), [call(8.7, 49.35)])).toEqual([8.63, 49.35, 8.9, 49.47]);
  });

  it("is the fleet without strays and without who is off the map, and every incident", () => {
    const [west, south, east, north] = firstLook(area, { ...fleet(40), far: [9.0, 49.5, null, null, 0, 0], off: [12, 57, null, null, 0, 0] }, [call(8.65, 49.5), call(1, 1)]);
    expect([west, south, north]).toEqual([8.65, 49.4, 49.5]);
    expect(east).toBeLessThan(8.74);
  });
});

describe("the service of a unit", () => {
  const of = (kind: string, capabilities: string[], discipline: Unit["discipline"]) => serviceOf({ kind, capabilities, discipline });
  it("is its discipline, unless it brings a dog or leads", () => {
    expect([of("patrol", ["patrol"], "police"), of("engine", ["BLS"], "fire"), of("boat", [], "")]).toEqual(["police", "fire", "other"]);
    expect([of("patrol", ["K9"], "police"), of("van", ["k-9:explosive"], "police"), of("patrol", ["Supervisor"], "police"), of("battalion chief", [], "fire")]).toEqual(["dog", "dog", "supervisor", "supervisor"]);
  });
});

describe("the way of a unit", () => {
  const MINUTE = 60_000;
  const NOON = Date.parse("2026-06-01T12:00:00Z");
  /** One fix a minute; a step is about 300 m. */
  const way = (...steps: number[]) => steps.map((step, n) => [step * 0.005, 57.7, null, null, NOON + n * MINUTE]);

  it("is told at the first fix of each ten minutes, and a stay by its beginning and end", () => {
    const { times } = crumbs(way(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 12, 13, 14, 15, 16, 17, 18, 18));
    expect(times.map(({ ms, to_ms, now }) => [(ms - NOON) / MINUTE, (to_ms - NOON) / MINUTE, now])).toEqual([[0, 0, false], [10, 22, false], [30, 31, true]]);
  });

  it("is a stay no more once it was left, even where it comes back", () => {
    const { times } = crumbs(way(0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1));
    expect(times.map(({ ms }) => (ms - NOON) / MINUTE)).toEqual([0, 10]);
  });

  it("is whole from one span to the next, pale where it is old, and broken by silence", () => {
    const rows = way(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11).filter((_, n) => n < 3 || n > 6);
    const { lines } = crumbs(rows);
    expect(lines.map(({ way: line }) => line.map(([lon]) => Math.round(lon! / 0.005)))).toEqual([[0, 1, 2], [7, 8, 9], [9, 10, 11]]);
    const ages = drawn(crumbs(rows)).features.filter(({ geometry }) => geometry.type === "LineString").map(({ properties }) => Number(properties!["age"]).toFixed(1));
    expect(ages).toEqual(["1.0", "0.3", "0.0"]);
  });
});
