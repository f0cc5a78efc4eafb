"""What tests of a running server share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from geo_backup.people import Roster
from tests.asking import at, new_incident
from tests.running import CENTRE, ServerInThread
from tests.server.test_access import speaks

SPEAKERS = {
    "police": ("police", ("dispatcher",), ()),
    "police-chief": ("police", ("supervisor",), ()),
    "fire": ("fire", ("dispatcher",), ()),
    "viewer": ("*", ("viewer",), ()),
    "auditor": ("*", ("auditor",), ()),
    "admin": ("*", ("admin",), ()),
    "pol1": ("police", ("field_unit",), ("POL1",)),
}


@pytest.fixture
def incident(http: httpx.Client) -> Iterator[str]:
    incident_id = new_incident(http)
    yield incident_id
    http.post(f"/v1/incidents/{incident_id}/close")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """A server for which people can be configured."""
    folder = tmp_path_factory.mktemp("guarded")
    server = ServerInThread(folder / "log.sqlite", roster=Roster(folder / "people.sqlite")).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def of(guarded: ServerInThread) -> Iterator[dict[str, httpx.Client]]:
    """Clients of two agencies and many roles; four units and two finished incidents that they see each in their way."""
    assert guarded.roster is not None
    tokens = {
        name: guarded.roster.tokens.issue(name, "program", agency=agency, roles=roles, units=units, by="test")  # type: ignore[arg-type]
        for name, (agency, roles, units) in SPEAKERS.items()
    }
    tokens["centre"] = guarded.roster.tokens.issue("centre", "program", agency="*", roles=("supervisor",), by="test")
    clients = {name: speaks(guarded, token) for name, token in tokens.items()}
    centre = clients["centre"]
    for unit_id, agency in (("POL1", "police"), ("POL2", "police"), ("FIRE1", "fire"), ("UC9", "police")):
        body = {"callsign": f"{unit_id} call", "agency": agency, "kind": agency, "capabilities": []}
        assert centre.put(f"/v1/units/{unit_id}", json={**body, "hidden": unit_id == "UC9"}).status_code == 201
        row = {"unit_id": unit_id, "fix_time": at(), "lon": CENTRE[0], "lat": CENTRE[1]}
        assert centre.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    for incident_id, agency, sent in (("pol", "police", ("POL1", "UC9")), ("fir", "fire", ("FIRE1",))):
        place = {"lon": CENTRE[0], "lat": CENTRE[1]}
        body = {**place, "priority": 2, "incident_id": incident_id, "agency": agency, "kind": "watch"}
        assert centre.post("/v1/incidents", json=body).status_code == 201
        for unit_id in sent:
            answer = centre.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
            assert answer.status_code == 201, answer.text
        assert centre.post(f"/v1/incidents/{incident_id}/close").status_code == 200
    yield clients
    for client in clients.values():
        client.close()
