"""Scenario: an exercise as a TOML file: units at their places, what happens when, and whom the crew sent.

    title = "Two fights"
    [[unit]]
    unit_id = "P1"
    lon = 11.97
    lat = 57.70
    capabilities = ["patrol"]
    [[inject]]
    at_s = 0
    incident_id = "fight"
    lon = 11.96
    lat = 57.71
    priority = 1
    kept_s = 1200
    needs = [{ capability = "patrol", count = 2 }]
    chosen = ["P1"]

Nothing in it touches a real unit: it is read, scored and forgotten.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.events import PRIORITY, Need, is_id

UNITS_MAX = 50
INJECTS_MAX = 20
KEPT_S = 1_200.0


class ExerciseUnit(NamedTuple):
    unit_id: str
    lon: float
    lat: float
    capabilities: frozenset[str]


class Inject(NamedTuple):
    """An incident that begins so many ms after the exercise, and the crew's choice."""

    at_ms: int
    incident_id: str
    lon: float
    lat: float
    priority: int
    kept_ms: int
    needs: tuple[Need, ...]
    chosen: tuple[str, ...]


class Scenario(NamedTuple):
    """Injects in the order of time."""

    title: str
    units: tuple[ExerciseUnit, ...]
    injects: tuple[Inject, ...]


def read_scenario(text: str) -> Scenario:
    """Read a scenario. Raises `BadValueError` with the pointer of what is wrong."""
    try:
        said = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no TOML, nested without end, or a number of thousands of digits
        raise BadValueError("", "toml", f"the scenario is no TOML: {error}") from None
    units = tuple(_unit(f"/unit/{n}", row) for n, row in enumerate(_rows(said, "unit", UNITS_MAX)))
    known = {unit.unit_id for unit in units}
    if len(known) < len(units):
        raise BadValueError("/unit", "twice", "every unit needs a unit_id of its own")
    injects = tuple(_inject(f"/inject/{n}", row, known) for n, row in enumerate(_rows(said, "inject", INJECTS_MAX)))
    if len({inject.incident_id for inject in injects}) < len(injects):
        raise BadValueError("/inject", "twice", "every inject needs an incident_id of its own")
    return Scenario(str(said.get("title", "")), units, tuple(sorted(injects, key=lambda inject: inject.at_ms)))


def _rows(said: Mapping[str, Any], name: str, most: int) -> list[Mapping[str, Any]]:
    rows = said.get(name)
    if not isinstance(rows, list) or not 1 <= len(rows) <= most or not all(isinstance(row, dict) for row in rows):
        raise BadValueError(f"/{name}", "missing", f"a scenario has from 1 to {most} tables [[{name}]]")
    return rows


def _unit(at: str, row: Mapping[str, Any]) -> ExerciseUnit:
    capabilities = _words(at, row, "capabilities")
    return ExerciseUnit(_id(at, row, "unit_id"), *_place(at, row), frozenset(capabilities))


def _inject(at: str, row: Mapping[str, Any], units: set[str]) -> Inject:
    needs = row.get("needs")
    if not isinstance(needs, list) or not needs or not all(isinstance(need, dict) for need in needs):
        raise BadValueError(f"{at}/needs", "missing", 'needs is a list such as [{ capability = "patrol", count = 2 }]')
    chosen = _words(at, row, "chosen")
    for unit_id in chosen:
        if unit_id not in units:
            raise BadValueError(f"{at}/chosen", "unknown", f"{unit_id!r} is none of the units of the scenario")
    return Inject(
        round(1_000 * _number(at, row, "at_s", 0.0, 86_400.0)),
        _id(at, row, "incident_id"),
        *_place(at, row),
        int(_number(at, row, "priority", *PRIORITY)),
        round(1_000 * _number(at, {"kept_s": KEPT_S, **row}, "kept_s", 0.0, 86_400.0)),
        tuple(_need(f"{at}/needs/{n}", need) for n, need in enumerate(needs)),
        tuple(dict.fromkeys(chosen)),
    )


def _need(at: str, row: Mapping[str, Any]) -> Need:
    capability, how = row.get("capability"), row.get("need", "must")
    if not isinstance(capability, str) or not capability:
        raise BadValueError(f"{at}/capability", "missing", "a need names a capability")
    if how not in ("must", "want"):
        raise BadValueError(f"{at}/need", "need", f"need is must or want, not {how!r}")
    return Need(capability, int(_number(at, {"count": 1, **row}, "count", 1, 10)), how, _words(at, row, "substitutes"))


def _words(at: str, row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    words = row.get(name, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise BadValueError(f"{at}/{name}", "list", f"{name} is a list of words in quotes")
    return tuple(words)


def _id(at: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or is_id(value) is None:
        raise BadValueError(f"{at}/{name}", "id", f"{name} is 1 to 64 letters, digits or . _ : -, not {value!r}")
    return value


def _place(at: str, row: Mapping[str, Any]) -> tuple[float, float]:
    return _number(at, row, "lon", -180.0, 180.0), _number(at, row, "lat", -90.0, 90.0)


def _number(at: str, row: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadValueError(
            f"{at}/{name}", "range", f"{at}: {name} is a number from {low:g} to {high:g}, not {value!r}"
        )
    return float(value)
