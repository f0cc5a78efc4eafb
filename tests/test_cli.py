"""The command line: help with an example, JSON that parses, and failures in one clear line."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from geo_backup import cli
from geo_backup.custody import LogRepaired, RecordsPurged
from geo_backup.eventlog import open_log
from geo_backup.events import NetworkAdopted
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.route import cut_line
from tests.running import GOTHENBURG, ROOT, Failed, Server, ServerInThread, free_port
from tests.stories import ms, opened, part, ping, unit

COMMANDS = [
    *(["demo"], ["serve"], ["map", "build"], ["map", "info"], ["etas"], ["replay"], ["watch"], ["verify"]),
    *(["match"], ["quarantine"]),
    *(["simulate"], ["drill"], ["demand"], ["explain"], ["report", "response"], ["report", "eta"]),
    *(["audit", "verify"], ["audit", "key"]),
    *(["places", name] for name in ("find", "name", "add", "list", "remove", "build")),
    *(["log", name] for name in ("backup", "restore", "repair", "acknowledge", "purge", "hold", "release")),
]
MAP = ["--map", str(GOTHENBURG)]


def one_line(failure: pytest.ExceptionInfo[Failed]) -> str:
    lines = str(failure.value).strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("geo-backup: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example(command: list[str]) -> None:
    done = CliRunner().invoke(cli.app, [*command, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert f"Example: geo-backup {' '.join(command)} " in " ".join(done.output.split())


def test_help_names_every_command() -> None:
    output = CliRunner().invoke(cli.app, ["--help"]).output
    for command in COMMANDS:
        assert command[0] in output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["serve", "--map", "nowhere", "--port", "0"], "nowhere"),
        (["serve", *MAP, "--clock", "sundial"], "--clock"),
        (["serve", *MAP, "--host", "0.0.0.0"], "GEO_BACKUP_TOKEN"),
        (["serve", *MAP, "--tls-cert", "cert.pem"], "--tls-key"),
        (["serve", *MAP, "--tls-cert", "cert.pem", "--tls-key", "key.pem"], "cert.pem and key.pem are not"),
        (["serve", *MAP, "--trusted-proxy", "next door"], "10.0.0.0/24"),
        (["serve", *MAP, "--port", "0", "--log", "/"], "folder"),
        (["serve", *MAP, "--port", "0", "--log", "/nowhere/log.sqlite"], "/nowhere"),
        (["serve", *MAP, "--port", "0", "--log", "tape://reel"], "tape:// is no log that is known here"),
        (["verify", "tape://reel", *MAP], "name a file, or one of sqlite://"),
        (["audit", "verify", "nats://127.0.0.1/area"], "serve --copy"),
        (["log", "repair", "nats://127.0.0.1/area"], "serve --copy"),
        (["map", "info", "nowhere"], "nowhere"),
        (["map", "build", "nowhere.osm.pbf", "--out", "x"], "nowhere.osm.pbf"),
        (["etas", *MAP, "--target", "here", "x.csv"], "LON,LAT"),
        (["etas", *MAP, "--target", "nan,1", "x.csv"], "--target"),
        (["etas", *MAP, "--target", "11.97,57.70", "nowhere.csv"], "nowhere.csv"),
        (["etas", *MAP, "--target", "11.97,57.70", "--profile", "flying", "x.csv"], "--profile"),
        (["verify", "nowhere.sqlite", *MAP], "nowhere.sqlite"),
        (["report", "response", "nowhere.sqlite"], "nowhere.sqlite"),
        (["report", "response", "nowhere.sqlite", "--timezone", "Mars"], "--timezone"),
        (["report", "eta", "nowhere.sqlite"], "nowhere.sqlite"),
        (["report", "eta", "nowhere.sqlite", "--timezone", "Mars"], "--timezone"),
        (["report", "eta", "nowhere.sqlite", "--plot", "nowhere/etas.svg"], "--plot nowhere/etas.svg"),
        (["watch", "nowhere"], "http://"),
        (["watch", "http://127.0.0.1:99999"], "no server address"),
        (["promote", "http://127.0.0.1:99999"], "no server address"),
        (["follow", "http://127.0.0.1:99999", *MAP], "no server address"),
        (["match", "nowhere.csv", *MAP], "nowhere.csv"),
        (["match", "x.csv", "--map", "nowhere"], "nowhere is not a map"),
        (["match", "x.csv", *MAP, "--lag", "soon"], "--lag is 0, a number of seconds such as 60, or all, not 'soon'"),
        (["match", "x.csv", *MAP, "--out", "nowhere/x.csv"], "--out nowhere/x.csv"),
        (["replay", "nowhere.csv", *MAP], "nowhere.csv"),
        (["replay", "[/]nowhere.csv", *MAP], "[/]nowhere.csv"),
        (["replay", "nowhere.csv", *MAP, "--columns", "time"], "'time' is no name=column"),
    ],
)
def test_a_failure_is_one_clear_line(
    run: Any, args: list[str], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GEO_BACKUP_TOKEN", raising=False)
    with pytest.raises(Failed) as failure:
        run(*args)
    assert words in one_line(failure)
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use(run: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Failed) as failure:
            run("serve", *MAP, "--port", port, "--log", tmp_path / "log.sqlite")
    assert f"port {port} is in use" in one_line(failure)
    assert list(tmp_path.iterdir()) == []


def test_a_short_token_is_none(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEO_BACKUP_TOKEN", "short")
    with pytest.raises(Failed) as failure:
        run("serve", *MAP, "--host", "0.0.0.0")
    assert "16 characters" in one_line(failure)


def test_beyond_loopback_it_needs_tls_or_a_proxy_by_name(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GEO_BACKUP_TOKEN", "correct-horse-battery")
    with pytest.raises(Failed) as failure:
        run("serve", *MAP, "--host", "0.0.0.0", "--log", tmp_path / "log.sqlite")
    assert "--tls-cert FILE --tls-key FILE" in one_line(failure)
    assert "--trusted-proxy ADDRESS" in one_line(failure)
    assert list(tmp_path.iterdir()) == []


def test_nobody_to_watch(run: Any) -> None:
    with pytest.raises(Failed) as failure:
        run("watch", f"http://127.0.0.1:{free_port()}", "--once")
    assert "is the server running" in one_line(failure)


def test_no_log_and_no_map(run: Any, tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("this is no log")
    with pytest.raises(Failed) as failure:
        run("verify", tmp_path / "text.sqlite", *MAP)
    assert "text.sqlite" in one_line(failure)


def test_etas(run: Any, tmp_path: Path) -> None:
    starts = tmp_path / "units.csv"
    starts.write_text("lon,lat,course_deg\n11.96,57.69,\n11.96,57.69,90\n0,0,\n")
    lines = run("etas", *MAP, "--target", "11.97,57.70", starts).splitlines()
    assert lines[0] == "lon,lat,eta_s,reason"
    assert len(lines) == 4
    assert lines[3].endswith("off_map")
    answer = json.loads(run("etas", *MAP, "--target", "11.97,57.70", starts, "--json"))
    assert answer["reasons"] == [None, None, "off_map"]
    starts.write_text("x,y\n1,2\n")
    with pytest.raises(Failed) as failure:
        run("etas", *MAP, "--target", "11.97,57.70", starts)
    assert "lon,lat[,course_deg]" in one_line(failure)
    starts.write_text("lon,lat\n1,two\n")
    with pytest.raises(Failed) as failure:
        run("etas", *MAP, "--target", "11.97,57.70", starts)
    assert "line 2: lat 'two' is not a number" in one_line(failure)
    starts.write_text("lon,lat,course_deg\n11.96,57.69,\n11.96,57.69,-1\n11.96,57.69,360.0001\n")
    answer = json.loads(run("etas", *MAP, "--target", "11.97,57.70", starts, "--json"))
    assert len(set(answer["etas_s"])) == 1, "a course that is unknown is none"
    with pytest.raises(Failed) as failure:
        run("etas", *MAP, "--target", "57.70,11.97", starts.with_name("units.csv"))
    one_line(failure)


def test_etas_by_a_profile_of_ones_own(run: Any, tmp_path: Path) -> None:
    starts, engine = tmp_path / "units.csv", tmp_path / "engine.toml"
    starts.write_text("lon,lat\n11.96,57.69\n")
    engine.write_text('extends = "response"\nabout = "A fire engine."\n[vehicle]\ntop_kmh = 30\n')

    def eta(profile: object) -> float:
        args = ("--target", "11.97,57.70", "--profile", profile, starts, "--json")
        return float(json.loads(run("etas", *MAP, *args))["etas_s"][0])

    assert eta("foot") > eta(engine) > eta("response")
    engine.write_text('extends = "response"\nabout = "A fire engine."\n[vehicle]\ntop_kph = 30\n')
    with pytest.raises(Failed) as failure:
        eta(engine)
    assert f"{engine}: vehicle.top_kph is no key of a profile; did you mean top_kmh?" in one_line(failure)


def test_etas_at_an_hour(run: Any, tmp_path: Path) -> None:
    (starts := tmp_path / "starts.csv").write_text("lon,lat\n11.9560,57.7215\n")
    rush = tmp_path / "rush.toml"
    rush.write_text(f'extends = "routine"\nabout = "Rush hours."\n[hours]\nall = {[1.0] * 8 + [0.5] + [1.0] * 15}\n')

    def eta(*at: str) -> float:
        args = ("--target", "11.97,57.70", "--profile", str(rush), str(starts), "--json")
        return float(json.loads(run("etas", *MAP, *args, *at))["etas_s"][0])

    free, slow = eta("--at", "2026-01-15T07:59:59+01:00"), eta("--at", "2026-01-15T07:00:00Z")
    assert slow > 1.3 * free
    assert eta() in (free, slow), "now"
    with pytest.raises(Failed) as failure:
        eta("--at", "8 o'clock")
    assert "--at is a time such as" in one_line(failure)


def test_map_info(run: Any) -> None:
    rows = json.loads(run("map", "info", GOTHENBURG, "--json"))
    assert rows["directed_edges"] > 10_000
    assert "OpenStreetMap" in rows["attribution"]
    assert {"routine", "response", "motorbike"} <= set(rows["profiles"])
    assert "directed edges" in run("map", "info", GOTHENBURG)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = ServerInThread(tmp_path_factory.mktemp("cli") / "log.sqlite").start()
    yield server
    server.stop()


def test_watch_once_and_verify(run: Any, server: Server) -> None:
    def watch(*more: str) -> str:
        command = [sys.executable, "-m", "geo_backup", "watch", server.url, "--once", *more]
        return subprocess.run(command, capture_output=True, cwd=ROOT, check=True, timeout=30, text=True).stdout

    state = json.loads(watch("--json"))
    assert (state["mode"], state["incidents"]) == ("live", {})
    assert "Gothenburg" in watch()
    report = json.loads(run("verify", server.log, *MAP, "--json"))
    assert report["wrong"] == []
    assert report["events"] >= 1


def test_two_servers_do_not_share_a_log(run: Any, server: Server) -> None:
    with pytest.raises(Failed) as failure:
        run("serve", *MAP, "--port", "0", "--log", server.log)
    assert str(server.log) in one_line(failure)
    with pytest.raises(Failed) as failure:
        run("serve", *MAP, "--port", "0", "--log", f"sqlite://{server.log}")
    assert f"{server.log} " in one_line(failure), "a URL names the same file"


def test_a_live_server_takes_no_replay(run: Any, server: Server, tmp_path: Path) -> None:
    track = tmp_path / "track.csv"
    track.write_text("unit_id,time,lon,lat\nP1,2026-01-01T00:00:00Z,11.97,57.70\nP1,2026-01-01T00:00:05Z,11.97,57.70\n")
    with pytest.raises(Failed) as failure:
        run("replay", track, "--to", server.url)
    assert "--clock replay" in one_line(failure)


def test_replay_says_what_it_leaves_out(run: Any, tmp_path: Path) -> None:
    track = tmp_path / "[b]track.csv"
    track.write_text("unit_id,time,lon,lat,speed_kmh\nP1,1795435200,11.97,57.70,-1\nP1,1795435205,x[/],57.70,\n")
    with pytest.raises(Failed) as failure:
        run("replay", track, "--to", "http://127.0.0.1:9")
    said = " ".join(str(failure.value).split())
    assert "[b]track.csv: 1 row left out: line 3: longitude 'x[/]' is not a number;" in said
    assert "1 value taken as unknown: line 2: speed_mps -0.277778 is out of range" in said


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A drive along a street of Gothenburg, on into a field far from any road, and back after ten minutes."""
    network = RoadNetwork.load(GOTHENBURG)
    edge = int(np.argmax(np.where(network.edge_flags == EdgeFlag.LEGAL | EdgeFlag.MAIN, network.edge_length_m, 0.0)))
    places = [cut_line(network.edge_line(edge), 0.0, share, network.metres_per_deg)[-1] for share in (0.2, 0.4, 0.6)]
    rows = [f"P1,{1_795_435_200 + 20 * n},{lon:.6f},{lat:.6f}" for n, (lon, lat) in enumerate(places)]
    rows += ["P1,1795435260,11.0,57.0", *(row.replace("17954352", "17954358") for row in rows)]
    (tmp_path / "track.csv").write_text("unit_id,time,lon,lat\n" + "\n".join(rows) + "\n")
    return tmp_path / "track.csv"


@pytest.mark.parametrize("lag", ["0", "60", "all"])
def test_match_puts_fixes_on_roads(run: Any, drive: Path, lag: str) -> None:
    rows = list(csv.DictReader(run("match", drive, *MAP, "--lag", lag).splitlines()))
    assert list(rows[0]) == [
        *("unit_id", "fix_time", "lon", "lat", "edge", "osm_way", "matched_lon", "matched_lat", "course_deg"),
        "distance_m",
    ]
    assert [row["fix_time"][11:19] for row in rows[:2]] == ["12:00:00", "12:00:20"]
    assert len(rows) == 7
    off = rows.pop(3)
    assert off["unit_id"] == "P1"
    assert set(list(off.values())[4:]) == {""}
    assert all(float(row["distance_m"]) < 1 and int(row["osm_way"]) > 0 for row in rows)
    assert {row["edge"] for row in rows[1:3]} == {rows[2]["edge"]}
    assert all(float(row["matched_lon"]) == pytest.approx(float(row["lon"]), abs=1e-5) for row in rows)
    answer = json.loads(run("match", drive, *MAP, "--lag", lag, "--json"))
    assert (answer["units"], answer["fixes"], answer["on_road"], answer["off_road"], answer["drives"]) == (
        1,
        7,
        6,
        1,
        2,
    )
    assert [str(row["edge"] or "") for row in answer["rows"]] == [r["edge"] for r in (*rows[:3], off, *rows[3:])]


def test_match_writes_each_drive_as_a_line(run: Any, drive: Path, tmp_path: Path) -> None:
    out = tmp_path / "drives.geojson"
    answer = json.loads(run("match", drive, *MAP, "--out", out, "--json"))
    lines = json.loads(out.read_text())["features"]
    assert [line["geometry"]["type"] for line in lines] == ["LineString"] * 2
    assert [line["properties"]["fixes"] for line in lines] == [3, 3]
    assert sum(line["properties"]["distance_m"] for line in lines) / 1e3 == pytest.approx(
        answer["driven_km"], abs=0.001
    )
    assert lines[0]["properties"]["start_time"] == "2026-11-23T12:00:00.000Z"
    assert "drives" in run("match", drive, *MAP, "--out", tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 8


@pytest.mark.parametrize(("text", "words"), [("", "track.csv"), ("a,b\n1,2\n", "track.csv")])
def test_match_names_what_is_wrong_with_a_file(run: Any, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "track.csv").write_text(text)
    with pytest.raises(Failed) as failure:
        run("match", tmp_path / "track.csv", *MAP, "--out", tmp_path / "out.csv")
    assert words in one_line(failure)
    assert not (tmp_path / "out.csv").exists()


CALLS = """Nr,Alarm,x,y,Car,Type,Sent,Rolling,There,Free
1,2026-03-01T10:00:00,11.970,57.705,E1,engine,2026-03-01T10:01:00,2026-03-01T10:02:00,2026-03-01T10:05:00,2026-03-01T10:30:00
1,2026-03-01T10:00:00,11.970,57.705,E2,engine,2026-03-01T10:01:00,2026-03-01T10:02:00,2026-03-01T10:08:00,2026-03-01T10:40:00
2,2026-03-01T12:00:00,11.945,57.721,E2,engine,2026-03-01T12:01:00,2026-03-01T12:02:00,2026-03-01T12:05:00,2026-03-01T12:30:00
3,2026-03-01T13:00:00,,,E2,engine,2026-03-01T13:01:00,,,2026-03-01T13:05:00
"""
CALL_COLUMNS = (
    "call_id=Nr,time=Alarm,lon=x,lat=y,unit_id=Car,unit_kind=Type,"
    "dispatch=Sent,en_route=Rolling,on_scene=There,available=Free"
)


def test_simulate(run: Any, tmp_path: Path) -> None:
    calls, stations, plot = tmp_path / "calls.csv", tmp_path / "stations.csv", tmp_path / "plot.svg"
    calls.write_text(CALLS)
    stations.write_text("station,lon,lat\n1,11.9668,57.7072\n2,11.94,57.72\n")
    given = ["simulate", *MAP, "--calls", calls, "--stations", stations]
    mapped = [*given, "--columns", CALL_COLUMNS, "--timezone", "Europe/Stockholm"]
    answer = json.loads(run(*mapped, "--policy", "road", "--policy", "air", "--plot", plot, "--json"))
    assert {"policies", "simulated_s", "wall_s"} <= set(answer)
    assert list(answer["policies"]) == ["road", "air"]
    road = answer["policies"]["road"]
    assert {"calls", "first_travel_s", "kth_travel_s", "within_4_min", "within_8_min", "cover_lost", "moves"} <= set(
        road
    )
    assert road["calls"] == 2
    assert 0 < road["first_travel_s"]["median"] <= road["first_travel_s"]["p90"]
    assert answer["simulated_s"] == 7_200
    assert answer["left_out"] == {"no_place": 1}
    assert plot.read_text().startswith("<svg")
    assert "times real time" in run(*mapped)
    with pytest.raises(Failed) as failure:
        run(*given)
    assert "call_id=COLUMN" in one_line(failure)
    with pytest.raises(Failed) as failure:
        run(*given, "--columns", CALL_COLUMNS)
    assert "no usable row" in one_line(failure)
    with pytest.raises(Failed) as failure:
        run(*mapped, "--policy", "magic")
    assert "road, air, cover, home" in one_line(failure)


def test_demand_is_scored_and_taught(run: Any, server: Server, tmp_path: Path) -> None:
    """Ten days of calls from one corner: the forecast finds all of the last days' there."""
    rows = [f"c{n},2026-11-{1 + n % 10:02d}T{n % 24:02d}:00:00Z,11.9746,57.7089" for n in range(240)]
    calls = tmp_path / "calls.csv"
    calls.write_text("\n".join(["call_id,time,lon,lat", *rows, "bad,,,"]))
    told = json.loads(run("demand", calls, *MAP, "--hold-back", 3, "--to", server.url, "--json"))
    assert told["calls"] == 240
    assert sum(told["wrong"].values()) == 1
    assert told["scores"]["5%"]["count_map"] == pytest.approx(20, rel=0.1)
    assert told["scores"]["5%"]["past"] + told["scores"]["5%"]["later"] == 240
    assert told["adopted"]["calls"] == 240
    assert "forecast by hour" in run("demand", calls, *MAP)
    with pytest.raises(Failed, match="hold back fewer"):
        run("demand", calls, *MAP, "--hold-back", 300)
    with pytest.raises(Failed, match="cannot be read"):
        run("demand", tmp_path / "none.csv", *MAP)


def test_drill(run: Any, tmp_path: Path) -> None:
    file = ROOT / "examples" / "drills" / "river.toml"
    answer = json.loads(run("drill", file, *MAP, "--json"))
    assert [choice["incident_id"] for choice in answer["choices"]] == ["fight", "search", "crash"]
    assert "EXERCISE" in run("drill", file, *MAP)
    broken = tmp_path / "broken.toml"
    broken.write_text(file.read_text().replace("priority = 2", "priority = 9"))
    with pytest.raises(Failed) as failure:
        run("drill", broken, *MAP)
    assert "/inject/0: priority is a number from 1 to 5" in one_line(failure)


def test_a_log_is_proven_kept_and_purged(run: Any, tmp_path: Path) -> None:
    file, copy, again = tmp_path / "log.sqlite", tmp_path / "copy.sqlite", tmp_path / "again.sqlite"

    async def write() -> None:
        log = open_log(file)
        await log.append([unit("P1"), *(ping("P1", n, n) for n in range(10)), opened("i1", 0)])
        log.save_snapshot(12, b"the state")
        log.close()

    asyncio.run(write())
    key = tmp_path / "installation.pub"
    key.write_text(run("audit", "key", file))
    assert len(key.read_text().strip()) == 64
    assert "whole; signed with" in run("audit", "verify", file, "--key", key)
    proof = json.loads(run("audit", "verify", file, "--json"))
    assert (proof["events"], proof["wrong"], proof["words"]) == (12, [], "whole")
    assert "all up to event 12" in run("log", "backup", file, copy)
    assert "it is now" in run("log", "restore", copy, again)
    assert "nothing to repair" in run("log", "repair", file)

    run("log", "hold", file, "case-7", "--unit", "P1", "--from", "2020-01-01T00:00:00Z", "--reason", "court order")
    dry = json.loads(run("log", "purge", file, "--dry-run", "--json"))
    assert (dry["counts"]["raw_fixes"], dry["held"], dry["dry_run"]) == (0, 10, True)
    run("log", "release", file, "case-7")
    assert "raw fixes" in run("log", "purge", file, "--dry-run")
    assert json.loads(run("log", "purge", file, "--json"))["counts"]["raw_fixes"] == 10
    words = run("audit", "verify", file)
    assert "10 purged" in words
    assert "note: purged by rule on" in words
    purged = [event for _, event in open_log(file, read_only=True).read_all() if isinstance(event, RecordsPurged)]
    assert [(one.raw_fixes, one.raw_fixes_days) for one in purged] == [(10, 90)]

    broken = tmp_path / "broken.sqlite"
    run("log", "restore", copy, broken)
    data = bytearray(broken.read_bytes())
    data[4096 * 2 : 4096 * 3] = bytes(4096)
    broken.write_bytes(data)
    said = run("log", "repair", broken)
    (repaired,) = [one for _, one in open_log(broken, read_only=True).read_all() if isinstance(one, LogRepaired)]
    assert hashlib.sha256(data).hexdigest() == repaired.sha256
    assert repaired.sha256 in said
    assert (tmp_path / repaired.former).read_bytes() == data

    with sqlite3.connect(copy) as connection:
        connection.execute("UPDATE facts SET kind = 'UnitRetired' WHERE seq = 1")
    connection.close()
    done = CliRunner().invoke(cli.app, ["audit", "verify", str(copy), "--key", str(key)])
    assert done.exit_code == 1
    assert "WRONG: events 1 to 12" in done.output
    assert "an event was changed" in done.output
    assert "TAMPERED OR DAMAGED" in done.output
    with pytest.raises(Failed) as failure:
        run("audit", "key", tmp_path / "none.sqlite")
    assert "there is no key" in one_line(failure)
    for args in (["hold", file, "x"], ["hold", file, "x", "--unit", "P1", "--from", "monday"]):
        with pytest.raises(Failed) as failure:
            run("log", *args)
        one_line(failure)


def test_report_eta(run: Any, tmp_path: Path) -> None:
    file, plot = tmp_path / "log.sqlite", tmp_path / "etas.svg"
    adopted = NetworkAdopted(
        received_ms=ms(0), network_id="n", area="a", software_version="1", extent=(11.8, 57.6, 12.1, 57.8)
    )

    async def write() -> None:
        log = open_log(file)
        await log.append([adopted, unit("P1"), opened("i1", 0), part("i1", "P1", "assigned", 20, eta_ms=300_000)])
        await log.append([part("i1", "P1", "on_scene", 350)])
        log.close()

    asyncio.run(write())
    answer = json.loads(run("report", "eta", file, "--json", "--plot", plot))
    assert (answer["events"], answer["timezone"]) == (5, "Europe/Stockholm"), "of the map that the log speaks of"
    assert answer["all"] == {
        "drives": 1, "median_ape": 9.1, "mae_s": 30.0, "bias_s": -30.0, "p90_abs_s": 30.0, "coverage_80": 1.0,
        "share_under_p90": 1.0,
    }  # fmt: skip
    assert answer["by"]["hour"] == {"23": answer["all"]}
    assert "1 drive, 2023-11-14" in plot.read_text(encoding="utf-8")
    words = run("report", "eta", file, "--timezone", "UTC")
    assert "5 events; 1 drive, 2023-11-14; hours of UTC" in words
    assert "hour 22" in words
    assert "spread assumed" in words


def test_report_response(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "log.sqlite"

    async def write() -> None:
        log = open_log(file)
        await log.append([unit("P1"), opened("i1", 0), part("i1", "P1", "assigned", 20)])
        await log.append([part("i1", "P1", "en_route", 50), part("i1", "P1", "on_scene", 350)])
        log.close()

    asyncio.run(write())
    answer = json.loads(run("report", "response", file, "--by", "priority", "--json"))
    assert (answer["by"], answer["events"], list(answer["groups"])) == ("priority", 5, ["2"])
    travel = answer["groups"]["2"]["segments"]["travel"]
    assert (travel["count"], travel["median_s"], travel["targets_s"], travel["within_share"]) == (1, 300, [240], 0)
    assert answer["all"]["kth"]["1"]["total"]["p90_s"] == 350
    assert json.loads(run("report", "response", f"sqlite://{file}", "--json"))["events"] == 5
    words = run("report", "response", file, "--by", "hour", "--timezone", "Europe/Stockholm")
    assert "hour 23: 1 response" in words
    assert "no prediction 1" in words
    with pytest.raises(Failed) as failure:
        run("report", "response", file, "--by", "beat")
    assert "priority, hour, agency" in one_line(failure)
