"""What a handler is given beside the request: the node, and what the application keeps between requests.

`create_app` puts it on `app.state`; handlers name it by type, and their routes hand it in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request, Response

from geo_backup.events import ID_PATTERN
from geo_backup.node import Node
from geo_backup.pair.company import Company
from geo_backup.places import Gazetteer
from geo_backup.server.adoption import Adoption
from geo_backup.server.frames import FrameWriter
from geo_backup.server.intake import Intake
from geo_backup.server.phones import Phones
from geo_backup.server.presence import Presence
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.screens import Screens
from geo_backup.server.sources import Sources
from geo_backup.server.speaker import Speakers
from geo_backup.server.tries import Tries
from geo_backup.wire.body import StrictRequest
from geo_backup.wire.documents import ReplayState
from geo_backup.wire.route import Guarded, Kept
from geo_backup.wire.told import Taken


class Steering(Protocol):
    """What a replay offers the page: its state, and orders for it."""

    def state(self) -> ReplayState:
        """Where the replay is."""

    async def steer(self, *, playing: bool | None, speed: float | None, time_ms: int | None) -> None:
        """Play, pause, change the speed, jump."""


TheNode = Annotated[Node, Kept("node")]
TheAdoption = Annotated[Adoption | None, Kept("adoption")]
TheTries = Annotated[Tries, Kept("tries")]
TheWriter = Annotated[FrameWriter, Kept("writer")]
TheGazetteer = Annotated[Gazetteer, Kept("gazetteer")]
ThePresence = Annotated[Presence, Kept("presence")]
TheScreens = Annotated[Screens, Kept("screens")]
TheSteering = Annotated[Steering | None, Kept("steering")]
TheIntake = Annotated[Intake, Kept("intake")]
TheSources = Annotated[Sources, Kept("sources")]
TheQuarantine = Annotated[Quarantine, Kept("quarantine")]
TheSpeakers = Annotated[Speakers, Kept("speakers")]
TheAnswered = Annotated[Counter[int], Kept("answered")]
ThePair = Annotated[Company | None, Kept("pair")]
ThePhones = Annotated[Phones, Kept("phones")]

Csv = Annotated[bytes, Taken(str, "text/csv")]
Xml = Annotated[bytes, Taken(str, "application/xml")]

DeviceId = Annotated[str, Path(pattern=ID_PATTERN)]
UnitId = Annotated[str, Path(pattern=ID_PATTERN)]
IncidentId = Annotated[str, Path(pattern=ID_PATTERN)]
EmergencyId = Annotated[str, Path(pattern=ID_PATTERN)]
ClosureId = Annotated[str, Path(pattern=ID_PATTERN)]
AgreementId = Annotated[str, Path(pattern=ID_PATTERN)]
PlanId = Annotated[str, Path(pattern=ID_PATTERN)]


WITH_BODY = {"POST", "PUT", "PATCH"}


class Typed(Guarded):
    """A route whose answer goes out as it is: its type is for mypy and for `/openapi.json`, and is not built before
    somebody asks for that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        super().__init__(path, endpoint, **{**given, "response_model": None})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handlers are given bodies that were strictly read."""
        handle = super().get_route_handler()
        if not (self.methods or set()) & WITH_BODY:
            return handle

        async def strictly(request: Request) -> Response:
            request.__class__ = StrictRequest  # the same request: errors are told from what it has read
            return await handle(request)

        return strictly


def routes_of(tag: str, prefix: str = "/v1") -> APIRouter:
    """An empty list of routes about one thing. Operations have the names of their handlers."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=Typed, generate_unique_id_function=lambda route: route.name)
