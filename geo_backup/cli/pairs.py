"""Commands of a pair: a second machine that follows the first, and which of them leads."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geo_backup.cli import words
from geo_backup.cli.servers import fetch_kernels, serve_paired
from geo_backup.cli.terminal import (
    LOG_HELP,
    AsynchronousOption,
    CertificateOption,
    JsonOption,
    KeyOption,
    LogFormatOption,
    MapOption,
    PortOption,
    ProxyOption,
    UrlOption,
    WitnessOption,
    app,
    progress_bar,
    say,
    show,
    write_log_as,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from geo_backup.pair.call import WebsocketCalls
    from geo_backup.pair.pair import Pair
    from geo_backup.settings import Settings

TOKEN = "GEO_BACKUP_PAIR_TOKEN"
WITNESS_TOKEN = "GEO_BACKUP_WITNESS_TOKEN"


@app.command()
def follow(
    leader: Annotated[str, typer.Argument(metavar="URL", help="The server to stand by, such as http://10.0.0.1:8000")],
    map_folder: MapOption,
    log: Annotated[str, typer.Option(help=f"{LOG_HELP}; a copy is made when it does not exist.")] = "standby.sqlite",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: PortOption = 8001,
    config: Annotated[Path | None, typer.Option(help="TOML file, as of `serve`.")] = None,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
    trusted_proxy: ProxyOption = None,
    own_url: UrlOption = "",
    asynchronous: AsynchronousOption = False,
    witness: WitnessOption = "",
    log_format: LogFormatOption = "text",
    apart: Annotated[
        bool, typer.Option("--apart", help="Set a log aside whose last events the leader never had, and copy anew.")
    ] = False,
) -> None:
    """Stand by for a server: copy its log, serve the same map, and take over by `promote` when it is gone.

    A server that asks who you are takes a token of the role standby from GEO_BACKUP_PAIR_TOKEN.

    Example: geo-backup follow http://10.0.0.1:8000 --map maps/porto --log standby.sqlite
    """
    fetch_kernels()
    write_log_as(log_format)
    from geo_backup.eventlog import file_of
    from geo_backup.pair.begin import rename, set_apart
    from geo_backup.pair.call import checked
    from geo_backup.pair.file import Memory
    from geo_backup.settings import Settings

    leader, path = checked(leader), file_of(log)
    if apart and path.exists():
        aside = set_apart(path)
        try:
            _copy(leader, path)
        except BaseException:  # nobody is there, say: it is as it was
            rename(aside, path)
            raise
        say.print(words.set_apart(aside))
    elif not path.exists():
        _copy(leader, path)
    elif not Memory.of(path).other_url:
        Memory.of(path).keep(other_url=leader)
    settings = Settings.of(map_folder, log, host=host, port=port, config=config)
    settings = settings.sealed(tls_cert, tls_key, trusted_proxy or ())
    serve_paired(settings.paired(own_url, not asynchronous, witness))


def copy_anew(settings: Settings, why: str) -> None:
    """Set the log aside, and begin with a copy of the other machine's."""
    from geo_backup.eventlog import file_of
    from geo_backup.pair.begin import set_apart
    from geo_backup.pair.file import Memory

    path = file_of(settings.log)
    leader = Memory.of(path).other_url
    say.print(words.unacknowledged(why), soft_wrap=True)
    say.print(words.set_apart(set_apart(path)), soft_wrap=True)
    _copy(leader, path)


def _copy(leader: str, path: Path) -> None:
    from geo_backup.pair.begin import copy_from

    with progress_bar() as progress:
        asyncio.run(copy_from(leader, calls(), path, _bar(progress, leader)))


async def copy_for_node(url: str, path: Path) -> None:
    """Copy the log of a node, for one that is to join."""
    from geo_backup.pair.begin import copy_log
    from geo_backup.pair.call import checked

    with progress_bar() as progress:
        await copy_log(checked(url), calls(), path, _bar(progress, url))


def _bar(progress: Progress, url: str) -> Callable[[int, int], None]:
    bar = progress.add_task(words.copying(url), total=None)
    return lambda done, total: progress.update(bar, completed=done, total=total)


@app.command()
def promote(
    url: Annotated[str, typer.Argument(help="The machine that is to lead, such as http://127.0.0.1:8001")],
    force: Annotated[
        bool, typer.Option("--force", help="Lead though the other machine does not answer; it must be gone or stopped.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Have a standby lead. The machine that leads hands over, and nothing is lost.

    A server that asks who you are takes a token of an admin or a supervisor from GEO_BACKUP_TOKEN.

    Example: geo-backup promote http://127.0.0.1:8001
    """
    found = asyncio.run(_promote(url, force))
    if as_json:
        print(json.dumps(found))
    else:
        show(words.leads(found))


@app.command("witness")
def stand_witness(
    file: Annotated[Path, typer.Option(help="Where it keeps who leads; made when it does not exist.")] = Path(
        "witness.json"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: PortOption = 8002,
    tls_cert: CertificateOption = None,
    tls_key: KeyOption = None,
) -> None:
    """Stand witness to a pair, on a third machine: it lets the standby lead when the leader is silent.

    Beyond loopback all three machines need the same GEO_BACKUP_WITNESS_TOKEN.

    Example: geo-backup witness --file witness.json --port 8002
    """
    import uvicorn

    from geo_backup.errors import BadValueError
    from geo_backup.pair.ledger import Ledger
    from geo_backup.server.bounds import LOOPBACK
    from geo_backup.server.run import bind
    from geo_backup.server.witness import create_witness

    token = os.environ.get(WITNESS_TOKEN) or None
    if host not in LOOPBACK and token is None:
        remedy = f"--host {host} is open to other machines: set {WITNESS_TOKEN} to a secret that all three share"
        raise BadValueError("--host", "token", remedy)
    if token is not None and len(token) < 16:
        raise BadValueError(WITNESS_TOKEN, "short", f"{WITNESS_TOKEN} needs at least 16 characters")
    listener = bind(host, port)
    witness = create_witness(Ledger(file, time.monotonic), token)
    config = uvicorn.Config(
        witness,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ssl_certfile=tls_cert,
        ssl_keyfile=None if tls_key is None else str(tls_key),
    )
    say.print(words.witnesses(f"http{'s' if tls_cert else ''}://{host}:{listener.getsockname()[1]}"))
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


async def _promote(url: str, force: bool) -> dict[str, Any]:
    from geo_backup.client import Client

    async with Client(url, token=os.environ.get("GEO_BACKUP_TOKEN")) as client:
        found: dict[str, Any] = await client.call("POST", "/v1/pair/promote", {"force": force})
        return found


def calls() -> WebsocketCalls:
    """How this machine calls the other one."""
    from geo_backup.pair.call import WebsocketCalls

    return WebsocketCalls(os.environ.get(TOKEN) or os.environ.get("GEO_BACKUP_TOKEN") or None)


def pair_of(settings: Settings, reserve_bytes: int) -> Pair:
    """This machine's part of the pair, with its log open; there may be no other machine yet."""
    from geo_backup.eventlog import file_of
    from geo_backup.pair.log import PairedLog
    from geo_backup.pair.pair import Pair

    log = PairedLog.open(file_of(settings.log), reserve_bytes=reserve_bytes, key_file=settings.key_file)
    log.url, log.synchronous = settings.own_url or settings.url.rstrip("/"), settings.synchronous
    pair = Pair(log, calls(), lambda: time.time_ns() // 1_000_000)
    if settings.witness:
        pair.witnessed(settings.witness, os.environ.get(WITNESS_TOKEN) or None)
    return pair
