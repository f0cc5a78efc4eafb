"""The whole server: every route, and what the routes are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from geo_backup import __version__
from geo_backup.dashboard import DIST
from geo_backup.node import Node
from geo_backup.osrm import routes as osrm
from geo_backup.osrm.questions import Refusal
from geo_backup.pair.company import Company
from geo_backup.people import Roster
from geo_backup.places import Gazetteer
from geo_backup.server import (
    aid,
    assignments,
    backup,
    cards,
    closures,
    cot,
    cover,
    devices,
    emergencies,
    etas,
    feed,
    guard,
    handover,
    health,
    history,
    incidents,
    look_back,
    messages,
    oidc,
    openapi,
    pace,
    page,
    pair,
    past,
    places,
    plans,
    positions,
    problems,
    readings,
    replay,
    rules,
    session,
    timers,
    trackers,
    traffic,
    unit_page,
    units,
)
from geo_backup.server.adoption import Adoption
from geo_backup.server.frames import FrameWriter
from geo_backup.server.gate import Gate
from geo_backup.server.given import Steering
from geo_backup.server.intake import Intake
from geo_backup.server.phones import Phones
from geo_backup.server.presence import Presence
from geo_backup.server.proxy import NO_PROXY, Proxies
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.request_id import Identified
from geo_backup.server.screens import Screens
from geo_backup.server.sources import Sources
from geo_backup.server.speaker import Speakers
from geo_backup.server.tries import Tries

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from geo_backup.people.provider import Provider

ROOMS = (
    *(positions, units, incidents, assignments, readings, backup, emergencies, timers, messages, cot, aid, plans),
    *(trackers, devices, closures, traffic, cover, cards, rules, places, etas, pace, osrm, replay, health),
    *(session, oidc, unit_page, history, look_back, past, handover, pair, feed, page),
)


def create_app(
    node: Node,
    *,
    adopt_unknown: bool = False,
    token: str | None = None,
    roster: Roster | None = None,
    provider: Provider | None = None,
    hosts: tuple[str, ...] = (),
    steering: Steering | None = None,
    proxies: Proxies = NO_PROXY,
    one_of: Company | None = None,
) -> FastAPI:
    """The ASGI application of a started node.

    `token` opens everything; `roster` holds the people, devices and programs that may speak here, and `provider`
    vouches for others. With none of them everybody may do everything, and the server answers to loopback and `hosts`
    only. `proxies` are believed what they say of who sent a request. `one_of`: the
    machines that share the log, of which this is one.
    """

    def carried(device_id: str) -> str | None:
        device = node.live_map.devices.get(device_id)
        return None if device is None else device.unit_id

    speakers = Speakers(roster, token, provider, carried=carried)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield

    quiet: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    """Or exporters that the environment names would carry ids past `sight`, and out of here."""
    app = FastAPI(
        title="geo_backup", version=__version__, lifespan=life, redoc_url=None, docs_url=None, telemetry=quiet
    )
    app.state.node, app.state.steering, app.state.speakers = node, steering, speakers
    app.state.pair = one_of
    app.state.adoption = Adoption(lambda: node.live_map.rules.limit.units) if adopt_unknown else None
    app.state.gazetteer, app.state.presence, app.state.quarantine = Gazetteer(node.network), Presence(), Quarantine()
    app.state.phones, app.state.screens = Phones(speakers), Screens(node, speakers)
    app.state.sources = Sources()
    app.state.intake = Intake(node, app.state.adoption, app.state.quarantine, app.state.sources)
    app.state.answered = Counter[int]()
    app.state.tries, app.state.writer, app.state.osrm = Tries(), FrameWriter(node), osrm.Asker(node)
    problems.install(app)
    app.add_exception_handler(Refusal, osrm.refused)
    app.state.guard = guard.Guard(node)
    for room in ROOMS:
        guard.check(room.routes.routes)
        app.router.routes += room.routes.routes  # flat: an included router is looked through twice
    openapi.install(app, [room.routes for room in ROOMS])
    app.mount("/docs/own", page.Files(directory=page.DOCS), name="docs")
    app.mount("/docs", page.Files(directory=str(page.SWAGGER)), name="swagger")
    # not mounted at "/": there it would answer for every path that no route has, and for every wrong method
    if (DIST / "assets").exists():
        app.mount("/assets", page.Files(directory=DIST / "assets"), name="page")
        # a worker of the officer's page is kept with that where its address begins alike
        app.mount("/unit-assets", page.Files(directory=DIST / "assets"), name="unit_page")
    app.add_middleware(Gate, speakers=speakers, proxies=proxies, hosts=hosts)
    app.middleware_stack = Identified(app.build_middleware_stack(), app.state.answered)
    return app
