"""Sessions over HTTP: sign in and out, who one is, and tickets for the feed."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from geo_backup.custody import SignedIn, SignedOut, SignInRefused
from geo_backup.errors import TokenError
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.sessions import SignInError
from geo_backup.server.access import RIGHTS, reach, topics_of
from geo_backup.server.adoption import address_of
from geo_backup.server.answers import told
from geo_backup.server.asked import Asked
from geo_backup.server.given import TheNode, TheSpeakers, routes_of
from geo_backup.server.looks import audit
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import COOKIE, TICKET_S, UNIT_COOKIE, UNIT_PAGE_HEADER, Speakers, csrf_of, speaker_of
from geo_backup.server.writes import new_id
from geo_backup.wire import documents
from geo_backup.wire.requests import SignIn
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

routes = routes_of("People")


@routes.post("/session", status_code=201, responses=may(401, 429))
async def sign_in(node: TheNode, speakers: TheSpeakers, request: Request, body: SignIn) -> Told[documents.Session]:
    """Sign in: the answer sets a cookie that scripts cannot read. Five wrong tries within 15 minutes lock this person
    out from this address until an admin lifts it; sessions that stand and emergencies are not touched."""
    source = address_of(request)
    if body.token:
        try:
            holder = speakers.who(body.token)
        except TokenError as error:
            refused = speakers.is_wrong(source, str(error))
            raise Problem(error.status if refused.status == 401 else 429, refused.words) from None
        if holder is None:
            refused = speakers.is_wrong(source)
            raise Problem(refused.status, refused.words)
        shown, who = speakers.begin(holder), holder
        way: Literal["password", "link"] = "link"
    elif speakers.roster is None or not body.person_id:
        raise bad_value("/person_id", "missing", "send person_id, password and code, or a token")
    else:
        try:
            async with speakers.signing_in:
                shown, who = await asyncio.to_thread(
                    speakers.roster.sessions.sign_in, body.person_id, body.password, body.code, source
                )
        except SignInError as error:
            whom = body.person_id if speakers.roster.people.one(body.person_id) is not None else ""
            refusal = SignInRefused(
                event_id=new_id("refused"),
                received_ms=node.clock.now_ms(),
                said_by="node",
                source=source,
                reason=error.reason,
                whom=whom,
            )
            await audit(node, refusal)
            status = 429 if error.reason == "locked" else 401
            raise Problem(status, str(error), [{"field": "", "reason": error.reason, "message": str(error)}]) from None
        way = "password"
    await signed_in(node, who, source, way)
    answer = told(session_document(node, speakers, who, shown, by_cookie=True), 201)
    keep(answer, shown, request)
    return answer


@routes.delete("/session", status_code=204)
async def sign_out(node: TheNode, speakers: TheSpeakers, request: Request) -> Response:
    """Sign out: the session is worth nothing from now on, wherever its cookie was copied to."""
    asked = Asked.of(request.scope)
    shown, by_cookie = speakers.shown(asked)
    who = speaker_of(request.scope)
    if by_cookie and who is not None and who.kind != "anyone":
        speakers.sign_out(shown, who)
        left = SignedOut(
            event_id=new_id("left"),
            received_ms=node.clock.now_ms(),
            said_by=who.said_by,
            session=who.session,
            why="left",
        )
        await audit(node, left)
    answer = Response(status_code=204)
    name = UNIT_COOKIE if UNIT_PAGE_HEADER in asked.headers else COOKIE
    answer.delete_cookie(name, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@routes.get("/session")
async def get_session(node: TheNode, speakers: TheSpeakers, request: Request) -> Told[documents.Session]:
    """Who is signed in here, what they may do, and what a page shows beside its cookie (`csrf`)."""
    shown, by_cookie = speakers.shown(Asked.of(request.scope))
    return told(session_document(node, speakers, speaker_of(request.scope), shown, by_cookie=by_cookie))


@routes.post("/session/active", status_code=204)
async def stay_signed_in() -> None:
    """Somebody is at the page: its session does not end for want of a key or a click."""


@routes.post("/session/ticket", status_code=201, responses=may(401))
async def make_ticket(speakers: TheSpeakers, request: Request) -> Told[documents.Ticket]:
    """A ticket for the feed, where neither a header nor a cookie can be sent: it holds once, for 30 s."""
    who = speaker_of(request.scope)
    if who is None:
        raise Problem(401, "sign in first, or send a token")
    return told({"ticket": speakers.ticket(who), "within_s": TICKET_S}, 201)


async def open_link(node: Node, speakers: Speakers, request: Request, ticket: str) -> Response:
    """A one-time link: the page opens signed in, and the address forgets the ticket."""
    shown = speakers.open_link(ticket)
    answer = RedirectResponse("/", 303)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["Cache-Control"] = "no-store"
    who = speakers.who(shown) if shown is not None else None
    if shown is not None and who is not None:
        await signed_in(node, who, address_of(request), "link")
        keep(answer, shown, request)
    return answer


async def signed_in(node: Node, who: Principal, source: str, way: Literal["password", "oidc", "link"]) -> None:
    """Put on record that somebody came in."""
    came = SignedIn(
        event_id=new_id("signed-in"),
        received_ms=node.clock.now_ms(),
        said_by=who.said_by,
        session=who.session,
        source=source,
        way=way,
        roles=tuple(sorted(who.roles)),
        agency=who.agency,
    )
    await audit(node, came)


def keep(answer: Response, shown: str, request: Request, name: str = COOKIE, lasts_s: int | None = None) -> None:
    """Give a session's secret to the browser: scripts cannot read it, other sites cannot send it. `lasts_s`: it is kept
    when the browser is closed, for so long."""
    secure = request.url.scheme == "https"
    answer.set_cookie(name, shown, max_age=lasts_s, httponly=True, samesite="strict", secure=secure, path="/")


def session_document(
    node: Node, speakers: Speakers, who: Principal | None, shown: str, *, by_cookie: bool
) -> documents.Session:
    document: documents.Session = {
        "open": speakers.open,
        "speaker": None,
        "rights": [] if who is None else [right for right in RIGHTS if reach(who, right) is not None],
        "topics": [] if who is None else sorted(topics_of(who)),
        "own": [] if who is None else [right for right in RIGHTS if reach(who, right) == "own"],
        "ways": speakers.ways,
    }
    if speakers.provider is not None and "oidc" in document["ways"]:
        document["provider"] = speakers.provider.oidc.button
    if who is None or who.kind == "anyone":
        return document
    document["speaker"] = {
        "said_by": who.said_by,
        "name": who.name,
        "agency": who.agency,
        "roles": sorted(who.roles),
        "unit_ids": sorted(who.units),
    }
    document["until"] = None if who.until_ms is None else to_text(who.until_ms)
    if by_cookie:
        document["csrf"] = csrf_of(shown)
        ends = not speakers.open and not speakers.at_console(shown)
        document["idle_s"] = node.live_map.rules.session.idle_ms / 1000 if ends else None
    return document
