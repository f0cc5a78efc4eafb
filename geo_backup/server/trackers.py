"""Trackers over HTTP: phones with OsmAnd, Traccar Client or OwnTracks, and Traccar servers that forward theirs.

Whoever is known is answered 200, whatever is wrong with a message: an app would send it again for ever.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from geo_backup.errors import BadValueError
from geo_backup.formats import osmand, owntracks, traccar
from geo_backup.formats.heard import NO_JSON, Heard
from geo_backup.server.adoption import address_of
from geo_backup.server.answers import told
from geo_backup.server.friends import friends_of
from geo_backup.server.given import TheIntake, TheQuarantine, TheSpeakers, routes_of
from geo_backup.server.hearing import Hearing
from geo_backup.server.problems import Problem, may, not_json
from geo_backup.server.quarantine import SHOWN
from geo_backup.server.speaker import TOKEN_IN_URL, speaking
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

AT_ONCE = 1_000
"""Messages of one request: a phone that was offline for an hour."""

routes = routes_of("Units")


@routes.get("/osmand", response_class=PlainTextResponse, responses=may(400, 404))
async def take_osmand_query(intake: TheIntake, request: Request) -> Response:
    """A position as OsmAnd and older Traccar Clients send it: `id`, `lat`, `lon`, `timestamp`, `speed` (knots),
    `bearing`, `accuracy` and `alarm=sos` in the URL. These apps send no headers: their token stands there too, as
    `token`."""
    hearing = Hearing(intake, "osmand", speaking(), address_of(request))
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != TOKEN_IN_URL]
    hearing.read(lambda: osmand.read(pairs, hearing.now_ms), dict(pairs))
    return await _answer(hearing)


@routes.post("/osmand", response_class=PlainTextResponse, responses=may(400, 404))
async def take_osmand(intake: TheIntake, request: Request) -> Response:
    """The same posted: in the URL, as a form, or as the JSON of a newer Traccar Client."""
    body = await request.body()
    if not body:
        return await take_osmand_query(intake, request)
    hearing = Hearing(intake, "osmand", speaking(), address_of(request))
    if body.lstrip()[:1] == b"{":
        document = _json(body, hearing)
        said = dict(request.query_params)
        hearing.read(lambda: osmand.read_json(document, hearing.now_ms, said), document)
    else:
        pairs = parse_qsl(body.decode(errors="replace"))
        hearing.read(lambda: osmand.read(pairs, hearing.now_ms), dict(pairs))
    return await _answer(hearing)


@routes.post("/owntracks", responses=may(400, 404, 413))
async def take_owntracks(
    intake: TheIntake,
    speakers: TheSpeakers,
    request: Request,
    u: str = "",
    d: str = "",
) -> Told[list[owntracks.FriendPlace | owntracks.FriendCard]]:
    """One message of an OwnTracks app in HTTP mode, or a list of at most 1,000. User and device stand in `u` and `d`,
    or in the headers `X-Limit-U` and `X-Limit-D`; the app's password is the device's token. Answered by the friends
    that the app shows: places and cards of the 50 nearest units that its bearer may see, none for a mere device."""
    who, source = speaking(), address_of(request)
    hearing = Hearing(intake, "owntracks", who, source)
    user, device = u or request.headers.get("x-limit-u", ""), d or request.headers.get("x-limit-d", "")
    body = await request.body()
    called = device or user
    document = _json(body, hearing, called) if body else []  # nothing at all: somebody takes away a friend
    messages = document if isinstance(document, list) else [document]
    if len(messages) > AT_ONCE:
        raise Problem(413, f"at most {AT_ONCE} messages a request, here are {len(messages)}; send them in parts")
    own = {hearing.read(partial(owntracks.read, one, user, device), one, device=called) for one in messages}
    await _finish(hearing)
    friends = friends_of(hearing.node, who, who.units.union(one for one in own if one is not None))
    if friends and who.kind != "anyone":
        speakers.notes(who, "look", source)
    return Told(orjson.dumps(friends))


@routes.post("/traccar", response_class=PlainTextResponse, responses=may(400, 404))
async def take_traccar(intake: TheIntake, request: Request) -> Response:
    """A position or an event that a Traccar server forwards as JSON; its token goes into the header that
    `forward.header` and `event.forward.header` name."""
    hearing = Hearing(intake, "traccar", speaking(), address_of(request))
    document = _json(await request.body(), hearing)
    hearing.read(lambda: traccar.read(document), document)
    return await _answer(hearing)


@routes.get("/quarantine")
async def list_quarantine(quarantine: TheQuarantine) -> Told[documents.QuarantineList]:
    """What trackers sent and nobody could use: the last 500 messages, the newest first, and how many there were."""
    return told(
        {
            "quarantine": [
                {
                    "at_time": to_text(one.at_ms),
                    "way": one.way,
                    "device": one.device,
                    "reason": one.reason,
                    "message": one.message,
                }
                for one in reversed(quarantine.last)
            ],
            "total": quarantine.counts.total(),
        }
    )


async def _answer(hearing: Hearing) -> Response:
    await _finish(hearing)
    return PlainTextResponse("")


async def _finish(hearing: Hearing) -> None:
    """Raises `Problem` 404 where all came from devices that nobody knows: such an app is set up wrongly, and is to say
    so."""
    await hearing.finish()
    if hearing.nobody:
        raise Problem(404, hearing.nobody)


def _json(body: bytes, hearing: Hearing, device: str = "") -> Any:
    """A body as JSON. One that is none is set aside too: an app that takes any answer as delivered says nothing."""
    try:
        return parse(body)
    except json.JSONDecodeError as error:
        problem, broken = not_json(body, error), BadValueError("/", "no_json", NO_JSON.format(error))

    def unreadable() -> Heard:
        raise broken

    hearing.read(unreadable, body[:SHOWN].decode(errors="replace"), device=device)
    raise problem
