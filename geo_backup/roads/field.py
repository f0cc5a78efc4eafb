"""ArrivalField: the times from everywhere to one incident; every ETA and route is a reading of it.

    eta(unit on edge e at p) = what is left of e + at_end_ms[e]

or, when the target lies ahead on e itself, the part between them. All times are whole milliseconds, all partial
edges `(ms * parts) >> 16`, so the same question has the same answer on every machine, and by every engine: a field is
found by a search of its own (`ArrivalField.build`) or beside others in `lanes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import shapely

from geo_backup.roads import search
from geo_backup.roads.kernel import INF_MS, Array, per_network, read_only
from geo_backup.roads.lanes import Probe
from geo_backup.roads.network import FRACTION_ONE, plain
from geo_backup.roads.reach import reach_polygons
from geo_backup.roads.route import Route, describe
from geo_backup.roads.snap import RoadPoints, Target
from geo_backup.roads.weights import Shut, Weights

UNREACHABLE: Literal["unreachable"] = "unreachable"
OUTSIDE_HORIZON: Literal["outside_horizon"] = "outside_horizon"

HORIZON_MS = 3_600_000

_PATH_MAX = 1 << 16
"""Edges in one route at most."""

_NOWHERE = np.zeros(0, np.int32)


@per_network
def _arcs(weights: Weights) -> Array:
    """The turns of some weights as `search.build` wants them."""
    return search.pack_arcs(weights.network.graph.turn_from, weights.arc_ms)


class Starts(NamedTuple):
    """Where N units stand under some weights, ready to be read against any field: columns [C, N] of candidates.

    `edge` uint32 (E = none), `fraction` int32 in 1/65536, `lead_ms` int32 before the unit drives on that edge (a walk,
    a U-turn), `rest_ms` int32 until it is at the edge's end, the lead included.
    """

    edge: Array
    fraction: Array
    lead_ms: Array
    rest_ms: Array

    @classmethod
    def of(cls, weights: Weights, points: RoadPoints, advance_m: Array | None = None) -> Starts:
        """`advance_m` float32[N] moves each unit on along its edge, at most to its end."""
        advance = np.zeros(len(points), np.float32) if advance_m is None else np.asarray(advance_m, np.float32)
        length_m = weights.network.graph.length_m
        return cls(
            *search.stand(
                points.edge, points.fraction, points.turn_round, points.lead_ms, advance, length_m,
                weights.edge_ms, weights.profile.u_turn_ms,
            )
        )  # fmt: skip


class Way(NamedTuple):
    """Edges driven from the first to that of the target, the turn into each but the first, and which of the target's
    places is reached."""

    edges: list[int]
    turns: list[int]
    target: int


@dataclass(frozen=True, eq=False)
class Seeds:
    """Where the search for a target begins: the time from the end of the edges that lead straight to it.

    `edge` uint32[S], `ms` int32[S] ascending, `turn` int32[S] into the target's edge, `target` int32[S] which of its
    places (-1 for both: on by the approach). `approach` is the field within a shut area around the target.
    `ahead` are the target's places that who stands before them on their own edge drives straight to: edge uint32[K],
    fraction int32[K] and last leg int32[K] in ms; `ahead_of` says which of its places they are.
    """

    edge: Array
    ms: Array
    turn: Array
    target: Array
    approach: ArrivalField | None
    ahead: tuple[Array, Array, Array]
    ahead_of: tuple[int, ...]

    @classmethod
    def of(cls, weights: Weights, target: Target, enterable: Array = _NOWHERE) -> Seeds:
        """`enterable` int[N] are closed edges that may be driven on the last stretch, and not to pass through; edges
        that are not for the profile may be so too."""
        rows: list[tuple[int, int, int, int]] = []
        ahead: list[int] = []
        turn_start, turn_from = weights.network.turn_start, weights.network.turn_from
        last_stretch = False
        for k, (edge, q, leg) in enumerate(zip(target.edges, target.fractions, target.last_leg_ms, strict=True)):
            shut = int(weights.shut[edge])
            part = int(weights.edge_ms[edge]) * q >> 16
            enters = shut == Shut.NOT_FOR_PROFILE or (not shut & Shut.NEVER and bool((enterable == edge).any()))
            last_stretch |= shut != 0 and enters
            if enters or shut == 0:
                ahead.append(k)
            # to arrive on a twin is to arrive
            for into in (edge, *weights.network.twins_of.get(edge, ())):
                for turn in range(int(turn_start[into]), int(turn_start[into + 1])):
                    if weights.arc_ms[turn] < INF_MS:
                        rows.append((int(weights.turn_ms[turn]) + part + leg, int(turn_from[turn]), turn, k))
        approach = None
        if last_stretch:
            approach = _approach(weights, target, enterable)
            at_end = approach.at_end_ms
            rows += [(int(at_end[edge]), edge, -1, -1) for edge in np.flatnonzero(at_end < INF_MS).tolist()]
        rows.sort()
        columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
        return cls(
            plain(columns[1], np.uint32),
            plain(columns[0], np.int32),
            plain(columns[2], np.int32),
            plain(columns[3], np.int32),
            approach,
            (
                plain([target.edges[k] for k in ahead], np.uint32),
                plain([target.fractions[k] for k in ahead], np.int32),
                plain([target.last_leg_ms[k] for k in ahead], np.int32),
            ),
            tuple(ahead),
        )


def _approach(weights: Weights, target: Target, enterable: Array) -> ArrivalField:
    """The field of a target over those shut edges that may be entered on the last stretch, and nothing else; whole,
    so that what lies beyond a horizon is known to be there."""
    open_to_it = weights.shut == Shut.NOT_FOR_PROFILE
    open_to_it[enterable] |= (weights.shut[enterable] & np.uint64(Shut.NEVER)) == 0
    return ArrivalField.build(weights.within(open_to_it), target, INF_MS >> 1)


@dataclass(frozen=True, eq=False)
class ArrivalField:
    """Arrival times at one target from the end of every edge.

    `values[e, lane]`, of int32[E + 1, L]: milliseconds from the end of edge e to the target, last leg included;
    INF_MS = none within the horizon.
    """

    weights: Weights
    target: Target
    horizon_ms: int
    seeds: Seeds
    values: Array
    lane: int = 0

    @classmethod
    def build(
        cls, weights: Weights, target: Target, horizon_ms: int = HORIZON_MS, enterable: Array = _NOWHERE
    ) -> ArrivalField:
        """Search backwards from the target until the horizon. `enterable`: see `Seeds.of`."""
        horizon_ms = min(int(horizon_ms), INF_MS >> 1)
        graph = weights.network.graph
        seeds = Seeds.of(weights, target, enterable)
        values = search.build(graph.turn_start, _arcs(weights), seeds.edge, seeds.ms, horizon_ms)
        return cls(weights, target, horizon_ms, seeds, values.reshape(-1, 1))

    @property
    def at_end_ms(self) -> Array:
        """int32[E]."""
        return self.values[:-1, self.lane]

    @cached_property
    def exhausted(self) -> bool:
        """The search ran out before the horizon: what has no value is unreachable, not merely far."""
        graph = self.weights.network.graph
        if (self.at_end_ms[self.seeds.edge] >= INF_MS).any():
            return False
        return not search.cut_by_horizon(graph.turn_start, graph.turn_from, self.weights.arc_ms, self.values, self.lane)

    def reason(self) -> Literal["unreachable", "outside_horizon"]:
        """Why a unit on the network has no ETA here."""
        return UNREACHABLE if self.exhausted else OUTSIDE_HORIZON

    def etas_ms(self, points: RoadPoints, advance_m: Array | None = None) -> tuple[Array, Array]:
        """ETA int32[N] of each unit (INF_MS = none) and int8[N] which of its candidates gives it (-1 = none).

        `advance_m` float32[N] moves each unit on along its edge, at most to its end.
        """
        return self.read(Starts.of(self.weights, points, advance_m))

    def read(self, starts: Starts) -> tuple[Array, Array]:
        """The same for units that already have their place; `starts` may be used for many fields of equal weights."""
        at_end = search.gather(self.values, self.lane, starts.edge)
        return search.best_of(*starts, at_end, self.weights.edge_ms, *self.seeds.ahead)

    def distances_m(self, points: RoadPoints, which: Array) -> tuple[Array, Array]:
        """Metres float32[N] by road from each unit's chosen candidate (int8[N]) and target int8[N] (-1 = no way)."""
        rows = np.arange(len(points))
        chosen = np.maximum(which, 0)
        edges = np.where(which >= 0, points.edge[rows, chosen], -1).astype(np.int32)
        fractions = points.fraction[rows, chosen]
        metres, target = self._lengths_m(edges)
        length_m = self.weights.network.graph.length_m
        length = length_m[np.maximum(edges, 0)]
        ahead = length * (FRACTION_ONE - fractions) / FRACTION_ONE
        metres = np.where(target >= 0, metres + ahead, 0.0)
        for n in np.flatnonzero(np.isin(edges, self.target.edges)):
            k = self._direct(int(edges[n]), int(fractions[n]))
            if k is not None:
                target[n] = k
                metres[n] = length[n] * (self.target.fractions[k] - fractions[n]) / FRACTION_ONE
        return metres.astype(np.float32), target

    def _lengths_m(self, edges: Array) -> tuple[Array, Array]:
        """Metres float32[N] from the ends of edges (int32[N], -1 = none) to the target, and which of its places."""
        graph = self.weights.network.graph
        metres, seed, last = search.downhill_lengths(
            graph.leave_start, graph.leave_turn, graph.leave_to, self.weights.arc_ms, self.values, self.lane,
            self.seeds.edge, self.seeds.ms, graph.length_m, edges, np.empty(_PATH_MAX, np.uint32),
        )  # fmt: skip
        found = seed >= 0
        target = np.where(found, self.seeds.target[np.where(found, seed, 0)] if found.any() else -1, -1).astype(np.int8)
        end_m = graph.length_m[list(self.target.edges)] * np.asarray(self.target.fractions) / FRACTION_ONE
        metres = metres + np.where(target >= 0, end_m[target], 0.0)
        inside = found & (target < 0)
        if self.seeds.approach is not None and inside.any():
            more, target[inside] = self.seeds.approach._lengths_m(np.where(inside, last, -1)[inside].astype(np.int32))
            metres[inside] += more
        return metres, target

    def _direct(self, edge: int, fraction: int) -> int | None:
        """The target ahead on the same edge, when driving straight to it is the best way."""
        edge_ms, target = int(self.weights.edge_ms[edge]), self.target
        best, chosen = INF_MS, None
        if self.values[edge, self.lane] < INF_MS:
            best = (edge_ms * (FRACTION_ONE - fraction) >> 16) + int(self.values[edge, self.lane])
        for k in self.seeds.ahead_of:
            q = target.fractions[k]
            if target.edges[k] == edge and q >= fraction:
                value = (edge_ms * (q - fraction) >> 16) + target.last_leg_ms[k]
                if value < best:
                    best, chosen = value, k
        return chosen

    def way(self, edge: int, fraction: int) -> Way | None:
        """Walk downhill from a road point; None when there is no way."""
        edges, turns = [edge], list[int]()
        k = self._direct(edge, fraction)
        if k is None:
            k = self._walk(edges, turns)
        return None if k < 0 else Way(edges, turns, k)

    def route(self, edge: int, fraction: int) -> Route | None:
        """The way from a road point as it is driven; None when there is none."""
        target, way = self.target, self.way(edge, fraction)
        if way is None:
            return None
        edges, turns, k = way
        return describe(
            self.weights, edges, turns, (fraction, target.fractions[k]), target.last_leg_ms[k], target.last_leg_m[k]
        )

    def _walk(self, edges: list[int], turns: list[int]) -> int:
        """Add to the edges and turns of a way those down to the target; which of its places, -1 when none."""
        graph = self.weights.network.graph
        path, path_turn = np.empty(_PATH_MAX, np.uint32), np.empty(_PATH_MAX, np.uint32)
        count, seed = search.downhill(
            graph.leave_start, graph.leave_turn, graph.leave_to, self.weights.arc_ms, self.values, self.lane,
            self.seeds.edge, self.seeds.ms, np.int32(edges[-1]), path, path_turn,
        )  # fmt: skip
        if seed < 0:
            return -1
        edges += path[:count].tolist()
        turns += path_turn[:count].tolist()
        k = int(self.seeds.target[seed])
        if k < 0 and self.seeds.approach is not None:
            return self.seeds.approach._walk(edges, turns)
        edges.append(self.target.edges[k])
        turns.append(int(self.seeds.turn[seed]))
        return k

    def reach(self, minutes: Sequence[float]) -> list[shapely.MultiPolygon]:
        """Where a unit must be to arrive within each number of minutes: valid polygons, the larger hold the smaller.

        A road that may not be entered counts where it leads there: who stands on it may leave it.
        """
        limits = [min(self.horizon_ms, int(m * 60_000)) for m in minutes]
        target = self.target
        ends = [(target.edges[k], target.fractions[k], target.last_leg_ms[k]) for k in self.seeds.ahead_of]
        edge_ms = np.where(self.weights.shut & np.uint64(Shut.NEVER), INF_MS, self.weights.edge_ms)
        return reach_polygons(self.weights.network, self.at_end_ms, edge_ms, ends, limits)


def reach_out(
    weights: Weights, starts: Starts, minutes: Sequence[float], horizon_ms: int = HORIZON_MS
) -> list[shapely.MultiPolygon]:
    """Where somebody who stands at one of some places (`starts`, all of one unit) can be within each number of minutes:
    valid polygons, the larger hold the smaller. One-ways are driven as they run; what is shut is left, not entered."""
    limits = [min(horizon_ms, int(m * 60_000)) for m in minutes]
    graph, edges = weights.network.graph, weights.network.edges
    some = starts.edge.ravel() < edges
    edge, rest = starts.edge.ravel()[some], starts.rest_ms.ravel()[some]
    # the same search on the graph turned round: times to the end of every edge instead of from it
    arcs = search.pack_arcs(graph.leave_to, read_only(weights.arc_ms[graph.leave_turn]))
    at_end = search.build(graph.leave_start, arcs, read_only(edge), read_only(rest), max(limits, default=0))
    at_start = search.entered(graph.turn_start, graph.turn_from, weights.turn_ms, weights.arc_ms, at_end)
    # to come onto a twin is to come onto its road
    for single, twins in weights.network.twins_of.items():
        at_start[single] = min(int(at_start[single]), *(int(at_start[twin]) for twin in twins))
    own = zip(edge.tolist(), starts.fraction.ravel()[some].tolist(), starts.lead_ms.ravel()[some].tolist(), strict=True)
    return reach_polygons(weights.network, at_start, weights.edge_ms, list(own), limits, outward=True)


def cold_etas_ms(
    probe: Probe, target: Target, points: RoadPoints, horizon_ms: int = HORIZON_MS, enterable: Array = _NOWHERE
) -> tuple[Array, Array]:
    """What `ArrivalField.etas_ms` would say, without making the field: for one question about N units."""
    weights = probe.metric.weights
    seeds, starts = Seeds.of(weights, target, enterable), Starts.of(weights, points)
    at_end = probe.at_end_ms(seeds.edge, seeds.ms, starts.edge, horizon_ms)
    return search.best_of(*starts, at_end, weights.edge_ms, *seeds.ahead)
