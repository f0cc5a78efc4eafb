"""Assembly: a table of ways becomes the arrays of a `RoadNetwork`, cut where ways meet.

In order: cut at shared vertices, drop what cannot be driven, number the junctions along a space-filling curve, make the
directed edges, then the turns between them (`turns`); last, number the edges by how well they part the network.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from geo_backup.cartography.dissection import dissected
from geo_backup.cartography.nodes import Barrier, NodeFacts
from geo_backup.cartography.turns import Arms, make_turns
from geo_backup.cartography.ways import Columns, Ways
from geo_backup.errors import MapError
from geo_backup.geodesy import bearing_deg, distance_m, metres_per_deg
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import EdgeFlag, WayClass, WayFlag

LONGEST_CONTRAFLOW_M = 150.0
"""Sirens go against a one-way street only where the whole one-way stretch is at most this long."""

SIGN_REACH_M = 30.0
"""Signals and signs on the way to a junction belong to it when they stand at most this far before it."""

ARM_M = 15.0
"""Bearings at a junction are taken over this much of an edge, so that a kerb's curve does not count."""

DUAL_WITHIN_M = 40.0
"""Two one-way streets of one name and opposite direction this close are the halves of a dual carriageway."""

FIRST_COPY_KEY = np.iinfo(np.int64).max // 4 * 3
"""From here on keys name copies of vertices at barriers."""

SHORTEST_M = 0.1
"""Length given to a piece between two vertices at the same place: no edge has length zero."""

FAST = np.isin(np.arange(20), [WayClass.MOTORWAY, WayClass.MOTORWAY_LINK, WayClass.TRUNK, WayClass.TRUNK_LINK])


@dataclass(frozen=True, eq=False)
class Assembled:
    """Arrays named as in `network.ARRAYS`, the names, and what was counted on the way."""

    arrays: dict[str, Array]
    names: tuple[str, ...]
    extent: tuple[float, float, float, float]
    """West, south, east, north of all vertices."""
    counts: Counter[str]
    vertex_node: Array | None = None
    """As in `RoadNetwork`."""


def assemble(ways: Ways) -> Assembled:
    """Make the network's arrays.

    Raises `MapError` when no road is left that a vehicle can drive.
    """
    if len(ways) == 0:
        raise MapError("no drivable roads in this source. It needs lines with `highway` tags, such as an OSM extract.")
    columns, counts = ways.columns(), Counter[str]()
    standing = _standing_barriers(columns, ways.nodes, counts)
    columns, gap = _cut_at_barriers(columns, standing[Barrier.BLOCKED])
    keys, vertex = np.unique(columns.key, return_inverse=True)
    gate, locked = (np.isin(keys, standing[kind]) for kind in (Barrier.GATE, Barrier.LOCKED))
    node = _at_vertices(ways.nodes, keys)
    step_m = _steps_m(columns)
    run_m = np.cumsum(step_m)
    first, last = _cuts(columns, vertex, gap, gate | locked)
    junctions = _junctions(columns, vertex, np.concatenate((first, last)))
    pieces = _pieces(columns, first, last, run_m, junctions.number[vertex])
    facts = _way_facts(columns, step_m)
    flags = _directions(columns, pieces, facts)
    gated, shut = (junctions.holding(some) for some in (gate, locked))
    edges = _edges(pieces, flags, gated | shut)
    where = _Places(pieces.first, pieces.last, run_m, vertex)
    arms = _arms(columns, pieces, edges, facts, where, node, junctions, shut)
    junction_of_key = dict(zip(keys.tolist(), junctions.number.tolist(), strict=True))
    turns = make_turns(arms, ways.restrictions, junction_of_key, counts)
    edge_flags = edges.flags[turns.single]
    edge_flags |= np.where(turns.main, np.uint16(EdgeFlag.MAIN), np.uint16(0))
    edge_flags |= np.where(turns.twin, np.uint16(EdgeFlag.TWIN), np.uint16(0))
    piece_way, row, limits = _limited(columns.facts[:, 7:13], pieces.way, where, node, counts)
    shape_start, shape_step = _shapes(columns, pieces, junctions)
    arrays: dict[str, Array] = {
        "junction_lon_e7": junctions.lon_e7,
        "junction_lat_e7": junctions.lat_e7,
        "piece_from": pieces.start,
        "piece_to": pieces.end,
        "piece_way": piece_way,
        "piece_length_m": pieces.length_m,
        "shape_start": shape_start,
        "shape_step": shape_step,
        "edge_code": (edges.piece << 1 | edges.side)[turns.single],
        "edge_flags": edge_flags,
        "turn_start": turns.start,
        "turn_from": turns.turn_from,
        "turn_facts": turns.facts,
        "way_id": columns.way_id[row],
        "way_class": facts.klass[row],
        "way_flags": facts.flags[row],
        "way_layer": columns.facts[row, 4],
        "way_maxspeed_kmh": columns.facts[row, 5:7],
        "way_limits": limits,
        "way_name": facts.name[row],
    }
    _renumber(arrays)
    counts["contraflow_edges"] = int(np.count_nonzero(flags & EdgeFlag.AGAINST_ONEWAY))
    vertex_node = _vertex_nodes(columns, pieces, keys[junctions.vertex]) if ways.node_ids else None
    return Assembled(arrays, facts.names, _extent(columns), counts, vertex_node)


class _Junctions(NamedTuple):
    """Junctions along a Morton curve: where they are, int32[J]; their vertices, int64[J]; of every vertex the number of
    its junction, int64[V], -1 = none."""

    lon_e7: Array
    lat_e7: Array
    vertex: Array
    number: Array

    def holding(self, some: Array) -> Array:
        """bool[J]: junctions that are one of some vertices (bool[V])."""
        out: Array = np.zeros(len(self.vertex), np.bool_)
        out[self.number[some & (self.number >= 0)]] = True
        return out


class _Pieces(NamedTuple):
    """P pieces in the order of the junctions they start at: the places of their first and last vertex in the run of all
    vertices, their way, length, and junctions."""

    first: Array
    last: Array
    way: Array
    length_m: Array
    start: Array
    end: Array


class _WayFacts(NamedTuple):
    """Of W ways: class and flags, uint8[W]; name int32[W], an index into `names`."""

    klass: Array
    flags: Array
    name: Array
    names: tuple[str, ...]


class _Edges(NamedTuple):
    """E directed edges by their tail: piece, side (0 along it, 1 against), junctions at both ends, `EdgeFlag`s."""

    piece: Array
    side: Array
    tail: Array
    head: Array
    flags: Array


def _steps_m(columns: Columns) -> Array:
    """float64[V]: metres from the vertex before on the same way."""
    lon, lat = columns.lon_e7 / 1e7, columns.lat_e7 / 1e7
    step_m: Array = np.zeros(len(lon))
    step_m[1:] = distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:])
    step_m[columns.vertex_start[:-1]] = 0.0
    return step_m


def _extent(columns: Columns) -> tuple[float, float, float, float]:
    lon, lat = columns.lon_e7 / 1e7, columns.lat_e7 / 1e7
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _cuts(columns: Columns, vertex: Array, gap: Array, barred: Array) -> tuple[Array, Array]:
    """First and last place of each piece: from each cut to the next one on the same way."""
    is_cut = (np.bincount(vertex)[vertex] > 1) | gap | barred[vertex]
    is_cut[1:] |= gap[:-1]
    is_cut[columns.vertex_start[:-1]] = True
    is_cut[columns.vertex_start[1:] - 1] = True
    cut = np.flatnonzero(is_cut)
    way = columns.vertex_way[cut]
    same_way = (way[:-1] == way[1:]) & ~gap[cut[:-1]]
    return cut[:-1][same_way], cut[1:][same_way]


def _junctions(columns: Columns, vertex: Array, ends: Array) -> _Junctions:
    """The junctions at the ends of pieces."""
    at: Array = np.unique(vertex[ends])
    count = int(vertex.max()) + 1
    sample = np.zeros(count, np.int64)
    sample[vertex] = np.arange(len(vertex))
    lon_e7, lat_e7 = columns.lon_e7[sample[at]], columns.lat_e7[sample[at]]
    order: Array = np.lexsort((at, morton(lon_e7, lat_e7)))
    number: Array = np.full(count, -1, np.int64)
    number[at[order]] = np.arange(len(order))
    return _Junctions(lon_e7[order], lat_e7[order], at[order], number)


def _pieces(columns: Columns, first: Array, last: Array, run_m: Array, junction: Array) -> _Pieces:
    """`junction` is that of each place in the run of all vertices."""
    by_start = np.lexsort((first, junction[first]))
    first, last = first[by_start], last[by_start]
    length_m = np.maximum(run_m[last] - run_m[first], SHORTEST_M)
    return _Pieces(first, last, columns.vertex_way[first], length_m, junction[first], junction[last])


def _way_facts(columns: Columns, step_m: Array) -> _WayFacts:
    klass, flags = columns.facts[:, 0].astype(np.uint8), columns.facts[:, 3].astype(np.uint8)
    number: dict[str, int] = {"": 0}
    name = np.array([number.setdefault(name, len(number)) for name in columns.name], np.int32)
    facts = _WayFacts(klass, flags, name, tuple(number))
    flags[_dual(columns, facts, step_m)] |= int(WayFlag.DUAL_CARRIAGEWAY)
    return facts


def _directions(columns: Columns, pieces: _Pieces, ways: _WayFacts) -> Array:
    """uint16[P, 2]: `EdgeFlag`s along each piece and against it, 0 = nobody drives there."""
    flags: Array = columns.facts[pieces.way][:, 1:3].astype(np.uint16)
    way_length_m = np.bincount(pieces.way, pieces.length_m, minlength=len(columns.way_id))
    contraflow = (
        (ways.flags & WayFlag.ONEWAY != 0)
        & (ways.flags & (WayFlag.ROUNDABOUT | WayFlag.DUAL_CARRIAGEWAY) == 0)
        & ~FAST[ways.klass]
        & (way_length_m <= LONGEST_CONTRAFLOW_M)
    )[pieces.way]
    for direction in (0, 1):
        flags[(flags[:, direction] == 0) & contraflow, direction] = EdgeFlag.AGAINST_ONEWAY
    return flags


def _edges(pieces: _Pieces, flags: Array, gated: Array) -> _Edges:
    """`gated` bool[J]: junctions at a gate, which is counted once, by who has passed it."""
    piece, side = np.nonzero(flags)
    tail = np.where(side == 1, pieces.end[piece], pieces.start[piece])
    by_tail = np.lexsort((side, piece, tail))
    piece, side, tail = piece[by_tail], side[by_tail], tail[by_tail]
    head = np.where(side == 1, pieces.start[piece], pieces.end[piece])
    return _Edges(
        piece, side, tail, head, flags[piece, side] | np.where(gated[tail], np.uint16(EdgeFlag.GATE), np.uint16(0))
    )


def _arms(
    columns: Columns, pieces: _Pieces, edges: _Edges, ways: _WayFacts, where: _Places, node: dict[int, NodeFacts],
    junctions: _Junctions, locked: Array,
) -> Arms:  # fmt: skip
    """What turns are made from; `locked` bool[J]: junctions that only some may pass."""
    piece, side, head = edges.piece, edges.side, edges.head
    signs = where.signs_before_junctions(node)
    crossed = np.zeros(len(pieces.first), np.bool_)
    crossed[where.pieces_with(node, "level_crossing")] = True

    def at(what: str) -> Array:
        return where.at_junction(node, what, junctions.number, len(junctions.vertex))

    return Arms(
        tail=edges.tail,
        head=head,
        piece=piece,
        way=pieces.way[piece],
        flags=edges.flags,
        length_m=pieces.length_m[piece],
        leaving_deg=_bearings(columns, where.run_m, pieces, edges, arriving=False),
        arriving_deg=_bearings(columns, where.run_m, pieces, edges, arriving=True),
        signals=signs[0][piece, side] | at("signals")[head],
        stop=signs[1][piece, side] | at("all_stop")[head],
        level_crossing=crossed[piece] | at("level_crossing")[head],
        mini_roundabout=at("mini_roundabout"),
        locked=locked,
        way_class=ways.klass,
        way_flags=ways.flags,
        way_id=columns.way_id,
        junctions=len(junctions.vertex),
    )


def _renumber(arrays: dict[str, Array]) -> None:
    """Number the edges anew, in the order of the dissection, as `roads.hierarchy` wants them."""
    lon, lat = arrays["junction_lon_e7"] / 1e7, arrays["junction_lat_e7"] / 1e7
    squeeze = math.cos(math.radians(float(lat.mean())))
    pieces = dissected(arrays["piece_from"], arrays["piece_to"], lon * squeeze, lat)
    rank = np.empty(len(pieces), np.int64)
    rank[pieces] = np.arange(len(pieces))
    code, start = arrays["edge_code"], arrays["turn_start"]
    order: Array = np.lexsort((np.arange(len(code)), code & 1, rank[code >> 1]))
    number: Array = np.empty(len(code), np.int64)
    number[order] = np.arange(len(code))
    turn_to = number[np.repeat(np.arange(len(code)), np.diff(start))]
    turn_from = number[arrays["turn_from"]]
    turns: Array = np.lexsort((turn_from, turn_to))
    arrays["edge_code"], arrays["edge_flags"] = code[order], arrays["edge_flags"][order]
    arrays["turn_start"] = np.searchsorted(turn_to[turns], np.arange(len(code) + 1))
    arrays["turn_from"], arrays["turn_facts"] = turn_from[turns], arrays["turn_facts"][turns]


def morton(lon_e7: Array, lat_e7: Array) -> Array:
    """uint64: place on a Morton (Z) curve; near places are mostly near on it."""
    code = np.zeros(len(lon_e7), np.uint64)
    for shift, axis in enumerate((lon_e7.astype(np.int64) + 1_800_000_000, lat_e7.astype(np.int64) + 900_000_000)):
        x = axis.astype(np.uint64) & np.uint64(0xFFFFFFFF)  # beyond the 180th meridian it may be below zero
        for bits, mask in (
            (16, 0x0000FFFF0000FFFF),
            (8, 0x00FF00FF00FF00FF),
            (4, 0x0F0F0F0F0F0F0F0F),
            (2, 0x3333333333333333),
            (1, 0x5555555555555555),
        ):
            x = (x | (x << np.uint64(bits))) & np.uint64(mask)
        code |= x << np.uint64(shift)
    return code


def _standing_barriers(columns: Columns, nodes: dict[int, NodeFacts], counts: Counter[str]) -> dict[Barrier, Array]:
    """Keys int64[N], sorted, of the barriers of each kind that stand between two stretches of road.

    One drawn on the crossing of three or more roads is a drawing error (it stands on one arm): left out, counted.
    """
    keys = np.array(sorted(key for key, facts in nodes.items() if facts.barrier), np.int64)
    kinds = np.array([nodes[key].barrier for key in keys.tolist()], np.int64)
    at = np.flatnonzero(np.isin(columns.key, keys))
    which = np.searchsorted(keys, columns.key[at])
    arms = np.bincount(which, np.where(_is_end(columns)[at], 1, 2), minlength=len(keys))
    known = kinds != Barrier.UNKNOWN
    counts["unknown_barriers"] = int(np.count_nonzero(~known & (arms >= 2)))
    counts["barriers_on_crossings"] = int(np.count_nonzero(known & (arms > 2)))
    standing = {kind: keys[(kinds == kind) & (arms == 2)] for kind in (Barrier.GATE, Barrier.LOCKED, Barrier.BLOCKED)}
    counts["gates"], counts["locked_barriers"], counts["blocking_barriers"] = (len(keys) for keys in standing.values())
    return standing


def _is_end(columns: Columns) -> Array:
    """bool[N]: vertices where their way begins or ends."""
    end = np.zeros(len(columns.key), np.bool_)
    end[columns.vertex_start[:-1]] = end[columns.vertex_start[1:] - 1] = True
    return end


def _cut_at_barriers(columns: Columns, blocked: Array) -> tuple[Columns, Array]:
    """Give each road end its own copy of a vertex nobody can drive over (`blocked`: their keys).

    Answers the table with those copies and, as bool[N], the vertices from which no road leads to the next of the way.
    """
    at = np.flatnonzero(np.isin(columns.key, blocked))
    end = _is_end(columns)
    copies = np.ones(len(columns.key), np.int64)
    copies[at] = np.where(end[at], 1, 2)
    owner = np.repeat(np.arange(len(columns.key)), copies)
    moved = np.zeros(len(columns.key), np.bool_)
    moved[at] = True
    # copies meet nothing: keys no source uses
    key = np.where(moved[owner], FIRST_COPY_KEY + np.arange(len(owner)), columns.key[owner])
    gap = np.zeros(len(owner), np.bool_)
    gap[:-1] = owner[:-1] == owner[1:]
    first = np.concatenate(([0], np.cumsum(copies)))
    return replace(
        columns,
        vertex_start=first[columns.vertex_start],
        key=key,
        lon_e7=columns.lon_e7[owner],
        lat_e7=columns.lat_e7[owner],
    ), gap


def _at_vertices(nodes: dict[int, NodeFacts], keys: Array) -> dict[int, NodeFacts]:
    """Node facts by vertex number; `keys` sorted."""
    if not nodes:
        return {}
    wanted = np.array(sorted(nodes), np.int64)
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[index] == wanted
    return {at: nodes[key] for at, key in zip(index[known].tolist(), wanted[known].tolist(), strict=True)}


@dataclass(frozen=True, eq=False)
class _Places:
    """Finds the pieces on which a vertex lies; `first`, `last` are places in the run of all vertices."""

    first: Array
    last: Array
    run_m: Array
    vertex: Array

    def _occurrences(self, node: dict[int, NodeFacts], what: str) -> tuple[Array, Array]:
        """Places of the vertices that bear `what`, and the direction each counts for."""
        facing = np.zeros(int(self.vertex.max()) + 1, np.int8)
        bears = np.zeros(len(facing), np.bool_)
        for at, facts in node.items():
            if getattr(facts, what):
                bears[at], facing[at] = True, facts.facing
        places = np.flatnonzero(bears[self.vertex])
        return places, facing[self.vertex[places]]

    def _piece_of(self, places: Array) -> tuple[Array, Array]:
        """Piece with the place strictly inside it, for those places that have one; and which of the places have."""
        by_first = np.argsort(self.first)
        found = by_first[np.maximum(np.searchsorted(self.first[by_first], places, side="left") - 1, 0)]
        inside = (self.first[found] < places) & (places < self.last[found])
        return found[inside], inside

    def pieces_with(self, node: dict[int, NodeFacts], what: str) -> Array:
        """Pieces with such a vertex inside."""
        places, _ = self._occurrences(node, what)
        return np.unique(self._piece_of(places)[0])

    def inside_or_between(self, node: dict[int, NodeFacts], what: str) -> tuple[Array, Array]:
        """Pieces with such a vertex inside, and pieces that end at one where no third does, with the vertex of each."""
        places, _ = self._occurrences(node, what)
        pieces, inside = self._piece_of(places)
        ends = np.concatenate((self.first, self.last))
        owner = np.tile(np.arange(len(self.first)), 2)
        meeting = np.bincount(self.vertex[ends], minlength=int(self.vertex.max()) + 1)
        found = np.isin(self.vertex[ends], self.vertex[places]) & (meeting[self.vertex[ends]] <= 2)
        return (
            np.concatenate((pieces, owner[found])),
            np.concatenate((self.vertex[places[inside]], self.vertex[ends[found]])),
        )

    def at_junction(self, node: dict[int, NodeFacts], what: str, number: Array, junctions: int) -> Array:
        """bool[J]: junctions that bear `what` themselves."""
        out = np.zeros(junctions, np.bool_)
        here = [int(number[at]) for at, facts in node.items() if getattr(facts, what) and number[at] >= 0]
        out[here] = True
        return out

    def signs_before_junctions(self, node: dict[int, NodeFacts]) -> tuple[Array, Array]:
        """bool[P, 2] twice, signals and stop signs: who drives the piece along or against meets one near its end."""
        out = []
        for what in ("signals", "stop"):
            hit = np.zeros((len(self.first), 2), np.bool_)
            places, facing = self._occurrences(node, what)
            pieces, inside = self._piece_of(places)
            places, facing = places[inside], facing[inside]
            to_last = self.run_m[self.last[pieces]] - self.run_m[places]
            to_first = self.run_m[places] - self.run_m[self.first[pieces]]
            hit[pieces[(to_last <= SIGN_REACH_M) & (facing >= 0) & ((to_last <= to_first) | (facing > 0))], 0] = True
            hit[pieces[(to_first <= SIGN_REACH_M) & (facing <= 0) & ((to_first <= to_last) | (facing < 0))], 1] = True
            out.append(hit)
        return out[0], out[1]


def _limited(
    said: Array, way: Array, where: _Places, node: dict[int, NodeFacts], counts: Counter[str]
) -> tuple[Array, Array, Array]:
    """Way of each piece, row in the table of each way, limits of each way as `way_limits` holds them.

    `said` are the limits [W, 6] of the ways themselves, along and against. A piece under a height restrictor becomes a
    way of its own.
    One drawn where three pieces meet is left out and counted: nobody knows which of them it stands on.
    """
    own = said[way].astype(np.int64)  # [P, 6]
    placed: set[int] = set()
    for column, what in enumerate(("height_dm", "width_dm")):
        for piece, vertex in zip(*(a.tolist() for a in where.inside_or_between(node, what)), strict=True):
            limit = getattr(node[vertex], what)
            for at in (column, column + 3):
                own[piece, at] = min(limit, own[piece, at] or limit)
            placed.add(vertex)
    counts["limits_on_crossings"] = sum(facts.height_dm + facts.width_dm > 0 for facts in node.values()) - len(placed)
    changed = np.flatnonzero((own != said[way]).any(axis=1))
    piece_way = way.copy()
    piece_way[changed] = len(said) + np.arange(len(changed))
    limits = np.concatenate((said, own[changed]))
    if np.array_equal(limits[:, :3], limits[:, 3:]):
        limits = limits[:, :3]
    return piece_way, np.concatenate((np.arange(len(said)), way[changed])), limits


def _bearings(columns: Columns, run_m: Array, pieces: _Pieces, edges: _Edges, *, arriving: bool) -> Array:
    """float64[E]: bearing in degrees at an edge's end (`arriving`) or start, over its nearest `ARM_M` metres."""
    at_last = (edges.side == 0) == arriving
    a, b = pieces.first[edges.piece], pieces.last[edges.piece]
    anchor = np.where(at_last, b, a)
    reach = np.minimum(ARM_M, run_m[b] - run_m[a])
    goal = np.where(at_last, run_m[b] - reach, run_m[a] + reach)
    following = np.clip(np.searchsorted(run_m, goal), a + 1, b)
    span = run_m[following] - run_m[following - 1]
    share = np.clip(np.divide(goal - run_m[following - 1], span, out=np.zeros(len(goal)), where=span > 0), 0.0, 1.0)
    at = [
        (axis[following - 1] + share * (axis[following].astype(np.int64) - axis[following - 1])) / 1e7
        for axis in (columns.lon_e7, columns.lat_e7)
    ]
    near = (columns.lon_e7[anchor] / 1e7, columns.lat_e7[anchor] / 1e7)
    if arriving:
        return np.asarray(bearing_deg(at[0], at[1], near[0], near[1]))
    return np.asarray(bearing_deg(near[0], near[1], at[0], at[1]))


def _shapes(columns: Columns, pieces: _Pieces, junctions: _Junctions) -> tuple[Array, Array]:
    """Interior vertices of each piece as steps in whole 1e-6 degrees from the vertex before."""
    first, inner = pieces.first, pieces.last - pieces.first - 1
    start = np.concatenate(([0], np.cumsum(inner)))
    owner = np.repeat(np.arange(len(first)), inner)
    place = first[owner] + 1 + np.arange(start[-1]) - start[owner]
    steps = np.empty((len(place), 2), np.int64)
    ends = ((columns.lon_e7, junctions.lon_e7), (columns.lat_e7, junctions.lat_e7))
    begins = start[:-1][inner > 0]
    for axis, (values, junction) in enumerate(ends):
        e6 = np.rint(values[place] / 10.0).astype(np.int64)
        step = np.diff(e6, prepend=0)
        step[begins] = e6[begins] - np.rint(junction[pieces.start[inner > 0]] / 10.0).astype(np.int64)
        steps[:, axis] = step
    return start, steps


def _vertex_nodes(columns: Columns, pieces: _Pieces, junction_key: Array) -> Array:
    """int64[J + V]: node ids of the junctions, then of the interior vertices in the order of the shapes; 0 for a vertex
    that was added to a long step, and on both sides of a barrier that nobody passes."""
    first, inner = pieces.first, pieces.last - pieces.first - 1
    before = np.concatenate(([0], np.cumsum(inner)))
    place = np.repeat(first + 1 - before[:-1], inner) + np.arange(before[-1])
    key = np.concatenate((junction_key, columns.key[place]))
    return np.where((key > 0) & (key < FIRST_COPY_KEY), key, 0)


def _dual(columns: Columns, ways: _WayFacts, step_m: Array) -> Array:
    """Indices of ways that are half of a dual carriageway: another one-way way of the same name runs the other way
    close by."""
    from scipy.spatial import cKDTree

    vertex_way = columns.vertex_way
    oneway = (columns.facts[:, 1] & EdgeFlag.LEGAL != 0) & (columns.facts[:, 2] & EdgeFlag.LEGAL == 0)
    plain = oneway & (ways.flags & WayFlag.ROUNDABOUT == 0) & (ways.name > 0)
    plain &= np.isin(ways.klass, [c for c in WayClass if not c.name.endswith("_LINK") and c <= WayClass.RESIDENTIAL])
    # segments of such ways, seen from their middles
    ends = np.flatnonzero(plain[vertex_way] & (step_m > 5.0))
    if len(ends) < 2:
        return np.zeros(0, np.int64)
    lon, lat = columns.lon_e7 / 1e7, columns.lat_e7 / 1e7
    m_per_lon, m_per_lat = metres_per_deg(float(lat[ends].mean()))
    # long segments get a middle every 50 m, so that two long halves of unlike division still see each other
    copies = np.maximum(1, np.rint(step_m[ends] / 50.0).astype(np.int64))
    owner = np.repeat(ends, copies)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(copies) - copies, copies)
    share = (nth + 0.5) / np.repeat(copies, copies)
    x = (lon[owner - 1] + share * (lon[owner] - lon[owner - 1])) * m_per_lon
    y = (lat[owner - 1] + share * (lat[owner] - lat[owner - 1])) * m_per_lat
    pairs = cKDTree(np.column_stack((x, y))).query_pairs(DUAL_WITHIN_M, output_type="ndarray")
    a, b = owner[pairs[:, 0]], owner[pairs[:, 1]]
    way_a, way_b = vertex_way[a], vertex_way[b]
    named_alike = ways.name[way_a] == ways.name[way_b]
    a, b, way_a, way_b = a[named_alike], b[named_alike], way_a[named_alike], way_b[named_alike]
    heading = [bearing_deg(lon[i - 1], lat[i - 1], lon[i], lat[i]) for i in (a, b)]
    opposite = np.abs((heading[0] - heading[1]) % 360.0 - 180.0) < 30.0
    return np.unique(np.concatenate((way_a[opposite], way_b[opposite])))
