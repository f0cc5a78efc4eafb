/** The basemap's style: what the map folder's own tiles hold, in two quiet flavours, lettered from local fonts. */
import type { ExpressionSpecification, FilterSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";

/** Ground, water and streets keep close to each other, and nothing is as vivid or as dark as a unit, an incident or a way to drive. */
const FLAVOURS = {
  light: {
    ground: "#f2f0eb", green: "#e6ebdd", water: "#d3e1ea", shore: "#bccfdb", building: "#eae6de",
    casing: "#dedad1", strong: "#cfc8b9", bridge: "#b3ab9d",
    path: "#d9d4ca", service: "#faf9f6", minor: "#ffffff", middle: "#ffffff", major: "#fcf6e4", motorway: "#f6e8c3",
    text: "#76716a", strongText: "#625d56", halo: "#f7f5f1e0", arrow: "#a39c90",
  },
  dark: {
    ground: "#13171b", green: "#161d1a", water: "#142531", shore: "#1d3442", building: "#191e23",
    casing: "#0d1013", strong: "#0d1013", bridge: "#4c545c",
    path: "#23292f", service: "#20262c", minor: "#282f36", middle: "#2e353c", major: "#38393a", motorway: "#47433a",
    text: "#818a93", strongText: "#959da5", halo: "#11151ad8", arrow: "#606a74",
  },
} as const;

const of = (...classes: string[]): FilterSpecification => ["in", ["get", "class"], ["literal", classes]];
const all = (...filters: unknown[]): FilterSpecification => ["all", ...filters] as unknown as FilterSpecification;
const SERVICE = of("service", "track", "pedestrian");
const PATH = of("footway", "cycleway", "path", "steps", "bridleway");
/** A road of two numbers is "E 6;E 20" in OpenStreetMap. */
const NAME: ExpressionSpecification = ["join", ["split", ["get", "name"], ";"], " / "];
const BRIDGE = ["==", ["get", "bridge"], true];
const TUNNEL = ["==", ["get", "tunnel"], true];

type Width = readonly [at10: number, at14: number, at18: number];

/** From small to large, which is also the order in which they are drawn. Main roads are named from the first zoom on. */
const CLASSES: { id: "service" | "minor" | "middle" | "major" | "motorway"; filter: FilterSpecification; width: Width; from: number; named: number; size: number }[] = [
  { id: "service", filter: SERVICE, width: [0.2, 1.1, 8], from: 13, named: 15, size: 10.5 },
  { id: "minor", filter: of("residential", "unclassified", "living_street", "road", "busway"), width: [0.4, 2.6, 15], from: 11, named: 13, size: 11 },
  { id: "middle", filter: of("tertiary", "tertiary_link"), width: [0.8, 3.6, 19], from: 9, named: 13, size: 11.5 },
  { id: "major", filter: of("primary", "primary_link", "secondary", "secondary_link"), width: [1, 4.4, 23], from: 5, named: 12.5, size: 12 },
  { id: "motorway", filter: of("motorway", "motorway_link", "trunk", "trunk_link"), width: [1.2, 5, 26], from: 5, named: 12.5, size: 12 },
];

const width = ([at10, at14, at18]: Width, extra: number): ExpressionSpecification =>
  ["interpolate", ["exponential", 1.5], ["zoom"], 10, at10 + extra * 0.4, 14, at14 + extra, 18, at18 + extra * 2];

/** Made by the map when its style has been read: a small arrow to the right. */
export const ARROW = "arrow";

export function basemap(theme: "light" | "dark", tiles: string | null, attribution: string): StyleSpecification {
  const c = FLAVOURS[theme];
  const ground: LayerSpecification = { id: "ground", type: "background", paint: { "background-color": c.ground } };
  if (!tiles) return { version: 8, sources: {}, layers: [ground] };

  const area = (id: string, color: string, minzoom = 0): LayerSpecification =>
    ({ id, type: "fill", source: "basemap", "source-layer": id === "building" ? "buildings" : id, minzoom, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": color } });
  const road = { type: "line", source: "basemap", "source-layer": "roads" } as const;
  const round = { "line-cap": "round", "line-join": "round" } as const;
  // A tunnel is beneath all the others, a bridge above them: its edges are dark, so that it stands out from the water.
  const levels = [
    { level: "tunnel", filter: TUNNEL, casing: () => c.casing, extra: 1.4, opacity: 0.45, cap: { "line-cap": "butt", "line-join": "round" } as const },
    { level: "street", filter: ["!", ["any", TUNNEL, BRIDGE]], casing: (id: string) => (id === "major" || id === "motorway" ? c.strong : c.casing), extra: 1.5, opacity: 1, cap: round },
    { level: "bridge", filter: BRIDGE, casing: () => c.bridge, extra: 2.2, opacity: 1, cap: { "line-cap": "butt", "line-join": "round" } as const },
  ];
  const roads = levels.flatMap(({ level, filter, casing, extra, opacity, cap }): LayerSpecification[] => [
    ...CLASSES.map((k): LayerSpecification => ({
      ...road, id: `${k.id}-${level}-casing`, minzoom: k.from, filter: all(k.filter, filter), layout: cap,
      paint: { "line-color": casing(k.id), "line-width": width(k.width, extra), "line-opacity": opacity },
    })),
    ...CLASSES.map((k): LayerSpecification => ({
      ...road, id: `${k.id}-${level}`, minzoom: k.from, filter: all(k.filter, filter), layout: round,
      paint: { "line-color": c[k.id], "line-width": width(k.width, 0), "line-opacity": opacity },
    })),
  ]);
  const names = [...CLASSES].reverse().map((k): LayerSpecification => ({
    id: `${k.id}-names`, type: "symbol", source: "basemap", "source-layer": "roads", minzoom: k.named, filter: all(["has", "name"], k.filter),
    // No glyph server: MapLibre draws letters from the reader's own fonts when the style names none.
    layout: {
      "text-field": NAME, "text-font": ["sans-serif"], "symbol-placement": "line", "symbol-spacing": 420, "text-padding": 6,
      "text-size": ["interpolate", ["linear"], ["zoom"], 13, k.size - 0.5, 17, k.size + 2], "text-max-angle": 35,
    },
    paint: { "text-color": k.id === "major" || k.id === "motorway" ? c.strongText : c.text, "text-halo-color": c.halo, "text-halo-width": 1.4 },
  }));
  // Along the line, which tiles give in the direction of driving.
  const arrows: LayerSpecification = {
    id: "one-way", type: "symbol", source: "basemap", "source-layer": "roads", minzoom: 15, filter: all(["==", ["get", "along"], true], ["!", PATH as never]),
    layout: { "symbol-placement": "line", "symbol-spacing": 110, "icon-image": ARROW, "icon-size": ["interpolate", ["linear"], ["zoom"], 15, 0.55, 18, 1], "icon-allow-overlap": true, "icon-ignore-placement": true },
    paint: { "icon-color": c.arrow },
  };
  return {
    version: 8,
    sources: { basemap: { type: "vector", url: `pmtiles://${tiles}`, attribution } },
    layers: [
      ground,
      area("green", c.green),
      area("water", c.water),
      { id: "shore", type: "line", source: "basemap", "source-layer": "water", paint: { "line-color": c.shore, "line-width": ["interpolate", ["linear"], ["zoom"], 10, 0.5, 16, 1.5] } },
      area("building", c.building, 13),
      { ...road, id: "path", filter: PATH, minzoom: 14, paint: { "line-color": c.path, "line-width": 1.1, "line-dasharray": [3, 2] } },
      ...roads,
      arrows,
      ...names,
    ],
  };
}

/** White on clear, to be coloured by the style. */
export function arrow(): ImageData {
  return painted(24, 24, (context) => {
    context.fillStyle = "#ffffff";
    for (const [x, y] of [[3, 10.5], [14, 10.5], [14, 5], [22, 12], [14, 19], [14, 13.5], [3, 13.5]] as const) context.lineTo(x, y);
    context.fill();
  });
}

export function painted(width: number, height: number, paint: (context: CanvasRenderingContext2D) => void): ImageData {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.beginPath();
  paint(context);
  return context.getImageData(0, 0, width, height);
}
