"""Commands that ask a map: arrival times, demand, policies over recorded calls, drills."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geo_backup.cli import words
from geo_backup.cli.errands import looks
from geo_backup.cli.terminal import (
    LOG_HELP,
    JsonOption,
    MapOption,
    TimezoneOption,
    app,
    contents,
    lines,
    progress_bar,
    show,
)
from geo_backup.errors import BadValueError

if TYPE_CHECKING:
    from geo_backup.formats.calls import Call
    from geo_backup.formats.stations import Station
    from geo_backup.lab.compare import Measured
    from geo_backup.roads.kernel import Array
    from geo_backup.roads.network import RoadNetwork

    Columns = tuple[Array, Array, Array]
    """Longitudes, latitudes and hours of calls."""


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
    timezone: TimezoneOption = None,
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
    from geo_backup.backup.demand import of_roads, score
    from geo_backup.formats import calls as calls_csv
    from geo_backup.formats.columns import columns_of
    from geo_backup.roads.network import RoadNetwork

    network = RoadNetwork.load(map_folder)
    data, zone = contents("FILE", file), network.area.timezone
    read = calls_csv.read(data, columns=columns_of(columns) if columns else None, timezone=timezone or zone)
    if not read.calls:
        raise BadValueError("FILE", "empty", f"{file} has no call with a time and a place")
    past, later = _past_and_later(read.calls, hold_back * 86_400_000, zone)
    if not len(past[0]):
        raise BadValueError("--hold-back", "range", f"no call is older than {hold_back} days; hold back fewer")
    places = of_roads(network)
    scores = {f"{share:.0%}": score(places, past, later, share)._asdict() for share in (0.05, 0.1, 0.2)}
    adopted = asyncio.run(_teach(to, data)) if to is not None else None
    if as_json:
        told = {"calls": len(read.calls), "wrong": dict(read.wrong), "scores": scores, "adopted": adopted}
        print(json.dumps(told))
        return
    show(words.held_back(len(past[0]), len(later[0]), len(places.lon), places.cell_m), words.forecast(scores))
    show(*(words.left_out(why, count) for why, count in read.wrong.items()))
    if adopted is not None:
        show(words.taught(adopted["calls"], adopted["demand_id"]))


def _past_and_later(calls: Sequence[Call], held_back_ms: int, zone: str) -> tuple[Columns, Columns]:
    """Calls in order of time, parted so long before the last one; hours are of the day in the zone."""
    import numpy as np

    from geo_backup.backup.demand import week_hour

    def columns(some: Sequence[Call]) -> Columns:
        hours = [week_hour(call.received_ms, zone) % 24 for call in some]
        return np.array([call.lon for call in some]), np.array([call.lat for call in some]), np.array(hours, np.int64)

    cut_ms = calls[-1].received_ms - held_back_ms
    return (
        columns([call for call in calls if call.received_ms <= cut_ms]),
        columns([call for call in calls if call.received_ms > cut_ms]),
    )


@app.command()
def simulate(
    map_folder: MapOption,
    calls: Annotated[Path | None, typer.Option(help="Recorded calls: CSV, one row a unit's response.")] = None,
    stations: Annotated[Path | None, typer.Option(help="CSV with columns station,lon,lat.")] = None,
    log: Annotated[
        str | None, typer.Option(help=f"{LOG_HELP}. Instead of calls and stations: what if others had been sent?")
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
    timezone: TimezoneOption = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file to draw: how soon the first unit is there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer recorded calls again under several policies, on the real network, and compare.

    Example: geo-backup simulate --map maps/sf --calls calls.csv --stations stations.csv --policy road --policy air
    """
    from geo_backup.lab.plot import draw
    from geo_backup.lab.policy import POLICIES
    from geo_backup.lab.tables import print_policies
    from geo_backup.roads.network import RoadNetwork

    names = tuple(dict.fromkeys(policy or POLICIES))
    for name in names:
        if name not in POLICIES:
            raise BadValueError("--policy", "policy", f"--policy is one of {', '.join(POLICIES)}, not {name!r}")
    network = RoadNetwork.load(map_folder)
    past = _logged(log, calls, stations) if log is not None else _recorded(calls, stations, columns, timezone)
    answer, measured, simulated = _simulated(network, past, _Question(names, move_up, seed, pace))
    if plot is not None:
        plot.write_text(draw(measured, words.calls_of(network.area.name, simulated)), encoding="utf-8")
    if as_json:
        print(json.dumps(answer))
    else:
        print_policies(answer)


@dataclass(frozen=True)
class _Past:
    """Who was asked to come where: calls, where units wait, which units there are, and what was left out, by reason."""

    calls: Sequence[Call]
    stations: Sequence[Station]
    fleet: Mapping[str, str] | None
    wrong: Mapping[str, int]


@dataclass(frozen=True)
class _Question:
    """How the past is to be answered again."""

    policies: tuple[str, ...]
    move_up: bool
    seed: int
    pace: str


def _no_record() -> BadValueError:
    return BadValueError("--calls", "missing", "name --calls CALLS.csv and --stations STATIONS.csv, or --log LOG")


def _recorded(calls: Path | None, stations: Path | None, columns: str | None, timezone: str | None) -> _Past:
    from geo_backup.formats.calls import read
    from geo_backup.formats.columns import columns_of
    from geo_backup.formats.stations import read_stations

    if calls is None or stations is None:
        raise _no_record()
    found = read(lines("--calls", calls), columns=columns_of(columns) if columns else None, timezone=timezone)
    return _Past(found.calls, read_stations(lines("--stations", stations)), None, found.wrong)


def _logged(log: str, calls: Path | None, stations: Path | None) -> _Past:
    from geo_backup.eventlog import open_log
    from geo_backup.lab.logged import read_log

    if calls is not None or stations is not None:
        raise _no_record()
    with closing(open_log(log, read_only=True)) as opened:
        found = read_log(event for _, event in opened.read_all())
    looks(log, "history", "calls")
    return _Past(
        found.calls, found.stations, found.fleet, {words.NOBODY_SENT: found.unassigned} if found.unassigned else {}
    )


def _simulated(
    network: RoadNetwork, past: _Past, question: _Question
) -> tuple[dict[str, Any], dict[str, Measured], int]:
    """The answer for a program, what was measured by policy, and how many calls were simulated."""
    from geo_backup.lab.compare import compare, prepare, summary

    started = time.perf_counter()
    with progress_bar() as progress:
        bar = progress.add_task(words.DRIVE_TIMES, total=1.0)

        def told(what: str, done: float) -> None:
            progress.update(bar, description=what, completed=done)

        record, ground, left_out, checked = prepare(
            network, past.calls, past.stations, question.pace, question.seed, told, past.fleet
        )
        measured = compare(record, ground, question.policies, question.move_up, told)
    answer = {
        "policies": summary(measured, question.seed),
        "simulated_s": round(record.span_ms / 1_000),
        "wall_s": round(time.perf_counter() - started, 2),
        "check": checked,
        "left_out": {**past.wrong, **left_out},
    }
    return answer, measured, len(record.calls)


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

    found = score(RoadNetwork.load(map_folder), read_scenario("\n".join(lines("FILE", file))))
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print_score(found)


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

    rows = csv.DictReader(lines("STARTS", path))
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
