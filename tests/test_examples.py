"""Every example does what a newcomer would see it do."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples import draw_pace
from tests.running import ServerInThread, hurried

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
Example = Callable[..., str]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Example:
    """Runs an example as Python runs a script, in this process: what it printed."""

    def example(name: str, *words: str) -> str:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "argv", [name, *words])
        capsys.readouterr()
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        return capsys.readouterr().out

    return example


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """As `geo-backup demo` is, at twenty times its pace."""
    server = ServerInThread(tmp_path_factory.mktemp("demo") / "log.sqlite", clock=hurried(20), vehicles=60).start()
    yield server.url
    server.stop()
    assert "Traceback" not in server.said()


def test_rank_once_puts_the_unit_on_this_side_of_the_river_first() -> None:
    """In a process of its own, as a newcomer runs all of them."""
    words = (sys.executable, "examples/rank_once.py")
    done = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("P-3")  # P-1 is nearer by air, across the river
    seconds = [float(re.findall(r"([\d.]+) s", line)[0]) for line in lines]
    assert seconds == sorted(seconds)


def test_the_field_is_drawn(example: Example) -> None:
    picture = example("draw_field.py")
    shipped = (ROOT / "examples" / "field.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert picture.count("M") == shipped.count("M") > 1_000  # a street each, whatever another machine rounds


def test_the_pace_of_a_city_is_drawn_by_the_hour() -> None:
    rows = [
        {"level": "hour", "of": "8:00 to 9:00", "times": 1.33, "evidence_s": 90_000},
        {"level": "class", "of": "primary", "times": 1.2, "evidence_s": 90_000},
    ]
    picture = draw_pace.picture(rows)
    assert picture.count("fill-opacity") == 1
    assert ">1.33</text>" in picture


def test_a_client_sends_the_first_unit_and_sees_it_arrive(demo: str, example: Example) -> None:
    told = example("watch_and_send.py", demo)
    assert "sent" in told
    assert "on_scene" in told


def test_a_client_asks_for_backup_and_is_told_why(demo: str, example: Example) -> None:
    told = example("ask_backup.py", demo)
    assert "first with" in told
    assert "Immediate backup for incident" in told
    assert "no better set exists" in told


def test_a_recorded_track_replays_into_a_server_on_the_replay_clock(tmp_path: Path, run: Any) -> None:
    server = ServerInThread(tmp_path / "r.sqlite", ("--clock", "replay")).start()
    try:
        track = sorted((ROOT / "examples" / "tracks").glob("*.gpx"))[0]
        run("replay", str(track), "--to", server.url, "--speed", "600")
        units = httpx.get(f"{server.url}/v1/units", trust_env=False).text
        assert '"source":"replay"' in units.replace(" ", "")
        assert '"coordinates":[' in units.replace(" ", "")
    finally:
        server.stop()


def test_a_replay_is_ranked_in_its_middle(example: Example) -> None:
    first, *rest = example("replay_tracks.py").splitlines()
    assert int(re.findall(r"(\d+) can go", first)[0]) >= 1
    assert re.search(r"\d+ s  \d+ m  (live|delayed)", rest[0])


def test_simulated_calls_can_be_answered(tmp_path: Path, example: Example, run: Any) -> None:
    made = example("make_calls.py", "maps/gothenburg", str(tmp_path), "--days", "1", "--calls", "60", "--stations", "6")
    number = int(made.split()[0])
    files = ("--calls", str(tmp_path / "calls.csv"), "--stations", str(tmp_path / "stations.csv"))
    answer = json.loads(run("simulate", "--map", str(ROOT / "maps/gothenburg"), *files, "--json"))
    reached = number - answer["left_out"].get("call that no station reaches", 0)
    assert number > 20
    assert [row["calls"] for row in answer["policies"].values()] == [reached] * 4
