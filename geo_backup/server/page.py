"""The page in a browser: the dashboard, its tiles, and the pages of the HTTP interface."""

from __future__ import annotations

from importlib.resources import files

from fastapi import Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

from geo_backup.dashboard import DIST
from geo_backup.server.given import TheNode, TheSpeakers, routes_of
from geo_backup.server.problems import Problem
from geo_backup.server.session import open_link

DOCS = files("fastapi_offline") / "static"
"""Swagger UI as files: the pages of the interface need no network."""
NO_PAGE = """<!doctype html><title>geo_backup</title><p>The server runs, but the dashboard is not built.
Install the package with pip, or run <code>npm ci && npm run build</code> in geo_backup/dashboard."""

routes = routes_of("Page", prefix="")


@routes.api_route("/tiles/basemap.pmtiles", methods=["GET", "HEAD"], include_in_schema=False)
async def get_basemap(node: TheNode) -> Response:
    """The tiles of this map, read in ranges."""
    folder = node.network.folder
    if folder is None or not (folder / "basemap.pmtiles").exists():
        raise Problem(404, "this map has no basemap")
    return FileResponse(folder / "basemap.pmtiles", media_type="application/vnd.pmtiles")


@routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def get_page(node: TheNode, speakers: TheSpeakers, request: Request, ticket: str = "") -> Response:
    """The dashboard; a one-time link (`/?ticket=...`) opens it signed in."""
    if ticket:
        return await open_link(node, speakers, request, ticket)
    index = DIST / "index.html"
    response: Response = FileResponse(index) if index.exists() else HTMLResponse(NO_PAGE, 503)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@routes.get("/docs", include_in_schema=False)
async def get_docs() -> Response:
    """Every operation of `/openapi.json` to read and to try."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="geo_backup",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
