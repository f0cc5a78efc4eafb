"""What a proxy says of whom it speaks for: believed from the one that was named, refused from everybody else."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from geo_backup.errors import BadValueError
from geo_backup.server.problems import answer

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip")
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


def is_forwarded(scope: Scope) -> bool:
    """Whether a request says that it came through a proxy."""
    return any(name.startswith(FORWARDED) for name, _ in scope["headers"])


@dataclass(frozen=True)
class Proxies:
    """The proxies that are believed. `alone`: the port has no TLS of its own and is open to other machines, so that
    nobody but they and this machine may use it."""

    networks: tuple[Network, ...] = ()
    alone: bool = False

    def trust(self, address: Address | None) -> bool:
        """Whether this is one of them."""
        return address is not None and any(address in network for network in self.networks)


NO_PROXY = Proxies()


class Proxied:
    """ASGI middleware: of a request that a trusted proxy brings, who sent it (`X-Forwarded-For`) and whether it came by
    TLS (`X-Forwarded-Proto`)."""

    def __init__(self, app: ASGIApp, *, proxies: Proxies) -> None:
        self.app, self.proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        forwarded = is_forwarded(scope)
        if not forwarded and not self.proxies.alone:
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        peer = _address(client[0]) if client else None
        trusts = self.proxies.trust(peer)
        if forwarded and not trusts:
            words = f"a proxy at {peer} brought this, which nobody named: start the server with --trusted-proxy {peer}"
            await _refuse(words, scope, receive, send)
        elif self.proxies.alone and not trusts and not (peer is not None and peer.is_loopback):
            words = "this port speaks with its proxy alone, since it has no TLS of its own: ask the proxy"
            await _refuse(words, scope, receive, send)
        elif forwarded and peer is not None:
            await self.app(self._as_sent(scope, Headers(scope=scope), peer), receive, send)
        else:
            await self.app(scope, receive, send)

    def _as_sent(self, scope: Scope, headers: Headers, peer: Address) -> Scope:
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
            if not self.proxies.trust(found):
                break
        return peer


async def _refuse(words: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(403, words)(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close", "code": 4403, "reason": words[:120]})


def _address(text: str) -> Address | None:
    text = text.strip().removeprefix("[").partition("]")[0].partition("%")[0]
    if text.count(":") == 1:  # with its port
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if address.version == 6 else address
