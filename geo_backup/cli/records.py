"""Commands that ask a log: is it so, why was it so, how long did it take."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from geo_backup.cli import words
from geo_backup.cli.errands import looks
from geo_backup.cli.terminal import LOG_HELP, JsonOption, LogArgument, MapOption, app, progress_bar, report_app, show
from geo_backup.errors import BadValueError
from geo_backup.wire.times import to_ms, to_text


@app.command()
def verify(
    log: LogArgument,
    map_folder: MapOption,
    as_json: JsonOption = False,
) -> None:
    """Fold a log again, rank again, and compare with what was recorded to the last digit; look at its chain as well.

    Example: geo-backup verify geo_backup.sqlite --map maps/porto
    """
    from geo_backup.audit.verify import verify as check
    from geo_backup.eventlog import file_of, open_log
    from geo_backup.eventlog.proof import prove
    from geo_backup.eventlog.purge import fold_start
    from geo_backup.roads.network import RoadNetwork

    network = RoadNetwork.load(map_folder)
    with closing(open_log(log, read_only=True)) as opened, progress_bar() as progress:
        chain, start = prove(file_of(log)), fold_start(file_of(log))
        bar = progress.add_task(words.VERIFYING, total=None)
        report = check(network, opened, lambda n: progress.update(bar, completed=n), start)
    if as_json:
        print(json.dumps({**asdict(report), "chain": chain.words}))
    else:
        show(*words.verified(report))
        show(words.chained(chain.words))
    if report.wrong or chain.wrong:
        raise typer.Exit(1)


@app.command()
def explain(
    decision_id: Annotated[str, typer.Argument(help="As the page, the API or the log names it: decision:...")],
    log: Annotated[str, typer.Option(help=LOG_HELP)] = "geo_backup.sqlite",
    map_folder: Annotated[
        Path | None, typer.Option("--map", help="Also work the decision out again from its inputs, and compare.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Why these units were recommended, in plain words, from the log alone.

    Example: geo-backup explain decision:backup-1f0c22d9a0b1:best --log porto.sqlite --map maps/porto
    """
    from geo_backup.audit.explanation import explained
    from geo_backup.audit.verify import decision_of, same_decision
    from geo_backup.eventlog import open_log
    from geo_backup.roads.network import RoadNetwork

    with closing(open_log(log, read_only=True)) as opened:
        found = decision_of(opened, decision_id)
    looks(log, "history", f"decision:{decision_id}")
    same = None
    if map_folder is not None:
        same = same_decision(RoadNetwork.load(map_folder), found.event, found.inputs)
    document = explained(found.event, found.humans)
    if as_json:
        print(json.dumps({**document, "verified": same}))
    else:
        show(document["words"], *([] if same is None else [words.worked_out_again(same)]))
    if same is False:
        raise typer.Exit(1)


@app.command()
def export(
    log: LogArgument,
    out: Annotated[
        Path, typer.Option(help="File to write; its name ends with .gpx, .geojson, .csv or .parquet (GeoParquet).")
    ],
    since: Annotated[str | None, typer.Option(help="First time, such as 2026-11-23T06:00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="Last time.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="Only this unit; may be given several times.")] = None,
    incident: Annotated[
        str | None, typer.Option(help="Only the units of this incident, from when they were sent until cleared.")
    ] = None,
) -> None:
    """Write the tracks of a log for other programs: all of them, of a time, of units, or of an incident.

    A row a fix, by unit and time, as receivers reported it; also beside a running server. A month needs no more memory
    than a minute.

    Example: geo-backup export geo_backup.sqlite --out night.parquet --incident i-2041
    """
    from geo_backup.audit.export import Span, spans_of
    from geo_backup.audit.export import export as write
    from geo_backup.eventlog import file_of
    from geo_backup.eventlog.reading import Reader
    from geo_backup.events import TIME_MS

    from_ms, to_ms = _time("--since", since, TIME_MS[0]), _time("--until", until, TIME_MS[1])
    if incident is not None and unit:
        raise BadValueError("--unit", "both", "name units or an incident, not both")
    if from_ms > to_ms:
        raise BadValueError("--until", "order", "--until is before --since")
    if out.is_dir() or not out.parent.is_dir():
        raise BadValueError("--out", "file", f"--out {out}: no file can be written there, its folder must exist")
    file = file_of(log)
    if not file.exists():
        raise BadValueError("LOG", "missing", f"there is no log at {file}")
    with closing(Reader(file)) as reader, progress_bar() as progress:
        if incident is not None:
            spans = spans_of(reader, incident, from_ms, to_ms)
        else:
            spans = [Span(unit_id, from_ms, to_ms) for unit_id in unit or (None,)]
        looks(log, "export", *(f"unit:{name}" for name in unit or ()), *([f"incident:{incident}"] if incident else []),
              to_text(from_ms), to_text(to_ms))  # fmt: skip
        bar = progress.add_task(words.EXPORTING, total=None)
        total = write(reader, spans, out, lambda n: progress.update(bar, completed=n))
    show(words.exported(str(out), total))
    if not total:
        raise typer.Exit(1)


def _time(option: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return to_ms(text)
    except ValueError as error:
        raise BadValueError(option, "time", f"{option} {text}: {error}") from None


NARROWEST, WIDEST = 40, 100
"""Letters of a line that is read out."""


@report_app.command("handover")
def report_handover(
    url: Annotated[str, typer.Argument(help="Server, such as http://127.0.0.1:8000")],
    since: Annotated[str | None, typer.Option(help="When the shift began, such as 2026-11-23T06:00:00Z.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What whoever takes over must know: open incidents, who is where, what is promised, closures, timers.

    Example: geo-backup report handover http://127.0.0.1:8000
    """
    import asyncio

    found = asyncio.run(_handover(url, since))
    if as_json:
        print(json.dumps(found))
    else:
        show(*words.handover(found, min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)))


async def _handover(url: str, since: str | None) -> dict[str, Any]:
    from urllib.parse import urlencode

    from geo_backup.client import Client

    path = "/v1/handover" + (f"?{urlencode({'since': since})}" if since is not None else "")
    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        found: dict[str, Any] = await client.call("GET", path)
        return found


@report_app.command("eta")
def report_eta(
    log: LogArgument,
    timezone: Annotated[
        str | None, typer.Option(help="IANA zone of the hours [default: that of the map that the log speaks of].")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="SVG file to draw: what intervals held, errors by hour.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How good the times were that were told: in all, by hour, area, kind of unit and profile.

    Errors are told minus taken: with a bias of -60 s units came a minute later than told. Of ten drives eight should be
    in their 80 % interval, and nine under their P90. `--json` has all areas and hours.

    Example: geo-backup report eta geo_backup.sqlite --plot etas.svg
    """
    from geo_backup.audit.etas import Etas
    from geo_backup.audit.plot import draw
    from geo_backup.cartography.area import timezone_at
    from geo_backup.eventlog import open_log

    zone = _zone(timezone) if timezone is not None else None
    if plot is not None and (plot.is_dir() or not plot.parent.is_dir()):
        raise BadValueError("--plot", "file", f"--plot {plot}: no file can be written there, its folder must exist")
    etas = Etas()
    with closing(open_log(log, read_only=True)) as opened, progress_bar() as progress:
        bar = progress.add_task(words.READING, total=None)
        for seq, event in opened.read_all():
            etas.take(seq, event)
            if etas.events % PROGRESS_EVENTS == 0:
                progress.update(bar, completed=etas.events)
    if zone is None:
        west, south, east, north = etas.extent or (0.0, 0.0, 0.0, 0.0)
        zone = _zone(timezone_at((west + east) / 2, (south + north) / 2) if etas.extent is not None else "UTC")
    found = etas.report(zone)
    looks(log, "history", "etas")
    if plot is not None:
        plot.write_text(draw(found, words.etas_of(found)), encoding="utf-8")
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        show(*words.etas(found))


PROGRESS_EVENTS = 1_000


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise BadValueError(
            "--timezone", "timezone", f"--timezone is an IANA zone such as Europe/Stockholm, not {name!r}"
        ) from None


@report_app.command("response")
def report_response(
    log: LogArgument,
    by: Annotated[str | None, typer.Option(help="Split by priority, hour or agency.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA zone of the hours.")] = "UTC",
    as_json: JsonOption = False,
) -> None:
    """How long units took from request to arrival, against the targets, and how good their ETAs were.

    Example: geo-backup report response geo_backup.sqlite --by priority
    """
    from geo_backup.audit.report import report
    from geo_backup.audit.responses import read_responses
    from geo_backup.audit.tables import print_report
    from geo_backup.eventlog import open_log

    zone = _zone(timezone)
    with closing(open_log(log, read_only=True)) as opened:
        found = report(read_responses(opened.read_all()), by, zone)
    looks(log, "history", "responses")
    if as_json:
        print(json.dumps(asdict(found)))
    else:
        print_report(found)
