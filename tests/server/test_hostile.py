"""What a hostile or broken sender can say: each gets a clear refusal, and the server goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets
from fastapi import FastAPI
from websockets.sync.client import connect

from geo_backup.server import problems
from geo_backup.server.bounds import BODY_MAX
from tests.asking import new_unit, problem, report, unit_body
from tests.running import Server

JSON = {"Content-Type": "application/json"}
LINE = [[11.97, 57.70], [11.97, 57.701]]


@pytest.fixture(autouse=True)
def goes_on(http: httpx.Client) -> Iterator[None]:
    yield
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ('"lon": NaN, "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": Infinity, "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": 1e999, "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": 1' + "0" * 400 + ', "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": "11.97", "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": true, "lat": 57.7, "priority": 1', "/lon"),
        ('"lon": 11.97, "lat": 57.7, "priority": true', "/priority"),
        ('"lon": 11.97, "lat": 57.7, "priority": 1.0', "/priority"),
        ('"lon": 11.97, "lat": 57.7, "priority": "1"', "/priority"),
        ('"lon": 11.97, "lat": 57.7, "priority": 1, "pinned": 0', "/pinned"),
        ('"lon": 11.97, "lat": 57.7, "priority": 1, "shape": 1', "/shape"),
        ('"lon": 11.97, "lat": 57.7, "priority": 1, "note": "\\ud800"', "/note"),
        ('"lon": 11.97, "lat": 57.7, "priority": 1, "\\ud800": 1', None),
        ('"lon": 11.97, "lat": 57.7, "priority": 1, "note": "' + "x" * 2_001 + '"', "/note"),
    ],
)
def test_numbers_and_fields_are_strict(http: httpx.Client, value: str, field: str | None) -> None:
    problem(http.post("/v1/incidents", content="{" + value + "}", headers=JSON), 422, field=field)


@pytest.mark.parametrize("body", [b"{", b"", b'{"note": "\xff\xfe"}', b"[" * 100_000, b"\x00" * 10, b"'"])
def test_what_is_no_json_is_400(http: httpx.Client, body: bytes) -> None:
    problem(http.post("/v1/positions", content=body, headers=JSON), 400)
    answer = http.post("/v1/incidents", content=body, headers=JSON)
    problem(answer, 422 if body == b"" else 400)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"01"])
def test_positions_with_no_numbers_are_no_json(http: httpx.Client, number: bytes) -> None:
    problem(http.post("/v1/positions", content=b'{"positions": [{"lon": ' + number + b"}]}"), 400)


def test_a_position_that_is_beyond_all_numbers_is_refused_alone(http: httpx.Client) -> None:
    row = b'{"unit_id": "P1", "fix_time": "2026-11-23T12:00:00Z", "lon": 1e999, "lat": 57.7}'
    answer = http.post("/v1/positions", content=b'{"positions": [' + row + b"]}")
    assert answer.status_code == 202
    assert [one["field"] for one in answer.json()["refused"]] == ["/positions/0/lon"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/positions", '{"positions": [{"unit_id": "P1", "unit_id": "P2"}]}'),
        ("POST", "/v1/positions", '{"positions": [], "positions": []}'),
        ("POST", "/v1/incidents", '{"lon": 11.97, "lat": 57.7, "priority": 1, "priority": 5}'),
        ("POST", "/v1/emergencies", '{"unit_id": "P1", "unit_id": "P2"}'),
        ("PUT", "/v1/beats", '{"type": "FeatureCollection", "features": [], "features": []}'),
    ],
)
def test_a_member_that_stands_twice_is_refused(http: httpx.Client, method: str, path: str, body: str) -> None:
    """Two readers would take different ones: what was checked would not be what is done."""
    problem(http.request(method, path, content=body, headers=JSON), 400)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_document_type_is_refused_in_any_encoding(http: httpx.Client, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE e [<!ENTITY a "b">]><event uid="P1" type="a-f-G"/>'
    answer = http.post("/v1/cot", content=text.encode(encoding), headers={"content-type": "application/xml"})
    problem(answer, 422)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lon", True),
        ("lon", "11.97"),
        ("lon", None),
        ("lat", 91),
        ("speed_mps", "1"),
        ("course_deg", True),
        ("accuracy_m", []),
        ("unit_id", "a" * 65),
        ("unit_id", "a/b"),
        ("unit_id", "a\n"),
        ("unit_id", 7),
        ("device_id", ""),
        ("fix_time", 1_700_000_000),
        ("fix_time", True),
        ("fix_time", "yesterday"),
        ("fix_time", "20261123T120000Z"),
        ("fix_time", "2026-W48-1T12:00:00Z"),
        ("fix_time", "2026-11-23T12:00:00+99:00"),
        ("fix_time", "2026-02-30T12:00:00Z"),
        ("fix_time", "0001-01-01T00:00:00+23:59"),
        ("fix_time", "9999-12-31T23:59:59-23:59"),
        ("more", 1),
    ],
)
def test_a_bad_position_is_refused_with_its_field(http: httpx.Client, field: str, value: Any) -> None:
    answer = report(http, {"unit_id": "nobody", "lon": 11.97, "lat": 57.7, field: value})
    assert (answer["accepted"], answer["seq"]) == (0, None)
    (row,) = answer["refused"]
    assert row["field"] == f"/positions/0/{field}"
    assert row["reason"]
    assert "\n" not in row["reason"]


@pytest.mark.parametrize("row", [None, 5, "x", [], [1, 2]])
def test_a_position_that_is_no_object_is_refused(http: httpx.Client, row: Any) -> None:
    answer = http.post("/v1/positions", json={"positions": [row]}).json()
    assert [refused["field"] for refused in answer["refused"]] == ["/positions/0"]


def test_ids(http: httpx.Client) -> None:
    assert http.put(f"/v1/units/{'a' * 64}", json=unit_body()).status_code == 201
    problem(http.put(f"/v1/units/{'a' * 65}", json=unit_body()), 422, field="/unit_id")
    for bad in ("a b", "a%0A", "å", "a%00", "%2e%2e%5c"):
        problem(http.put(f"/v1/units/{bad}", json=unit_body()), 422, field="/unit_id")
    for path in ("/v1/units/..%2f..%2fetc%2fpasswd", "/assets/..%2f..%2f__init__.py", "/assets/../../pyproject.toml"):
        problem(http.get(path), 404)
    problem(http.get("/tiles/..%2farea.toml"), 404)
    # raw, since a client tidies dots away
    problem_text = raw(
        http, b"GET /assets/../../hatch_build.py HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert b" 404 " in problem_text.split(b"\r\n")[0]


def raw(http: httpx.Client, request: bytes) -> bytes:
    """The whole answer to bytes that no client would send."""
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=10) as link:
        link.sendall(request)
        answer = b""
        while piece := link.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "body",
    [
        {"callsign": "", "agency": "a", "kind": "k", "capabilities": []},
        {"callsign": "c", "agency": "a", "kind": "k", "capabilities": "k9"},
        {"callsign": "c", "agency": "a", "kind": "k", "capabilities": ["x"] * 65},
        {"callsign": "c", "agency": "a", "kind": "k", "capabilities": [], "home": [200, 0]},
        {"callsign": "c", "agency": "a", "kind": "k", "capabilities": [], "home": [1, 2, 3]},
        {"callsign": "c", "agency": "a", "kind": "k", "capabilities": [], "home": [True, 2]},
        {"callsign": "c" * 65, "agency": "a", "kind": "k", "capabilities": []},
        {"callsign": "c", "agency": "a", "kind": "k"},
        {"unit_id": "x", "callsign": "c", "agency": "a", "kind": "k", "capabilities": []},
        [],
        None,
    ],
)
def test_bad_units(http: httpx.Client, body: Any) -> None:
    problem(http.put("/v1/units/bad", json=body), 422)


DEEP: Any = 1.0
for _ in range(400):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "geometry",
    [
        {},
        {"type": "Point", "coordinates": [11.97, 57.7]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": ["Polygon"], "coordinates": []},
        {"type": None, "coordinates": LINE},
        {"type": "Polygon"},
        *({"type": "Polygon", "coordinates": bad} for bad in ([], [[]], None, 5, "abc", {}, LINE, [LINE[:1]], [LINE])),
        {"type": "MultiPolygon", "coordinates": [[LINE]]},
        {"type": "LineString", "coordinates": DEEP},
        {"type": "LineString", "coordinates": LINE[:1]},
        {"type": "LineString", "coordinates": [LINE[0], LINE[0]]},
        {"type": "LineString", "coordinates": [LINE[0], ["11.97", "57.7"]]},
        {"type": "LineString", "coordinates": [LINE[0], [True, 57.7]]},
        {"type": "LineString", "coordinates": [LINE[0], {}]},
        {"type": "LineString", "coordinates": [LINE[0], [11.97]]},
        {"type": "LineString", "coordinates": [LINE[0], [11.97, 57.701, 3]]},
        {"type": "LineString", "coordinates": [LINE[0], [10**400, 57.701]]},
        {"type": "LineString", "coordinates": [LINE[0], [57.7, 111.97]]},
        {"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        {"type": "LineString", "coordinates": LINE, "crs": "EPSG:3006"},
        {"type": "LineString", "coordinates": [[11.9 + i * 1e-6, 57.7] for i in range(20_000)]},
        {"type": "MultiPolygon", "coordinates": [[[]]] * 20_000},
        {
            "type": "Polygon",
            "coordinates": [[[11.96, 57.69], [11.98, 57.71], [11.98, 57.69], [11.96, 57.71], [11.96, 57.69]]],
        },
        *({"edges": bad} for bad in ([], [True], [-1], [10**9], [1.0], "abc", None, {"0": 1}, [0] * 10_001)),
        {"edges": [1], "type": "Polygon"},
    ],
)
def test_bad_geometry(http: httpx.Client, geometry: Any) -> None:
    body = json.dumps({"geometry": geometry, "reason": "x"})
    answer = problem(http.post("/v1/closures", content=body, headers=JSON), 422)
    assert answer["errors"][0]["field"].startswith("/geometry")
    assert len(answer["detail"]) < 500


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_no_number_in_a_geometry(http: httpx.Client, number: str) -> None:
    geometry = f'{{"type": "LineString", "coordinates": [[11.97, {number}], [11.97, 57.7]]}}'
    body = f'{{"reason": "x", "geometry": {geometry}}}'
    problem(http.post("/v1/closures", content=body, headers=JSON), 422, "number")


@pytest.mark.parametrize("more", [{"buffer_m": -1}, {"buffer_m": 501}, {"applies_to": "some"}, {"valid_from": "soon"}])
def test_bad_closures(http: httpx.Client, more: dict[str, Any]) -> None:
    body = {"geometry": {"type": "LineString", "coordinates": LINE}, "reason": "x", **more}
    problem(http.post("/v1/closures", json=body), 422, field=f"/{next(iter(more))}")


def test_a_line_that_crosses_itself_all_over_keeps_nobody_waiting(http: httpx.Client) -> None:
    line = [[11.88 + i % 2 * 0.2, 57.66 + i * 9e-6] for i in range(9_999)]
    body = {"geometry": {"type": "LineString", "coordinates": line}, "buffer_m": 500.0, "reason": "x"}
    answer = http.post("/v1/closures", json=body, timeout=10.0)
    assert answer.status_code == 201
    assert http.delete(f"/v1/closures/{answer.json()['closure_id']}").status_code == 204


# ---- sizes


@pytest.mark.parametrize("path", ["/v1/positions", "/v1/incidents", "/v1/nothing"])
def test_a_huge_body_is_413(http: httpx.Client, path: str) -> None:
    problem(http.post(path, content=b" " * (BODY_MAX + 1), headers=JSON), 413)


@pytest.mark.parametrize("path", ["/v1/positions", "/v1/incidents"])
def test_a_body_without_its_length_is_cut_off(http: httpx.Client, path: str) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(40):
            sent += 1
            yield b" " * 100_000

    problem(http.post(path, content=pieces(), headers=JSON), 413)


def test_what_is_no_http(http: httpx.Client) -> None:
    assert b" 400 " in raw(http, b"\x16\x03\x01 garbage\r\n\r\n").split(b"\r\n")[0]
    assert (
        b" 400 " in raw(http, b"POST /v1/positions HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n").split(b"\r\n")[0]
    )


# ---- who asks


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/v1/units", "/healthz", "/tiles/basemap.pmtiles"])
def test_another_host_or_origin_is_403(http: httpx.Client, headers: dict[str, str], path: str) -> None:
    problem(http.get(path, headers=headers), 403)


def test_the_own_page_may_ask(server: Server, http: httpx.Client) -> None:
    assert http.get("/v1/units", headers={"Origin": server.url}).status_code == 200
    local = {"Host": f"localhost:{server.port}", "Origin": f"http://localhost:{server.port}"}
    assert http.get("/v1/units", headers=local).status_code == 200


def test_another_page_may_not_listen(server: Server) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        connect(server.feed, additional_headers={"Origin": "http://evil.example"}, proxy=None)
    assert refusal.value.response.status_code == 403
    with connect(server.feed, additional_headers={"Origin": server.url}, proxy=None) as link:
        link.send('{"type": "hello", "topics": ["units"]}')
        assert json.loads(link.recv(5))["type"] == "snapshot"


def test_duplicate_units_in_one_request(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    row = {"unit_id": unit_id, "fix_time": "2026-01-01T00:00:00Z", "lon": 11.97, "lat": 57.7}
    answer = report(http, row, row, row)
    assert answer["accepted"] == 3
    assert [ignored["reason"] for ignored in answer["ignored"]] == ["duplicate", "duplicate"]


def test_an_error_of_the_program_is_a_problem_without_a_traceback() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("secret")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/broken")

    answer = asyncio.run(ask())
    problem(answer, 500)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
