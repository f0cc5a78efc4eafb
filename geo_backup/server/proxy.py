"""What a proxy says of whom it speaks for: believed from the one that was named, refused from everybody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from geo_backup.errors import BadValueError
from geo_backup.server.asked import Asked, Refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SECURE = {"http": "https", "ws": "wss"}


def network_of(text: str) -> Network:
    """The addresses of a proxy: `10.0.0.2` or `10.0.0.0/24`. Raises `BadValueError`."""
    try:
        network = ipaddress.ip_network(text)
        if network.prefixlen == 0:
            raise ValueError("everybody is no proxy")
        return network
    except ValueError:
        words = f"--trusted-proxy is an address or a network, such as 10.0.0.2 or 10.0.0.0/24, not {text!r}"
        raise BadValueError("--trusted-proxy", "address", words) from None


@dataclass(frozen=True)
class Proxies:
    """The proxies that are believed. `alone`: the port has no TLS of its own and is open to other machines, so that
    nobody but they and this machine may use it."""

    networks: tuple[Network, ...] = ()
    alone: bool = False

    def trust(self, address: Address | None) -> bool:
        """Whether this is one of them."""
        return address is not None and any(address in network for network in self.networks)

    def seen_through(self, asked: Asked) -> Asked | Refusal:
        """A request as it was sent: of one that a trusted proxy brings, who sent it (`X-Forwarded-For`) and whether it
        came by TLS (`X-Forwarded-Proto`)."""
        if not asked.forwarded and not self.alone:
            return asked
        peer = _address(asked.source)
        trusts = self.trust(peer)
        if asked.forwarded and not trusts:
            words = f"a proxy at {peer} brought this, which nobody named: start the server with --trusted-proxy {peer}"
            return Refusal(403, words)
        if self.alone and not trusts and not (peer is not None and peer.is_loopback):
            return Refusal(403, "this port speaks with its proxy alone, since it has no TLS of its own: ask the proxy")
        if asked.forwarded and peer is not None:
            return asked._replace(scope=self._as_sent(asked.scope, peer))
        return asked

    def _as_sent(self, scope: Scope, peer: Address) -> Scope:
        headers = Headers(scope=scope)
        hops = [hop for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
        scope = {**scope, "client": (str(self._sender(reversed(hops), peer)), 0)}
        by = [hop.strip().lower() for value in headers.getlist("x-forwarded-proto") for hop in value.split(",")]
        if by and by[-1] in ("https", "wss"):
            scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
        return scope

    def _sender(self, hops: Iterable[str], peer: Address) -> Address:
        """The nearest address that is no trusted proxy: what stands before it anybody may have written."""
        for hop in hops:
            found = _address(hop)
            if found is None:
                break
            peer = found
            if not self.trust(found):
                break
        return peer


NO_PROXY = Proxies()


def _address(text: str) -> Address | None:
    text = text.strip().removeprefix("[").partition("]")[0].partition("%")[0]
    if text.count(":") == 1:  # with its port
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if address.version == 6 else address
