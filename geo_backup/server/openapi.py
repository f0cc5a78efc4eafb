"""`/openapi.json`: every operation with what it takes and answers, made from the handlers' own signatures when asked.

FastAPI makes the frame. What it cannot know is added here: the documents that handlers tell (`Told`), bodies that they
read for themselves (`Taken`), problem documents in place of its own, and words for every name from the glossary.
"""

from __future__ import annotations

import http
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from geo_backup.osrm.documents import OsrmRefusal
from geo_backup.server.access import OPERATIONS
from geo_backup.wire import documents
from geo_backup.wire.glossary import entry
from geo_backup.wire.told import Taken, Told

Schema = dict[str, Any]

ABOUT = """\
Live positions of units, and the best backup for an incident. `geo_backup/wire/CONTRACT.md` says what everything means.

Errors are problem documents (RFC 9457); programs read `errors[].reason`. Times are RFC 3339 with an offset, places are
lon, lat in WGS84 degrees, units of measure are in the names (`_s _m _mps _deg`).

What changes is pushed over the websocket `/v1/feed`, which OpenAPI cannot describe: say `{"type": "hello", "topics":
["units", "positions", "incidents", "rankings", "closures", "timers", "messages"]}` within 5 s, and a `snapshot` comes,
then `frame`s with what changed and a `heartbeat` every second. A unit, an incident, a ranking, a closure, a timer
and a message look there as they do here.
"""
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "The server's token (`GEO_BACKUP_TOKEN`). A server that listens on loopback alone may have none.",
}
ALWAYS = (401, 403, 503)
"""Statuses with which everything that needs a token may be refused."""
BODY = (400, 413, 422)
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
REFUSAL = {"application/json": {"schema": {"$ref": "#/components/schemas/OsrmRefusal"}}}
TAGS = {
    "Units": "Who is there, and where.",
    "Incidents": "Who needs help, who is sent, and who could be there how soon.",
    "Backup": "Whom to send, and why.",
    "History": "What was.",
    "Messages": "Short texts from a desk to units, and who has acknowledged them.",
    "Timers": "What somebody should have said or done by now.",
    "Emergencies": "An officer is in danger.",
    "Closures": "Closed and slow roads.",
    "Traffic": "Measured speeds.",
    "Cover": "How well the free units cover the area.",
    "Plans": "Backup thought out beforehand.",
    "Aid": "Agencies that help each other.",
    "Rules": "Every number people argue about.",
    "Places": "Where is it? Found by its words, named by its place.",
    "Drive times": "For systems that keep their own units.",
    "OSRM": "OSRM's HTTP API on this map, closures included.",
    "People": "Who is signed in.",
    "Server": "What runs here.",
}


def install(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Answer `/openapi.json` from these routes, made once."""

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, list(_routes(routers)))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                yield route


def _document(app: FastAPI, routes: list[APIRoute]) -> Schema:
    tags = [{"name": name, "description": words} for name, words in TAGS.items()]
    whole = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=routes, tags=tags)
    signatures = {route.unique_id: _signature(route) for route in routes}
    types = {
        documents.Problem,
        OsrmRefusal,
        *(one for told, taken in signatures.values() for one in (told, taken and taken.type)),
    }
    schemas, shared = TypeAdapter.json_schemas(
        [(one, "serialization", TypeAdapter(one)) for one in types if one is not None],
        ref_template="#/components/schemas/{model}",
    )
    of = {type_: schema for (type_, _), schema in schemas.items()}
    components = whole["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for name, schema in shared["$defs"].items():
        if components.setdefault(name, schema) != schema:
            raise KeyError(f"{name} is a body that is taken, and another document that is told: rename one of them")
    for route in routes:
        told, taken = signatures[route.unique_id]
        for method in route.methods or ():
            operation = whole["paths"][route.path_format][method.lower()]
            _say(operation, route, of.get(told))
            if taken is not None:
                content = {taken.media_type: {"schema": of[taken.type]}}
                operation["requestBody"] = {"required": True, "content": content}
            _refuse(operation, route)
            for parameter in operation.get("parameters", ()):
                _explain("", parameter["name"], parameter)
    for of_schema, schema in components.items():
        for name, value in schema.get("properties", {}).items():
            _explain(of_schema, name, value)
    whole["components"]["securitySchemes"] = {"token": TOKEN}
    whole["security"] = [{"token": []}, {}]
    return whole


def _signature(route: APIRoute) -> tuple[Any, Taken | None]:
    """The type of what a route tells, and of the body that it reads for itself."""
    hints = get_type_hints(route.endpoint, include_extras=True)
    told = hints.pop("return", None)
    bodies = [part for hint in hints.values() if get_origin(hint) is Annotated for part in get_args(hint)[1:]]
    type_ = get_args(told)[0] if get_origin(told) is Told else None
    return type_, next((part for part in bodies if isinstance(part, Taken)), None)


def _say(operation: Schema, route: APIRoute, schema: Schema | None) -> None:
    """What a success is, by status."""
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            continue
        if response["description"] in ("Successful Response", ""):
            response["description"] = http.HTTPStatus(int(status)).phrase
        if schema is not None:
            response["content"] = {"application/json": {"schema": schema}}
        elif status == "204":
            response.pop("content", None)


def _refuse(operation: Schema, route: APIRoute) -> None:
    """What a refusal is, by status."""
    responses = operation["responses"]
    if "OSRM" in route.tags:  # as OSRM does, once who asks is let in
        responses.pop("422", None)
        responses["400"]["content"] = REFUSAL
        for status in (*ALWAYS, 413) if "requestBody" in operation else ALWAYS:
            responses[str(status)] = _problem(status)
        return
    free = OPERATIONS[route.name] is None
    may = {403} if free else set(ALWAYS)
    if "requestBody" in operation:
        may |= set(BODY)
    if operation.get("parameters"):
        may.add(422)
    if free:
        operation["security"] = []
    for status in sorted({*may, *(int(code) for code in responses if code[0] in "45")}):
        responses[str(status)] = _problem(status)


def _problem(status: int) -> Schema:
    return {"description": http.HTTPStatus(status).phrase, "content": PROBLEM}


def _explain(schema: str, name: str, value: Schema) -> None:
    """A name in words, with an example."""
    known = entry(schema, name)
    if known is None:
        return
    words, example = known
    value.setdefault("description", words)
    where = value.get("schema", value)
    if example is not None and not {"$ref", "examples", "const", "enum"} & set(where):
        where["examples"] = [example]
