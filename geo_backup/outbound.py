"""Outbound: the one way by which a server fetches a URL that a setting, or another program's answer, names.

Only `https` to public addresses, or hosts that the operator has listed. A name is resolved once, every address is
judged before anything connects, and the connection goes to the address that was judged: a name that means something
else a moment later (DNS rebinding) changes nothing. No redirect is followed; size and time are limited as a whole.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import certifi
import httpx

from geo_backup.errors import OutboundError

MOST_BYTES = 1_000_000
WITHIN_S = 10.0
CONNECT_S = 4.0
"""Of one address; then the next of the same name has its turn."""
ADDRESSES_MAX = 4
is_host = re.compile(rb"[A-Za-z0-9._:-]+").fullmatch
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name, for a port. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a host answered, whole."""

    status: int
    body: bytes


class Outbound:
    """Fetches by the rules of this module. `hosts` are those that the operator has listed: `idp.local`, or
    `idp.local:8443` for that port alone; they may be private, and spoken to without TLS."""

    def __init__(self, hosts: Collection[str] = (), *, resolve: Resolve | None = None) -> None:
        self.hosts = frozenset(host.lower() for host in hosts)
        self._resolve = resolve or _resolve
        self._tls = _trusted()

    async def fetch(
        self,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        within_s: float = WITHIN_S,
    ) -> Reply:
        """GET a URL, or POST a form to it; any status but a redirect is a reply.

        Raises OutboundError, in words that name the host and the remedy, and never the rest of the URL.
        """
        asked = self._checked(url)
        where = f"{asked.host}:{_port(asked)}"
        try:
            async with asyncio.timeout(within_s):
                addresses = await self._addresses(asked)
                for address in addresses:
                    try:
                        return await self._ask(asked, address, form, headers or {}, most_bytes)
                    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                        failure = error
                raise OutboundError(f"{where} cannot be reached: {failure or type(failure).__name__}")
        except TimeoutError:
            raise OutboundError(f"{where} did not answer within {within_s:g} s") from None
        except httpx.HTTPError as error:
            raise OutboundError(f"{where} broke off: {error or type(error).__name__}") from None

    def check(self, url: str) -> None:
        """Raise OutboundError for a URL that may not be fetched, as far as can be said without asking for its name."""
        self._checked(url)

    def _listed(self, url: httpx.URL) -> bool:
        host = url.host.lower()
        return host in self.hosts or f"{host}:{_port(url)}" in self.hosts

    def _checked(self, url: str) -> httpx.URL:
        try:
            asked = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            raise OutboundError("this is no URL that can be fetched; write it as https://host/path") from None
        if asked.scheme not in ("http", "https") or not is_host(asked.raw_host):
            raise OutboundError(f"only https URLs with a host are fetched, not {asked.scheme or 'this'}:")
        if asked.userinfo:
            raise OutboundError(f"the URL of {asked.host} has a name or password in it; take it out")
        if asked.scheme != "https" and not self._listed(asked):
            raise OutboundError(f"{asked.host} is to be spoken to without TLS: use https, or {_list(asked)}")
        return asked

    async def _addresses(self, url: httpx.URL) -> list[str]:
        try:
            found = await self._resolve(url.host, _port(url))
        except (OSError, UnicodeError) as error:
            raise OutboundError(f"nobody knows the address of {url.host}: {error}; is the name right?") from None
        if not self._listed(url):
            for address in found:
                if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                    raise OutboundError(f"{url.host} is at {address}, which is no public address: {_list(url)}")
        if not found:
            raise OutboundError(f"{url.host} has no address")
        return found[:ADDRESSES_MAX]

    async def _ask(
        self, url: httpx.URL, address: str, form: Mapping[str, str] | None, headers: Mapping[str, str], most_bytes: int
    ) -> Reply:
        request = httpx.Request(
            "GET" if form is None else "POST",
            url.copy_with(host=address),
            data=form,
            headers={
                "Accept": "application/json",
                **headers,
                "Host": url.netloc.decode(),
                "Accept-Encoding": "identity",
            },
            extensions={
                "sni_hostname": url.raw_host.decode(),
                "timeout": httpx.Timeout(None, connect=CONNECT_S).as_dict(),
            },
        )
        async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            reply = await transport.handle_async_request(request)
            try:
                if 300 <= reply.status_code < 400:
                    raise OutboundError(
                        f"{url.host} sends on to another URL, which is not followed: name the right one"
                    )
                if reply.headers.get("content-encoding", "identity") != "identity":
                    raise OutboundError(f"{url.host} packs its answer, though it was asked not to")
                body = bytearray()
                assert isinstance(reply.stream, httpx.AsyncByteStream)
                async for part in reply.stream:
                    body += part
                    if len(body) > most_bytes:
                        raise OutboundError(f"{url.host} answers with more than {most_bytes} bytes")
                return Reply(reply.status_code, bytes(body))
            finally:
                await reply.aclose()


def _trusted() -> ssl.SSLContext:
    """Whom TLS trusts: the authorities of this machine (or of `SSL_CERT_FILE`), else those of `certifi`."""
    context = ssl.create_default_context()
    if not context.get_ca_certs():
        context.load_verify_locations(certifi.where())
    return context


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet; one that carries another (IPv4 in IPv6) is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(inside)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def _resolve(host: str, port: int) -> list[str]:
    rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def server_in(url: str) -> SplitResult | None:
    """The parts of a server's address, by http or https; None for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # which says what is wrong with it when it is asked for
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _list(url: httpx.URL) -> str:
    return f'if you trust it, list it: hosts = ["{url.host}:{_port(url)}"] under [outbound] in the file of --config'
