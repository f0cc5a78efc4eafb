"""Every operation is asked once, and answers as `/openapi.json` says; the `http` of these tests holds it to that."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.running import ServerInThread, eventually
from tests.told import Told

NORTH, SOUTH = [11.9560, 57.7215], [11.9680, 57.7060]
BRIDGE = {"type": "LineString", "coordinates": [[11.9650, 57.7140], [11.9680, 57.7143]]}
SQUARE = [[11.95, 57.69], [11.99, 57.69], [11.99, 57.72], [11.95, 57.72], [11.95, 57.69]]
BEATS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"beat_id": "1", "floor": 1},
            "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        }
    ],
}
ALERT = """<event version="2.0" uid="P1" type="b-a-o-tbl" time="{at}" start="{at}" stale="{late}" how="m-g">
<point lat="57.706" lon="11.968" hae="0" ce="5" le="5"/><detail><contact callsign="P1"/><emergency type="911 Alert"/>
</detail></event>"""


def at(s: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=s)).isoformat(timespec="milliseconds")


ELSEWHERE = {
    *("acknowledge_timer", "adopt_traffic", "clear_traffic", "get_replay", "steer_replay", "sign_in"),
    *("get_pair", "get_nodes", "promote"),
}
"""No timer is raised here, this map has no node ids, this server no replay, no other machine and nobody who could sign
in: `test_timers.py`, `test_traffic.py`, `test_access.py`, `tests/pair`, `tests/cluster` and the test below hold
these."""


def test_every_operation_answers_as_it_is_told(http: httpx.Client) -> None:
    told = Told.of(http)

    def ask(method: str, path: str, body: Any = None, **given: Any) -> Any:
        answer = http.request(method, path, json=body, **given)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else None

    for unit_id, place in (("P1", SOUTH), ("P2", NORTH), ("P3", SOUTH)):
        about = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": ["k9"], "home": NORTH}
        ask("PUT", f"/v1/units/{unit_id}", about)
        row = {"unit_id": unit_id, "fix_time": at(), "lon": place[0], "lat": place[1], "speed_mps": -1, "course_deg": 9}
        ask("POST", "/v1/positions", {"positions": [row, {**row, "lat": 99}, {**row, "alarm": None}]})
    ask("PUT", "/v1/units/P2/status", {"status": "available"})
    ask("PUT", "/v1/units/P2/crew", {"crew": [{"capabilities": ["k9"], "member_id": "m"}], "shift_ends": at(9_000)})
    ask("PUT", "/v1/units/P1/word", {"word": "bluebird"})
    pairs = {"id": "P1", "lat": SOUTH[1], "lon": SOUTH[0]}
    for method in ("GET", "POST"):
        ask(method, "/v1/osmand", params=pairs)
    ask("POST", "/v1/owntracks", {"_type": "lwt", "tst": 1}, params={"u": "anna", "d": "P1"})
    ask("POST", "/v1/traccar", {"device": {"uniqueId": "P1"}})
    ask("GET", "/v1/quarantine")
    ask("PUT", "/v1/devices/d1", {"unit_id": "P1", "address": "10.0.0.7"})
    ask("GET", "/v1/devices")
    ask("DELETE", "/v1/devices/d1")
    ask("POST", "/v1/messages", {"message_id": "m1", "text": "two men", "to": "units", "unit_ids": ["P1"]})
    ask("GET", "/v1/messages")
    ask("POST", "/v1/messages/m1/acknowledge", {"unit_id": "P1", "state": "acknowledged"})
    code = ask("POST", "/v1/units/P1/page_code", {})["code"]
    ask("POST", "/v1/session/unit", {"code": code})
    http.cookies.clear()  # that was the phone
    ask("GET", "/v1/units/P1/phones")
    ask("DELETE", "/v1/units/P1/phones")
    ask("POST", "/v1/units/P1/backup", {"mode": "delayed", "units": 1})
    for path in ("", "/P1", "/P1/reach?minutes=2"):
        ask("GET", f"/v1/units{path}")
    _incidents(ask)
    _emergencies(ask)
    _ground(ask)
    ask("DELETE", "/v1/units/P3")
    for path in ("/healthz", "/readyz", "/metrics", "/v1/session", "/v1/log"):
        ask("GET", path)
    for path in ("/v1/session/active", "/v1/session/ticket"):
        ask("POST", path)
    ask("DELETE", "/v1/session")
    assert http.get("/v1/replay").status_code == http.post("/v1/replay", json={}).status_code == 409
    seen = {name for name, status in told.seen if status < 300}
    every = {one["operationId"] for methods in told.spec["paths"].values() for one in methods.values()}
    assert sorted(every - seen) == sorted(ELSEWHERE)


def test_a_replay_answers_as_it_is_told(tmp_path: Path) -> None:
    server = ServerInThread(tmp_path / "log.sqlite", ("--clock", "replay")).start()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        Told.of(http)
        assert http.get("/v1/replay").json()["speed"] == 1.0
        assert http.post("/v1/replay", json={"speed": 10.0}).json()["speed"] == 10.0
    server.stop()


def _incidents(ask: Any) -> None:
    agreed = {"lender": "fire", "borrower": "police", "aid": "mutual", "agreement_id": "a1"}
    ask("POST", "/v1/agreements", agreed)
    ask("GET", "/v1/agreements")
    opened = {"incident_id": "i1", "lon": SOUTH[0], "lat": SOUTH[1], "priority": 1, "agency": "police"}
    ask("POST", "/v1/incidents", opened)
    ask("PATCH", "/v1/incidents/i1", {"note": "two persons"})
    ask("POST", "/v1/incidents/i1/aid", {"agency": "fire", "by": "desk"})
    ask("DELETE", "/v1/agreements/a1")
    for path in ("", "/i1", "/i1/ranking", "/i1/route?unit_id=P2", "/i1/reach?minutes=2,5", "/i1/staging"):
        ask("GET", f"/v1/incidents{path}")
    ask("POST", "/v1/incidents/i1/backup", {"units": 1})  # without a mode: the ranking
    needs = [{"capability": "k9", "count": 1, "need": "must"}, {"capability": "boat", "need": "want", "staged": True}]
    said = ask("POST", "/v1/incidents/i1/backup", {"mode": "immediate", "requirement": needs})
    ask("GET", f"/v1/decisions/{said['decision_id']}")
    ask("GET", "/v1/run_cards")
    sent = said["units"][0]["unit_id"]
    ask("POST", "/v1/incidents/i1/assignments", {"unit_id": sent, "decision_id": said["decision_id"]})
    ask("PATCH", f"/v1/incidents/i1/assignments/{sent}", {"state": "en_route"})
    best = eventually(lambda: ask("GET", "/v1/incidents/i1")["recommended"], "a recommendation")
    ask("GET", f"/v1/decisions/{best['decision_id']}")
    ask("POST", "/v1/etas", {"target": SOUTH, "starts": [NORTH, [11.6, 57.6]]})
    ask("POST", "/v1/incidents/i1/close")
    ask("POST", "/v1/incidents/i1/notes", {"text": "he rang again", "note_id": "n1"})
    ask("POST", "/v1/incidents/i1/reopen")
    ask("POST", "/v1/incidents/i1/close")
    ask("GET", "/v1/timers")
    ask("GET", "/v1/handover")
    ask("GET", "/v1/incidents/i1/timeline")
    ask("GET", f"/v1/units/{sent}/track")
    ask("GET", "/v1/past", params={"at": at(-0.2)})
    posts = [{"post_id": "a", "lon": SOUTH[0], "lat": SOUTH[1], "needs": [{"capability": "k9", "count": 9}]}]
    plan = {"plan_id": "m1", "name": "march", "arrive_by": at(3_600), "ends": at(9_000), "posts": posts}
    ask("POST", "/v1/plans", plan)
    ask("POST", "/v1/plans/m1/approve", {"by": "chief"})
    for path in ("", "/m1"):
        ask("GET", f"/v1/plans{path}")
    ask("POST", "/v1/plans/m1/activate")
    ask("POST", "/v1/plans", {**plan, "plan_id": "m2"})
    ask("POST", "/v1/plans/m2/cancel", {"reason": "rain"})


def _emergencies(ask: Any) -> None:
    pressed = ask("POST", "/v1/emergencies", {"unit_id": "P1"})
    ask("GET", "/v1/emergencies")
    ask("POST", f"/v1/emergencies/{pressed['incident_id']}/acknowledge", {"by": "desk"})
    over = {"by": "unit", "word": "bluebird"}
    ask("POST", f"/v1/emergencies/{pressed['incident_id']}/clear", over)
    again = ask("POST", "/v1/cot", content=ALERT.format(at=at(), late=at(60)).encode())
    clear = {"by": "supervisor", "who": "Berg", "reason": "drill"}
    ask("POST", f"/v1/emergencies/{again['incident']['incident_id']}/clear", clear)


def _ground(ask: Any) -> None:
    ask("POST", "/v1/closures", {"closure_id": "c1", "geometry": BRIDGE, "buffer_m": 10, "reason": "x"})
    for path in ("closures", "closures/c1/roads", f"roads/near?lon={SOUTH[0]}&lat={SOUTH[1]}", "traffic", "pace"):
        ask("GET", f"/v1/{path}")
    ask("DELETE", "/v1/closures/c1")
    ask("GET", "/v1/places?q=kungsgatan")
    ask("GET", f"/v1/places/name?lon={SOUTH[0]}&lat={SOUTH[1]}")
    ask("PUT", "/v1/beats", content=json.dumps(BEATS).encode())
    ask("PUT", "/v1/demand", content=f"call_id,time,lon,lat\n1,{at()},{SOUTH[0]},{SOUTH[1]}\n".encode())
    for path in ("beats", "cover", "cover/moves", "rules", "rules?kind=walker"):
        ask("GET", f"/v1/{path}")
    ask("PUT", "/v1/rules", {"backup": {"first_wave": 2}})
    route = f"{NORTH[0]},{NORTH[1]};{SOUTH[0]},{SOUTH[1]}"
    for service in ("table", "route"):
        ask("GET", f"/{service}/v1/driving/{route}?annotations=duration,distance")
        ask("POST", f"/{service}/v1/driving", {"coordinates": [NORTH, SOUTH]})
    ask("GET", f"/route/v1/driving/{route}?steps=true&geometries=geojson&overview=full")
    ask("GET", f"/nearest/v1/driving/{SOUTH[0]},{SOUTH[1]}?number=2")
