"""The witness over HTTP: a small server of its own, which has no map and no log."""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, ValidationError

from geo_backup.pair.ledger import TEXT_MAX, Ledger, Seat
from geo_backup.server.problems import answer
from geo_backup.wire.body import parse
from geo_backup.wire.requests import Request as Said

BODY_MAX = 4_096
Name = Annotated[str, Field(min_length=1, max_length=TEXT_MAX)]


class Claim(Said):
    """A machine that leads, or wants to."""

    log: Name
    term: Annotated[int, Field(ge=0, le=2**53)]
    leader: Name
    url: Annotated[str, Field(max_length=TEXT_MAX)]


class Lease(Claim):
    """A machine that leads, and which standby has all that is acknowledged."""

    standby: Annotated[str, Field(max_length=TEXT_MAX)] = ""


def create_witness(ledger: Ledger, token: str | None) -> FastAPI:
    """The application: `POST /v1/lease` and `/v1/claim` for the machines, `GET /healthz` for people."""
    app = FastAPI(title="geo_backup witness", docs_url=None, redoc_url=None, openapi_url=None)

    def is_stranger(request: Request) -> bool:
        shown = request.headers.get("authorization", "")
        return token is not None and not hmac.compare_digest(shown.encode(), f"Bearer {token}".encode())

    async def said(request: Request, kind: type[Claim]) -> Any:
        if is_stranger(request):
            return answer(401, "say who you are: GEO_BACKUP_WITNESS_TOKEN is the same on all three machines")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > BODY_MAX:
                return answer(413, f"a body here has at most {BODY_MAX} bytes")
        try:
            return kind.model_validate(parse(body.decode()))
        except ValidationError as error:
            first = error.errors()[0]
            return answer(422, f"/{'/'.join(map(str, first['loc']))}: {first['msg']}")
        except ValueError as error:
            return answer(400, f"this is no JSON: {error}")

    @app.post("/v1/lease")
    async def renew(request: Request) -> Response:
        lease = await said(request, Lease)
        if isinstance(lease, Response):
            return lease
        return JSONResponse(ledger.renew(lease.log, Seat(lease.term, lease.leader, lease.url, lease.standby)))

    @app.post("/v1/claim")
    async def claim(request: Request) -> Response:
        asked = await said(request, Claim)
        if isinstance(asked, Response):
            return asked
        return JSONResponse(ledger.claim(asked.log, asked.leader, asked.url, asked.term))

    @app.get("/healthz")
    async def health(request: Request) -> Response:
        if is_stranger(request):
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "ok", "logs": ledger.seats()})

    return app
