/** The officer's map: the way to the incident, and who is where. A few signs, no overlay of a fleet. */
import "maplibre-gl/dist/maplibre-gl.css";
import type { FeatureCollection } from "geojson";
import { AttributionControl, Map as MapLibre, Marker, addProtocol, setWorkerUrl, type GeoJSONSource } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { FetchSource, PMTiles, Protocol } from "pmtiles";
import { page } from "../api";
import { ARROW, arrow, basemap } from "../map/basemap";
import type { Area, LonLat, Route } from "../wire";
import { KeptTiles } from "./tiles";

/** Under an address of this page, so that what keeps the page keeps it too. */
const WORKER = workerUrl.replace("/assets/", "/unit-assets/");
setWorkerUrl(WORKER);
const TILES = new URL("/tiles/basemap.pmtiles", location.href).href;
const tiles = new Protocol();
tiles.add(new PMTiles(new KeptTiles(new FetchSource(TILES, new Headers(page.headers)))));
addProtocol("pmtiles", tiles.tile);

const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };
const ZOOM = 15;
const escape = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** What the page does not know to have loaded, and needs without a link. */
export const MORE = [new URL(WORKER, location.href).href];

/** Whether the map can be drawn without a link. */
export async function drawable(): Promise<boolean> {
  return "caches" in self && (await caches.match(MORE[0]!)) !== undefined;
}

export interface Sign {
  id: string;
  place: LonLat;
  look: "me" | "incident" | "other";
  words: string;
  course_deg?: number | null;
}

export class UnitMap {
  readonly #map: MapLibre;
  readonly #signs = new Map<string, Marker>();
  #way: FeatureCollection = NOTHING;
  /** The map goes with the unit until somebody moves it by hand. */
  #follows = true;
  #me: LonLat | null = null;

  /** Throws where there is no WebGL. */
  constructor(box: HTMLElement, area: Area, theme: "light" | "dark", onDrawn: () => void) {
    const [west, south, east, north] = area.town;
    this.#map = new MapLibre({
      container: box, style: this.#style(area, theme), attributionControl: false, dragRotate: false, pitchWithRotate: false, maxPitch: 0, maxZoom: 18, minZoom: 7,
      bounds: [[west, south], [east, north]],
    });
    this.#map.touchZoomRotate.disableRotation();
    this.#map.addControl(new AttributionControl({ compact: false }), "top-left");
    this.#map.on("style.load", () => this.#layers(theme));
    this.#map.on("dragstart", () => (this.#follows = false));
    this.#map.once("idle", () => {
      box.dataset.drawn = "true";
      onDrawn();
    });
    let shown = 0;
    this.#map.on("sourcedata", ({ sourceId, tile }) => {
      if (sourceId === "basemap" && tile) box.dataset.tiles = String((shown += 1));
    });
    // A tile that does not come without a link is nothing wrong.
    this.#map.on("error", () => undefined);
  }

  show(signs: readonly Sign[]): void {
    const ids = new Set(signs.map(({ id }) => id));
    for (const [id, marker] of this.#signs) {
      if (ids.has(id)) continue;
      marker.remove();
      this.#signs.delete(id);
    }
    for (const sign of signs) {
      const marker = this.#signs.get(sign.id) ?? this.#made(sign);
      const element = marker.getElement();
      marker.setLngLat(sign.place);
      element.className = `sign ${sign.look} maplibregl-marker maplibregl-marker-anchor-center`;
      element.querySelector("span")!.textContent = sign.words;
      element.querySelector<HTMLElement>("i")!.style.rotate = `${sign.course_deg ?? 0}deg`;
      element.dataset.goes = String(typeof sign.course_deg === "number");
      if (sign.look === "me") this.#go(sign.place);
    }
  }

  way(route: Route | null): void {
    this.#way = route ? { type: "FeatureCollection", features: [route] } : NOTHING;
    (this.#map.getSource("way") as GeoJSONSource | undefined)?.setData(this.#way);
  }

  follow(): void {
    this.#follows = true;
    if (this.#me) this.#map.easeTo({ center: this.#me, zoom: Math.max(ZOOM, this.#map.getZoom()), duration: 300 });
  }

  /** All places at once. */
  frame(places: readonly LonLat[]): void {
    if (!places.length) return;
    this.#follows = false;
    const [lons, lats] = [places.map(([lon]) => lon), places.map(([, lat]) => lat)];
    this.#map.fitBounds([Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)], { padding: 48, maxZoom: 16, duration: 300 });
  }

  #go(place: LonLat): void {
    const first = this.#me === null;
    this.#me = place;
    if (!this.#follows) return;
    if (first) this.#map.jumpTo({ center: place, zoom: ZOOM });
    else this.#map.easeTo({ center: place, duration: 500 });
  }

  #made(sign: Sign): Marker {
    const element = document.createElement("div");
    element.dataset.sign = sign.id;
    element.append(document.createElement("i"), document.createElement("span"));
    const marker = new Marker({ element, anchor: "center" }).setLngLat(sign.place).addTo(this.#map);
    this.#signs.set(sign.id, marker);
    return marker;
  }

  #style(area: Area, theme: "light" | "dark") {
    return basemap(theme, area.has_basemap ? TILES : null, escape(area.attribution));
  }

  #layers(theme: "light" | "dark"): void {
    this.#map.addImage(ARROW, arrow(), { sdf: true });
    this.#map.addSource("way", { type: "geojson", data: this.#way });
    const line = { type: "line", source: "way", layout: { "line-cap": "round", "line-join": "round" } } as const;
    this.#map.addLayer({ ...line, id: "way-casing", paint: { "line-color": theme === "dark" ? "#04121f" : "#ffffff", "line-width": 11 } });
    this.#map.addLayer({ ...line, id: "way", paint: { "line-color": theme === "dark" ? "#6db8f2" : "#0a63a8", "line-width": 7 } });
  }
}
