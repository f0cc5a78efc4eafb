"""What a site has said of TAK: the section `[tak]` of its configuration, checked.

[tak.listen]                 # ATAK and WinTAK call this server
port = 8087                  # 8089 with a certificate
host = "0.0.0.0"             # without it, loopback alone
allow = ["10.8.0.0/16"]      # who may call
certificate = "server.pem"   # TLS; a client's certificate counts where `client_ca` made it
key = "server.key"
client_ca = "devices.pem"

[[tak.connect]]              # this server calls a TAK server
host = "tak.example.org"
port = 8089
ca = "tak-ca.pem"            # TLS: who vouches for the server, and what this one shows of itself
certificate = "geo-backup.pem"
key = "geo-backup.key"
sees = "tak-gateway"         # the token by whose rights things are shown there
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.server.bounds import LOOPBACK

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORT, TLS_PORT = 8087, 8089
CONNECTIONS_MAX = 8


@dataclass(frozen=True)
class Files:
    """Certificates in PEM: one's own with its key, and the authority that vouches for the other side."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any], where: str, folder: Path, authority: str) -> Files:
        """Raises BadValueError for half of a pair."""
        certificate, key, ca = (_file(said, where, name, folder) for name in ("certificate", "key", authority))
        if (certificate is None) != (key is None):
            raise BadValueError(f"{where}.key", "missing", f"{where} names both certificate and key, or neither")
        return cls(certificate, key, ca)

    def server_context(self) -> ssl.SSLContext | None:
        """For whoever calls: None without a certificate. Raises BadValueError."""
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(context)
        if self.authority is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client_context(self) -> ssl.SSLContext:
        """For a server that is called. Its name need not be in its certificate: TAK servers are known by the authority
        that the site has named. Raises BadValueError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.authority is None
        if self.authority is None:
            context.load_default_certs()
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key, password="")
            if self.authority is not None:
                context.load_verify_locations(self.authority)
        except (OSError, ValueError) as error:
            words = f"these are not certificates and their unlocked key in PEM: {error}"
            raise BadValueError("[tak]", "file", words) from None


@dataclass(frozen=True)
class Listen:
    """Where ATAK and WinTAK call."""

    host: str = "127.0.0.1"
    port: int = PORT
    allow: tuple[Network, ...] = ()
    files: Files = Files()
    protobuf: bool = True

    @classmethod
    def of(cls, said: Mapping[str, Any], folder: Path) -> Listen:
        """Raises BadValueError."""
        where = "[tak.listen]"
        _only(said, where, ("host", "port", "allow", "certificate", "key", "client_ca", "protobuf"))
        files = Files.of(said, where, folder, "client_ca")
        host = _text(said, where, "host", "127.0.0.1")
        allow = tuple(_network(one) for one in _list(said, where, "allow"))
        if host not in LOOPBACK and not allow:
            words = f'{where} host = "{host}" is open to other machines: say who may call, allow = ["10.8.0.0/16"]'
            raise BadValueError(f"{where}.allow", "missing", words)
        port = _port(said, where, PORT if files.certificate is None else TLS_PORT)
        return cls(host, port, allow, files, _flag(said, where, "protobuf", True))

    def lets_in(self, address: str) -> bool:
        """Whether somebody at an address may call."""
        try:
            caller = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
            caller = caller.ipv4_mapped
        return caller.is_loopback or any(caller in network for network in self.allow)


@dataclass(frozen=True)
class Connect:
    """A TAK server that this one calls."""

    host: str
    port: int
    tls: bool = False
    files: Files = Files()
    username: str = ""
    password: str = ""
    sees: str = ""
    """The id of a token: what it may see is shown there; without it nothing is, where people are configured."""
    protobuf: bool = False

    @classmethod
    def of(cls, said: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> Connect:
        """Raises BadValueError."""
        where = "[[tak.connect]]"
        keys = ("host", "port", "tls", "ca", "certificate", "key", "username", "password_env", "sees", "protobuf")
        _only(said, where, keys)
        files = Files.of(said, where, folder, "ca")
        host = _text(said, where, "host", "")
        if not host:
            raise BadValueError(f"{where}.host", "missing", f'{where} names its server: host = "tak.example.org"')
        tls = _flag(said, where, "tls", files != Files())
        variable = _text(said, where, "password_env", "")
        if variable and variable not in environ:
            raise BadValueError(f"{where}.password_env", "missing", f"set {variable} to the password of {host}")
        return cls(
            host,
            _port(said, where, TLS_PORT if tls else PORT),
            tls,
            files,
            _text(said, where, "username", ""),
            environ.get(variable, ""),
            _text(said, where, "sees", ""),
            _flag(said, where, "protobuf", False),
        )


@dataclass(frozen=True)
class Tak:
    """All of it."""

    listen: Listen | None = None
    connect: tuple[Connect, ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> Tak:
        """Raises BadValueError, which names the key and the remedy."""
        _only(said, "[tak]", ("listen", "connect"))
        listen, connect = said.get("listen"), said.get("connect", [])
        if listen is not None and not isinstance(listen, dict):
            raise BadValueError("[tak.listen]", "section", "[tak.listen] is a section")
        if not isinstance(connect, list) or not all(isinstance(one, dict) for one in connect):
            raise BadValueError(
                "[[tak.connect]]", "section", "[[tak.connect]] is a section for each server, in double brackets"
            )
        if len(connect) > CONNECTIONS_MAX:
            raise BadValueError("[[tak.connect]]", "many", f"at most {CONNECTIONS_MAX} TAK servers are called")
        return cls(
            None if listen is None else Listen.of(listen, folder),
            tuple(Connect.of(one, folder, environ) for one in connect),
        )


def _only(said: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    unknown = sorted(set(said) - set(keys))
    if unknown:
        raise BadValueError(where, "key", f"{where} has {', '.join(keys)}, not {unknown[0]!r}")


def _text(said: Mapping[str, Any], where: str, key: str, otherwise: str) -> str:
    value = said.get(key, otherwise)
    if not isinstance(value, str):
        raise BadValueError(f"{where}.{key}", "type", f"{where} {key} is a text in quotes")
    return value


def _flag(said: Mapping[str, Any], where: str, key: str, otherwise: bool) -> bool:
    value = said.get(key, otherwise)
    if not isinstance(value, bool):
        raise BadValueError(f"{where}.{key}", "type", f"{where} {key} is true or false")
    return value


def _list(said: Mapping[str, Any], where: str, key: str) -> list[str]:
    value = said.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadValueError(f"{where}.{key}", "type", f'{where} {key} is a list such as ["10.8.0.0/16"]')
    return value


def _port(said: Mapping[str, Any], where: str, otherwise: int) -> int:
    value = said.get("port", otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65_535:
        raise BadValueError(f"{where}.port", "range", f"{where} port is a number up to 65535")
    return value


def _file(said: Mapping[str, Any], where: str, key: str, folder: Path) -> Path | None:
    name = _text(said, where, key, "")
    if name and not (folder / name).is_file():
        raise BadValueError(f"{where}.{key}", "file", f"{where} {key}: there is no file {folder / name}")
    return folder / name if name else None


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise BadValueError("[tak.listen].allow", "address", f"allow: {error}") from None
    if network.prefixlen == 0:
        raise BadValueError("[tak.listen].allow", "address", f"allow: {text} is everybody; name a network")
    return network
