"""TAK: positions, a 911 alert, a cancel that does not end it, and what is no CoT event."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from tests.running import ServerInThread
from tests.server.test_backup import PLACE, fleet


def cot(kind: str, uid: str, *, lon: float = PLACE[0], lat: float = PLACE[1], detail: str = "", s: float = 0.0) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s))
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="{at}" start="{at}"'
        ' stale="2099-01-01T00:00:00Z">'
        f'<point lat="{lat}" lon="{lon}" hae="9999999.0" ce="6.0" le="9999999.0"/><detail>{detail}</detail></event>'
    )


def test_a_position_and_a_911_alert(http: httpx.Client) -> None:
    fleet(http, ("ENG-7", 0.0005, ()), ("B", 0.01, ()))
    moved = http.post(
        "/v1/cot", content=cot("a-f-G-E-V-C", "geo-backup.ENG-7", s=2, detail='<track course="84.0" speed="9.5"/>')
    )
    assert moved.status_code == 202, moved.text
    assert moved.json() == {"kind": "position", "unit_id": "ENG-7", "ignored": None}
    fix = next(f for f in http.get("/v1/units").json()["features"] if f["id"] == "ENG-7")
    assert fix["geometry"]["coordinates"] == list(PLACE)
    assert fix["properties"]["speed_mps"] == 9.5

    detail = '<emergency type="911 Alert">ENG-7</emergency><link relation="p-p" uid="ENG-7" type="a-f-G-E-V-C"/>'
    alert = http.post("/v1/cot", content=cot("b-a-o-tbl", "ENG-7-9-1-1", detail=detail, s=4)).json()
    incident = alert["incident"]
    assert (incident["for_unit_id"], incident["priority"], incident["pinned"]) == ("ENG-7", 1, True)
    assert incident["emergency"]["sources"] == ["tak"]
    again = http.post("/v1/cot", content=cot("b-a-o-tbl", "ENG-7-9-1-1", detail=detail, s=5)).json()["incident"]
    assert again["incident_id"] == incident["incident_id"]
    assert again["emergency"]["presses"] == 2
    cancel = http.post("/v1/cot", content=cot("b-a-o-can", "ENG-7-9-1-1", s=6)).json()
    assert cancel["emergency_id"] == incident["incident_id"]
    assert http.get("/v1/emergencies").json()["emergencies"][0]["emergency"]["stands"], "a cancel ends nothing"
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{incident['incident_id']}/clear", json=end).is_success


def test_an_alert_without_a_place_is_heard(http: httpx.Client) -> None:
    fleet(http, ("P-9", 0.004, ()))
    text = '<event uid="x" type="b-a-o-tbl"><detail><emergency>P-9</emergency></detail></event>'
    answer = http.post("/v1/cot", content=text)
    assert answer.status_code == 202, answer.text
    incident_id = answer.json()["incident"]["incident_id"]
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{incident_id}/clear", json=end).is_success


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 422),
        ("<event", 422),
        ("<track/>", 422),
        ('<!DOCTYPE x [<!ENTITY a "b">]><event uid="a"/>', 422),
        ('<event type="a-f-G"/>', 422),
        ('<event uid="P-9" type="a-f-G"/>', 422),
        ('<event uid="P-9" type="a-f-G" time="2026-11-24T10:00:00Z"><point lat="nan" lon="1"/></event>', 422),
        ('<event uid="nobody" type="a-f-G" time="2026-11-24T10:00:00Z"><point lat="1" lon="1"/></event>', 404),
    ],
)
def test_what_is_no_event_is_refused_in_words(http: httpx.Client, text: str, code: int) -> None:
    answer = http.post("/v1/cot", content=text)
    assert answer.status_code == code, answer.text
    assert answer.json()["detail"]


def test_a_cry_for_help_from_a_device_that_nobody_registered(tmp_path: Path) -> None:
    """Where unknown units are adopted, so are those that call for help: over TAK, the API and with a garbled fix."""
    server = ServerInThread(tmp_path / "log.sqlite", ("--adopt-unknown",)).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        detail = '<emergency type="911 Alert">NEW-1</emergency>'
        alert = http.post("/v1/cot", content=cot("b-a-o-tbl", "NEW-1-9-1-1", detail=detail))
        assert alert.json()["incident"]["for_unit_id"] == "NEW-1", alert.text
        assert http.post("/v1/emergencies", json={"unit_id": "NEW-2"}).status_code == 201
        garbled = {"positions": [{"unit_id": "NEW-3", "alarm": "sos", "lon": "?", "lat": 0}]}
        assert len(http.post("/v1/positions", json=garbled).json()["emergencies"]) == 1
        nonsense = {"positions": [{"unit_id": "NEW-4\n", "alarm": "sos", "lon": "?", "lat": 0}]}
        assert "emergencies" not in http.post("/v1/positions", json=nonsense).json()
        standing = http.get("/v1/emergencies").json()["emergencies"]
        assert {one["for_unit_id"] for one in standing} == {"NEW-1", "NEW-2", "NEW-3"}
    server.stop()
    assert "Traceback" not in server.said()
