"""Weights: what one way of driving makes of a network now: milliseconds for every edge and turn, and what is shut.

A shut area can be left, but not entered: a vehicle that stands inside drives out, and from inside to inside. Only an
incident within opens the last stretch to it (see `field`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np

from geo_backup.roads.kernel import INF_MS, Array, Number, kernel, read_only
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import CLOSED_MS, Profile, edge_ms, fits, turn_ms


class Shut(IntFlag):
    """Why an edge may not be entered; 0 = it may."""

    NOT_FOR_PROFILE = 1
    """Not a road for this way of driving; entered on the last stretch to an incident on it."""
    NEVER = 2
    """The wrong way of a one-way, or too low, narrow or weak: not even on the last stretch."""
    CLOSED = (1 << 64) - 4
    """By closures in force, so that one is not left through another: a bit each, and where there are more of them than
    bits, another one than those which it touches. More than 62 that all touch each other share bits."""


BITS = 62
"""Of closures."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What a profile makes of a network under the closures and speeds of the moment.

    `edge_ms` int32[E]: 1 to CLOSED_MS - 1 everywhere, for who stands on an edge he may not enter has to get off it.
    `shut` uint64[E]: `Shut`. `turn_ms` int32[T]: at least 0, CLOSED_MS where banned.
    `arc_ms` int32[T]: the turn and the whole edge after it; CLOSED_MS where that edge may not be entered from there,
    because something shuts it that did not shut the edge before.
    `weights_id` names the network, the profile, the hour, the closed edges and the changed speeds.
    """

    network: RoadNetwork
    profile: Profile
    edge_ms: Array
    shut: Array
    turn_ms: Array
    arc_ms: Array
    weights_id: str
    hour: int | None = None
    """Of the local day, 0 to 23; None where all hours are alike."""
    bare: Weights | None = None
    """The same without closures and changed speeds; None when that is these."""

    def under(
        self, closures: Sequence[Array] = (), slowed: Array | None = None, slowed_ms: Array | None = None
    ) -> Weights:
        """The bare weights with exactly these closures (each int[N] edges), and some edges (int[M]) driven in so many
        ms (int[M])."""
        bare = self.bare or self
        slowed = np.zeros(0, np.int32) if slowed is None or slowed_ms is None else np.asarray(slowed, np.int32)
        if not len(slowed) and not any(len(edges) for edges in closures):
            return bare
        now_ms, shut = bare.edge_ms.copy(), bare.shut.copy()
        if slowed_ms is not None:
            now_ms[slowed] = np.clip(slowed_ms, 1, CLOSED_MS - 1)
        for k, edges in enumerate(closures):
            bit = k if len(closures) <= BITS else _free_bit(bare.network, shut, edges, k)
            shut[edges] |= np.uint64(4 << bit)
        return _weights(bare.network, bare.profile, now_ms, shut, bare.turn_ms, bare.hour, bare, (*closures, slowed))

    def with_closed(self, edges: Array) -> Weights:
        """The bare weights with exactly these edges (int[N]) closed."""
        return self.under([edges])

    def timed(self, edge_ms: Array, turn_ms: Array) -> Weights:
        """The bare weights with other times: int32[E] of every edge, int32[T] of every turn."""
        bare = self.bare or self
        return _weights(bare.network, bare.profile, edge_ms, bare.shut.copy(), turn_ms, bare.hour, None, (), True)

    def within(self, area: Array) -> Weights:
        """The same where only the edges of an area (bool[E]) can be entered."""
        shut = np.where(area, np.uint64(0), np.uint64(Shut.NEVER))
        arc_ms = _arcs(self.network, self.edge_ms, shut, self.turn_ms)
        return replace(self, shut=shut, arc_ms=arc_ms)


def weigh(
    network: RoadNetwork, profile: Profile, closed_edges: Array | None = None, *, hour: int | None = None
) -> Weights:
    """Weights of a network for a profile, with some edges (int[N]) closed, at an hour of the local day (0 to 23)."""
    drive_ms, usable = edge_ms(network, profile, hour)
    never = (np.asarray(network.edge_flags) & int(EdgeFlag.AGAINST_ONEWAY)) != 0
    never |= ~fits(network, profile.vehicle)
    shut = np.where(usable, 0, np.where(never, Shut.NEVER, Shut.NOT_FOR_PROFILE)).astype(np.uint64)
    bare = _weights(network, profile, drive_ms, shut, turn_ms(network, profile), hour, None, ())
    return bare if closed_edges is None else bare.with_closed(closed_edges)


def _weights(
    network: RoadNetwork,
    profile: Profile,
    drive_ms: Array,
    shut: Array,
    turns_ms: Array,
    hour: int | None,
    bare: Weights | None,
    changed: Sequence[Array],
    timed: bool = False,
) -> Weights:
    """Put together; `changed` are the edges in which they differ from the bare ones, closure by closure, then those
    with other speeds. Where every edge and turn has a time of its own, `timed` is true."""
    digest = hashlib.sha256(f"{network.content_id} {profile.profile_id} {hour} ".encode())
    if bare is None:
        arc_ms = _arcs(network, drive_ms, shut, turns_ms)
    else:
        arc_ms = bare.arc_ms.copy()
        edges = np.concatenate(changed).astype(np.int32)
        _set_arcs(*network.graph[:5], read_only(drive_ms), read_only(shut), read_only(turns_ms), edges, arc_ms)
        digest.update(repr([len(part) for part in changed]).encode())
        for values in (edges, drive_ms[changed[-1]]):
            digest.update(np.ascontiguousarray(values, "<i4").tobytes())
    if timed:
        for values in (drive_ms, turns_ms):
            digest.update(np.ascontiguousarray(values, "<i4").tobytes())
    for array in (drive_ms, shut, turns_ms, arc_ms):
        array.setflags(write=False)
    return Weights(network, profile, drive_ms, shut, turns_ms, arc_ms, digest.hexdigest()[:16], hour, bare)


def _arcs(network: RoadNetwork, drive_ms: Array, shut: Array, turns_ms: Array) -> Array:
    """int32[T] `Weights.arc_ms` of all turns."""
    arc_ms = np.empty(network.turns, np.int32)
    every = np.arange(network.edges, dtype=np.int32)
    _set_arcs(*network.graph[:5], read_only(drive_ms), read_only(shut), read_only(turns_ms), every, arc_ms)
    return arc_ms


def _free_bit(network: RoadNetwork, shut: Array, edges: Array, k: int) -> int:
    """The first bit of no closure that a closure with these edges touches; where there is none, the one of its
    number."""
    graph, own = network.graph, read_only(np.asarray(edges, np.int32))
    near = _bits_near(graph.turn_start, graph.turn_from, graph.leave_start, graph.leave_to, read_only(shut), own)
    taken = int(near) >> 2
    free = ~taken & ((1 << BITS) - 1)
    return (free & -free).bit_length() - 1 if free else k % BITS


@kernel
def _bits_near(
    turn_start: Array, turn_from: Array, leave_start: Array, leave_to: Array, shut: Array, edges: Array
) -> Number:
    """What shuts some edges (int32[N]), or those before and behind them, any of it."""
    near = np.uint64(0)
    for e in edges:
        near |= shut[e]
        for i in range(turn_start[e], turn_start[e + 1]):
            near |= shut[turn_from[i]]
        for j in range(leave_start[e], leave_start[e + 1]):
            near |= shut[leave_to[j]]
    return near


@kernel
def _arc(turn_ms: Number, edge_ms: Number, shut_from: Number, shut_to: Number) -> Number:
    if turn_ms >= INF_MS or shut_to & np.uint64(2) or shut_to & ~shut_from:
        return INF_MS
    return min(INF_MS, turn_ms + edge_ms)


@kernel
def _set_arcs(
    turn_start: Array, turn_from: Array, leave_start: Array, leave_turn: Array, leave_to: Array,
    edge_ms: Array, shut: Array, turn_ms: Array, edges: Array, arc_ms: Array,
) -> None:  # fmt: skip
    """Set `arc_ms` of the turns into and out of some edges (int32[N])."""
    for e in edges:
        for i in range(turn_start[e], turn_start[e + 1]):
            arc_ms[i] = _arc(turn_ms[i], edge_ms[e], shut[turn_from[i]], shut[e])
        for j in range(leave_start[e], leave_start[e + 1]):
            t = leave_to[j]
            arc_ms[leave_turn[j]] = _arc(turn_ms[leave_turn[j]], edge_ms[t], shut[e], shut[t])
