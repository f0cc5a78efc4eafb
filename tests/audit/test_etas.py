"""The report on times that were told: drives that were measured, arrivals of who was sent, what measures nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import asdict
from datetime import UTC
from io import StringIO
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from geo_backup import events as ev
from geo_backup.audit.etas import EtaReport, Etas
from geo_backup.audit.plot import draw
from geo_backup.cli import words
from geo_backup.events import DriveMeasured, Event
from geo_backup.roads.foretold import Foretold, figures
from geo_backup.roads.punctuality import Kept, Punctuality
from geo_backup.rules import PaceRules
from tests.rounds import rounds
from tests.stories import any_story, ms, opened, part, ping, unit

CV = 0.25


def reported(*story: Event, zone: Any = UTC) -> EtaReport:
    etas = Etas()
    for seq, event in enumerate(story, start=1):
        etas.take(seq, event)
    return etas.report(zone)


def drive(start_s: float, field_s: float, took_s: float, **more: Any) -> DriveMeasured:
    """A drive of P1 to i1, measured at its end."""
    known: dict[str, Any] = {"profile": "response", "unit_id": "P1", "incident_id": "i1", **more}
    return DriveMeasured(
        received_ms=ms(start_s + took_s), start_ms=ms(start_s), field_ms=round(field_s * 1_000),
        took_ms=round(took_s * 1_000), **known,
    )  # fmt: skip


def sent(incident_id: str, unit_id: str, s: float, eta_s: float | None, took_s: float) -> list[Event]:
    eta_ms = None if eta_s is None else round(eta_s * 1_000)
    return [
        part(incident_id, unit_id, "assigned", s, eta_ms=eta_ms), part(incident_id, unit_id, "on_scene", s + took_s),
        part(incident_id, unit_id, "cleared", s + took_s + 60),
    ]  # fmt: skip


def test_a_drive_is_held_against_what_was_known_when_it_began() -> None:
    """Thirty drives take a minute longer than their fields say; the next ones are told with that minute."""
    first = [drive(1_000 * n, 300, 360) for n in range(30)]
    found = reported(unit("P1"), opened("i1"), *first, drive(40_000, 300, 360))
    assert found.by["trust"]["assumed"]["bias_s"] == -60.0
    assert (found.by["trust"]["measured"]["drives"], found.by["trust"]["measured"]["bias_s"]) == (1, 0.0)
    assert found.by["told"] == {"drive": found.all}
    under_way = reported(unit("P1"), opened("i1"), *first, drive(29_300, 300, 360))
    assert under_way.by["trust"]["assumed"]["drives"] == 31, "the thirtieth had not ended when it began"


@settings(deadline=None, max_examples=rounds(25))
@given(st.lists(st.tuples(st.integers(60, 900), st.integers(60, 1_800)), min_size=1, max_size=60))
def test_the_figures_are_those_of_learning(drives: list[tuple[int, int]]) -> None:
    known, told = Punctuality(), []
    for n, (field_s, took_s) in enumerate(drives):
        trust = known.trust(ms(2_000 * n), PaceRules(), CV)
        eta_ms = int(trust.eta_ms(np.array(1_000 * field_s)))
        told.append(Foretold(eta_ms, *(int(one) for one in trust.within_ms(np.array(eta_ms))), 1_000 * took_s))
        known = known.after(Kept(ms(2_000 * n + took_s), 1_000 * field_s, 1_000 * took_s))
    found = reported(unit("P1"), opened("i1"), *(drive(2_000 * n, *one) for n, one in enumerate(drives)))
    assert found.all == figures(told)
    held = {row["said"]: row["held"] for row in found.calibration}
    assert held[0.8] == found.all["coverage_80"]
    assert list(held.values()) == sorted(held.values()), "a wider interval holds what a narrower one does"


def test_intervals_that_are_assumed_hold_as_much_as_they_say() -> None:
    """Times spread as is assumed: log-normally, here by their own quantiles."""
    normal = sqrt(log(1 + CV**2))
    takes = [300 * exp(NormalDist().inv_cdf((n + 0.5) / 400) * normal) for n in range(400)]
    story = [drive(100_000 - 3 * n, 300, took, profile=f"p{n % 20}") for n, took in enumerate(takes)]
    found = reported(unit("P1"), opened("i1"), *story)
    assert list(found.by["trust"]) == ["assumed"]
    for row in found.calibration:
        assert row["held"] == pytest.approx(row["said"], abs=0.01)


def test_who_was_sent_is_held_against_the_arrival_once() -> None:
    found = reported(
        unit("P1"), unit("P2"), opened("i1"), opened("i2"),
        *sent("i1", "P1", 10, 300, 330), *sent("i2", "P2", 20, 100, 90),
    )  # fmt: skip
    assert (found.all["drives"], found.all["mae_s"], found.all["bias_s"]) == (2, 20.0, -10.0)
    assert found.by["told"] == {"response": found.all}
    measured = reported(
        unit("P1"), opened("i1"), part("i1", "P1", "assigned", 10, eta_ms=300_000),
        part("i1", "P1", "en_route", 40), part("i1", "P1", "on_scene", 340), drive(40, 290, 300),
        part("i1", "P1", "cleared", 400),
    )  # fmt: skip
    assert (measured.all["drives"], list(measured.by["told"])) == (1, ["drive"])
    assert measured.all["bias_s"] == -10.0


def test_who_is_there_when_the_log_ends_counts_and_what_says_nothing_is_counted_by_reason() -> None:
    drill = [opened("drill", exercise=True, apart=True), *sent("drill", "P1", 10, 60, 70)]
    found = reported(
        unit("P1"), unit("P2"), unit("P3"), unit("P4"), *drill, drive(100, 60, 70, incident_id="drill"),
        opened("i1"), opened("i2"), opened("i3"), opened("i4"),
        part("i1", "P1", "assigned", 200, eta_ms=60_000), part("i1", "P1", "on_scene", 260),
        part("i2", "P2", "assigned", 200, eta_ms=60_000), part("i3", "P3", "assigned", 200, eta_ms=60_000),
        part("i3", "P3", "on_scene", 200), *sent("i4", "P4", 200, None, 30),
    )  # fmt: skip
    assert found.all["drives"] == 1
    assert found.left_out == {"at_once": 1, "exercise": 2, "no_prediction": 1, "under_way": 1}


def test_apart_by_hour_area_kind_and_profile() -> None:
    ring = [[11.96, 57.69], [11.98, 57.69], [11.98, 57.71], [11.96, 57.71], [11.96, 57.69]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    beat = {"type": "Feature", "geometry": shape, "properties": {"beat_id": "centre"}}
    beats = ev.BeatsAdopted(received_ms=ms(0), beats={"type": "FeatureCollection", "features": [beat]})
    engine = ev.UnitRegistered(received_ms=ms(0), unit_id="E1", callsign="E1", agency="fire", kind="engine")
    found = reported(
        unit("P1"), engine, beats, opened("i1"), opened("far", lon=12.2, profile="routine"),
        drive(0, 100, 100), drive(3_600, 100, 100), drive(3_700, 100, 90, unit_id="E1", incident_id="far"),
        zone=ZoneInfo("Europe/Stockholm"),
    )  # fmt: skip
    assert {group: {name: row["drives"] for name, row in by.items()} for group, by in found.by.items()} == {
        "hour": {"00": 2, "23": 1},
        "area": {"beat centre": 2, "57.708, 12.195": 1},
        "kind": {"patrol": 2, "engine": 1},
        "profile": {"response": 3},
        "trust": {"assumed": 3},
        "told": {"drive": 3},
    }
    assert (found.first, found.timezone) == ("2023-11-14T22:13:20.000Z", "Europe/Stockholm")
    assert list(reported(unit("P1"), opened("i1", lon=12.2), drive(0, 100, 100)).by["area"]) == ["57.708, 12.195"]


def test_learning_off_is_assumed() -> None:
    off = ev.RulesAdopted(received_ms=ms(0), rules={"pace": {"learn": 0}})
    found = reported(unit("P1"), off, opened("i1"), *(drive(1_000 * n, 300, 360) for n in range(60)))
    assert found.by["trust"] == {"assumed": found.all}
    assert found.all["bias_s"] == -60.0


def test_of_a_drive_a_hundred_bytes_are_kept_and_of_the_rest_nothing() -> None:
    etas, story = Etas(), [unit("P1"), opened("i1")]
    for n in range(50):
        story += [*sent("i1", "P1", 1_000 * n, 300, 330), *(ping("P1", 1_000 * n + 400 + s) for s in range(20))]
    for seq, event in enumerate(story, start=1):
        etas.take(seq, event)
    assert len(etas._rows) * etas._rows.itemsize <= 100 * 50
    assert not etas._about
    assert not etas._measured
    assert etas.report(UTC).all["drives"] == 50


@given(any_story(), st.integers(0, 2))
def test_any_log_can_be_reported_on_and_shown_in_eighty_columns(story: list[Event], measured: int) -> None:
    found = reported(*story, *(drive(9_000 + n, 100, 110) for n in range(measured)))
    orjson.dumps(asdict(found))
    for by in found.by.values():
        assert sum(row["drives"] for row in by.values()) == found.all["drives"]
    ET.fromstring(draw(found, "a <title> & more"))
    console = Console(width=80, record=True, file=StringIO())
    for one in words.etas(found):
        console.print(one, soft_wrap=isinstance(one, str))
    assert all(len(line) <= 80 or not line.startswith(("┃", "│")) for line in console.export_text().splitlines())
