"""Basemap: the roads of an area as vector tiles in one PMTiles file, so that the page draws with no network."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from geo_backup.roads.network import RoadNetwork, WayClass, WayFlag

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


def class_text(way_class: int) -> str:
    """The `class` property of a road: its OSM `highway` value."""
    if way_class == WayClass.EMERGENCY_ACCESS:
        return "service"
    return "road" if way_class == WayClass.UNKNOWN else WayClass(way_class).name.lower()


def write_basemap(network: RoadNetwork, path: Path, source: Path | None = None) -> str:
    """Write `path`; answers `ok`, or why there are no tiles (a map without them works).

    Layers: `roads` (class, name, bridge, tunnel, oneway); where the source is an OSM file also `water`, `green`,
    `buildings`, when it has them.
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
            if low < 12:
                # far out a name or a bridge cannot be seen; without them more lines are one
                some = some[["class", "geometry"]]
            if len(some):
                parts.append(_tile({"roads": some}, Path(folder) / f"roads{low}.pmtiles", low, high))
        _merge(parts, path, network)
    return "ok"


def _roads(network: RoadNetwork) -> Any:
    """One line a way, joined from its pieces."""
    import geopandas
    import pandas
    import shapely

    start, lon, lat = network.vertices
    line = shapely.linestrings(
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
    for key, flag in (("bridge", WayFlag.BRIDGE), ("tunnel", WayFlag.TUNNEL), ("oneway", WayFlag.ONEWAY)):
        frame[key] = np.where(flags & flag != 0, True, None)
        frame[key] = frame[key].astype("boolean")
    return geopandas.GeoDataFrame(frame, geometry=line, crs=4326)


def _tile(layers: dict[str, Any], path: Path, low: int, high: int) -> Path:
    from freestiler import freestile

    freestile(layers, path, min_zoom=low, max_zoom=high, coalesce=True, generate_ids=False, quiet=True)
    return path


def _merge(parts: list[Path], path: Path, network: RoadNetwork) -> None:
    """Join archives of different zooms into one, with the metadata freestiler leaves out."""
    from pmtiles.reader import MmapSource, Reader, all_tiles
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    west, south, east, north = network.area.extent
    with contextlib.ExitStack() as stack:
        writer = Writer(stack.enter_context(path.open("wb")))
        tiles: list[tuple[int, bytes]] = []
        fields: dict[str, dict[str, str]] = {}
        for part in parts:
            source = MmapSource(stack.enter_context(part.open("rb")))
            compression = Reader(source).header()["tile_compression"]
            tiles += [(zxy_to_tileid(*zxy), data) for zxy, data in all_tiles(source)]
        fields["roads"] = {
            "class": "String", "name": "String", "bridge": "Boolean", "tunnel": "Boolean", "oneway": "Boolean",
        }  # fmt: skip
        for tile, data in sorted(tiles):
            writer.write_tile(tile, data)
        writer.finalize(
            {
                "tile_type": TileType.MVT,
                "tile_compression": compression if parts else Compression.GZIP,
                "min_lon_e7": int(west * 1e7),
                "min_lat_e7": int(south * 1e7),
                "max_lon_e7": int(east * 1e7),
                "max_lat_e7": int(north * 1e7),
                "center_zoom": 12,
                "center_lon_e7": int((west + east) * 5e6),
                "center_lat_e7": int((south + north) * 5e6),
            },
            {
                "name": network.area.name,
                "attribution": network.area.attribution,
                "vector_layers": [
                    {"id": layer, "minzoom": MIN_ZOOM, "maxzoom": MAX_ZOOM, "fields": of}
                    for layer, of in fields.items()
                ],
            },
        )
