"""What drives have taught, as a server tells it: times double with the roads, are measured once drives are known, and
are those of the profile where a rule says so; records of it stand every test that others do."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest

from geo_backup.audit.verify import verify
from geo_backup.backup.view import view
from geo_backup.eventlog import open_log
from geo_backup.events import DriveMeasured, Event, PaceLearned
from geo_backup.live_map import LiveMap, apply
from geo_backup.node.clock import Clock
from geo_backup.roads.pace import Lesson, Level, node_of
from geo_backup.roads.profile import RESPONSE
from geo_backup.rules import PaceRules
from geo_backup.wire import checkpoint
from geo_backup.wire.decisions import pack_view, unpack_view
from tests.asking import NORTH, SOUTH, new_incident, new_unit
from tests.running import GOTHENBURG, ServerInThread, network_of
from tests.told import Told

NOW_MS = 1_790_000_000_000
K_MS, EXPECTED_MS = round(PaceRules().now_k_s * 1_000), 1_000_000_000
OVERHEAD_MS, SCATTER_MS = 20_000, 1_000


def twice_as_long(profile: str) -> PaceLearned:
    """All roads take now just twice as long as the profile says."""
    driven = np.array([2 * EXPECTED_MS + K_MS])
    lesson = Lesson(node_of(Level.NOW, np.zeros(1)), driven, np.array([EXPECTED_MS]))
    minute = NOW_MS // 60_000
    return PaceLearned(
        event_id=f"pace:{profile}:{minute}", received_ms=NOW_MS, profile=profile, minute=minute, packed=lesson.packed()
    )


def drives(profile: str, count: int = 41) -> list[Event]:
    """Drives of 300 s by the field, that took 20 s more, some longer and some less."""
    return [
        DriveMeasured(
            event_id=f"drive:{profile}:{n}",
            received_ms=NOW_MS,
            profile=profile,
            unit_id="U",
            incident_id="i",
            start_ms=NOW_MS - 600_000,
            field_ms=300_000,
            took_ms=300_000 + OVERHEAD_MS + SCATTER_MS * (n - count // 2),
        )
        for n in range(count)
    ]


class Asked(NamedTuple):
    """What a server says of times, over all ways out."""

    ranking: dict[str, Any]
    siren: dict[str, Any]
    etas: dict[str, Any]
    table: list[list[float]]
    route: dict[str, Any]

    def seconds(self) -> list[Any]:
        """Everything that is a time."""
        rows = [[row["eta_s"], row["parts"]] for of in (self.ranking, self.siren) for row in of["candidates"]]
        return [*rows, self.etas["etas_s"], self.table, self.route["eta_s"]]


def ask(http: httpx.Client, calls: tuple[str, str], unit_id: str) -> Asked:
    ranking, siren = (http.get(f"/v1/incidents/{call}/ranking").json() for call in calls)
    body = {"target": SOUTH, "starts": [NORTH], "profile": "routine"}
    places = ";".join(f"{lon},{lat}" for lon, lat in (NORTH, SOUTH))
    table = http.get(f"/table/v1/driving/{places}").json()["durations"]
    route = http.get(f"/v1/incidents/{calls[0]}/route?unit_id={unit_id}").json()["properties"]
    return Asked(ranking, siren, http.post("/v1/etas", json=body).json(), table, route)


def test_times_are_as_drives_have_taught(tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    stopped = Clock("live", wall_ms=lambda: now_ms, steady_ms=lambda: 0)  # with each minute it would learn something
    server = ServerInThread(tmp_path / "log.sqlite", clock=stopped).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        Told.of(http)
        units = [new_unit(http, NORTH), new_unit(http, [11.94, 57.69])]
        sent = new_unit(http, NORTH)
        calls = new_incident(http, SOUTH, profile="routine"), new_incident(http, SOUTH, profile="response")
        http.post(f"/v1/incidents/{calls[0]}/assignments", json={"unit_id": sent})
        before = ask(http, calls, units[0])
        assert (before.ranking["pace"], before.ranking["times"]["state"]) == (None, "assumed")
        known = {one["profile"]: one for one in http.get("/v1/pace").json()["profiles"]}
        assert known["routine"]["state"] == known["response"]["state"] == "not_learned_yet"
    server.stop()
    with closing(open_log(server.log)) as log:
        asyncio.run(log.append([twice_as_long("routine"), *drives("routine")]))
    server.start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        Told.of(http)
        after = ask(http, calls, units[0])
        _doubled(before, after)
        _measured(after, sent)
        _told(http, after)
        # a decision tells them, and its record holds
        asked = http.post(f"/v1/incidents/{calls[0]}/backup", json={"mode": "delayed", "units": 2}).json()
        assert asked["times"] == {"state": "measured", "drives": 41, "overhead_s": 20.0}
        decision = http.get(f"/v1/decisions/{asked['decision_id']}").json()
        first = decision["candidates"][0]
        assert first["parts"]["pace"] == "2.0 times the profile's time: 2.0 now"
        assert first["p90_s"] == asked["units"][0]["p90_s"] == after.ranking["candidates"][0]["p90_s"]
        assert "41 drives have kept them" in decision["words"]
        assert "nine of ten by" in decision["words"]
        # the switch: times of before, to the millisecond
        assert http.put("/v1/rules", json={"pace": {"learn": 0}}).status_code == 200
        off = ask(http, calls, units[0])
        assert off.seconds() == before.seconds()
        assert (off.ranking["times"], off.ranking["pace"]) == (before.ranking["times"], None)
        assert off.etas["weights_id"] == before.etas["weights_id"]
        assert not http.get("/v1/pace").json()["learning"]
    server.stop()
    assert "Traceback" not in server.said()
    with closing(open_log(server.log, read_only=True)) as log:
        report = verify(network_of(GOTHENBURG), log)
        assert (report.wrong, report.checkpoints) == ([], 1)
        assert report.decisions >= 1
        live_map = LiveMap()
        for seq, event in log.read_all():
            apply(live_map, seq, event)
    data = checkpoint.dump(live_map)
    assert checkpoint.dump(checkpoint.parse(data)) == data
    assert b'"pace"' in data
    packed = pack_view(view(live_map, NOW_MS))
    again = unpack_view(packed)
    assert pack_view(again) == packed
    assert again.pace["routine"].packed() == live_map.pace["routine"].packed()
    assert again.punctuality == live_map.punctuality


def _doubled(before: Asked, after: Asked) -> None:
    for was, now in zip(before.ranking["candidates"], after.ranking["candidates"], strict=True):
        assert now["unit_id"] == was["unit_id"]
        assert now["parts"]["drive_s"] == pytest.approx(2 * was["parts"]["drive_s"], abs=0.003)
        assert now["parts"]["pace"] == "2.0 times the profile's time: 2.0 now"
        seconds = [part for name, part in now["parts"].items() if name != "pace"]
        assert sum(seconds) == pytest.approx(now["eta_s"], abs=1e-6)
    assert after.etas["etas_s"][0] == pytest.approx(2 * before.etas["etas_s"][0], abs=0.003)
    np.testing.assert_allclose(after.table, 2 * np.array(before.table), atol=0.11)
    # the siren suffers its share of what slows all traffic
    times = 1 + RESPONSE.speed.congestion_share
    for was, now in zip(before.siren["candidates"], after.siren["candidates"], strict=True):
        assert now["parts"]["drive_s"] == pytest.approx(times * was["parts"]["drive_s"], rel=0.01)
    assert after.siren["times"]["state"] == "assumed"


def _measured(after: Asked, sent: str) -> None:
    ranking = after.ranking
    assert ranking["times"] == {"state": "measured", "drives": 41, "overhead_s": OVERHEAD_MS / 1_000}
    one_s = SCATTER_MS / 1_000
    # of 41 drives the fifth and the 37th, as shares of what had been said
    low, high = ((320 + one_s * (n - 20)) / 320 for n in (4, 36))
    for row in ranking["candidates"]:
        parts = row["parts"]
        still_s = parts["turnout_s"] + parts["clear_s"]
        assert parts["overhead_s"] == 20.0
        assert row["low_s"] - still_s == pytest.approx(low * (row["eta_s"] - still_s), abs=0.02)
        assert row["p90_s"] - still_s == pytest.approx(high * (row["eta_s"] - still_s), abs=0.02)
    (coming,) = ranking["assigned"]
    assert coming["unit_id"] == sent
    assert coming["low_s"] < coming["eta_s"] < coming["p90_s"]
    drive_s = {row["unit_id"]: row["eta_s"] - row["parts"]["turnout_s"] for row in ranking["candidates"]}
    assert after.route["eta_s"] == pytest.approx(drive_s[after.route["unit_id"]], abs=0.002)
    assert (after.route["overhead_s"], after.route["pace"]) == (20.0, "2.0 times the profile's time: 2.0 now")


def _told(http: httpx.Client, after: Asked) -> None:
    evidence_s = after.ranking["pace"]["evidence_s"]
    assert after.ranking["pace"] == {"words": "2.0 now", "factor": 2.0, "evidence_s": evidence_s}
    assert after.etas["times"]["overhead_s"] == 20.0
    pace = http.get("/v1/pace").json()
    known = {one["profile"]: one for one in pace["profiles"]}
    routine = known["routine"]
    assert pace["learning"]
    assert (routine["state"], known["response"]["state"]) == ("learned", "of_all_traffic")
    assert routine["now"] == {"of": "now", "factor": 2.0, "evidence_s": (2 * EXPECTED_MS + K_MS) // 1_000}
    assert (routine["hours"], routine["cells_known"], routine["roads_known"]) == ([], 0, 0)
    assert (routine["times"], known["response"]["times"]["state"]) == (after.ranking["times"], "assumed")
    assert routine["low_share"] < 1 < routine["p90_share"]
