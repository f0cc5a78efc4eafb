"""An agency's own profile beside its map: offered, used, gone, broken."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import GOTHENBURG, ServerInThread

TARGET, START = [11.9680, 57.7060], [11.9560, 57.7215]
BRIDGE = {"type": "LineString", "coordinates": [[11.9650, 57.7140], [11.9680, 57.7143]]}


def test_a_profile_of_the_map(tmp_path: Path) -> None:
    city = tmp_path / "city"
    shutil.copytree(GOTHENBURG, city)
    patrol = city / "profiles" / "patrol.toml"
    patrol.parent.mkdir()
    patrol.write_text('extends = "routine"\nabout = "Slower."\n[speed]\nlimit_share = 0.5\n[class_kmh]\nall = 20\n')
    server = ServerInThread(tmp_path / "log.sqlite", map_folder=city).start()

    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{server.url}{path}", trust_env=False, timeout=60.0, **more)

    def eta(profile: str) -> float:
        body = {"target": TARGET, "starts": [START], "profile": profile}
        return float(ask("POST", "/v1/etas", json=body).json()["etas_s"][0])

    try:
        assert {"patrol", "routine", "response", "foot"} <= set(ask("GET", "/healthz").json()["profiles"])
        before = {name: eta(name) for name in ("patrol", "routine", "response", "foot")}
        assert before["foot"] > before["patrol"] > before["routine"] > before["response"]
        closure = {"geometry": BRIDGE, "buffer_m": 20.0, "reason": "repairs", "applies_to": "routine"}
        assert ask("POST", "/v1/closures", json=closure).status_code == 201
        assert eta("patrol") > before["patrol"], "its closures are those of routine driving"
        assert eta("foot") == before["foot"]

        place = {"lon": TARGET[0], "lat": TARGET[1], "priority": 2}
        opened = ask("POST", "/v1/incidents", json={**place, "incident_id": "slow", "profile": "patrol"})
        assert (opened.status_code, opened.json()["profile"]) == (201, "patrol")
        ranking = ask("GET", "/v1/incidents/slow/ranking").json()
        assert ranking["warnings"] == []
        for method, path, body in (
            ("POST", "/v1/incidents", {**place, "profile": "patrols"}),
            ("PATCH", "/v1/incidents/slow", {"profile": "patrols"}),
            ("POST", "/v1/etas", {"target": TARGET, "starts": [], "profile": "patrols"}),
        ):
            refused = ask(method, path, json=body)
            assert refused.status_code == 422
            (error,) = refused.json()["errors"]
            assert error["field"] == "/profile"
            assert "ambulance, foot, motorbike, response, routine, tracked, patrol, not 'patrols'" in error["message"]

        # the agency takes its file away while an incident is driven by it: the ranking goes on, and says so
        server.stop()
        patrol.unlink()
        server.start()
        assert ask("GET", "/v1/incidents/slow").json()["profile"] == "patrol"
        without = ask("GET", "/v1/incidents/slow/ranking").json()
        assert without["warnings"] == ["PROFILE_UNKNOWN"]
        assert without["weights_id"] != ranking["weights_id"]
        assert "Traceback" not in server.said()
    finally:
        server.stop()

    # nobody drives by half a profile
    patrol.write_text('extends = "routine"\nabout = "Faster."\n[speed]\nlimit_shar = 0.9\n')
    with pytest.raises(AssertionError, match="did you mean limit_share"):
        server.start()
