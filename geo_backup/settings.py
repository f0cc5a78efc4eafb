"""Settings of one server: flags and environment brought into one frozen value, checked before anything starts."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from geo_backup.errors import BadValueError
from geo_backup.node.clock import Mode
from geo_backup.people import Roster, roster_beside
from geo_backup.server.bounds import LOOPBACK


@dataclass(frozen=True)
class Settings:
    """What `serve`, `demo` and `replay` start with."""

    map_folder: Path
    log: str
    """A file, or the URL of a log; `open_log` knows which there are."""
    host: str = "127.0.0.1"
    port: int = 8000
    mode: Mode = "live"
    adopt_unknown: bool = False
    token: str | None = None
    roster_file: Path | None = None
    """Where people and tokens are kept; None: nobody is configured, and nobody can be."""
    key_file: Path | None = None
    """What the log is signed with; None: a file beside it."""

    @classmethod
    def of(
        cls,
        map_folder: Path,
        log: str,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        mode: Mode = "live",
        adopt_unknown: bool = False,
    ) -> Settings:
        """Read the environment and check. Raises `BadValueError` for a host beyond loopback for which nobody is
        configured."""
        token = os.environ.get("GEO_BACKUP_TOKEN") or None
        roster_file = roster_beside(log) if mode != "simulated" else None
        if host not in LOOPBACK and token is None and not _is_somebody(roster_file):
            raise BadValueError(
                "--host",
                "token",
                f"--host {host} is open to other machines: say first who may speak to it, with `geo-backup people add` "
                "and `geo-backup tokens issue`, or set GEO_BACKUP_TOKEN to a secret, "
                "for example GEO_BACKUP_TOKEN=$(openssl rand -hex 16)",
            )
        if token is not None and len(token) < 16:
            raise BadValueError("GEO_BACKUP_TOKEN", "short", "GEO_BACKUP_TOKEN needs at least 16 characters")
        key = os.environ.get("GEO_BACKUP_LOG_KEY")
        return cls(map_folder, log, host, port, mode, adopt_unknown, token, roster_file, Path(key) if key else None)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def _is_somebody(roster_file: Path | None) -> bool:
    """Whether somebody is configured already."""
    if roster_file is None or not roster_file.exists():
        return False
    with closing(Roster(roster_file)) as roster:
        return not roster.empty()
