"""The closures in force: what each does to the roads, which hold for a way of driving, which one a place lies in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import shape

from geo_backup.events import ClosureAdded
from geo_backup.roads.closures import Cut, Levels, cut, cut_named
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import Profile
from geo_backup.roads.snap import Target

Edges = npt.NDArray[np.int32]


RECENT = 8
_RECENT: WeakKeyDictionary[RoadNetwork, deque[tuple[ClosureAdded, Cut]]] = WeakKeyDictionary()
"""A new closure is asked about when it is checked, shown and driven by; a large one takes a while to work out."""


def cut_by(network: RoadNetwork, added: ClosureAdded) -> Cut:
    """What a closure cuts on a network: the roads under its shape, or the edges that it names."""
    recent = _RECENT.setdefault(network, deque(maxlen=RECENT))
    for known, its in tuple(recent):
        if known is added or known == added:
            return its
    if "edges" in added.geometry:
        found = cut_named(network, added.geometry["edges"])
    else:
        levels: Levels = added.layers or ("top" if added.levels == "top" else "all")
        found = cut(network, shape(added.geometry), added.buffer_m, levels)
    recent.append((added, found))
    return found


@dataclass(frozen=True, eq=False, slots=True)
class Obstacle:
    """One closure in force on one network. `edges` int32[N] ascending."""

    added: ClosureAdded
    edges: Edges
    area: shapely.Geometry | None
    """The ground it takes up, when it was drawn as an area."""

    @classmethod
    def of(cls, network: RoadNetwork, added: ClosureAdded) -> Obstacle:
        """Worked out from the fact."""
        geometry = added.geometry
        area = shape(geometry) if "edges" not in geometry and geometry["type"].endswith("Polygon") else None
        shapely.prepare(area)
        return cls(added, cut_by(network, added).edges, area)

    @property
    def shuts(self) -> bool:
        """It closes its edges; else it makes them slow."""
        return self.added.slow_factor is None

    def holds(self, profile: Profile) -> bool:
        """Whether it is one for a way of driving."""
        return self.added.applies_to == "all" or not profile.access.routine_closures


class Obstacles:
    """All closures in force on one network, kept in step with a view of the live map at the cost of what changed."""

    def __init__(self, network: RoadNetwork) -> None:
        self.network = network
        self.changes = 0
        """How often they have changed."""
        self._by_id: dict[str, Obstacle] = {}
        self._edge: Edges | None = None
        self._owner: Edges | None = None
        self._shutting: dict[int, frozenset[str]] = {}

    def follow(self, in_force: Mapping[str, ClosureAdded]) -> tuple[frozenset[str], frozenset[str]]:
        """Take in which closures are in force, and answer which are over and which have begun (both, when one was
        lifted and another made with its id)."""
        over = {
            closure_id
            for closure_id, known in self._by_id.items()
            if (now := in_force.get(closure_id)) is not known.added and now != known.added
        }
        begun = {closure_id for closure_id in in_force if closure_id not in self._by_id or closure_id in over}
        for closure_id in over:
            del self._by_id[closure_id]
        for closure_id in begun:
            self._by_id[closure_id] = Obstacle.of(self.network, in_force[closure_id])
        if over or begun:
            self._edge = self._owner = None
            self._shutting.clear()
            self.changes += 1
        return frozenset(over), frozenset(begun)

    def holding(self, profile: Profile) -> dict[str, Obstacle]:
        """Those that hold for a way of driving, in the order of their ids."""
        return {name: known for name in sorted(self._by_id) if (known := self._by_id[name]).holds(profile)}

    def shutting(self, edge: int) -> frozenset[str]:
        """Those that close an edge."""
        known = self._shutting.get(edge)
        if known is None:
            every, owner = self._edges_and_owners()
            names = list(self._by_id)
            on_it = [names[k] for k in owner[every == edge].tolist()]
            known = self._shutting[edge] = frozenset(name for name in on_it if self._by_id[name].shuts)
        return known

    def around(self, target: Target) -> frozenset[str]:
        """Those that close the ground or the road of a place."""
        areas = [name for name, known in self._by_id.items() if known.shuts]
        over = self._over(areas, np.array([target.lon]), np.array([target.lat]))
        return frozenset(over).union(*(self.shutting(edge) for edge in target.nearest_edges))

    def around_each(self, names: Iterable[str], targets: list[Target]) -> dict[int, set[str]]:
        """Of those named, the ones that close the ground or the road of each of many places; by the place's index."""
        shutting = [name for name in names if self._by_id[name].shuts]
        found: dict[int, set[str]] = {}
        edge = np.array([edge for target in targets for edge in target.nearest_edges], np.int32)
        of = np.repeat(np.arange(len(targets)), [len(target.nearest_edges) for target in targets])
        taken = np.zeros(self.network.edges, np.bool_)
        for name in shutting:
            taken[self._by_id[name].edges] = True
            for n in of[taken[edge]].tolist():
                found.setdefault(n, set()).add(name)
            taken[self._by_id[name].edges] = False
        lon, lat = np.array([(target.lon, target.lat) for target in targets]).reshape(-1, 2).T
        for name, rows in self._over(shutting, lon, lat).items():
            for n in rows:
                found.setdefault(n, set()).add(name)
        return found

    def _over(
        self, names: Iterable[str], lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
    ) -> dict[str, list[int]]:
        """Which of many places lie in the areas of those named."""
        out: dict[str, list[int]] = {}
        for name in names:
            area = self._by_id[name].area
            if area is not None and (rows := np.flatnonzero(shapely.contains_xy(area, lon, lat)).tolist()):
                out[name] = rows
        return out

    def _edges_and_owners(self) -> tuple[Edges, Edges]:
        """All edges of all closures, and of each the number of its closure."""
        if self._edge is None or self._owner is None:
            parts = [known.edges for known in self._by_id.values()]
            self._edge = np.concatenate([np.zeros(0, np.int32), *parts])
            self._owner = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
        return self._edge, self._owner


def covers(shutting: Iterable[Obstacle], edges: int) -> Edges:
    """int32[E]: how many closures close each edge."""
    parts = [np.zeros(0, np.int32), *(one.edges for one in shutting)]
    return np.bincount(np.concatenate(parts), minlength=edges).astype(np.int32)


def enterable(waived: Iterable[Obstacle], covers: Edges) -> Edges:
    """Edges int32[N] closed by those that a place lies in and by no others: open on the last stretch to it."""
    edges, count = np.unique(
        np.concatenate([np.zeros(0, np.int32), *(one.edges for one in waived)]), return_counts=True
    )
    only: Edges = edges[count == covers[edges]]
    return only


def slowed(
    slow: Iterable[Obstacle], edge_ms: Edges, measured: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """Edges int32[N] ascending that are driven in other than `edge_ms` (int32[E]), and in how many ms (int64[N]).

    `measured` speeds (edges int[M], ms int[M]) come first, and are slowed too: of several that slow an edge the one
    with the lowest share of its speed.
    """
    edges, ms = (np.zeros(0, np.int32),) * 2 if measured is None else measured
    now_ms, share = edge_ms.astype(np.int64), np.ones(len(edge_ms))
    now_ms[edges] = ms
    for one in sorted(slow, key=lambda one: one.added.slow_factor or 1.0, reverse=True):
        share[one.edges] = one.added.slow_factor or 1.0
    less = np.flatnonzero(share < 1.0).astype(np.int32)
    now_ms[less] = np.rint(now_ms[less] / share[less])
    every = np.union1d(edges, less).astype(np.int32)
    return every, now_ms[every]
