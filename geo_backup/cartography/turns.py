"""Turns: which edge leads into which, what kind of turn it is, and what forbids it.

Every pair of edges that meet is a turn, U-turns apart: those exist where a vehicle would otherwise be trapped, at once
or in a part of the network that nothing leads out of. A turn restriction or a locked gate marks its turns and removes
none, for a siren may overrule it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geo_backup.cartography.restrictions import Crossroads, Restriction, apply_restrictions
from geo_backup.cartography.twins import expand
from geo_backup.geodesy import turn_deg
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import EdgeFlag, TurnFlag, TurnKind, WayClass, WayFlag

STRAIGHT_DEG, SLIGHT_DEG, SHARP_DEG = 25.0, 60.0, 125.0
"""Up to these changes of direction a turn is straight, slight, ordinary; beyond the last it is sharp."""

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
    """The directed edges [E] as turns need them, grouped by tail.

    `way_class` and the like are by way [W], `mini_roundabout` and `locked` by junction [J].
    """

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
    level_crossing: Array
    """On the edge or at its end."""
    mini_roundabout: Array
    locked: Array
    """A gate that only emergency vehicles can have opened."""
    way_class: Array
    way_flags: Array
    way_id: Array
    junctions: int


@dataclass(frozen=True, eq=False)
class Turns:
    """Edges with their twins, grouped by tail, and turns grouped by the edge they lead into."""

    single: Array
    """int64[E]: index in `Arms` of each edge."""
    twin: Array
    """bool[E]."""
    main: Array
    """bool[E]: lies in the main part."""
    start: Array
    turn_from: Array
    facts: Array


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
    # a locked gate is a ban that emergency vehicles are excepted from
    locked = np.uint16(TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT)
    facts |= np.where(arms.locked[arms.tail[turn_to]] & ~back, locked, np.uint16(0))
    roads = Crossroads(arms.tail, arms.head, arms.way_id[arms.way], arms.flags, turn_from, turn_to, back)
    paths = apply_restrictions(roads, facts, restrictions, junction_of_key, counts)
    wide = expand(arms.tail, turn_from, turn_to, back, facts, paths)

    turn_from, turn_to, back, facts = wide.turn_from, wide.turn_to, wide.back, wide.facts
    legal = (arms.flags & EdgeFlag.LEGAL != 0)[wide.single]
    needed = _needed_u_turns(legal, turn_from, turn_to, back, facts)
    needed |= _u_turns_before_traps(legal, turn_from, turn_to, back, needed, facts)
    keep = ~back | needed
    # the only way out of a dead end cannot be forbidden
    facts[needed] &= np.uint16(~np.uint16(TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT))
    turn_from, turn_to, facts = turn_from[keep], turn_to[keep], facts[keep]
    use = legal[turn_from] & legal[turn_to] & (facts & np.uint16(TurnFlag.RESTRICTED) == 0)
    main = _main(legal, turn_from[use], turn_to[use])
    # whoever reaches a twin has reached its road; and that road leads on to more than the twin does
    main |= ~wide.twin & np.isin(wide.single, wide.single[main & wide.twin])
    start = np.searchsorted(turn_to, np.arange(len(legal) + 1))
    return Turns(wide.single, wide.twin, main, start, turn_from, facts)


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
    # round a mini-roundabout one yields to who is on it, whatever the size of the roads
    mini = arms.mini_roundabout[arms.tail[turn_to]]
    stop = (arms.stop[turn_from] | (yields & ~mini)) & ~signals
    for condition, flag in (
        (signals, TurnFlag.SIGNALS),
        (stop, TurnFlag.STOP),
        (meeting, TurnFlag.ONTO_JUNCTION),
        (arms.level_crossing[turn_from], TurnFlag.LEVEL_CROSSING),
        (mini & meeting, TurnFlag.MINI_ROUNDABOUT),
    ):
        kind |= np.where(condition, np.uint16(flag), np.uint16(0))
    return kind


def _needed_u_turns(legal: Array, turn_from: Array, turn_to: Array, back: Array, facts: Array) -> Array:
    """bool[T]: U-turns without which a vehicle on the edge before them could not go on."""
    free = ~back & (facts & np.uint16(TurnFlag.RESTRICTED) == 0)
    edges = len(legal)
    ways_on = np.bincount(turn_from[free], minlength=edges)
    legal_ways_on = np.bincount(turn_from[free & legal[turn_to]], minlength=edges)
    stuck = np.where(legal[turn_from] & legal[turn_to], legal_ways_on[turn_from] == 0, ways_on[turn_from] == 0)
    return np.asarray(back & stuck)


def _u_turns_before_traps(
    legal: Array, turn_from: Array, turn_to: Array, back: Array, needed: Array, facts: Array
) -> Array:
    """bool[T]: further U-turns, for who can drive on but never come back to the main part: where a two-way street goes
    on only as one-way streets into a dead end, one turns round where it is still two-way."""
    use = legal[turn_from] & legal[turn_to] & (back | (facts & np.uint16(TurnFlag.RESTRICTED) == 0))
    at = np.flatnonzero(use)
    start, end, possible = turn_from[at], turn_to[at], (back & ~needed)[at]
    added = np.zeros(len(at), np.bool_)
    while True:
        goes = ~possible | added
        main = _main(legal, start[goes], end[goes])
        # trapped as things are, and yet free if one turned round wherever there are two directions
        trapped = _reach(main, start, end) & ~_reach(main, start[goes], end[goes])
        # one turns round as late as possible: in groups of edges from which no way leads on to another such group
        within = goes & trapped[start] & trapped[end]
        group = _strong(len(legal), start[within], end[within])
        leads_on = np.unique(group[start[within & (group[start] != group[end])]])
        last = possible & ~added & trapped[start] & ~np.isin(group[start], leads_on)
        if not last.any():
            out = np.zeros(len(turn_from), np.bool_)
            out[at[added]] = True
            return out
        added |= last


def _reach(goal: Array, turn_from: Array, turn_to: Array) -> Array:
    """bool[E]: the edges from which an edge of `goal` (bool[E]) is reached over some turns."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    edges = len(goal)
    # searched backwards from one more edge, which all of the goal leads into
    ends = np.flatnonzero(goal)
    rows, columns = np.concatenate((turn_to, np.full(len(ends), edges))), np.concatenate((turn_from, ends))
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(edges + 1, edges + 1)).tocsr()
    found = breadth_first_order(graph, edges, return_predecessors=False)
    out = np.zeros(edges + 1, np.bool_)
    out[found] = True
    return out[:edges]


def _strong(edges: int, turn_from: Array, turn_to: Array) -> Array:
    """int32[E]: edges that reach each other over some turns bear the same number."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(turn_from), np.int8), (turn_from, turn_to)), shape=(edges, edges))
    return np.asarray(connected_components(graph.tocsr(), directed=True, connection="strong")[1])


def _main(legal: Array, turn_from: Array, turn_to: Array) -> Array:
    """bool[E]: the largest set of legal edges in which each reaches each other over some turns."""
    if not legal.any():
        return np.zeros(len(legal), np.bool_)
    label = _strong(len(legal), turn_from, turn_to)
    return np.asarray(legal & (label == int(np.argmax(np.bincount(label[legal])))))
