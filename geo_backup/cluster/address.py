"""The address of a shared log: `nats://[user:password@]host[:port],host.../AREA[?replicas=3]`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from geo_backup.errors import BadValueError

SCHEMES = ("nats", "tls")
AREA = re.compile(r"[A-Za-z0-9_-]{1,48}")
EXAMPLE = "nats://10.0.0.1,10.0.0.2,10.0.0.3/porto"
CREDENTIALS = "GEO_BACKUP_NATS_CREDS"
CA = "GEO_BACKUP_NATS_CA"


@dataclass(frozen=True)
class Address:
    """Where a shared log is."""

    servers: tuple[str, ...]
    """URLs of NATS servers; one that answers names the others."""
    area: str
    """What is served: its nodes share one log."""
    replicas: int = 0
    """On how many servers the stream is to stand when it is made; 0: on three where there are so many, else on one."""
    credentials: Path | None = None
    """A NATS credentials file."""
    ca: Path | None = None
    """The authority that signed the servers' certificates, where it is not a public one."""

    @property
    def stream(self) -> str:
        """The stream's name at its servers."""
        return f"geo_backup_{self.area}"

    @property
    def copy(self) -> Path:
        """The file of a node's own copy, where nobody names one."""
        return Path(f"{self.area}.sqlite")

    def __str__(self) -> str:
        hosts = ",".join(urlsplit(server).netloc.rpartition("@")[2] for server in self.servers)
        return f"{urlsplit(self.servers[0]).scheme}://{hosts}/{self.area}"


def is_shared(log: str) -> bool:
    """Whether a log's URL names one that many nodes share."""
    return log.partition("://")[0] in SCHEMES


def address_of(url: str) -> Address:
    """Read the URL; credentials and authority are of the environment (GEO_BACKUP_NATS_CREDS, GEO_BACKUP_NATS_CA).
    Raises BadValueError."""
    parts = urlsplit(url)
    hosts = [host for host in parts.netloc.split(",") if host]
    area, asked = parts.path.strip("/"), parse_qs(parts.query)
    unknown = sorted(asked.keys() - {"replicas"})
    replicas = asked.get("replicas", ["0"])[-1]
    if not hosts:
        raise _bad(f"{url} names no server: write {EXAMPLE}")
    if not AREA.fullmatch(area):
        raise _bad(f"{url} names no area: write {EXAMPLE}, the area in letters, digits, - and _")
    if unknown:
        raise _bad(f"{url}: {unknown[0]!r} is not known; there is replicas=1, 3 or 5")
    if replicas not in ("0", "1", "3", "5"):
        raise _bad(f"{url}: replicas are 1, 3 or 5, not {replicas!r}")
    for host in hosts:
        _check_host(url, host)
    who = hosts[0].rpartition("@")[0]
    servers = tuple(f"{parts.scheme}://{host if '@' in host or not who else f'{who}@{host}'}" for host in hosts)
    return Address(servers, area, int(replicas), _file(CREDENTIALS), _file(CA))


def _check_host(url: str, host: str) -> None:
    try:
        parts = urlsplit(f"nats://{host}")
        known = parts.hostname is not None and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise _bad(f"{url}: {host!r} is no host with a port: write {EXAMPLE}")


def _file(variable: str) -> Path | None:
    named = os.environ.get(variable)
    if not named:
        return None
    if not Path(named).is_file():
        raise BadValueError(variable, "file", f"{variable} names {named}, and there is no such file")
    return Path(named)


def _bad(words: str) -> BadValueError:
    return BadValueError("--log", "url", words)
