"""OSRM's API on a real server: its documented questions, the same numbers as /v1/etas, closures, codes, bad senders."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geo_backup.geodesy import distance_m
from geo_backup.node import Node
from geo_backup.osrm import polyline
from geo_backup.osrm import routes as osrm
from geo_backup.roads import ends
from geo_backup.roads.nearest import positions
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.roads.snap import snap_place, snap_units
from geo_backup.rules import SnapRules
from geo_backup.server.app import create_app
from tests.node.test_node import running
from tests.roads.tiny import place
from tests.rounds import rounds
from tests.running import GOTHENBURG, Server, ServerInThread

NORTH, SOUTH, EAST = [11.9560, 57.7215], [11.9680, 57.7060], [11.9900, 57.7000]
THREE = [NORTH, SOUTH, EAST]
SEA = [11.60, 57.60]


def path(places: list[list[float]]) -> str:
    return ";".join(f"{lon},{lat}" for lon, lat in places)


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    assert document["code"] == "Ok"
    assert document["data_version"].startswith("20")
    return document


def refused(answer: httpx.Response, code: str) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) == {"code", "message"}
    assert document["code"] == code, document
    return str(document["message"])


def places_on_roads(count: int, seed: int) -> list[list[float]]:
    """Places in the middle of the city, a metre or two off some road."""
    network = RoadNetwork.load(GOTHENBURG)
    chance = np.random.default_rng(seed)
    found = positions(
        network, chance.integers(0, network.edges, 40 * count), chance.integers(0, FRACTION_ONE, 40 * count)
    )
    found += chance.normal(0.0, 1e-5, found.shape)
    inner = (found > (11.93, 57.685)).all(axis=1) & (found < (12.01, 57.735)).all(axis=1)
    kept = found[inner][:count].round(6).tolist()
    assert len(kept) == count
    return kept


# ---- the questions of OSRM's documentation, here


def test_tables(http: httpx.Client) -> None:
    square = ok(http.get(f"/table/v1/driving/{path(THREE)}"))
    assert set(square) == {"code", "data_version", "durations", "sources", "destinations"}
    assert [len(row) for row in square["durations"]] == [3, 3, 3]
    assert all(square["durations"][i][i] == 0 for i in range(3))
    assert square["sources"] == square["destinations"]
    for asked, waypoint in zip(THREE, square["sources"], strict=True):
        assert set(waypoint) == {"hint", "distance", "name", "location"}
        assert distance_m(*asked, *waypoint["location"]) == pytest.approx(waypoint["distance"], abs=0.3)
    row = ok(http.get(f"/table/v1/driving/{path(THREE)}?sources=0"))
    assert row["durations"] == square["durations"][:1]
    assert len(row["sources"]) == 1
    assert len(row["destinations"]) == 3
    some = ok(http.get(f"/table/v1/car/{path(THREE)}?sources=2;0&destinations=1&annotations=distance,duration"))
    assert some["durations"] == [[square["durations"][2][1]], [square["durations"][0][1]]]
    assert all(0 < metres < 20_000 for (metres,) in some["distances"])
    alone = ok(http.get(f"/table/v1/routine/{path(THREE)}?annotations=distance&skip_waypoints=true"))
    assert set(alone) == {"code", "data_version", "distances"}
    bare = ok(http.get(f"/table/v1/driving/{path(THREE)}.json?generate_hints=false&hints=;;&approaches=;;"))
    assert set(bare["sources"][0]) == {"distance", "name", "location"}


def test_polylines_for_coordinates(http: httpx.Client) -> None:
    plain = ok(http.get(f"/table/v1/driving/{path(THREE)}"))["durations"]
    for digits, name in ((5, "polyline"), (6, "polyline6")):
        encoded = f"{name}({polyline.encode(THREE, digits)})"
        answer = http.get(f"/table/v1/driving/{httpx.URL(path=encoded).raw_path.decode()}")
        assert ok(answer)["durations"] == plain


def test_routes(http: httpx.Client) -> None:
    asked = f"/route/v1/driving/{path(THREE)}"
    route = ok(http.get(f"{asked}?overview=false"))
    assert set(route) == {"code", "data_version", "routes", "waypoints"}
    (one,) = route["routes"]
    assert set(one) == {"distance", "duration", "weight", "weight_name", "legs"}
    assert [set(leg) for leg in one["legs"]] == [{"distance", "duration", "weight", "summary", "steps"}] * 2
    assert [(leg["summary"], leg["steps"]) for leg in one["legs"]] == [("", [])] * 2
    assert sum(leg["duration"] for leg in one["legs"]) == pytest.approx(one["duration"], abs=0.001)
    assert sum(leg["distance"] for leg in one["legs"]) == pytest.approx(one["distance"], abs=0.3)
    assert [waypoint["distance"] < 30 for waypoint in route["waypoints"]] == [True] * 3
    assert "waypoints" not in ok(http.get(f"{asked}?skip_waypoints=true"))

    full = ok(http.get(f"{asked}?overview=full&geometries=geojson"))["routes"][0]["geometry"]
    assert full["type"] == "LineString"
    line = full["coordinates"]
    assert line[0] == route["waypoints"][0]["location"]
    assert line[-1] == route["waypoints"][2]["location"]
    assert route["waypoints"][1]["location"] in line
    for digits, name in ((5, "polyline"), (6, "polyline6")):
        text = ok(http.get(f"{asked}?overview=full&geometries={name}"))["routes"][0]["geometry"]
        assert np.abs(np.array(polyline.decode(text, digits)) - line).max() < 0.6 * 10.0**-digits + 1e-6
    simple = polyline.decode(ok(http.get(asked))["routes"][0]["geometry"])
    assert 2 < len(simple) < len(line) / 2
    assert simple[0] == pytest.approx(line[0], abs=1e-5)
    assert simple[-1] == pytest.approx(line[-1], abs=1e-5)


def test_steps_and_annotations(http: httpx.Client) -> None:
    query = "steps=true&annotations=true&geometries=geojson&overview=full&alternatives=3"
    route = ok(http.get(f"/route/v1/driving/{path(THREE)}?{query}"))["routes"][0]
    for leg in route["legs"]:
        steps = leg["steps"]
        assert steps[0]["maneuver"]["type"] == "depart"
        assert steps[-1]["maneuver"]["type"] == "arrive"
        assert leg["summary"].count(",") == 1
        assert sum(step["duration"] for step in steps) == pytest.approx(leg["duration"], abs=0.001)
        assert sum(step["distance"] for step in steps) == pytest.approx(leg["distance"], abs=1.0)
        for step, after in itertools.pairwise(steps):
            assert step["geometry"]["coordinates"][-1] == after["geometry"]["coordinates"][0]
            assert step["driving_side"] == "right"
            assert step["maneuver"]["location"] == step["geometry"]["coordinates"][0]
            assert step["intersections"][0]["location"] == pytest.approx(step["maneuver"]["location"], abs=2e-6)
        shown = leg["annotation"]
        assert set(shown) == {"distance", "duration", "speed", "weight"}
        assert len({len(values) for values in shown.values()}) == 1
        assert sum(shown["distance"]) == pytest.approx(leg["distance"], abs=1.0)
        # the time of turns is no stretch's
        assert 0.5 * leg["duration"] < sum(shown["duration"]) < leg["duration"]
    segments = sum(len(leg["annotation"]["distance"]) for leg in route["legs"])
    assert segments == len(route["geometry"]["coordinates"]) - 1
    some = ok(http.get(f"/route/v1/driving/{path(THREE)}?annotations=speed,duration"))["routes"][0]["legs"][0]
    assert set(some["annotation"]) == {"speed", "duration"}


def test_nearest(http: httpx.Client) -> None:
    lon, lat = SOUTH
    (first,) = ok(http.get(f"/nearest/v1/driving/{lon},{lat}"))["waypoints"]
    assert set(first) == {"hint", "distance", "name", "location"}
    assert first["name"] == "Östra Hamngatan"
    many = ok(http.get(f"/nearest/v1/driving/{lon},{lat}?number=7"))["waypoints"]
    assert many[0] == first
    assert len(many) == 7
    assert [one["distance"] for one in many] == sorted(one["distance"] for one in many)
    near = ok(http.get(f"/nearest/v1/driving/{lon},{lat}.json?number=100&radiuses=40"))["waypoints"]
    assert 0 < len(near) < 100
    assert all(one["distance"] <= 40.5 for one in near)
    asked = f"/nearest/v1/driving/{lon},{lat}?number=100&radiuses=80"
    free, north, east = (
        [(one["name"], *one["location"]) for one in ok(http.get(asked + said))["waypoints"]]
        for said in ("", "&bearings=0,20", "&bearings=90,20")
    )
    assert north
    assert east
    assert north != east
    assert {name for name, *_ in (*north, *east)} <= {name for name, *_ in free}
    assert len(north) < len(free) > len(east)


def test_the_body_of_a_post_says_the_same(http: httpx.Client) -> None:
    by_url = ok(http.get(f"/table/v1/driving/{path(THREE)}?sources=0;1&destinations=2&annotations=duration,distance"))
    body = {"coordinates": THREE, "sources": [0, 1], "destinations": [2], "annotations": ["duration", "distance"]}
    assert ok(http.post("/table/v1/driving", json=body)) == by_url
    assert ok(http.post("/table/v1/driving/", json=body)) == by_url
    route = ok(http.post("/route/v1/driving", json={"coordinates": THREE, "steps": True, "overview": "full"}))
    assert route == ok(http.get(f"/route/v1/driving/{path(THREE)}?steps=true&overview=full"))


# ---- one truth


@pytest.mark.parametrize("profile", ["routine", "response"])
def test_a_table_says_what_etas_say(http: httpx.Client, profile: str) -> None:
    network = RoadNetwork.load(GOTHENBURG)
    places = places_on_roads(30, seed=1)
    # off the road a unit has a leg to each road it could take
    unknown = np.full(len(places), np.nan)
    walks = snap_units(network, *np.array(places).T, unknown, unknown, SnapRules()).lead_ms.any(axis=1)
    places = [at for at, walk in zip(places, walks.tolist(), strict=True) if not walk]
    # an incident beside a bridge is in the street there, OSRM's place on whatever road is nearest
    alike = []
    for column, (lon, lat) in enumerate(places):
        end = ends.end(network, lon, lat, np.inf, None, SnapRules())
        if end is not None and snap_place(network, lon, lat, SnapRules()).edges == end.edges:
            alike.append(column)
    assert len(alike) > 20
    table = ok(http.get(f"/table/v1/{profile}/{path(places)}"))["durations"]
    for column in alike[:6]:
        body = {"target": places[column], "starts": places, "profile": profile}
        assert [row[column] for row in table] == http.post("/v1/etas", json=body).json()["etas_s"]


@settings(max_examples=rounds(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.sampled_from(["routine", "response"]))
def test_any_route_takes_what_the_table_says(http: httpx.Client, seed: int, profile: str) -> None:
    places = places_on_roads(2, seed)
    table = ok(http.get(f"/table/v1/{profile}/{path(places)}?annotations=duration,distance"))
    answer = http.get(f"/route/v1/{profile}/{path(places)}?overview=full&geometries=geojson")
    if table["durations"][0][1] is None:
        refused(answer, "NoRoute")
        return
    route = ok(answer)["routes"][0]
    assert route["duration"] == table["durations"][0][1]
    assert route["distance"] == pytest.approx(table["distances"][0][1], abs=0.2)
    line = np.array(route["geometry"]["coordinates"])
    length = distance_m(line[:-1, 0], line[:-1, 1], line[1:, 0], line[1:, 1]).sum()
    assert length == pytest.approx(route["distance"], rel=0.01, abs=2.0)


def test_the_response_is_another_profile(http: httpx.Client) -> None:
    slow, fast = (
        ok(http.get(f"/table/v1/{profile}/{path(THREE)}"))["durations"] for profile in ("driving", "response")
    )
    assert all(fast[i][j] < slow[i][j] for i in range(3) for j in range(3) if i != j)


@pytest.fixture
def bridge_closed(http: httpx.Client) -> Iterator[None]:
    bridge = {"type": "LineString", "coordinates": [[11.9650, 57.7140], [11.9680, 57.7143]]}
    answer = http.post("/v1/closures", json={"closure_id": "bridge", "geometry": bridge, "buffer_m": 30, "reason": "x"})
    assert answer.status_code == 201, answer.text
    yield
    assert http.delete("/v1/closures/bridge").status_code < 300


def test_closures_hold(http: httpx.Client, request: pytest.FixtureRequest) -> None:
    asked = [
        f"/table/v1/driving/{path([NORTH, SOUTH])}?sources=0&destinations=1",
        f"/route/v1/driving/{path([NORTH, SOUTH])}",
    ]
    open_s = ok(http.get(asked[0]))["durations"][0][0]
    request.getfixturevalue("bridge_closed")
    closed_s = ok(http.get(asked[0]))["durations"][0][0]
    assert closed_s > open_s + 10
    assert ok(http.get(asked[1]))["routes"][0]["duration"] == closed_s
    body = {"target": SOUTH, "starts": [NORTH], "profile": "routine"}
    assert http.post("/v1/etas", json=body).json()["etas_s"] == [closed_s]


# ---- options


def test_bearings_say_which_way_one_drives(http: httpx.Client) -> None:
    # on a two-way street, half way: who faces the other way has to turn somewhere
    network = RoadNetwork.load(GOTHENBURG)
    edge = next(
        edge
        for edge in range(network.edges)
        if network.edge_name(edge)
        and network.edge_length_m[edge] > 150
        and (network.piece_edges[network.edge_piece[edge]] >= 0).all()
        and len(network.edge_line(edge)) == 2
    )
    place = positions(network, np.array([edge]), np.array([FRACTION_ONE // 2]))[0].tolist()
    ahead = positions(network, np.array([edge]), np.array([FRACTION_ONE * 3 // 4]))[0].tolist()
    (lon, lat), (lon_b, lat_b) = network.edge_line(edge)
    course = int(np.degrees(np.arctan2((lon_b - lon) * np.cos(np.radians(lat)), lat_b - lat))) % 360
    back = (course + 180) % 360
    asked = f"/table/v1/driving/{path([place, ahead])}?sources=0&destinations=1&bearings="
    along, against = (ok(http.get(f"{asked}{bearing},30;"))["durations"][0][0] for bearing in (course, back))
    free = ok(http.get(asked + ";"))["durations"][0][0]
    assert along == free < 30
    assert against is None or against > along + 10
    arriving = ok(http.get(f"{asked}{course},30;{back},30"))["durations"][0][0]
    assert arriving is None or arriving > along + 10
    across = (course + 90) % 360
    assert refused(http.get(f"{asked}{across},5;&radiuses=20;20"), "NoSegment").endswith("coordinate 0")


def test_radiuses_say_how_near(http: httpx.Client) -> None:
    away_m = ok(http.get(f"/nearest/v1/driving/{path([SOUTH])}"))["waypoints"][0]["distance"]
    asked = f"/table/v1/driving/{path([NORTH, SOUTH])}?radiuses=unlimited;"
    ok(http.get(asked + str(away_m + 1)))
    assert refused(http.get(asked + str(away_m - 1)), "NoSegment") == (
        "Could not find a matching segment for coordinate 1"
    )
    refused(http.get(f"/route/v1/driving/{path([NORTH, SOUTH])}?radiuses=0;0"), "NoSegment")


@pytest.fixture
def east_cut_off(http: httpx.Client) -> Iterator[None]:
    """A closed ring of streets around one place."""
    rings = [[[EAST[0] + 0.018 * s * x, EAST[1] + 0.009 * s * y] for x, y in
              ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))] for s in (1.0, 0.9)]  # fmt: skip
    ring = {"type": "Polygon", "coordinates": rings}
    answer = http.post("/v1/closures", json={"closure_id": "ring", "geometry": ring, "reason": "a drill"})
    assert answer.status_code == 201, answer.text
    yield
    assert http.delete("/v1/closures/ring").status_code < 300


def test_fallback_and_scale(http: httpx.Client, request: pytest.FixtureRequest) -> None:
    all_found = ok(http.get(f"/table/v1/driving/{path(THREE)}?fallback_speed=10"))
    assert all_found["fallback_speed_cells"] == []
    plain = ok(http.get(f"/table/v1/driving/{path(THREE)}"))["durations"]
    scaled = ok(http.get(f"/table/v1/driving/{path(THREE)}?scale_factor=2.5"))["durations"]
    assert np.array(scaled) == pytest.approx(np.array(plain) * 2.5)
    request.getfixturevalue("east_cut_off")
    places = THREE
    none = ok(http.get(f"/table/v1/driving/{path(places)}?annotations=duration,distance"))
    cells = [[i, j] for i in range(3) for j in range(3) if none["durations"][i][j] is None]
    assert cells == [[0, 2], [1, 2], [2, 0], [2, 1]]
    refused(http.get(f"/route/v1/driving/{path(places)}"), "NoRoute")
    assert all(none["distances"][i][j] is None for i, j in cells)
    for kind in ("input", "snapped"):
        query = f"annotations=duration,distance&fallback_speed=10&fallback_coordinate={kind}"
        flown = ok(http.get(f"/table/v1/driving/{path(places)}?{query}"))
        assert flown["fallback_speed_cells"] == cells
        for i, j in cells:
            a, b = (places[i], places[j]) if kind == "input" else (
                flown["sources"][i]["location"], flown["destinations"][j]["location"])  # fmt: skip
            assert flown["distances"][i][j] == pytest.approx(distance_m(*a, *b), abs=1.0)
            assert flown["durations"][i][j] == pytest.approx(distance_m(*a, *b) / 10, abs=0.1)


# ---- what is refused


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (f"/table/v1/driving/{path([NORTH, SEA])}", "NoSegment"),
        (f"/route/v1/driving/{path([SEA, SOUTH])}", "NoSegment"),
        (f"/nearest/v1/driving/{path([SEA])}", "NoSegment"),
        (f"/table/v1/bicycle/{path(THREE)}", "InvalidValue"),
        (f"/nearest/v1/skis/{path([SOUTH])}", "InvalidValue"),
        (f"/table/v1/driving/{path([[57.7, 11.97]] * 2)}", "NoSegment"),
        ("/table/v1/driving/200,57;11,57", "InvalidOptions"),
        ("/table/v1/driving/", "InvalidQuery"),
        ("/table/v1/driving/nan,nan;11.97,57.7", "InvalidQuery"),
        ("/table/v1/driving/%F0%9F%9A%92", "InvalidQuery"),
        ("/table/v1/driving/%00;%00", "InvalidQuery"),
        ("/table/v1/driving/%FF,%FE;1,1", "InvalidQuery"),
        ("/table/v1/driving/polyline(%7F%7F)", "InvalidQuery"),
        (f"/route/v1/driving/{path([SOUTH])}", "InvalidOptions"),
        (f"/route/v1/driving/{path(THREE)}?colour=red", "InvalidQuery"),
        (f"/route/v1/driving/{path(THREE)}?%FF=%FE", "InvalidQuery"),
        (f"/route/v1/driving/{path(THREE)}?exclude=toll", "NotImplemented"),
        (f"/route/v1/driving/{path([SOUTH] * 101)}", "TooBig"),
        (f"/table/v1/driving/{path([SOUTH] * 101)}", "TooBig"),
        (f"/table/v1/driving/{path(THREE)}?sources=3", "InvalidOptions"),
        (f"/table/v1/driving/{path(THREE)}?radiuses=-1;;", "InvalidOptions"),
        (f"/table/v1/driving/{path(THREE)}?bearings=400,20;;", "InvalidOptions"),
        (f"/match/v1/driving/{path(THREE)}", "NotImplemented"),
        (f"/trip/v1/driving/{path(THREE)}?roundtrip=true", "NotImplemented"),
        ("/tile/v1/car/tile(1310,3166,13).mvt", "NotImplemented"),
        (f"/table/v5/driving/{path(THREE)}", "InvalidVersion"),
        ("/table/v1", "InvalidUrl"),
        ("/table/", "InvalidVersion"),
    ],
)  # fmt: skip
def test_the_codes(http: httpx.Client, asked: str, code: str) -> None:
    assert refused(http.get(asked), code)


def test_what_is_not_osrm_is_a_problem_as_ever(http: httpx.Client) -> None:
    for method, asked in (("GET", "/tables/v1/driving/1,1"), ("DELETE", f"/table/v1/driving/{path(THREE)}")):
        answer = http.request(method, asked)
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "InvalidQuery"),
        (b"[" * 100_000, "InvalidQuery"),
        (b'{"coordinates": [[11.97, 57.7]], "destinations": [0]}', "InvalidOptions"),
        (b'{"coordinates": [' + b"[11.97,57.70]," * 100_000 + b"[1,1]]}", "TooBig"),
        (b'{"coordinates": "polyline(' + b"?" * 1_000_000 + b')"}', "TooBig"),
        (b'{"coordinates": [[11.97, 57.7], [11.98, 57.7]], "sources": [' + b"0," * 500_000 + b"0]}", "TooBig"),
        (b'{"coordinates": [[11.97, 57.7], [11.98, 57.7]], "hints": ["' + b"x" * 1_000_000 + b'"]}', "InvalidOptions"),
    ],
)
def test_bodies_that_are_too_much(http: httpx.Client, body: bytes, code: str) -> None:
    refused(http.post("/table/v1/driving", content=body), code)


def test_a_url_of_a_megabyte_is_no_request(server: Server, http: httpx.Client) -> None:
    for asked in (f"/table/v1/driving/{path([SOUTH] * 100_000)}", f"/route/v1/driving/1,1;2,2?hints={'x' * 1_000_000}"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
            line.sendall(f"GET {asked} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 431")
    assert http.get("/healthz").status_code == 200


def test_the_largest_table_leaves_room_for_others(server: Server, http: httpx.Client) -> None:
    chance = np.random.default_rng(2)
    places = chance.uniform((11.94, 57.69), (12.0, 57.72), (10_100, 2)).round(6).tolist()
    body = {
        "coordinates": places,
        "sources": list(range(10_000)),
        "destinations": list(range(10_000, 10_100)),
        "annotations": ["duration", "distance"],
        "skip_waypoints": True,
    }
    table: list[httpx.Response] = []

    def ask() -> None:
        table.append(httpx.post(f"{server.url}/table/v1/driving", json=body, timeout=120, trust_env=False))

    asking = threading.Thread(target=ask)
    asking.start()
    between = 0
    while not table:
        assert http.post("/v1/etas", json={"target": SOUTH, "starts": [NORTH]}).status_code == 200
        between += not table
    asking.join()
    assert between > 10
    document = ok(table[0])
    assert np.array(document["durations"], float).shape == np.array(document["distances"], float).shape == (10_000, 100)


def test_more_than_it_holds_is_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osrm, "QUESTIONS_MAX", 3)

    async def story(node: Node) -> None:
        here = f"/table/v1/driving/{path([list(place(100, 2)), list(place(600, -2))])}"
        transport = httpx.ASGITransport(create_app(node))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as many:
            first = await asyncio.gather(*(many.get(here) for _ in range(8)))
            statuses = [answer.status_code for answer in first]
            assert statuses.count(200) == 3
            assert statuses.count(429) == 5
            turned_away = first[statuses.index(429)]
            assert turned_away.json()["code"] == "TooManyRequests"
            assert turned_away.headers["retry-after"] == "1"
            # bad questions are forgotten too, and there is room again
            await asyncio.gather(*(many.get("/table/v1/driving/nothing") for _ in range(8)))
            assert [(await many.get(here)).status_code for _ in range(5)] == [200] * 5

    running(story, tmp_path / "log.sqlite")


CHOICES: dict[str, list[str]] = {
    "bearings": ["0,180;0,180", ";90,90", "45,20;"],
    "radiuses": ["unlimited;", "500;500", ";0"],
    "hints": [";", "a;b"],
    "generate_hints": ["true", "false"],
    "skip_waypoints": ["true", "false"],
    "approaches": [";unrestricted"],
    "snapping": ["default"],
}
TABLE_CHOICES = {
    "sources": ["all", "0", "1;0;1"],
    "destinations": ["all", "1", "0;0"],
    "annotations": ["duration", "distance", "distance,duration"],
    "fallback_speed": ["1", "33.3"],
    "fallback_coordinate": ["input", "snapped"],
    "scale_factor": ["0.5", "1e300"],
}
ROUTE_CHOICES = {
    "alternatives": ["true", "2"],
    "steps": ["true", "false"],
    "annotations": ["true", "false", "speed", "distance,duration,weight"],
    "geometries": ["polyline", "polyline6", "geojson"],
    "overview": ["full", "simplified", "false"],
    "continue_straight": ["default", "true", "false"],
}


@pytest.mark.parametrize(("service", "choices"), [("table", TABLE_CHOICES), ("route", ROUTE_CHOICES)])
def test_any_options_together(http: httpx.Client, service: str, choices: dict[str, list[str]]) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        all_of_them = CHOICES | choices
        names = data.draw(st.lists(st.sampled_from(sorted(all_of_them)), unique=True))
        query = "&".join(f"{name}={data.draw(st.sampled_from(all_of_them[name]))}" for name in names)
        answer = http.get(f"/{service}/v1/response/{path([NORTH, SOUTH])}?{query}")
        if answer.status_code == 200:
            ok(answer)
        else:
            assert answer.json()["code"] in ("NoSegment", "NoRoute"), (query, answer.text)

    ask()


def test_a_token_guards_it(tmp_path: Path) -> None:
    server = ServerInThread(tmp_path / "log.sqlite", env={"GEO_BACKUP_TOKEN": "correct-horse-battery"}).start()
    try:
        for asked in (f"/table/v1/driving/{path(THREE)}", f"/trip/v1/driving/{path(THREE)}"):
            assert httpx.get(server.url + asked, trust_env=False).status_code == 401
        with_token = {"Authorization": "Bearer correct-horse-battery"}
        ok(httpx.get(f"{server.url}/table/v1/driving/{path(THREE)}", headers=with_token, trust_env=False))
    finally:
        server.stop()


def test_the_api_document_lists_it(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for service, option in (("table", "sources"), ("route", "geometries"), ("nearest", "number")):
        get = paths[f"/{service}/v1/{{profile}}/{{coordinates}}"]["get"]
        named = {parameter["name"]: parameter for parameter in get["parameters"]}
        assert {"profile", "coordinates", option, "bearings", "radiuses"} <= set(named)
        assert all(parameter.get("description") for name, parameter in named.items() if parameter["in"] == "query")
        assert "400" in get["responses"]
    for service in ("table", "route"):
        body = paths[f"/{service}/v1/{{profile}}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert "bearings" in body["properties"]
    assert not any(path.startswith(("/match", "/trip", "/tile")) for path in paths if not path.startswith("/tiles"))
