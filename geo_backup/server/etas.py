"""Drive times over HTTP, for systems that keep their own units."""

from __future__ import annotations

from geo_backup.backup.readings import etas
from geo_backup.errors import OutsideMapError
from geo_backup.server.answers import asked
from geo_backup.server.given import TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.writes import check_profile
from geo_backup.wire import documents
from geo_backup.wire.requests import EtasQuestion
from geo_backup.wire.told import Told

routes = routes_of("Drive times")


@routes.post("/etas", responses=may(413))
async def ask_etas(node: TheNode, body: EtasQuestion) -> Told[documents.Etas]:
    """Drive times from many places to one, with the closures in force, for systems that keep their own units."""
    check_profile(node, body.profile)
    most = node.live_map.rules.limit.etas_starts
    if len(body.starts) > most:
        raise Problem(413, f"at most {most} starts a question, here are {len(body.starts)}; ask in parts")
    lon, lat = _place("/target", body.target)
    for index, start in enumerate(body.starts):
        _place(f"/starts/{index}", start)
        if len(start) == 3 and not 0 <= start[2] <= 360:
            raise bad_value(f"/starts/{index}/2", "out_of_range", "course_deg is 0 to 360")
    try:
        return await asked(node, object(), lambda now: etas(now, lon, lat, body.starts, body.profile))
    except OutsideMapError as error:
        raise bad_value("/target", error.reason, str(error)) from None


def _place(field: str, place: list[float]) -> tuple[float, float]:
    lon, lat = place[0], place[1]
    if not -180 <= lon <= 180:
        raise bad_value(f"{field}/0", "out_of_range", "lon is -180 to 180 degrees")
    if not -90 <= lat <= 90:
        raise bad_value(f"{field}/1", "out_of_range", "lat is -90 to 90 degrees; is it lon, lat?")
    return lon, lat
