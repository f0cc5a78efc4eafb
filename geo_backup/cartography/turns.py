"""Turns: which edge leads into which, what kind of turn it is, and what forbids it.

Every pair of edges that meet is a turn, U-turns apart: those exist where a vehicle would otherwise be trapped. A turn
restriction marks its turns and removes none, for a siren may overrule it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geo_backup.cartography.ways import Restriction
from geo_backup.geodesy import turn_deg
from geo_backup.roads.network import Array, EdgeFlag, TurnFlag, TurnKind, WayClass, WayFlag

STRAIGHT_DEG, SLIGHT_DEG, SHARP_DEG = 25.0, 60.0, 125.0
"""Up to these changes of direction a turn is straight, slight, ordinary; beyond the last it is sharp."""

OUTCOMES = ("applied", "exempt", "malformed", "unmatched", "via_way", "conditional")
"""What became of each turn restriction of the source; every one is counted under exactly one."""

RANK = {
    WayClass.MOTORWAY: 0, WayClass.MOTORWAY_LINK: 0, WayClass.TRUNK: 1, WayClass.TRUNK_LINK: 1,
    WayClass.PRIMARY: 2, WayClass.PRIMARY_LINK: 2, WayClass.SECONDARY: 3, WayClass.SECONDARY_LINK: 3,
    WayClass.TERTIARY: 4, WayClass.TERTIARY_LINK: 4, WayClass.UNCLASSIFIED: 5, WayClass.RESIDENTIAL: 5,
    WayClass.ROAD: 5, WayClass.UNKNOWN: 5, WayClass.BUSWAY: 5,
}  # fmt: skip
SMALLEST_RANK = 6
"""Living streets, service ways, tracks, pedestrian streets."""


@dataclass(frozen=True, eq=False)
class Arms:
    """The directed edges [E] as turns need them, grouped by tail; `way_class` and the like are by way [W]."""

    tail: Array
    head: Array
    piece: Array
    way: Array
    flags: Array
    length_m: Array
    leaving_deg: Array
    arriving_deg: Array
    signals: Array
    stop: Array
    way_class: Array
    way_flags: Array
    way_id: Array
    junctions: int


@dataclass(frozen=True, eq=False)
class Turns:
    """Turns grouped by the edge they lead into, and which edges lie in the main part."""

    start: Array
    turn_from: Array
    facts: Array
    main: Array


def make_turns(
    arms: Arms, restrictions: Sequence[Restriction], junction_of_key: Mapping[int, int], counts: Counter[str]
) -> Turns:
    """All turns of the network; what became of each restriction is added to `counts`."""
    edges = len(arms.tail)
    incoming = np.argsort(arms.head, kind="stable")
    in_degree = np.bincount(arms.head, minlength=arms.junctions)
    in_start = np.concatenate(([0], np.cumsum(in_degree)))
    per_edge = in_degree[arms.tail]
    turn_to = np.repeat(np.arange(edges), per_edge)
    within = np.arange(len(turn_to)) - np.repeat(np.cumsum(per_edge) - per_edge, per_edge)
    turn_from = incoming[in_start[arms.tail[turn_to]] + within]

    # from one wrong-way stretch into the next: the limit on their length would not hold
    wrong = arms.flags & EdgeFlag.AGAINST_ONEWAY != 0
    keep = ~(wrong[turn_from] & wrong[turn_to] & (arms.way[turn_from] != arms.way[turn_to]))
    turn_from, turn_to = turn_from[keep], turn_to[keep]
    back = (arms.piece[turn_from] == arms.piece[turn_to]) & (turn_from != turn_to)

    facts = _kinds(arms, turn_from, turn_to, back)
    start = np.searchsorted(turn_to, np.arange(edges + 1))
    facts |= _restricted(arms, restrictions, junction_of_key, start, turn_from, turn_to, back, counts)
    needed = _needed_u_turns(arms, turn_from, turn_to, back, facts)
    keep = ~back | needed
    # the only way out of a dead end cannot be forbidden
    facts[needed] &= np.uint16(~np.uint16(TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT))
    turn_from, turn_to, facts = turn_from[keep], turn_to[keep], facts[keep]
    main = _main(arms, turn_from, turn_to, facts)
    return Turns(np.searchsorted(turn_to, np.arange(edges + 1)), turn_from, facts, main)


def _kinds(arms: Arms, turn_from: Array, turn_to: Array, back: Array) -> Array:
    """uint16[T]: direction of each turn, and what stands there."""
    change = turn_deg(arms.arriving_deg[turn_from], arms.leaving_deg[turn_to])
    size, right = np.abs(change), change > 0
    kind = np.select(
        [back, size <= STRAIGHT_DEG, size <= SLIGHT_DEG, size <= SHARP_DEG],
        [
            np.full(len(size), TurnKind.U_TURN),
            np.full(len(size), TurnKind.STRAIGHT),
            np.where(right, TurnKind.SLIGHT_RIGHT, TurnKind.SLIGHT_LEFT),
            np.where(right, TurnKind.RIGHT, TurnKind.LEFT),
        ],
        np.where(right, TurnKind.SHARP_RIGHT, TurnKind.SHARP_LEFT),
    ).astype(np.uint16)
    # roads at a junction: pieces that end here, a loop counted twice
    ends = np.unique(np.column_stack((np.concatenate((arms.tail, arms.head)), np.tile(arms.piece, 2))), axis=0)[:, 0]
    loops = np.unique(arms.piece[arms.tail == arms.head], return_index=True)[1]
    roads = np.bincount(ends, minlength=arms.junctions)
    roads += np.bincount(arms.tail[arms.tail == arms.head][loops], minlength=arms.junctions)
    meeting = roads[arms.tail[turn_to]] > 2
    signals = arms.signals[turn_from]
    rank = np.full(max(WayClass) + 1, SMALLEST_RANK)
    for way_class, value in RANK.items():
        rank[way_class] = value
    rank = rank[arms.way_class[arms.way]]
    circling = (arms.way_flags & WayFlag.ROUNDABOUT != 0)[arms.way]
    yields = meeting & (
        ((rank[turn_from] > rank[turn_to]) & ~circling[turn_from]) | (circling[turn_to] & ~circling[turn_from])
    )
    stop = (arms.stop[turn_from] | yields) & ~signals
    for condition, flag in (
        (signals, TurnFlag.SIGNALS),
        (stop, TurnFlag.STOP),
        (meeting, TurnFlag.ONTO_JUNCTION),
    ):
        kind |= np.where(condition, np.uint16(flag), np.uint16(0))
    return kind


def _restricted(
    arms: Arms,
    restrictions: Sequence[Restriction],
    junction_of_key: Mapping[int, int],
    start: Array,
    turn_from: Array,
    turn_to: Array,
    back: Array,
    counts: Counter[str],
) -> Array:
    """uint16[T]: RESTRICTED and EMERGENCY_EXEMPT; each restriction is counted under one of `OUTCOMES`."""
    flags = np.zeros(len(turn_from), np.uint16)
    counts.update({f"restrictions_{outcome}": 0 for outcome in OUTCOMES})
    if not restrictions:
        return flags
    tail_start = np.searchsorted(arms.tail, np.arange(arms.junctions + 1))
    ways_at: dict[int, set[int]] = defaultdict(set)
    of_edge = arms.way_id[arms.way]
    in_network = set(of_edge.tolist())
    vias = {junction_of_key.get(node, -1) for r in restrictions for node in r.via_nodes} - {-1}
    touching = np.isin(arms.tail, list(vias)) | np.isin(arms.head, list(vias))
    for edge in np.flatnonzero(touching).tolist():
        ways_at[int(arms.tail[edge])].add(int(of_edge[edge]))
        ways_at[int(arms.head[edge])].add(int(of_edge[edge]))
    # those with an exemption first: where two forbid one turn, the strict one has the last word
    for r in sorted(restrictions, key=lambda r: not r.emergency_exempt):
        r = _near_via(r, junction_of_key, ways_at)
        outcome = _outcome(r, junction_of_key, in_network, ways_at)
        if outcome == "applied":
            junction = junction_of_key[r.via_nodes[0]]
            begin, end = int(start[tail_start[junction]]), int(start[tail_start[junction + 1]])
            here = np.arange(begin, end)
            leaves = np.isin(of_edge[turn_from[here]], r.from_ways)
            enters = np.isin(of_edge[turn_to[here]], r.to_ways)
            if r.kind.startswith("only_"):
                hit = leaves & ~enters
                if not np.any(leaves & enters):
                    # the one turn left does not exist (a one-way the other way): forbidding all others is no sense
                    outcome, hit = "malformed", np.zeros(len(here), np.bool_)
            elif r.from_ways != r.to_ways:
                hit = leaves & enters
            else:
                # one way on both sides of the junction: only the kind tells which of its turns is meant
                hit = leaves & enters & back[here] if r.kind == "no_u_turn" else leaves & enters & ~back[here]
            flags[here[hit]] |= np.uint16(TurnFlag.RESTRICTED)
            if r.emergency_exempt:
                flags[here[hit]] |= np.uint16(TurnFlag.EMERGENCY_EXEMPT)
            else:
                flags[here[hit]] &= np.uint16(~np.uint16(TurnFlag.EMERGENCY_EXEMPT))
        counts[f"restrictions_{outcome}"] += 1
    return flags


def _near_via(r: Restriction, junction_of_key: Mapping[int, int], ways_at: Mapping[int, set[int]]) -> Restriction:
    """Without the members that do not touch the via node, where others do: they were left behind when a way was cut."""
    if len(r.via_nodes) != 1 or len(r.from_ways) + len(r.to_ways) <= 2:
        return r
    here = ways_at.get(junction_of_key.get(r.via_nodes[0], -1), set())
    near_from = tuple(way for way in r.from_ways if way in here)
    near_to = tuple(way for way in r.to_ways if way in here)
    return replace(r, from_ways=near_from or r.from_ways, to_ways=near_to or r.to_ways)


def _outcome(
    r: Restriction, junction_of_key: Mapping[int, int], in_network: set[int], ways_at: Mapping[int, set[int]]
) -> str:
    """What becomes of a restriction, before its turns are looked at."""
    if r.conditional:
        return "conditional"
    if r.exempt:
        return "exempt"
    known = r.kind.startswith(("no_", "only_"))
    many_from = len(r.from_ways) > 1 and r.kind != "no_entry"
    many_to = len(r.to_ways) > 1 and r.kind != "no_exit"
    if not known or not r.from_ways or not r.to_ways or many_from or many_to:
        return "malformed"
    if r.via_ways:
        return "via_way"
    if len(r.via_nodes) != 1:
        return "malformed"
    if not in_network.issuperset(r.from_ways) or not in_network.issuperset(r.to_ways):
        return "unmatched"
    junction = junction_of_key.get(r.via_nodes[0], -1)
    here = ways_at.get(junction, set())
    if junction < 0 or not here.issuperset(r.from_ways) or not here.issuperset(r.to_ways):
        return "malformed"
    return "applied"


def _needed_u_turns(arms: Arms, turn_from: Array, turn_to: Array, back: Array, facts: Array) -> Array:
    """bool[T]: U-turns without which a vehicle on the edge before them could not go on."""
    legal = arms.flags & EdgeFlag.LEGAL != 0
    free = ~back & (facts & np.uint16(TurnFlag.RESTRICTED) == 0)
    edges = len(arms.tail)
    ways_on = np.bincount(turn_from[free], minlength=edges)
    legal_ways_on = np.bincount(turn_from[free & legal[turn_to]], minlength=edges)
    stuck = np.where(legal[turn_from] & legal[turn_to], legal_ways_on[turn_from] == 0, ways_on[turn_from] == 0)
    return np.asarray(back & stuck)


def _main(arms: Arms, turn_from: Array, turn_to: Array, facts: Array) -> Array:
    """bool[E]: the largest set of legal edges in which each reaches each other by unrestricted turns."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = len(arms.tail)
    legal = arms.flags & EdgeFlag.LEGAL != 0
    use = legal[turn_from] & legal[turn_to] & (facts & np.uint16(TurnFlag.RESTRICTED) == 0)
    graph = coo_array((np.ones(int(use.sum()), np.int8), (turn_from[use], turn_to[use])), shape=(edges, edges))
    _, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    if not legal.any():
        return np.zeros(edges, np.bool_)
    size = np.bincount(label[legal])
    return np.asarray(legal & (label == int(np.argmax(size))))
