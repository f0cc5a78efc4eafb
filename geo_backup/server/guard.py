"""The guard before each route: whether who speaks may ask this, of whom, and what of the answer they may see.

It stands around every operation, by the table in `access`; handlers ask for no right by themselves. Whoever sees
everything passes for the price of a look into that table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import orjson
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from geo_backup.live_map import LiveMap
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.principal import CENTRE
from geo_backup.people.sight import GONE, NOBODYS, Sight
from geo_backup.server.access import (
    BY_AGENCY,
    FOR_ALL_AGENCIES,
    OF_ONE_AGENCY,
    OPERATIONS,
    RECORDED,
    Right,
    reach,
    refusal_of,
    units_of,
)
from geo_backup.server.asked import SAFE, read_ahead
from geo_backup.server.problems import answer
from geo_backup.server.speaker import refused_of, speaker_of
from geo_backup.server.writes import NO_INCIDENT, NO_UNIT
from geo_backup.wire.route import Answer, Guarded

OF_ALL = "this is of all agencies: it is for somebody who serves the whole centre"
OF_NONE = "this is of no agency, so it is for somebody who serves the whole centre to change and to end"
TAKE = '. Send your own units, or take it over: PATCH it with {{"agency": "{agency}"}}'
TAKEN = frozenset({"change_incident"})
"""By which an agency takes over what is of none ..."""
OF_EVERYBODY = frozenset({"note_incident"})
"""... and what every agency may do with it; its units it sends in any case."""
SHOW_PLACES = frozenset({"get_route", "get_unit_reach"})
"""What tells where a unit is to the metre, however its place itself is told."""
NOT_EXACT = "this unit is not seen exactly: its way, and where it can be, would tell its place"
JSON = ("application/json", "application/problem+json")


def check(routes: Iterable[BaseRoute]) -> None:
    """Raise `KeyError` for an operation that no guard stands before, or that has no row in the table: nothing is open
    for want of a thought."""
    for route in routes:
        if isinstance(route, APIRoute) and (not isinstance(route, Guarded) or route.name not in OPERATIONS):
            raise KeyError(f"{route.name} is in no table of `server/access.py`: say there who may ask for it")


class Guard:
    """Before every route of an application of this node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def __call__(self, operation: str, handle: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; see `wire.route.Guarded`."""
        right, who = OPERATIONS[operation], speaker_of(scope)
        if right is None or (who is not None and who.kind == "anyone"):
            await handle(scope, receive, send)
            return
        refused = refusal_of(who, right)
        if refused is not None:
            status, words, errors = refused
            headers = {"WWW-Authenticate": 'Bearer realm="geo_backup"'} if status == 401 else None
            await answer(status, refused_of(scope) or words, errors, headers)(scope, receive, send)
            return
        assert who is not None  # or it would be refused
        if operation in BY_AGENCY and who.agency != CENTRE:
            scope["query_string"] = urlencode({"agency": who.agency}).encode()
        if right in RECORDED and scope["method"] in SAFE:
            client = scope.get("client")
            scope["app"].state.speakers.notes(who, right, client[0] if client else "")
        sight, far = Sight.of(who), reach(who, right)
        if who.agency != CENTRE and operation in FOR_ALL_AGENCIES:
            await answer(403, OF_ALL, [{"field": "", "reason": "of_all_agencies", "message": OF_ALL}])(
                scope, receive, send
            )
            return
        if right == "read_log" or (far == "all" and sight.whole(self.node.live_map)):  # the log has a cut of its own
            await handle(scope, receive, send)
            return
        beyond = self._beyond(operation, scope, who, sight, right)
        if beyond is None and right not in ("report", "press"):
            body, receive = await read_ahead(receive)
            said = _json(body)
            beyond = self._unseen_in(said, sight) or self._of_another(operation, who, scope, said)
        if beyond is not None:
            await answer(*beyond)(scope, receive, send)
            return
        await handle(scope, receive, _Shown(send, sight, self.node, scope["method"] in SAFE).send)

    def _beyond(
        self, operation: str, scope: Scope, who: Principal, sight: Sight, right: Right
    ) -> tuple[int, str] | None:
        """Why what an address names is not for this speaker: it is not there for them, or not theirs to change."""
        live_map = self.node.live_map
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        rows = right in ("report", "press")  # these look at each for themselves
        for value in (*scope["path_params"].values(), *(value for _, value in query if not rows)):
            if isinstance(value, str) and sight.unseen(live_map, value):
                return 404, nobody(live_map, value)
        unit_id = scope["path_params"].get("unit_id")
        if operation in SHOW_PLACES:
            named = live_map.units.get(unit_id or dict(query).get("unit_id", ""))
            if named is not None and sight.unit(live_map, named) != "exact":
                return 403, NOT_EXACT
        mine = units_of(who, right)
        if right == "respond" and mine is not None and unit_id is not None and unit_id not in mine:
            return 403, f"you speak for {', '.join(sorted(mine)) or 'no unit'}, not for {unit_id}"
        return None

    def _unseen_in(self, said: Any, sight: Sight) -> tuple[int, str] | None:
        """Why a body is refused that names something unseen."""
        live_map = self.node.live_map
        unseen = next((text for text in _texts(said) if sight.unseen(live_map, text)), None)
        return None if unseen is None else (404, nobody(live_map, unseen))

    def _of_another(self, operation: str, who: Principal, scope: Scope, said: Any) -> tuple[int, str] | None:
        """Why something is refused that would change what belongs to another agency."""
        if who.agency == CENTRE or operation not in OF_ONE_AGENCY:
            return None
        owners = self._owners(operation, scope, said)
        if NOBODYS & owners:
            owners -= NOBODYS
            taken = operation in TAKEN and isinstance(said, dict) and said.get("agency") == who.agency
            if operation not in OF_EVERYBODY and not taken and not self._alone(who):
                take = TAKE.format(agency=who.agency) if "plan_id" not in scope["path_params"] else ""
                return 403, OF_NONE + take
            owners = owners or {who.agency}
        if owners <= {who.agency} and (owners or operation != "adopt_rules"):
            return None
        return 403, f"this belongs to {' and '.join(sorted(owners)) or 'all agencies'}; you serve {who.agency}"

    def _alone(self, who: Principal) -> bool:
        """Whether all units here are of the agency that somebody serves: then what is nobody's is theirs."""
        return all(unit.agency == who.agency for unit in self.node.live_map.units.values())

    def _owners(self, operation: str, scope: Scope, said: Any) -> set[str]:
        """The agencies to which belongs what a request changes, as far as it and the live map name them; one of NOBODYS
        for an incident or a plan that is of none."""
        live_map, path = self.node.live_map, scope["path_params"]
        query = parse_qs(scope["query_string"].decode("latin-1"))
        members = said if isinstance(said, dict) else {}
        lends = "lender" if operation == "make_agreement" else "agency"  # whoever lends consents
        found = {*query.get("agency", ()), members.get(lends)}
        unit = live_map.units.get(path.get("unit_id", ""))
        incident = live_map.incidents.get(path.get("incident_id", path.get("emergency_id", "")))
        named = path.get("plan_id") or members.get("plan_id")  # one that is made again replaces what was planned
        plan = live_map.plans.get(named) if isinstance(named, str) else None
        agreement = live_map.agreements.get(path.get("agreement_id", ""))
        nobodys: set[str] = set()
        if unit is not None:
            found.add(unit.agency)
        if incident is not None and operation != "approve_aid":  # by whoever lends, whosever the incident is
            (nobodys if incident.agency in NOBODYS else found).add(incident.agency)
        if operation == "clear_emergency" and incident is not None and incident.for_unit_id in live_map.units:
            found.add(live_map.units[incident.for_unit_id].agency)
        if plan is not None:
            (found if plan.made.agency else nobodys).add(plan.made.agency)
        if agreement is not None:
            found.add(agreement.lender)
        return {one for one in found if isinstance(one, str) and one} | nobodys


def _json(body: bytes) -> Any:
    """A body as JSON, None where it is none: then the handler says what is wrong with it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


class _Shown:
    """The way out: a JSON document is held until it is whole, and goes out with what may be seen of it."""

    def __init__(self, send: Send, sight: Sight, node: Node, reads: bool) -> None:
        self._send, self._sight, self._node, self._reads = send, sight, node, reads
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0]
            if kind not in JSON:
                await self._send(message)
            else:
                self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body.append(message.get("body", b""))
        if message.get("more_body"):
            return
        start, body = self._start, b"".join(self._body)
        if body:
            told = orjson.loads(body)
            seen = self._sight.shown(self._node.live_map, told)
            if seen is GONE and self._reads:
                gone = answer(404, "there is nothing of this here")
                start, body = {**start, "status": 404, "headers": gone.raw_headers}, bytes(gone.body)
            elif seen is GONE:  # it was done: whoever asked for it may not see what became of it
                body = b"{}"
            elif seen != told:
                body = orjson.dumps(seen)
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        length = [] if start["status"] == 204 else [(b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": [*kept, *length]})
        await self._send({"type": "http.response.body", "body": body})


def nobody(live_map: LiveMap, name: str) -> str:
    """What is said of something that may not be seen: the very words that are said of what is not there."""
    return NO_UNIT if name in live_map.units else NO_INCIDENT


def _texts(value: Any) -> list[str]:
    """Every text in a JSON value, names of members among them."""
    found: list[str] = []
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, list):
            rest += part
        elif isinstance(part, dict):
            found += part
            rest += part.values()
    return found
