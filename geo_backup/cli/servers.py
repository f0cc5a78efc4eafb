"""Commands that run a server, or speak to one."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from geo_backup.cli.terminal import (
    JsonOption,
    MapOption,
    NoBrowserOption,
    PortOption,
    app,
    demo_map,
    mapping_of,
    progress_bar,
    say,
)
from geo_backup.errors import BadValueError

REST_S = 2.0
"""Until then a server that has just started is for those who wait for it."""


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
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback say who may speak to it, and give it TLS.")
    ] = "127.0.0.1",
    port: PortOption = 8000,
    adopt_unknown: Annotated[
        bool, typer.Option("--adopt-unknown", help="Register units at their first position instead of refusing it.")
    ] = False,
    clock: Annotated[str, typer.Option(help="live, or replay for recorded time.")] = "live",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate in PEM; taken again when it changes.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Address or network of a proxy whose X-Forwarded-For and -Proto hold.")
    ] = None,
) -> None:
    """Serve a map: positions in, rankings out, everything kept in the log.

    Example: geo-backup serve --map maps/porto --log porto.sqlite
    """
    from geo_backup.settings import Settings

    if clock not in ("live", "replay"):
        raise BadValueError("--clock", "clock", f"--clock is live or replay, not {clock!r}")
    mode: Any = clock
    settings = Settings.of(map_folder, log, host=host, port=port, mode=mode, adopt_unknown=adopt_unknown)
    _run(_serve(settings.sealed(tls_cert, tls_key, trusted_proxy or ())))


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
    from geo_backup.replay.timeline import read_tracks
    from geo_backup.settings import Settings

    mapping = mapping_of(columns) if columns else None
    tracks: list[Any] = []
    for path in files:
        found = read_tracks(path, columns=mapping, timezone=timezone)
        tracks.extend(found)
        if words := found.summary():
            say.print(f"[yellow]{escape(path.name)}:[/] {escape(words)}", soft_wrap=True)
    if to is not None:
        from geo_backup.replay.remote import play_to

        with progress_bar() as progress:
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


def _run(main_task: Coroutine[Any, Any, None]) -> None:
    """Run a server to its end; a search that is under way in a thread then is not waited for (see `cli.main`)."""
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):  # on Windows
        import uvloop

        new_loop = uvloop.new_event_loop

    async def whole() -> None:
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(thread_name_prefix="aside")
        loop.set_default_executor(threads)
        try:
            await main_task
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            loop.set_default_executor(ThreadPoolExecutor(1))  # closing the loop waits for its threads

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(whole())


async def _demo(settings: Any, units: int, seed: int, browser: bool) -> None:
    from geo_backup.demo.vehicles import PING_MS, Fleet

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

    from geo_backup.eventlog import open_log
    from geo_backup.replay.player import Player
    from geo_backup.replay.session import ReplaySession

    numbers = count(1)

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        session = ReplaySession(
            node,
            Player(tracks),
            lambda: open_log(settings.log_file.with_name(f"{next(numbers)}.sqlite"), reserve_bytes=0),
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
    gc.disable()  # it would look through modules and kernels, which all stay
    from geo_backup.eventlog import RESERVE_BYTES, open_log
    from geo_backup.node import Node
    from geo_backup.node.clock import Clock
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.server.run import bind, serve
    from geo_backup.server.tls import Certificate

    certificate = None if settings.tls is None else Certificate(*settings.tls)
    listener = bind(settings.host, settings.port)
    network = RoadNetwork.load(settings.map_folder)
    network.verify()  # nobody is sent by a map that was damaged on its way
    # room on the disk is kept for officers in danger; in a demo and a replay there are none
    log = open_log(settings.log_file, reserve_bytes=RESERVE_BYTES if settings.mode == "live" else 0)
    node = Node(network, log, Clock(settings.mode, 0 if settings.mode == "replay" else None))
    say.print(f"{network.area.name}: {network.edges:,} directed edges. Making ready (the first start compiles) ...")
    try:
        sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # numba would import it to see if kernels may use BLAS
        starting = asyncio.create_task(node.start())
        await asyncio.sleep(0)  # its worker fetches the kernels while this thread imports the application
        from geo_backup.people import ROLES, Principal, Roster
        from geo_backup.people.principal import CENTRE
        from geo_backup.server.app import create_app
        from geo_backup.server.watch import keep_watch

        await _compiled(starting)
        del sys.modules["scipy.linalg"]
        steering, beside = await compose(node)
    except BaseException:
        log.close()
        raise

    from geo_backup.server.speaker import OPEN_MANNER

    def ready(port: int) -> None:
        url = replace(settings, port=port).url
        say.print(f"[bold green]{url}[/]  {what} ({settings.mode}). Ctrl-C ends it.")
        if speakers.open and settings.mode == "live":
            say.print(f"[yellow]Open:[/] {OPEN_MANNER}.", soft_wrap=True)
        if browser and settings.mode == "simulated":
            desk = Principal("person", "demo", CENTRE, frozenset(ROLES), name="Demo desk")
            webbrowser.open(f"{url}?ticket={speakers.link(desk)}")
        elif browser:
            webbrowser.open(url)

    hosts = () if settings.host in ("0.0.0.0", "::") else (settings.host,)
    roster = None if settings.roster_file is None else Roster(settings.roster_file)
    server = create_app(
        node,
        adopt_unknown=settings.adopt_unknown,
        token=settings.token,
        roster=roster,
        hosts=hosts,
        steering=steering,
        proxies=settings.proxies,
    )
    speakers = server.state.speakers
    gc.freeze()
    gc.enable()
    watch = partial(keep_watch, node, speakers)
    await serve(node, server, listener, beside=(*beside, _import_rest, watch), on_ready=ready, certificate=certificate)


async def _compiled(starting: asyncio.Task[None]) -> None:
    """Wait for a node that makes ready; where kernels have to be compiled first, with a bar, and on two cores."""
    from geo_backup.roads.kernel import in_cache

    compiled, kernels = in_cache()
    if compiled < kernels:
        command = [sys.executable, "-c", "from geo_backup.roads.warm import warm_hierarchy as w; w()"]
        beside = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with progress_bar() as progress:
                bar = progress.add_task("Compiling for this machine, once", total=kernels, completed=compiled)
                while not starting.done():
                    await asyncio.wait({starting}, timeout=0.25)
                    progress.update(bar, completed=in_cache()[0])
        finally:
            beside.terminate()
            beside.wait()
    await starting


async def _import_rest() -> None:
    """What only backup, reach and places off the road need comes when the first requests have been answered."""
    await asyncio.sleep(REST_S)
    for name in ("sparse.csgraph", "special", "optimize", "ndimage"):
        await asyncio.to_thread(import_module, f"scipy.{name}")
    gc.freeze()


async def _traffic(url: str, file: bytes, clear: bool) -> dict[str, Any] | None:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        if not clear:
            return await client.load_traffic(file)
        await client.clear_traffic()
        return None


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
