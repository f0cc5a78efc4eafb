"""Adoption: how many units that nobody registered one client may bring into the fleet, with `--adopt-unknown`.

One client cannot fill the list of units: it has a number at once, gets more of them slowly, and never more than its
share of the list. What is refused here is refused in words, and may be registered by name.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

ADOPTED_AT_ONCE = 2_000
ADOPTED_PER_MINUTE = 600
ADOPTED_SHARE = 0.25
"""Of the list of units, by one client as long as the server runs."""
CLIENTS_KEPT = 4_096
REFUSED = (
    "too_many_adopted: this address has brought in as many unknown units as it may for now; "
    "register the unit with PUT /v1/units/{id}, or send it again in a minute"
)


@dataclass(slots=True)
class _Client:
    left: float
    seen_s: float
    adopted: int = 0


class Adoption:
    """What each client may still bring in; `units_max` is the length of the list."""

    def __init__(self, units_max: Callable[[], int], now_s: Callable[[], float] = time.monotonic) -> None:
        self._units_max, self._now_s = units_max, now_s
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def takes(self, address: str) -> bool:
        """Count one more unit of a client; whether it may be adopted."""
        now_s = self._now_s()
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = _Client(ADOPTED_AT_ONCE, now_s)
            if len(self._clients) > CLIENTS_KEPT:
                self._clients.popitem(last=False)
        self._clients.move_to_end(address)
        client.left = min(ADOPTED_AT_ONCE, client.left + (now_s - client.seen_s) * ADOPTED_PER_MINUTE / 60)
        client.seen_s = now_s
        if client.left < 1 or client.adopted >= ADOPTED_SHARE * self._units_max():
            return False
        client.left, client.adopted = client.left - 1, client.adopted + 1
        return True


def address_of(request: HTTPConnection) -> str:
    """Whom a request comes from; of IPv6 the network, since a client has all of its addresses."""
    return client_at(request.client.host) if request.client is not None else ""


def client_at(host: str) -> str:
    """The same by the address that it comes from."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
