"""Signing in on the page by the identity provider: there with one secret of this browser, and back with a code."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from geo_backup.errors import TokenError
from geo_backup.server.adoption import address_of
from geo_backup.server.given import TheNode, TheSpeakers, routes_of
from geo_backup.server.problems import Problem
from geo_backup.server.session import keep, signed_in
from geo_backup.server.speaker import Speakers

if TYPE_CHECKING:
    from geo_backup.people.provider import Provider

FLOW_COOKIE = "geo_backup_sign_in"
FLOW_PATH = "/v1/session/oidc"
FLOW_S = 600
LONGEST = 4_096
NO_PROVIDER = "nobody signs in here by an identity provider; `client_id` under [oidc] in the file of --config does that"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}

routes = routes_of("People")


@routes.get("/session/oidc", include_in_schema=False)
async def begin_oidc(speakers: TheSpeakers, request: Request) -> Response:
    """On to the identity provider, with a cookie that ties the way back to this browser."""
    try:
        cookie, url = await _provider(speakers).begin_sign_in()
    except TokenError as error:
        return _said(error.status, str(error))
    answer = RedirectResponse(url, 303, HEADERS)
    # lax: the provider sends the browser back here from another site
    secure = request.url.scheme == "https"
    answer.set_cookie(FLOW_COOKIE, cookie, FLOW_S, path=FLOW_PATH, httponly=True, samesite="lax", secure=secure)
    return answer


@routes.get("/session/oidc/done", include_in_schema=False)
async def end_oidc(
    node: TheNode, speakers: TheSpeakers, request: Request, state: str = "", code: str = "", iss: str = ""
) -> Response:
    """Back from the identity provider. It leads to the page and nowhere else."""
    provider, source = _provider(speakers), address_of(request)
    cookie = request.cookies.get(FLOW_COOKIE, "")
    try:
        if max(map(len, (state, code, iss, cookie))) > LONGEST:
            raise TokenError(403, "state", "this is no answer of an identity provider")
        vouched = await provider.end_sign_in(cookie, state, code, iss)
    except TokenError as error:
        refused = speakers.is_wrong(source) if error.status != 503 else None
        answer = _said(429, refused.words) if refused and refused.status == 429 else _said(error.status, str(error))
    else:
        assert speakers.roster is not None
        shown, who = speakers.roster.sessions.begin(vouched.who, source)
        if speakers.renewal is not None:
            speakers.renewal.keep(who.session, vouched)
        await signed_in(node, who, source, "oidc")
        answer = _said(200, f"Signed in as {who.name or who.id}.", on=True)
        keep(answer, shown, request)
    answer.delete_cookie(FLOW_COOKIE, FLOW_PATH, httponly=True, samesite="lax")
    return answer


def _provider(speakers: Speakers) -> Provider:
    provider = speakers.provider
    if provider is None or not provider.oidc.client_id or speakers.roster is None:
        raise Problem(404, NO_PROVIDER)
    return provider


def _said(status: int, words: str, *, on: bool = False) -> HTMLResponse:
    """A small page of this server. It stands between the provider's site and ours even when all went well: a strict
    cookie does not go with the very request that another site has led to, and goes with the next."""
    refresh = '<meta http-equiv="refresh" content="0;url=/">' if on else ""
    link = '<p><a href="/">To the page</a></p>'
    page = f'<!doctype html><html lang="en"><meta charset="utf-8">{refresh}<title>geo_backup</title>'
    return HTMLResponse(f"{page}<p>{escape(words)}</p>{link}", status, HEADERS)
