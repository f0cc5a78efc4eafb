"""The command line: each command composes the parts and says what happens in words."""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import os
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from geo_backup.errors import BadValueError, GeoBackupError, MapError

app = typer.Typer(
    name="geo-backup",
    help="A live unit map that finds the backup that can be there first.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
map_app = typer.Typer(help="Make and look at maps.", no_args_is_help=True)
app.add_typer(map_app, name="map")
report_app = typer.Typer(help="What a log says of the work that was done.", no_args_is_help=True)
app.add_typer(report_app, name="report")
say = Console(stderr=True, highlight=False)

MapOption = Annotated[Path, typer.Option("--map", help="Map folder, made by `geo-backup map build`.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def main() -> None:
    """Entry point: every failure is one clear line and a non-zero exit."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        app()
    except GeoBackupError as error:
        say.print(f"[bold red]geo-backup:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def demo_map() -> Path:
    """The map of Gothenburg that comes with the package (in a checkout: under maps/)."""
    inside = Path(str(resources.files("geo_backup"))) / "maps" / "gothenburg"
    beside = Path(__file__).resolve().parent.parent / "maps" / "gothenburg"
    for folder in (inside, beside):
        if (folder / "area.toml").exists():
            return folder
    raise MapError("the demo's map is missing from this installation; install the package again")


# ---- servers


@app.command()
def demo(
    port: PortOption = 8000,
    no_browser: NoBrowserOption = False,
    units: Annotated[int, typer.Option(min=1, max=5_000, help="How many simulated patrol units drive.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed drives the same way.")] = 1,
    map_folder: Annotated[Path | None, typer.Option("--map", help="Another map than Gothenburg.")] = None,
) -> None:
    """Simulated patrol units in Gothenburg, on a live map. Nothing to set up.

    Example: geo-backup demo --units 200
    """
    from geo_backup.settings import Settings

    with tempfile.TemporaryDirectory(prefix="geo_backup_demo_") as folder:
        log = Path(folder) / "demo.sqlite"
        settings = Settings.of(map_folder or demo_map(), log, port=port, mode="simulated")
        _run(_demo(settings, units, seed, not no_browser))


@app.command()
def serve(
    map_folder: MapOption,
    log: Annotated[Path, typer.Option(help="Event log; made when it does not exist.")] = Path("geo_backup.sqlite"),
    host: Annotated[str, typer.Option(help="Address to listen on; beyond loopback GEO_BACKUP_TOKEN must be set.")] = (
        "127.0.0.1"
    ),
    port: PortOption = 8000,
    adopt_unknown: Annotated[
        bool, typer.Option("--adopt-unknown", help="Register units at their first position instead of refusing it.")
    ] = False,
    clock: Annotated[str, typer.Option(help="live, or replay for recorded time.")] = "live",
) -> None:
    """Serve a map: positions in, rankings out, everything kept in the log.

    Example: geo-backup serve --map maps/porto --log porto.sqlite
    """
    from geo_backup.settings import Settings

    if clock not in ("live", "replay"):
        raise BadValueError("--clock", "clock", f"--clock is live or replay, not {clock!r}")
    mode: Any = clock
    settings = Settings.of(map_folder, log, host=host, port=port, mode=mode, adopt_unknown=adopt_unknown)
    _run(_serve(settings))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="GPX, GeoJSON, CSV, NMEA or TAIP tracks, or a geo_backup log.")],
    map_folder: Annotated[Path | None, typer.Option("--map", help="Map folder; needed without --to.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="URL of a running `serve --clock replay`.")] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=600, help="Times real time.")] = 10.0,
    port: PortOption = 8000,
    no_browser: NoBrowserOption = False,
    columns: Annotated[
        str | None, typer.Option(help="CSV columns, such as unit_id=vehicle,time=ts,lon=x,lat=y,speed_mps=v")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of CSV times without offset.")] = None,
) -> None:
    """Play recorded tracks on the replay clock, with everything live units get.

    Example: geo-backup replay trips.csv --map maps/porto --speed 60
    """
    from geo_backup.replay.tracks import read_tracks
    from geo_backup.settings import Settings

    mapping = _mapping(columns) if columns else None
    tracks: list[Any] = []
    for path in files:
        found = read_tracks(path, columns=mapping, timezone=timezone)
        tracks.extend(found)
        if found.skipped:
            say.print(
                f"[yellow]{path.name}:[/] {found.skipped} rows left out; {'; '.join(found.reasons[:3])}", soft_wrap=True
            )
    if to is not None:
        from geo_backup.replay.remote import play_to

        with _progress() as progress:
            bar = progress.add_task(f"replay to {to}", total=1.0)

            def show(done: float) -> None:
                progress.update(bar, completed=done)

            asyncio.run(play_to(to, tracks, speed, show))
        return
    if map_folder is None:
        raise BadValueError("--map", "missing", "name the map with --map DIR, or a server with --to URL")
    with tempfile.TemporaryDirectory(prefix="geo_backup_replay_") as folder:
        settings = Settings.of(map_folder, Path(folder) / "0.sqlite", port=port, mode="replay")
        _run(_replay(settings, tracks, speed, not no_browser))


@app.command()
def watch(
    url: Annotated[str, typer.Argument(help="Server, such as http://127.0.0.1:8000")],
    once: Annotated[bool, typer.Option("--once", help="Print the first state and end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A live table of incidents and who reaches them first, in the terminal.

    Example: geo-backup watch http://127.0.0.1:8000
    """
    asyncio.run(_watch(url, once, as_json))


@app.command()
def traffic(
    to: Annotated[str, typer.Option("--to", help="Server, such as http://127.0.0.1:8000")],
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV from_osm_node,to_osm_node,speed_kmh (0 = closed), or - for standard input."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the speeds that hold away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let measured speeds hold on a running server; they replace the former ones whole.

    Example: geo-backup traffic speeds.csv --to http://127.0.0.1:8000
    """
    if (file is None) != clear:
        raise BadValueError("FILE", "missing", "name a traffic file, or take the speeds that hold away with --clear")
    try:
        data = b"" if file is None else sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise BadValueError("FILE", "file", f"{file} cannot be read: {error.strerror or error}") from None
    loaded = asyncio.run(_traffic(to, data, clear))
    if as_json:
        print(json.dumps({"traffic": loaded}))
    elif loaded is None:
        print("no measured speeds hold any more")
    else:
        print(
            f"{loaded['rows_matched']:,} of {loaded['rows']:,} rows lie on {loaded['edges']:,} directed edges, "
            f"{loaded['edges_closed']:,} of them closed; they hold since {loaded['loaded_time']}"
        )


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
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.wire import calls_csv

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


# ---- readings


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
    from geo_backup.backup.standing import Standing, view
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
    standing.off_road_m(lon, lat)
    answer = standing.etas(lon, lat, places, profile)
    if as_json:
        print(json.dumps(answer))
        return
    print("lon,lat,eta_s,reason")
    for place, eta, reason in zip(places, answer["etas_s"], answer["reasons"], strict=True):
        print(f"{place[0]},{place[1]},{'' if eta is None else eta},{reason or ''}")


@app.command()
def verify(
    log: Annotated[Path, typer.Argument(help="Event log to check.")],
    map_folder: MapOption,
    as_json: JsonOption = False,
) -> None:
    """Fold a log again, rank again, and compare with what was recorded to the last digit.

    Example: geo-backup verify geo_backup.sqlite --map maps/porto
    """
    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.replay.verify import verify as check
    from geo_backup.roads.network import RoadNetwork

    network = RoadNetwork.load(map_folder)
    opened = SqliteLog.open(log, create=False, read_only=True)
    try:
        with _progress() as progress:
            bar = progress.add_task("verify", total=None)
            report = check(
                network, opened.read_all, opened.load_snapshot(), lambda n: progress.update(bar, completed=n)
            )
    finally:
        opened.close()
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        print(
            f"{report.events} events, {report.rankings} recorded rankings, {report.decisions} decisions and "
            f"{report.checkpoints} checkpoints compared"
            + (f", {report.skipped} of another version left out" if report.skipped else "")
        )
        for line in report.wrong:
            print(f"WRONG: {line}")
        print(f"{'DIFFERENT' if report.wrong else 'equal'}; live map {report.digest[:16]}")
    if report.wrong:
        raise typer.Exit(1)


@app.command()
def explain(
    decision_id: Annotated[str, typer.Argument(help="As the page, the API or the log names it: decision:...")],
    log: Annotated[Path, typer.Option(help="Event log that holds the decision.")] = Path("geo_backup.sqlite"),
    map_folder: Annotated[
        Path | None, typer.Option("--map", help="Also work the decision out again from its inputs, and compare.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Why these units were recommended, in plain words, from the log alone.

    Example: geo-backup explain decision:backup-1f0c22d9a0b1 --log porto.sqlite --map maps/porto
    """
    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.replay.verify import decision_of, same_decision
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.wire import decisions

    opened = SqliteLog.open(log, create=False, read_only=True)
    try:
        found = decision_of(opened.read_all, decision_id)
    finally:
        opened.close()
    same = None
    if map_folder is not None:
        same = same_decision(RoadNetwork.load(map_folder), found.event, found.speeds, found.demand)
    document = decisions.decision(found.event, found.eta_cv, found.humans)
    if as_json:
        print(json.dumps({**document, "verified": same}))
    else:
        print(document["words"])
        if same is not None:
            print("Worked out again from its inputs: " + ("the same to the last digit." if same else "DIFFERENT."))
    if same is False:
        raise typer.Exit(1)


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
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.simulate.compare import compare, prepare, summary
    from geo_backup.simulate.plot import draw
    from geo_backup.simulate.policy import POLICIES
    from geo_backup.simulate.tables import print_policies
    from geo_backup.wire.calls_csv import columns_of, read
    from geo_backup.wire.stations_csv import read_stations

    names = list(dict.fromkeys(policy or POLICIES))
    for name in names:
        if name not in POLICIES:
            raise BadValueError("--policy", "policy", f"--policy is one of {', '.join(POLICIES)}, not {name!r}")
    network = RoadNetwork.load(map_folder)
    if (log is None) == (calls is None) or (log is None) != (stations is not None):
        raise BadValueError("--calls", "missing", "name --calls CALLS.csv and --stations STATIONS.csv, or --log LOG")
    wrong: dict[str, int] = {}
    fleet: dict[str, str] | None = None
    if calls is not None and stations is not None:
        mapping = columns_of(columns) if columns else None
        found = read(_lines("--calls", calls), columns=mapping, timezone=timezone)
        asked, wrong, posts = found.calls, dict(found.wrong), read_stations(_lines("--stations", stations))
    else:
        logged = _logged(log)
        asked, posts, fleet = logged.calls, logged.stations, dict(logged.fleet)
        if logged.unassigned:
            wrong["incident to which nobody was sent"] = logged.unassigned
    started = time.perf_counter()
    with _progress() as progress:
        bar = progress.add_task("drive times", total=1.0)

        def show(what: str, done: float) -> None:
            progress.update(bar, description=what, completed=done)

        record, ground, left_out, checked = prepare(network, asked, posts, pace, seed, show, fleet)
        measured = compare(record, ground, names, show)
    rows = summary(measured, seed)
    wall_s = time.perf_counter() - started
    answer = {
        "policies": rows,
        "simulated_s": round(record.span_ms / 1_000),
        "wall_s": round(wall_s, 2),
        "check": checked,
        "left_out": {**wrong, **left_out},
    }
    if plot is not None:
        plot.write_text(draw(measured, f"{network.area.name}, {len(record.calls):,} calls"), encoding="utf-8")
    if as_json:
        print(json.dumps(answer))
    else:
        print_policies(answer)


@app.command()
def drill(
    file: Annotated[Path, typer.Argument(help="Scenario: TOML with units, injects and whom the crew sent.")],
    map_folder: MapOption,
    as_json: JsonOption = False,
) -> None:
    """Score a crew's choices in an exercise against the best in hindsight.

    Example: geo-backup drill examples/drills/river.toml --map maps/gothenburg
    """
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.simulate.drill import score
    from geo_backup.simulate.scenario import read_scenario
    from geo_backup.simulate.tables import print_score

    found = score(RoadNetwork.load(map_folder), read_scenario("\n".join(_lines("FILE", file))))
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print_score(found)


def _logged(log: Any) -> Any:
    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.simulate.logged import read_log

    opened = SqliteLog.open(log, create=False, read_only=True)
    try:
        return read_log(event for _, event in opened.read_all())
    finally:
        opened.close()


def _lines(option: str, path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadValueError(option, "file", f"{path} cannot be read: {error}") from None


# ---- maps


@map_app.command("build")
def map_build(
    source: Annotated[str, typer.Argument(help=".osm.pbf, .osm[.gz|.bz2], GeoJSON lines, OSMnx .graphml, or a place.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    name: Annotated[str | None, typer.Option(help="Name of the area; default: from the source.")] = None,
    source_date: Annotated[str | None, typer.Option(help="Date of the data, when the source does not say.")] = None,
    origin: Annotated[str | None, typer.Option(help="Where the data came from, in words.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data; default: ODbL 1.0.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Shown on the map; default: OpenStreetMap.")] = None,
    no_tiles: Annotated[bool, typer.Option("--no-tiles", help="Leave out the drawn basemap.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a map folder of your own city.

    Example: geo-backup map build porto.osm.pbf --out maps/porto
    """
    from geo_backup.cartography.build import build_map

    with _progress() as progress:
        bar = progress.add_task("reading", total=1.0)
        summary = build_map(
            source,
            out,
            name=name,
            origin=origin,
            source_date=source_date,
            licence=licence,
            attribution=attribution,
            tiles=not no_tiles,
            progress=lambda stage, done: progress.update(bar, description=stage, completed=done),
        )
    rows = asdict(summary)
    if as_json:
        print(json.dumps(rows))
    else:
        _print_rows(f"{summary.name} -> {out}", rows)


@map_app.command("info")
def map_info(
    folder: Annotated[Path, typer.Argument(help="Map folder.")],
    as_json: JsonOption = False,
) -> None:
    """What a map folder holds, where it comes from, and what it lacks.

    Example: geo-backup map info maps/gothenburg
    """
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import profiles_of

    started = time.perf_counter()
    network = RoadNetwork.load(folder)
    opened_ms = 1_000 * (time.perf_counter() - started)
    profiles = list(profiles_of(network))
    rows = {
        **asdict(network.area),
        "content_id": network.content_id,
        "junctions": network.junctions,
        "directed_edges": network.edges - len(network.twins),
        "turns": network.turns,
        "profiles": profiles if as_json else ", ".join(profiles),
        "traffic_files": "can be matched"
        if network.vertex_node is not None
        else "cannot be matched: no OpenStreetMap node ids, as only .osm.pbf and .osm sources have them",
        "opened_ms": round(opened_ms, 1),
    }
    rows.update(rows.pop("summary"))
    if as_json:
        print(json.dumps(rows))
    else:
        _print_rows(str(folder), rows)


# ---- reports


@report_app.command("response")
def report_response(
    log: Annotated[Path, typer.Argument(help="Event log to report on.")],
    by: Annotated[str | None, typer.Option(help="Split by priority, hour or agency.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of the hours.")] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """How long units took from request to arrival, against the targets, and how good their ETAs were.

    Example: geo-backup report response geo_backup.sqlite --by priority
    """
    from zoneinfo import ZoneInfo

    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.replay.report import report
    from geo_backup.replay.responses import read_responses
    from geo_backup.replay.tables import print_report

    try:
        zone = ZoneInfo(timezone)
    except (KeyError, OSError, ValueError):
        raise BadValueError(
            "--timezone", "timezone", f"--timezone is an IANA zone such as Europe/Stockholm, not {timezone!r}"
        ) from None
    opened = SqliteLog.open(log, create=False, read_only=True)
    try:
        found = report(read_responses(opened.read_all()), by, zone)
    finally:
        opened.close()
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        print_report(found)


# ---- how servers are put together


def _run(main_task: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:  # Windows
        asyncio.run(main_task)
    else:
        uvloop.run(main_task)


async def _demo(settings: Any, units: int, seed: int, browser: bool) -> None:
    from geo_backup.simulate.fleet import PING_MS, Fleet

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        now_ms = node.clock.now_ms()
        fleet = Fleet(node.network, units, seed, now_ms - PING_MS)  # so that each has a position when the page opens
        await node.submit(*fleet.registrations(now_ms))
        await node.submit(*fleet.tick(now_ms, node.live_map))

        async def drive() -> None:
            while True:
                live_map = node.live_map
                wanted = {unit.incident_id for unit in live_map.units.values() if unit.incident_id is not None}
                fields, fleet.patrol_weights = await node.read_field(partial(_roads_now, wanted))
                fleet.field_for = fields.get
                await node.submit(*fleet.tick(node.clock.now_ms(), live_map))
                await asyncio.sleep(0.2)

        return None, (drive,)

    await _compose(settings, compose, browser, f"{units} simulated patrol units")


def _roads_now(incident_ids: set[str], standing: Any) -> tuple[dict[str, Any], Any]:
    """What simulated drivers know: the fields of their incidents, and the roads that are closed to patrols."""
    fields = {
        incident_id: standing.field_to_keep(incident_id)
        for incident_id in incident_ids
        if standing.is_open(incident_id)
    }
    return fields, standing.weights("routine")


async def _replay(settings: Any, tracks: Any, speed: float, browser: bool) -> None:
    from itertools import count

    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.replay.player import Player
    from geo_backup.replay.session import ReplaySession

    numbers = count(1)

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        session = ReplaySession(
            node, Player(tracks), lambda: SqliteLog.open(settings.log_file.with_name(f"{next(numbers)}.sqlite"))
        )
        await session.begin()
        node.clock.set(speed=speed, playing=True)
        return session, (session.run,)

    await _compose(settings, compose, browser, f"{len(tracks)} recorded tracks at {speed:g} x")


async def _serve(settings: Any) -> None:
    from geo_backup.replay.session import ReplaySession

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        return (ReplaySession(node, None) if settings.mode == "replay" else None), ()

    await _compose(settings, compose, False, f"log {settings.log_file}")


async def _compose(
    settings: Any,
    compose: Callable[[Any], Coroutine[Any, Any, tuple[Any, tuple[Any, ...]]]],
    browser: bool,
    what: str,
) -> None:
    """Port, map, log, node, server, in this order: whatever cannot work fails before anything is changed."""
    from geo_backup.clock import Clock
    from geo_backup.eventlog.sqlite import SqliteLog
    from geo_backup.node import Node
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.server.app import create_app
    from geo_backup.server.run import bind, serve

    listener = bind(settings.host, settings.port)
    network = RoadNetwork.load(settings.map_folder)
    log = SqliteLog.open(settings.log_file)
    node = Node(network, log, Clock(settings.mode, 0 if settings.mode == "replay" else None))
    say.print(f"{network.area.name}: {network.edges:,} directed edges. Making ready (the first start compiles) ...")
    try:
        await node.start()
        steering, beside = await compose(node)
    except BaseException:
        log.close()
        raise

    def ready(port: int) -> None:
        url = f"http://{'127.0.0.1' if settings.host in ('localhost', '::1') else settings.host}:{port}/"
        say.print(f"[bold green]{url}[/]  {what} ({settings.mode}). Ctrl-C ends it.")
        if browser:
            webbrowser.open(url)

    hosts = () if settings.host in ("0.0.0.0", "::") else (settings.host,)
    server = create_app(
        node, adopt_unknown=settings.adopt_unknown, token=settings.token, hosts=hosts, steering=steering
    )
    await serve(node, server, listener, beside=beside, on_ready=ready)


async def _traffic(url: str, file: bytes, clear: bool) -> dict[str, Any] | None:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        if not clear:
            return await client.load_traffic(file)
        await client.clear_traffic()
        return None


async def _teach(url: str, file: bytes) -> dict[str, Any]:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        return dict(await client.call("PUT", "/v1/demand", file))


async def _watch(url: str, once: bool, as_json: bool) -> None:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        await client.call("GET", "/healthz")
        with Live(console=Console(), auto_refresh=False, screen=False) as live:
            async for world in client.watch():
                if as_json:
                    state = {"seq": world.seq, "mode": world.mode, "units": len(world.units)}
                    print(json.dumps({**state, "incidents": world.incidents, "rankings": world.rankings}), flush=True)
                else:
                    live.update(_world_table(world), refresh=True)
                if once:
                    return


def _world_table(world: Any) -> Table:
    link = world.mode if world.connected else "LINK LOST, coming back"
    table = Table(title=f"{world.area.get('name', '')}  {link}  seq {world.seq}  {len(world.units)} units")
    for heading in ("incident", "P", "on it", "first", "ETA", "next"):
        table.add_column(heading)
    for incident_id, incident in world.incidents.items():
        ranking = world.rankings.get(incident_id, {"candidates": [], "assigned": []})
        best = [f"{row['unit_id']} {_minutes(row['eta_s'])}" for row in ranking["candidates"][:4]]
        on_it = ", ".join(
            f"{row['unit_id']} {row['state']} {_minutes(row['eta_s'])}".rstrip() for row in ranking["assigned"]
        )
        name, _, eta = best[0].partition(" ") if best else ("nobody", "", "")
        table.add_row(incident_id, str(incident["priority"]), on_it, name, eta, ", ".join(best[1:]))
    return table


def _minutes(seconds: float | None) -> str:
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=say, transient=True)


def _print_rows(title: str, rows: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)


def _mapping(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(middle and name and column for name, middle, column in pairs):
        raise BadValueError("--columns", "columns", "--columns is a list such as unit_id=vehicle,time=ts,lon=x,lat=y")
    return {name.strip(): column.strip() for name, _, column in pairs}


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
    """Rows lon, lat[, course_deg] of a CSV file with a header."""
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
            place = [float(row["lon"]), float(row["lat"])]
            if row.get("course_deg"):
                place.append(float(row["course_deg"]))
        except (TypeError, ValueError):
            raise BadValueError(
                "STARTS", "number", f"{path} line {number}: lon, lat and course_deg are numbers"
            ) from None
        if not (abs(place[0]) <= 180 and abs(place[1]) <= 90):
            raise BadValueError("STARTS", "range", f"{path} line {number}: lon or lat is out of range")
        out.append(place)
    return out
