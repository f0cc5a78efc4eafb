"""Driving: the weights of a profile at a time, at the pace that drives have taught, under the closures in force and at
the speeds that are measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import shape

from geo_backup.events import ClosureAdded, SpeedsAdopted
from geo_backup.roads.closures import Cut, Levels, cut, cut_named
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import Pace
from geo_backup.roads.pace_tree import Factors, Tree, at_pace, factors
from geo_backup.roads.pace_words import Paced, evidence_s
from geo_backup.roads.profile import Profile, hour_of
from geo_backup.roads.snap import Target
from geo_backup.roads.traffic import Traffic, drive_ms
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import PaceRules

Edges = npt.NDArray[np.int32]

TRAFFIC = "(traffic)"
"""What the edges that measured speeds close are called among the closures: no closure of the log has such an id."""

ALL_TRAFFIC = "routine"
"""The profile whose pace is that of all traffic."""

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
    """All closures in force on one network and the traffic, kept in step with a view of the live map at the cost of
    what changed."""

    def __init__(self, network: RoadNetwork) -> None:
        self.network = network
        self.changes = 0
        """How often the closures have changed."""
        self.traffic: Traffic | None = None
        self._speeds_id = ""
        self._by_traffic: dict[str, ClosureAdded] = {}
        self._by_id: dict[str, Obstacle] = {}
        self._edge: Edges | None = None
        self._owner: Edges | None = None
        self._shutting: dict[int, frozenset[str]] = {}

    def follow(
        self, in_force: Mapping[str, ClosureAdded], speeds: SpeedsAdopted | None = None
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Take in which closures are in force and the speeds that are measured, and answer which closures are over and
        which have begun (both, when one was lifted and another made with its id)."""
        self._adopt(speeds)
        in_force = {**in_force, **self._by_traffic}
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

    def _adopt(self, speeds: SpeedsAdopted | None) -> None:
        speeds_id = "" if speeds is None else speeds.speeds_id
        if speeds_id == self._speeds_id:
            return
        self._speeds_id, self.traffic, self._by_traffic = speeds_id, None, {}
        if speeds is None:
            return
        self.traffic = Traffic.unpacked(speeds.packed, self.network.edges)
        if len(shut := self.traffic.closed):
            self._by_traffic[TRAFFIC] = ClosureAdded(
                received_ms=speeds.received_ms, closure_id=TRAFFIC, geometry={"edges": shut.tolist()}, reason="traffic"
            )

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


@dataclass(frozen=True, eq=False, slots=True)
class Taught:
    """What drives have taught of one way of driving: its own pace, and that of all traffic where it is another."""

    pace: Pace | None
    traffic: Pace | None
    rules: PaceRules

    @classmethod
    def of(cls, paces: Mapping[str, Pace], profile: Profile, rules: PaceRules) -> Taught | None:
        """Of a profile; None where nothing was learned, or nothing is to be."""
        own = paces.get(profile.name)
        traffic = None if profile.name == ALL_TRAFFIC else paces.get(ALL_TRAFFIC)
        return cls(own, traffic, rules) if rules.learn and (own or traffic) else None

    def same(self, other: Taught | None) -> bool:
        """Whether the other is made of the same."""
        if other is None:
            return False
        return self.pace is other.pace and self.traffic is other.traffic and self.rules == other.rules

    def factors(self, tree: Tree, profile: Profile) -> Factors:
        """Of all nodes."""
        share = profile.speed.congestion_share
        return factors(tree, self.pace or Pace.unlearned(), self.rules, traffic=self.traffic, share=share)

    @property
    def evidence_s(self) -> int:
        """Seconds of driving that taught it."""
        return evidence_s(self.pace) + evidence_s(self.traffic)


class Driving:
    """One way of driving as it is now; `follow` brings it up to the moment."""

    def __init__(
        self, obstacles: Obstacles, profile: Profile, as_of_ms: int | None = None, taught: Taught | None = None
    ) -> None:
        self.obstacles, self.profile, self._timeless = obstacles, profile, profile.timeless
        self._plain = weigh(obstacles.network, profile, hour=self._hour(as_of_ms))
        """As the profile says."""
        self.weights = self._plain
        self._taught: Taught | None = None
        self.paced: Paced | None = None
        """At the pace that was taught; None where nothing was."""
        self.holding: Mapping[str, Obstacle] = {}
        """Closures that these weights are under."""
        self._covers = covers([], obstacles.network.edges)
        self._changes = -1
        """Which change of the closures it has followed."""
        self._traffic: Traffic | None = None
        self._measured: tuple[Array, Array] | None = None
        """What traffic makes of it: edges and ms, as `drive_ms` has them."""
        self.follow(as_of_ms, taught)

    def _hour(self, as_of_ms: int | None) -> int | None:
        """Of the local day; None where all hours are alike, as before any time is known."""
        if self._timeless or as_of_ms is None:
            return None
        return hour_of(as_of_ms, self.obstacles.network.area.timezone)

    def follow(self, as_of_ms: int | None, taught: Taught | None = None) -> Array | None:
        """Bring the weights up to the hour, the pace, the closures and the traffic; bool[E]: edges that they drive, or
        turn into, otherwise than before, None where nothing changed."""
        before, traffic = self.weights, self.obstacles.traffic
        bare = self._bare(as_of_ms, taught)
        as_it_was = traffic is self._traffic and bare is (before.bare or before)
        if as_it_was and self._changes == self.obstacles.changes:
            return None
        self._changes = self.obstacles.changes
        holding, held = self.obstacles.holding(self.profile), self.holding
        changed = [one for name, one in holding.items() if held.get(name) is not one]
        changed += [one for name, one in held.items() if holding.get(name) is not one]
        if as_it_was and not changed:
            return None
        network = self.obstacles.network
        if not as_it_was:
            self._traffic = traffic
            self._measured = drive_ms(traffic, network, self.profile, bare.hour) if traffic else None
        shutting = [one for one in holding.values() if one.shuts]
        self.holding, self._covers = holding, covers(shutting, network.edges)
        slow = slowed([one for one in holding.values() if not one.shuts], bare.edge_ms, self._measured)
        self.weights = bare.under([one.edges for one in shutting], *slow)
        elsewhere: Array = (self.weights.edge_ms != before.edge_ms) | (bare.shut != (before.bare or before).shut)
        if self.weights.turn_ms is not before.turn_ms:
            elsewhere[network.turn_to[self.weights.turn_ms != before.turn_ms]] = True
        for one in changed:
            elsewhere[one.edges] = True
        return elsewhere

    def _bare(self, as_of_ms: int | None, taught: Taught | None) -> Weights:
        """The weights without closures and traffic; the same object as long as they are the same."""
        hour, network = self._hour(as_of_ms), self.obstacles.network
        if self._plain.hour != hour:
            self._plain, self._taught, self.paced = weigh(network, self.profile, hour=hour), None, None
        if taught is None or as_of_ms is None:
            self._taught = self.paced = None
            return self._plain
        now = hour_of(as_of_ms, network.area.timezone)
        if self.paced is None or self.paced.hour != now or not taught.same(self._taught):
            tree = Tree.of(network)
            known = taught.factors(tree, self.profile)
            bare = at_pace(self._plain, tree, known, now)
            self._taught, self.paced = taught, Paced(self._plain, bare, tree, known.whole, now, taught.evidence_s)
        return self.paced.bare

    def last_stretch(self, around: frozenset[str]) -> tuple[frozenset[str], Edges]:
        """Of the closures around a place those that hold, and the edges that they open on the last stretch to it."""
        waived = around.intersection(self.holding)
        return waived, enterable([self.holding[name] for name in waived], self._covers)

    def last_stretch_to(self, target: Target) -> Edges:
        """The edges that closures around a place open to who drives there."""
        return self.last_stretch(self.obstacles.around(target))[1]

    def field_to(self, target: Target, horizon_ms: int) -> ArrivalField:
        """The field of any place; a closure in which it lies may be entered on the last stretch."""
        return ArrivalField.build(self.weights, target, horizon_ms, self.last_stretch_to(target))

    def barring(self, edges: list[int], waived: frozenset[str]) -> tuple[str, ...]:
        """Closures that a way drives into, in order; one that the place itself lies in only if there is no other."""
        met: dict[str, None] = {}
        for n in np.flatnonzero(self._covers[edges]).tolist():
            if n > 0:  # where one stands already can be left
                entered = self.obstacles.shutting(edges[n]) - self.obstacles.shutting(edges[n - 1])
                met.update(dict.fromkeys(sorted(entered.intersection(self.holding))))
        return tuple(name for name in met if name not in waived) or tuple(met)
