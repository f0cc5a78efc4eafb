"""Crews and agencies over HTTP: who may be sent because of who is aboard, and because of what was agreed."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

PLACE = (11.9746, 57.7089)


def fleet(http: httpx.Client, agency: str, *unit_ids: str, east_deg: float = 0.0) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for unit_id in unit_ids:
        body = {"callsign": unit_id, "agency": agency, "kind": "patrol", "capabilities": ["patrol"]}
        assert http.put(f"/v1/units/{unit_id}", json=body).is_success
    rows = [{"unit_id": u, "fix_time": now, "lon": PLACE[0] + east_deg, "lat": PLACE[1]} for u in unit_ids]
    assert http.post("/v1/positions", json={"positions": rows}).json()["accepted"] == len(unit_ids)


def incident(http: httpx.Client, **more: Any) -> str:
    answer = http.post("/v1/incidents", json={"lon": PLACE[0], "lat": PLACE[1], "priority": 3} | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_id"])


def reasons(http: httpx.Client, incident_id: str) -> dict[str, str]:
    """Why each unit is not sent; empty = it is a candidate."""
    ranking = http.get(f"/v1/incidents/{incident_id}/ranking?limit=1000").json()
    why = {row["unit_id"]: row["reason"] for row in ranking["excluded"]}
    return why | {row["unit_id"]: "" for row in ranking["candidates"]}


def after(s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s))


def test_a_unit_is_what_its_crew_can_do(http: httpx.Client) -> None:
    fleet(http, "medics", "C1", "C2", "C3", "C4")
    assert http.put("/v1/units/C1/crew", json={"crew": []}).json()["crew"] == []
    crew = {"crew": [{"capabilities": ["language:fi"], "member_id": "07"}], "shift_ends": after(900)}
    said = http.put("/v1/units/C2/crew", json=crew).json()
    assert said["crew"] == [{"capabilities": ["language:fi"]}]  # who it is stays with their agency
    assert said["shift_ends"] is not None
    assert http.put("/v1/units/C3/crew", json={"crew": [{}], "rest_until": after(3600)}).is_success
    minor = incident(http, agency="medics")
    assert {u: why for u, why in reasons(http, minor).items() if u.startswith("C")} == {
        "C1": "UNSTAFFED",
        "C2": "END_OF_SHIFT",
        "C3": "REST_PERIOD",
        "C4": "",
    }
    grave = incident(http, agency="medics", priority=1)
    body = {"requirement": [{"capability": "language:fi"}]}
    assert http.post(f"/v1/incidents/{grave}/backup", json=body).is_success
    assert reasons(http, grave)["C2"] == ""
    assert reasons(http, grave)["C4"] == "WRONG_CAPABILITY"
    assert http.put("/v1/units/C9/crew", json={"crew": []}).status_code == 404
    late = http.put("/v1/units/C1/crew", json={"crew": [{}], "shift_ends": after(-60)})
    assert late.json()["errors"][0]["field"] == "/shift_ends"


def test_help_from_across_the_border(http: httpx.Client) -> None:
    fleet(http, "city", "B1")
    fleet(http, "county", "B2")
    here = incident(http, agency="city")
    assert reasons(http, here)["B1"] == ""
    assert reasons(http, here)["B2"] == "WRONG_AGENCY_OR_NO_AGREEMENT"
    refused = http.post(f"/v1/incidents/{here}/aid", json={"agency": "county", "by": "Lt. Berg"})
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["reason"] == "no_agreement"

    mutual = {"agreement_id": "county-city", "lender": "county", "borrower": "city", "aid": "mutual"}
    assert http.post("/v1/agreements", json=mutual).status_code == 201
    assert http.post("/v1/agreements", json=mutual).status_code == 200
    assert http.post("/v1/agreements", json=mutual | {"aid": "automatic"}).status_code == 409
    assert reasons(http, here)["B2"] == "NEEDS_APPROVAL"
    approved = http.post(f"/v1/incidents/{here}/aid", json={"agency": "county", "by": "Lt. Berg"})
    assert approved.json()["aid_approved"] == ["county"]
    assert reasons(http, here)["B2"] == ""

    assert http.delete("/v1/agreements/county-city").status_code == 204
    assert http.delete("/v1/agreements/county-city").status_code == 404
    automatic = mutual | {"aid": "automatic", "kinds": ["patrol"], "max_share": 0.5}
    made = http.post("/v1/agreements", json=automatic).json()
    assert http.get("/v1/agreements").json() == {"agreements": [made]}
    assert made["max_share"] == 0.5
    there = incident(http, agency="city")
    assert reasons(http, there)["B2"] in ("", "AID_SHARE_USED")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"borrower": "county"}, "/borrower"),
        ({"max_share": 0}, "/max_share"),
        ({"aid": "perhaps"}, "/aid"),
        ({"lender": ""}, "/lender"),
    ],
)
def test_an_agreement_that_cannot_be_is_named(http: httpx.Client, change: dict[str, Any], field: str) -> None:
    body = {"lender": "county", "borrower": "city", "aid": "mutual"} | change
    answer = http.post("/v1/agreements", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
