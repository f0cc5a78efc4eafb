"""The command that measures what a server bears."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from geo_backup.cli import words
from geo_backup.cli.terminal import JsonOption, app, finite, progress_bar, show
from geo_backup.errors import BadValueError


@app.command()
def load(
    url: Annotated[str | None, typer.Argument(help="A running server, such as http://127.0.0.1:8000")] = None,
    map_folder: Annotated[
        Path | None, typer.Option("--map", help="Instead: start a server on this map, with a log of its own.")
    ] = None,
    pings_per_s: Annotated[
        float, typer.Option(min=0.1, max=100_000, callback=finite, help="Positions a second, of all units.")
    ] = 1_000,
    units: Annotated[int, typer.Option(min=1, max=100_000, help="Simulated units; they report in turn.")] = 1_000,
    incidents: Annotated[int, typer.Option(min=0, max=5_000, help="Open incidents, each with its ranking.")] = 20,
    viewers: Annotated[int, typer.Option(min=1, max=900, help="Desks that follow the map.")] = 50,
    slow_viewers: Annotated[int, typer.Option(min=0, max=900, help="More of them, on a line of 4 kB/s.")] = 0,
    storm: Annotated[
        bool, typer.Option("--storm", help="Half-way all viewers lose their line, and come back at once.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, callback=finite, help="How long it counts.")] = 20.0,
    batch: Annotated[int, typer.Option(min=1, max=1_000, help="Positions in one request.")] = 50,
    broker: Annotated[
        str | None,
        typer.Option(help="The same through a bare broker first, as the floor: mqtt://HOST:PORT or nats://HOST:PORT."),
    ] = None,
    exercise: Annotated[
        bool, typer.Option("--exercise", help="Measure a server although it has units or incidents of its own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """How much a server bears: simulated units report, simulated desks look on, and every ping is timed to their
    screens.

    The server's disk, cores and network count, so measure on the machine that you mean to buy. Units and incidents are
    called LOAD-... and are taken away at the end; with --exercise the units are out of service, so that nobody is sent
    one. What was reported stays in the server's log. A server that asks who you are takes a token from
    GEO_BACKUP_TOKEN. A log of --map lies where TMPDIR says.

    Example: geo-backup load --map maps/gothenburg --viewers 200 --storm
    """
    from geo_backup.load import Load, floor, measure, own_server

    if (url is None) == (map_folder is None):
        raise BadValueError("URL", "missing", "name a running server, or a map with --map DIR to start one on")
    asked = Load(pings_per_s, units, incidents, viewers, slow_viewers, storm, seconds, batch, exercise=exercise)

    async def whole(at: str) -> dict[str, Any]:
        bar = progress.add_task(words.loading(at), total=1.0)
        token = os.environ.get("GEO_BACKUP_TOKEN")
        found = await measure(at, asked, token=token, progress=lambda share: progress.update(bar, completed=share))
        return {**found, "floor": bare} if bare else found

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what it put on the map goes with it, as with Ctrl-C
    with progress_bar() as progress:
        bare: dict[str, Any] = {}
        if broker is not None:
            progress.add_task(words.BROKER_FLOOR, total=None)
            bare = asyncio.run(floor(broker, asked))
        if map_folder is not None:
            progress.add_task(words.STARTING, total=None)
        with own_server(map_folder) if map_folder is not None else nullcontext(str(url)) as at:
            figures = asyncio.run(whole(at))
    if as_json:
        print(json.dumps(figures))
    else:
        show(words.load(figures), *words.load_in_doubt(figures))
