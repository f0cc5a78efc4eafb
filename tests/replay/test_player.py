"""Replay: one cursor for all vehicles, whatever the steps; jumps that leave the map as it was."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import TrackError
from geo_backup.eventlog import open_log
from geo_backup.events import Fix, PositionReported, UnitRegistered
from geo_backup.formats.tracks import Hints, Track
from geo_backup.replay.player import LOOK_BACK_FIXES, LOOK_BACK_MS, Player
from geo_backup.replay.remote import play_to
from geo_backup.replay.timeline import read_tracks

T = 1_795_435_200_000
DATA = Path(os.environ.get("GEO_BACKUP_DATA") or Path(__file__).parents[3] / "shared" / "data")
EXAMPLES = Path(__file__).parents[2] / "examples"


def track(unit_id: str, *seconds: float) -> Track:
    return Track(unit_id, (tuple(Fix(T + round(s * 1000), 11.9 + s * 1e-5, 57.7) for s in seconds),))


def said(events: list[PositionReported]) -> list[tuple[str, int]]:
    return [(e.unit_id, (e.received_ms - T) // 1000) for e in events]


def test_case_13_two_units_in_step_and_nothing_in_a_gap() -> None:
    a = Track("A", (track("A", 0, 10).segments[0], track("A", 600, 610).segments[0]))
    player = Player([a, track("B", 5, 10, 300)])
    heard = []
    for step in range(70):  # ten times real time, a second a step
        now = T + step * 10_000
        heard += (events := player.due(now))
        assert all(now - 10_000 < e.received_ms <= now for e in events)
    assert said(heard) == [("A", 0), ("B", 5), ("A", 10), ("B", 10), ("B", 300), ("A", 600), ("A", 610)]
    assert player.finished
    assert all(e.received_ms == e.fix.fix_ms for e in heard)


tracks_of = st.lists(
    st.builds(
        lambda unit, seconds: track(unit, *sorted(seconds)),
        st.sampled_from(["A", "B", "C"]),
        st.sets(st.integers(0, 500), min_size=1, max_size=20),
    ),
    min_size=1,
    max_size=4,
)


@given(tracks_of, st.lists(st.integers(0, 600_000), max_size=20))
def test_any_steps_play_the_same(tracks: list[Track], steps: list[int]) -> None:
    whole, parts = Player(tracks), Player(tracks)
    heard = [e for step in sorted(steps) for e in parts.due(T + step)] + parts.due(parts.end_ms)
    assert heard == whole.due(whole.end_ms)
    assert [e.received_ms for e in heard] == sorted(e.received_ms for e in heard)


@given(tracks_of, st.integers(-10_000, 600_000), st.integers(0, 600_000))
def test_a_jump_goes_on_as_if_one_had_played_to_there(tracks: list[Track], to: int, before: int) -> None:
    jumped, played = Player(tracks), Player(tracks)
    jumped.due(T + before)
    shown, past = jumped.seek(T + to), played.due(T + to)
    assert jumped.due(jumped.end_ms) == played.due(played.end_ms)
    last = {e.unit_id: e for e in past}
    assert {e.unit_id: e for e in shown} == last
    assert len(shown) <= LOOK_BACK_FIXES * len(last)


def test_a_jump_shows_nothing_older_than_half_an_hour() -> None:
    player = Player([track("A", 0), track("B", 1, 2000)])
    assert said(player.seek(T + LOOK_BACK_MS + 1500)) == []
    assert [u.source for u in player.units()] == ["replay", "replay"]


def test_a_unit_is_known_from_where_its_track_begins() -> None:
    player = Player([track("B", 5, 10), track("A", 0, 600), track("C", 300)])
    known = [[u.unit_id for u in player.units(T + s * 1000)] for s in (-1, 0, 5, 299, 300)]
    assert known == [[], ["A"], ["A", "B"], ["A", "B"], ["A", "B", "C"]]
    assert [u.received_ms for u in player.units()] == [T, T + 5_000, T + 300_000]
    assert player.extent == pytest.approx((11.9, 57.7, 11.906, 57.7), abs=1e-4)


def test_nothing_to_replay_is_said() -> None:
    with pytest.raises(TrackError, match="nothing to replay"):
        Player([])


def test_a_log_of_ours_is_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "day.db"
    log = open_log(path)
    unit = UnitRegistered(event_id="u", received_ms=T, unit_id="A", callsign="A", agency="", kind="patrol")
    fixes = [PositionReported(received_ms=f.fix_ms, unit_id="A", fix=f) for f in track("A", 0, 5).fixes]
    asyncio.run(log.append([unit, *fixes]))
    log.close()
    assert read_tracks(path) == [track("A", 0, 5)]


def test_files_that_are_no_recording(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="cannot be read"):
        read_tracks(tmp_path / "none.gpx")
    for name, content in (("empty.csv", ""), ("noise.bin", "\x00\x01\x02"), ("a.geojson", "[1]"), ("b.gpx", "no")):
        (tmp_path / name).write_text(content)
        with pytest.raises(TrackError, match=name):
            read_tracks(tmp_path / name)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("tracks/simulated*")), ids=lambda p: p.name)
def test_the_examples_are_readable_and_alike(path: Path) -> None:
    found = read_tracks(path, Hints(timezone="Europe/Stockholm"))
    assert found.skipped == 0
    assert all(len(t.fixes) >= 50 for t in found)


def test_a_thousand_recorded_taxi_trips() -> None:
    path = DATA / "tracks" / "porto_taxi_2013-07-01.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here: set GEO_BACKUP_DATA")
    found = read_tracks(path)
    assert sum(len(t.fixes) for t in found) + found.skipped == 47_328
    player = Player(found)
    middle = (player.start_ms + player.end_ms) // 2
    assert len({e.unit_id for e in player.seek(middle)}) > 20


class FakeServer:
    """Answers like `serve --clock replay`, and writes down what it is sent."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body: dict[str, Any] = json.loads(request.content)
        self.calls.append((request.method, request.url.path, body))
        if request.url.path == "/v1/replay" and self.mode == "live":
            return httpx.Response(409, json={"detail": "live"})
        if request.url.path == "/v1/positions":
            return httpx.Response(202, json={"accepted": len(body["positions"]), "refused": [], "ignored": []})
        return httpx.Response(200, json={})


def play(server: FakeServer, tracks: list[Track], speed: float) -> int:
    async def run() -> int:
        async with httpx.AsyncClient(transport=httpx.MockTransport(server), base_url="http://server") as client:
            return await play_to("http://server", tracks, speed, client=client)

    return asyncio.run(run())


def test_into_another_server() -> None:
    server = FakeServer("replay")
    assert play(server, [track("A", *range(1500)), track("B", 3)], 1e7) == 1501
    assert [(m, p) for m, p, _ in server.calls[:4]] == [
        ("POST", "/v1/replay"),
        ("PUT", "/v1/units/A"),
        ("POST", "/v1/replay"),
        ("PUT", "/v1/units/B"),
    ]
    assert server.calls[0][2] == {"time": "2026-11-23T12:00:00.000Z", "speed": 1e7, "playing": False}
    assert server.calls[2][2] == {"playing": True}
    assert all(len(b["positions"]) <= 1000 for _, p, b in server.calls if p == "/v1/positions")


def test_a_live_server_is_left_alone() -> None:
    server = FakeServer("live")
    with pytest.raises(TrackError, match="--clock replay"):
        play(server, [track("A", 0)], 10)
    assert len(server.calls) == 1
