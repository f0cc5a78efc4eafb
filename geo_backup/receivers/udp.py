"""UDP: datagrams of vehicle modems, each with one report or a few. The way has no acknowledgement of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path

from geo_backup.receivers.avl import Avl
from geo_backup.receivers.inlet import Inlet, Message
from geo_backup.receivers.section import Section
from geo_backup.receivers.visitors import Visitors, bound

BUFFER_BYTES = 8_000_000
"""What the system holds for us, if it grants so much: two seconds of 10,000 datagrams each."""
DATAGRAM_MAX = 2_048
AT_ONCE = 200
"""Datagrams that are read before others have their turn."""


class Udp:
    """The receiver of `[receivers.udp]`: `port`, `host`, `allow`, and what `Avl` knows."""

    way = "udp"

    def __init__(self, section: Section) -> None:
        self.port, self.visitors, self.avl = section.port(), Visitors(section), Avl(section)
        section.done()
        self._section = section
        self._socket: socket.socket | None = None
        self.overflow = 0

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """Take the port; what comes until `run` waits there."""
        taken = bound(socket.SOCK_DGRAM, self.visitors.host, self.port, self._section)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.port = taken.getsockname()[1]
        self._socket = taken

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled."""
        taken = self._socket
        assert taken is not None, "bind it first"
        loop = asyncio.get_running_loop()
        loop.add_reader(taken, partial(self._read, taken, inlet))
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(taken)
            taken.close()
            self._socket = None

    def _read(self, taken: socket.socket, inlet: Inlet) -> None:
        now_ms = inlet.node.clock.now_ms()
        for _ in range(AT_ONCE):
            try:
                data, sender = taken.recvfrom(DATAGRAM_MAX)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an answer of ours reached nobody: that is told here
                continue
            address = sender[0]
            if not self.visitors.allowed(address):
                self.visitors.turn_away(inlet, "udp", address)
                continue
            modem = self.avl.modem(address)
            for heard, text, answer in self.avl.read(data, modem, now_ms):
                then = partial(_answer, taken, answer, sender) if answer else None
                if not inlet.take(Message("udp", heard, text, address, then)):
                    self.overflow += 1

    def figures(self) -> dict[str, float]:
        """What only the receiver knows. `dropped`: datagrams that the system threw away, since nobody read them in
        time; Linux tells it."""
        known = {"kept_alive": float(self.avl.kept_alive), "overflow": float(self.overflow)}
        dropped = None if self._socket is None else _dropped(self._socket)
        return known if dropped is None else {**known, "dropped": dropped}


def _answer(taken: socket.socket, answer: str, sender: tuple[str, int], kept: bool) -> None:
    if kept and taken.fileno() >= 0:
        with suppress(OSError):  # it sends its report again
            taken.sendto(answer.encode("ascii", "replace"), sender)


def _dropped(taken: socket.socket) -> float | None:
    """What Linux says of a socket: its line in /proc/net is that with its inode, and ends with what was dropped."""
    try:
        inode = str(os.fstat(taken.fileno()).st_ino)
        table = Path("/proc/net/udp6" if taken.family == socket.AF_INET6 else "/proc/net/udp").read_text()
    except OSError:
        return None
    found = (fields for line in table.splitlines()[1:] if len(fields := line.split()) >= 13 and fields[9] == inode)
    return next((float(fields[12]) for fields in found), None)
