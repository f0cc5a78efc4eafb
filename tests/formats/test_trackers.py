"""What phones and tracking servers say, one message at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats import osmand, owntracks, traccar
from geo_backup.formats.heard import Heard

NOW = 1_795_435_300_000
AT = 1_795_435_200_000


def test_osmand_in_a_url() -> None:
    said = (
        "id=ENG7&timestamp=1795435200&lat=37.80000&lon=-122.27000&speed=24.3&bearing=84&altitude=12&accuracy=6&batt=81"
    )
    heard = osmand.read(parse_qsl(said), NOW)
    assert heard.names == ("ENG7",)
    assert heard.fix == Fix(AT, -122.27, 37.8, pytest.approx(12.501), 84.0, 6.0)
    assert not heard.pressed


@pytest.mark.parametrize(
    ("stamp", "fix_ms"),
    [
        ("1795435200", AT),
        ("1795435200000", AT),
        ("2026-11-23T12:00:00Z", 1_795_435_200_000),
        ("2026-11-23 12:00:00", 1_795_435_200_000),
        ("", NOW),
    ],
)
def test_the_times_of_osmand(stamp: str, fix_ms: int) -> None:
    heard = osmand.read([("id", "a"), ("lat", "1"), ("lon", "2"), ("timestamp", stamp)], NOW)
    assert heard.fix is not None
    assert heard.fix.fix_ms == fix_ms


def test_a_newer_traccar_client() -> None:
    document = {
        "device_id": "ENG7",
        "location": {
            "timestamp": "2026-11-23T12:00:00.000Z",
            "coords": {"latitude": 37.8, "longitude": -122.27, "speed": 12.5, "heading": -1, "accuracy": 6},
            "alarm": "sos",
        },
    }
    heard = osmand.read_json(document, NOW)
    assert heard == Heard(("ENG7",), Fix(AT, -122.27, 37.8, 12.5, None, 6.0), True, ("course_deg",))


def test_owntracks() -> None:
    said = {
        "_type": "location",
        "tid": "E7",
        "lat": 37.8,
        "lon": -122.27,
        "tst": 1795435200,
        "acc": 6,
        "vel": 45,
        "cog": 84,
    }
    heard = owntracks.read(said, "anna", "phone")
    assert heard.names == ("phone", "anna-phone", "E7")
    assert heard.fix == Fix(AT, -122.27, 37.8, 12.5, 84.0, 6.0)
    assert owntracks.read({**said, "topic": "owntracks/anna/phone"}).names[0] == "phone"
    assert owntracks.read({"_type": "waypoint", "lat": 1.0, "lon": 2.0, "tst": 1}).fix is None


def test_traccar() -> None:
    position = {
        "fixTime": "2026-11-23T12:00:00.000+00:00", "latitude": 37.8, "longitude": -122.27, "valid": True,
        "speed": 24.3, "course": 84.0, "accuracy": 0.0, "attributes": {"alarm": "lowBattery,sos"},
    }  # fmt: skip
    heard = traccar.read({"position": position, "device": {"uniqueId": "ENG7", "name": "Engine 7"}})
    assert heard.names == ("ENG7", "Engine 7")
    assert heard.fix == Fix(AT, -122.27, 37.8, pytest.approx(12.501), 84.0, None)
    assert heard.pressed
    event = {"event": {"type": "alarm", "attributes": {"alarm": "sos"}}, "device": {"uniqueId": "ENG7"}}
    assert traccar.read(event).pressed


def test_a_message_that_names_nobody_is_none() -> None:
    for read in (
        lambda: osmand.read([("lat", "1"), ("lon", "2")], NOW),
        lambda: osmand.read_json({"location": {}}, NOW),
        lambda: traccar.read({"position": {}}),
        lambda: owntracks.read([]),
    ):
        with pytest.raises(BadValueError) as wrong:
            read()
        assert wrong.value.field.startswith("/")


@pytest.mark.parametrize(
    ("said", "reason", "field"),
    [
        ("lat=91&lon=2", "out_of_range", "/lat"),
        ("lat=41,15&lon=2", "out_of_range", "/lat"),
        ("lat=1", "missing", "/lon"),
        ("lat=nan&lon=2", "out_of_range", "/lat"),
        ("lat=1&lon=2&timestamp=soon", "no_time", "/time"),
        ("lat=1&lon=2&timestamp={2}", "no_time", "/time"),
        (f"lat=1&lon=2&timestamp={'9' * 40}", "out_of_range", "/time"),
        ("lat=1&lon=2&timestamp=915148800", "out_of_range", "/time"),
        ("lat=1&lat=3&lon=2", "twice", "/lat"),
        ("lat=0&lon=0", "no_fix", ""),
        ("", "", ""),
        ("lat=1&lon=2&valid=false", "", ""),
    ],
)
def test_whoever_calls_is_heard_whatever_is_wrong_with_the_place(said: str, reason: str, field: str) -> None:
    heard = osmand.read([("id", "a"), ("alarm", "sos"), *parse_qsl(said)], NOW)
    assert heard.fix is None
    assert (heard.pressed, heard.wrong) == (True, reason)
    assert heard.nothing.startswith(field)
    assert heard.nothing


KEYS = ["id", "deviceid", "lat", "lon", "location", "timestamp", "speed", "bearing", "accuracy", "alarm", "valid"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        [*KEYS, "_type", "tst", "vel", "coords", "latitude", "longitude", "device", "position", "event", "attributes",
         "uniqueId", "fixTime", "device_id"]) | st.text(max_size=4), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=12)), ANY)
def test_nothing_that_is_said_breaks_a_codec(pairs: dict[str, str], document: Any) -> None:
    for read in (
        lambda: osmand.read(list(pairs.items()), NOW),
        lambda: osmand.read_json(document, NOW),
        lambda: owntracks.read(document),
        lambda: owntracks.read({"_type": "location", "lat": 1, "lon": 2, "tst": document}),
        lambda: traccar.read(document),
    ):
        heard = None
        with suppress(BadValueError):
            heard = read()
        if heard is not None and heard.fix is not None:
            assert -180 <= heard.fix.lon <= 180
            assert -90 <= heard.fix.lat <= 90


@pytest.mark.parametrize(
    "said",
    [
        {"device_id": "E7", "alarm": "sos"},
        {"device_id": "E7", "extras": {"alarm": "sos"}},
        {"device_id": "E7", "location": {"alarm": "sos"}},
        {"device_id": "E7", "location": {"extras": {"alarm": "SOS, jamming"}}},
        {"location": {"extras": {"alarm": "sos"}}},
    ],
)
def test_a_traccar_client_is_heard_wherever_it_says_sos(said: dict[str, Any]) -> None:
    assert osmand.read_json(said, 0).pressed
    assert osmand.read_json({"device_id": "E7"}, 0, {"alarm": "sos"}).pressed
    assert not osmand.read_json({"device_id": "E7", "location": {"extras": {"alarm": "sosig"}}}, 0).pressed
