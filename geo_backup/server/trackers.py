"""Trackers over HTTP: phones with OsmAnd, Traccar Client or OwnTracks, and Traccar servers that forward theirs.

An app sends what it has again and again until it is taken, in order of time; one message that nobody can use must not
hold up those behind it. So whoever is known is answered 200, and what is wrong goes into quarantine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from geo_backup.errors import BadValueError, LogError
from geo_backup.events import Event, PositionReported, is_id
from geo_backup.formats import osmand, owntracks, traccar
from geo_backup.formats.heard import Heard
from geo_backup.node import Node
from geo_backup.server.access import speaks_for, units_of
from geo_backup.server.adoption import Adoption, address_of
from geo_backup.server.answers import told
from geo_backup.server.emergencies import declare_all
from geo_backup.server.given import TheAdoption, TheNode, TheQuarantine, routes_of
from geo_backup.server.problems import Problem, may, not_json
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.speaker import TOKEN_IN_URL, said_by, speaking
from geo_backup.server.writes import adoption_of, unit_called
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

Way = Literal["osmand", "owntracks", "traccar"]
AT_ONCE = 1_000
"""Messages of one request: a phone that was offline for an hour."""

UNKNOWN = (
    "no unit has this id or callsign. Give the app the unit's id as its device identifier, or a token that speaks for "
    "one unit (`geo-backup tokens issue`), or start the server with --adopt-unknown"
)
USUAL = ("duplicate", "late")
"""What happens to every tracker: it sends again what may not have come, and late what it could not send."""

routes = routes_of("Units")


@routes.get("/osmand", response_class=PlainTextResponse, responses=may(400, 404))
async def take_osmand_query(
    node: TheNode, adoption: TheAdoption, quarantine: TheQuarantine, request: Request
) -> Response:
    """A position as OsmAnd and older Traccar Clients send it: `id`, `lat`, `lon`, `timestamp`, `speed` (knots),
    `bearing`, `accuracy` and `alarm=sos` in the URL. These apps send no headers: their token stands there too, as
    `token`."""
    taking = _Taking(node, adoption, quarantine, "osmand", request)
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != TOKEN_IN_URL]
    taking.read(lambda: osmand.read(pairs, taking.now_ms), dict(pairs))
    return await taking.finish()


@routes.post("/osmand", response_class=PlainTextResponse, responses=may(400, 404))
async def take_osmand(node: TheNode, adoption: TheAdoption, quarantine: TheQuarantine, request: Request) -> Response:
    """The same posted: in the URL, as a form, or as the JSON of a newer Traccar Client."""
    body = await request.body()
    if not body:
        return await take_osmand_query(node, adoption, quarantine, request)
    taking = _Taking(node, adoption, quarantine, "osmand", request)
    if body.lstrip()[:1] == b"{":
        document = _json(body)
        taking.read(lambda: osmand.read_json(document, taking.now_ms), document)
    else:
        pairs = parse_qsl(body.decode(errors="replace"))
        taking.read(lambda: osmand.read(pairs, taking.now_ms), dict(pairs))
    return await taking.finish()


@routes.post("/owntracks", response_class=PlainTextResponse, responses=may(400, 404, 413))
async def take_owntracks(
    node: TheNode,
    adoption: TheAdoption,
    quarantine: TheQuarantine,
    request: Request,
    u: str = "",
    d: str = "",
) -> Response:
    """One message of an OwnTracks app in HTTP mode, or a list of at most 1,000. User and device stand in `u` and `d`,
    or in the headers `X-Limit-U` and `X-Limit-D`; the app's password is the device's token. Answered by a list."""
    taking = _Taking(node, adoption, quarantine, "owntracks", request)
    user, device = u or request.headers.get("x-limit-u", ""), d or request.headers.get("x-limit-d", "")
    document = _json(await request.body())
    messages = document if isinstance(document, list) else [document]
    if len(messages) > AT_ONCE:
        raise Problem(413, f"at most {AT_ONCE} messages a request, here are {len(messages)}; send them in parts")
    for message in messages:
        taking.read(partial(owntracks.read, message, user, device), message)
    return await taking.finish("[]")


@routes.post("/traccar", response_class=PlainTextResponse, responses=may(400, 404))
async def take_traccar(node: TheNode, adoption: TheAdoption, quarantine: TheQuarantine, request: Request) -> Response:
    """A position or an event that a Traccar server forwards as JSON; its token goes into the header that
    `forward.header` and `event.forward.header` name."""
    taking = _Taking(node, adoption, quarantine, "traccar", request)
    document = _json(await request.body())
    taking.read(lambda: traccar.read(document), document)
    return await taking.finish()


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


class _Taking:
    """What becomes of the messages of one request."""

    def __init__(
        self, node: Node, adoption: Adoption | None, quarantine: Quarantine, way: Way, request: Request
    ) -> None:
        self.node, self.adoption, self.quarantine, self.way, self.request = node, adoption, quarantine, way, request
        self.now_ms = node.clock.now_ms()
        self._client, self._who = address_of(request), speaking()
        self._events: list[Event] = []
        self._sent: list[tuple[str, object]] = []
        """Of each position its device and message; the registration of an adopted unit has none."""
        self._pressed: dict[str, tuple[float, float] | None] = {}
        self._new: set[str] = set()
        self._unknown_device = ""

    def read(self, parse: Callable[[], Heard], message: object) -> None:
        """One message."""
        self.quarantine.heard[self.way] += 1
        try:
            heard = parse()
        except BadValueError as error:
            self._set_aside("", error.reason, f"{error.field}: {error}", message)
            return
        device, unit_id = heard.names[0] if heard.names else "", self._unit(heard)
        if heard.pressed and (caller := unit_id or self._caller(heard)) is not None:
            # whatever is wrong with the rest, whoever calls is heard
            self._pressed[caller] = None if heard.fix is None else (heard.fix.lon, heard.fix.lat)
        if unit_id is None:
            self._unknown_device = device or "(without a name)"
            self._set_aside(device, "unknown_device", UNKNOWN, message)
        elif heard.fix is None:
            if heard.wrong:
                self._set_aside(device, heard.wrong, heard.nothing, message)
        else:
            self._sent.append((device, message))
            self._events.append(
                PositionReported(
                    received_ms=self.now_ms,
                    said_by=said_by("unit"),
                    unit_id=unit_id,
                    fix=heard.fix,
                    device_id=device if is_id(device) else self.way,
                )
            )

    def _caller(self, heard: Heard) -> str | None:
        """Who calls for help of whom nobody knows: by the first name that can be a unit's, unless the token speaks for
        others alone."""
        if units_of(self._who, "press") is not None:
            return None
        return next((name for name in heard.names if is_id(name)), None)

    async def finish(self, body: str = "") -> Response:
        """Record what can be, sound what was pressed, and answer. Raises `Problem` 404 where all came from devices
        that nobody knows: such an app is set up wrongly, and is to say so."""
        if self._unknown_device and not self._events and not self._pressed:
            raise Problem(404, f"{self._unknown_device} is nobody here: {UNKNOWN}")
        writing = asyncio.ensure_future(self.node.record(*self._events, apart=True))
        called, _ = await declare_all(self.node, self._pressed, writing, self.adoption, self._client)
        try:
            outcomes = await writing
        except LogError:
            if not called:  # else it was heard, and the app is not to press again for a full disk
                raise
            return PlainTextResponse(body)
        positions = [
            one for event, one in zip(self._events, outcomes, strict=True) if isinstance(event, PositionReported)
        ]
        for (device, message), outcome in zip(self._sent, positions, strict=True):
            reason = outcome.delta.ignored
            if reason is not None and reason not in USUAL:
                self._set_aside(device, reason, f"the fix moved nobody: {reason}", message)
        return PlainTextResponse(body)

    def _unit(self, heard: Heard) -> str | None:
        """The unit that a message is of: one of those that its token speaks for, or one of its names."""
        units, mine = self.node.live_map.units, units_of(self._who, "report")
        if mine is not None and len(mine) == 1:
            (only,) = mine
            return only if only in units else None
        unit_id = unit_called(self.node.live_map, heard.names)
        if unit_id is not None and speaks_for(self._who, "report", self.node.live_map, unit_id):
            return unit_id
        fit = next((name for name in heard.names if is_id(name)), None)
        if fit in self._new:
            return fit
        if fit is None or unit_id or mine is not None or self.adoption is None or not self.adoption.takes(self._client):
            return None
        self._new.add(fit)
        self._events.append(adoption_of(self.node, fit))
        return fit

    def _set_aside(self, device: str, reason: str, words: str, message: object) -> None:
        self.quarantine.add(self.now_ms, self.way, device, reason, words, json.dumps(message))


def _json(body: bytes) -> Any:
    try:
        return parse(body)
    except json.JSONDecodeError as error:
        raise not_json(body, error) from None
