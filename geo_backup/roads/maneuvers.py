"""Maneuvers: a route as its driver is told of it: depart, turn, keep on, round the roundabout, arrive.

Kinds and modifiers have the names of OSRM's API, which navigation programs know how to speak.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geo_backup.geodesy import bearing_deg
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import (
    FRACTION_ONE,
    TURN_KIND_MASK,
    EdgeFlag,
    RoadNetwork,
    TurnFlag,
    TurnKind,
    WayClass,
    WayFlag,
)
from geo_backup.roads.route import Route, cut_line

MODIFIERS = {
    TurnKind.STRAIGHT: "straight",
    TurnKind.SLIGHT_LEFT: "slight left",
    TurnKind.SLIGHT_RIGHT: "slight right",
    TurnKind.LEFT: "left",
    TurnKind.RIGHT: "right",
    TurnKind.SHARP_LEFT: "sharp left",
    TurnKind.SHARP_RIGHT: "sharp right",
    TurnKind.U_TURN: "uturn",
}
_FAST = (WayClass.MOTORWAY, WayClass.TRUNK)
_RAMPS = (WayClass.MOTORWAY_LINK, WayClass.TRUNK_LINK)


@dataclass(frozen=True)
class Crossing:
    """A junction on the way: the bearings of all roads that meet there as seen from it, whether each may be entered
    from where the driver comes, and which of them he comes from and takes."""

    place: tuple[float, float]
    bearings_deg: tuple[int, ...]
    entry: tuple[bool, ...]
    comes: int | None
    goes: int | None


@dataclass(frozen=True)
class Maneuver:
    """One maneuver and the drive until the next."""

    kind: str
    modifier: str | None
    exit: int | None
    """Which exit of a roundabout, counted from 1."""
    name: str
    """Of the street driven."""
    bearing_before_deg: int
    bearing_after_deg: int
    distance_m: float
    duration_ms: int
    line: Array
    """float64[n, 2] lon, lat of the drive; twice the same place for the arrival."""
    crossings: tuple[Crossing, ...]
    """The one of the maneuver first."""


def edge_lines(network: RoadNetwork, route: Route) -> list[Array]:
    """The driven part of each edge: lon, lat float64[n, 2]."""
    lines = []
    for edge, (a, b) in zip(route.edges, route.cuts, strict=True):
        line = network.edge_line(edge)
        whole = (a, b) == (0, FRACTION_ONE)
        lines.append(line if whole else cut_line(line, a / FRACTION_ONE, b / FRACTION_ONE, network.metres_per_deg))
    return lines


def edge_metres(network: RoadNetwork, route: Route) -> list[float]:
    """The driven metres of each edge."""
    cuts = zip(route.edges, route.cuts, strict=True)
    return [float(network.edge_length_m[edge]) * (b - a) / FRACTION_ONE for edge, (a, b) in cuts]


def stretches(network: RoadNetwork, route: Route) -> tuple[Array, Array]:
    """Metres and seconds float64 between each two vertices of the route's line, without what its turns take."""
    metres, seconds = [], []
    edges = zip(edge_lines(network, route), edge_metres(network, route), route.edge_ms, strict=True)
    for line, length_m, ms in edges:
        steps = np.hypot(*(np.diff(line, axis=0) * network.metres_per_deg).T)
        whole = float(steps.sum())
        share = steps / whole if whole > 0 else np.full(len(steps), 1.0 / len(steps))
        metres.append(share * length_m)
        seconds.append(share * ms / 1000.0)
    return np.concatenate(metres), np.concatenate(seconds)


def maneuvers(network: RoadNetwork, route: Route) -> list[Maneuver]:
    """What the driver is told, from `depart` to `arrive`."""
    edges, lines, metres = route.edges, edge_lines(network, route), edge_metres(network, route)
    # who arrives where he starts has a direction all the same: the road's
    courses = [
        line if a < b else network.edge_line(edge) for edge, line, (a, b) in zip(edges, lines, route.cuts, strict=True)
    ]
    begins = [(0, "depart")]
    for i in range(1, len(edges)):
        kind = _kind(network, edges[i - 1], edges[i], route.turns[i - 1])
        if kind is not None:
            begins.append((i, kind))
    out = []
    for (first, kind), (last, _) in zip(begins, [*begins[1:], (len(edges), "arrive")], strict=True):
        drive = range(first, last)
        crossings = [_crossing(network, edges, i) for i in drive if i > 0 and (i == first or _meets(network, route, i))]
        after = _bearing(courses[first])
        if first == 0:
            crossings.insert(0, Crossing(_place(lines[0][0]), (after,), (True,), None, 0))
        out.append(
            Maneuver(
                kind=kind,
                modifier=None if first == 0 else MODIFIERS[_turn(network, route.turns[first - 1])],
                exit=_exit(network, edges, first, kind),
                name=next((name for name in (network.edge_name(edges[i]) for i in drive) if name), ""),
                bearing_before_deg=0 if first == 0 else _bearing(courses[first - 1][::-1], back=True),
                bearing_after_deg=after,
                distance_m=sum(metres[i] for i in drive),
                duration_ms=sum(route.edge_ms[i] + route.turn_ms[i] for i in drive),
                line=np.concatenate([lines[first], *(lines[i][1:] for i in drive[1:])]),
                crossings=tuple(crossings),
            )
        )
    end, came = lines[-1][-1], _bearing(courses[-1][::-1])
    arrival = Crossing(_place(end), (came,), (True,), 0, None)
    line = np.array([end, end])
    out.append(
        Maneuver("arrive", None, None, network.edge_name(edges[-1]), (came + 180) % 360, 0, 0.0, 0, line, (arrival,))
    )
    return out


def _kind(network: RoadNetwork, before: int, edge: int, turn: int) -> str | None:
    """The maneuver between two edges; None where a driver just goes on."""
    circle, was_circle = _roundabout(network, edge), _roundabout(network, before)
    if circle != was_circle:
        return "roundabout" if circle else "exit roundabout"
    if circle:
        return None
    kind, junction = _turn(network, turn), bool(int(network.turn_facts[turn]) & TurnFlag.ONTO_JUNCTION)
    name, was = network.edge_name(edge), network.edge_name(before)
    here, there = int(network.way_class[network.edge_way[before]]), int(network.way_class[network.edge_way[edge]])
    if junction and there in _RAMPS and here not in _RAMPS:
        return "off ramp" if here in _FAST else "on ramp"
    if junction and here in _RAMPS and there in _FAST:
        return "merge"
    if kind == TurnKind.U_TURN:
        return "continue"
    if junction and kind > TurnKind.SLIGHT_RIGHT:
        if name and name == was:
            return "continue"
        return "turn" if _goes_on(network, before) else "end of road"
    return "new name" if name and was and name != was else None


def _goes_on(network: RoadNetwork, edge: int) -> bool:
    """Whether a road goes on about straight from the end of an edge."""
    return any(_turn(network, turn) <= TurnKind.SLIGHT_RIGHT for turn, _ in _ways_on(network, edge))


def _exit(network: RoadNetwork, edges: Sequence[int], at: int, kind: str) -> int | None:
    """The number of the exit taken, for the maneuver that enters a roundabout and the one that leaves it."""
    circle = [_roundabout(network, edge) for edge in edges]
    if kind == "roundabout" and False in circle[at:]:
        enters, leaves = at, circle.index(False, at)
    elif kind == "exit roundabout" and False in circle[:at]:
        enters, leaves = at - circle[:at][::-1].index(False), at
    else:
        return None
    # every junction on the circle but the last is one whose exits were passed
    return 1 + sum(
        not _roundabout(network, to) for i in range(enters, leaves - 1) for _, to in _ways_on(network, edges[i])
    )


def _crossing(network: RoadNetwork, edges: Sequence[int], at: int) -> Crossing:
    """The junction between two edges of a route."""
    before, edge = edges[at - 1], edges[at]
    # whatever leads into what comes from here, and back again: all that meets
    leaving = {edge, *(to for back in _turns_from(network, edge) for _, to in _turns_on(network, back))}
    arriving = {before, *(back for out in leaving for back in _turns_from(network, out))}
    enters = {edge, *(to for _, to in _ways_on(network, before))}
    # a road is an end of a piece: the one that an edge against the piece's direction leaves from is its far end
    roads: dict[int, tuple[int, bool]] = {}
    for out in leaving:
        roads[int(network.edge_code[out])] = (_bearing(network.edge_line(out)), out in enters)
    for back in arriving:
        code = int(network.edge_code[back]) ^ 1
        roads.setdefault(code, (_bearing(network.edge_line(back)[::-1]), False))
    codes = sorted(roads, key=lambda code: (roads[code][0], code))
    return Crossing(
        _place(network.edge_line(edge)[0]),
        tuple(roads[code][0] for code in codes),
        tuple(roads[code][1] for code in codes),
        codes.index(int(network.edge_code[before]) ^ 1),
        codes.index(int(network.edge_code[edge])),
    )


def _meets(network: RoadNetwork, route: Route, at: int) -> bool:
    return bool(int(network.turn_facts[route.turns[at - 1]]) & TurnFlag.ONTO_JUNCTION)


def _ways_on(network: RoadNetwork, edge: int) -> Iterator[tuple[int, int]]:
    """Turns that an ordinary car may take at the end of an edge, and the edges they lead into."""
    for turn, to in _turns_on(network, edge):
        legal = int(network.edge_flags[to]) & EdgeFlag.LEGAL
        if legal and not int(network.turn_facts[turn]) & TurnFlag.RESTRICTED:
            yield turn, to


def _turns_on(network: RoadNetwork, edge: int) -> Iterator[tuple[int, int]]:
    """All turns at the end of an edge, and the edges they lead into."""
    start, turns = network.forward
    for turn in turns[start[edge] : start[edge + 1]].tolist():
        yield turn, int(network.turn_to[turn])


def _turns_from(network: RoadNetwork, edge: int) -> list[int]:
    """The edges from which one can turn into an edge."""
    found: list[int] = network.turn_from[network.turn_start[edge] : network.turn_start[edge + 1]].tolist()
    return found


def _turn(network: RoadNetwork, turn: int) -> TurnKind:
    return TurnKind(int(network.turn_facts[turn]) & TURN_KIND_MASK)


def _roundabout(network: RoadNetwork, edge: int) -> bool:
    return bool(int(network.way_flags[network.edge_way[edge]]) & WayFlag.ROUNDABOUT)


def _place(vertex: Array) -> tuple[float, float]:
    return float(vertex[0]), float(vertex[1])


def _bearing(line: Array, back: bool = False) -> int:
    """Whole degrees in which a line begins, 0 to 359; 0 where it is a point. `back`: from there to where it begins."""
    away = np.flatnonzero((line != line[0]).any(axis=1))
    if len(away) == 0:
        return 0
    to = line[away[0]]
    course = float(bearing_deg(float(line[0, 0]), float(line[0, 1]), float(to[0]), float(to[1])))
    return round(course + 180.0 * back) % 360
