"""Soundness: whether the arrays of a map fit each other and point at nothing that is not there.

Kernels trust their indices, so a damaged folder is found here or nowhere. What is asked takes one look at each array
(milliseconds for a metro); that every byte is as it was built, only the content id says (`RoadNetwork.verify`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geo_backup.errors import MapError
from geo_backup.roads.kernel import Array

SHAPES: Mapping[str, tuple[str | int, ...]] = {
    "junction_lon_e7": ("J",), "junction_lat_e7": ("J",),
    "piece_from": ("P",), "piece_to": ("P",), "piece_way": ("P",), "piece_length_m": ("P",),
    "shape_start": ("P+1",), "shape_step": ("V", 2),
    "edge_code": ("E",), "edge_flags": ("E",),
    "turn_start": ("E+1",), "turn_from": ("T",), "turn_facts": ("T",),
    "way_id": ("W",), "way_class": ("W",), "way_flags": ("W",), "way_layer": ("W",), "way_maxspeed_kmh": ("W", 2),
    "way_limits": ("W", 3), "way_name": ("W",),
}  # fmt: skip
"""Shape of each array; the first array with a letter says how many that is."""

INDICES = {"piece_from": "J", "piece_to": "J", "piece_way": "W", "edge_code": "2P", "turn_from": "E", "way_name": "N"}
"""Arrays of numbers from 0 to below a size; N are the names."""

STARTS = {"shape_start": "V", "turn_start": "E>T"}
"""Arrays that begin at 0, never fall, and end at a size."""

LONGEST_M = 1e6
CLASSES = 20
EXTENT_E7 = 20
"""Slack between the extent, in degrees, and the junctions, in whole 1e-7 degrees."""

REMEDY = "The map is damaged: copy it again, or build it again with `geo-backup map build`."


def check_arrays(arrays: Mapping[str, Array], names: Sequence[str], extent: Sequence[float], where: str) -> None:
    """Raise `MapError`, which names the array and the remedy, unless these arrays are those of a map."""
    sizes = {"N": len(names)}
    for name, shape in SHAPES.items():
        _check_shape(name, arrays[name], shape, sizes, where)
    sizes["2P"] = 2 * sizes["P"]
    if min(sizes["J"], sizes["P"], sizes["E"], sizes["W"]) == 0:
        raise damaged(where, "edge_code", "holds no road")
    if not names or names[0] != "":
        raise damaged(where, "names", "does not begin with the empty name")
    for name, letter in INDICES.items():
        _check_range(name, arrays[name], 0, sizes[letter] - 1, where)
    for name, letter in STARTS.items():
        _check_starts(name, arrays[name], sizes[letter[-1]], where)
    lengths = arrays["piece_length_m"]
    # NaN is neither: asked this way round it is caught
    if not (float(lengths.min()) > 0.0 and float(lengths.max()) <= LONGEST_M):
        raise damaged(where, "piece_length_m", "holds lengths that no road has")
    _check_range("way_class", arrays["way_class"], 0, CLASSES - 1, where)
    west, south, east, north = (round(degrees * 1e7) for degrees in checked_extent(extent, where))
    _check_range("junction_lon_e7", arrays["junction_lon_e7"], west - EXTENT_E7, east + EXTENT_E7, where)
    _check_range("junction_lat_e7", arrays["junction_lat_e7"], south - EXTENT_E7, north + EXTENT_E7, where)


def checked_extent(extent: Any, where: str) -> tuple[float, float, float, float]:
    """The extent of `area.toml`, if it is one."""
    if isinstance(extent, list | tuple) and len(extent) == 4 and all(type(v) in (int, float) for v in extent):
        west, south, east, north = (float(v) for v in extent)
        # NaN is between nothing
        if -215.0 <= west <= east <= 215.0 and -90.0 <= south <= north <= 90.0 and east - west < 180.0:
            return west, south, east, north
    raise MapError(f"{where}/area.toml has no extent of west, south, east, north in degrees. {REMEDY}")


def damaged(where: str, name: str, what: str) -> MapError:
    """The error for one array, by its name."""
    return MapError(f"{where}: {name} {what}. {REMEDY}")


def _check_shape(name: str, array: Array, shape: tuple[str | int, ...], sizes: dict[str, int], where: str) -> None:
    if array.ndim != len(shape) or not array.flags.c_contiguous:
        raise damaged(where, name, f"has {array.ndim} dimensions instead of {len(shape)}, or another order")
    letter, more = str(shape[0]).partition("+")[::2]
    count = len(array) - int(more or 0)
    expected = sizes.setdefault(letter, count)
    if count != expected or count < 0:
        raise damaged(where, name, f"has {len(array)} rows instead of {expected + int(more or 0)}")
    # limits may be told for both directions apart
    wide = name == "way_limits" and array.shape[-1] == 6
    if array.shape[1:] != shape[1:] and not wide:
        raise damaged(where, name, f"has {array.shape[-1]} columns instead of {shape[-1]}")


def _check_range(name: str, array: Array, low: int, high: int, where: str) -> None:
    if len(array) and not (low <= int(array.min()) and int(array.max()) <= high):
        raise damaged(where, name, f"holds numbers outside {low} to {high}")


def _check_starts(name: str, array: Array, end: int, where: str) -> None:
    if int(array[0]) != 0 or int(array[-1]) != end or bool((array[1:] < array[:-1]).any()):
        raise damaged(where, name, f"does not rise from 0 to {end}")
