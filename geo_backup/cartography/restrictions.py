"""Restrictions: which turns the turn restrictions of a source forbid, and what became of each of them.

A restriction over a junction marks turns there. One over via ways speaks of a path: it comes out as `Path`s, which
`twins` turns into edges that remember the road before. An `only_` one holds where its last via way ends; until then
one may leave the path. A conditional one (`no_left_turn @ (Mo-Fr 07:00-09:00)`) holds
at all times: who is never sent through a turn that is forbidden at busy hours loses little at the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geo_backup.roads.kernel import Array
from geo_backup.roads.network import EdgeFlag, TurnFlag

OUTCOMES = ("applied", "via_way", "conditional", "needless", "exempt", "malformed", "unmatched")
"""What became of each turn restriction of the source; every one is counted under exactly one.

The first three hold: over a junction, over via ways, and, either way, under a condition that is taken to be always
true. `needless`: what it forbids cannot be driven anyway. `exempt`: it is not for cars. `malformed`: its members or its
kind make no sense. `unmatched`: a member is no road of this map.
"""

HOLDING = OUTCOMES[:3]

LONGEST_PATH = 64
"""Edges of a path over via ways at most; a longer one is malformed."""

MOST_STEPS = 4096
"""Looked at for the paths of one restriction; one that needs more is malformed."""


@dataclass(frozen=True)
class Restriction:
    """A turn restriction as the source has it; ids are way ids and one vertex key."""

    kind: str
    from_ways: tuple[int, ...]
    via_nodes: tuple[int, ...]
    via_ways: tuple[int, ...]
    to_ways: tuple[int, ...]
    exempt: bool = False
    emergency_exempt: bool = False
    conditional: bool = False

    @property
    def only(self) -> bool:
        """It names the one turn that is allowed."""
        return self.kind.startswith("only_")


@dataclass(frozen=True)
class Path:
    """Edges from the last of the from way over all via ways; from there a turn into `to` is forbidden, or the only
    one allowed."""

    edges: tuple[int, ...]
    to: frozenset[int]
    only: bool
    exempt: bool


@dataclass(frozen=True, eq=False)
class Crossroads:
    """Edges [E] and turns [T] as restrictions need them; edges grouped by tail, turns by the edge they lead into."""

    tail: Array
    head: Array
    way_id: Array
    """int64[E]: the source's id of each edge's way."""
    flags: Array
    turn_from: Array
    turn_to: Array
    back: Array
    """bool[T]: U-turns."""


def apply_restrictions(
    roads: Crossroads,
    facts: Array,
    restrictions: Sequence[Restriction],
    junction_of_key: Mapping[int, int],
    counts: Counter[str],
) -> list[Path]:
    """Mark `facts` uint16[T] with RESTRICTED and EMERGENCY_EXEMPT; answers the paths of restrictions over via ways.

    Each restriction is counted under one of `OUTCOMES`, as `restrictions_applied` and so on.
    """
    counts.update({f"restrictions_{outcome}": 0 for outcome in OUTCOMES})
    if not restrictions:
        return []
    find = _Finder(roads, restrictions, junction_of_key)
    paths: list[Path] = []
    # those with an exemption first: where two forbid one turn, the strict one has the last word
    for r in sorted(restrictions, key=lambda r: not r.emergency_exempt):
        r = find.near_via(r)
        outcome = find.fault(r)
        if not outcome and r.via_ways:
            found = find.paths(r)
            paths += found or ()
            outcome = "malformed" if found is None else "via_way" if found else "needless"
        elif not outcome:
            outcome = _mark(find, facts, r)
        counts[f"restrictions_{'conditional' if r.conditional and outcome in HOLDING else outcome}"] += 1
    return paths


def _mark(find: _Finder, facts: Array, r: Restriction) -> str:
    """Mark the turns of a restriction over a junction; answers what became of it."""
    roads, here = find.roads, find.turns_at(r.via_nodes[0])
    leaves = np.isin(roads.way_id[roads.turn_from[here]], r.from_ways)
    enters = np.isin(roads.way_id[roads.turn_to[here]], r.to_ways)
    if r.only:
        hit = leaves & ~enters
        if not np.any(leaves & enters):
            # the one turn left does not exist (a one-way the other way): forbidding all others is no sense
            return "malformed"
    elif r.from_ways != r.to_ways:
        hit = leaves & enters
    else:
        # one way on both sides of the junction: only the kind tells which of its turns is meant
        hit = leaves & enters & (roads.back[here] if r.kind == "no_u_turn" else ~roads.back[here])
    facts[here[hit]] |= np.uint16(TurnFlag.RESTRICTED)
    if r.emergency_exempt:
        facts[here[hit]] |= np.uint16(TurnFlag.EMERGENCY_EXEMPT)
    else:
        facts[here[hit]] &= np.uint16(~np.uint16(TurnFlag.EMERGENCY_EXEMPT))
    return "applied" if hit.any() else "needless"


class _Finder:
    """Finds the ways, turns and paths that restrictions name."""

    def __init__(
        self, roads: Crossroads, restrictions: Sequence[Restriction], junction_of_key: Mapping[int, int]
    ) -> None:
        self.roads = roads
        self._junction_of_key = junction_of_key
        junctions = int(max(roads.tail.max(), roads.head.max())) + 1
        tail_start = np.searchsorted(roads.tail, np.arange(junctions + 1))
        self._turns_start = np.searchsorted(roads.turn_to, tail_start)
        self._ways = set(roads.way_id.tolist())
        self._ways_at: dict[int, set[int]] = defaultdict(set)
        vias = {junction_of_key.get(node, -1) for r in restrictions for node in r.via_nodes} - {-1}
        touching = np.isin(roads.tail, list(vias)) | np.isin(roads.head, list(vias))
        for edge in np.flatnonzero(touching).tolist():
            self._ways_at[int(roads.tail[edge])].add(int(roads.way_id[edge]))
            self._ways_at[int(roads.head[edge])].add(int(roads.way_id[edge]))
        self._leaving = Leaving(roads.turn_from, len(roads.tail)) if any(r.via_ways for r in restrictions) else None

    def turns_at(self, node: int) -> Array:
        """Turns over the junction at a node."""
        junction = self._junction_of_key[node]
        return np.arange(self._turns_start[junction], self._turns_start[junction + 1])

    def near_via(self, r: Restriction) -> Restriction:
        """Without the members that do not touch the via node, where others do: they were left behind when a way was
        cut."""
        if r.via_ways or len(r.via_nodes) != 1 or len(r.from_ways) + len(r.to_ways) <= 2:
            return r
        here = self._ways_at.get(self._junction_of_key.get(r.via_nodes[0], -1), set())
        near_from = tuple(way for way in r.from_ways if way in here)
        near_to = tuple(way for way in r.to_ways if way in here)
        return replace(r, from_ways=near_from or r.from_ways, to_ways=near_to or r.to_ways)

    def fault(self, r: Restriction) -> str:
        """Why a restriction cannot hold, before its turns are looked at; empty when it may."""
        if r.exempt:
            return "exempt"
        many_from = len(r.from_ways) > 1 and r.kind != "no_entry"
        many_to = len(r.to_ways) > 1 and r.kind != "no_exit"
        if not r.kind.startswith(("no_", "only_")) or not r.from_ways or not r.to_ways or many_from or many_to:
            return "malformed"
        if not r.via_ways and len(r.via_nodes) != 1:
            return "malformed"
        if not self._ways.issuperset((*r.from_ways, *r.via_ways, *r.to_ways)):
            return "unmatched"
        if r.via_ways:
            return ""
        junction = self._junction_of_key.get(r.via_nodes[0], -1)
        here = self._ways_at.get(junction, set())
        return "" if junction >= 0 and here.issuperset((*r.from_ways, *r.to_ways)) else "malformed"

    def paths(self, r: Restriction) -> list[Path] | None:
        """The paths a restriction over via ways speaks of; empty when nobody can drive it, None when its ways do not
        join. The via ways may stand in any order; each is driven without turning round."""
        roads, leaving = self.roads, self._leaving
        assert leaving is not None
        # signs speak to those who drive as the road is signed
        signed = roads.flags & EdgeFlag.AGAINST_ONEWAY == 0
        found: list[Path] = []
        starts = np.flatnonzero(np.isin(roads.way_id, r.from_ways) & signed).tolist()
        open_ends: list[tuple[tuple[int, ...], frozenset[int]]] = [((edge,), frozenset(r.via_ways)) for edge in starts]
        steps = 0
        while open_ends:
            path, left = open_ends.pop()
            steps += 1
            if steps > MOST_STEPS or len(path) > LONGEST_PATH:
                return None
            on = [
                int(roads.turn_to[turn])
                for turn in leaving.of(path[-1])
                if not roads.back[turn] and signed[roads.turn_to[turn]]
            ]
            to = frozenset(edge for edge in on if not left and roads.way_id[edge] in r.to_ways)
            if to:
                found.append(Path(path, to, r.only, r.emergency_exempt))
                continue
            here = int(roads.way_id[path[-1]])
            for edge in on:
                way = int(roads.way_id[edge])
                if edge not in path and (way in left or (way == here and len(path) > 1)):
                    open_ends.append(((*path, edge), left - {way}))
        return found or ([] if self._join(r) else None)

    def _join(self, r: Restriction) -> bool:
        """Whether the ways of a restriction meet at all, whatever their directions."""
        roads = self.roads
        ends = {
            way: set(roads.tail[roads.way_id == way].tolist()) | set(roads.head[roads.way_id == way].tolist())
            for way in {*r.from_ways, *r.via_ways, *r.to_ways}
        }
        left, reached = set(r.via_ways), set().union(*(ends[way] for way in r.from_ways))
        while joined := [way for way in left if ends[way] & reached]:
            left.difference_update(joined)
            reached = set().union(*(ends[way] for way in joined))
        return not left and any(ends[way] & reached for way in r.to_ways)


class Leaving:
    """Turns by the edge they leave."""

    def __init__(self, turn_from: Array, edges: int) -> None:
        self._turn = np.argsort(turn_from, kind="stable")
        self._start = np.searchsorted(turn_from[self._turn], np.arange(edges + 1))

    def of(self, edge: int) -> list[int]:
        """Turns out of an edge, ascending."""
        out: list[int] = self._turn[self._start[edge] : self._start[edge + 1]].tolist()
        return out
