"""OSRM's own documented query strings are understood; what is wrong or beyond gets OSRM's codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.osrm import questions
from geo_backup.osrm.questions import Refusal, options_of

BERLIN = "13.388860,52.517037;13.397634,52.529407;13.428555,52.523219"
ALL_OPTIONS = sorted(
    {*questions.OPTIONS, *questions.TABLE_OPTIONS, *questions.ROUTE_OPTIONS, *questions.NEAREST_OPTIONS}
)
CODES = {"InvalidQuery", "InvalidOptions", "TooBig", "NotImplemented"}
TWO = "11.97,57.70;11.98,57.71"


def test_the_documented_coordinates() -> None:
    asked = questions.route(BERLIN, options_of("overview=false"))
    assert asked.places.lon_lat.tolist() == [[13.38886, 52.517037], [13.397634, 52.529407], [13.428555, 52.523219]]
    assert (asked.overview, asked.steps, asked.geometries, asked.continue_straight) == (
        "false",
        False,
        "polyline",
        True,
    )
    encoded = questions.route("polyline(ofp_Ik_vpAilAyu@te@g`E)", options_of("overview=false"))
    assert np.abs(encoded.places.lon_lat - asked.places.lon_lat).max() < 1e-5
    assert questions.route(f"{BERLIN}.json", {}).places.lon_lat.tolist() == asked.places.lon_lat.tolist()


def test_the_documented_tables() -> None:
    square = questions.table(BERLIN, {})
    assert (square.sources, square.destinations) == ((0, 1, 2), (0, 1, 2))
    assert (square.durations, square.distances) == (True, False)
    assert questions.table(BERLIN, options_of("sources=0")).sources == (0,)
    asymmetric = questions.table(
        "polyline(egs_Iq_aqAppHzbHulFzeMe`EuvKpnCglA)", options_of("sources=0;1;3&destinations=2;4")
    )
    assert (asymmetric.sources, asymmetric.destinations, len(asymmetric.places)) == ((0, 1, 3), (2, 4), 5)
    both = questions.table(BERLIN, options_of("annotations=duration,distance&fallback_speed=12.5&scale_factor=1.2"))
    assert (both.durations, both.distances, both.fallback_mps, both.scale) == (True, True, 12.5, 1.2)


def test_the_documented_nearest() -> None:
    asked = questions.nearest("13.388860,52.517037", options_of("number=3&bearings=0,20"))
    assert (asked.number, asked.places.bearings) == (3, {0: (0.0, 20.0)})


def test_an_empty_element_is_the_default() -> None:
    places = questions.table(
        BERLIN,
        options_of(
            "radiuses=49;;unlimited&bearings=;90,10;&hints=;;&approaches=;unrestricted;"
            "&generate_hints=false&skip_waypoints=true&snapping=default"
        ),
    ).places
    assert places.radius_m.tolist() == [49.0, np.inf, np.inf]
    assert places.bearings == {1: (90.0, 10.0)}
    assert (places.hints, places.waypoints) == (False, False)


@pytest.mark.parametrize("alternatives", ["true", "false", "3", "0"])
def test_alternatives_may_be_asked_for(alternatives: str) -> None:
    assert questions.route(TWO, {"alternatives": alternatives}).annotations == frozenset()


def test_a_body_says_the_same_as_a_url() -> None:
    body: dict[str, Any] = {
        "coordinates": [[13.38886, 52.517037], [13.397634, 52.529407], [13.428555, 52.523219]],
        "sources": [0, 2],
        "destinations": [1],
        "annotations": ["duration", "distance"],
        "bearings": [None, [90, 10], None],
        "radiuses": [49, None, "unlimited"],
        "generate_hints": False,
        "scale_factor": 2,
    }
    said = questions.table(*questions.body_of(orjson.dumps(body)))
    same = questions.table(
        BERLIN,
        options_of(
            "sources=0;2&destinations=1&annotations=duration,distance&bearings=;90,10;&radiuses=49;;unlimited"
            "&generate_hints=false&scale_factor=2"
        ),
    )
    for name in ("sources", "destinations", "durations", "distances", "scale"):
        assert getattr(said, name) == getattr(same, name), name
    assert said.places.lon_lat.tolist() == same.places.lon_lat.tolist()
    assert said.places.radius_m.tolist() == same.places.radius_m.tolist()
    assert (said.places.bearings, said.places.hints) == (same.places.bearings, same.places.hints)
    encoded = questions.body_of(b'{"coordinates": "polyline(ofp_Ik_vpAilAyu@te@g`E)"}')
    assert len(questions.table(*encoded).places) == 3


def refused(service: str, coordinates: str, query: str) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        getattr(questions, service)(coordinates, options_of(query))
    assert 0 < len(refusal.value.message) < 400
    return refusal.value


@pytest.mark.parametrize(
    ("service", "coordinates", "query", "code"),
    [
        ("table", "", "", "InvalidQuery"),
        ("table", "11.97", "", "InvalidQuery"),
        ("table", "11.97,57.70;", "", "InvalidQuery"),
        ("table", "nan,57.70;11.97,57.70", "", "InvalidQuery"),
        ("table", "11.97,inf;11.97,57.70", "", "InvalidQuery"),
        ("table", "1_1.97,57.70;11.97,57.70", "", "InvalidQuery"),
        ("table", " 11.97,57.70;11.97,57.70", "", "InvalidQuery"),
        ("table", "١١,57.70;11.97,57.70", "", "InvalidQuery"),
        ("table", "11.97,57.70,3;11.97,57.70", "", "InvalidQuery"),
        ("table", "1e999,57.70;11.97,57.70", "", "InvalidOptions"),
        ("table", "57.70,111.97;11.97,57.70", "", "InvalidOptions"),
        ("table", "181,57.70;11.97,57.70", "", "InvalidOptions"),
        ("table", "11.97,57.70", "", "InvalidOptions"),
        ("route", "11.97,57.70", "", "InvalidOptions"),
        ("nearest", TWO, "", "InvalidOptions"),
        ("table", ";".join(["1,1"] * 100_000), "", "TooBig"),
        ("route", ";".join(["1,1"] * 101), "", "TooBig"),
        ("table", ";".join(["1,1"] * 101), "", "TooBig"),
        ("table", f"polyline({'?' * 1_000_000})", "", "TooBig"),
        ("route", f"polyline({'?' * 202})", "", "TooBig"),
        ("route", "polyline()", "", "InvalidQuery"),
        ("route", "polyline(_p~iF)", "", "InvalidQuery"),
        ("route", "polyline(_p~iF~ps|U", "", "InvalidQuery"),
        ("route", "polyline7(_p~iF~ps|U)", "", "InvalidQuery"),
        ("route", f"{TWO}.flatbuffers", "", "NotImplemented"),
        ("table", TWO, "sources=2", "InvalidOptions"),
        ("table", TWO, "sources=0;-1", "InvalidQuery"),
        ("table", TWO, "sources=", "InvalidQuery"),
        ("table", TWO, "sources=0;", "InvalidQuery"),
        ("table", TWO, "destinations=1.0", "InvalidQuery"),
        ("table", TWO, "destinations=99999999999999999999", "InvalidQuery"),
        ("table", TWO, "destinations=" + ";".join("0" * 101), "TooBig"),
        ("table", TWO, "sources=" + ";".join("0" * 10_001), "TooBig"),
        ("table", TWO, "annotations=nodes", "InvalidQuery"),
        ("table", TWO, "fallback_speed=0", "InvalidOptions"),
        ("table", TWO, "fallback_speed=-3", "InvalidOptions"),
        ("table", TWO, "fallback_speed=nan", "InvalidQuery"),
        ("table", TWO, "fallback_speed=1e999", "InvalidOptions"),
        ("table", TWO, "fallback_coordinate=street", "InvalidQuery"),
        ("table", TWO, "scale_factor=0", "InvalidOptions"),
        ("table", TWO, "steps=true", "InvalidQuery"),
        ("table", TWO, "radiuses=10", "InvalidOptions"),
        ("table", TWO, "radiuses=10;-1", "InvalidOptions"),
        ("table", TWO, "radiuses=10;far", "InvalidQuery"),
        ("table", TWO, "bearings=10;20", "InvalidQuery"),
        ("table", TWO, "bearings=10,20;361,20", "InvalidOptions"),
        ("table", TWO, "bearings=10,20;10,181", "InvalidOptions"),
        ("table", TWO, "bearings=10,20;-10,20", "InvalidOptions"),
        ("table", TWO, "bearings=10,20,30;10,20", "InvalidQuery"),
        ("table", TWO, "bearings=10,20;10,20;10,20", "InvalidOptions"),
        ("table", TWO, "hints=a", "InvalidOptions"),
        ("table", TWO, "approaches=curb;", "NotImplemented"),
        ("table", TWO, "approaches=opposite;", "NotImplemented"),
        ("table", TWO, "approaches=over;", "InvalidQuery"),
        ("table", TWO, "exclude=motorway", "NotImplemented"),
        ("table", TWO, "snapping=any", "NotImplemented"),
        ("table", TWO, "generate_hints=maybe", "InvalidQuery"),
        ("route", TWO, "waypoints=0;1", "NotImplemented"),
        ("route", TWO, "annotations=nodes", "NotImplemented"),
        ("route", TWO, "annotations=duration,datasources", "NotImplemented"),
        ("route", TWO, "annotations=colour", "InvalidQuery"),
        ("route", TWO, "overview=by_legs", "NotImplemented"),
        ("route", TWO, "overview=all", "InvalidQuery"),
        ("route", TWO, "geometries=wkt", "InvalidQuery"),
        ("route", TWO, "alternatives=some", "InvalidQuery"),
        ("route", TWO, "continue_straight=1", "InvalidQuery"),
        ("route", TWO, "steps=1", "InvalidQuery"),
        ("route", TWO, "sources=0", "InvalidQuery"),
        ("nearest", "11.97,57.70", "number=0", "InvalidOptions"),
        ("nearest", "11.97,57.70", "number=101", "TooBig"),
        ("nearest", "11.97,57.70", "number=2.5", "InvalidQuery"),
        ("nearest", "11.97,57.70", "number=-1", "InvalidQuery"),
        ("nearest", "11.97,57.70", "colour=red", "InvalidQuery"),
        ("nearest", "11.97,57.70", "number=1&number=2", "InvalidQuery"),
        ("nearest", "11.97,57.70", "number", "InvalidQuery"),
        ("nearest", "11.97,57.70", "&".join(f"a{n}=1" for n in range(100)), "InvalidQuery"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_code(service: str, coordinates: str, query: str, code: str) -> None:
    assert refused(service, coordinates, query).code == code


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"null", b"{}", b"[" * 100_000,
        b'{"coordinates": 3}', b'{"coordinates": null}', b'{"coordinates": {"lon": 1}}',
        b'{"coordinates": [[NaN, 1], [1, 1]]}', b'{"coordinates": [[1e400, 1], [1, 1]]}',
        b'{"coordinates": [[true, 1], [1, 1]]}', b'{"coordinates": [["a", 1], [1, 1]]}',
        b'{"coordinates": [[[1, 1]], [1]]}',
        b'{"coordinates": [[1, 1], [2, 2]], "sources": [true]}', b'{"coordinates": [[1, 1], [2, 2]], "sources": [0.0]}',
        b'{"coordinates": [[1, 1], [2, 2]], "sources": {}}', b'{"coordinates": [[1, 1], [2, 2]], "\\ud800": 1}',
    ],
)  # fmt: skip
def test_what_is_no_question_is_an_invalid_query(body: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        questions.table(*questions.body_of(body))
    assert refusal.value.code == "InvalidQuery"


words = st.text(alphabet="0123456789.,;-+eEnaif()poly %\x00é_", max_size=30)


@given(st.sampled_from(["table", "route", "nearest"]), words, st.dictionaries(st.sampled_from(ALL_OPTIONS), words))
def test_whatever_is_asked_is_a_question_or_a_refusal(service: str, coordinates: str, options: dict[str, str]) -> None:
    asked = answer(lambda: getattr(questions, service)(coordinates, options))
    assert asked in CODES or np.isfinite(asked.places.lon_lat).all()


@given(st.text(max_size=40), st.binary(max_size=60))
def test_whatever_is_sent_is_read_or_refused(query: str, body: bytes) -> None:
    assert answer(lambda: options_of(query)) == "InvalidQuery" or "=" in query or query == ""
    assert answer(lambda: questions.body_of(body)) == "InvalidQuery" or b"coordinates" in body


def answer(read: Callable[[], Any]) -> Any:
    """What was read, or the code of the refusal."""
    try:
        return read()
    except Refusal as refusal:
        return refusal.code


def test_more_than_fits_says_what_does() -> None:
    message = refused("table", TWO, "destinations=" + ";".join("0" * 101)).message
    assert "100 destinations" in message
    assert "10000 sources" in message
