"""The command line: each command composes the parts and says what happens in words."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress

from rich.markup import escape

from geo_backup.cli import evidence, learning, load, maps, pairs, people, places, readings, records, servers, tracks
from geo_backup.cli.terminal import app, demo_map, say
from geo_backup.errors import GeoBackupError

__all__ = [
    "app",
    "demo_map",
    "evidence",
    "learning",
    "load",
    "main",
    "maps",
    "pairs",
    "people",
    "places",
    "readings",
    "records",
    "servers",
    "tracks",
]

# what a newcomer needs first stands first in the help
app.registered_commands.sort(key=lambda command: getattr(command.callback, "__module__", "") != servers.__name__)


THREADS_WITHIN_S = 0.5


def main() -> None:
    """Entry point: every failure is one clear line and a non-zero exit."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    code = _command()
    _leave_threads(code)
    sys.exit(code)


def _command() -> int:
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except GeoBackupError as error:
        say.print(f"[bold red]geo-backup:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _leave_threads(code: int) -> None:
    """End the process here if a thread still works: a search of HiGHS cannot be stopped, Python would wait for it for
    half a minute, and nobody is left to read its answer. The log is closed and all files are put away by now."""
    until_s = time.monotonic() + THREADS_WITHIN_S
    # the search is a daemon, and HiGHS ends the process by an abort where one is still under way
    others = [
        one
        for one in threading.enumerate()
        if one is not threading.current_thread() and (one.name == "search" or not one.daemon)
    ]
    for one in others:
        one.join(max(0.0, until_s - time.monotonic()))
    if any(one.is_alive() for one in others):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)
