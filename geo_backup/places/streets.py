"""Streets: ways of one name that hang together, and the places where two streets meet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import shapely  # type: ignore[import-untyped, unused-ignore]

from geo_backup.geodesy import distance_m
from geo_backup.places.facts import MOST_NAMES, Lines, Name, Names
from geo_backup.places.folding import fold, road_number
from geo_backup.places.outline import Parts, straightened
from geo_backup.roads.kernel import Array

CELL_E7 = 40_000
"""Ways of one name whose vertices lie in the same or neighbouring squares of this size (445 m) are one street."""
SAME_CROSSING_M = 45.0
"""Vertices that two streets share so near each other are one crossing: the corners of a divided road."""
MOST_AT_A_VERTEX = 12
"""Streets that meet in one place; of more the first are paired."""


@dataclass
class Streets:
    """Columns by street [S] and by crossing [C]."""

    names: list[Names] = field(default_factory=list)
    number: list[str] = field(default_factory=list)
    """Of a numbered road in one spelling (`a28`), else empty."""
    weight: Array = field(default_factory=lambda: np.zeros(0, np.int8))
    lon_e7: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    lat_e7: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    lines: list[Parts] = field(default_factory=list)
    """How each runs, straightened a little."""
    box_e7: Array = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    """West, south, east, north."""
    crossings: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Two streets, the lower first, and where they meet (lon_e7, lat_e7)."""

    def __len__(self) -> int:
        return len(self.names)


def streets_of(lines: Lines, joints: list[list[int]]) -> Streets:
    """Order ways into streets and crossings."""
    label, way, names = _labels(lines)
    if not len(label):
        return Streets()
    start = np.frombuffer(lines.start, np.int64)
    lon, lat = np.frombuffer(lines.lon_e7, np.int32).astype(np.int64), np.frombuffer(lines.lat_e7, np.int32)
    lat = lat.astype(np.int64)
    size = np.diff(start)[way]
    # one row a vertex of each labelled way
    row_of = np.repeat(np.arange(len(way)), size)
    vertex = np.arange(len(row_of)) - np.repeat(np.cumsum(size) - size, size) + start[way][row_of]
    numbered = np.array([bool(number) for _, number in names])
    street = _hang_together(label[row_of], row_of, lon[vertex], lat[vertex], numbered)
    return _columns(lines, names, label, way, street, row_of, vertex, lon, lat, joints)


def _labels(lines: Lines) -> tuple[Array, Array, list[tuple[str, str]]]:
    """Each way under its name and under each of its road numbers: label int64[R], way int64[R], and the labels."""
    known: dict[tuple[str, str], int] = {}
    label: list[int] = []
    way: list[int] = []
    for index, (names, roads) in enumerate(zip(lines.names, lines.road, strict=True)):
        keys = [(fold(names[0].text), "")] if names and fold(names[0].text) else []
        keys += [(number, number) for road in roads.split(";") if (number := road_number(road))]
        for key in dict.fromkeys(keys):
            label.append(known.setdefault(key, len(known)))
            way.append(index)
    return np.array(label, np.int64), np.array(way, np.int64), list(known)


def _hang_together(label: Array, row: Array, lon: Array, lat: Array, numbered: Array) -> Array:
    """int64[rows]: the part of the ways of one name that each labelled way belongs to, numbered through."""
    shrink = np.cos(np.radians(lat.mean() / 1e7))
    cx, cy = (lon * shrink // CELL_E7).astype(np.int64), lat // CELL_E7
    cx, cy = cx - cx.min() + 1, cy - cy.min() + 1
    one = numbered[label]
    cx, cy = np.where(one, 0, cx), np.where(one, 0, cy)  # a numbered road is one however far it goes
    wide, high = int(cx.max()) + 3, int(cy.max()) + 3
    code = (label * high + cy) * wide + cx
    cells, cell = np.unique(code, return_inverse=True)
    follows = np.flatnonzero(row[1:] == row[:-1])
    joined = [(cell[follows], cell[follows + 1])]
    for step in (1, wide - 1, wide, wide + 1):
        at = np.searchsorted(cells, cells + step)
        hit = np.flatnonzero((at < len(cells)) & (cells[np.minimum(at, len(cells) - 1)] == cells + step))
        joined.append((hit, at[hit]))
    a, b = (np.concatenate(side) for side in zip(*joined, strict=True))
    from scipy.sparse import coo_array  # slow to import, and a map is built once
    from scipy.sparse.csgraph import connected_components

    _, part = connected_components(
        coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(cells), len(cells))), directed=False
    )
    first = np.concatenate(([True], row[1:] != row[:-1]))
    return np.asarray(part[cell[first]])


def _columns(
    lines: Lines,
    labels: list[tuple[str, str]],
    label: Array,
    way: Array,
    part: Array,
    row_of: Array,
    vertex: Array,
    lon: Array,
    lat: Array,
    joints: list[list[int]],
) -> Streets:
    # streets in the order of their labels, then of their first ways: the same for the same source
    _, first = np.unique(part, return_index=True)
    renumber = np.empty(len(first), np.int64)
    renumber[np.argsort(first, kind="stable")] = np.arange(len(first))
    part = renumber[part]
    count = len(first)
    out = Streets(weight=np.zeros(count, np.int8))
    said: list[Counter[Name]] = [Counter() for _ in range(count)]
    out.number = [""] * count
    weights = np.frombuffer(lines.weight, np.int8)
    np.maximum.at(out.weight, part, weights[way])
    for index, street in enumerate(part.tolist()):
        number = labels[int(label[index])][1]
        if number:
            out.number[street] = number
            roads = [road.strip() for road in lines.road[int(way[index])].split(";")]
            said[street].update(Name(" ".join(road.split()), 0) for road in roads if road_number(road) == number)
        else:
            said[street].update(lines.names[int(way[index])])
    out.names = [_ordered(counts) for counts in said]
    out.lines = _lines(lines, way, part, count)
    street_v = part[row_of]
    order = np.argsort(street_v, kind="stable")
    begin = np.flatnonzero(np.concatenate(([True], np.diff(street_v[order]) > 0)))
    x, y = lon[vertex[order]], lat[vertex[order]]
    out.box_e7 = np.column_stack(
        (
            np.minimum.reduceat(x, begin),
            np.minimum.reduceat(y, begin),
            np.maximum.reduceat(x, begin),
            np.maximum.reduceat(y, begin),
        )
    )
    size = np.diff(np.concatenate((begin, [len(order)])))
    mx, my = (np.repeat(np.add.reduceat(axis.astype(np.float64), begin) / size, size) for axis in (x, y))
    nearest = np.lexsort(((x - mx) ** 2 + (y - my) ** 2, street_v[order]))[begin]
    out.lon_e7, out.lat_e7 = x[nearest], y[nearest]
    out.crossings = _crossings(lines, part, way, street_v, vertex, lon, lat, joints)
    return out


def _lines(lines: Lines, way: Array, part: Array, count: int) -> list[Parts]:
    """How each street runs, straightened."""
    start = np.frombuffer(lines.start, np.int64)
    size = np.diff(start)
    places = np.column_stack((np.frombuffer(lines.lon_e7, np.int32), np.frombuffer(lines.lat_e7, np.int32)))
    real = np.flatnonzero(size > 1)
    within = np.repeat(size > 1, size)
    shape = np.full(len(size), None, object)
    shape[real] = shapely.linestrings(places[within], indices=np.repeat(np.arange(len(real)), size[real]))
    rows = np.flatnonzero(size[way] > 1)
    rows = rows[np.argsort(part[rows], kind="stable")]
    return straightened(shape[way[rows]], part[rows], count)


def _ordered(counts: Counter[Name]) -> Names:
    """A street's names: the one it is called first, then the others, those said most often first."""
    by = sorted(counts.items(), key=lambda item: (item[0].rank, -item[1], item[0].text))
    seen: set[str] = set()
    out = []
    for name, _ in by:
        folded = fold(name.text)
        if folded and folded not in seen:
            seen.add(folded)
            out.append(name)
    return tuple(out[:MOST_NAMES])


def _crossings(
    lines: Lines,
    part: Array,
    way: Array,
    street_v: Array,
    vertex: Array,
    lon: Array,
    lat: Array,
    joints: list[list[int]],
) -> list[tuple[int, int, int, int]]:
    key = np.frombuffer(lines.key, np.int64)[vertex].copy()
    place_x, place_y = lon[vertex].copy(), lat[vertex].copy()
    if joints:
        _join(key, place_x, place_y, joints)
    order = np.lexsort((street_v, key))
    key, street_v, place_x, place_y = key[order], street_v[order], place_x[order], place_y[order]
    fresh = np.concatenate(([True], (key[1:] != key[:-1]) | (street_v[1:] != street_v[:-1])))
    key, street_v, place_x, place_y = key[fresh], street_v[fresh], place_x[fresh], place_y[fresh]
    begin = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    size = np.diff(np.concatenate((begin, [len(key)])))
    together = _together(part, way)
    met: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for at, many in zip(begin[size > 1].tolist(), size[size > 1].tolist(), strict=True):
        here = street_v[at : at + min(many, MOST_AT_A_VERTEX)].tolist()
        where = int(place_x[at]), int(place_y[at])
        for i, a in enumerate(here):
            for b in here[i + 1 :]:
                if (a, b) not in together:
                    met.setdefault((a, b), []).append(where)
    return [(a, b, *where) for (a, b), places in sorted(met.items()) for where in one_each(places)]


def _join(key: Array, x: Array, y: Array, joints: list[list[int]]) -> None:
    """Give all vertices of a joint one key and one place, in place."""
    joints = _merged(joints)
    of = {vertex: index for index, joint in enumerate(joints) for vertex in joint}
    wanted = np.array(sorted(of), np.int64)
    at = np.searchsorted(wanted, key)
    hit = np.flatnonzero((at < len(wanted)) & (wanted[np.minimum(at, len(wanted) - 1)] == key))
    joint = np.array([of[int(one)] for one in key[hit]], np.int64)
    for index in np.unique(joint).tolist():
        rows = hit[joint == index]
        corners = np.unique(np.column_stack((x[rows], y[rows])), axis=0)
        key[rows] = min(joints[index])
        x[rows], y[rows] = np.rint(corners.mean(axis=0)).astype(np.int64)


def _merged(joints: list[list[int]]) -> list[list[int]]:
    """Joints that share a vertex as one: a roundabout is often several ways."""
    whole: dict[int, list[int]] = {}
    for joint in joints:
        together = list(dict.fromkeys(joint))
        for other in {id(whole[vertex]): whole[vertex] for vertex in joint if vertex in whole}.values():
            together += [vertex for vertex in other if vertex not in together]
        for vertex in together:
            whole[vertex] = together
    return list({id(joint): joint for joint in whole.values()}.values())


def _together(part: Array, way: Array) -> set[tuple[int, int]]:
    """Pairs of streets that are the same way somewhere: a road's name and its number do not cross each other."""
    by_way: dict[int, list[int]] = {}
    for street, index in zip(part.tolist(), way.tolist(), strict=True):
        by_way.setdefault(index, []).append(street)
    return {(min(a, b), max(a, b)) for some in by_way.values() if len(some) > 1 for a in some for b in some if a != b}


def one_each(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places nearer to each other than `SAME_CROSSING_M` as one, the one nearest to their middle."""
    if len(places) == 1:
        return places
    left, out = sorted(set(places)), []
    while left:
        x, y = np.array(left, np.float64).T / 1e7
        near = distance_m(x[0], y[0], x, y) <= SAME_CROSSING_M
        group = [place for place, is_near in zip(left, near.tolist(), strict=True) if is_near]
        left = [place for place, is_near in zip(left, near.tolist(), strict=True) if not is_near]
        mx, my = sum(p[0] for p in group) / len(group), sum(p[1] for p in group) / len(group)
        out.append(min(group, key=lambda p: ((p[0] - mx) ** 2 + (p[1] - my) ** 2, p)))
    return out
