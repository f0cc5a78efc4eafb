"""What a learned pace makes of a way or a road, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array
from geo_backup.roads.network import FRACTION_ONE, TurnKind, WayClass
from geo_backup.roads.pace import ONE, SHIFT, Level, Pace
from geo_backup.roads.pace_tree import NOW, SIGNALS, STOP, Tree, times
from geo_backup.roads.weights import Weights
from geo_backup.rules import PaceRules

INDEX = (1 << SHIFT) - 1
"""Of a node within its level."""
AS_THE_PROFILE = "as the profile says"
CLASSES: Mapping[int, str] = {int(one): one.name.lower().replace("_", " ") for one in WayClass}
TURNS: Mapping[int, str] = {
    kind + stands: f"{kind.name.lower().replace('_', ' ')}{words}"
    for kind in TurnKind
    for stands, words in ((0, ""), (SIGNALS, " at signals"), (STOP, " at a stop or give-way sign"))
}
"""Kinds of turn as nodes have them, with what stands there."""


@dataclass(frozen=True, eq=False, slots=True)
class Paced:
    """The weights of a profile, `plain` as it says and `bare` at a pace, in an hour of the local day; `factor` int64[N]
    of the nodes of the tree in 1/65536, and seconds of driving that taught them."""

    plain: Weights
    bare: Weights
    tree: Tree
    factor: Array
    hour: int
    evidence_s: int

    def way(self, now: Weights, edges: list[int], turns: list[int], ends: tuple[int, int]) -> str:
        """In words, what the pace makes of a way from a fraction of its first edge to one of its last. Roads that
        are not driven at this pace `now`, for traffic or a closure, say nothing."""
        edge, turn = np.array(edges, np.int64), np.array(turns, np.int64)
        share = np.full(len(edge), FRACTION_ONE, np.int64)
        share[-1] = ends[1]
        share[0] -= ends[0]
        share[now.edge_ms[edge] != self.bare.edge_ms[edge]] = 0
        factor, tree, traffic = self.factor, self.tree, self._traffic
        plain_ms = np.concatenate((self.plain.edge_ms[edge] * share >> 16, self.plain.turn_ms[turn]))
        cell = np.concatenate((tree.edge_cell[edge], tree.turn_cell[turn]))
        traffic_ms = times(times(plain_ms, traffic), factor[cell])
        whole_ms = int((self.bare.edge_ms[edge] * share >> 16).sum() + self.bare.turn_ms[turn].sum())
        return way_words(int(plain_ms.sum()), int(traffic_ms.sum()), whole_ms)

    def road(self, edge: int) -> tuple[float, str]:
        """How many times as long as the profile says one takes on a road, and what that is made of in words."""
        tree, factor = self.tree, self.factor
        made_of = (
            (int(times(self._traffic, factor[tree.edge_cell[edge]])), "now"),
            (int(factor[tree.edge_class[edge]]), CLASSES[int(tree.nodes[tree.edge_class[edge]]) & INDEX]),
            (int(factor[tree.edge_road[edge]]), "this street"),
        )
        whole = np.prod([part / ONE for part, _ in made_of])
        said = [f"{part / ONE:.1f} {name}" for part, name in made_of if f"{part / ONE:.1f}" != "1.0"]
        return round(float(whole), 3), " x ".join(said) or AS_THE_PROFILE

    @property
    def _traffic(self) -> Array:
        """The factor of this hour, and of now."""
        return times(self.factor[self.hour], self.factor[NOW])


def way_words(plain_ms: int, traffic_ms: int, whole_ms: int) -> str:
    """How much longer a way takes than the profile says; how much of that is the traffic of now, how much its roads."""
    if plain_ms <= 0 or traffic_ms <= 0:
        return AS_THE_PROFILE
    whole = f"{whole_ms / plain_ms:.1f}"
    made_of = ((f"{traffic_ms / plain_ms:.1f}", "now"), (f"{whole_ms / traffic_ms:.1f}", "of these roads"))
    said = [f"{part} {name}" for part, name in made_of if part != "1.0"]
    if not said and whole == "1.0":
        return AS_THE_PROFILE
    return f"{whole} times the profile's time" + (f": {', '.join(said)}" if said else "")


class Known(NamedTuple):
    """What a node says beyond its parents: its number within its level, its factor, and seconds of driving."""

    number: int
    factor: float
    evidence_s: int


def known(pace: Pace, level: Level, rules: PaceRules) -> list[Known]:
    """The nodes of a level with evidence, by index."""
    begin, end = _rows(pace, level)
    some = Pace(pace.node[begin:end], pace.driven_ms[begin:end], pace.expected_ms[begin:end], pace.minute)
    columns = some.node & INDEX, some.own_factors(rules), some.driven_ms // 1_000
    return [
        Known(index, round(factor / ONE, 3), seconds)
        for index, factor, seconds in zip(*(column.tolist() for column in columns), strict=True)
    ]


def count(pace: Pace, level: Level) -> int:
    """How many nodes of a level have evidence."""
    begin, end = _rows(pace, level)
    return end - begin


def evidence_s(pace: Pace | None) -> int:
    """Seconds of driving that a pace knows of, less what has decayed: all of it was in some hour."""
    if pace is None:
        return 0
    begin, end = _rows(pace, Level.HOUR)
    return int(pace.driven_ms[begin:end].sum()) // 1_000


def _rows(pace: Pace, level: Level) -> tuple[int, int]:
    begin, end = np.searchsorted(pace.node, [int(level) << SHIFT, int(level) + 1 << SHIFT]).tolist()
    return begin, end
