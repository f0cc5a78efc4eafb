"""Strategic backup: a plan is made, scheduled backwards, approved, and begins all at once."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.server.test_backup import PLACE, Desk, desk, fleet

__all__ = ["desk"]


def at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def seconds(text: str) -> float:
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def warrant(**more: Any) -> dict[str, Any]:
    return {
        "plan_id": "warrant-7",
        "name": "Warrant",
        "arrive_by": at(3_600),
        "ends": at(3 * 3_600),
        "posts": [
            {"post_id": "front", "lon": PLACE[0], "lat": PLACE[1], "needs": [{"capability": "patrol", "count": 2}]},
            {"post_id": "back", "lon": PLACE[0], "lat": PLACE[1] + 0.002, "needs": [{"capability": "SWAT"}]},
        ],
    } | more


def units(http: httpx.Client) -> None:
    fleet(
        http,
        *[(f"P{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(3)],
        ("S", 0.03, ("SWAT", "patrol")),
    )


def test_from_the_plan_to_the_units_on_their_way(desk: Desk) -> None:
    http, _, _ = desk
    units(http)
    answer = http.post("/v1/plans", json=warrant())
    assert answer.status_code == 201, answer.text
    plan = answer.json()
    assert plan["state"] == "draft"
    assert {(row["post_id"], tuple(row["fills"])) for row in plan["schedule"]} == {
        ("front", ("patrol",)),
        ("back", ("SWAT",)),
    }
    for row in plan["schedule"]:
        left = seconds(row["arrive_by"]) - seconds(row["leave_time"])
        assert left == pytest.approx(row["p90_s"] + row["turnout_s"], abs=1.5)
        assert row["p90_s"] > row["eta_s"]
        assert not row["late"]
    assert plan["unmet"] == []
    assert plan["cover_by_hour"]
    assert all(hour["cover_without"] < hour["cover"] for hour in plan["cover_by_hour"])

    refused = http.post("/v1/plans/warrant-7/activate")
    assert refused.status_code == 409
    assert http.get("/v1/incidents").json()["incidents"] == []
    assert http.post("/v1/plans/warrant-7/approve", json={"by": "sergeant"}).json()["state"] == "approved"
    # made anew, it needs approval anew
    again = http.post("/v1/plans", json=warrant(note="by the back"))
    assert (again.status_code, again.json()["state"]) == (200, "draft")
    assert http.post("/v1/plans/warrant-7/approve", json={"by": "sergeant"}).is_success
    begun = http.post("/v1/plans/warrant-7/activate")
    assert begun.status_code == 200, begun.text
    assert begun.json()["state"] == "active"
    incidents = {i["incident_id"]: i for i in http.get("/v1/incidents").json()["incidents"]}
    assert set(incidents) == {"warrant-7.front", "warrant-7.back"}
    assert [a["unit_id"] for a in incidents["warrant-7.back"]["assignments"]] == ["S"]
    assert len(incidents["warrant-7.front"]["assignments"]) == 2
    assert incidents["warrant-7.front"]["mode"] == "strategic"
    assert http.post("/v1/plans/warrant-7/activate").status_code == 409
    assert http.post("/v1/plans/warrant-7/cancel", json={}).status_code == 409


def test_what_nobody_can_fill_and_who_would_be_late(desk: Desk) -> None:
    http, _, _ = desk
    units(http)
    posts = [
        {"post_id": "a", "lon": PLACE[0], "lat": PLACE[1], "needs": [{"capability": "EOD"}, {"capability": "SWAT"}]}
    ]
    plan = http.post("/v1/plans", json=warrant(posts=posts, arrive_by=at(5))).json()
    assert [(row["capability"], row["count"]) for row in plan["unmet"]] == [("EOD", 1)]
    assert [row["late"] for row in plan["schedule"]] == [True]


def test_an_exercise_of_a_plan_takes_no_unit(desk: Desk) -> None:
    http, _, _ = desk
    units(http)
    assert http.post("/v1/plans", json=warrant(exercise=True)).is_success
    assert http.post("/v1/plans/warrant-7/approve", json={"by": "trainer"}).is_success
    assert http.post("/v1/plans/warrant-7/activate").is_success
    assert all(i["exercise"] for i in http.get("/v1/incidents").json()["incidents"])
    assert {f["properties"]["incident_id"] for f in http.get("/v1/units").json()["features"]} == {None}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"arrive_by": "2001-01-01T00:00:00Z"}, "/arrive_by"),
        ({"ends": at(60)}, "/ends"),
        ({"posts": []}, "/posts"),
        ({"posts": [{"post_id": "a", "lon": 0.0, "lat": 0.0, "needs": [{"capability": "x"}]}]}, "/posts/0/lon"),
        ({"plan_id": "a b"}, "/plan_id"),
    ],
)
def test_what_cannot_be_planned_is_named(desk: Desk, change: dict[str, Any], field: str) -> None:
    http, _, _ = desk
    answer = http.post("/v1/plans", json=warrant(**change))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert http.get("/v1/plans/none").status_code == 404
