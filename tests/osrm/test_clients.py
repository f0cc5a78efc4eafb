"""Programs that others wrote for OSRM, against a real server: routingpy's client, and VROOM as it routes by itself."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import vroom
from routingpy import OSRM
from routingpy.exceptions import RouterApiError

from tests.osrm.test_routes import EAST, NORTH, SEA, SOUTH, THREE, ok, path
from tests.running import Server

HARBOUR = [11.9530, 57.7050]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A process of its own: VROOM keeps the interpreter to itself while it asks."""
    server = Server(tmp_path_factory.mktemp("server") / "log.sqlite").start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture
def osrm(server: Server) -> OSRM:
    return OSRM(base_url=server.url)


def test_routingpy_asks_for_a_matrix(osrm: OSRM, http: httpx.Client) -> None:
    expected = ok(http.get(f"/table/v1/driving/{path(THREE)}?annotations=duration,distance"))
    matrix = osrm.matrix(THREE)
    assert matrix.durations == expected["durations"]
    assert matrix.distances == expected["distances"]
    part = osrm.matrix(THREE, profile="response", sources=[1, 2], destinations=[0], radiuses=[100, 100, 100])
    assert [len(row) for row in part.durations] == [1, 1]


@pytest.mark.parametrize("geometries", [None, "polyline", "polyline6", "geojson"])
def test_routingpy_asks_for_directions(osrm: OSRM, geometries: str | None) -> None:
    found = osrm.directions(
        THREE,
        geometries=geometries,
        overview="full",
        steps=True,
        annotations=True,
        alternatives=False,
        continue_straight=True,
    )
    assert 300 < found.duration < 3600
    assert 3_000 < found.distance < 20_000
    assert found.geometry[0] == pytest.approx(NORTH, abs=1e-3)
    assert found.geometry[-1] == pytest.approx(EAST, abs=1e-3)
    assert len(found.raw["routes"][0]["legs"]) == 2
    several = osrm.directions(THREE, alternatives=2, overview="simplified")
    assert [route.duration for route in several] == [found.duration]


def test_routingpy_hears_why_not(osrm: OSRM) -> None:
    with pytest.raises(RouterApiError, match="Could not find a matching segment for coordinate 1"):
        osrm.matrix([NORTH, SEA])
    with pytest.raises(RouterApiError, match="NotImplemented"):
        osrm.directions(THREE, exclude="motorway")


def test_vroom_is_fed_our_matrix(osrm: OSRM) -> None:
    places = [NORTH, EAST, SOUTH, HARBOUR]
    matrix = osrm.matrix(places, profile="response")
    problem = vroom.Input()
    problem.set_durations_matrix("car", [[round(cell) for cell in row] for row in matrix.durations])
    problem.add_vehicle([vroom.Vehicle(1, start=0), vroom.Vehicle(2, start=1)])
    problem.add_job([vroom.Job(10, location=2), vroom.Job(11, location=3)])
    solution = problem.solve(exploration_level=5, nb_threads=1)
    assert solution.unassigned == []
    assert solution.summary.duration <= min(matrix.durations[a][2] + matrix.durations[2][3] for a in (0, 1)) + 2


def test_vroom_routes_by_itself(server: Server, osrm: OSRM) -> None:
    """Its own requests, over its own sockets: the matrix, then the routes for metres and geometry."""
    plan = vroom.Input(servers={"car": f"127.0.0.1:{server.port}"}, geometry=True)
    plan.add_vehicle([vroom.Vehicle(1, start=tuple(NORTH), end=tuple(NORTH)), vroom.Vehicle(2, start=tuple(EAST))])
    plan.add_job([vroom.Job(10, location=tuple(SOUTH)), vroom.Job(11, location=tuple(HARBOUR))])
    solution = plan.solve(exploration_level=5, nb_threads=1)
    assert solution.unassigned == []
    assert solution.summary.distance > 1_000
    order = {1: NORTH, 2: EAST}
    for vehicle, rows in solution.routes.groupby("vehicle_id"):
        stops = {10: SOUTH, 11: HARBOUR}
        places = [order[vehicle], *(stops[int(job)] for job in rows[rows.type == "job"]["id"])]
        if vehicle == 1:
            places.append(NORTH)
        if len(places) < 2:
            continue
        durations = osrm.matrix(places, profile="car").durations
        driven = sum(durations[i][i + 1] for i in range(len(places) - 1))
        assert rows["duration"].max() == pytest.approx(driven, abs=len(places))


def test_vroom_hears_where_there_is_no_road(server: Server) -> None:
    plan = vroom.Input(servers={"car": f"127.0.0.1:{server.port}"})
    plan.add_vehicle(vroom.Vehicle(1, start=tuple(NORTH)))
    plan.add_job(vroom.Job(10, location=tuple(SEA)))
    with pytest.raises(Exception, match=r"Could not find route near location \[11\.6"):
        plan.solve(exploration_level=5, nb_threads=1)
