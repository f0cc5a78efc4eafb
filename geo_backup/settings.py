"""Settings of one server: flags and environment brought into one frozen value, checked before anything starts."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geo_backup.errors import BadValueError
from geo_backup.node.clock import Mode
from geo_backup.people import Roster, roster_beside
from geo_backup.server.bounds import LOOPBACK
from geo_backup.server.proxy import Proxies, network_of

if TYPE_CHECKING:  # only a site with an identity provider pays for what speaks to it
    from geo_backup.cluster.address import Address
    from geo_backup.eventlog.retention import Retention
    from geo_backup.people.oidc import Oidc
    from geo_backup.people.provider import Provider
    from geo_backup.receivers.config import Receiver


@dataclass(frozen=True)
class Config:
    """What the file of `--config` says: hosts that the server may call, the identity provider, and how long the log
    keeps what (without that it keeps all), and the receivers of trackers that speak otherwise than by HTTP."""

    hosts: tuple[str, ...] = ()
    oidc: Oidc | None = None
    retention: Retention | None = None
    receivers: tuple[Receiver, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Config:
        """Raises BadValueError, which names the section, the key and the remedy."""
        try:
            said = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise BadValueError("--config", "file", f"{path} cannot be read: {error}") from None
        unknown = sorted(set(said) - {"outbound", "oidc", "retention", "receivers"})
        if unknown:
            words = f"{path}: sections are [outbound], [oidc], [retention] and [receivers.*], not {unknown[0]!r}"
            raise BadValueError("--config", "section", words)
        outbound, section, kept = said.get("outbound", {}), said.get("oidc"), said.get("retention")
        hosts = outbound.get("hosts", []) if isinstance(outbound, dict) else None
        if set(outbound) - {"hosts"} or not isinstance(hosts, list) or not all(isinstance(one, str) for one in hosts):
            words = f'{path}: [outbound] has one key, such as hosts = ["id.example.org:8443"]'
            raise BadValueError("--config", "outbound", words)
        for name, one in (("oidc", section), ("retention", kept)):
            if one is not None and not isinstance(one, dict):
                raise BadValueError("--config", name, f"{path}: [{name}] is a section")
        oidc = retention = None
        try:
            if section is not None:
                from geo_backup.people.oidc import Oidc

                oidc = Oidc.of(section, path.parent, os.environ)
            if kept is not None:
                from geo_backup.eventlog.retention import Retention

                retention = Retention.of(kept)
            receivers: tuple[Receiver, ...] = ()
            if "receivers" in said:
                from geo_backup.receivers.config import receivers_of

                receivers = receivers_of(said["receivers"], path.parent)
            return cls(tuple(hosts), oidc, retention, receivers)
        except BadValueError as error:
            raise BadValueError(error.field, error.reason, f"{path}: {error}") from None


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
    config: Config = field(default_factory=Config)
    tls: tuple[Path, Path] | None = None
    """A certificate and its key; None: no TLS."""
    proxies: Proxies = field(default_factory=Proxies)
    own_url: str = ""
    """Where the other machine of a pair finds this one, where it is not `url`."""
    synchronous: bool = True
    """What is written is acknowledged when the standby has it."""
    cluster: Address | None = None
    """What many nodes share, of which `log` is this one's copy; None: the log is this machine's own, or a pair's."""
    join: str = ""
    """The node whose copy this one begins with, where the stream does not hold the beginning."""
    witness: str = ""
    """The URL of what says which machine of a pair may lead; empty: somebody says it."""

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
        config: Path | None = None,
    ) -> Settings:
        """Read the environment and check. Raises `BadValueError` for a host beyond loopback for which nobody is
        configured."""
        token = os.environ.get("GEO_BACKUP_TOKEN") or None
        roster_file = roster_beside(log) if mode != "simulated" else None
        said = Config() if config is None else Config.read(config)
        if host not in LOOPBACK and token is None and said.oidc is None and not _is_somebody(roster_file):
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
        key_file = Path(key) if key else None
        return cls(map_folder, log, host, port, mode, adopt_unknown, token, roster_file, key_file, said)

    def provider(self) -> Provider | None:
        """The identity provider, ready to be asked; call it once."""
        if self.config.oidc is None:
            return None
        from geo_backup.outbound import Outbound
        from geo_backup.people.provider import Provider, keys_beside

        kept = None if self.roster_file is None else keys_beside(self.roster_file)
        return Provider(self.config.oidc, Outbound(self.config.hosts), kept)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/"

    @property
    def scheme(self) -> str:
        """How this port is spoken to."""
        return "http" if self.tls is None else "https"

    def sealed(self, certificate: Path | None, key: Path | None, proxies: Sequence[str]) -> Settings:
        """These settings with TLS, or behind named proxies. Raises `BadValueError` for half of a pair, and for a host
        beyond loopback with neither: passwords and positions would be there for everybody on the way to read."""
        if (certificate is None) != (key is None):
            raise BadValueError("--tls-cert", "missing", "name both: --tls-cert FILE --tls-key FILE")
        tls = None if certificate is None or key is None else (certificate, key)
        beyond = self.host not in LOOPBACK
        if beyond and tls is None and not proxies:
            raise BadValueError(
                "--host",
                "tls",
                f"--host {self.host} is open to other machines: give it --tls-cert FILE --tls-key FILE, or put a proxy "
                "with TLS before it and name that one with --trusted-proxy ADDRESS",
            )
        named = Proxies(tuple(network_of(proxy) for proxy in proxies), alone=beyond and tls is None)
        return replace(self, tls=tls, proxies=named)

    def paired(self, own_url: str, synchronous: bool, witness: str) -> Settings:
        """These settings of one machine of a pair. Raises `BadValueError` for an address that is none."""
        from geo_backup.pair.call import checked

        named, seen = (checked(url) if url else "" for url in (own_url, witness))
        return replace(self, own_url=named, synchronous=synchronous, witness=seen)

    def shared(self, log: str, own_url: str, join: str) -> Settings:
        """These settings of one node of many, on the log that this URL names. Raises `BadValueError` for an address
        that is none."""
        from geo_backup.cluster.address import address_of
        from geo_backup.pair.call import checked

        named, joined = (checked(url) if url else "" for url in (own_url, join))
        return replace(self, cluster=address_of(log), own_url=named, join=joined)

    def hearing(self, udp: int | None, tcp: int | None, mqtt: str | None, tak: int | None = None) -> Settings:
        """These settings with receivers that flags ask for. Raises `BadValueError` for one that the file has too, and
        for recorded time, which no tracker speaks of."""
        ports = {"udp": udp, "tcp": tcp, "tak": tak}
        flags = {"mqtt": mqtt and {"url": mqtt}, **{way: port and {"port": port} for way, port in ports.items()}}
        asked = {way: section for way, section in flags.items() if section}
        receivers = self.config.receivers
        if asked:
            from geo_backup.receivers.config import receivers_of

            twice = next((one.way for one in receivers if one.way in asked), None)
            if twice is not None:
                raise BadValueError(f"--{twice}", "twice", f"--{twice} stands in the file of --config too; say it once")
            receivers = (*receivers, *receivers_of(asked, Path()))
        if receivers and self.mode != "live":
            raise BadValueError("--clock", "clock", "receivers hear what is now: serve without --clock replay")
        return replace(self, config=replace(self.config, receivers=receivers))


def _is_somebody(roster_file: Path | None) -> bool:
    """Whether somebody is configured already."""
    if roster_file is None or not roster_file.exists():
        return False
    with closing(Roster(roster_file)) as roster:
        return not roster.empty()
