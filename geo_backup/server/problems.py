"""Errors as problem details (RFC 9457), with the field, a code and words that help."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from geo_backup.errors import BadValueError, BusyError, LogError, LogFullError, PlaybackError, UnknownIdError
from geo_backup.server.request_id import REQUEST_ID
from geo_backup.wire.depth import DEEPEST, too_deep

TITLES = {
    400: "Not JSON",
    401: "Sign in first",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    414: "URL too long",
    422: "Bad value",
    429: "Too many",
    431: "Header too long",
    500: "Server error",
    503: "Not available",
}


class Problem(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, object]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, list(errors or ()), headers


def bad_value(field: str, reason: str, message: str) -> Problem:
    """422 for one field."""
    return Problem(422, f"{field}: {message}", [{"field": field, "reason": reason, "message": message}])


def may(*statuses: int, also: Mapping[int, str] | None = None) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: how else it may end, by status, and which other successes there are."""
    words = {**(also or {}), **{status: TITLES[status] for status in statuses}}
    return {status: {"description": said} for status, said in words.items()}


def not_json(body: bytes, error: object) -> Problem:
    """400; what is nested too deep is named, for no reader of JSON follows it to its end."""
    field = too_deep(body)
    if field is None:
        return Problem(400, f"the body is not JSON: {error}")
    message = f"is nested deeper than {DEEPEST} levels; nothing that this server takes is"
    return Problem(400, f"{field}: {message}", [{"field": field, "reason": "nesting", "message": message}])


def pointer(location: tuple[int | str, ...]) -> str:
    """Pydantic's location as a JSON pointer, without the part that names the request's part."""
    parts = location[1:] if location and location[0] in ("body", "query", "path") else location
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def answer(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, object]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response itself. ASCII, since it may quote what is no text (half a surrogate pair)."""
    all_headers = {**({"Retry-After": "5"} if status in (429, 503) else {}), **(headers or {})}
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    instance = {"instance": found} if (found := REQUEST_ID.get()) else {}
    return Response(
        json.dumps({**body, **instance, "errors": errors or []}),
        status,
        headers=all_headers,
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Turn every error of the package and of the framework into problem details."""

    @app.exception_handler(Problem)
    def problem(_: Request, error: Problem) -> Response:
        return answer(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        rows = error.errors()
        broken = next((row for row in rows if row["type"] == "json_invalid"), None)
        if broken is not None:
            no = not_json(getattr(request, "_body", b""), broken.get("ctx", {}).get("error", ""))
            return answer(400, no.detail, no.errors)
        errors = [
            {"field": pointer(row["loc"]), "reason": row["type"], "message": row["msg"].removeprefix("Value error, ")}
            for row in rows[:100]
        ]
        return answer(422, "; ".join(f"{row['field']}: {row['message']}" for row in errors[:3]), errors)

    @app.exception_handler(BadValueError)
    def out_of_range(_: Request, error: BadValueError) -> Response:
        return answer(422, str(error), [{"field": error.field, "reason": error.reason, "message": str(error)}])

    @app.exception_handler(UnknownIdError)
    def unknown(_: Request, error: UnknownIdError) -> Response:
        return answer(404, str(error))

    @app.exception_handler(BusyError)
    def busy(_: Request, error: BusyError) -> Response:
        return answer(503, str(error))

    @app.exception_handler(LogFullError)
    def full(_: Request, error: LogFullError) -> Response:
        return answer(503, f"{error} Nothing was recorded; free some disk space and send it again.")

    @app.exception_handler(PlaybackError)
    def playback(_: Request, error: PlaybackError) -> Response:
        return answer(409, str(error), [{"field": "", "reason": "recording", "message": str(error)}])

    @app.exception_handler(LogError)
    def log(_: Request, error: LogError) -> Response:
        return answer(503, str(error))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, RecursionError):
            deep = not_json(getattr(request, "_body", b""), error)
            return answer(400, deep.detail, deep.errors)
        return answer(error.status_code, str(error.detail), headers=error.headers)

    @app.exception_handler(ClientDisconnect)
    def gone(_: Request, __: ClientDisconnect) -> Response:
        """Nobody reads it: whoever sent half a body has left, or was let go."""
        return answer(408, "the connection ended before the body was whole")

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> Response:
        """The traceback goes to the server's own log, not to the client."""
        return answer(500, "this is an error in geo_backup; its log says more, at `instance`")
