"""Settings of one server: flags and environment brought into one frozen value, checked before anything starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from geo_backup.errors import BadValueError
from geo_backup.node.clock import Mode
from geo_backup.server.access import LOOPBACK


@dataclass(frozen=True)
class Settings:
    """What `serve`, `demo` and `replay` start with."""

    map_folder: Path
    log_file: Path
    host: str = "127.0.0.1"
    port: int = 8000
    mode: Mode = "live"
    adopt_unknown: bool = False
    token: str | None = None
    key_file: Path | None = None
    """What the log is signed with; None: a file beside it."""

    @classmethod
    def of(
        cls,
        map_folder: Path,
        log_file: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        mode: Mode = "live",
        adopt_unknown: bool = False,
    ) -> Settings:
        """Read the environment and check. Raises `BadValueError` for a host beyond loopback without a token."""
        token = os.environ.get("GEO_BACKUP_TOKEN") or None
        if host not in LOOPBACK and token is None:
            raise BadValueError(
                "--host",
                "token",
                f"--host {host} is open to other machines: set GEO_BACKUP_TOKEN to a secret first, "
                "for example GEO_BACKUP_TOKEN=$(openssl rand -hex 16)",
            )
        if token is not None and len(token) < 16:
            raise BadValueError("GEO_BACKUP_TOKEN", "short", "GEO_BACKUP_TOKEN needs at least 16 characters")
        key = os.environ.get("GEO_BACKUP_LOG_KEY")
        return cls(map_folder, log_file, host, port, mode, adopt_unknown, token, Path(key) if key else None)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"
