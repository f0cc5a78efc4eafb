"""Outlines: how a street runs and where it meets others, packed small; and where two come nearest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import shapely  # type: ignore[import-untyped, unused-ignore]

from geo_backup.geodesy import metres_per_deg
from geo_backup.roads.kernel import Array

Parts = list[list[tuple[int, int]]]
"""Lines of lon_e7, lat_e7."""

STEP_E7 = 50
"""Outlines are kept in whole steps of half a metre."""
BEND_M = 4.0
"""A bend that leaves the straight line by less is left out."""


class Nearest(NamedTuple):
    """Where two streets come nearest: half-way between them, and metres from one to the other."""

    lon: float
    lat: float
    apart_m: float


class Meeting(NamedTuple):
    """Another street, and where it is met."""

    other: int
    lon_e7: int
    lat_e7: int


def straightened(lines: Array, street: Array, count: int) -> list[Parts]:
    """Lines object[N] by the street that each belongs to, ascending, joined and without their smaller bends."""
    out: list[Parts] = [[] for _ in range(count)]
    if not len(lines):
        return out
    some, group = np.unique(street, return_inverse=True)
    simple = shapely.simplify(shapely.line_merge(shapely.multilinestrings(lines, indices=group)), BEND_M / 0.0111)
    parts, owner = shapely.get_parts(simple, return_index=True)
    places, of = shapely.get_coordinates(parts, return_index=True)
    cuts = np.flatnonzero(np.diff(of)) + 1
    rows = np.split(np.rint(places).astype(np.int64), cuts) if len(of) else []
    for index, line in zip(some[owner].tolist(), rows, strict=True):
        out[index].append([(lon_e7, lat_e7) for lon_e7, lat_e7 in line.tolist()])
    return out


def pack(parts: Parts) -> bytes:
    """Bytes of some lines: how many vertices, then the steps from one to the next."""
    numbers = [len(parts)]
    x = y = 0
    for part in parts:
        numbers.append(len(part) * 2)
        for lon_e7, lat_e7 in part:
            to_x, to_y = round(lon_e7 / STEP_E7), round(lat_e7 / STEP_E7)
            numbers += [to_x - x, to_y - y]
            x, y = to_x, to_y
    return packed(numbers)


def unpack(data: bytes) -> list[Array]:
    """Lines float64[n, 2] of lon, lat in degrees."""
    numbers = unpacked(data)
    parts, at, last = [], 1, np.zeros(2)
    for _ in range(numbers[0]):
        size = numbers[at]
        steps = np.array(numbers[at + 1 : at + 1 + size], np.float64).reshape(-1, 2)
        line = last + np.cumsum(steps, axis=0)
        parts.append(line * (STEP_E7 / 1e7))
        at, last = at + 1 + size, line[-1]
    return parts


def pack_meetings(meetings: list[Meeting], lon_e7: int, lat_e7: int) -> bytes:
    """Bytes of where other streets meet one that lies at a place."""
    numbers: list[int] = []
    last = 0
    for other, x, y in sorted(meetings):
        numbers += [other - last, round((x - lon_e7) / STEP_E7), round((y - lat_e7) / STEP_E7)]
        last = other
    return packed(numbers)


def unpack_meetings(data: bytes, lon_e7: int, lat_e7: int) -> list[Meeting]:
    """The other way round."""
    numbers = unpacked(data)
    out, last = [], 0
    for at in range(0, len(numbers), 3):
        last += numbers[at]
        out.append(Meeting(last, lon_e7 + numbers[at + 1] * STEP_E7, lat_e7 + numbers[at + 2] * STEP_E7))
    return out


def packed(numbers: Iterable[int]) -> bytes:
    """Small numbers in few bytes: 7 bits a byte, the sign in the lowest."""
    out = bytearray()
    for number in numbers:
        left = number * 2 if number >= 0 else -number * 2 - 1
        while left > 127:
            out.append(left & 127 | 128)
            left >>= 7
        out.append(left)
    return bytes(out)


def unpacked(data: bytes) -> list[int]:
    """The other way round."""
    numbers: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 127) << shift
        if byte < 128:
            numbers.append((number >> 1) ^ -(number & 1))
            number = shift = 0
        else:
            shift += 7
    return numbers


def nearest(a: list[Array], b: list[Array]) -> Nearest:
    """Where two streets come nearest."""
    lat = float(a[0][0, 1])
    east_m, north_m = (float(one) for one in metres_per_deg(lat))
    scale = np.array([east_m, north_m])
    one, other = (shapely.MultiLineString([part * scale for part in parts if len(part) > 1]) for parts in (a, b))
    gap = np.array(shapely.shortest_line(one, other).coords)
    lon, lat = gap.mean(axis=0) / scale
    return Nearest(float(lon), float(lat), float(np.hypot(*(gap[1] - gap[0]))))
