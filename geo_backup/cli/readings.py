"""Commands that ask a map: arrival times, demand, policies over recorded calls, drills."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from geo_backup.cli.terminal import JsonOption, MapOption, app, progress_bar
from geo_backup.errors import BadValueError

if TYPE_CHECKING:
    from geo_backup.formats.calls import Call
    from geo_backup.formats.stations import Station


@app.command()
def etas(
    map_folder: MapOption,
    target: Annotated[str, typer.Option(help="LON,LAT of the incident.")],
    starts: Annotated[str, typer.Argument(help="CSV with columns lon,lat[,course_deg], or - for standard input.")],
    profile: Annotated[
        str, typer.Option(help="A profile of the map (`map info` lists them) or NAME.toml.")
    ] = "response",
    at: Annotated[str | None, typer.Option(help="RFC 3339 time, for profiles with rush hours; default: now.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Drive times from many places to one.

    Example: geo-backup etas --map maps/gothenburg --target 11.97,57.70 units.csv
    """
    from geo_backup.backup.readings import etas as read_etas
    from geo_backup.backup.standing import Standing
    from geo_backup.backup.view import view
    from geo_backup.live_map import LiveMap
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import load_profile, profiles_of

    network = RoadNetwork.load(map_folder)
    profiles = dict(profiles_of(network))
    if profile.endswith(".toml"):
        given = load_profile(profile)
        profile, profiles[given.name] = given.name, given
    if profile not in profiles:
        raise BadValueError("--profile", "profile", f"--profile is one of {', '.join(profiles)}, not {profile!r}")
    lon, lat = _lon_lat(target)
    places = _starts(starts)
    standing = Standing(network, profiles=profiles)
    standing.update(view(LiveMap(), round(time.time() * 1_000) if at is None else _ms(at)))
    answer = read_etas(standing, lon, lat, places, profile)
    if as_json:
        print(json.dumps(answer))
        return
    print("lon,lat,eta_s,reason")
    for place, eta, reason in zip(places, answer["etas_s"], answer["reasons"], strict=True):
        print(f"{place[0]},{place[1]},{'' if eta is None else eta},{reason or ''}")


@app.command()
def demand(
    file: Annotated[Path, typer.Argument(help="CSV of past calls: call_id,time,lon,lat, or San Francisco's columns.")],
    map_folder: MapOption,
    to: Annotated[str | None, typer.Option("--to", help="Let a running server learn from the file.")] = None,
    hold_back: Annotated[int, typer.Option(min=1, max=365, help="Last days that the forecast is held against.")] = 4,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of CSV times without offset.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="CSV columns, such as call_id=Nr,time=Received,lon=x,lat=y")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Where calls come from, by hour: how good that is as a forecast, and teach it to a server. Calls, never persons.

    Scores are predictive accuracy indices: how many times more of the held-back calls than by chance lie in the share
    of the area that is forecast highest.

    Example: geo-backup demand calls.csv --map maps/sf --hold-back 4
    """
    import numpy as np

    from geo_backup.backup.demand import of_roads, score, week_hour
    from geo_backup.formats import calls as calls_csv
    from geo_backup.roads.network import RoadNetwork

    network = RoadNetwork.load(map_folder)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadValueError("FILE", "file", f"{file} cannot be read: {error.strerror or error}") from None
    zone = network.area.timezone
    read = calls_csv.read(data, columns=calls_csv.columns_of(columns) if columns else None, timezone=timezone or zone)
    calls = sorted(read.calls, key=lambda call: call.received_ms)
    if not calls:
        raise BadValueError("FILE", "empty", f"{file} has no call with a time and a place")
    cut_ms = calls[-1].received_ms - hold_back * 86_400_000

    def columns_of(some: list[Any]) -> tuple[Any, Any, Any]:
        hours = [week_hour(call.received_ms, zone) % 24 for call in some]
        return np.array([call.lon for call in some]), np.array([call.lat for call in some]), np.array(hours, np.int64)

    past = columns_of([call for call in calls if call.received_ms <= cut_ms])
    later = columns_of([call for call in calls if call.received_ms > cut_ms])
    if not len(past[0]):
        raise BadValueError("--hold-back", "range", f"no call is older than {hold_back} days; hold back fewer")
    places = of_roads(network)
    scores = {share: score(places, past, later, share) for share in (0.05, 0.1, 0.2)}
    rows = {f"{share:.0%}": one._asdict() for share, one in scores.items()}
    adopted = asyncio.run(_teach(to, data)) if to is not None else None
    if as_json:
        print(json.dumps({"calls": len(calls), "wrong": dict(read.wrong), "scores": rows, "adopted": adopted}))
        return
    print(f"{len(past[0]):,} past calls, {len(later[0]):,} held back, {len(places.lon):,} places of {places.cell_m} m")
    table = Table("share of area", "forecast by hour", "map of all hours", "map by hour")
    for share, one in rows.items():
        table.add_row(share, *(f"{one[name]:.2f}" for name in ("forecast", "count_map", "count_map_by_hour")))
    Console().print(table)
    for why, count in read.wrong.items():
        print(f"left out, {why}: {count:,}")
    if adopted is not None:
        print(f"the server expects calls as these {adopted['calls']:,} were: {adopted['demand_id']}")


@app.command()
def simulate(
    map_folder: MapOption,
    calls: Annotated[Path | None, typer.Option(help="Recorded calls: CSV, one row a unit's response.")] = None,
    stations: Annotated[Path | None, typer.Option(help="CSV with columns station,lon,lat.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="Event log, instead of calls and stations: what if others had been sent?")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="road, air, cover or home; may be said several times. Default: all.")
    ] = None,
    move_up: Annotated[bool, typer.Option(help="Under `cover`, also move free units into gaps, and back.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same turnouts and intervals.")] = 1,
    pace: Annotated[
        str, typer.Option(help="Drives take so many times as long; `fit` takes it from the recorded travel times.")
    ] = "1",
    columns: Annotated[
        str | None, typer.Option(help="CSV columns, such as call_id=Nr,time=Received,lon=x,lat=y,unit_id=Car")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of CSV times without offset.")] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file to draw: how soon the first unit is there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer recorded calls again under several policies, on the real network, and compare.

    Example: geo-backup simulate --map maps/sf --calls calls.csv --stations stations.csv --policy road --policy air
    """
    from geo_backup.lab.compare import compare, prepare, summary
    from geo_backup.lab.plot import draw
    from geo_backup.lab.tables import print_policies
    from geo_backup.roads.network import RoadNetwork

    names = _policies(policy)
    network = RoadNetwork.load(map_folder)
    past = _past(calls, stations, log, columns, timezone)
    started = time.perf_counter()
    with progress_bar() as progress:
        bar = progress.add_task("drive times", total=1.0)

        def show(what: str, done: float) -> None:
            progress.update(bar, description=what, completed=done)

        record, ground, left_out, checked = prepare(network, past.calls, past.stations, pace, seed, show, past.fleet)
        measured = compare(record, ground, names, move_up, show)
    answer = {
        "policies": summary(measured, seed),
        "simulated_s": round(record.span_ms / 1_000),
        "wall_s": round(time.perf_counter() - started, 2),
        "check": checked,
        "left_out": {**past.wrong, **left_out},
    }
    if plot is not None:
        plot.write_text(draw(measured, f"{network.area.name}, {len(record.calls):,} calls"), encoding="utf-8")
    if as_json:
        print(json.dumps(answer))
    else:
        print_policies(answer)


def _policies(names: list[str] | None) -> list[str]:
    from geo_backup.lab.policy import POLICIES

    for name in names or ():
        if name not in POLICIES:
            raise BadValueError("--policy", "policy", f"--policy is one of {', '.join(POLICIES)}, not {name!r}")
    return list(dict.fromkeys(names or POLICIES))


class _Past(NamedTuple):
    """What is answered again: calls, where units wait, the kind of each unit if it is known, and what was left out."""

    calls: Sequence[Call]
    stations: Sequence[Station]
    fleet: Mapping[str, str] | None
    wrong: Mapping[str, int]


def _past(
    calls: Path | None, stations: Path | None, log: Path | None, columns: str | None, timezone: str | None
) -> _Past:
    if log is not None and calls is None and stations is None:
        return _past_of_log(log)
    if calls is None or stations is None or log is not None:
        raise BadValueError("--calls", "missing", "name --calls CALLS.csv and --stations STATIONS.csv, or --log LOG")
    from geo_backup.formats.calls import columns_of, read
    from geo_backup.formats.stations import read_stations

    mapping = columns_of(columns) if columns else None
    found = read(_lines("--calls", calls), columns=mapping, timezone=timezone)
    return _Past(found.calls, read_stations(_lines("--stations", stations)), None, found.wrong)


def _past_of_log(log: Path) -> _Past:
    from geo_backup.eventlog import open_log
    from geo_backup.lab.logged import read_log

    with closing(open_log(log, read_only=True)) as opened:
        logged = read_log(event for _, event in opened.read_all())
    wrong = {"incident to which nobody was sent": logged.unassigned} if logged.unassigned else {}
    return _Past(logged.calls, logged.stations, logged.fleet, wrong)


@app.command()
def drill(
    file: Annotated[Path, typer.Argument(help="Scenario: TOML with units, injects and whom the crew sent.")],
    map_folder: MapOption,
    as_json: JsonOption = False,
) -> None:
    """Score a crew's choices in an exercise against the best in hindsight.

    Example: geo-backup drill examples/drills/river.toml --map maps/gothenburg
    """
    from geo_backup.lab.drill import score
    from geo_backup.lab.scenario import read_scenario
    from geo_backup.lab.tables import print_score
    from geo_backup.roads.network import RoadNetwork

    found = score(RoadNetwork.load(map_folder), read_scenario("\n".join(_lines("FILE", file))))
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print_score(found)


def _lines(option: str, path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadValueError(option, "file", f"{path} cannot be read: {error}") from None


async def _teach(url: str, file: bytes) -> dict[str, Any]:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        return dict(await client.call("PUT", "/v1/demand", file))


def _ms(text: str) -> int:
    from geo_backup.wire.times import to_ms

    try:
        return to_ms(text)
    except ValueError as error:
        raise BadValueError("--at", "time", f"--at is a time such as 2026-11-23T08:15:00+01:00: {error}") from None


def _lon_lat(text: str) -> tuple[float, float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        lon = lat = float("nan")
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise BadValueError("--target", "target", f"--target is LON,LAT in degrees, not {text!r}")
    return lon, lat


def _starts(path: str) -> list[list[float]]:
    """Rows lon, lat[, course_deg] of a CSV file with a header; a course out of range (-1) is unknown."""
    from geo_backup.events import COURSE_DEG
    from geo_backup.formats.tracks import degrees

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadValueError("STARTS", "file", f"{path} cannot be read: {error}") from None
    rows = csv.DictReader(text.splitlines())
    if not {"lon", "lat"} <= set(rows.fieldnames or ()):
        raise BadValueError(
            "STARTS", "columns", f"{path} needs a first line that names the columns lon,lat[,course_deg]"
        )
    out = []
    for number, row in enumerate(rows, start=2):
        try:
            place = [degrees(row[name], name) for name in ("lon", "lat")]
            if row.get("course_deg"):
                course = degrees(row["course_deg"], "course_deg")
                place += [course] if COURSE_DEG[0] <= course <= COURSE_DEG[1] else []
        except ValueError as error:
            raise BadValueError("STARTS", "number", f"{path} line {number}: {error}") from None
        if not (abs(place[0]) <= 180 and abs(place[1]) <= 90):
            raise BadValueError("STARTS", "range", f"{path} line {number}: lon or lat is out of range")
        out.append(place)
    return out
