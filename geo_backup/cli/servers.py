"""Commands that run a server, or speak to one."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
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

from geo_backup.cli import words
from geo_backup.cli.errands import looks
from geo_backup.cli.terminal import (
    LOG_HELP,
    AsynchronousOption,
    CertificateOption,
    ColumnsOption,
    JsonOption,
    KeyOption,
    LogFormatOption,
    MapOption,
    NoBrowserOption,
    PortOption,
    ProxyOption,
    TimezoneOption,
    UrlOption,
    WitnessOption,
    app,
    contents,
    demo_map,
    finite,
    progress_bar,
    say,
    show,
    write_log_as,
)
from geo_backup.cli.tracks import recorded
from geo_backup.errors import BadValueError
from geo_backup.formats.recordings import known

REST_S = 2.0
"""Until then a server that has just started is for those who wait for it."""


@app.command()
def demo(
    port: PortOption = 8000,
    no_browser: NoBrowserOption = False,
    units: Annotated[int, typer.Option(min=1, max=5_000, help="How many simulated units drive.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed drives the same way.")] = 1,
    map_folder: Annotated[Path | None, typer.Option("--map", help="Another map than Gothenburg.")] = None,
) -> None:
    """Simulated units of police, fire and ambulance in Gothenburg, on a live map. Nothing to set up.

    Example: geo-backup demo --units 200
    """
    fetch_kernels()
    from geo_backup.settings import Settings

    with tempfile.TemporaryDirectory(prefix="geo_backup_demo_") as folder:
        settings = Settings.of(map_folder or demo_map(), f"{folder}/demo.sqlite", port=port, mode="simulated")
        run(_demo(settings, units, seed, not no_browser))


@app.command()
def serve(
    map_folder: MapOption,
    log: Annotated[
        str,
        typer.Option(help=f"{LOG_HELP}, or nats://HOST,HOST/AREA that many nodes share; made when it does not exist."),
    ] = "geo_backup.sqlite",
    copy: Annotated[
        Path | None, typer.Option(help="This node's own copy of a shared log (cluster/README.md); else AREA.sqlite.")
    ] = None,
    join: Annotated[
        str, typer.Option(help="URL of a node whose copy a new node begins with, where it has none yet.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback say who may speak to it, and give it TLS.")
    ] = "127.0.0.1",
    port: PortOption = 8000,
    adopt_unknown: Annotated[
        bool, typer.Option("--adopt-unknown", help="Register units at their first position instead of refusing it.")
    ] = False,
    clock: Annotated[str, typer.Option(help="live, or replay for recorded time.")] = "live",
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file: identity provider (server/ACCESS.md), retention (eventlog/README.md), receivers "
            "(receivers/README.md)."
        ),
    ] = None,
    udp: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port for modems of this machine: NMEA and TAIP by UDP.")
    ] = None,
    tcp: Annotated[int | None, typer.Option(min=1, max=65_535, help="The same by TCP.")] = None,
    mqtt: Annotated[str | None, typer.Option(help="Broker of OwnTracks phones, such as mqtt://127.0.0.1:1883.")] = None,
    tak: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port that ATAK and WinTAK call, as 8087.")] = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    trusted_proxy: ProxyOption = None,
    own_url: UrlOption = "",
    asynchronous: AsynchronousOption = False,
    witness: WitnessOption = "",
    log_format: LogFormatOption = "text",
) -> None:
    """Serve a map: positions in, rankings out, everything kept in the log.

    Example: geo-backup serve --map maps/porto --log porto.sqlite
    """
    fetch_kernels()
    write_log_as(log_format)
    from geo_backup.cluster.address import address_of, is_shared
    from geo_backup.settings import Settings

    if clock not in ("live", "replay"):
        raise BadValueError("--clock", "clock", f"--clock is live or replay, not {clock!r}")
    mode: Any = clock
    shared = is_shared(log)
    if not shared and (copy is not None or join):
        remedy = "--copy and --join are for a log that many nodes share: name one, as --log nats://HOST/AREA"
        raise BadValueError("--copy", "log", remedy)
    if shared and (asynchronous or witness or mode != "live"):
        remedy = (
            "a log that many nodes share is live, and its servers are the witness: leave out what is of two machines"
        )
        raise BadValueError("--log", "pair", remedy)
    file = log if not shared else str(copy or address_of(log).copy)
    if shared:
        _bring_people(log, file)
    settings = Settings.of(
        map_folder, file, host=host, port=port, mode=mode, adopt_unknown=adopt_unknown, config=config
    )
    settings = settings.sealed(tls_cert, tls_key, trusted_proxy or ()).hearing(udp, tcp, mqtt, tak)
    if not shared:
        serve_paired(settings.paired(own_url, not asynchronous, witness))
        return
    run(serve_live(settings.shared(log, own_url, join)))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help=f"Recorded tracks: {known()}.")],
    map_folder: Annotated[Path | None, typer.Option("--map", help="Map folder; needed without --to.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="URL of a running `serve --clock replay`.")] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=600, callback=finite, help="Times real time.")] = 10.0,
    port: PortOption = 8000,
    no_browser: NoBrowserOption = False,
    columns: ColumnsOption = None,
    timezone: TimezoneOption = None,
) -> None:
    """Play recorded tracks on the replay clock, with everything live units get; or a log of geo_backup with all that it
    holds: incidents, statuses, closures, decisions.

    Example: geo-backup replay trips.csv --map maps/porto --speed 60
    """
    from geo_backup.replay.timeline import is_log

    if to is None and len(files) == 1 and files[0].is_file() and is_log(files[0]):
        _play_log(files[0], map_folder, speed, port, not no_browser)
        return
    tracks = recorded(files, columns, timezone)
    if to is not None:
        from geo_backup.replay.remote import play_to

        with progress_bar() as progress:
            bar = progress.add_task(words.replaying(to), total=1.0)
            asyncio.run(play_to(to, tracks, speed, lambda done: progress.update(bar, completed=done)))
        return
    if map_folder is None:
        raise BadValueError("--map", "missing", "name the map with --map DIR, or a server with --to URL")
    fetch_kernels()
    from geo_backup.settings import Settings

    with tempfile.TemporaryDirectory(prefix="geo_backup_replay_") as folder:
        settings = Settings.of(map_folder, f"{folder}/0.sqlite", port=port, mode="replay")
        run(_replay(settings, tracks, speed, not no_browser))


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
def quarantine(
    url: Annotated[str, typer.Argument(help="Server, such as http://127.0.0.1:8000")] = "http://127.0.0.1:8000",
    as_json: JsonOption = False,
) -> None:
    """What trackers sent and nobody could use: the last messages, why, and what to do about it.

    A server that asks who you are takes a token from GEO_BACKUP_TOKEN.

    Example: geo-backup quarantine http://127.0.0.1:8000
    """
    found = asyncio.run(_quarantine(url))
    if as_json:
        print(json.dumps(found))
    else:
        show(*words.quarantine(found))


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
    loaded = asyncio.run(_traffic(to, None if file is None else contents("FILE", file)))
    if as_json:
        print(json.dumps({"traffic": loaded}))
    else:
        show(words.traffic(loaded))


def fetch_kernels() -> None:
    """A start begins with what takes it longest: kernels are fetched in a thread, beside all that is imported here.

    Where they have to be compiled first, that waits until it is known that this server can start (see `_compiled`).
    """
    gc.disable()  # until the start is over: it would look through modules and kernels, which all stay
    from geo_backup.roads.kernel import in_cache, without_blas
    from geo_backup.roads.warm import warm_up

    without_blas()
    compiled, kernels = in_cache()
    if compiled == kernels:
        threading.Thread(target=warm_up, name="kernels").start()


def run(main_task: Coroutine[Any, Any, None]) -> None:
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
    from geo_backup.demo.scene import set_scene

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        return None, (await set_scene(node, units, seed),)

    await _compose(settings, compose, browser, words.simulated(units))


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
            lambda: open_log(Path(settings.log).with_name(f"{next(numbers)}.sqlite"), reserve_bytes=0),
        )
        await session.begin()
        node.clock.set(speed=speed, playing=True)
        return session, (session.run,)

    await _compose(settings, compose, browser, words.replayed(len(tracks), speed))


def _play_log(path: Path, map_folder: Path | None, speed: float, port: int, browser: bool) -> None:
    """Play all of a log; who looks at it is on record in it."""
    if map_folder is None:
        raise BadValueError("--map", "missing", "name the map that the log was recorded on with --map DIR")
    fetch_kernels()
    from geo_backup.replay.recording import Recording
    from geo_backup.settings import Settings

    recording = Recording(path)
    looks(path, "replay", "log")
    with tempfile.TemporaryDirectory(prefix="geo_backup_replay_") as folder:
        settings = Settings.of(map_folder, f"{folder}/0.sqlite", port=port, mode="replay")
        run(_recording(settings, recording, speed, browser))


async def _recording(settings: Any, recording: Any, speed: float, browser: bool) -> None:
    from itertools import count

    from geo_backup.eventlog import open_log
    from geo_backup.replay.recording import RecordingSession

    numbers = count(1)

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        def new_log() -> Any:
            return open_log(Path(settings.log).with_name(f"{next(numbers)}.sqlite"), reserve_bytes=0)

        session = RecordingSession(node, recording, new_log)
        await session.begin()
        node.clock.set(speed=speed, playing=True)
        return session, (session.run,)

    await _compose(settings, compose, browser, words.played(recording.path, speed), playback=True)


def serve_paired(settings: Any) -> None:
    """Serve a log that another machine may have too; where that one is ahead of what nobody was told is recorded here,
    begin anew with its copy."""
    from geo_backup.cli.pairs import copy_anew
    from geo_backup.pair.follower import UnacknowledgedError

    while True:
        try:
            run(serve_live(settings))
            return
        except UnacknowledgedError as error:
            copy_anew(settings, str(error))


async def serve_live(settings: Any) -> None:
    from geo_backup.replay.session import ReplaySession

    async def compose(node: Any) -> tuple[Any, tuple[Any, ...]]:
        return (ReplaySession(node, None) if settings.mode == "replay" else None), ()

    await _compose(settings, compose, False, words.kept_in(settings.log))


def _learned(network: Any) -> dict[str, Any]:
    """What recorded drives have taught beforehand; a file that cannot be used is said, and no reason not to start."""
    from geo_backup.lab.learning import models_of
    from geo_backup.roads.profile import profiles_of

    models, wrong = models_of(network, profiles_of(network))
    for error in wrong:
        say.print(words.not_learned(error))
    for name, model in models.items():
        say.print(words.learned_before(name, model.seconds, len(model.punctuality.drives)))
    return {name: (model.pace, model.punctuality) for name, model in models.items()}


async def _compose(
    settings: Any,
    compose: Callable[[Any], Coroutine[Any, Any, tuple[Any, tuple[Any, ...]]]],
    browser: bool,
    what: str,
    *,
    playback: bool = False,
) -> None:
    """Port, map, log, node, server, in this order: whatever cannot work fails before anything is changed."""
    from geo_backup.eventlog import RESERVE_BYTES, open_log
    from geo_backup.node import Node
    from geo_backup.node.clock import Clock
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.server.run import bind, serve
    from geo_backup.server.tls import Certificate

    certificate = None if settings.tls is None else Certificate(*settings.tls)
    listener = bind(settings.host, settings.port)
    for receiver in settings.config.receivers:
        receiver.bind(None if certificate is None else certificate.context)
    network = RoadNetwork.load(settings.map_folder)
    network.verify()  # nobody is sent by a map that was damaged on its way
    # room on the disk is kept for officers in danger; in a demo and a replay there are none
    reserve_bytes = RESERVE_BYTES if settings.mode == "live" else 0
    log: Any
    one_of: Any = None
    if settings.cluster is not None:
        one_of, log = await _joined(settings, reserve_bytes)
    elif settings.mode == "live":
        from geo_backup.cli.pairs import pair_of

        one_of = pair_of(settings, reserve_bytes)
        log = one_of.log
        await one_of.settle()
    else:
        log = open_log(settings.log, reserve_bytes=reserve_bytes, key_file=settings.key_file)
    clock = Clock(settings.mode, 0 if settings.mode == "replay" else None)
    node = Node(network, log, clock, playback=playback, learned=_learned(network) if settings.mode == "live" else {})
    say.print(words.making_ready(network.area.name, network.edges))
    try:
        starting = asyncio.create_task(node.start())
        await asyncio.sleep(0)  # its worker makes the first fields while this thread imports the application
        from geo_backup.people import Roster
        from geo_backup.server.app import create_app
        from geo_backup.server.watch import keep_watch

        await _compiled(starting)
        steering, beside = await compose(node)
    except BaseException:
        if settings.cluster is not None:
            await one_of.leave()
        log.close()
        raise

    hosts = () if settings.host in ("0.0.0.0", "::") else (settings.host,)
    roster = None if settings.roster_file is None else Roster(settings.roster_file)
    server = create_app(
        node,
        adopt_unknown=settings.adopt_unknown,
        token=settings.token,
        roster=roster,
        provider=settings.provider(),
        hosts=hosts,
        steering=steering,
        proxies=settings.proxies,
        one_of=one_of,
    )
    speakers = server.state.speakers
    gc.freeze()
    gc.enable()
    watch, ready = partial(keep_watch, node, speakers), partial(_say_ready, settings, what, browser, speakers)
    if settings.config.retention is not None and settings.mode == "live":
        from geo_backup.server.retention import keep_terms

        beside = (*beside, partial(keep_terms, node, settings.config.retention))
    if one_of is not None:
        from geo_backup.server.pair import keep_company

        beside = (*beside, partial(keep_company, node, one_of, roster))
    if settings.config.receivers:
        from geo_backup.receivers.start import beside_of

        beside = (*beside, *beside_of(settings.config.receivers, server.state))
    await serve(node, server, listener, beside=(*beside, _import_rest, watch), on_ready=ready, certificate=certificate)


def _of_cluster(module: str) -> Any:
    """A part of `geo_backup.cluster`. Raises BadValueError where the client of NATS is not installed."""
    from importlib import import_module

    try:
        return import_module(f"geo_backup.cluster.{module}")
    except ModuleNotFoundError as error:
        remedy = f"a log that nodes share needs {error.name}: pip install 'geo-backup[cluster]'"
        raise BadValueError("--log", "missing", remedy) from None


def _bring_people(log: str, file: str) -> None:
    """Who may speak on a shared log is known before anybody is let in."""
    from geo_backup.cluster.address import address_of
    from geo_backup.people import roster_beside

    asyncio.run(_of_cluster("people").bring(address_of(log), roster_beside(file)))


async def _joined(settings: Any, reserve_bytes: int) -> tuple[Any, Any]:
    """This node's part of a cluster, and its log, which has all that is shared."""
    from geo_backup.cli.pairs import copy_for_node

    cluster = _of_cluster("cluster")
    one_of = cluster.Cluster(
        settings.cluster, settings.own_url or settings.url.rstrip("/"), lambda: time.time_ns() // 1_000_000
    )
    most = 0
    with progress_bar() as progress:
        bar = progress.add_task(words.joining(settings.cluster), total=None)

        def told(left: int) -> None:
            nonlocal most
            most = max(most, left)
            progress.update(bar, completed=most - left, total=most or None)

        log = await one_of.join(
            Path(settings.log),
            reserve_bytes=reserve_bytes,
            key_file=settings.key_file,
            fetch=partial(copy_for_node, settings.join, Path(settings.log)) if settings.join else None,
            progress=told,
        )
    say.print(words.joined(settings.cluster, one_of.stream.replicas, sorted(one_of.there)), soft_wrap=True)
    return one_of, log


def _say_ready(settings: Any, what: str, browser: bool, speakers: Any, port: int) -> None:
    """The port is open: say where, and open the page. A demo's opens by a link that says whose desk it is."""
    from geo_backup.people import ROLES, Principal
    from geo_backup.people.principal import CENTRE
    from geo_backup.server.speaker import OPEN_MANNER

    url = replace(settings, port=port).url
    say.print(words.ready(url, what, settings.mode))
    if speakers.open and settings.mode == "live":
        say.print(words.open_manner(OPEN_MANNER), soft_wrap=True)
    if browser and settings.mode == "simulated":
        desk = Principal("person", "demo", CENTRE, frozenset(ROLES), name="Demo desk")
        webbrowser.open(f"{url}?ticket={speakers.link(desk)}")
    elif browser:
        webbrowser.open(url)


async def _compiled(starting: asyncio.Task[None]) -> None:
    """Wait for a node that makes ready; where kernels have to be compiled first, with a bar, and on two cores."""
    from geo_backup.roads.kernel import in_cache

    compiled, kernels = in_cache()
    if compiled < kernels:
        command = [sys.executable, "-c", "from geo_backup.roads.warm import warm_hierarchy as w; w()"]
        beside = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with progress_bar() as progress:
                bar = progress.add_task(words.COMPILING, total=kernels, completed=compiled)
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


async def _quarantine(url: str) -> dict[str, Any]:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        found: dict[str, Any] = await client.call("GET", "/v1/quarantine")
        return found


async def _traffic(url: str, file: bytes | None) -> dict[str, Any] | None:
    """What the server made of a file of speeds; without one it lets those that hold go."""
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        if file is not None:
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
                    live.update(words.world(world), refresh=True)
                if once:
                    return
