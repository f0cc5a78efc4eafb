"""Learning from recorded drives: nothing is foretold by itself, what is slow is soon foretold so, a model goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.lab.learning import Drive, Learner, Model, drives_of, layer_of, prequential, said
from geo_backup.replay.timeline import read_tracks
from geo_backup.roads.drives import places
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.foretold import figures
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import weigh
from geo_backup.rules import Rules
from tests.running import GOTHENBURG, network_of
from tests.stories import T0

RULES = Rules()
STEP_S = 15
HEAD = '"TRIP_ID","CALL_TYPE","ORIGIN_CALL","ORIGIN_STAND","TAXI_ID","TIMESTAMP","DAY_TYPE","MISSING_DATA","POLYLINE"'


@cache
def town() -> RoadNetwork:
    return network_of(GOTHENBURG)


@cache
def trips(count: int, times: float, every_s: int = 60, seed: int = 3) -> str:
    """Simulated drives in the columns of Porto's taxis: a fix each 15 s, so many times slower than the profile says."""
    network, weights = town(), weigh(town(), ROUTINE)
    rng, rows = np.random.default_rng(seed), [HEAD]
    main = np.flatnonzero((weights.shut == 0) & (np.asarray(network.edge_flags) & 128 > 0))
    while len(rows) <= count:
        begin, end = (int(edge) for edge in rng.choice(main, 2, replace=False))
        way = ArrivalField.build(weights, Target.on_edge(end, 65_536)).way(begin, 0)
        if way is None:
            continue
        edges = np.array(way.edges)
        into_ms = np.concatenate(([0], weights.turn_ms[np.array(way.turns, np.int64)]))
        over_s = times * np.cumsum(into_ms + weights.edge_ms[edges]) / 1_000.0
        at_s = np.arange(0.0, over_s[-1], STEP_S)
        k = np.minimum(np.searchsorted(over_s, at_s), len(edges) - 1)
        part = 1.0 - (over_s[k] - at_s) / (times * weights.edge_ms[edges[k]] / 1_000.0)
        fraction = (np.clip(part, 0.0, 1.0) * 65_536).astype(np.int64)
        lon, lat, _ = places(network, edges[k], fraction)
        line = [[round(a, 6), round(b, 6)] for a, b in zip(lon.tolist(), lat.tolist(), strict=True)]
        n = len(rows)
        rows.append(f'"{n}","C","","","{n}","{T0 // 1000 + n * every_s}","A","False","{json.dumps(line)}"')
    return "\n".join(rows)


@pytest.fixture
def drives(tmp_path: Path) -> Callable[..., list[Drive]]:
    def drives(*which: object) -> list[Drive]:
        file = tmp_path / "trips.csv"
        file.write_text(trips(*which), encoding="utf-8")
        found, _ = drives_of(town(), read_tracks(file), RULES)
        return sorted(found, key=lambda drive: drive.begin_ms)

    return drives


def test_what_is_slow_is_soon_foretold_so(drives: Callable[..., list[Drive]]) -> None:
    learner = Learner(town(), ROUTINE, RULES)
    told = prequential(learner, drives(40, 1.6), levels=True)
    as_it_comes, learned = (figures(told[name][20:]) for name in ("class speeds", "road"))
    assert as_it_comes["median_ape"] > 25
    assert learned["median_ape"] < 12
    assert abs(learned["bias_s"]) < abs(as_it_comes["bias_s"]) / 3
    assert 0.5 <= learned["coverage_80"] <= 1.0
    (whole,) = [row for row in said(learner) if row["level"] == "now"]
    hours = [row["times"] for row in said(learner) if row["level"] == "hour"]
    assert 1.3 < whole["times"] * hours[-1] < 1.9
    lines = layer_of(learner)["features"]
    assert lines
    assert all(line["properties"]["evidence_s"] >= 30 for line in lines)


def test_nothing_is_foretold_by_what_came_later(drives: Callable[..., list[Drive]]) -> None:
    some = drives(30, 1.3)
    later = [replace(drive, intervals=drive.intervals._replace(ms=drive.intervals.ms * 3)) for drive in some[20:]]
    rows = [prequential(Learner(town(), ROUTINE, RULES), which)["road"] for which in (some, [*some[:20], *later])]
    assert rows[0][:20] == rows[1][:20]
    assert rows[0] != rows[1]


def test_the_order_of_files_and_a_second_run_change_nothing(drives: Callable[..., list[Drive]]) -> None:
    some = drives(30, 1.3)
    learners = [Learner(town(), ROUTINE, RULES) for _ in range(2)]
    told = [prequential(learner, which) for learner, which in zip(learners, (some, some[::-1]), strict=True)]
    assert told[0] == told[1]
    one, other = (learner.model.pace for learner in learners)
    np.testing.assert_array_equal(one.driven_ms, other.driven_ms)


def _leaps(fixes: list[Fix]) -> list[Fix]:
    return [fix._replace(lat=fix.lat + 0.1) if n == len(fixes) // 2 else fix for n, fix in enumerate(fixes)]


def _slow_clock(fixes: list[Fix]) -> list[Fix]:
    return [fix._replace(fix_ms=fixes[0].fix_ms + (fix.fix_ms - fixes[0].fix_ms) // 50) for fix in fixes]


def _fast_clock(fixes: list[Fix]) -> list[Fix]:
    return [fix._replace(fix_ms=fixes[0].fix_ms + (fix.fix_ms - fixes[0].fix_ms) * 50) for fix in fixes]


def _ahead(fixes: list[Fix]) -> list[Fix]:
    return [fix._replace(fix_ms=fix.fix_ms + 20 * 365 * 86_400_000) for fix in fixes]


def _stands_an_hour(fixes: list[Fix]) -> list[Fix]:
    half = len(fixes) // 2
    still = [fixes[half]._replace(fix_ms=fixes[half].fix_ms + n * 15_000) for n in range(1, 240)]
    return [*fixes[: half + 1], *still, *(fix._replace(fix_ms=fix.fix_ms + 3_600_000) for fix in fixes[half + 1 :])]


def _to_and_fro(fixes: list[Fix]) -> list[Fix]:
    there = [fix._replace(fix_ms=fixes[0].fix_ms + 3 * (fix.fix_ms - fixes[0].fix_ms)) for fix in fixes]
    back = [fix._replace(fix_ms=2 * there[-1].fix_ms - fix.fix_ms) for fix in reversed(there[:-1])]
    return [*there, *back]


@pytest.mark.parametrize(
    ("wrong", "most"),
    [
        (_leaps, 1.1),
        (_slow_clock, 1.1),
        (_fast_clock, 1.1),
        (_ahead, 1.1),
        (_stands_an_hour, 1.17),
        (_to_and_fro, 1.3),
    ],
)
def test_a_wrong_track_does_not_move_the_pace_of_a_city(
    wrong: Callable[[list[Fix]], list[Fix]], most: float, tmp_path: Path
) -> None:
    """One vehicle in twenty is wrong. Who leaps or has a wrong clock teaches nothing, who stands no more than a queue,
    and who patrols at a third of the pace for six times as long is a quarter of all that is known."""
    file = tmp_path / "trips.csv"
    file.write_text(trips(40, 1.0), encoding="utf-8")
    tracks = read_tracks(file)
    hostile = [
        replace(track, segments=[wrong(list(segment)) for segment in track.segments]) if n % 20 == 10 else track
        for n, track in enumerate(tracks)
    ]
    weights = []
    for these in (tracks, hostile):
        learner = Learner(town(), ROUTINE, RULES)
        drives, _ = drives_of(town(), these, RULES, until_ms=T0 + 86_400_000)
        prequential(learner, drives)
        weights.append(learner.weights_at(T0 + 45 * 60_000).edge_ms.astype(np.int64).sum())
    right, moved = weights
    assert 1 / 1.1 < moved / right < most


def test_a_model_goes_on_where_it_ended(drives: Callable[..., list[Drive]], tmp_path: Path) -> None:
    some = drives(40, 1.6)
    learner = Learner(town(), ROUTINE, RULES)
    prequential(learner, some)
    learner.model.save(tmp_path / "deep" / "routine.npz", town(), ROUTINE)
    again = Model.load(tmp_path / "deep" / "routine.npz", town(), ROUTINE)
    assert again.punctuality == learner.model.punctuality
    assert again.seconds == learner.model.seconds > 1_000
    for name in ("node", "driven_ms", "expected_ms"):
        np.testing.assert_array_equal(getattr(again.pace, name), getattr(learner.model.pace, name))
    fresh, known = (
        figures(prequential(Learner(town(), ROUTINE, RULES, model), drives(20, 1.6, 60, 9))["road"])
        for model in (None, again)
    )
    assert known["median_ape"] < fresh["median_ape"]


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "routine.npz"
    with pytest.raises(TrackError, match="cannot be read"):
        Model.load(file, town(), ROUTINE)
    for content in (b"", b"PK\x03\x04 and nonsense", b"\x93NUMPY"):
        file.write_bytes(content)
        with pytest.raises(TrackError, match="no model that `geo-backup learn` wrote"):
            Model.load(file, town(), ROUTINE)
    np.savez(file, of=np.array('{"format": 1}'), sums=np.zeros(3), drives=np.zeros(3), minute=np.array(1))
    with pytest.raises(TrackError, match="no model"):
        Model.load(file, town(), ROUTINE)
    Learner(town(), ROUTINE, RULES).model.save(file, town(), ROUTINE)
    other = replace(ROUTINE, speed=replace(ROUTINE.speed, limit_share=0.5))
    with pytest.raises(TrackError, match="other numbers of the profile"):
        Model.load(file, town(), other)


def test_the_command_learns_measures_and_says_what_is_wrong(run: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "trips.csv"
    file.write_text(trips(40, 1.6), encoding="utf-8")
    out, layer = tmp_path / "routine.npz", tmp_path / "pace.geojson"
    told = run("learn", file, "--map", GOTHENBURG, "--out", out, "--layer", layer)
    assert "40 drives" in told
    assert "class: residential" in told
    assert json.loads(layer.read_text(encoding="utf-8"))["features"]
    measured = json.loads(run("learn", file, "--map", GOTHENBURG, "--from", out, "--prequential", "--json"))
    assert set(measured["levels"]) >= {"class speeds", "road"}
    assert measured["median_ape"] == measured["levels"]["road"]["median_ape"]
    assert {"drives", "mae_s", "bias_s", "p90_abs_s", "coverage_80", "share_under_p90"} <= set(measured)
    with pytest.raises(Exception, match="there is no 'siren'"):
        run("learn", file, "--map", GOTHENBURG, "--profile", "siren")
    far = tmp_path / "far.csv"
    far.write_text(
        "unit_id,time,lon,lat\nA,2026-01-01T00:00:00Z,1,1\nA,2026-01-01T00:00:15Z,1.001,1\n", encoding="utf-8"
    )
    with pytest.raises(Exception, match="none of 1 tracks is a drive on this map"):
        run("learn", far, "--map", GOTHENBURG)
