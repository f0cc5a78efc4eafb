/** The map: MapLibre for what stands still, one canvas above it for what moves. */
import "maplibre-gl/dist/maplibre-gl.css";
import type { FeatureCollection } from "geojson";
import { AttributionControl, Map as MapLibre, NavigationControl, ScaleControl, addProtocol, setWorkerUrl, type GeoJSONSource } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { Protocol } from "pmtiles";
import { basemap } from "./basemap";
import { toEdge } from "./edge";
import { Fleet } from "./motion";
import { CLOSURE_LOOKS, drawEmergency, drawIncident, drawLabel, drawUnit, lookOf } from "./symbols";
import type { Area, FreshnessLimits, Incident, LonLat, Position, Unit } from "../wire";
import { words } from "../words";
import { doing, freshness, placed as isPlaced } from "../world/readings";

setWorkerUrl(workerUrl);
addProtocol("pmtiles", new Protocol().tile);

export interface Scene {
  units: Record<string, Unit>;
  positions: Record<string, Position>;
  freshness: FreshnessLimits | null;
  incidents: Incident[];
  incidentOf: Record<string, Incident>;
  selectedIncident: string | null;
  selectedUnit: string | null;
  /** Pins may be dragged. */
  drags: boolean;
  /** Where the incident of the call card will be, or one that is about to be moved. */
  opening: LonLat | null;
  /** Named places: posts of the plan that is being made, where to wait near the incident. */
  signs: { place: LonLat; words: string }[];
  /** What is shown is practice. */
  exercise: boolean;
}

export interface MapEvents {
  onPlace: (place: LonLat) => void;
  /** The other button, or a finger that stays. */
  onHold: (place: LonLat) => void;
  /** The pin of the chosen incident was dragged here. */
  onDrop: (id: string, place: LonLat) => void;
  onIncident: (id: string) => void;
  onUnit: (id: string) => void;
  onDouble: () => void;
}

const LAYERS = ["cover", "reach", "closures", "closed-roads", "route", "picked", "drawn"] as const;
type Layer = (typeof LAYERS)[number];
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const LABELS_FROM_ZOOM = 12;
const TOUCH_PX = 16;
const HOLD_MS = 550;
/** Marks of units beyond the edge stay clear of the buttons and the letters on the map. */
const EDGE = { left: 80, top: 70, right: 80, bottom: 60 };

export class LiveMap {
  readonly #map: MapLibre;
  readonly #canvas = document.createElement("canvas");
  readonly #watermark = document.createElement("div");
  readonly #context: CanvasRenderingContext2D;
  readonly #fleet = new Fleet();
  readonly #data = Object.fromEntries(LAYERS.map((id) => [id, NOTHING])) as Record<Layer, FeatureCollection>;
  readonly #area: Area;
  readonly #serverNow: () => number;
  #theme: "light" | "dark";
  #scene: Scene = { units: {}, positions: {}, freshness: null, incidents: [], incidentOf: {}, selectedIncident: null, selectedUnit: null, drags: false, opening: null, signs: [], exercise: false };
  #tools = false;
  #dragged: LonLat | null = null;
  #frame = 0;

  /** Throws where there is no WebGL. */
  constructor(box: HTMLElement, area: Area, opensOn: Area["extent"], theme: "light" | "dark", serverNow: () => number, events: MapEvents) {
    this.#area = area;
    this.#theme = theme;
    this.#serverNow = serverNow;
    this.#map = new MapLibre({
      container: box,
      style: this.#style(),
      bounds: opensOn,
      fitBoundsOptions: { padding: 30, maxZoom: 16 },
      attributionControl: false,
      doubleClickZoom: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxZoom: 19,
      minZoom: 5,
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.addControl(new AttributionControl({ compact: false, customAttribution: area.has_basemap ? [] : [escape(area.attribution)] }), "bottom-left");
    this.#map.addControl(new ScaleControl({}), "bottom-left");
    this.#map.addControl(new NavigationControl({ showCompass: false }), "top-left");
    this.#canvas.className = "marks";
    this.#watermark.className = "watermark";
    this.#watermark.dataset.testid = "watermark";
    this.#watermark.hidden = true;
    // beneath the units
    this.#map.getCanvasContainer().append(this.#watermark, this.#canvas);
    this.#context = this.#canvas.getContext("2d")!;
    this.#map.on("style.load", () => this.#addLayers());
    this.#map.on("render", () => this.#draw(performance.now()));
    this.#map.on("click", (event) => {
      const hit = this.#tools ? null : this.#hit(event.point.x, event.point.y);
      if (hit?.what === "incident") events.onIncident(hit.id);
      else if (hit?.what === "unit") events.onUnit(hit.id);
      else events.onPlace(placed(event.lngLat));
    });
    this.#map.on("contextmenu", (event) => events.onHold(placed(event.lngLat)));
    this.#holds(events.onHold);
    this.#drags(events.onDrop);
    const seen = () => (box.dataset.view = this.#map.getBounds().toArray().flat().join(","));
    this.#map.on("moveend", seen);
    seen();
    this.#map.on("dblclick", () => events.onDouble());
    this.#map.on("mousemove", (event) => {
      const over = !this.#tools && this.#hit(event.point.x, event.point.y);
      this.#map.getCanvas().style.cursor = over ? "pointer" : this.#tools ? "crosshair" : "";
    });
    // Freshness changes while nothing else does.
    setInterval(() => this.#redraw(), 1000);
  }

  show(scene: Scene): void {
    if (scene.positions !== this.#scene.positions) this.#fleet.update(scene.positions, performance.now());
    this.#scene = scene;
    this.#watermark.hidden = !scene.exercise;
    this.#redraw();
  }

  set(layer: Layer, data: FeatureCollection | null): void {
    this.#data[layer] = data ?? NOTHING;
    (this.#map.getSource(layer) as GeoJSONSource | undefined)?.setData(this.#data[layer]);
  }

  theme(theme: "light" | "dark"): void {
    if (theme === this.#theme) return;
    this.#theme = theme;
    this.#map.setStyle(this.#style(), { diff: false });
  }

  /** Clicks go to a tool, not to what lies under them. */
  tools(on: boolean): void {
    this.#tools = on;
  }

  centre(): LonLat {
    return placed(this.#map.getCenter());
  }

  pan(x: number, y: number): void {
    this.#map.panBy([x, y], { duration: 150 });
  }

  /** The part of the map that no panel covers. */
  uncovered(padding: { bottom: number; right: number }): void {
    this.#map.setPadding({ top: 0, left: 0, ...padding });
  }

  /** Moves only when the place cannot be seen. */
  reveal(place: LonLat): void {
    const { x, y } = this.#map.project(place);
    const box = this.#map.getContainer();
    const { bottom = 0, right = 0 } = this.#map.getPadding();
    const margin = 40;
    if (x < margin || y < margin || x > box.clientWidth - right - margin || y > box.clientHeight - bottom - margin) this.#map.easeTo({ center: place });
  }

  /** To a place where something has just happened, near enough to see the streets. */
  fly(place: LonLat): void {
    this.#map.flyTo({ center: place, zoom: Math.max(this.#map.getZoom(), 14.5), maxDuration: 1500 });
  }

  #style() {
    const tiles = this.#area.has_basemap ? new URL("/tiles/basemap.pmtiles", location.href).href : null;
    return basemap(this.#theme, tiles, escape(this.#area.attribution));
  }

  #addLayers(): void {
    const map = this.#map;
    for (const id of LAYERS) map.addSource(id, { type: "geojson", data: this.#data[id] });
    const dark = this.#theme === "dark";
    // One hue from light to dark, and rings where nobody is near: told apart without colours too.
    map.addLayer({
      id: "cover", type: "circle", source: "cover",
      paint: {
        "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "demand"]], 0, 3, 0.1, 16],
        "circle-color": ["step", ["get", "units"], "rgba(0,0,0,0)", 1, "#cfe1f2", 2, "#74add1", 3, "#2b6cb0"],
        "circle-opacity": 0.75,
        "circle-stroke-color": ["step", ["get", "units"], "#D55E00", 1, "#2b6cb0"],
        "circle-stroke-width": ["step", ["get", "units"], 2.5, 1, 1],
      },
    });
    map.addLayer({ id: "reach", type: "fill", source: "reach", paint: { "fill-color": "#56B4E9", "fill-opacity": dark ? 0.16 : 0.2 } });
    map.addLayer({ id: "reach-line", type: "line", source: "reach", paint: { "line-color": "#0072B2", "line-width": 1.2 } });
    const casing = dark ? "#000000" : "#ffffff";
    for (const [kind, { colour, dashes }] of Object.entries(CLOSURE_LOOKS)) {
      const of = ["==", ["get", "kind"], kind] as const;
      const paint = { "line-color": colour, ...(dashes ? { "line-dasharray": dashes } : {}) };
      const round = { "line-cap": dashes ? "butt" : "round", "line-join": "round" } as const;
      map.addLayer({
        id: `closed-area-${kind}`, type: "fill", source: "closures", filter: ["all", of as never, ["==", ["geometry-type"], "Polygon"]],
        paint: { "fill-color": colour, "fill-opacity": kind === "idle" ? 0.08 : 0.16 },
      });
      map.addLayer({ id: `closed-shape-${kind}`, type: "line", source: "closures", filter: of as never, paint: { ...paint, "line-width": 1.5 } });
      map.addLayer({ id: `closed-casing-${kind}`, type: "line", source: "closed-roads", filter: of as never, layout: round, paint: { "line-color": casing, "line-width": 8, "line-opacity": 0.85 } });
      map.addLayer({ id: `closed-roads-${kind}`, type: "line", source: "closed-roads", filter: of as never, layout: round, paint: { ...paint, "line-width": 5 } });
    }
    const route = { type: "line", source: "route", layout: { "line-cap": "round", "line-join": "round" } } as const;
    map.addLayer({ id: "route-casing", ...route, paint: { "line-color": dark ? "#000000" : "#ffffff", "line-width": 9, "line-opacity": 0.85 } });
    map.addLayer({ id: "route", ...route, paint: { "line-color": dark ? "#56B4E9" : "#0072B2", "line-width": 5 } });
    const picked = { type: "line", source: "picked", layout: { "line-cap": "round", "line-join": "round" } } as const;
    map.addLayer({ id: "picked-casing", ...picked, paint: { "line-color": casing, "line-width": 12 } });
    map.addLayer({ id: "picked", ...picked, paint: { "line-color": "#D55E00", "line-width": 7 } });
    map.addLayer({ id: "drawn", type: "line", source: "drawn", paint: { "line-color": "#D55E00", "line-width": 4, "line-dasharray": [1, 1] } });
    map.addLayer({ id: "drawn-points", type: "circle", source: "drawn", paint: { "circle-radius": 5, "circle-color": "#D55E00", "circle-stroke-color": "#ffffff", "circle-stroke-width": 2 } });
  }

  #redraw(): void {
    if (!this.#frame) this.#frame = requestAnimationFrame((now) => {
      this.#frame = 0;
      this.#draw(now);
      if (this.#fleet.moves(now)) this.#redraw();
    });
  }

  #draw(now: number): void {
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    const ratio = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
      this.#canvas.style.width = `${width}px`;
      this.#canvas.style.height = `${height}px`;
    }
    const context = this.#context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { units, positions, incidents, incidentOf, selectedIncident, selectedUnit, opening, signs, freshness: limits } = this.#scene;
    const dark = this.#theme === "dark";
    const serverNow = this.#serverNow();
    const near = this.#map.getZoom() >= LABELS_FROM_ZOOM;
    const lettered = new Set<string>();
    const labels: [number, number, string][] = [];
    for (const [id, unit] of Object.entries(units)) {
      const position = positions[id];
      const at = this.#drawnAt(id, now);
      if (!position || !at) continue;
      const { x, y, beyond_deg } = at;
      if (x < -40 || y < -40 || x > width + 40 || y > height + 40) continue;
      const [, , speed, course, fixMs, parked] = position;
      const chosen = id === selectedUnit;
      // One label in a cell of this size, so that a crowd stays readable.
      const cell = `${Math.round(x / 70)} ${Math.round(y / 26)}`;
      const wanted = chosen || unit.incident_id !== null || (unit.off_map && !lettered.has(cell)) || (near && !lettered.has(cell));
      if (wanted) {
        lettered.add(cell);
        labels.push([x, y, unit.off_map ? words.map.offMap(unit.callsign) : unit.callsign]);
      }
      drawUnit(context, {
        x, y, chosen, beyond_deg,
        offMap: unit.off_map === true,
        look: lookOf(doing(unit, incidentOf)),
        freshness: limits ? freshness(serverNow - fixMs, parked === 1, unit.kind, limits) : "live",
        course: speed !== null && speed > 1 ? course : null,
      }, dark);
    }
    for (const [x, y, label] of labels) drawLabel(context, x, y, label, dark);
    for (const incident of incidents) {
      if (!isPlaced(incident)) continue;
      const { x, y } = this.#map.project([incident.lon, incident.lat]);
      const { emergency, for_unit_id: officer } = incident;
      if (emergency?.stands) drawEmergency(context, x, y, units[officer ?? ""]?.callsign ?? officer ?? "", incident.incident_id === selectedIncident, emergency.alarms, dark);
      else drawIncident(context, x, y, String(incident.priority), incident.incident_id === selectedIncident, dark);
    }
    for (const { place, words } of signs) {
      const { x, y } = this.#map.project(place);
      drawLabel(context, x, y, words, dark);
    }
    const ghost = this.#dragged ?? opening;
    if (ghost) {
      const { x, y } = this.#map.project(ghost);
      drawIncident(context, x, y, "…", true, dark);
    }
  }

  /** Where a unit is drawn: at its place, or at the edge of what can be seen when it is off the map and beyond that. */
  #drawnAt(id: string, now: number): { x: number; y: number; beyond_deg: number | null } | null {
    const place = this.#fleet.at(id, now);
    if (!place) return null;
    const { x, y } = this.#map.project(place);
    if (!this.#scene.units[id]?.off_map) return { x, y, beyond_deg: null };
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    const { bottom = 0, right = 0 } = this.#map.getPadding();
    return toEdge(x, y, { left: EDGE.left, top: EDGE.top, right: width - right - EDGE.right, bottom: height - bottom - EDGE.bottom });
  }

  /** A finger that stays where it is: not every phone calls that a context menu. */
  #holds(held: (place: LonLat) => void): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let from = { x: 0, y: 0 };
    this.#map.on("touchstart", (event) => {
      clearTimeout(timer);
      from = event.point;
      if (event.points.length === 1 && !this.#tools) timer = setTimeout(() => held(placed(event.lngLat)), HOLD_MS);
    });
    this.#map.on("touchmove", (event) => Math.hypot(event.point.x - from.x, event.point.y - from.y) > TOUCH_PX / 2 && clearTimeout(timer));
    for (const over of ["touchend", "touchcancel"] as const) this.#map.on(over, () => clearTimeout(timer));
  }

  /** The pin of the chosen incident, and no other, goes with the mouse. */
  #drags(dropped: (id: string, place: LonLat) => void): void {
    let from: { x: number; y: number } | null = null;
    this.#map.on("mousedown", (event) => {
      const { originalEvent, point } = event;
      const hit = this.#tools || originalEvent.button !== 0 ? null : this.#hit(point.x, point.y);
      const incident = hit?.what === "incident" ? this.#scene.incidentOf[hit.id] : undefined;
      if (!incident || hit?.id !== this.#scene.selectedIncident || !this.#scene.drags || incident.pinned) return;
      event.preventDefault(); // the map stays where it is
      from = point;
    });
    this.#map.on("mousemove", ({ point, lngLat }) => {
      if (!from || (!this.#dragged && Math.hypot(point.x - from.x, point.y - from.y) < TOUCH_PX / 2)) return;
      this.#dragged = placed(lngLat);
      this.#redraw();
    });
    addEventListener("mouseup", () => {
      const { selectedIncident: id } = this.#scene;
      const place = this.#dragged;
      from = this.#dragged = null;
      if (place && id) dropped(id, place);
    });
  }

  #hit(x: number, y: number): { what: "incident" | "unit"; id: string } | null {
    let best: { what: "incident" | "unit"; id: string; far: number } | null = null;
    const look = (what: "incident" | "unit", id: string, at: { x: number; y: number }) => {
      const far = Math.hypot(at.x - x, at.y - y);
      if (far < (best?.far ?? TOUCH_PX)) best = { what, id, far };
    };
    for (const incident of this.#scene.incidents) if (isPlaced(incident)) look("incident", incident.incident_id, this.#map.project([incident.lon, incident.lat]));
    const now = performance.now();
    for (const id of Object.keys(this.#scene.units)) {
      const at = this.#drawnAt(id, now);
      if (at) look("unit", id, at);
    }
    return best;
  }
}

/** Where nine of ten units are, or the whole area when there are too few to tell. */
export function busiest(area: Area, positions: Record<string, Position>): Area["extent"] {
  const places = Object.values(positions);
  if (places.length < 10) return area.extent;
  const span = (axis: 0 | 1): [number, number] => {
    const sorted = places.map((place) => place[axis]).sort((a, b) => a - b);
    const cut = Math.floor(sorted.length / 20);
    return [sorted[cut]!, sorted[sorted.length - 1 - cut]!];
  };
  const [[west, east], [south, north]] = [span(0), span(1)];
  return [west, south, east, north];
}

const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6;
const placed = ({ lng, lat }: { lng: number; lat: number }): LonLat => [round(lng), round(lat)];
const escape = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);

