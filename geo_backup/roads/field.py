"""ArrivalField: the times from everywhere to one incident; every ETA and route is a reading of it.

    eta(unit on edge e at p) = what is left of e + at_end_ms[e]

or, when the target lies ahead on e itself, the part between them. All times are whole milliseconds, all partial
edges `(ms * parts) >> 16`, so the same question has the same answer on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import shapely

from geo_backup.geodesy import bearing_deg, turn_deg
from geo_backup.roads import search
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import (
    FRACTION_ONE,
    TURN_KIND_MASK,
    Area,
    Array,
    EdgeFlag,
    RoadNetwork,
    TurnFlag,
    TurnKind,
    WayClass,
    WayFlag,
)
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.reach import reach_polygons
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import SnapRules

UNREACHABLE: Literal["unreachable"] = "unreachable"
OUTSIDE_HORIZON: Literal["outside_horizon"] = "outside_horizon"

_KEPT = ("_seed_arrays", "_target_arrays")

_PATH_MAX = 1 << 16
"""Edges in one route at most."""


@dataclass(frozen=True)
class Step:
    """One instruction of a route."""

    instruction: str
    name: str
    distance_m: float
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "instruction": self.instruction,
            "distance_m": round(self.distance_m, 1),
            "duration_s": round(self.duration_s, 1),
            "name": self.name,
        }


@dataclass(frozen=True)
class Route:
    """The way from a road point to the target, as driven."""

    coordinates: Array
    """float64[n, 2] lon, lat."""
    edges: list[int]
    distance_m: float
    drive_ms: int
    last_leg_ms: int
    last_leg_m: float
    streets: list[str]
    """Names in order, nameless ones left out."""
    steps: list[dict[str, Any]]
    """instruction, name, distance_m, duration_s of each step."""


@dataclass(frozen=True)
class _Graph:
    """Turns of a network as plain read-only arrays for the kernels."""

    turn_start: Array
    turn_from: Array
    leave_start: Array
    leave_turn: Array
    leave_to: Array
    length_m: Array


_GRAPHS: WeakKeyDictionary[RoadNetwork, _Graph] = WeakKeyDictionary()
_ARCS: WeakKeyDictionary[Weights, Array] = WeakKeyDictionary()


def _graph(network: RoadNetwork) -> _Graph:
    graph = _GRAPHS.get(network)
    if graph is None:
        start, turn = network.forward
        graph = _GRAPHS[network] = _Graph(
            turn_start=_plain(network.turn_start, np.uint32),
            turn_from=_plain(network.turn_from, np.uint32),
            leave_start=_plain(start, np.uint32),
            leave_turn=_plain(turn, np.uint32),
            leave_to=_plain(network.turn_to[turn], np.uint32),
            length_m=_plain(network.edge_length_m, np.float32),
        )
    return graph


def _arcs(weights: Weights) -> Array:
    """Arcs of some weights, packed once for all fields that are built on them."""
    arcs = _ARCS.get(weights)
    if arcs is None:
        graph = _graph(weights.network)
        arcs = search.pack_arcs(graph.turn_start, graph.turn_from, weights.turn_ms, weights.edge_ms)
        arcs.setflags(write=False)
        _ARCS[weights] = arcs
    return arcs


def _plain(values: Any, kind: Any) -> Array:
    """A contiguous, read-only, ordinary array: kernels are compiled once for this kind and no other."""
    array = np.array(values, dtype=kind, order="C", ndmin=1)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class ArrivalField:
    """Arrival times at one target from the end of every edge.

    `at_end_ms` int32[E]: milliseconds from the end of each edge to the target, last leg included; INF_MS = none
    within the horizon.
    """

    network: RoadNetwork
    weights: Weights
    target: Target
    horizon_ms: int
    at_end_ms: Array

    @classmethod
    def build(cls, weights: Weights, target: Target, horizon_ms: int = 3_600_000) -> ArrivalField:
        """Search backwards from the target until the horizon."""
        horizon_ms = min(int(horizon_ms), INF_MS >> 1)
        graph = _graph(weights.network)
        seed_edge, seed_ms, _, _ = _seeds(weights, target)
        at_end = search.build(graph.turn_start, _arcs(weights), seed_edge, seed_ms, horizon_ms)
        at_end.setflags(write=False)
        return cls(weights.network, weights, target, horizon_ms, at_end)

    @cached_property
    def exhausted(self) -> bool:
        """The search ran out before the horizon: what has no value is unreachable, not merely far."""
        graph, weights = _graph(self.network), self.weights
        if (self.at_end_ms[self._seed_arrays[0]] >= INF_MS).any():
            return False
        return not search.cut_by_horizon(
            graph.turn_start, graph.turn_from, weights.turn_ms, weights.edge_ms, self.at_end_ms
        )

    def reason(self) -> Literal["unreachable", "outside_horizon"]:
        """Why a unit on the network has no ETA here."""
        return UNREACHABLE if self.exhausted else OUTSIDE_HORIZON

    @cached_property
    def _seed_arrays(self) -> tuple[Array, Array, Array, Array]:
        return _seeds(self.weights, self.target)

    @cached_property
    def _target_arrays(self) -> tuple[Array, Array, Array]:
        target = self.target
        return (
            _plain(target.edges, np.uint32),
            _plain(target.fractions, np.int32),
            _plain(target.last_leg_ms, np.int32),
        )

    def etas_ms(self, points: RoadPoints, advance_m: Array | None = None) -> tuple[Array, Array]:
        """ETA int32[N] of each unit (INF_MS = none) and int8[N] which of its candidates gives it (-1 = none).

        `advance_m` float32[N] moves each unit on along its edge, at most to its end.
        """
        advance = np.zeros(len(points), np.float32) if advance_m is None else np.asarray(advance_m, np.float32)
        edge, fraction, leg = self._target_arrays
        weights = self.weights
        eta, which = search.read_etas(
            points.edge, points.fraction, points.turn_round, points.lead_ms, advance, _graph(self.network).length_m,
            weights.edge_ms, weights.open_edge_ms, self.at_end_ms, edge, fraction, leg, weights.profile.u_turn_ms,
        )  # fmt: skip
        return eta, which

    def distances_m(self, points: RoadPoints, which: Array) -> tuple[Array, Array]:
        """Metres float32[N] by road from each unit's chosen candidate (int8[N]) and target int8[N] (-1 = no way)."""
        rows = np.arange(len(points))
        chosen = np.maximum(which, 0)
        edges = np.where(which >= 0, points.edge[rows, chosen], -1).astype(np.int32)
        fractions = points.fraction[rows, chosen]
        graph, weights = _graph(self.network), self.weights
        metres, target = search.downhill_lengths(
            graph.leave_start, graph.leave_turn, graph.leave_to, weights.turn_ms, weights.edge_ms, self.at_end_ms,
            *self._seed_arrays, graph.length_m, edges, np.empty(_PATH_MAX, np.uint32),
        )  # fmt: skip
        target_length = graph.length_m[list(self.target.edges)]
        target_fraction = np.asarray(self.target.fractions)
        length = graph.length_m[np.maximum(edges, 0)]
        ahead = length * (FRACTION_ONE - fractions) / FRACTION_ONE
        tail = target_length[target] * target_fraction[target] / FRACTION_ONE
        metres = np.where(target >= 0, metres + ahead + tail, 0.0)
        for n in np.flatnonzero(np.isin(edges, self.target.edges)):
            k = self._direct(int(edges[n]), int(fractions[n]))
            if k is not None:
                target[n] = k
                metres[n] = length[n] * (self.target.fractions[k] - fractions[n]) / FRACTION_ONE
        return metres.astype(np.float32), target

    def _direct(self, edge: int, fraction: int) -> int | None:
        """The target ahead on the same edge, when driving straight to it is the best way."""
        weights, target = self.weights, self.target
        best, chosen = INF_MS, None
        if self.at_end_ms[edge] < INF_MS:
            best = (int(weights.open_edge_ms[edge]) * (FRACTION_ONE - fraction) >> 16) + int(self.at_end_ms[edge])
        for k, (at, q) in enumerate(zip(target.edges, target.fractions, strict=True)):
            if at == edge and q >= fraction and weights.edge_ms[edge] < INF_MS:
                value = (int(weights.edge_ms[edge]) * (q - fraction) >> 16) + target.last_leg_ms[k]
                if value < best:
                    best, chosen = value, k
        return chosen

    def route(self, edge: int, fraction: int) -> Route | None:
        """Walk downhill from a road point; None when there is no way."""
        weights, target, network = self.weights, self.target, self.network
        k = self._direct(edge, fraction)
        turns: list[int]
        if k is not None:
            edges, turns = [edge], []
            cuts = [(fraction, target.fractions[k])]
        else:
            if self.at_end_ms[edge] >= INF_MS:
                return None
            graph = _graph(network)
            path, path_turn = np.empty(_PATH_MAX, np.uint32), np.empty(_PATH_MAX, np.uint32)
            count, k = search.downhill(
                graph.leave_start, graph.leave_turn, graph.leave_to, weights.turn_ms, weights.edge_ms, self.at_end_ms,
                *self._seed_arrays, edge, path, path_turn,
            )  # fmt: skip
            if k < 0:
                return None
            path[count - 1] = target.edges[k]
            edges = [edge, *path[:count].tolist()]
            turns = path_turn[:count].tolist()
            cuts = [(0, FRACTION_ONE)] * len(edges)
            cuts[0], cuts[-1] = (fraction, FRACTION_ONE), (0, target.fractions[k])
        metres = [
            float(network.edge_length_m[e]) * (b - a) / FRACTION_ONE for e, (a, b) in zip(edges, cuts, strict=True)
        ]
        times = [int(weights.edge_ms[e]) * (b - a) >> 16 for e, (a, b) in zip(edges, cuts, strict=True)]
        if turns:
            times[0] = int(weights.open_edge_ms[edge]) * (FRACTION_ONE - fraction) >> 16
        waits = [0, *(int(weights.turn_ms[t]) for t in turns)]
        return Route(
            coordinates=_line(network, edges, cuts),
            edges=edges,
            distance_m=sum(metres),
            drive_ms=sum(times) + sum(waits),
            last_leg_ms=target.last_leg_ms[k],
            last_leg_m=target.last_leg_m[k],
            streets=_streets(network, edges),
            steps=_steps(network, edges, turns, metres, [t + w for t, w in zip(times, waits, strict=True)]),
        )

    def reach(self, minutes: Sequence[float]) -> list[shapely.MultiPolygon]:
        """Where a unit must be to arrive within each number of minutes: valid polygons, the larger hold the smaller."""
        limits = [min(self.horizon_ms, int(m * 60_000)) for m in minutes]
        ends = list(zip(self.target.edges, self.target.fractions, self.target.last_leg_ms, strict=True))
        return reach_polygons(self.network, self.at_end_ms, self.weights.edge_ms, ends, limits)

    def repaired(self, weights: Weights, changed_edges: Array, budget: int | None = None) -> ArrivalField | None:
        """This field under other edge weights, equal to a fresh build bit for bit; None when a build is cheaper.

        `changed_edges` int[C] holds at least all edges whose `edge_ms` differs. `budget` is how many turns may be
        looked at, by default a fifth of the network's.
        """
        changed = np.unique(np.asarray(changed_edges, np.int64))
        if weights.turn_ms is not self.weights.turn_ms or bool(np.isin(changed, self.target.edges).any()):
            return None
        graph = _graph(self.network)
        seed_edge, seed_ms, _, _ = self._seed_arrays
        code, at_end = search.repair(
            graph.turn_start, graph.turn_from, weights.turn_ms, graph.leave_start, graph.leave_turn, graph.leave_to,
            self.weights.edge_ms, weights.edge_ms, _plain(changed, np.uint32), seed_edge, seed_ms, self.at_end_ms,
            self.horizon_ms, self.network.turns // 5 if budget is None else budget,
        )  # fmt: skip
        if code < 0:
            return None
        at_end.setflags(write=False)
        field = ArrivalField(self.network, weights, self.target, self.horizon_ms, at_end)
        # neither turns nor target edges have changed, so what was derived from them holds
        field.__dict__.update({key: self.__dict__[key] for key in _KEPT if key in self.__dict__})
        return field


def fields_rebuilt(
    fields: Sequence[ArrivalField], weights: Sequence[Weights], changed_edges: Array, budget: int | None = None
) -> list[ArrivalField]:
    """Each field under its new weights: repaired where that is cheap, built anew where it is not."""
    out = []
    for old, new in zip(fields, weights, strict=True):
        field = old.repaired(new, changed_edges, budget)
        out.append(ArrivalField.build(new, old.target, old.horizon_ms) if field is None else field)
    return out


def _seeds(weights: Weights, target: Target) -> tuple[Array, Array, Array, Array]:
    """Who can turn into a target edge: edge uint32[S], ms int32[S], turn uint32[S], target int32[S]; best first."""
    network = weights.network
    rows: list[tuple[int, int, int, int]] = []
    for k, (edge, q, leg) in enumerate(zip(target.edges, target.fractions, target.last_leg_ms, strict=True)):
        if weights.edge_ms[edge] >= INF_MS:
            continue
        part = int(weights.edge_ms[edge]) * q >> 16
        for turn in range(int(network.turn_start[edge]), int(network.turn_start[edge + 1])):
            if weights.turn_ms[turn] < INF_MS:
                rows.append((int(weights.turn_ms[turn]) + part + leg, int(network.turn_from[turn]), turn, k))
    rows.sort()
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return (
        _plain(columns[1], np.uint32),
        _plain(columns[0], np.int32),
        _plain(columns[2], np.uint32),
        _plain(columns[3], np.int32),
    )


def _line(network: RoadNetwork, edges: list[int], cuts: list[tuple[int, int]]) -> Array:
    """float64[n, 2] of the driven part."""
    parts: list[Array] = []
    for edge, (a, b) in zip(edges, cuts, strict=True):
        line = network.edge_line(edge)
        if (a, b) != (0, FRACTION_ONE):
            line = cut_line(line, a / FRACTION_ONE, b / FRACTION_ONE, network.metres_per_deg)
        parts.append(line if not parts else line[1:])
    return np.concatenate(parts)


def cut_line(line: Array, start: float, end: float, metres: tuple[float, float]) -> Array:
    """The part of a line (float64[n, 2]) between two shares of its length, 0 <= start <= end <= 1."""
    step = np.hypot(np.diff(line[:, 0]) * metres[0], np.diff(line[:, 1]) * metres[1])
    at = np.concatenate(([0.0], np.cumsum(step)))
    a, b = start * at[-1], end * at[-1]
    inside = (at > a) & (at < b)
    ends = [(np.interp(x, at, line[:, 0]), np.interp(x, at, line[:, 1])) for x in (a, b)]
    return np.concatenate(([ends[0]], line[inside], [ends[1]]))


def _streets(network: RoadNetwork, edges: list[int]) -> list[str]:
    out: list[str] = []
    for edge in edges:
        name = network.edge_name(edge)
        if name and (not out or out[-1] != name):
            out.append(name)
    return out


_WORDS = {
    TurnKind.STRAIGHT: "straight",
    TurnKind.SLIGHT_LEFT: "slightly left",
    TurnKind.SLIGHT_RIGHT: "slightly right",
    TurnKind.LEFT: "left",
    TurnKind.RIGHT: "right",
    TurnKind.SHARP_LEFT: "sharp left",
    TurnKind.SHARP_RIGHT: "sharp right",
    TurnKind.U_TURN: "turn round",
}


def _steps(
    network: RoadNetwork, edges: list[int], turns: list[int], metres: list[float], times_ms: list[int]
) -> list[dict[str, Any]]:
    """Instructions: a new one where the driver has to turn or the street changes its name."""
    steps: list[Step] = []
    words, name, distance, duration = _heading(network, edges[0]), network.edge_name(edges[0]), 0.0, 0

    def flush() -> None:
        onto = f" {'on' if not steps else 'onto'} {name}" if name else ""
        steps.append(Step(f"{words}{onto}, {_plain_metres(distance)}", name, distance, duration / 1000.0))

    for i, edge in enumerate(edges):
        if i > 0:
            facts = int(network.turn_facts[turns[i - 1]])
            kind = TurnKind(facts & TURN_KIND_MASK)
            here = network.edge_name(edge)
            circle, was = _roundabout(network, edge), _roundabout(network, edges[i - 1])
            looks = bool(facts & TurnFlag.ONTO_JUNCTION) and kind > TurnKind.SLIGHT_RIGHT
            if circle and not was:
                flush()
                words, name, distance, duration = "through the roundabout", here, 0.0, 0
            elif circle or (was and not here):
                name = here or name
            elif was:
                name = here
            elif kind == TurnKind.U_TURN or looks or (here and name and here != name):
                flush()
                words, name, distance, duration = _WORDS[kind], here, 0.0, 0
            elif here and not name:
                name = here
        distance += metres[i]
        duration += times_ms[i]
    flush()
    return [step.as_dict() for step in steps]


def _roundabout(network: RoadNetwork, edge: int) -> bool:
    return bool(int(network.way_flags[network.edge_way[edge]]) & WayFlag.ROUNDABOUT)


def _heading(network: RoadNetwork, edge: int) -> str:
    line = network.edge_line(edge)
    course = float(bearing_deg(line[0, 0], line[0, 1], line[-1, 0], line[-1, 1]))
    for name, centre in (("north", 0.0), ("east", 90.0), ("south", 180.0)):
        if abs(float(turn_deg(centre, course))) <= 45.0:
            return name
    return "west"


def _plain_metres(metres: float) -> str:
    return f"{metres / 1000.0:.1f} km" if metres >= 1000.0 else f"{round(metres, -1) if metres >= 20 else metres:.0f} m"


def warm_up() -> None:
    """Compile every kernel of the roads (or fetch it from numba's cache) by running each once on one street."""
    network = _one_street()
    rules = SnapRules()
    weights = weigh(network, PROFILES["response"])
    nan = np.array([np.nan])
    points = snap_units(network, np.array([0.001]), np.array([0.0]), nan, nan, rules)
    match_units(network, Tracks.of([[(0, 0.001, 0.0, None, None, None), (1_000, 0.002, 0.0, None, None, None)]]), rules)
    snap_place(network, 0.003, 0.001, rules)
    field = ArrivalField.build(weights, snap_place(network, 0.003, 0.0, rules))
    eta, which = field.etas_ms(points)
    search.k_smallest(eta, 1)
    field.distances_m(points, which)
    field.route(int(points.edge[0, 0]), int(points.fraction[0, 0]))
    field.reason()
    field.repaired(weights.with_closed(np.array([0])), np.array([0]))


def _one_street() -> RoadNetwork:
    """Two pieces in a row, driven both ways."""
    zero = np.zeros(1, np.uint8)
    main = int(EdgeFlag.LEGAL | EdgeFlag.MAIN)
    return RoadNetwork(
        junction_lon_e7=np.array([0, 20_000, 40_000], np.int32),
        junction_lat_e7=np.zeros(3, np.int32),
        piece_from=np.array([0, 1], np.int32),
        piece_to=np.array([1, 2], np.int32),
        piece_way=np.zeros(2, np.int32),
        piece_length_m=np.full(2, 222.4, np.float32),
        shape_start=np.zeros(3, np.int32),
        shape_step=np.zeros((0, 2), np.int16),
        edge_code=np.array([0, 1, 2, 3], np.int32),
        edge_flags=np.full(4, main, np.uint8),
        turn_start=np.array([0, 1, 2, 3, 4], np.int32),
        turn_from=np.array([1, 3, 0, 2], np.int32),
        turn_facts=np.array([7, 0, 0, 7], np.uint16),
        way_id=np.ones(1, np.int64),
        way_class=np.full(1, WayClass.RESIDENTIAL, np.uint8),
        way_flags=zero,
        way_layer=np.zeros(1, np.int8),
        way_maxspeed_kmh=np.zeros((1, 2), np.uint8),
        way_limits=np.zeros((1, 3), np.uint16),
        way_name=np.zeros(1, np.int32),
        names=("",),
        area=Area("", "", "", "", "", "UTC", (0.0, 0.0, 0.004, 0.0)),
        content_id="one street",
    )
