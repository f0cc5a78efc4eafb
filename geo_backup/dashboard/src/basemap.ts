/** The basemap's style: what the map folder's own tiles hold, in two quiet flavours, lettered from local fonts. */
import type { FilterSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";

const FLAVOURS = {
  light: {
    ground: "#e9e6df", green: "#d5e2c6", water: "#b9d3e6", building: "#dcd7cc", casing: "#c4bdb0", minor: "#ffffff", middle: "#ffffff",
    major: "#fbe3b0", motorway: "#f3cd85", path: "#cfc8ba", text: "#5c574e", halo: "#ffffffd0",
  },
  dark: {
    ground: "#14181d", green: "#18211d", water: "#0c2233", building: "#1c2127", casing: "#0d1013", minor: "#303740", middle: "#3b434c",
    major: "#4a4f52", motorway: "#5d5846", path: "#232930", text: "#9aa3ad", halo: "#14181dd0",
  },
} as const;

const of = (...classes: string[]): FilterSpecification => ["in", ["get", "class"], ["literal", classes]];
const MOTORWAY = of("motorway", "motorway_link", "trunk", "trunk_link");
const MAJOR = of("primary", "primary_link", "secondary", "secondary_link");
const MIDDLE = of("tertiary", "tertiary_link");
const MINOR = of("residential", "unclassified", "living_street", "road", "busway");
const SERVICE = of("service", "track", "pedestrian");
const PATH = of("footway", "cycleway", "path", "steps", "bridleway");

export function basemap(theme: "light" | "dark", tiles: string | null, attribution: string): StyleSpecification {
  const c = FLAVOURS[theme];
  const ground: LayerSpecification = { id: "ground", type: "background", paint: { "background-color": c.ground } };
  if (!tiles) return { version: 8, sources: {}, layers: [ground] };

  const road = (id: string, filter: FilterSpecification, color: string, widths: [number, number, number], minzoom: number): LayerSpecification[] => {
    const width = (extra: number) =>
      ["interpolate", ["exponential", 1.5], ["zoom"], 10, widths[0] + extra * 0.4, 14, widths[1] + extra, 18, widths[2] + extra * 2] as never;
    const common = { type: "line", source: "basemap", "source-layer": "roads", filter, minzoom, layout: { "line-cap": "round", "line-join": "round" } } as const;
    return [
      { id: `${id}-casing`, ...common, paint: { "line-color": c.casing, "line-width": width(1.4) } },
      { id, ...common, paint: { "line-color": color, "line-width": width(0) } },
    ];
  };
  const roads = [
    road("service", SERVICE, c.minor, [0.2, 1, 8], 13),
    road("minor", MINOR, c.minor, [0.4, 2.2, 14], 11),
    road("middle", MIDDLE, c.middle, [0.7, 3.2, 18], 9),
    road("major", MAJOR, c.major, [1, 4.2, 22], 5),
    road("motorway", MOTORWAY, c.motorway, [1.4, 5, 26], 5),
  ];
  return {
    version: 8,
    sources: { basemap: { type: "vector", url: `pmtiles://${tiles}`, attribution } },
    layers: [
      ground,
      { id: "green", type: "fill", source: "basemap", "source-layer": "green", paint: { "fill-color": c.green } },
      { id: "water", type: "fill", source: "basemap", "source-layer": "water", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c.water } },
      { id: "stream", type: "line", source: "basemap", "source-layer": "water", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": c.water, "line-width": 1.5 } },
      { id: "building", type: "fill", source: "basemap", "source-layer": "buildings", minzoom: 13, paint: { "fill-color": c.building } },
      {
        id: "path", type: "line", source: "basemap", "source-layer": "roads", filter: PATH, minzoom: 14,
        paint: { "line-color": c.path, "line-width": 1, "line-dasharray": [3, 2] },
      },
      ...roads.map((pair) => pair[0]!),
      ...roads.map((pair) => pair[1]!),
      ...([["street-names", ["all", ["has", "name"], ["any", MAJOR, MIDDLE, MOTORWAY]], 12.5], ["side-street-names", ["all", ["has", "name"], ["any", MINOR, SERVICE]], 15]] as const).map(
        ([id, filter, minzoom]): LayerSpecification => ({
          id, type: "symbol", source: "basemap", "source-layer": "roads", minzoom, filter: filter as unknown as FilterSpecification,
          // No glyph server: MapLibre draws letters from the reader's own fonts when the style names none.
          layout: { "text-field": ["get", "name"], "text-font": ["sans-serif"], "text-size": 11.5, "symbol-placement": "line", "symbol-spacing": 350 },
          paint: { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.5 },
        }),
      ),
    ],
  };
}
