"""Basemap: the roads of an area as vector tiles in one PMTiles file, so that the page draws with no network."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from geo_backup.cartography.osm import SCENERY_KEYS
from geo_backup.errors import MapError
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass, WayFlag

MIN_ZOOM, MAX_ZOOM = 5, 14

# Small streets come in as one zooms in: a whole metro at zoom 5 would be one tile of megabytes.
ROAD_BANDS: tuple[tuple[int, int, int], ...] = (
    (5, 7, WayClass.TRUNK_LINK),
    (8, 9, WayClass.PRIMARY_LINK),
    (10, 10, WayClass.SECONDARY_LINK),
    (11, 11, WayClass.TERTIARY_LINK),
    (12, 12, WayClass.RESIDENTIAL),
    (13, MAX_ZOOM, WayClass.UNKNOWN),
)
"""First zoom, last zoom, smallest class drawn."""


NAMES_FROM = 12

SCENERY_BANDS = ((5, 9), (10, 12), (13, 13), (14, MAX_ZOOM))
SMALLEST_M2 = {5: 1_000_000.0, 10: 40_000.0, 13: 2_000.0, 14: 0.0}
"""Smallest area drawn from the first zoom of a band on."""
BUILDINGS_FROM = 14
WATER_BEYOND_DEG = 0.02
"""A water file is drawn so far outside the map, so that a river does not end at its edge."""
SCENERY_TILE_BYTES = 55_000
"""With the roads a tile then stays under 100 KB."""

GREEN: dict[str, tuple[str, ...]] = {
    "natural": ("wood", "scrub", "grassland", "heath", "wetland", "beach"),
    "landuse": ("forest", "grass", "meadow", "recreation_ground", "village_green", "cemetery", "orchard", "vineyard",
                "allotments"),
    "leisure": ("park", "garden", "golf_course", "pitch", "nature_reserve", "common"),
}  # fmt: skip

_AREA = {"class": "String"}
FIELDS: dict[str, dict[str, str]] = {
    "roads": {"class": "String", "name": "String", "bridge": "Boolean", "tunnel": "Boolean", "along": "Boolean"},
    "water": _AREA,
    "green": _AREA,
    "buildings": _AREA,
}
"""Properties by layer."""


def class_text(way_class: int) -> str:
    """The `class` property of a road: its OSM `highway` value."""
    if way_class == WayClass.EMERGENCY_ACCESS:
        return "service"
    return "road" if way_class == WayClass.UNKNOWN else WayClass(way_class).name.lower()


def write_basemap(network: RoadNetwork, path: Path, source: Path | None = None, water: Path | None = None) -> str:
    """Write `path`; answers `ok`, or why there are no tiles (a map without them works).

    Layers: `roads` (class, name, bridge, tunnel, along: driven that way only); where the source is an OSM file also
    `water`, `green`, `buildings`, when it has them. `water` is a GeoJSON file of areas to draw as water besides.
    """
    try:
        import freestiler  # noqa: F401
    except ImportError:
        return "no tiles: freestiler is not installed on this machine"
    roads = _roads(network)
    with tempfile.TemporaryDirectory() as folder:
        parts: list[Path] = []
        for low, high, smallest in ROAD_BANDS:
            some = roads[roads["rank"] <= smallest].drop(columns="rank")
            if low < NAMES_FROM:
                # far out a name or a bridge cannot be seen; without them more lines are one
                some = some[["class", "geometry"]]
            if len(some):
                some = coalesced(some, 360.0 / 2**high)
                parts.append(_tile({"roads": some}, Path(folder) / f"roads{low}.pmtiles", low, high))
        drawn = scenery(source) if source is not None else {}
        if water is not None:
            drawn = _with_water(drawn, water, network.area.extent)
        if drawn:
            for low, high in SCENERY_BANDS:
                part = _tile_scenery(drawn, Path(folder) / f"scenery{low}.pmtiles", low, high)
                parts += [part] if part else []
        _merge(parts, path, network, ["roads", *drawn])
    return "ok"


def _tile_scenery(drawn: dict[str, Any], path: Path, low: int, high: int) -> Path | None:
    """Areas of one band of zooms; the smallest are left out until the tiles are light enough. None when all are."""
    from pmtiles.reader import MmapSource, all_tiles

    smallest_m2 = SMALLEST_M2[low]
    while True:
        layers = {
            name: frame[frame["size_m2"] >= smallest_m2].drop(columns="size_m2")
            for name, frame in drawn.items()
            if name != "buildings" or low >= BUILDINGS_FROM
        }
        layers = {name: frame for name, frame in layers.items() if len(frame)}
        if not layers:
            return None
        _tile(layers, path, low, high)
        with path.open("rb") as file:
            largest = max((len(data) for _, data in all_tiles(MmapSource(file))), default=0)
        if largest <= SCENERY_TILE_BYTES:
            return path
        smallest_m2 = max(25.0, 2.0 * smallest_m2)


def scenery(source: Path) -> dict[str, Any]:
    """Areas of an OSM file by layer, as GeoDataFrames with `class` and `size_m2`; layers without any are left out."""
    import geopandas
    import osmium
    import shapely  # type: ignore[import-untyped, unused-ignore]

    factory = osmium.geom.WKBFactory()
    filters = osmium.filter.KeyFilter(*SCENERY_KEYS)
    shapes: dict[str, tuple[list[str], list[str]]] = {"water": ([], []), "green": ([], []), "buildings": ([], [])}
    for thing in osmium.FileProcessor(str(source)).with_areas(filters).with_filter(filters):
        if not thing.is_area():
            continue
        kind = scenery_kind({tag.k: tag.v for tag in thing.tags})
        if kind is None:
            continue
        try:
            shape = factory.create_multipolygon(thing)
        except (RuntimeError, ValueError):
            # a broken multipolygon is one lake less on the picture, and no road less
            continue
        shapes[kind[0]][0].append(shape)
        shapes[kind[0]][1].append(kind[1])
    out = {}
    for name, (wkb, classes) in shapes.items():
        if wkb:
            geometry = shapely.from_wkb(wkb)
            size_m2 = _size_m2(geometry)
            out[name] = geopandas.GeoDataFrame({"class": classes, "size_m2": size_m2}, geometry=geometry, crs=4326)
    return out


def _with_water(drawn: dict[str, Any], path: Path, extent: tuple[float, float, float, float]) -> dict[str, Any]:
    """The layers with the areas of a file in that of the water, cut off a little outside the map."""
    import geopandas
    import pandas
    import shapely  # type: ignore[import-untyped, unused-ignore]

    areas = read_areas(path)
    west, south, east, north = extent
    frame = shapely.box(
        west - WATER_BEYOND_DEG, south - WATER_BEYOND_DEG, east + WATER_BEYOND_DEG, north + WATER_BEYOND_DEG
    )
    areas = shapely.intersection(shapely.make_valid(areas), frame)
    areas = areas[~shapely.is_empty(areas)]
    added = geopandas.GeoDataFrame(
        {"class": ["water"] * len(areas), "size_m2": _size_m2(areas)}, geometry=areas, crs=4326
    )
    if "water" in drawn:
        added = pandas.concat([drawn["water"], added], ignore_index=True)
    rest = {name: layer for name, layer in drawn.items() if name != "water"}
    return {"water": added, **rest} if len(added) else rest


def read_areas(path: Path) -> Any:
    """Polygons and multipolygons of a GeoJSON file, as an array of shapes. Raises `MapError` when there are none."""
    import shapely  # type: ignore[import-untyped, unused-ignore]

    try:
        document = orjson.loads(path.read_bytes())
        features = document["features"] if document["type"] == "FeatureCollection" else [document]
        shapes = [feature.get("geometry", feature) for feature in features]
        named = [orjson.dumps(shape) for shape in shapes if shape and shape["type"] in ("Polygon", "MultiPolygon")]
        areas = shapely.from_geojson(named)
    except OSError as error:
        raise MapError(f"{path} cannot be read: {error.strerror or error}. Give --water a GeoJSON file.") from None
    except (ValueError, KeyError, TypeError, AttributeError, shapely.GEOSException):
        raise MapError(f"{path} is not GeoJSON. Give --water a FeatureCollection of areas.") from None
    if not len(areas):
        raise MapError(f"{path} holds no areas. Give --water a FeatureCollection of Polygons or MultiPolygons.")
    return areas


def _size_m2(geometry: Any) -> Any:
    import shapely  # type: ignore[import-untyped, unused-ignore]

    shrink = np.cos(np.radians(shapely.bounds(geometry)[:, 1]))
    return shapely.area(geometry) * 111_195.0**2 * shrink


def scenery_kind(tags: dict[str, str]) -> tuple[str, str] | None:
    """Layer and `class` of an area; None when the basemap does not draw it."""
    if tags.get("building", "no") != "no":
        return "buildings", "building"
    for key, value in tags.items():
        if (key == "natural" and value in ("water", "bay")) or (key == "waterway" and value in ("riverbank", "dock")):
            return "water", value
        if key == "landuse" and value in ("reservoir", "basin"):
            return "water", value
        if value in GREEN.get(key, ()):
            return "green", value
    return None


def _roads(network: RoadNetwork) -> Any:
    """One line a piece, with what its way says; tiles join those alike."""
    import geopandas
    import pandas
    import shapely  # type: ignore[import-untyped, unused-ignore]

    start, lon, lat = network.vertices
    line: Any = shapely.linestrings(
        np.column_stack((lon, lat)), indices=np.repeat(np.arange(network.pieces), np.diff(start))
    )
    way = network.piece_way
    flags = network.way_flags[way]
    names = np.array(network.names, dtype=object)
    names[0] = None
    classes = np.array([class_text(c) for c in range(max(WayClass) + 1)], dtype=object)
    frame = pandas.DataFrame(
        {
            "class": classes[network.way_class[way]],
            "name": names[network.way_name[way]],
            "rank": network.way_class[way],
        }
    )
    line = _as_driven(network, line)
    for key, flag in (("bridge", WayFlag.BRIDGE), ("tunnel", WayFlag.TUNNEL), ("along", WayFlag.ONEWAY)):
        # absent rather than false: most roads are neither, and tiles are smaller
        frame[key] = pandas.array([True if said else None for said in (flags & flag != 0).tolist()], dtype="boolean")
    return _on_one_earth(geopandas.GeoDataFrame(frame, geometry=line, crs=4326))


def _as_driven(network: RoadNetwork, line: Any) -> Any:
    """The lines of one-way streets in the direction in which they are driven: some are drawn against it."""
    import shapely  # type: ignore[import-untyped, unused-ignore]

    driven = np.zeros((network.pieces, 2), bool)
    legal = np.asarray(network.edge_flags) & EdgeFlag.LEGAL != 0
    driven[network.edge_piece[legal], network.edge_against[legal].astype(np.intp)] = True
    against = (network.way_flags[network.piece_way] & WayFlag.ONEWAY != 0) & driven[:, 1] & ~driven[:, 0]
    line[against] = shapely.reverse(line[against])
    return line


def _on_one_earth(roads: Any) -> Any:
    """Lines with what lies beyond the 180th meridian brought to where tiles have it, cut there."""
    import pandas

    west, _, east, _ = roads.total_bounds
    if west >= -180.0 and east <= 180.0:
        return roads
    turns = [
        roads.assign(geometry=roads.geometry.translate(shift).clip_by_rect(-180.0, -90.0, 180.0, 90.0))
        for shift in (0.0, 360.0, -360.0)
    ]
    whole = pandas.concat(turns, ignore_index=True).explode(ignore_index=True)
    return whole[~whole.geometry.is_empty].reset_index(drop=True)


def coalesced(lines: Any, cell_deg: float) -> Any:
    """Lines with equal properties in the same square of the earth joined into one (multi)line.

    freestiler can join lines itself, but in another order each time, and a map is to be the same bytes every time.
    """
    import geopandas
    import shapely  # type: ignore[import-untyped, unused-ignore]

    bounds = shapely.bounds(lines.geometry.values)
    keys = lines.drop(columns="geometry")
    squares = np.floor((bounds[:, :2] + bounds[:, 2:]) / 2.0 / cell_deg).astype(np.int64)
    keys = keys.assign(column=squares[:, 0], row=squares[:, 1])
    group = keys.groupby(list(keys.columns), dropna=False, sort=False).ngroup().to_numpy()
    first = np.unique(group, return_index=True)[1]
    order = np.argsort(group, kind="stable")
    bundle: Any = shapely.multilinestrings(lines.geometry.values[order], indices=group[order])
    told = lines.iloc[first].drop(columns="geometry").reset_index(drop=True)
    joined = shapely.line_merge(bundle)
    if "along" in told:
        along = told["along"].fillna(False).to_numpy(bool)
        joined[along] = shapely.line_merge(bundle[along], directed=True)
    return geopandas.GeoDataFrame(told, geometry=joined, crs=4326)


def _tile(layers: dict[str, Any], path: Path, low: int, high: int) -> Path:
    from freestiler import freestile

    freestile(layers, path, min_zoom=low, max_zoom=high, coalesce=False, generate_ids=False, quiet=True)
    return path


def _merge(parts: list[Path], path: Path, network: RoadNetwork, layers: list[str]) -> None:
    """Join archives into one, with the metadata freestiler leaves out.

    Two archives may hold the same tile with different layers: a vector tile is a list of layers, so the two put one
    after the other are one tile.
    """
    from pmtiles.reader import MmapSource, all_tiles
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    west, south, east, north = network.area.extent
    centre_lon, centre_lat = network.middle
    if west < -180.0 or east > 180.0:
        west, east = -180.0, 180.0
    with contextlib.ExitStack() as stack:
        writer = Writer(stack.enter_context(path.open("wb")))
        tiles: dict[int, bytes] = {}
        for part in parts:
            source = MmapSource(stack.enter_context(part.open("rb")))
            for zxy, data in all_tiles(source):
                tile = zxy_to_tileid(*zxy)
                tiles[tile] = tiles.get(tile, b"") + gzip.decompress(data)
        for tile, plain in sorted(tiles.items()):
            writer.write_tile(tile, gzip.compress(plain, compresslevel=9, mtime=0))
        writer.finalize(
            {
                "tile_type": TileType.MVT,
                "tile_compression": Compression.GZIP,
                "min_lon_e7": int(west * 1e7),
                "min_lat_e7": int(south * 1e7),
                "max_lon_e7": int(east * 1e7),
                "max_lat_e7": int(north * 1e7),
                "center_zoom": 12,
                "center_lon_e7": int(centre_lon * 1e7),
                "center_lat_e7": int(centre_lat * 1e7),
            },
            {
                "name": network.area.name,
                "attribution": network.area.attribution,
                "vector_layers": [
                    {"id": layer, "minzoom": MIN_ZOOM, "maxzoom": MAX_ZOOM, "fields": FIELDS[layer]} for layer in layers
                ],
            },
        )
