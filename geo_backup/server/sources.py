"""Sources: how each tracker was last heard: which way, from where, and how wrong its clock is.

No part of the live map: every server knows of those that speak to it. A way without secrets (UDP, plain TCP) tells
nothing of a sender but its address, so a device that changes it is not believed while the former one still speaks.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from statistics import median
from typing import Literal

KEPT = 50_000
STILL_SPEAKS_MS = 60_000
"""An address that was silent for so long has been given up."""
TWINS_MS = 600_000
WINDOW = 30
ENOUGH = 5
"""Delays of the last fixes that a clock is judged by."""
AHEAD_MS = 10_000
BEHIND_MS = 120_000
"""A fix may be late on its way, so that less of this says nothing."""


@lru_cache(4_096)  # a modem says something each second, always from the same
def plain(address: str) -> str:
    """An IP address as it is always written, an IPv4 one as such wherever it came. Raises ValueError for none."""
    found = ip_address(address.partition("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)


Flag = Literal["address_changed", "twin", "clock_ahead", "clock_behind"]


@dataclass(slots=True)
class Source:
    """One device as it speaks here."""

    way: str = ""
    address: str = ""
    heard_ms: int = 0
    messages: int = 0
    unit_id: str = ""
    """Of a TAK client: the unit that it last spoke for, by its callsign."""
    moved_ms: int | None = None
    """When it began to speak from this address, which is not its first."""
    twin_ms: int | None = None
    """When two addresses, or two ports of one, last spoke as this device at the same time."""
    port: int = 0
    former_port: int = 0
    former_ms: int = 0
    """From which port it spoke before it spoke from this one, and when it last did."""
    delays_ms: deque[int] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """Reception less time of the fix, of those that came by themselves."""

    @property
    def skew_ms(self) -> int | None:
        """How far its clock is behind (ahead: less than 0), None while nobody can tell. No fix comes before it was
        made: the quickest was on its way for next to no time. A clock that is behind is told from a slow line by all
        being late alike."""
        if len(self.delays_ms) < ENOUGH:
            return None
        least = min(self.delays_ms)
        if least < 0 or median(self.delays_ms) - least < BEHIND_MS / 4:
            return least
        return 0

    def flags(self, now_ms: int) -> list[Flag]:
        """What somebody should look at."""
        skew_ms, found = self.skew_ms, list[Flag]()
        if self.moved_ms is not None and now_ms - self.moved_ms < TWINS_MS:
            found.append("address_changed")
        if self.twin_ms is not None and now_ms - self.twin_ms < TWINS_MS:
            found.append("twin")
        if skew_ms is not None and skew_ms <= -AHEAD_MS:
            found.append("clock_ahead")
        if skew_ms is not None and skew_ms >= BEHIND_MS:
            found.append("clock_behind")
        return found


class Sources:
    """The last `KEPT` devices that spoke here, by their names."""

    def __init__(self) -> None:
        self.by_device: OrderedDict[str, Source] = OrderedDict()

    def unit_of(self, device: str) -> str:
        """The unit that a TAK client last spoke for; empty where nobody knows."""
        source = self.by_device.get(device[:64])
        return "" if source is None else source.unit_id

    def spoke_for(self, device: str, unit_id: str) -> None:
        """A TAK client spoke for a unit; or for none any more, where that is empty."""
        source = self.by_device.get(device[:64])
        if source is not None:
            source.unit_id = unit_id

    def speaks(
        self, device: str, way: str, address: str, known: str, now_ms: int, fix_ms: int | None, port: int = 0
    ) -> bool:
        """A device said something; whether it is believed. `address` is where it came from, empty where the way itself
        says who speaks; `known` is where it was said to speak from: then no other address is believed, and where nobody
        said so, none while the former one still speaks. Another `port` is believed: a modem that dials in again has
        one, but it does not go back to the one before."""
        source = self.by_device.get(device)
        if address and known and address != known:
            if source is not None:
                source.twin_ms = now_ms
            return False
        if source is None:
            source = self.by_device[device] = Source(way, address, now_ms)
            if len(self.by_device) > KEPT:
                self.by_device.popitem(last=False)
        elif address and not known and source.address and address != source.address:
            if now_ms - source.heard_ms < STILL_SPEAKS_MS:
                source.twin_ms = now_ms
                return False
            source.moved_ms = now_ms
        if (way, address) != (source.way, source.address):
            source.port, source.former_port = port, 0
        elif port != source.port:
            if port == source.former_port and now_ms - source.former_ms < STILL_SPEAKS_MS:
                source.twin_ms = now_ms
            source.port, source.former_port, source.former_ms = port, source.port, source.heard_ms
        self.by_device.move_to_end(device)
        source.way, source.address, source.heard_ms = way, address or source.address, now_ms
        source.messages += 1
        if fix_ms is not None:
            source.delays_ms.append(now_ms - fix_ms)
        return True
