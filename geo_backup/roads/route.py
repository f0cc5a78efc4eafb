"""Route: the way from a unit to a target as driven: its line, streets and turns in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geo_backup.geodesy import bearing_deg, turn_deg
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import FRACTION_ONE, TURN_KIND_MASK, RoadNetwork, TurnFlag, TurnKind, WayFlag
from geo_backup.roads.weights import Weights


class Step(NamedTuple):
    """One instruction of a route; metres and seconds to one place."""

    instruction: str
    distance_m: float
    duration_s: float
    name: str


@dataclass(frozen=True)
class Route:
    """The way from a road point to the target, as driven."""

    coordinates: Array
    """float64[n, 2] lon, lat."""
    edges: list[int]
    turns: list[int]
    """The turn into each edge but the first."""
    distance_m: float
    drive_ms: int
    last_leg_ms: int
    last_leg_m: float
    streets: list[str]
    """Names in order, nameless ones left out."""
    steps: list[Step]
    cuts: Sequence[tuple[int, int]] = ()
    """The driven part of each edge, in 1/65536."""
    edge_ms: Sequence[int] = ()
    """Milliseconds on each edge; with those of `turn_ms`, at the turn before it, they sum to `drive_ms`."""
    turn_ms: Sequence[int] = ()


def describe(
    weights: Weights,
    edges: list[int],
    turns: list[int],
    fractions: tuple[int, int],
    last_leg_ms: int,
    last_leg_m: float,
) -> Route:
    """The route over some edges by some turns, from a fraction of the first edge to one of the last."""
    network = weights.network
    cuts = [(0, FRACTION_ONE)] * len(edges)
    cuts[0] = (fractions[0], FRACTION_ONE)
    cuts[-1] = (cuts[-1][0], fractions[1])
    metres = [float(network.edge_length_m[e]) * (b - a) / FRACTION_ONE for e, (a, b) in zip(edges, cuts, strict=True)]
    times = [int(weights.edge_ms[e]) * (b - a) >> 16 for e, (a, b) in zip(edges, cuts, strict=True)]
    waits = [0, *(int(weights.turn_ms[t]) for t in turns)]
    return Route(
        coordinates=_line(network, edges, cuts),
        edges=edges,
        turns=turns,
        distance_m=sum(metres),
        drive_ms=sum(times) + sum(waits),
        last_leg_ms=last_leg_ms,
        last_leg_m=last_leg_m,
        streets=_streets(network, edges),
        steps=_steps(network, edges, turns, metres, [t + w for t, w in zip(times, waits, strict=True)]),
        cuts=cuts,
        edge_ms=times,
        turn_ms=waits,
    )


def _line(network: RoadNetwork, edges: list[int], cuts: list[tuple[int, int]]) -> Array:
    """float64[n, 2] of the driven part."""
    parts: list[Array] = []
    for edge, (a, b) in zip(edges, cuts, strict=True):
        line = network.edge_line(edge)
        if (a, b) != (0, FRACTION_ONE):
            line = cut_line(line, a / FRACTION_ONE, b / FRACTION_ONE, network.metres_per_deg)
        parts.append(line if not parts else line[1:])
    return np.concatenate(parts)


def cut_line(line: Array, start: float, end: float, metres: tuple[float, float]) -> Array:
    """The part of a line (float64[n, 2]) between two shares of its length, 0 <= start <= end <= 1."""
    step = np.hypot(np.diff(line[:, 0]) * metres[0], np.diff(line[:, 1]) * metres[1])
    at = np.concatenate(([0.0], np.cumsum(step)))
    a, b = start * at[-1], end * at[-1]
    inside = (at > a) & (at < b)
    ends = [(np.interp(x, at, line[:, 0]), np.interp(x, at, line[:, 1])) for x in (a, b)]
    return np.concatenate(([ends[0]], line[inside], [ends[1]]))


def _streets(network: RoadNetwork, edges: list[int]) -> list[str]:
    out: list[str] = []
    for edge in edges:
        name = network.edge_name(edge)
        if name and (not out or out[-1] != name):
            out.append(name)
    return out


_WORDS = {
    TurnKind.STRAIGHT: "straight",
    TurnKind.SLIGHT_LEFT: "slightly left",
    TurnKind.SLIGHT_RIGHT: "slightly right",
    TurnKind.LEFT: "left",
    TurnKind.RIGHT: "right",
    TurnKind.SHARP_LEFT: "sharp left",
    TurnKind.SHARP_RIGHT: "sharp right",
    TurnKind.U_TURN: "turn round",
}


def _steps(
    network: RoadNetwork, edges: list[int], turns: list[int], metres: list[float], times_ms: list[int]
) -> list[Step]:
    """Instructions: a new one where the driver has to turn or the street changes its name."""
    steps: list[Step] = []
    words, name, distance, duration = _heading(network, edges[0]), network.edge_name(edges[0]), 0.0, 0

    def flush() -> None:
        onto = f" {'on' if not steps else 'onto'} {name}" if name else ""
        steps.append(
            Step(f"{words}{onto}, {_plain_metres(distance)}", round(distance, 1), round(duration / 1000.0, 1), name)
        )

    for i, edge in enumerate(edges):
        if i > 0:
            facts = int(network.turn_facts[turns[i - 1]])
            kind = TurnKind(facts & TURN_KIND_MASK)
            here = network.edge_name(edge)
            circle, was = _roundabout(network, edge), _roundabout(network, edges[i - 1])
            looks = bool(facts & TurnFlag.ONTO_JUNCTION) and kind > TurnKind.SLIGHT_RIGHT
            if circle and not was:
                flush()
                words, name, distance, duration = "through the roundabout", here, 0.0, 0
            elif circle or (was and not here):
                name = here or name
            elif was:
                name = here
            elif kind == TurnKind.U_TURN or looks or (here and name and here != name):
                flush()
                words, name, distance, duration = _WORDS[kind], here, 0.0, 0
            elif here and not name:
                name = here
        distance += metres[i]
        duration += times_ms[i]
    flush()
    return steps


def _roundabout(network: RoadNetwork, edge: int) -> bool:
    return bool(int(network.way_flags[network.edge_way[edge]]) & WayFlag.ROUNDABOUT)


def _heading(network: RoadNetwork, edge: int) -> str:
    line = network.edge_line(edge)
    course = float(bearing_deg(line[0, 0], line[0, 1], line[-1, 0], line[-1, 1]))
    for name, centre in (("north", 0.0), ("east", 90.0), ("south", 180.0)):
        if abs(float(turn_deg(centre, course))) <= 45.0:
            return name
    return "west"


def _plain_metres(metres: float) -> str:
    return f"{metres / 1000.0:.1f} km" if metres >= 1000.0 else f"{round(metres, -1) if metres >= 20 else metres:.0f} m"
