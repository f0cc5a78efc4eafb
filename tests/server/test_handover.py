"""The hand-over of a shift: in one document, of what one may see, and printed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.asking import BRIDGE, NORTH, SOUTH, at, new_incident, new_unit, problem
from tests.running import Server, ServerInThread, eventually


def handover(http: httpx.Client, **asked: str) -> dict[str, Any]:
    answer = http.get("/v1/handover", params=asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_whoever_takes_over_is_told_everything(
    http: httpx.Client, server: Server, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, free = new_unit(http, NORTH), new_unit(http)
    over, open_ = new_incident(http, SOUTH, kind="theft"), new_incident(http, SOUTH, kind="robbery")
    http.patch(f"/v1/incidents/{open_}", json={"place": "Kungsgatan 1"})
    http.post(f"/v1/incidents/{open_}/notes", json={"text": "two men\x1b[2J,\nby car"})
    http.post(f"/v1/incidents/{over}/close")
    http.get(f"/v1/incidents/{open_}/ranking")
    http.post(f"/v1/incidents/{open_}/assignments", json={"unit_id": sent})
    closure = http.post("/v1/closures", json={"geometry": BRIDGE, "buffer_m": 20, "reason": "bridge up"}).json()
    told = handover(http)
    assert [one["incident_id"] for one in told["incidents"]] == [open_]
    assert [one["incident_id"] for one in told["finished"]] == [over]
    units = {one["unit_id"]: one for one in told["units"]}
    assert (units[sent]["incident_id"], units[sent]["lon"], units[sent]["freshness"]) == (open_, NORTH[0], "live")
    assert (units[free]["lon"], units[free]["freshness"]) == (None, "lost")
    assert [(one["unit_id"], one["state"]) for one in told["promised"]] == [(sent, "assigned")]
    assert [one["closure_id"] for one in told["closures"]] == [closure["closure_id"]]
    assert handover(http, since=at(0))["finished"] == []
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        printed = run("report", "handover", server.url)
        assert max(map(len, printed.splitlines())) <= min(columns, 100)
        said = " ".join(printed.split())
        assert "two men [2J, by car" in said
        assert "\x1b" not in printed
        for words in ("robbery, Kungsgatan 1, since", f"({sent}): assigned", "bridge up", "ENDED IN THE SHIFT: 1 P"):
            assert words in said, printed
        assert "\n\nOPEN INCIDENTS: 1\n" in printed
        for cut in ("\u2026", "T1", "Z ", open_, over):
            assert cut not in printed, printed


def test_an_urgent_message_that_waits_is_printed(http: httpx.Client, server: Server, run: Any) -> None:
    unit_id = new_unit(http)
    usual = http.get("/v1/rules").json()["rules"]["timer"]["message_ms"]
    assert http.put("/v1/rules", json={"timer": {"message_ms": 1_000}}).is_success
    body = {"message_id": "late", "text": "call in", "to": "units", "unit_ids": [unit_id], "urgent": True}
    assert http.post("/v1/messages", json=body).status_code == 201
    eventually(lambda: any(one["rule"] == "message" for one in handover(http)["timers"]), "it waits")
    printed = run("report", "handover", server.url)
    assert "has not answered an urgent message of" in " ".join(printed.split())
    http.post("/v1/messages/late/acknowledge", json={"unit_id": unit_id})
    assert http.put("/v1/rules", json={"timer": {"message_ms": usual}}).is_success


def test_who_is_in_danger_stands_first(http: httpx.Client) -> None:
    """As at the desk: alarms, then emergencies in hand, then by priority, whatever was opened first."""
    later = [new_incident(http, SOUTH, priority=priority) for priority in (3, 1)]
    unit_id = new_unit(http, NORTH)
    danger = http.post("/v1/emergencies", json={"unit_id": unit_id, "emergency_id": "danger"}).json()["incident_id"]
    ours = [one["incident_id"] for one in handover(http)["incidents"] if one["incident_id"] in {*later, danger}]
    assert ours == [danger, later[1], later[0]]
    http.post(f"/v1/emergencies/{danger}/clear", json={"by": "supervisor", "who": "Sgt", "reason": "test"})


def test_shifts_that_cannot_be(http: httpx.Client) -> None:
    problem(http.get("/v1/handover", params={"since": at(60)}), 422, "after_to", "/since")
    problem(http.get("/v1/handover", params={"since": at(-90_000)}), 422, "too_long", "/since")
    problem(http.get("/v1/handover", params={"since": "2026-01-01T06:00:00"}), 422, field="/since")


def test_each_hands_over_what_is_theirs(of: dict[str, httpx.Client], guarded: ServerInThread) -> None:
    def units(name: str) -> set[str]:
        return {one["unit_id"] for one in handover(of[name])["units"]}

    def ended(name: str) -> set[str]:
        return {one["incident_id"] for one in handover(of[name])["finished"]}

    assert units("centre") >= {"POL1", "POL2", "FIRE1", "UC9"}
    assert units("police") == {"POL1", "POL2"}
    assert "UC9" in units("police-chief")
    assert (ended("fire"), ended("police") & {"pol", "fir"}) == ({"fir"}, {"pol"})
    assert of["viewer"].get("/v1/handover").status_code == 403
