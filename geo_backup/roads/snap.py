"""Snapping: a position becomes a place on directed edges, with the direction a vehicle can really go.

A unit on a street may be on either of its edges; its course says which, and where one fix cannot say, `match` asks
the ones before it. Up to four candidates are kept, and the arrival field decides between them by time. A unit is
never turned round where the street does not allow it: that is how a car on the far side of a dual carriageway gets
the true, longer ETA. A unit or a place off the road has a leg of its own, on the near side of every river.

How likely a unit is to be somewhere is told in metres throughout: the distance from the road, and for everything
else that speaks against a place (`SnapRules`) how many metres of distance it weighs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geo_backup.errors import OutsideMapError
from geo_backup.roads.grid import BRIDGE, MAIN, MOTORWAY, RIGHT, SIDES, TUNNEL, TURNS, RoadGrid, nearest, sides
from geo_backup.roads.kernel import Array, kernel, per_network
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.rules import SnapRules

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

CANDIDATES = 4
PIECES = 8
"""Pieces looked at for one position: seven by distance and, if it is none of them, the nearest main one."""


class RoadPoint(NamedTuple):
    """A place on the network: an edge and 1/65536 parts of it."""

    edge: int
    fraction: int


class Columns(NamedTuple):
    """The arrays of `RoadPoints`."""

    edge: Array
    fraction: Array
    turn_round: Array
    lead_ms: Array
    offset_m: Array


class Numbers(NamedTuple):
    """Those of `SnapRules` that a kernel needs, by the same names."""

    unit_max_m: float
    candidate_extra_m: float
    usual_accuracy_m: float
    course_tolerance_deg: float
    course_weight_m: float
    tunnel_m: float
    off_road_m: float
    walk_free_m: float
    lead_mps: float
    match_gap_ms: int
    match_step_m: float
    match_break_m: float
    match_keep: float
    match_beam_m: float
    match_extra_m: float
    match_normal_m: float
    match_loose_m: float
    turn_round_m: float

    @classmethod
    def of(cls, rules: SnapRules) -> Numbers:
        """The numbers of these rules."""
        return cls(*(getattr(rules, name) for name in cls._fields))


@dataclass(frozen=True)
class RoadPoints:
    """Candidates of N units, the likeliest first.

    `edge` int32[N, 4] (-1 = none), `fraction` int32[N, 4] (0 to 65536), `turn_round` uint8[N, 4] (1: faces against
    the known course on a two-way street, costs the profile's U-turn), `lead_ms` int32[N, 4] (what a unit off the road
    needs to get onto that edge; 0 on the road), `offset_m` float32[N] (from the road; inf = off the network).
    """

    edge: Array
    fraction: Array
    turn_round: Array
    lead_ms: Array
    offset_m: Array

    def __len__(self) -> int:
        return len(self.edge)

    @classmethod
    def empty(cls, count: int) -> RoadPoints:
        """`count` units that are on no road."""
        return cls(
            np.full((count, CANDIDATES), -1, np.int32),
            np.zeros((count, CANDIDATES), np.int32),
            np.zeros((count, CANDIDATES), np.uint8),
            np.zeros((count, CANDIDATES), np.int32),
            np.full(count, np.inf, np.float32),
        )

    @classmethod
    def of(cls, points: list[RoadPoint]) -> RoadPoints:
        """One certain candidate a unit."""
        out = cls.empty(len(points))
        for row, point in enumerate(points):
            out.edge[row, 0], out.fraction[row, 0] = point
        out.offset_m[:] = 0.0
        return out

    def take(self, indices: Array) -> RoadPoints:
        """Rows by index, as a copy."""
        indices = np.asarray(indices)
        return RoadPoints(*(column[indices] for column in self.columns))

    def put(self, indices: Array, other: RoadPoints) -> None:
        """Overwrite rows by index."""
        indices = np.asarray(indices)
        for mine, theirs in zip(self.columns, other.columns, strict=True):
            mine[indices] = theirs

    @property
    def columns(self) -> Columns:
        """The arrays as one tuple, as the kernels take them."""
        return Columns(self.edge, self.fraction, self.turn_round, self.lead_ms, self.offset_m)

    @property
    def doubtful(self) -> Array:
        """bool[N]: units that may be on several edges, not counting a turn in the street."""
        return np.asarray(((self.edge[:, 1:] >= 0) & (self.turn_round[:, 1:] == 0)).any(axis=1))


@dataclass(frozen=True)
class Target:
    """Where vehicles are to arrive: places on edges, each with the walk that remains."""

    edges: tuple[int, ...]
    fractions: tuple[int, ...]
    last_leg_ms: tuple[int, ...]
    last_leg_m: tuple[float, ...]
    lon: float
    lat: float
    off_road_m: float
    """Distance to the nearest of the roads."""
    on_main: bool
    """False: the nearest road is cut off from the main network (a nearby main road is among the edges, if any)."""

    @property
    def nearest_edges(self) -> tuple[int, ...]:
        """The edges with the shortest walk: those a closure must hold for the place itself to lie in it."""
        return tuple(e for e, ms in zip(self.edges, self.last_leg_ms, strict=True) if ms == self.last_leg_ms[0])

    @classmethod
    def on_edge(cls, edge: int, fraction: int, *, lon: float = 0.0, lat: float = 0.0) -> Target:
        """A place exactly on one edge, as a moving unit is."""
        return cls((edge,), (fraction,), (0,), (0.0,), lon, lat, 0.0, True)


def snap_units(
    network: RoadNetwork,
    lon: Array,
    lat: Array,
    course_deg: Array,
    speed_mps: Array,
    rules: SnapRules,
    accuracy_m: Array | None = None,
) -> RoadPoints:
    """Road points of N positions (float64[N] each; course, speed and accuracy nan where unknown), each for itself."""
    grid = RoadGrid.of(network)
    x, y = grid.local(lon, lat)
    course = believed_course(course_deg, speed_mps, rules)
    accuracy = np.full(len(x), np.nan) if accuracy_m is None else np.ascontiguousarray(accuracy_m, np.float64)
    points = RoadPoints.empty(len(x))
    _snap_units(grid, Numbers.of(rules), x, y, course, accuracy, points.columns)
    return points


def believed_course(course_deg: Array, speed_mps: Array, rules: SnapRules) -> Array:
    """A slow or standing receiver's course is noise; one that reports a course without speed is believed."""
    course = np.array(course_deg, np.float64)
    course[np.asarray(speed_mps, np.float64) < rules.course_from_mps] = np.nan
    return course


def snap_place(network: RoadNetwork, lon: float, lat: float, rules: SnapRules) -> Target:
    """The target of a place: the roads it is entered from, each in both directions and with the walk from there.

    A place on a street, or in a house that stands back from it (nearer than `off_road_m`), is on that street alone. A
    place off the road, as in a park, is entered from whichever side is quicker: the nearest main road on each side,
    if one can get round to it without a detour that tells of a river or a railway between. Where the road is cut off
    from the main network, the nearest main road is among the edges too.

    A caller stands on the ground and at an address: a tunnel, a bridge or a motorway must be nearer by `tunnel_m`,
    `bridge_m` or `motorway_m` than another road to be taken, so a place over a tunnel is in the street above.

    Raises `OutsideMapError` when no road is within `incident_max_m`.
    """
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise OutsideMapError("/lon", "The place is not a position on earth.")
    grid = RoadGrid.of(network)
    x, y = (float(v[0]) for v in grid.local(np.array([lon]), np.array([lat])))
    piece, near = np.full(2 * PIECES, -1, np.int32), np.zeros((2 * PIECES, 4))
    against_m = {TUNNEL: rules.tunnel_m, BRIDGE: rules.bridge_m, MOTORWAY: rules.motorway_m}
    found = nearest(grid, x, y, rules.incident_max_m, max(against_m.values()), piece, near)
    if found == 0:
        raise OutsideMapError(
            "/lon",
            f"No road within {rules.incident_max_m:.0f} m of {lon:.5f}, {lat:.5f}: the place lies outside the map "
            "(is longitude given before latitude?).",
        )
    info = (grid.piece_info[piece[:found], 0] | grid.piece_info[piece[:found], 1]).tolist()
    first = min(range(found), key=lambda k: (near[k, 0] + sum(m for bit, m in against_m.items() if info[k] & bit), k))
    on_main = bool(info[first] & MAIN)
    # piece, distance and fraction along of each way in
    ways_in = [(int(piece[first]), float(near[first, 0]), float(near[first, 1]))]
    if not on_main:
        ways_in += [(int(piece[k]), float(near[k, 0]), float(near[k, 1])) for k in range(found) if info[k] & MAIN][:1]
    if ways_in[0][1] > rules.off_road_m:
        ways_in += _other_sides(network, grid, x, y, ways_in, rules)
    edges: list[int] = []
    fractions: list[int] = []
    legs_m: list[float] = []
    for at, distance, share in ways_in:
        along = round(share * FRACTION_ONE)
        for against in (0, 1):
            edge = int(grid.piece_edges[at, against])
            if edge >= 0:
                edges.append(edge)
                fractions.append(FRACTION_ONE - along if against else along)
                legs_m.append(max(0.0, distance - rules.walk_free_m))
    legs_ms = tuple(round(walk_m / rules.walk_mps * 1000.0) for walk_m in legs_m)
    return Target(tuple(edges), tuple(fractions), legs_ms, tuple(legs_m), lon, lat, ways_in[0][1], on_main)


def _other_sides(
    network: RoadNetwork, grid: RoadGrid, x: float, y: float, known: list[tuple[int, float, float]], rules: SnapRules
) -> list[tuple[int, float, float]]:
    """Ways in from the other sides of a place off the road: (piece, distance, fraction along) of each."""
    piece, near = np.full(SIDES, -1, np.int32), np.zeros((SIDES, 4))
    found = sides(grid, x, y, known[0][1] + rules.side_extra_m, piece, near)
    others = [
        (int(piece[k]), float(near[k, 0]), float(near[k, 1]))
        for k in range(found)
        if int(piece[k]) not in {at for at, _, _ in known}
    ]
    if not others:
        return []
    from scipy.sparse.csgraph import dijkstra  # slow to import, and few places are off the road

    # a river has no crossing near by: the way round by road is far longer than the walk across
    at, distance, share = known[-1]
    limits = [rules.side_detour * (distance + other[1]) for other in others]
    streets, metres = _streets(network), network.piece_length_m
    ends = np.array([network.piece_from[at], network.piece_to[at]])
    walked = dijkstra(streets, indices=ends, limit=max(limits)) + (metres[at] * np.array([share, 1.0 - share]))[:, None]
    round_m = walked.min(axis=0)
    return [
        (p, d, s)
        for (p, d, s), limit in zip(others, limits, strict=True)
        if min(
            round_m[network.piece_from[p]] + metres[p] * s, round_m[network.piece_to[p]] + metres[p] * (1.0 - s)
        ) <= limit
    ]  # fmt: skip


@per_network
def _streets(network: RoadNetwork) -> csr_matrix:
    """Metres between neighbouring junctions, both ways, as one walks: one-ways and turns do not count."""
    from scipy.sparse import csr_matrix

    a, b, metres = (np.asarray(v) for v in (network.piece_from, network.piece_to, network.piece_length_m))
    tail, head, length = np.concatenate((a, b)), np.concatenate((b, a)), np.concatenate((metres, metres))
    order = np.lexsort((length, head, tail))
    tail, head, length = tail[order], head[order], np.maximum(length[order].astype(np.float64), 0.01)
    # of several pieces between the same junctions the shortest counts
    kept = np.concatenate(([True], (np.diff(tail) != 0) | (np.diff(head) != 0)))
    return csr_matrix((length[kept], (tail[kept], head[kept])), shape=(network.junctions, network.junctions))


@kernel
def ease(accuracy_m: float, rules: Numbers) -> float:
    """How much less distances say of a receiver that knows its place less well than usual."""
    return max(1.0, accuracy_m / rules.usual_accuracy_m) if accuracy_m == accuracy_m else 1.0


@kernel
def slack_m(accuracy_m: float) -> float:
    """How far off the road a receiver may seem to be, without being so."""
    return accuracy_m if accuracy_m == accuracy_m else 0.0


@kernel
def weigh_places(
    grid: RoadGrid, rules: Numbers, x: float, y: float, course_deg: float, accuracy_m: float,
    piece: Array, near: Array, score: Array, extra_m: float,
) -> int:  # fmt: skip
    """Pieces near one position, up to extra_m further than the nearest (see `grid.nearest`), how many, and what speaks
    against each direction of each.

    `score` float64[2K] in metres, at 2 * place + against; inf = not there.
    """
    wide = ease(accuracy_m, rules)
    found = nearest(grid, x, y, rules.unit_max_m, extra_m * wide, piece, near)
    if found == 0:
        return 0
    known = course_deg == course_deg and near[0, 0] <= rules.off_road_m + slack_m(accuracy_m)
    limit = near[0, 0] + extra_m * wide  # the extra main piece lies further off; it is no equal of the near ones
    cx = math.sin(math.radians(course_deg)) if known else 0.0
    cy = math.cos(math.radians(course_deg)) if known else 0.0
    cos_tolerance = math.cos(math.radians(rules.course_tolerance_deg))
    piece_edges, piece_info = grid.piece_edges, grid.piece_info
    any_fits = False
    for _ in range(2):
        for k in range(found):
            for against in range(2):
                at = 2 * k + against
                score[at] = np.inf
                if piece_edges[piece[k], against] < 0 or near[k, 0] > limit:
                    continue
                value = near[k, 0] / wide
                wrong_way = (
                    rules.candidate_extra_m + rules.course_weight_m
                )  # without a course, nobody is taken for a ghost
                if known:
                    cosine = cx * near[k, 2] + cy * near[k, 3]
                    if against:
                        cosine = -cosine
                    if cosine < cos_tolerance:
                        continue
                    value += rules.course_weight_m * (1.0 - cosine)
                    wrong_way = rules.course_weight_m
                info = piece_info[piece[k], against]
                if info & RIGHT == 0:
                    value += wrong_way
                if info & TUNNEL:
                    value += rules.tunnel_m
                score[at] = value
                any_fits = True
        if any_fits or not known:
            break
        known = False  # no road runs that way: the course says nothing
    return found


@kernel
def choose_places(
    grid: RoadGrid, rules: Numbers, n: int, found: int, piece: Array, near: Array, score: Array, accuracy_m: float,
    out: Columns,
) -> None:  # fmt: skip
    """Row n: the likeliest places, and turning round in the street where the other direction is not one of them.

    `score` is used up.
    """
    piece_edges, piece_info = grid.piece_edges, grid.piece_info
    edge, fraction, turn_round, lead_ms = out.edge[n], out.fraction[n], out.turn_round[n], out.lead_ms[n]
    free_m = rules.walk_free_m + slack_m(accuracy_m)
    out.offset_m[n] = near[0, 0]
    taken, turned, limit = 0, -1, np.inf
    chosen = np.empty(CANDIDATES, np.int64)
    while taken < CANDIDATES:
        best = 0
        for at in range(1, 2 * found):
            if score[at] < score[best]:
                best = at
        if not score[best] <= limit or score[best] == np.inf:
            break
        if taken == 0:
            limit = score[best] + rules.candidate_extra_m
        score[best] = np.inf
        chosen[taken] = best
        taken += 1
        other, p = best ^ 1, piece[best >> 1]
        if taken == 1 and score[other] > limit and piece_info[p, 0] & TURNS and piece_info[p, 1] & TURNS:
            turned, score[other] = other, np.inf
            chosen[taken] = other
            taken += 1
    # cut off from the rest: the nearest road that is not is a candidate too
    if (piece_info[piece[0], 0] | piece_info[piece[0], 1]) & MAIN == 0:
        for k in range(found):
            if (piece_info[piece[k], 0] | piece_info[piece[k], 1]) & MAIN:
                there = False
                for c in range(taken):
                    there = there or chosen[c] >> 1 == k
                if not there:
                    taken = min(taken, 2)
                    for against in range(2):
                        if piece_info[piece[k], against] & RIGHT:
                            chosen[taken] = 2 * k + against
                            taken += 1
                break
    for c in range(taken):
        at = chosen[c]
        k, against = at >> 1, at & 1
        along = np.int32(np.rint(near[k, 1] * 65536.0))
        edge[c] = piece_edges[piece[k], against]
        fraction[c] = 65536 - along if against else along
        turn_round[c] = 1 if at == turned else 0
        lead_ms[c] = np.int32(np.rint(max(0.0, near[k, 0] - free_m) / rules.lead_mps * 1000.0))


@kernel
def _snap_units(
    grid: RoadGrid, rules: Numbers, xs: Array, ys: Array, course_deg: Array, accuracy_m: Array, out: Columns
) -> None:  # fmt: skip
    piece = np.empty(PIECES, np.int32)
    near = np.empty((PIECES, 4), np.float64)
    score = np.empty(2 * PIECES, np.float64)
    for n in range(xs.size):
        # NaN compares false
        if abs(xs[n]) < 1e9 and abs(ys[n]) < 1e9:
            found = weigh_places(
                grid, rules, xs[n], ys[n], course_deg[n], accuracy_m[n], piece, near, score, rules.candidate_extra_m
            )
            if found > 0:
                choose_places(grid, rules, n, found, piece, near, score, accuracy_m[n], out)
