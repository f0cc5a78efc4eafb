"""The replay over HTTP: where it is, and orders for it."""

from __future__ import annotations

from geo_backup.server.answers import told
from geo_backup.server.given import Steering, TheSteering, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.wire import documents
from geo_backup.wire.requests import ReplayControl
from geo_backup.wire.told import Told

routes = routes_of("Server")


@routes.get("/replay", responses=may(409))
async def get_replay(steering: TheSteering) -> Told[documents.ReplayState]:
    """Where the replay is."""
    return told(_steered(steering).state())


@routes.post("/replay", responses=may(409))
async def steer_replay(steering: TheSteering, body: ReplayControl) -> Told[documents.ReplayState]:
    """Play, pause, change the speed, or jump to a recorded time."""
    steered = _steered(steering)
    try:
        await steered.steer(playing=body.playing, speed=body.speed, time_ms=body.time)
    except ValueError as error:
        raise bad_value("/", "replay", str(error)) from None
    return told(steered.state())


def _steered(steering: Steering | None) -> Steering:
    if steering is None:
        raise Problem(409, "this server does not run on a replay clock; start `geo-backup serve --clock replay`")
    return steering
