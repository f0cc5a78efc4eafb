"""Phones and tracking servers over HTTP: a marker that moves, a call for help, and what is set aside."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.asking import NORTH, new_unit


def place_of(http: httpx.Client, unit_id: str) -> Any:
    return next(f for f in http.get("/v1/units").json()["features"] if f["id"] == unit_id)["geometry"]


def aside(http: httpx.Client) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = http.get("/v1/quarantine").json()["quarantine"]
    return listed


def test_an_osmand_phone_moves_its_unit(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    pairs = {"id": unit_id, "lat": NORTH[1], "lon": NORTH[0], "timestamp": int(time.time()), "speed": 10, "bearing": 90}
    answer = http.get("/v1/osmand", params=pairs)
    assert (answer.status_code, answer.content) == (200, b"")
    assert place_of(http, unit_id)["coordinates"] == list(NORTH)
    pairs |= {"lat": NORTH[1] + 0.0003, "timestamp": int(time.time()) + 2}
    assert http.post("/v1/osmand", params=pairs).status_code == 200
    assert http.post("/v1/osmand", data=pairs).status_code == 200
    assert place_of(http, unit_id)["coordinates"] == [NORTH[0], pytest.approx(NORTH[1] + 0.0003)]


def test_a_traccar_client_calls_for_help(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    coords = {"latitude": NORTH[1], "longitude": NORTH[0], "speed": -1, "heading": -1, "accuracy": 6}
    said = {"device_id": unit_id, "location": {"timestamp": at, "coords": coords, "alarm": "sos"}}
    assert http.post("/v1/osmand", json=said).status_code == 200
    (call,) = [one for one in http.get("/v1/emergencies").json()["emergencies"] if one["for_unit_id"] == unit_id]
    assert call["emergency"]["sources"] == ["device"]
    _ended(http, unit_id)


def test_an_owntracks_phone_sends_what_it_kept(http: httpx.Client) -> None:
    unit_id, now = new_unit(http), int(time.time())
    kept = [
        {"_type": "location", "tid": "E7", "lat": NORTH[1], "lon": NORTH[0] + n / 10_000, "tst": now - 30 + 10 * n}
        for n in range(3)
    ]
    answer = http.post("/v1/owntracks", params={"u": "anna", "d": unit_id}, json=[*kept, {"_type": "lwt", "tst": now}])
    assert answer.status_code == 200
    assert unit_id not in answer.text, "nobody is their own friend"
    assert place_of(http, unit_id)["coordinates"] == [pytest.approx(NORTH[0] + 0.0002), NORTH[1]]
    again = http.post("/v1/owntracks", headers={"X-Limit-U": "anna", "X-Limit-D": unit_id}, json=kept[2])
    assert again.status_code == 200
    assert not [one for one in aside(http) if one["device"] == unit_id], "to send again is no fault"


def test_a_traccar_server_forwards_its_devices(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime())
    position = {"fixTime": at, "latitude": NORTH[1], "longitude": NORTH[0], "valid": True, "speed": 0.0}
    forwarded = {"position": position, "device": {"uniqueId": "imei-1", "name": unit_id}}
    assert http.post("/v1/traccar", json=forwarded).status_code == 200
    assert place_of(http, unit_id)["coordinates"] == list(NORTH)


def test_a_bad_fix_holds_up_nothing_and_is_set_aside(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    before = http.get("/v1/quarantine").json()["total"]
    assert http.get("/v1/osmand", params={"id": unit_id, "lat": 91, "lon": 2}).status_code == 200
    future = int(time.time()) + 3_600
    pairs = {"id": unit_id, "lat": NORTH[1], "lon": NORTH[0], "timestamp": future}
    assert http.get("/v1/osmand", params=pairs).status_code == 200
    listed = http.get("/v1/quarantine").json()
    assert listed["total"] == before + 2
    assert "future" in listed["quarantine"][0]["reason"]
    assert listed["quarantine"][1]["reason"].startswith("/lat: lat is -90 to 90")
    assert unit_id in listed["quarantine"][1]["message"]
    assert 'geo_backup_quarantined_total{reason="out_of_range",way="osmand"}' in http.get("/metrics").text


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        ({"json": {"_type": "encrypted", "data": "b2g="}}, 200, "take the encryption key out of the app's settings"),
        ({"content": b'{"_type": "loc'}, 400, "something on its way cut it off"),
        ({"json": {"lat": 57.7, "lon": 11.97, "tst": 1}}, 200, "it has no _type"),
        ({"json": {"_type": "location", "lat": 57.7, "tst": 1}}, 200, "lon is missing"),
        ({"content": b""}, 200, ""),
        ({"json": {"_type": "waypoint", "desc": "home"}}, 200, ""),
    ],
    ids=["encrypted", "cut off", "of no type", "of no place", "nothing", "of another thing"],
)
def test_what_owntracks_says_and_nobody_can_read_is_set_aside_with_its_remedy(
    http: httpx.Client, sent: Any, status: int, reason: str
) -> None:
    unit_id = new_unit(http)
    assert http.post("/v1/owntracks", params={"u": "anna", "d": unit_id}, **sent).status_code == status
    assert reason in " ".join(one["reason"] for one in aside(http) if one["device"] == unit_id)
    assert bool(reason) == any(one["device"] == unit_id for one in aside(http))


@pytest.mark.parametrize(
    ("path", "sent", "told"),
    [
        ("/v1/osmand?id=nobody-7&lat=1&lon=2", {}, (404, "nobody-7 is nobody here")),
        ("/v1/osmand", {"json": {"device_id": "nobody-7", "location": {}}}, (404, "nobody-7 is nobody here")),
        ("/v1/owntracks", {"content": b"{"}, (400, "not JSON")),
        ("/v1/traccar", {"content": b"\xff"}, (400, "not JSON")),
        ("/v1/traccar", {"json": {"device": {"uniqueId": "nobody-8"}}}, (404, "nobody-8 is nobody here")),
    ],
)
def test_an_app_that_is_set_up_wrongly_is_told_so(
    http: httpx.Client, path: str, sent: Any, told: tuple[int, str]
) -> None:
    answer = http.post(path, **sent)
    assert answer.status_code == told[0]
    assert told[1] in answer.json()["detail"]


@pytest.mark.parametrize(
    "wrong", ["timestamp={2}&lat=1&lon=2", "lat=NaN&lon=2", "lat=41,15&lon=2", "", "lat=1&lat=2&lon=3"]
)
def test_a_call_for_help_is_heard_whatever_is_wrong_with_the_rest(http: httpx.Client, wrong: str) -> None:
    unit_id = new_unit(http)
    assert http.get(f"/v1/osmand?id={unit_id}&alarm=sos&{wrong}").status_code == 200
    _ended(http, unit_id)


def test_a_call_from_a_device_that_nobody_knows_is_heard(http: httpx.Client) -> None:
    answer = http.get("/v1/osmand", params={"id": "stranger-1", "alarm": "sos", "lat": NORTH[1], "lon": NORTH[0]})
    assert answer.status_code == 200
    _ended(http, "stranger-1")


def _ended(http: httpx.Client, unit_id: str) -> None:
    (call,) = [one for one in http.get("/v1/emergencies").json()["emergencies"] if one["for_unit_id"] == unit_id]
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{call['incident_id']}/clear", json=end).is_success


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [
        ("osmand", {"alarm": "sos", "lat": str(NORTH[1]), "lon": str(NORTH[0])}, None),
        ("traccar", {}, {"position": {"attributes": {"alarm": "sos"}}}),
    ],
)
def test_who_calls_without_a_name_is_heard(http: httpx.Client, path: str, query: dict[str, str], body: Any) -> None:
    answer = http.post(f"/v1/{path}", params=query, json=body) if body else http.get(f"/v1/{path}", params=query)
    assert answer.status_code == 200
    called = f"{path}:127.0.0.1"
    (call,) = [one for one in http.get("/v1/emergencies").json()["emergencies"] if one["for_unit_id"] == called]
    assert not call["emergency"]["verified"]
    _ended(http, called)
