"""Drill: a crew's choices in an exercise, scored against the best that hindsight knows.

What a whole exercise costs is the seconds until each unit asked for is on scene, weighed by priority. The **regret** of
a choice is what the best way to go on costs after it, less what it cost before it: choices that take the wrong unit,
and choices that leave nobody for what comes next. The regrets add up to the crew's cost less the best in hindsight.

The best is found by depth-first search, nearest units first, with a limit of nodes; within it, it is proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.lab.ground import Ground, targets_of
from geo_backup.lab.scenario import Inject, Scenario
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import RoadPoints, Target
from geo_backup.rules import TurnoutRules

NODES_MAX = 200_000
NOBODY_MS = {"must": 3_600_000, "want": 600_000}
"""What a need costs that nobody fills."""


def weight(priority: int) -> float:
    """What a second counts: one at priority 1, half at 2, a quarter at 3 ..."""
    return 0.5 ** (priority - 1)


class _Slot(NamedTuple):
    inject: int
    fits: frozenset[int]
    """Units."""
    nobody_ms: int


class _Unit(NamedTuple):
    """When a unit is free, and the inject it comes from (-1: its place)."""

    free_ms: int = 0
    left: int = -1


_Fleet = tuple[_Unit, ...]


class Sent(NamedTuple):
    """A unit and the ms from the inject until it is on scene; no unit: nobody."""

    unit: int
    after_ms: int


@dataclass
class Choice:
    """One inject: what was chosen, what would have been best then, and the regret in s of a priority 1 incident."""

    incident_id: str
    at_s: float
    priority: int
    chosen: dict[str, float]
    """Unit and s until it is on scene."""
    best: dict[str, float]
    unfilled: int
    regret_s: float
    notes: list[str] = field(default_factory=list)


@dataclass
class Score:
    """`crew_s` less `best_s` is the sum of the regrets; `proven`: the search for the best was not cut off."""

    title: str
    choices: list[Choice]
    crew_s: float
    best_s: float
    regret_s: float
    proven: bool


def score(network: RoadNetwork, scenario: Scenario, turnout: TurnoutRules | None = None) -> Score:
    """Score a crew. Raises `BadValueError` for a place off the map."""
    return _Drill(network, scenario, turnout or TurnoutRules()).score()


class _Drill:
    def __init__(self, network: RoadNetwork, scenario: Scenario, turnout: TurnoutRules) -> None:
        self._scenario, self._turnout = scenario, turnout
        posts = self._targets(network, "unit", [(unit.lon, unit.lat) for unit in scenario.units])
        places = self._targets(network, "inject", [(inject.lon, inject.lat) for inject in scenario.injects])
        self._ground = Ground(network, posts, places)
        self._slots = [
            _Slot(n, self._fitting({need.capability, *need.substitutes}), NOBODY_MS[need.need])
            for n, inject in enumerate(scenario.injects)
            for need in inject.needs
            for _ in range(need.count)
        ]
        self._etas: dict[tuple[int, _Unit, int], int] = {}
        self._proven = True

    @staticmethod
    def _targets(network: RoadNetwork, name: str, places: list[tuple[float, float]]) -> list[Target]:
        out = []
        for n, target in enumerate(targets_of(network, places)):
            if target is None:
                lon, lat = places[n]
                raise BadValueError(f"/{name}/{n}/lon", "outside_map", f"/{name}/{n}: no road near {lon}, {lat}")
            out.append(target)
        return out

    def _fitting(self, capabilities: set[str]) -> frozenset[int]:
        return frozenset(n for n, unit in enumerate(self._scenario.units) if unit.capabilities & capabilities)

    def score(self) -> Score:
        units, injects = self._scenario.units, self._scenario.injects
        fleet: _Fleet = tuple(_Unit() for _ in units)
        best_ms, plan = self._best(fleet, self._slots)
        first_ms, spent_ms, choices = best_ms, 0.0, list[Choice]()
        for n, inject in enumerate(injects):
            mine = [slot for slot in self._slots if slot.inject == n]
            later = [slot for slot in self._slots if slot.inject > n]
            fleet, sent, notes = self._follow(fleet, n, mine)
            cost_ms = sum(weight(inject.priority) * one.after_ms for one in sent)
            after_ms, after_plan = self._best(fleet, later)
            best_now = plan[: len(mine)]
            choices.append(
                Choice(
                    inject.incident_id, inject.at_ms / 1_000, inject.priority, self._told(sent), self._told(best_now),
                    sum(one.unit < 0 for one in sent), round((cost_ms + after_ms - best_ms) / 1_000, 1), notes,
                )
            )  # fmt: skip
            spent_ms, best_ms, plan = spent_ms + cost_ms, after_ms, after_plan
        return Score(
            self._scenario.title, choices, round(spent_ms / 1_000, 1), round(first_ms / 1_000, 1),
            round((spent_ms - first_ms) / 1_000, 1), self._proven,
        )  # fmt: skip

    def _told(self, sent: Sequence[Sent]) -> dict[str, float]:
        return {self._scenario.units[one.unit].unit_id: one.after_ms / 1_000 for one in sent if one.unit >= 0}

    def _follow(self, fleet: _Fleet, number: int, slots: Sequence[_Slot]) -> tuple[_Fleet, list[Sent], list[str]]:
        """Send the units that the crew chose, each for what it fits best; whoever fits nothing is busy all the same."""
        inject = self._scenario.injects[number]
        names = {unit.unit_id: n for n, unit in enumerate(self._scenario.units)}
        chosen, notes = [], []
        for unit_id in inject.chosen:
            if self._eta_ms(names[unit_id], fleet[names[unit_id]], number) >= INF_MS:
                notes.append(f"{unit_id} is not free, or cannot get there")
            else:
                chosen.append(names[unit_id])
        among = [slot._replace(fits=slot.fits.intersection(chosen)) for slot in slots]
        _, sent = self._best(fleet, among)
        for unit in chosen:
            after_ms = self._eta_ms(unit, fleet[unit], number)
            if all(one.unit != unit for one in sent):
                notes.append(f"{self._scenario.units[unit].unit_id} is more than was asked for, or not fit for it")
            fleet = _sent(fleet, unit, inject, number, after_ms)
        return fleet, sent, notes

    def _best(self, fleet: _Fleet, slots: Sequence[_Slot]) -> tuple[float, list[Sent]]:
        """The least cost of filling slots in their order, and how."""
        best: tuple[float, list[Sent]] = (float("inf"), [])
        nodes = 0

        def search(k: int, fleet: _Fleet, cost: float, sent: list[Sent]) -> None:
            nonlocal best, nodes
            nodes += 1
            if cost >= best[0] or (nodes > NODES_MAX and best[1]):
                return
            if k == len(slots):
                best = cost, list(sent)
                return
            slot = slots[k]
            inject = self._scenario.injects[slot.inject]
            options = [Sent(unit, self._eta_ms(unit, fleet[unit], slot.inject)) for unit in slot.fits]
            options = [one for one in options if one.after_ms < slot.nobody_ms]
            # the same units for equal needs in another order are no other plan
            least = sent[-1].unit if k and slots[k - 1] == slot and sent[-1].unit >= 0 else -1
            options = sorted((one for one in options if one.unit > least), key=lambda one: (one.after_ms, one.unit))
            for one in [*options, Sent(-1, slot.nobody_ms)]:
                then = fleet if one.unit < 0 else _sent(fleet, one.unit, inject, slot.inject, one.after_ms)
                sent.append(one)
                search(k + 1, then, cost + weight(inject.priority) * one.after_ms, sent)
                sent.pop()

        search(0, fleet, 0.0, [])
        self._proven &= nodes <= NODES_MAX
        return (0.0, []) if not slots else best

    def _eta_ms(self, number: int, unit: _Unit, inject: int) -> int:
        """Turnout and drive of a unit to an inject, from wherever it is then; INF_MS when it is not free."""
        key = (number, unit, inject)
        if key not in self._etas:
            self._etas[key] = self._find_eta_ms(number, unit, inject)
        return self._etas[key]

    def _find_eta_ms(self, number: int, unit: _Unit, inject: int) -> int:
        now_ms, ground = self._scenario.injects[inject].at_ms, self._ground
        if unit.free_ms > now_ms:
            return INF_MS
        driven_ms = now_ms - unit.free_ms
        if unit.left < 0 or driven_ms >= ground.back_ms[unit.left, number]:
            ms, turnout_ms = int(ground.out_ms[number, inject]), self._turnout.on_station_ms
        else:
            at = ground.on_way(unit.left, number, driven_ms)
            points = ground.at_spot(unit.left) if at is None else RoadPoints.of([at])
            ms, turnout_ms = int(ground.from_points(points, inject)[0]), self._turnout.mobile_ms
        return INF_MS if ms >= INF_MS else ms + turnout_ms


def _sent(fleet: _Fleet, unit: int, inject: Inject, number: int, after_ms: int) -> _Fleet:
    busy = _Unit(inject.at_ms + after_ms + inject.kept_ms, number)
    return (*fleet[:unit], busy, *fleet[unit + 1 :])
