"""Every fact and every live map survives its bytes, and nothing else gets in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.errors import LogError
from geo_backup.events import (
    ClosureAdded,
    Event,
    Fix,
    IncidentOpened,
    NetworkAdopted,
    PositionReported,
    UnitRegistered,
    UnitStatusChanged,
)
from geo_backup.live_map import LiveMap, apply
from geo_backup.wire import checkpoint, facts
from geo_backup.wire.facts import KINDS
from tests.stories import event_of

STATUS = b'"fact":"UnitStatusChanged","received_ms":1,"unit_id":"P7","at_ms":2'


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
@given(data=st.data())
@settings(deadline=None)
def test_every_event_comes_back_as_it_went(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(event_of(kind))
    body = facts.dump(event)
    again = facts.parse(kind.__name__, body)
    assert again == event
    assert type(again) is kind
    assert facts.dump(again) == body


def test_bytes_are_compact_and_without_defaults() -> None:
    event = UnitStatusChanged(received_ms=1, unit_id="P7", status="busy", at_ms=2)
    assert facts.dump(event) == b'{"fact":"UnitStatusChanged","received_ms":1,"unit_id":"P7","status":"busy","at_ms":2}'
    ping = PositionReported(received_ms=1, unit_id="P7", fix=Fix(2, 11, 57.5, course_deg=-0.0))
    assert facts.dump(ping).endswith(b'"fix":{"fix_ms":2,"lon":11.0,"lat":57.5,"course_deg":0.0}}')
    # fields of the same name as the mark of the kind stay themselves
    unit = UnitRegistered(received_ms=1, unit_id="a", callsign="A", agency="fire", kind="engine")
    assert facts.parse("UnitRegistered", facts.dump(unit)) == unit


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{" + STATUS + b"}", "/status"),
        (b"{" + STATUS + b',"status":"asleep"}', "/status"),
        (b"{" + STATUS + b',"status":7}', "/status"),
        (b"{" + STATUS + b',"status":"busy","colour":"red"}', "/colour"),
        (b"{" + STATUS + b',"status":"busy","note":null}', "/note"),
        (b"{" + STATUS + b',"status":"busy","event_id":5}', "/event_id"),
        (STATUS.join((b"{", b',"status":"busy"}')).replace(b'"at_ms":2', b'"at_ms":2.0'), "/at_ms"),
        (STATUS.join((b"{", b',"status":"busy"}')).replace(b'"at_ms":2', b'"at_ms":"2"'), "/at_ms"),
        (STATUS.join((b"{", b',"status":"busy"}')).replace(b'"at_ms":2', b'"at_ms":true'), "/at_ms"),
        (STATUS.join((b"{", b',"status":"busy"}')).replace(b'"at_ms":2', b'"at_ms":18446744073709551615'), "/at_ms"),
        (b'{"fact":"UnitRetired","received_ms":1,"unit_id":"P7"}', "/fact"),
        (b"[]", "UnitStatusChanged"),
        (b"{", "not JSON"),
        (b'{"at_ms":NaN}', "not JSON"),
    ],
)
def test_what_is_not_exactly_a_fact_is_refused_by_name(body: bytes, named: str) -> None:
    with pytest.raises(LogError, match=named):
        facts.parse("UnitStatusChanged", body)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(LogError, match="DragonSeen"):
        facts.parse("DragonSeen", b"{}")
    with pytest.raises(LogError, match="Event"):
        facts.dump(Event(received_ms=1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "11", True, None, [11]])
def test_nothing_is_written_that_could_not_be_read(bad: Any) -> None:
    fix = Fix(1, 11.0, 57.0)
    for event in (
        PositionReported(received_ms=1, unit_id="P1", fix=fix._replace(lon=bad)),
        IncidentOpened(received_ms=1, incident_id="i", lon=bad, lat=57.0, priority=1),
    ):
        with pytest.raises(LogError, match="lon"):
            facts.dump(event)


def test_open_mappings_are_checked_to_the_bottom() -> None:
    closure = ClosureAdded(received_ms=1, closure_id="c", geometry={"type": "LineString", "coordinates": [[11, 57.5]]})
    assert facts.parse("ClosureAdded", facts.dump(closure)) == closure
    for bad in (float("nan"), {1, 2}, b"x", 2**70, "\ud800"):
        with pytest.raises(LogError, match=r"/geometry/coordinates/0/1"):
            facts.dump(replace(closure, geometry={"type": "LineString", "coordinates": [[11, bad]]}))
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(LogError, match="deep"):
        facts.dump(replace(closure, geometry={"coordinates": deep}))


def test_a_checkpoint_that_is_none_is_refused() -> None:
    good = checkpoint.dump(LiveMap(seq=3, network_id="n"))
    assert good == b'{"format":1,"seq":3,"network_id":"n"}'
    assert checkpoint.parse(good) == LiveMap(seq=3, network_id="n")
    for bad in (b"", b"[]", b"{}", good.replace(b":1,", b":2,"), good.replace(b"seq", b"sequel"), good[:-1]):
        with pytest.raises(LogError):
            checkpoint.parse(bad)


def test_numbers_of_equal_value_have_equal_bytes() -> None:
    maps = []
    for lon in (11, 11.0):
        live_map = LiveMap()
        apply(live_map, 1, IncidentOpened(received_ms=1, incident_id="i", lon=lon, lat=-0.0, priority=1))
        apply(live_map, 2, NetworkAdopted(received_ms=1, network_id="n", area="a", software_version="1"))
        maps.append(checkpoint.dump(live_map))
    assert maps[0] == maps[1]
    assert orjson.loads(maps[0])["incidents"]["i"]["lon"] == 11.0


def test_a_closure_of_the_first_days_closes_all_levels() -> None:
    """Levels, and roads that are merely slow, came later: what was written before keeps its meaning."""
    old = b'{"fact":"ClosureAdded","received_ms":1,"closure_id":"c","geometry":{"edges":[1]},"applies_to":"routine"}'
    closure = facts.parse("ClosureAdded", old)
    assert isinstance(closure, ClosureAdded)
    assert (closure.levels, closure.layers, closure.slow_factor) == ("all", (), None)
    assert facts.dump(closure) == old
