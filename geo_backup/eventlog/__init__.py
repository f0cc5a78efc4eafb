"""The one port of the package, and the one place that names its engines: `open_log` knows them by their URLs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from geo_backup.errors import LogError
from geo_backup.eventlog.port import EventLog, Limits, LogState
from geo_backup.eventlog.reserve import RESERVE_BYTES

__all__ = ["RESERVE_BYTES", "EventLog", "Limits", "LogState", "is_log", "open_log"]

ENGINES = {"sqlite": ("geo_backup.eventlog.sqlite", "SqliteLog")}
"""Module and class by the scheme of the URL; a path without one is a file of the first."""


def open_log(
    url: str | Path, *, read_only: bool = False, reserve_bytes: int = RESERVE_BYTES, limits: Limits = Limits()
) -> EventLog:
    """Open the log that a URL (`sqlite:///var/log.sqlite`) or a path names, made anew if there is none.

    `read_only` opens also a log that another process is writing, and makes none. `reserve_bytes` is the room kept
    beside it for emergencies. Raises LogError, in one line with the remedy, for what is no log, a broken one, one of a
    newer version, and one that another process holds for writing.
    """
    scheme, _, place = str(url).rpartition("://")
    module, name = ENGINES.get(scheme or next(iter(ENGINES)), ("", ""))
    if not module:
        raise LogError(f"{scheme}:// is no log that is known here: name a file, or one of {', '.join(ENGINES)}://")
    engine: Callable[..., EventLog] = getattr(import_module(module), name).open
    return engine(Path(place), read_only=read_only, reserve_bytes=reserve_bytes, limits=limits)


def is_log(head: bytes) -> bool:
    """Whether a file that begins so may be a log: tells it from the recordings of others."""
    return head.startswith(b"SQLite format 3\x00")
