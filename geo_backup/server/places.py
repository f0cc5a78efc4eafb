"""Places over HTTP: find one by its words, and what one is called."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import Query

from geo_backup.places import MOST_FOUND, Gazetteer
from geo_backup.server.access import reach
from geo_backup.server.answers import told
from geo_backup.server.given import TheGazetteer, routes_of
from geo_backup.server.problems import bad_value
from geo_backup.server.speaker import speaking
from geo_backup.wire import documents
from geo_backup.wire.requests.request import PLACE_WORDS_MAX
from geo_backup.wire.told import Told

log_ = logging.getLogger("geo_backup.server")

LONGEST_QUERY = 200
NAMED_WITHIN_S = 0.25
ALL_NAMED_WITHIN_S = 1.0

routes = routes_of("Places")


@routes.get("/places")
async def find_places(
    places: TheGazetteer,
    q: Annotated[str, Query(min_length=1, max_length=LONGEST_QUERY)],
    near: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 10,
) -> Told[documents.Places]:
    """The places that a text may mean, best first, as somebody types it: an address, a crossing, a name, an exit, a
    kilometre post or coordinates. Of places of one name those near `near` (lon,lat; default: the middle of the town)
    come first."""
    here = _near(near)
    # in a thread: some milliseconds, which the pings of a fleet do not wait for
    answer = await asyncio.to_thread(places.find, q, here, limit)
    return told(documents.found_places(q, answer, hazards=_goes_there()))


@routes.get("/places/name")
async def name_place(
    places: TheGazetteer,
    lon: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False)],
    lat: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False)],
) -> Told[documents.PlaceName]:
    """What a place is called: its street, and the street that crosses it there or the two it lies between."""
    named = await asyncio.to_thread(places.name, lon, lat)
    hazard = places.hazard(lon, lat) if _goes_there() else ""
    return told(documents.place_name(lon, lat, named, hazard))


async def words_for(places: Gazetteer, lon: float, lat: float) -> str:
    """What a place is called, as it goes on record; empty where nothing near has a name, or it takes too long: nobody
    waits for a name."""
    try:
        async with asyncio.timeout(NAMED_WITHIN_S):
            named = await asyncio.to_thread(places.name, lon, lat)
    except TimeoutError:
        return ""
    except Exception:
        log_.exception("the place at %s, %s has no name; the incident is opened without", lon, lat)
        return ""
    return "" if named.relation == "nowhere" else named.text[:PLACE_WORDS_MAX]


async def names_for(places: Gazetteer, asked: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """What places are called, in words; those that it has no time for have no name."""

    def named() -> dict[str, str]:
        found: dict[str, str] = {}
        until_s = time.monotonic() + ALL_NAMED_WITHIN_S
        for key, (lon, lat) in asked.items():
            if time.monotonic() > until_s:
                break
            one = places.name(lon, lat)
            found[key] = "" if one.relation == "nowhere" else one.text[:PLACE_WORDS_MAX]
        return found

    return await asyncio.to_thread(named)


def _goes_there() -> bool:
    """What is known of premises is for those who go there or send others."""
    return reach(speaking(), "respond") is not None


def _near(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise bad_value("/near", "type", "is `lon,lat` in degrees, such as 11.97,57.7") from None
    if not (math.isfinite(lon) and abs(lon) <= 180):
        raise bad_value("/near", "out_of_range", "lon is -180 to 180 degrees")
    if not (math.isfinite(lat) and abs(lat) <= 90):
        raise bad_value("/near", "out_of_range", "lat is -90 to 90 degrees; is it lon,lat?")
    return lon, lat
