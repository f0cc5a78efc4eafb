"""What drives have taught, over HTTP."""

from __future__ import annotations

from geo_backup.server.answers import asked
from geo_backup.server.given import TheNode, routes_of
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Drive times")


@routes.get("/pace")
async def get_pace(node: TheNode) -> Told[documents.PaceList]:
    """How much slower or faster than its profile says the city is driven, as far as drives have taught it, and how
    drives keep their times: by way of driving, hour of the day, class of road and kind of turn, with the seconds of
    driving that say so."""
    return await asked(node, "pace", documents.paces)
