"""Recorded calls: columns by name, local times, and rows that are no calls."""

from __future__ import annotations

import pytest

from geo_backup.errors import BadValueError
from geo_backup.formats.calls import SAN_FRANCISCO, read
from geo_backup.formats.columns import columns_of
from geo_backup.wire.times import to_ms

PLAIN = b"""call_id,time,lon,lat,priority,kind,units
c2,2026-11-23T12:00:05Z,-8.61,41.15,1,fight,P1; P2
c1,2026-11-23T13:00:00+01:00,-8.62,41.16,,,
c3,2026-11-23T12:00:05,-8.62,41.16,,,
c4,2026-11-23T12:00:05Z,0,0,,,
c5,2026-11-23T12:00:05Z,-8.61,41.15,urgent,,
,2026-11-23T12:00:05Z,-8.61,41.15,1,,
"""


def city(*rows: dict[str, str]) -> bytes:
    names = list(SAN_FRANCISCO.values())
    lines = [",".join(f'"{row.get(ours, "")}"' for ours in SAN_FRANCISCO) for row in rows]
    return "\n".join([",".join(names), *lines]).encode()


def test_a_plain_table() -> None:
    read_ = read(PLAIN)
    assert [call.call_id for call in read_.calls] == ["c1", "c2", "c5"]
    assert read_.rows == 6
    assert read_.wrong == {"no_time": 1, "no_place": 1, "bad_priority": 1, "no_id": 1}
    first, second, third = read_.calls
    assert first.received_ms == to_ms("2026-11-23T12:00:00Z")
    assert (first.priority, first.units) == (3, ())
    assert (second.lon, second.lat, second.priority, second.kind) == (-8.61, 41.15, 1, "fight")
    assert [unit.unit_id for unit in second.units] == ["P1", "P2"]
    assert third.priority == 3
    assert read(PLAIN.decode().splitlines(keepends=True)) == read_


def test_san_francisco_by_its_header() -> None:
    row = {
        "call_id": "1",
        "time": "04/07/2020 11:53:08 PM",
        "location": "(37.73, -122.42)",
        "priority": "3",
        "kind": "Medical Incident",
        "unit_id": "E32",
        "unit_kind": "ENGINE",
        "on_scene": "04/08/2020 12:00:00 AM",
    }
    (call,) = read(city(row, {**row, "unit_id": "85", "unit_kind": "MEDIC", "on_scene": ""})).calls
    assert (call.lon, call.lat, call.priority) == (-122.42, 37.73, 1)
    assert call.received_ms == to_ms("2020-04-07T23:53:08-07:00")
    engine, medic = call.units
    assert engine.on_scene_ms == to_ms("2020-04-08T00:00:00-07:00")
    assert (medic.unit_id, medic.on_scene_ms) == ("85", None)


def test_the_hour_that_is_twice() -> None:
    """On 1 November 2020 at 2 in the morning the clocks went back to 1."""
    row = {"call_id": "1", "location": "(37.7, -122.4)", "unit_id": "E1"}
    row |= {
        "time": "11/01/2020 01:50:00 AM",
        "dispatch": "11/01/2020 01:55:00 AM",
        "on_scene": "11/01/2020 01:05:00 AM",
    }
    (call,) = read(city(row)).calls
    assert call.received_ms == to_ms("2020-11-01T01:50:00-07:00")
    assert call.units[0].dispatch_ms == to_ms("2020-11-01T01:55:00-07:00")
    assert call.units[0].on_scene_ms == to_ms("2020-11-01T01:05:00-08:00")
    winter = {**row, "call_id": "2", "time": "12/01/2020 01:50:00 AM"}
    assert read(city(winter)).calls[0].received_ms == to_ms("2020-12-01T01:50:00-08:00")


def test_a_mapping_by_hand() -> None:
    text = b"Nr,When,X,Y\n7,2020-04-07 23:53:08,-122.4,37.7\n"
    columns = columns_of("call_id=Nr,time=When, lon=X,lat=Y")
    (call,) = read(text, columns=columns, timezone="Europe/Lisbon").calls
    assert call.received_ms == to_ms("2020-04-07T22:53:08Z")
    with pytest.raises(BadValueError, match="no column 'Wen'; it has 'Nr', 'When', 'X', 'Y'") as caught:
        read(text, columns={**columns, "time": "Wen"})
    assert caught.value.field == "/columns/time"
    with pytest.raises(BadValueError, match="no column is call_id"):
        read(text)
    with pytest.raises(BadValueError, match="'tme' is no field"):
        read(text, columns=columns_of("tme=When"))
    with pytest.raises(BadValueError, match="no time zone"):
        read(text, columns=columns, timezone="Mars/Base")


@pytest.mark.parametrize("said", ["time", "time=", "=When", "", "time=When,", "time=When,lon"])
def test_a_mapping_that_is_none(said: str) -> None:
    with pytest.raises(BadValueError, match="is no name=column"):
        columns_of(said)
