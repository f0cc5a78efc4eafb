"""Run a node behind its port until the process is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from geo_backup.errors import BadValueError
from geo_backup.node import Node
from geo_backup.server import garbage
from geo_backup.server.door import Door
from geo_backup.server.tls import Certificate, TlsAtDoor

UNSENT_BYTES = 16_384
"""The system takes no more than this ahead of what a viewer's line carries. What it holds cannot be taken back, and an
emergency would wait behind all of it; left alone, it holds megabytes."""

SWITCH_S = 0.001


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything slow happens. Raises `BadValueError` when it is taken or may not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # not on Windows
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} is in use; choose another with --port {port + 1}, or --port 0 for any free one"
        else:
            text = f"cannot listen on {host}:{port}: {error.strerror}"
        raise BadValueError("--port", "port", text) from None
    return listener


class _Server(uvicorn.Server):
    """One whose log knows of the end before the first connection is closed."""

    def __init__(self, config: uvicorn.Config, node: Node) -> None:
        super().__init__(config)
        self._node = node

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._node.log.retire()
        await super().shutdown(sockets)


async def serve(
    node: Node,
    app: ASGIApp,
    listener: socket.socket,
    *,
    beside: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (),
    on_ready: Callable[[int], None] = lambda port: None,
    certificate: Certificate | None = None,
) -> None:
    """Serve a started node on a bound socket, by TLS where there is a certificate, with tasks of its own beside it;
    stop all of them in order."""
    # a thread that works on a large question gives way to the event loop after this long, not after 5 ms
    sys.setswitchinterval(SWITCH_S)
    door = Door()
    config = uvicorn.Config(
        app,
        http=door.http if certificate is None else partial(TlsAtDoor, door, certificate.context),  # type: ignore[arg-type]
        log_config=None,  # its lines are written as all others
        log_level="warning",
        access_log=False,
        ws=door.feed,
        backlog=door.backlog,
        ws_max_size=65_536,
        lifespan="off",
        proxy_headers=False,  # it would believe whoever is on this machine; see `proxy`
        timeout_graceful_shutdown=2,
    )
    server = _Server(config, node)
    collecting = partial(garbage.collect, lambda: door.ended)
    watches = (door.watch, collecting, *(() if certificate is None else (certificate.watch,)))
    tasks = [asyncio.create_task(task()) for task in (*watches, *beside)]

    async def announce() -> None:
        while not server.started and not server.should_exit:
            await asyncio.sleep(0.02)
        on_ready(listener.getsockname()[1])

    tasks.append(asyncio.create_task(announce()))
    for task in tasks:
        task.add_done_callback(lambda done: _stop_on_failure(done, server))
    # uvicorn stops at a signal and then raises it again, which would end the process before the log is closed
    if threading.current_thread() is threading.main_thread():  # elsewhere nobody may, and uvicorn does not
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, lambda *_: None)
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(asyncio.CancelledError):
            await node.stop()
    for result in results:
        if isinstance(result, Exception):
            raise result


def _stop_on_failure(task: asyncio.Task[None], server: uvicorn.Server) -> None:
    if not task.cancelled() and task.exception() is not None:
        server.should_exit = True
