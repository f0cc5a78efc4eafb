"""The whole server: routes of one node, the page, the tiles, health and metrics."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from geo_backup import __version__
from geo_backup.dashboard import DIST
from geo_backup.node import Node
from geo_backup.node.health import NAMES
from geo_backup.osrm import routes as osrm
from geo_backup.server import (
    aid,
    cards,
    closures,
    cot,
    cover,
    emergencies,
    feed,
    incidents,
    plans,
    problems,
    rules,
    traffic,
    units,
)
from geo_backup.server.access import COOKIE, Access
from geo_backup.server.adoption import Adoption
from geo_backup.server.problems import Problem, bad_value
from geo_backup.wire.requests import ReplayControl

NO_PAGE = """<!doctype html><title>geo_backup</title><p>The server runs, but the dashboard is not built.
Install the package with pip, or run <code>npm ci && npm run build</code> in geo_backup/dashboard."""


def create_app(
    node: Node,
    *,
    adopt_unknown: bool = False,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    steering: feed.Steering | None = None,
) -> FastAPI:
    """The ASGI application of a started node. `hosts`: names it answers to besides loopback."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="geo_backup", version=__version__, lifespan=life, redoc_url=None, docs_url=None)
    problems.install(app)
    adoption = Adoption(lambda: node.live_map.rules.limit.units) if adopt_unknown else None
    app.include_router(units.router(node, adoption))
    app.include_router(incidents.router(node))
    app.include_router(emergencies.router(node, adoption))
    app.include_router(aid.router(node))
    app.include_router(closures.router(node))
    app.include_router(traffic.router(node))
    app.include_router(cover.router(node))
    app.include_router(cards.router(node))
    app.include_router(rules.router(node))
    app.include_router(cot.router(node, adoption))
    app.include_router(plans.router(node))
    app.include_router(osrm.router(node))
    app.include_router(feed.router(node, steering))
    _add_replay(app, steering)
    _add_health(app, node)
    _add_page(app, node, token)
    app.add_middleware(Access, token=token, hosts=hosts)
    return app


def _add_replay(app: FastAPI, steering: feed.Steering | None) -> None:
    @app.get("/v1/replay")
    async def state() -> dict[str, Any]:
        """Where the replay is."""
        if steering is None:
            raise Problem(409, "this server does not run on a replay clock")
        return steering.state()

    @app.post("/v1/replay")
    async def steer(body: ReplayControl) -> dict[str, Any]:
        """Play, pause, change the speed, or jump to a recorded time."""
        if steering is None:
            raise Problem(409, "this server does not run on a replay clock; start `geo-backup serve --clock replay`")
        try:
            await steering.steer(playing=body.playing, speed=body.speed, time_ms=body.time)
        except ValueError as error:
            raise bad_value("/", "replay", str(error)) from None
        return steering.state()


def _add_health(app: FastAPI, node: Node) -> None:
    @app.get("/healthz")
    async def health() -> dict[str, Any]:
        """What runs here."""
        return {
            "status": "degraded" if node.health.conditions else "ok",
            "conditions": node.health.document(),
            "mode": node.clock.mode,
            "seq": node.live_map.seq,
            "epoch": node.log.epoch,
            "software_version": __version__,
            "network_id": node.network.content_id,
            "rules_id": node.live_map.rules.rules_id,
            "area": node.network.area.name,
            "profiles": list(node.profiles),
        }

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        """200 once the log is folded and the kernels are compiled (the port opens only then), as long as nothing is
        wrong; else 503 with each thing that is, and what to do about it."""
        if node.health.conditions:
            wrong = [{"field": "", "reason": one.name, "message": one.words} for one in node.health.conditions]
            raise Problem(503, "; ".join(one.words for one in node.health.conditions), wrong)
        return {"status": "ready"}

    registry = CollectorRegistry()
    registry.register(_Figures(node))

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """The node's figures, read when they are asked for."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def collect(self) -> Iterable[Metric]:
        node, live_map = self.node, self.node.live_map
        for name, value in node.counters.items():
            yield CounterMetricFamily(f"geo_backup_{name}", f"{name} so far", value=value)
        ignored = CounterMetricFamily("geo_backup_ignored", "events that changed nothing", labels=["reason"])
        for reason, count in node.ignored.items():
            ignored.add_metric([reason], count)
        yield ignored
        wrong = GaugeMetricFamily("geo_backup_condition", "1 while this is wrong", labels=["name"])
        for name in NAMES:
            wrong.add_metric([name], any(one.name == name for one in node.health.conditions))
        yield wrong
        yield GaugeMetricFamily("geo_backup_seq", "log position folded", value=live_map.seq)
        yield GaugeMetricFamily("geo_backup_units", "units", value=len(live_map.units))
        yield GaugeMetricFamily("geo_backup_open_incidents", "open incidents", value=len(live_map.open_incidents()))
        yield GaugeMetricFamily("geo_backup_viewers", "websocket viewers", value=node.viewers)
        yield GaugeMetricFamily("geo_backup_ranking_seconds", "last round of rankings", value=node.lag_s)


def _add_page(app: FastAPI, node: Node, token: str | None) -> None:
    folder = node.network.folder
    tiles = folder / "basemap.pmtiles" if folder is not None else None

    @app.get("/tiles/basemap.pmtiles", include_in_schema=False)
    @app.head("/tiles/basemap.pmtiles", include_in_schema=False)
    async def basemap() -> Response:
        if tiles is None or not tiles.exists():
            raise Problem(404, "this map has no basemap")
        return FileResponse(tiles, media_type="application/vnd.pmtiles")

    @app.get("/", include_in_schema=False)
    @app.head("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        index = DIST / "index.html"
        response: Response = FileResponse(index) if index.exists() else HTMLResponse(NO_PAGE, 503)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        if token is not None and hmac.compare_digest(request.query_params.get("token", "").encode(), token.encode()):
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    # not mounted at "/": there it would answer for every path that no route has, and for every wrong method
    if (DIST / "assets").exists():
        app.mount("/assets", StaticFiles(directory=DIST / "assets"), name="page")
