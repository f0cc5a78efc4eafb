"""The command that measures what a server bears, and how it shows what it found."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from geo_backup.cli import words
from geo_backup.cli.terminal import JsonOption, app, finite, progress_bar, show
from geo_backup.errors import BadValueError
from geo_backup.wording import so_many

BUSY = 0.9
BEHIND_MS = 250.0
"""What drives a load keeps up with up to here: a share of a core, and how late it is."""


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
        show(as_table(figures), *in_doubt(figures))


def _ms(found: Mapping[str, float | None]) -> str:
    return "  ".join(f"{name} {'-' if value is None else f'{value:,g}'}" for name, value in found.items())


def as_table(figures: Mapping[str, Any]) -> Table:
    """What a server did under a load, in the order in which one asks."""
    asked, pings, server = figures["asked"], figures["pings"], figures["server"]
    lost = pings["sent"] - pings["accepted"] + pings["unsent"]
    memory, cpu = server["memory_MB"], server["cpu_share_of_one_core"]
    table = Table("figure", "value", title=(
        f"{asked['pings_per_s']:,g} pings/s of {so_many(asked['units'], 'unit')}, "
        f"{so_many(asked['incidents'], 'incident')}, {so_many(asked['viewers'], 'viewer')}, {asked['seconds']:g} s"
    ), show_header=False)  # fmt: skip
    rows: dict[str, str] = {"ping to frame, ms": _ms(figures["latency_ms"])}
    if "floor" in figures:
        floor = figures["floor"]
        rows["the same by the bare broker, ms"] = _ms(floor["latency_ms"])
        rows["messages that the broker lost"] = f"{floor['messages_lost']:,}"
    rows["ping to answer, ms"] = _ms(figures["post_ms"])
    rows["pings sent, lost"] = f"{pings['sent']:,}, {lost:,}"
    rows["pings that changed nothing"] = f"{pings['ignored']:,}"
    rows.update({f"  {why}": f"{count:,}" for why, count in figures["why_not"].items()})
    rows["last places missing on viewers"] = f"{figures['last_values_missing']:,}"
    late_ms = server["loop_late_at_most_ms"]
    rows["server: its loop late by at most, ms"] = "not told" if late_ms is None else f"{late_ms:,g}"
    rows["server: share of a core"] = "not told" if cpu is None else f"{cpu:.2f}"
    rows["server: memory, MB"] = "not told" if memory is None else f"{memory[0]:,} to {memory[1]:,}"
    rows["frames a second: all, a viewer"] = f"{server['frames_per_s'] or 0:,}, {figures['frames_per_s_and_viewer']}"
    per_viewer = (figures[f"{what}_kB_per_s_and_viewer"] for what in ("wire", "text"))
    rows["kB/s a viewer: on the line, unpacked"] = ", ".join(
        "not told" if one is None else f"{one}" for one in per_viewer
    )
    if "wire_kB_per_s_and_slow_viewer" in figures:
        rows["kB/s a slow viewer"] = f"{figures['wire_kB_per_s_and_slow_viewer']}"
    if "storm" in figures:
        storm = figures["storm"]
        rows["lines cut: first word again after, ms"] = f"{_ms(storm['back_ms'])}; not back: {storm['not_back']:,}"
    ours = figures["load_cpu_share_of_one_core"]
    rows["this load's own shares of a core"] = f"sender {ours['sender']:.2f}, viewers {ours['viewers']:.2f}"
    rows["sender late by at most, ms"] = f"{figures['behind_ms']:,g}"
    average = figures["machine"]["load_average"]
    rows["load average here"] = "not told" if average is None else " ".join(f"{one:g}" for one in average)
    for name, value in rows.items():
        table.add_row(escape(name), escape(value))
    return table


def in_doubt(figures: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the figures from being the server's own."""
    busy = [name for name, share in figures["load_cpu_share_of_one_core"].items() if share > BUSY]
    if busy or figures["behind_ms"] > BEHIND_MS:
        yield (
            f"The load itself was late ({', '.join(busy) or 'the sender'}): the figures are worse than the server's. "
            "Run it on another machine, or ask for less."
        )
