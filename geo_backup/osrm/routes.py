"""OSRM's HTTP API on the standing map, so that programs made for OSRM drive on our roads: table, route, nearest.

Closures in force hold. A long question is asked part by part, one destination or leg at a time, so that the rankings
of open incidents never wait for more than one part; each part is true of the moment in which it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any, TypeVar

import numpy as np
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from geo_backup.backup.readings import etas_to, field_to
from geo_backup.backup.standing import Standing
from geo_backup.node import Node
from geo_backup.osrm import answers, questions
from geo_backup.osrm.documents import OsrmNearest, OsrmRoute, OsrmTable
from geo_backup.osrm.questions import NearestQuestion, Places, Refusal, RouteQuestion, TableQuestion
from geo_backup.roads import ends, journey
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.nearest import nearest_roads
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.wire.route import Guarded, Kept
from geo_backup.wire.told import Told

BEYOND = ("match", "trip", "tile")
"""Services of OSRM that are not here."""
SNAPPED_AT_ONCE = 128
"""Places that one part looks for on the road."""
QUESTIONS_MAX = 256
"""Questions under way; more are to come again later."""
LARGE_CELLS = 50_000
"""A table of more cells than this waits until few others are under way: they are held whole."""
LARGE_AT_ONCE = 2
BUSY = "TooManyRequests"
"""The one code that OSRM does not have: it would wait without end."""

Result = TypeVar("Result")


TheAsker = Annotated["Asker", Kept("osrm")]

SERVICES = ("table", "route", "nearest")

REFUSALS: dict[int | str, dict[str, Any]] = {400: {"description": "OSRM's `code`, and `message`"}}

routes = APIRouter(tags=["OSRM"], route_class=Guarded)


def _get(service: str, options: Mapping[str, str]) -> dict[str, Any]:
    """How a service is asked by GET, in words."""
    known = {**options, **questions.OPTIONS}.items()
    return {
        "path": f"/{service}/v1/{{profile}}/{{coordinates:path}}",
        "response_model": None,
        "responses": REFUSALS,
        "operation_id": f"osrm_{service}",
        "description": "`coordinates` is `lon,lat;lon,lat...`, `polyline(...)` or `polyline6(...)`; `profile` one of "
        "the map's, or `driving`. Durations are those between places on roads.",
        "openapi_extra": {
            "parameters": [
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": words}
                for name, words in known
            ]
        },
    }


def _post(service: str, options: Mapping[str, str]) -> dict[str, Any]:
    """How a service is asked by POST, in words."""
    members = {name: {"description": words} for name, words in {**options, **questions.OPTIONS}.items()}
    place = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    places = {"type": "array", "items": place, "description": "`[[lon, lat], ...]`"}
    schema = {"type": "object", "required": ["coordinates"], "properties": {"coordinates": places, **members}}
    return {
        "path": f"/{service}/v1/{{profile}}",
        "response_model": None,
        "responses": REFUSALS,
        "operation_id": f"osrm_{service}_body",
        "description": "Options and `coordinates`, `[[lon, lat], ...]`, in one JSON object.",
        "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
    }


@routes.get(**_get("table", questions.TABLE_OPTIONS), summary="Drive times and metres from many places to many")
async def osrm_table(asker: TheAsker, profile: str, coordinates: str, request: Request) -> Told[OsrmTable]:
    with asker.question():
        asked = questions.table(coordinates, questions.options_of(request.url.query))
        return await asker.table(asker.profile(profile), asked)


@routes.get(**_get("route", questions.ROUTE_OPTIONS), summary="The fastest way over some places")
async def osrm_route(asker: TheAsker, profile: str, coordinates: str, request: Request) -> Told[OsrmRoute]:
    with asker.question():
        asked = questions.route(coordinates, questions.options_of(request.url.query))
        return await asker.route(asker.profile(profile), asked)


@routes.get(**_get("nearest", questions.NEAREST_OPTIONS), summary="The roads nearest to a place")
async def osrm_nearest(asker: TheAsker, profile: str, coordinates: str, request: Request) -> Told[OsrmNearest]:
    with asker.question():
        asker.profile(profile)  # whatever it is: a vehicle may stand on any road
        return await asker.nearest(questions.nearest(coordinates, questions.options_of(request.url.query)))


@routes.post("/table/v1/{profile}/", response_model=None, include_in_schema=False)
@routes.post(**_post("table", questions.TABLE_OPTIONS), summary="Drive times and metres from many places to many")
async def osrm_table_body(asker: TheAsker, profile: str, request: Request) -> Told[OsrmTable]:
    body = questions.body_of(await request.body())
    with asker.question():
        return await asker.table(asker.profile(profile), questions.table(*body))


@routes.post("/route/v1/{profile}/", response_model=None, include_in_schema=False)
@routes.post(**_post("route", questions.ROUTE_OPTIONS), summary="The fastest way over some places")
async def osrm_route_body(asker: TheAsker, profile: str, request: Request) -> Told[OsrmRoute]:
    body = questions.body_of(await request.body())
    with asker.question():
        return await asker.route(asker.profile(profile), questions.route(*body))


async def osrm_beyond(rest: str, request: Request) -> Response:
    """What OSRM has and this server has not, refused as OSRM refuses."""
    service = request.url.path.split("/")[1]
    if service in BEYOND:
        raise Refusal("NotImplemented", f"{service} is not implemented; {', '.join(SERVICES)} are")
    if rest.split("/")[0] != "v1":
        raise Refusal("InvalidVersion", f"this is not v1: {rest.split('/')[0][:64]!r}")
    raise Refusal("InvalidUrl", f"URL string malformed: it is /{service}/v1/profile/coordinates")


for _service in (*SERVICES, *BEYOND):
    routes.add_api_route(
        f"/{_service}/{{rest:path}}", osrm_beyond, methods=["GET", "POST"], include_in_schema=False, response_model=None
    )


class Asker:
    """Asks the standing fields, part by part."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.network = node.network
        self.profiles = node.profiles
        self._asked = 0
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._turn = asyncio.Semaphore(1)
        """One part of one question at a time, whoever asks."""

    @contextmanager
    def question(self) -> Iterator[None]:
        """One of the questions under way. Raises `Refusal` when there are too many."""
        if self._asked >= QUESTIONS_MAX:
            raise Refusal(BUSY, f"{QUESTIONS_MAX} questions are under way; ask again in a second")
        self._asked += 1
        try:
            yield
        finally:
            self._asked -= 1

    def profile(self, said: str) -> str:
        """The name of a profile of this map. Raises `Refusal` when there is none of that name."""
        name = questions.PROFILE_ALIASES.get(said, said)
        if name not in self.profiles:
            known = ", ".join((*self.profiles, *questions.PROFILE_ALIASES))
            raise Refusal("InvalidValue", f"there is no profile {said[:64]!r} here, but {known}")
        return name

    async def _ask(self, part: Callable[[Standing], Result]) -> Result:
        async with self._turn:
            return await self.node.read_field(part)

    async def table(self, profile: str, question: TableQuestion) -> Told[OsrmTable]:
        """Column by column."""
        large = len(question.sources) * len(question.destinations) > LARGE_CELLS
        async with self._large if large else nullcontext():
            return await self._table(profile, question)

    async def _table(self, profile: str, question: TableQuestion) -> Told[OsrmTable]:
        starts = await self._starts(question.places, question.sources)
        targets = await self._ends(question.places, question.destinations)
        seconds = np.full((len(question.sources), len(targets)), np.nan)
        metres = np.full_like(seconds, np.nan)
        for at, target in enumerate(targets):
            ms, metres[:, at] = await self._column(profile, starts, target, distances=question.distances)
            seconds[:, at] = np.where(ms < INF_MS, ms / 1000.0, np.nan)

        def told() -> bytes:
            arrivals = RoadPoints.of([RoadPoint(target.edges[0], target.fractions[0]) for target in targets])
            sources, destinations = (
                answers.waypoints(self.network, question.places, which, points.edge[:, 0], points.fraction[:, 0])
                for which, points in ((question.sources, starts), (question.destinations, arrivals))
            )
            return answers.table(question, seconds, metres, sources, destinations, self.network.area.source_date)

        return Told(await asyncio.to_thread(told))

    async def route(self, profile: str, question: RouteQuestion) -> Told[OsrmRoute]:
        """From the last leg to the first."""
        places = question.places
        start = await self._starts(places, (0,))
        targets = await self._ends(places, range(1, len(places)))
        onward = journey.at_end(targets[-1])
        for at, target in reversed(list(enumerate(targets))):
            points = journey.points_of(targets[at - 1]) if at > 0 else start
            onward = await self._leg_before(profile, points, target, onward)
            if not question.continue_straight:
                onward = onward.turned_round()
        legs = onward.legs[0]
        if legs is None:
            minutes = self.node.live_map.rules.limit.horizon_ms / 60_000
            raise Refusal("NoRoute", f"Impossible route between points: no way of at most {minutes:.0f} min a leg")

        def told() -> bytes:
            return orjson.dumps(answers.route(self.network, question, legs, self.network.area.source_date))

        return Told(await asyncio.to_thread(told))

    async def nearest(self, question: NearestQuestion) -> Told[OsrmNearest]:
        """In one part."""
        places = question.places
        lon, lat = places.lon_lat[0].tolist()
        within_m = min(float(places.radius_m[0]), self.node.live_map.rules.snap.incident_max_m)
        roads = await self._ask(
            lambda _: nearest_roads(
                self.network, lon, lat, count=question.number, within_m=within_m, bearing=places.bearings.get(0)
            )
        )
        if not roads:
            raise _no_segment(0)
        document = answers.nearest(self.network, question, roads, self.network.area.source_date)
        return Told(orjson.dumps(document))

    async def _column(
        self, profile: str, starts: RoadPoints, target: Target, *, distances: bool
    ) -> tuple[Array, Array | float]:
        """Milliseconds int32[N] (INF_MS = no way) and, if they are asked for, metres (nan = no way)."""

        def part(now: Standing) -> tuple[Array, Array | float]:
            if not distances:
                return etas_to(now, profile, target, starts)[0], np.nan
            field = field_to(now, profile, target)
            ms, which = field.etas_ms(starts)
            found, over = field.distances_m(starts, which)
            return ms, np.where(over >= 0, found, np.nan)

        return await self._ask(part)

    async def _leg_before(
        self, profile: str, points: RoadPoints, target: Target, onward: journey.Onward
    ) -> journey.Onward:
        return await self._ask(
            lambda now: journey.leg_before(lambda to: field_to(now, profile, to), points, target, onward)
        )

    async def _starts(self, places: Places, which: Sequence[int]) -> RoadPoints:
        points = RoadPoints.empty(len(which))
        for first in range(0, len(which), SNAPPED_AT_ONCE):
            rows = which[first : first + SNAPPED_AT_ONCE]
            found = await self._starts_of(places, list(rows))
            points.put(np.arange(first, first + len(rows)), found)
        return points

    async def _starts_of(self, places: Places, rows: list[int]) -> RoadPoints:
        bearings = {row: places.bearings[at] for row, at in enumerate(rows) if at in places.bearings}
        lon_lat, radius_m = places.lon_lat[rows], places.radius_m[rows]
        try:
            return await self._ask(
                lambda now: ends.starts(self.network, lon_lat, radius_m, bearings, now.table.rules.snap)
            )
        except ends.NoRoadError as error:
            raise _no_segment(rows[error.index]) from None

    async def _ends(self, places: Places, which: Sequence[int]) -> list[Target]:
        def part(now: Standing) -> list[Target | None]:
            rules = now.table.rules.snap
            found = []
            for at in which:
                lon, lat = places.lon_lat[at].tolist()
                bearing = places.bearings.get(at)
                found.append(ends.end(self.network, lon, lat, float(places.radius_m[at]), bearing, rules))
            return found

        found = await self._ask(part)
        targets = [target for target in found if target is not None]
        if len(targets) < len(found):
            raise _no_segment(which[found.index(None)])
        return targets


def _no_segment(at: int) -> Refusal:
    # word for word as OSRM says it: clients read the number
    return Refusal("NoSegment", f"Could not find a matching segment for coordinate {at}")


def refused(_: Request, error: Exception) -> Response:
    """A `Refusal` as OSRM tells it."""
    assert isinstance(error, Refusal)
    body = orjson.dumps(answers.refusal(error.code, error.message))
    if error.code == BUSY:
        return Response(body, 429, headers={"Retry-After": "1"}, media_type="application/json")
    return Response(body, 400, media_type="application/json")
