"""Requests drawn from `/openapi.json` by Schemathesis, which knows nothing of this server but what that says: every
answer is one that it promises. Most of them name what is there, or all would end at "not found"."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.pair.call import WebsocketCalls
from geo_backup.pair.log import PairedLog
from geo_backup.pair.pair import Pair
from geo_backup.people import Roster
from geo_backup.server.app import create_app
from tests.asking import at, unit_body
from tests.node.test_node import street
from tests.roads.tiny import place
from tests.told import Told

TOKEN = "a-token-of-a-whole-server"
WEST, EAST = place(100, 0), place(900, 0)
TELLS_TROUBLE = {"get_readiness"}
"""What says by 503 that something is wrong; of a server that is well nothing else does."""
TAKES_ALL = {
    "report_positions",  # each row is refused for itself, with its reason
    "declare_emergency",  # what is wrong with it is left out: an officer is in danger
    "take_owntracks",  # what nobody can use is set aside: an app would send it again without end
}
"""What takes a body that the schema denies."""
KNOWN: dict[str, Any] = {
    "unit_id": "U1",
    "incident_id": "i1",
    "emergency_id": "e1",
    "closure_id": "c1",
    "plan_id": "p1",
    "agreement_id": "a1",
    "message_id": "m1",
    "device_id": "d1",
    "profile": "driving",
    "coordinates": f"{WEST[0]},{WEST[1]};{EAST[0]},{EAST[1]}",
    "lon": WEST[0],
    "lat": WEST[1],
    "geometry": {"type": "LineString", "coordinates": [list(place(300, -20)), list(place(300, 20))]},
    "minutes": "2,5",
    "by": "Desk 1",
}
"""What may stand for a parameter or a member of this name, and means something in the world of `furnish`."""

DRAWS = settings(
    derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
WAYS = ("known", "known", "drawn", "nobody")
"""With what is known put in; as it was drawn; and that without a token."""
schemathesis.openapi.format("date-time", st.integers(-7_200, 7_200).map(at))


async def furnish(http: httpx.AsyncClient) -> dict[str, Any]:
    """A world with one of everything; what is known of it."""

    async def do(method: str, path: str, body: Any) -> Any:
        answer = await http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json()

    for unit_id, (lon, lat) in (("U1", WEST), ("U2", EAST), ("U3", EAST)):
        await do("PUT", f"/v1/units/{unit_id}", unit_body())
        row = {"unit_id": unit_id, "fix_time": at(), "lon": lon, "lat": lat}
        await do("POST", "/v1/positions", {"positions": [row]})
    await do("POST", "/v1/incidents", {"incident_id": "i1", "lon": WEST[0], "lat": WEST[1], "priority": 2})
    await do("POST", "/v1/emergencies", {"unit_id": "U3", "emergency_id": "e1"})
    await do("POST", "/v1/incidents/i1/assignments", {"unit_id": "U1"})
    await do("POST", "/v1/closures", {"closure_id": "c1", "reason": "x", "geometry": KNOWN["geometry"]})
    post = {"post_id": "gate", "lon": WEST[0], "lat": WEST[1], "needs": [{"capability": "any", "count": 1}]}
    plan = {"plan_id": "p1", "name": "Derby", "arrive_by": at(3_600), "ends": at(7_200), "posts": [post]}
    await do("POST", "/v1/plans", plan)
    await do("POST", "/v1/agreements", {"agreement_id": "a1", "lender": "fire", "borrower": "police", "aid": "mutual"})
    await do("POST", "/v1/messages", {"message_id": "m1", "to": "units", "unit_ids": ["U1"], "text": "Hello"})
    await do("PUT", "/v1/devices/d1", {"unit_id": "U2"})
    told = await do("POST", "/v1/incidents/i1/backup", {"mode": "immediate", "units": 1})
    return {**KNOWN, "decision_id": told["decision_id"]}


def drawn(case: Case, http: httpx.AsyncClient, known: dict[str, Any]) -> httpx.Request | None:
    """A drawn request, with what is known in it; None for what no client can send."""
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: known[name] for name in part if name in known})
    if isinstance(case.body, dict) and "coordinates" in case.body:
        case.body["coordinates"] = [list(WEST), list(EAST)]
    given = case.as_transport_kwargs(base_url=str(http.base_url))
    said = {name: given[name] for name in ("method", "url", "params", "headers", "json") if given.get(name) is not None}
    try:
        return http.build_request(**said, content=given.get("data"))
    except (UnicodeEncodeError, httpx.InvalidURL):
        return None


def name_of(operation: APIOperation) -> str:
    return str(operation.definition.raw["operationId"])


def in_turn(operation: APIOperation) -> tuple[int, str]:
    """Questions first, and what ends things last."""
    name = name_of(operation)
    ends = operation.method == "delete" or name.split("_")[0] in ("close", "cancel", "clear", "adopt", "promote")
    return 0 if operation.method == "get" else 2 if ends else 1, name


class Asker:
    """Asks a node what is drawn; see the module."""

    def __init__(self, app: FastAPI, http: httpx.AsyncClient, known: dict[str, Any]) -> None:
        self.http, self.known, self.loop = http, known, asyncio.get_running_loop()
        self.spec = app.openapi()
        self.told = Told(self.spec)

    def ask_all(self, often: int) -> None:
        """So many requests of every operation, of them half as the schema has them and half as it denies them."""
        found = [result.ok() for result in schemathesis.openapi.from_dict(self.spec).get_all_operations()]
        for operation in sorted(found, key=in_turn):
            self.ask(operation, often)

    def ask(self, operation: APIOperation, often: int) -> None:
        """So many requests of one operation."""
        modes = [GenerationMode.POSITIVE]
        if operation.body or operation.query or operation.path_parameters:
            modes.append(GenerationMode.NEGATIVE)

        @settings(DRAWS, max_examples=often)
        @given(st.one_of([operation.as_strategy(mode) for mode in modes]), st.sampled_from(WAYS))
        def holds(case: Case, way: str) -> None:
            request = drawn(case, self.http, self.known if way == "known" else {})
            if request is None:
                return
            if way == "nobody":
                request.headers.pop("Authorization", None)
            try:
                answer = asyncio.run_coroutine_threadsafe(self.http.send(request), self.loop).result(60)
                self.check(name_of(operation), case, answer, is_drawn=way != "known")
            except Exception as error:
                raise AssertionError(f"{request.method} {request.url}\n{request.content[:2_000]!r}") from error

        holds()

    def check(self, name: str, case: Case, answer: httpx.Response, *, is_drawn: bool) -> None:
        """The answer is one that is promised, and none of a server in trouble. `is_drawn`: nothing was put in."""
        self.told.check(answer)
        assert answer.status_code < 500 or name in TELLS_TROUBLE, answer.text
        if is_drawn and name not in TAKES_ALL:
            case.validate_response(answer, checks=[negative_data_rejection])


HOW_OFTEN = [
    (None, 2),
    (TOKEN, 1),
    pytest.param(None, 100, marks=pytest.mark.long),
    pytest.param(TOKEN, 50, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("token", "often"), HOW_OFTEN, ids=str)
def test_every_drawn_request_is_answered_as_promised(tmp_path: Path, token: str | None, often: int) -> None:
    async def story() -> None:
        log = PairedLog.open(tmp_path / "log.sqlite")
        pair = Pair(log, WebsocketCalls(None), lambda: time.time_ns() // 1_000_000)
        await pair.settle()
        node = Node(street(), log, Clock("live"))
        await node.start()
        try:
            app = create_app(node, token=token, roster=Roster(tmp_path / "people.sqlite"), one_of=pair)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            door = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=door, base_url="http://localhost", headers=headers) as http:
                asker = Asker(app, http, await furnish(http))
                await asyncio.to_thread(asker.ask_all, often)
        finally:
            await node.stop()

    asyncio.run(story())
