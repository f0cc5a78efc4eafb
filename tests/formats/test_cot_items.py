"""What is shown on TAK's maps is XML whatever people wrote, and is read by this package's own reader."""

from __future__ import annotations

from typing import Any, cast
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.formats import cot, cot_items, tak_proto

NOW_MS = 1_795_435_200_000


def unit(**more: Any) -> Any:
    said = {"unit_id": "P 7", "callsign": "Adam 7", "agency": "police", "kind": "patrol", "status": "available"}
    return cast("Any", {**said, "discipline": "police", "incident_id": None, **more})


def incident(**more: Any) -> Any:
    said = {"incident_id": "i1", "lon": 11.9, "lat": 57.7, "priority": 1, "kind": "fire", "place": "", "note": ""}
    return cast("Any", {**said, "exercise": False, "for_unit_id": None, "emergency": None, "state": "open", **more})


def closure(geometry: dict[str, Any], **more: Any) -> Any:
    said = {"closure_id": "c1", "slow_factor": None, "streets": ["A", "B", "C"], "reason": "fire", "valid_to": None}
    return cast("Any", {**said, "geometry": geometry, **more})


@given(st.text(), st.text(), st.text())
def test_any_words_stay_words(callsign: str, note: str, unit_id: str) -> None:
    shown = cot_items.unit(unit(callsign=callsign, unit_id=unit_id), (11.9, 57.7, 9.5, None, NOW_MS - 5, 0), NOW_MS)
    item = cot_items.incident(incident(note=note), None, {}, NOW_MS)
    for event in (shown.event, item.event, cot_items.gone(shown.uid, shown.kind, NOW_MS)):
        read = tak_proto.event_of(tak_proto.message_of(ElementTree.fromstring(event)))
        assert read is not None
        assert read.get("uid", "").startswith(cot_items.PREFIX)


def test_a_unit_is_read_as_its_own_position_where_and_when_its_fix_was() -> None:
    at = (11.9, 57.7, 9.5, 84.0, NOW_MS - 5_000, 0)
    shown = cot_items.unit(unit(incident_id="i1", status="en_route"), at, NOW_MS, 220.4)
    read = cot.parse(shown.event)
    assert (read.kind, read.names) == ("position", ("P 7", "Adam 7"))
    assert read.fix == (NOW_MS - 5_000, 11.9, 57.7, 9.5, 84.0, None)
    assert b"<remarks>police patrol, en_route, i1 in 3:40</remarks>" in shown.event
    assert b'stale="2026-11-23T12:01:15.000Z"' in shown.event


def test_an_incident_names_who_is_on_it_and_who_could_come() -> None:
    assigned = [
        {"unit_id": "A", "state": "en_route", "eta_s": 59.6},
        {"unit_id": "B", "state": "on_scene", "eta_s": 0.0},
        {"unit_id": "C", "state": "cleared", "eta_s": None},
    ]
    ranking = {"assigned": assigned, "candidates": [{"unit_id": "D", "eta_s": 125.0}]}
    item = cot_items.incident(incident(exercise=True, place="Nygatan 1"), ranking, {"A": "R-12"}, NOW_MS)
    event = ElementTree.fromstring(item.event)
    lines = (event.findtext("detail/remarks") or "").splitlines()
    assert lines == ["i1", "Nygatan 1", "R-12 in 1:00, en_route", "B on_scene", "D in 2:05"]
    assert event.find("detail/contact").get("callsign") == "EXERCISE P1 fire"


@pytest.mark.parametrize(("stands", "kind"), [(True, "b-a-o-tbl"), (False, "b-a-o-can")])
def test_an_alarm_is_read_as_one_and_its_end_as_a_cancel(stands: bool, kind: str) -> None:
    item = cot_items.alarm(incident(for_unit_id="P7", emergency={"stands": stands}), {"P7": "Adam 7"}, NOW_MS)
    assert item is not None
    assert (item.uid, item.kind) == ("geo-backup.P7-9-1-1", kind)
    assert cot.parse(item.event).kind == ("alert" if stands else "cancel")
    assert cot_items.alarm(incident(), {}, NOW_MS) is None


SQUARE = [[11.9, 57.7], [11.91, 57.7], [11.91, 57.71], [11.9, 57.7]]


@pytest.mark.parametrize(
    ("geometry", "uids"),
    [
        ({"type": "LineString", "coordinates": SQUARE[:2]}, ["c1"]),
        ({"type": "Polygon", "coordinates": [SQUARE, SQUARE]}, ["c1"]),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE, SQUARE]]}, ["c1", "c1.1"]),
        ({"type": "MultiLineString", "coordinates": [SQUARE[:2], SQUARE[1:3], SQUARE[2:]]}, ["c1", "c1.1", "c1.2"]),
        ({"edges": [1, 2]}, []),
    ],
)
def test_each_part_of_a_closure_is_drawn(geometry: dict[str, Any], uids: list[str]) -> None:
    items = cot_items.closure(closure(geometry), NOW_MS)
    assert [item.uid for item in items] == [f"geo-backup.closure.{uid}" for uid in uids]
    for item in items:
        assert cot.parse(item.event).nothing == "not_a_position"
        assert (b"<fillColor" in item.event) == ("Polygon" in geometry["type"])


def test_a_password_stays_in_its_quotes() -> None:
    said = ElementTree.fromstring(cot_items.signing_in("a", "\"'<&>", "u")).find("cot")
    assert said is not None
    assert said.get("password") == "\"'<&>"
