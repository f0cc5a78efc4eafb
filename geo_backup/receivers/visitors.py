"""Visitors: who may speak to a port that asks for no secret; others are turned away unread."""

from __future__ import annotations

import errno
import socket
from collections import OrderedDict
from ipaddress import ip_address

from geo_backup.receivers.inlet import Inlet
from geo_backup.receivers.section import LOOPBACK, Section
from geo_backup.server.sources import plain

KNOWN_MAX = 4_096
"""Addresses whose answer is remembered."""
TOLD_MAX = 20
"""Sources that the quarantine tells of in a minute: it is to hold what trackers of ours sent, too."""
FOREIGN = "{} is in none of the networks of `allow` in [{}]; if it is a tracker of yours, name its network there"


class Visitors:
    """`host` and `allow` of a section. Without `allow` it is this machine alone; with it the port is open to other
    machines, and reads what comes from those networks."""

    def __init__(self, section: Section) -> None:
        networks = section.allow()
        self.networks = (*LOOPBACK, *networks)
        self.host = section.text("host", "0.0.0.0" if networks else "127.0.0.1")
        self.name = section.name
        try:
            beyond = not ip_address(self.host).is_loopback
        except ValueError:
            raise section.wrong("host", f"is an address of this machine, not {self.host!r}") from None
        if beyond and not networks:
            section.lacks(
                "allow", f'is missing: host {self.host} is open to other machines; say which, as ["10.8.0.0/16"]'
            )
        self._minute, self._told = 0, set[str]()
        self._known: OrderedDict[str, bool] = OrderedDict()

    def allowed(self, address: str) -> bool:
        """Whether what comes from this address is read."""
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._allowed(address)
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return known

    def _allowed(self, address: str) -> bool:
        where = ip_address(plain(address))
        return any(where in network for network in self.networks)

    def turn_away(self, inlet: Inlet, way: str, address: str) -> None:
        """Count what came from elsewhere, unread; each source is told of once a minute, and no more than a few are."""
        minute = inlet.node.clock.now_ms() // 60_000
        if minute != self._minute:
            self._minute, self._told = minute, set()
        if address in self._told or len(self._told) >= TOLD_MAX:
            inlet.quarantine.counts[way, "foreign"] += 1
        else:
            self._told.add(address)
            inlet.set_aside(way, address, "foreign", FOREIGN.format(address, self.name), "")


def bound(kind: socket.SocketKind, host: str, port: int, section: Section) -> socket.socket:
    """A port that is taken. Raises BadValueError."""
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    taken.setblocking(False)
    if kind is socket.SOCK_STREAM:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        words = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise section.wrong("port", f"{port} of {host} {words}; choose another") from None
    return taken
