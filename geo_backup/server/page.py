"""The page in a browser: the dashboard, its tiles, and the pages of the HTTP interface."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from geo_backup.dashboard import DIST
from geo_backup.server.given import TheNode, TheSpeakers, routes_of
from geo_backup.server.problems import Problem
from geo_backup.server.session import open_link

SWAGGER = files("fastapi_offline") / "static"
"""Swagger UI as files: the pages of the interface need no network."""
DOCS = Path(__file__).parent / "docs"
NO_PAGE = """<!doctype html><title>geo_backup</title><p>The server runs, but the dashboard is not built.
Install the package with pip, or run <code>npm ci && npm run build</code> in geo_backup/dashboard."""
HEADERS = {
    # pictures may stand in the style sheet itself, and what the map decodes is handed on as a blob
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What a browser may do with a page of ours: nothing from elsewhere, nothing inline, no frame around it."""

routes = routes_of("Page", prefix="")


class Files(StaticFiles):
    """Files of a page, with what a browser may do with them: a worker goes by the headers of its own script."""

    def file_response(self, full_path: str | os.PathLike[str], *given: Any, **more: Any) -> Response:
        """One of them."""
        answer = super().file_response(full_path, *given, **more)
        answer.headers.update(HEADERS)
        return answer


@routes.api_route("/tiles/basemap.pmtiles", methods=["GET", "HEAD"], include_in_schema=False)
async def get_basemap(node: TheNode) -> Response:
    """The tiles of this map, read in ranges."""
    folder = node.network.folder
    if folder is None or not (folder / "basemap.pmtiles").exists():
        raise Problem(404, "this map has no basemap")
    # Chromium keeps the piece that had come of a range that was broken off, and takes it for all of it from then on
    kept = {"Cache-Control": "no-store"}
    return FileResponse(folder / "basemap.pmtiles", media_type="application/vnd.pmtiles", headers=kept)


@routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def get_page(node: TheNode, speakers: TheSpeakers, request: Request, ticket: str = "") -> Response:
    """The dashboard; a one-time link (`/?ticket=...`) opens it signed in."""
    if ticket:
        return await open_link(node, speakers, request, ticket)
    index = DIST / "index.html"
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return FileResponse(index, headers=headers) if index.exists() else HTMLResponse(NO_PAGE, 503, headers)


@routes.api_route("/unit", methods=["GET", "HEAD"], include_in_schema=False)
async def get_unit_page() -> Response:
    """The officer's page."""
    page = DIST / "unit.html"
    headers = {**HEADERS, "Cache-Control": "no-cache"}
    return FileResponse(page, headers=headers) if page.exists() else HTMLResponse(NO_PAGE, 503, headers)


@routes.api_route("/unit.webmanifest", methods=["GET", "HEAD"], include_in_schema=False)
async def get_unit_manifest() -> Response:
    """What a phone must know to install the officer's page."""
    return _of_unit_page("unit.webmanifest", "application/manifest+json")


@routes.api_route("/unit-worker.js", methods=["GET", "HEAD"], include_in_schema=False)
async def get_unit_worker() -> Response:
    """What keeps the officer's page on the phone for when there is no link."""
    return _of_unit_page("unit-worker.js", "text/javascript")


def _of_unit_page(name: str, media_type: str) -> Response:
    if not (DIST / name).exists():
        raise Problem(404, "the page is not built")
    return FileResponse(DIST / name, media_type=media_type, headers={**HEADERS, "Cache-Control": "no-cache"})


@routes.get("/docs", include_in_schema=False)
async def get_docs() -> Response:
    """Every operation of `/openapi.json` to read and to try."""
    return FileResponse(DOCS / "index.html", headers=HEADERS)
