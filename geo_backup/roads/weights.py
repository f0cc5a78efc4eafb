"""Weights: what one way of driving makes of a network now, in milliseconds, closures included."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from geo_backup.roads.network import Array, RoadNetwork
from geo_backup.roads.profile import CLOSED_MS, Profile, edge_ms, turn_ms


@dataclass(frozen=True, eq=False)
class Weights:
    """What a profile makes of a network: milliseconds for every edge and turn.

    `edge_ms` int32[E]: at least 1, CLOSED_MS where the profile may not drive.
    `open_edge_ms` int32[E]: finite everywhere, for a unit that already stands on an edge it may not enter.
    `turn_ms` int32[T]: at least 0, CLOSED_MS where banned; grouped like `network.turn_from`.
    `weights_id` names the network, the profile and the closed edges.
    """

    profile: Profile
    network: RoadNetwork
    edge_ms: Array
    open_edge_ms: Array
    turn_ms: Array
    weights_id: str
    usable_ms: Array
    """int32[E]: `edge_ms` before any closure."""

    def with_closed(self, edges: Array, *, closures_id: str = "") -> Weights:
        """The same weights with exactly these edges (int[N]) closed; turns are shared with this one."""
        edges = np.unique(np.asarray(edges, np.int32))
        now_ms = self.usable_ms.copy()
        now_ms[edges] = CLOSED_MS
        now_ms.setflags(write=False)
        return Weights(
            profile=self.profile,
            network=self.network,
            edge_ms=now_ms,
            open_edge_ms=self.open_edge_ms,
            turn_ms=self.turn_ms,
            weights_id=_weights_id(self.network, self.profile, edges, closures_id),
            usable_ms=self.usable_ms,
        )


def weigh(
    network: RoadNetwork, profile: Profile, closed_edges: Array | None = None, *, closures_id: str = ""
) -> Weights:
    """Weights of a network for a profile, with some edges (int[N]) closed.

    `closures_id` may name the closures in force; it goes into `weights_id`.
    """
    open_edge_ms, usable = edge_ms(network, profile)
    usable_ms = np.where(usable, open_edge_ms, CLOSED_MS).astype(np.int32)
    turns_ms = turn_ms(network, profile)
    for array in (open_edge_ms, usable_ms, turns_ms):
        array.setflags(write=False)
    bare = Weights(
        profile=profile,
        network=network,
        edge_ms=usable_ms,
        open_edge_ms=open_edge_ms,
        turn_ms=turns_ms,
        weights_id=_weights_id(network, profile, np.zeros(0, np.int32), closures_id),
        usable_ms=usable_ms,
    )
    if closed_edges is None or len(closed_edges) == 0:
        return bare
    return bare.with_closed(closed_edges, closures_id=closures_id)


def _weights_id(network: RoadNetwork, profile: Profile, closed: Array, closures_id: str) -> str:
    digest = hashlib.sha256(f"{network.content_id} {profile.profile_id} {closures_id} ".encode())
    digest.update(np.ascontiguousarray(closed, "<i4").tobytes())
    return digest.hexdigest()[:16]
