"""What if others had been sent: a log's incidents under another policy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from geo_backup import cli
from geo_backup.eventlog import open_log
from geo_backup.events import (
    AssignmentChanged,
    Event,
    Fix,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    PositionReported,
    UnitRegistered,
)
from geo_backup.lab.logged import read_log
from tests.running import GOTHENBURG
from tests.stories import T0

SOUTH, NORTH = (11.9668, 57.7072), (11.9400, 57.7200)


def unit(unit_id: str, home: tuple[float, float] | None) -> UnitRegistered:
    return UnitRegistered(
        event_id=unit_id, received_ms=T0, unit_id=unit_id, callsign=unit_id, agency="police", kind="car", home=home
    )


def seen(unit_id: str, after_s: int, place: tuple[float, float]) -> PositionReported:
    at_ms = T0 + 1_000 * after_s
    return PositionReported(received_ms=at_ms, unit_id=unit_id, fix=Fix(at_ms, *place))


def opened(incident_id: str, after_s: int, *, exercise: bool = False) -> IncidentOpened:
    return IncidentOpened(
        event_id=incident_id, received_ms=T0 + 1_000 * after_s, incident_id=incident_id, lon=11.9700, lat=57.7050,
        priority=3, exercise=exercise,
    )  # fmt: skip


def part(incident_id: str, unit_id: str, state: str, after_s: int) -> AssignmentChanged:
    at_ms = T0 + 1_000 * after_s
    return AssignmentChanged(
        event_id=f"{incident_id}-{unit_id}-{state}", received_ms=at_ms, incident_id=incident_id, unit_id=unit_id,
        state=state, at_ms=at_ms,  # type: ignore[arg-type]
    )  # fmt: skip


# the desk sent the car across the river, twice
STORY: list[Event] = [
    unit("A", SOUTH),
    unit("B", None),
    unit("C", None),
    seen("B", 1, NORTH),
    seen("B", 2, SOUTH),
    opened("i1", 10),
    part("i1", "B", "assigned", 20),
    part("i1", "B", "en_route", 50),
    part("i1", "B", "on_scene", 400),
    IncidentChanged(event_id="worse", received_ms=T0 + 500_000, incident_id="i1", priority=1),
    part("i1", "B", "cleared", 1_600),
    part("i1", "B", "assigned", 1_700),
    opened("drill", 2_000, exercise=True),
    part("drill", "A", "assigned", 2_010),
    opened("alone", 3_000),
    opened("i2", 9_000),
    part("i2", "B", "assigned", 9_010),
    part("i2", "B", "on_scene", 9_500),
    IncidentClosed(event_id="over", received_ms=T0 + 10_000_000, incident_id="i2"),
]


def test_a_log_tells_calls_and_where_units_wait() -> None:
    logged = read_log(STORY)
    assert [call.call_id for call in logged.calls] == ["i1", "i2"]
    first, second = logged.calls
    assert first.priority == 1
    (one,) = first.units
    assert (one.unit_id, one.kind) == ("B", "car")
    assert [one.dispatch_ms, one.en_route_ms, one.on_scene_ms, one.available_ms] == [
        T0 + 20_000, T0 + 50_000, T0 + 400_000, T0 + 1_600_000,
    ]  # fmt: skip
    assert second.units[0].available_ms == T0 + 10_000_000
    assert [tuple(station) for station in logged.stations] == [("A", *SOUTH), ("B", *NORTH)]
    assert logged.unassigned == 1


def test_what_if(tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"

    async def write() -> None:
        log = open_log(file)
        await log.append(STORY)
        log.close()

    asyncio.run(write())
    given = ["simulate", "--map", str(GOTHENBURG), "--log", str(file), "--policy", "road", "--json"]
    done = CliRunner().invoke(cli.app, given)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    road = answer["policies"]["road"]
    assert road["calls"] == 2
    # A was there at once; B took almost six minutes by its own account
    assert road["first_travel_s"]["p90"] < 200
    assert answer["check"]["recorded_s"]["median"] == 350.0
    assert answer["left_out"] == {"incident to which nobody was sent": 1}
