/** The map: MapLibre for what stands still, one canvas above it for what moves. */
import "maplibre-gl/dist/maplibre-gl.css";
import type { FeatureCollection } from "geojson";
import { AttributionControl, Map as MapLibre, MercatorCoordinate, NavigationControl, ScaleControl, addProtocol, prewarm, setWorkerUrl, type GeoJSONSource } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { PMTiles, Protocol } from "pmtiles";
import { ARROW, arrow, basemap, painted } from "./basemap";
import { Overlay, type Scene, type View } from "./overlay";
import { CLOSURE_LOOKS, COVER_LOOKS } from "./symbols";
import { coverBands, smooth } from "./surface";
import type { Area, Cover, LonLat, Reach, Route } from "../wire";

setWorkerUrl(workerUrl);
prewarm();
const TILES = new URL("/tiles/basemap.pmtiles", location.href).href;
const tiles = new Protocol();
tiles.add(new PMTiles(TILES));
addProtocol("pmtiles", tiles.tile);

export interface MapEvents {
  onPlace: (place: LonLat) => void;
  /** The other button, or a finger that stays. */
  onHold: (place: LonLat) => void;
  /** The pin of the chosen incident was dragged here. */
  onDrop: (id: string, place: LonLat) => void;
  onIncident: (id: string) => void;
  onUnit: (id: string) => void;
  onDouble: () => void;
  /** Whoever is signed in may read the map no longer. */
  onRefused: () => void;
}

const LAYERS = ["cover", "reach", "closures", "closed-roads", "picked", "drawn", "track"] as const;
type Layer = (typeof LAYERS)[number];
const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
/** What PMTiles says of a tile that the server gives no longer to whoever is signed in. */
const REFUSED = /code: 40[13]$/;
const TOUCH_PX = 16;
const HOLD_MS = 550;
const HATCH = "hatch";
/** What draws where there is no graphics card. */
const IN_MEMORY = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** How much of the map lies under panels. */
type Covered = { bottom: number; right: number };

export class LiveMap {
  readonly #map: MapLibre;
  readonly #watermark = document.createElement("div");
  readonly #overlay: Overlay;
  readonly #data = Object.fromEntries(LAYERS.map((id) => [id, NOTHING])) as Record<Layer, FeatureCollection>;
  readonly #area: Area;
  #theme: "light" | "dark";
  #tools = false;
  #size = { width: 0, height: 0 };
  /** The incident whose pin goes with the mouse. */
  #dragging: string | null = null;

  /** Throws where there is no WebGL. */
  constructor(box: HTMLElement, area: Area, opensOn: Area["extent"], covered: Covered, theme: "light" | "dark", serverNow: () => number, events: MapEvents) {
    this.#area = area;
    this.#theme = theme;
    this.#map = new MapLibre({
      container: box,
      style: this.#style(),
      attributionControl: false,
      doubleClickZoom: false,
      dragRotate: false,
      pitchWithRotate: false,
      maxPitch: 0,
      maxZoom: 19,
      minZoom: 5,
    });
    this.uncovered(covered);
    this.#map.fitBounds(opensOn, { padding: { top: 70, bottom: 40, left: 40, right: 40 }, maxZoom: 16, animate: false });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.keyboard.disableRotation();
    this.#map.addControl(new AttributionControl({ compact: false, customAttribution: area.has_basemap ? [] : [escape(area.attribution)] }), "bottom-left");
    this.#map.addControl(new ScaleControl({}), "bottom-left");
    this.#map.addControl(new NavigationControl({ showCompass: false }), "top-left");
    this.#watermark.className = "watermark";
    this.#watermark.dataset.testid = "watermark";
    this.#watermark.hidden = true;
    this.#overlay = new Overlay(this.#inMemory(), theme === "dark", area.extent, () => this.#view(), serverNow);
    // beneath the units
    this.#map.getCanvasContainer().append(this.#watermark, this.#overlay.canvas);
    // Kept, for to ask for it is to lay the page out.
    const sized = () => (this.#size = { width: box.clientWidth, height: box.clientHeight });
    this.#map.on("resize", sized);
    sized();
    // A page that is left tears down what it was still loading: that is nothing wrong.
    let left = false;
    addEventListener("beforeunload", () => (left = true));
    this.#map.on("error", ({ error }) => {
      if (REFUSED.test(error.message)) events.onRefused();
      else if (!left) console.error(error);
    });
    this.#map.on("style.load", () => this.#addLayers());
    this.#map.on("render", () => this.#overlay.draw(performance.now()));
    this.#map.on("click", (event) => {
      const hit = this.#tools ? null : this.#overlay.hit(event.point.x, event.point.y);
      if (hit?.what === "incident") events.onIncident(hit.id);
      else if (hit?.what === "unit") events.onUnit(hit.id);
      else if (hit) this.#map.easeTo({ center: event.lngLat, zoom: this.#map.getZoom() + 1.5 });
      else events.onPlace(placed(event.lngLat));
    });
    this.#map.on("contextmenu", (event) => events.onHold(placed(event.lngLat)));
    this.#holds(events.onHold);
    this.#drags(events.onDrop);
    const seen = () => (box.dataset.view = this.#map.getBounds().toArray().flat().join(","));
    this.#map.on("moveend", seen);
    this.#map.once("idle", () => (box.dataset.drawn = "true"));
    seen();
    this.#map.on("dblclick", () => events.onDouble());
    this.#map.on("mousemove", (event) => {
      const over = !this.#tools && this.#overlay.hit(event.point.x, event.point.y);
      this.#map.getCanvas().style.cursor = over ? "pointer" : this.#tools ? "crosshair" : "";
    });
  }

  show(scene: Scene): void {
    if (this.#watermark.hidden === scene.exercise) this.#watermark.hidden = !scene.exercise;
    this.#overlay.show(scene);
  }

  cover(places: Cover["places"] | null): void {
    this.set("cover", places && coverBands(places));
  }

  reach(reach: Reach | null): void {
    this.set("reach", reach && smooth(reach));
  }

  set(layer: Layer, data: FeatureCollection | null): void {
    this.#data[layer] = data ?? NOTHING;
    (this.#map.getSource(layer) as GeoJSONSource | undefined)?.setData(this.#data[layer]);
  }

  /** The way of a unit moves as it does, so it is no layer of the map, which would all be drawn anew. */
  route(route: Route | null): void {
    const lines = route?.geometry.type === "LineString" ? [route.geometry.coordinates] : route?.geometry.type === "MultiLineString" ? route.geometry.coordinates : [];
    this.#overlay.route(lines as LonLat[][]);
  }

  theme(theme: "light" | "dark"): void {
    if (theme === this.#theme) return;
    this.#theme = theme;
    this.#map.setStyle(this.#style(), { diff: false });
    this.#overlay.theme(theme === "dark");
  }

  /** Clicks go to a tool, not to what lies under them. */
  tools(on: boolean): void {
    this.#tools = on;
  }

  /** The pin of this incident, and no other, can be dragged. */
  drags(incident: string | null): void {
    this.#dragging = incident;
  }

  centre(): LonLat {
    return placed(this.#map.getCenter());
  }

  pan(x: number, y: number): void {
    this.#map.panBy([x, y], { duration: 150 });
  }

  /** The part of the map that no panel covers. */
  uncovered(padding: Covered): void {
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

  /** Shows all of a way, as large as it can be seen. */
  frame(way: readonly LonLat[]): void {
    if (!way.length) return;
    const [lons, lats] = [way.map(([lon]) => lon), way.map(([, lat]) => lat)];
    const box: [LonLat, LonLat] = [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
    this.#map.fitBounds(box, { padding: { top: 90, bottom: 220, left: 60, right: 60 }, maxZoom: 15, duration: 600 });
  }

  /** To a place where something has just happened, near enough to see the streets. */
  fly(place: LonLat): void {
    this.#map.flyTo({ center: place, zoom: Math.max(this.#map.getZoom(), 14.5), maxDuration: 1500 });
  }

  #style() {
    const tiles = this.#area.has_basemap ? TILES : null;
    return basemap(this.#theme, tiles, escape(this.#area.attribution));
  }

  #addLayers(): void {
    const map = this.#map;
    for (const id of LAYERS) map.addSource(id, { type: "geojson", data: this.#data[id] });
    const dark = this.#theme === "dark";
    // Surfaces lie beneath the names of streets.
    const under = map.getStyle().layers.find(({ type }) => type === "symbol")?.id;
    map.addImage(ARROW, arrow(), { sdf: true });
    map.addImage(HATCH, hatch(dark), { pixelRatio: 2 });
    // The less cover, the stronger: where it is good the map stays quiet. Nobody is hatched too, for who tells no colours.
    for (const [units, { colour, opacity }] of Object.entries(COVER_LOOKS)) {
      const band = { type: "fill", source: "cover", filter: ["==", ["get", "units"], Number(units)] as never } as const;
      map.addLayer({ ...band, id: `cover-${units}`, paint: { "fill-color": colour, "fill-opacity": opacity, "fill-antialias": false } }, under);
      if (units === "0") map.addLayer({ ...band, id: "cover-hatch", paint: { "fill-pattern": HATCH } }, under);
    }
    map.addLayer({ id: "reach", type: "fill", source: "reach", paint: { "fill-color": "#3d8fc9", "fill-opacity": dark ? 0.14 : 0.13 } }, under);
    map.addLayer({ id: "reach-line", type: "line", source: "reach", layout: { "line-join": "round" }, paint: { "line-color": dark ? "#6db8f2" : "#0a63a8", "line-width": ["interpolate", ["linear"], ["get", "minutes"], 2, 2.2, 10, 1], "line-opacity": 0.75 } });
    map.addLayer({
      id: "reach-minutes", type: "symbol", source: "reach",
      layout: { "symbol-placement": "line", "symbol-spacing": 500, "text-field": ["concat", ["to-string", ["get", "minutes"]], " min"], "text-font": ["sans-serif"], "text-size": 12, "text-keep-upright": true },
      paint: { "text-color": dark ? "#a8d5f7" : "#084b80", "text-halo-color": dark ? "#13171b" : "#ffffff", "text-halo-width": 2 },
    });
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
    const picked = { type: "line", source: "picked", layout: { "line-cap": "round", "line-join": "round" } } as const;
    map.addLayer({ id: "picked-casing", ...picked, paint: { "line-color": casing, "line-width": 12 } });
    map.addLayer({ id: "picked", ...picked, paint: { "line-color": "#D55E00", "line-width": 7 } });
    map.addLayer({ id: "drawn", type: "line", source: "drawn", paint: { "line-color": "#D55E00", "line-width": 4, "line-dasharray": [1, 1] } });
    const crumbs = dark ? "#cc79a7" : "#8e3b72";
    map.addLayer({ id: "track-casing", type: "line", source: "track", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": casing, "line-width": 7, "line-opacity": 0.8 } });
    map.addLayer({ id: "track", type: "line", source: "track", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": crumbs, "line-width": 4, "line-opacity": ["-", 1, ["*", 0.6, ["get", "age"]]] } });
    map.addLayer({ id: "track-points", type: "circle", source: "track", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 4.5, "circle-color": crumbs, "circle-stroke-color": casing, "circle-stroke-width": 2 } });
    map.addLayer({ id: "drawn-points", type: "circle", source: "drawn", paint: { "circle-radius": 5, "circle-color": "#D55E00", "circle-stroke-color": "#ffffff", "circle-stroke-width": 2 } });
  }

  /** Whether no graphics card draws this page. */
  #inMemory(): boolean {
    const gl = (this.#map.getCanvas() as HTMLCanvasElement).getContext("webgl2");
    const info = gl?.getExtension("WEBGL_debug_renderer_info");
    return IN_MEMORY.test(String(gl?.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER) ?? ""));
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

  #drags(dropped: (id: string, place: LonLat) => void): void {
    let from: { x: number; y: number; id: string } | null = null;
    let at: LonLat | null = null;
    this.#map.on("mousedown", (event) => {
      const { originalEvent, point } = event;
      const hit = this.#tools || originalEvent.button !== 0 ? null : this.#overlay.hit(point.x, point.y);
      if (hit?.what !== "incident" || hit.id !== this.#dragging) return;
      event.preventDefault(); // the map stays where it is
      from = { x: point.x, y: point.y, id: hit.id };
    });
    this.#map.on("mousemove", ({ point, lngLat }) => {
      if (!from || (!at && Math.hypot(point.x - from.x, point.y - from.y) < TOUCH_PX / 2)) return;
      this.#overlay.drag((at = placed(lngLat)));
    });
    addEventListener("mouseup", () => {
      if (from && at) dropped(from.id, at);
      if (at) this.#overlay.drag(null);
      from = at = null;
    });
  }

  /** The map is never tilted, so three places tell where all others are. */
  #view(): View {
    const map = this.#map;
    const { width, height } = this.#size;
    const { bottom = 0, right = 0 } = map.getPadding();
    const from = MercatorCoordinate.fromLngLat(map.getCenter());
    const step = 1 / 2 ** (map.getZoom() + 1);
    const at = (dx: number, dy: number) => map.project(new MercatorCoordinate(from.x + dx, from.y + dy).toLngLat());
    const [p, px, py] = [at(0, 0), at(step, 0), at(0, step)];
    const along = (axis: "x" | "y") => {
      const [b, c] = [(px[axis] - p[axis]) / step, (py[axis] - p[axis]) / step];
      return [p[axis] - b * from.x - c * from.y, b, c] as const;
    };
    return { width, height, zoom: map.getZoom(), right, bottom, x: along("x"), y: along("y") };
  }
}

/** Diagonal lines that go on from one tile to the next. */
function hatch(dark: boolean): ImageData {
  return painted(16, 16, (context) => {
    context.strokeStyle = dark ? "#ff8f5790" : "#b8430a90";
    context.lineWidth = 2;
    for (const shift of [-16, 0, 16]) {
      context.moveTo(shift - 2, 18);
      context.lineTo(shift + 18, -2);
    }
    context.stroke();
  });
}

const round = (degrees: number): number => Math.round(degrees * 1e6) / 1e6;
const placed = ({ lng, lat }: { lng: number; lat: number }): LonLat => [round(lng), round(lat)];
const escape = (text: string): string => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
