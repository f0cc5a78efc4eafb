/** The canvas above the map: everything that moves. Drawn when something has moved by a pixel, and when the map does. */
import type { Freshness, FreshnessLimits, Incident, LonLat, Position, Unit } from "../wire";
import { words } from "../words";
import { doing, freshness, placed } from "../world/readings";
import { clustered, inRings, labelled, type Cluster, type Label, type Point, type Seen } from "./crowd";
import { toEdge } from "./edge";
import { Fleet, mercator, type Square } from "./motion";
import { Pace } from "./pace";
import { Symbols, lookNamed, serviceOf, type LookName, type Service } from "./symbols";

export interface Scene {
  units: Record<string, Unit>;
  positions: Record<string, Position>;
  freshness: FreshnessLimits | null;
  incidents: Incident[];
  incidentOf: Record<string, Incident>;
  selectedIncident: string | null;
  selectedUnit: string | null;
  /** The first of the ranking that is looked at. */
  ranked: string[];
  /** Where the incident of the call card will be, or one that is about to be moved. */
  ghost: LonLat | null;
  /** Named places: posts of the plan that is being made, where to wait near the incident. */
  signs: Sign[];
  /** All that is shown is practice. */
  exercise: boolean;
}

/** A place with words beneath it. */
export interface Sign {
  place: LonLat;
  words: string;
  look?: LookName;
}

/** What the map shows at this moment: pixels of Mercator's square, and what covers it. */
export interface View {
  width: number;
  height: number;
  zoom: number;
  right: number;
  bottom: number;
  /** x = a + b * square x + c * square y, and the same for y. */
  x: readonly [a: number, b: number, c: number];
  y: readonly [a: number, b: number, c: number];
}

export type Hit = { what: "incident" | "unit"; id: string } | { what: "cluster"; at: Point };

const TOUCH_PX = 16;
/** A way that grows shorter need not be drawn for itself. */
const ROUTE_MS = 300;
/** What is drawn is no older. */
const AGES_MS = 1000;
/** Marks of units beyond the edge stay clear of the buttons and the letters on the map. */
const EDGE = { left: 80, top: 70, right: 80, bottom: 60 };
/** What a person has done or waits for; all else can wait until something has moved. */
const AT_ONCE = ["units", "incidents", "selectedIncident", "selectedUnit", "ghost"] as const;
const NO_SCENE: Scene = { units: {}, positions: {}, freshness: null, incidents: [], incidentOf: {}, selectedIncident: null, selectedUnit: null, ranked: [], ghost: null, signs: [], exercise: false };
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Overlay {
  readonly canvas = document.createElement("canvas");
  readonly #context: CanvasRenderingContext2D;
  readonly #symbols: Symbols;
  readonly #fleet = new Fleet();
  readonly #pace = new Pace();
  readonly #services = new WeakMap<Unit, Service>();
  readonly #slots = new Map<string, number>();
  #scene = NO_SCENE;
  #dark: boolean;
  #dragged: LonLat | null = null;
  #route: Square[][] = [];
  #drawn: { marks: Seen[]; incidents: { id: string; at: Point }[]; clusters: Cluster[] } = { marks: [], incidents: [], clusters: [] };
  #drawnMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Infinity;

  /** `inMemory`: no graphics card draws this page. `extent`: the roads that are known lie in it. */
  constructor(
    inMemory: boolean,
    dark: boolean,
    readonly extent: readonly [west: number, south: number, east: number, north: number],
    readonly view: () => View,
    readonly serverNow: () => number,
  ) {
    this.canvas.className = "marks";
    this.#context = this.canvas.getContext("2d", { willReadFrequently: inMemory })!;
    this.#dark = dark;
    this.#symbols = new Symbols(inMemory, this.#theme());
    void document.fonts.ready.then(() => this.theme(this.#dark)); // what was lettered before the font had come
    // Freshness changes while nothing else does, and alarms beat.
    setInterval(() => performance.now() - this.#drawnMs > AGES_MS && this.#soon(performance.now()), AGES_MS / 2);
  }

  show(scene: Scene): void {
    const now = performance.now();
    const before = this.#scene;
    this.#scene = scene;
    const jumped = scene.positions !== before.positions && this.#fleet.update(scene.positions, now);
    if (jumped || AT_ONCE.some((key) => scene[key] !== before[key])) this.#soon(now);
    else this.#soon(now + this.#pace.wait_ms(this.#fastest(now)));
  }

  theme(dark: boolean): void {
    this.#dark = dark;
    this.#symbols.theme(this.#theme());
    this.#soon(performance.now());
  }

  /** The way of the unit that is looked at. */
  route(lines: LonLat[][]): void {
    const other = !lines.length || !this.#route.length;
    this.#route = lines.map((line) => line.map(([lon, lat]) => mercator(lon, lat)));
    this.#soon(performance.now() + (other ? 0 : ROUTE_MS));
  }

  /** A pin that goes with the mouse is drawn here. */
  drag(place: LonLat | null): void {
    this.#dragged = place;
    this.#soon(performance.now());
  }

  /** What is drawn nearest to a place on the screen. */
  hit(x: number, y: number): Hit | null {
    let best: Hit | null = null;
    let nearest = TOUCH_PX;
    const look = (hit: () => Hit, at: Point, r = 0) => {
      const far = Math.hypot(at.x - x, at.y - y) - r;
      if (far < nearest) [nearest, best] = [far, hit()];
    };
    for (const { id, at } of this.#drawn.incidents) look(() => ({ what: "incident", id }), at);
    for (const { id, x, y } of this.#drawn.marks) look(() => ({ what: "unit", id }), { x, y });
    if (!best) for (const { x, y } of this.#drawn.clusters) look(() => ({ what: "cluster", at: { x, y } }), { x, y });
    return best;
  }

  /** At this time or, where the machine is slow, as soon after it as it can bear. */
  #soon(ms: number): void {
    const due = Math.max(ms, this.#drawnMs + this.#pace.rest_ms);
    if (due >= this.#dueMs) return;
    this.#dueMs = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => requestAnimationFrame((now) => {
      this.draw(now);
      requestAnimationFrame(() => requestAnimationFrame((after) => this.#pace.drew(2, after - now)));
    }), due - performance.now());
  }

  #fastest(now: number): number {
    const { x: [, b], width, height } = this.view();
    let fastest = 0;
    for (const { id, x, y } of this.#drawn.marks) if (x > 0 && y > 0 && x < width && y < height) fastest = Math.max(fastest, this.#fleet.speed(id, now));
    return fastest * Math.abs(b);
  }

  draw(now: number): void {
    this.#dueMs = Infinity;
    this.#drawnMs = now;
    const view = this.view();
    const { width, height } = view;
    const context = this.#context;
    const ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { selectedIncident, ghost, signs } = this.#scene;
    const incidents = this.#scene.incidents.filter(placed);
    const px = ([x, y]: Square): Point => ({ x: view.x[0] + view.x[1] * x + view.x[2] * y, y: view.y[0] + view.y[1] * x + view.y[2] * y });
    const pixel = ([lon, lat]: LonLat): Point => px(mercator(lon, lat));

    const places: Record<string, Point> = {};
    for (const { incident_id, lon, lat } of incidents) places[incident_id] = pixel([lon, lat]);
    const seen = this.#seen(now, view, px);
    inRings(seen, places);
    const { alone, clusters } = clustered(seen, view.zoom);
    const covered = [
      ...Object.values(places).map(({ x, y }) => [x - 14, y - 14, x + 14, y + 14] as const),
      ...clusters.map(({ x, y }) => [x - 16, y - 16, x + 16, y + 16] as const),
    ];
    const labels = labelled(alone, covered, places, this.#slots, view, (unit) => this.#symbols.size(context, unit.label, unit.assigned || unit.chosen || unit.alarmed));
    const labelOf = new Map(labels.map((label) => [label.id, label]));

    this.#drawRoute(context, px);
    for (const { x, y, count } of clusters) this.#symbols.cluster(context, x, y, count);
    alone.sort((a, b) => weight(a) - weight(b));
    const tail = alone.filter((unit) => unit.chosen || unit.alarmed);
    const units = alone.filter((unit) => !(unit.chosen || unit.alarmed));
    for (const unit of units) this.#symbols.unit(context, unit);
    for (const unit of units) this.#letter(context, unit, labelOf.get(unit.id));
    const order = [...incidents].reverse().sort((a, b) => urgency(a, selectedIncident) - urgency(b, selectedIncident));
    const beat = !still.matches && Math.floor(this.serverNow() / 1000) % 2 === 0;
    for (const incident of order) {
      const { x, y } = places[incident.incident_id]!;
      if (x < -60 || y < -60 || x > width + 60 || y > height + 60) continue;
      const alarm = !incident.emergency?.stands ? "none" : incident.emergency.alarms ? "sounds" : "stands";
      this.#symbols.incident(context, x, y, { priority: incident.priority, text: String(incident.priority), chosen: incident.incident_id === selectedIncident, alarm, exercise: incident.exercise, beat });
      if (incident.exercise) this.#symbols.label(context, x, y + (alarm === "none" ? 28 : 40), words.top.exercise, "practice", this.#symbols.size(context, words.top.exercise, true));
    }
    // Where signs would lie on each other the first stands.
    const taken: { x: number; y: number; width: number; height: number }[] = [];
    for (const { place, words, look = "moving" } of signs) {
      const { x, y } = pixel(place);
      const [w, h] = this.#symbols.size(context, words, true);
      if (taken.some((sign) => Math.abs(sign.x - x) < (sign.width + w) / 2 && Math.abs(sign.y - y) < (sign.height + h) / 2)) continue;
      taken.push({ x, y, width: w, height: h });
      this.#symbols.label(context, x, y + 20, words, look, [w, h]);
    }
    const pin = this.#dragged ?? ghost;
    if (pin) {
      this.#symbols.incident(context, pixel(pin).x, pixel(pin).y, { priority: 2, text: "…", chosen: true, alarm: "none", exercise: false, beat: false });
    }
    for (const unit of tail) this.#symbols.unit(context, unit);
    for (const unit of tail) this.#letter(context, unit, labelOf.get(unit.id));

    this.#drawn = { marks: alone, incidents: order.reverse().map(({ incident_id }) => ({ id: incident_id, at: places[incident_id]! })), clusters };
    const fastest = this.#fastest(now);
    if (fastest > 0) this.#soon(now + this.#pace.wait_ms(fastest));
  }

  #letter(context: CanvasRenderingContext2D, unit: Seen, label: Label | undefined): void {
    if (!label) return;
    const style = unit.alarmed ? "alarm" : unit.chosen ? "chosen" : unit.assigned ? unit.look : "plain";
    this.#symbols.label(context, label.x, label.y, unit.label, style, label.size);
  }

  /** The units that can be seen, with where they are on the screen. */
  #seen(now: number, view: View, px: (square: Square) => Point): Seen[] {
    const { units, positions, incidentOf, selectedUnit, ranked, freshness: limits } = this.#scene;
    const [west, south, east, north] = this.extent;
    const box = { left: EDGE.left, top: EDGE.top, right: view.width - view.right - EDGE.right, bottom: view.height - view.bottom - EDGE.bottom };
    const serverNow = this.serverNow();
    const close = new Set(ranked);
    const seen: Seen[] = [];
    for (const id in units) {
      const unit = units[id]!;
      const position = positions[id];
      const square = position && this.#fleet.at(id, now);
      if (!square) continue;
      const [lon, lat, speed, course, fixMs, parked] = position;
      // The server calls a unit off the map a kilometre further out, but no road leads there from here either.
      const offMap = unit.off_map === true || lon < west || lon > east || lat < south || lat > north;
      const at = px(square);
      const shown = unit.off_map ? toEdge(at.x, at.y, box) : { ...at, beyond_deg: null };
      if (shown.x < -60 || shown.y < -60 || shown.x > view.width + 60 || shown.y > view.height + 60) continue;
      const chosen = id === selectedUnit;
      const assigned = unit.incident_id !== null;
      const alarmed = Boolean(unit.emergency_id);
      const look = lookNamed(doing(unit, incidentOf));
      const age: Freshness = limits ? freshness(serverNow - fixMs, parked === 1, unit.kind, limits) : "live";
      seen.push({
        id, square, ...shown, chosen, assigned, alarmed, offMap, look, freshness: age,
        service: this.#serviceOf(unit),
        course: speed !== null && speed > 1 ? course : null,
        label: offMap ? words.map.offMap(unit.callsign) : unit.callsign,
        scene: look === "scene" ? unit.incident_id : null,
        matters: chosen || assigned || alarmed || close.has(id),
      });
    }
    return seen;
  }

  #serviceOf(unit: Unit): Service {
    let service = this.#services.get(unit);
    if (!service) this.#services.set(unit, (service = serviceOf(unit)));
    return service;
  }

  #drawRoute(context: CanvasRenderingContext2D, px: (square: Square) => Point): void {
    if (!this.#route.length) return;
    context.beginPath();
    for (const line of this.#route) {
      line.forEach((square, n) => {
        const { x, y } = px(square);
        if (n) context.lineTo(x, y);
        else context.moveTo(x, y);
      });
    }
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 9;
    context.strokeStyle = this.#dark ? "#000000d8" : "#ffffffd8";
    context.stroke();
    context.lineWidth = 5;
    context.strokeStyle = this.#dark ? "#56b4e9" : "#0072b2";
    context.stroke();
  }

  #theme() {
    const { fontFamily, fontSize } = getComputedStyle(document.documentElement);
    return { dark: this.#dark, font: fontFamily || "sans-serif", scale: (parseFloat(fontSize) || 16) / 16 };
  }
}

const weight = (unit: Seen): number => (unit.chosen ? 4 : unit.alarmed ? 3 : unit.assigned ? 2 : unit.look === "free" && !unit.offMap ? 1 : 0);
const urgency = (incident: Incident, chosen: string | null): number =>
  (incident.emergency?.alarms ? 20 : incident.emergency?.stands ? 10 : 0) + (incident.incident_id === chosen ? 8 : 0) + (5 - incident.priority);
