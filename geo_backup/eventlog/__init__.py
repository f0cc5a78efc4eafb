"""The one port of the package, and the one place that names its engines: `open_log` knows them by their URLs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from geo_backup.errors import LogError
from geo_backup.eventlog.port import EventLog, Limits, LogState
from geo_backup.eventlog.reserve import RESERVE_BYTES

__all__ = ["RESERVE_BYTES", "EventLog", "Limits", "LogState", "file_of", "is_log", "open_log"]

ENGINES = {"sqlite": ("geo_backup.eventlog.sqlite", "SqliteLog")}
"""Module and class by the scheme of the URL; a path without one is a file of the first."""


def open_log(
    url: str | Path,
    *,
    read_only: bool = False,
    reserve_bytes: int = RESERVE_BYTES,
    key_file: Path | None = None,
    limits: Limits = Limits(),
) -> EventLog:
    """Open the log that a URL (`sqlite:///var/log.sqlite`) or a path names, made anew if there is none.

    `read_only` opens also a log that another process is writing, and makes none. `reserve_bytes` is the room kept
    beside it for emergencies, `key_file` what its links are signed with (`<log>.key` when nobody names one; made at the
    first start). Raises LogError, in one line with the remedy, for what is no log, a broken one, one of a
    newer version, and one that another process holds for writing.
    """
    (module, name), place = _engine(url)
    engine: Callable[..., EventLog] = getattr(import_module(module), name).open
    return engine(place, read_only=read_only, reserve_bytes=reserve_bytes, key_file=key_file, limits=limits)


def file_of(url: str | Path) -> Path:
    """The file that a path, or a URL of the embedded engine, names. Raises LogError for another URL."""
    return _engine(url)[1]


def _engine(url: str | Path) -> tuple[tuple[str, str], Path]:
    """Module and class of the engine that a URL names, and its place."""
    scheme, _, place = str(url).rpartition("://")
    engine = ENGINES.get(scheme or next(iter(ENGINES)))
    if scheme in ("nats", "tls"):
        raise LogError(f"{url} is a log that nodes share: name the file of this node's own copy (serve --copy)")
    if engine is None:
        raise LogError(f"{scheme}:// is no log that is known here: name a file, or one of {', '.join(ENGINES)}://")
    return engine, Path(place)


def is_log(head: bytes) -> bool:
    """Whether a file that begins so may be a log: tells it from the recordings of others."""
    return head.startswith(b"SQLite format 3\x00")
