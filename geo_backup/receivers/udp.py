"""UDP: datagrams of vehicle modems, each with one report or a few. The way has no acknowledgement of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from geo_backup.receivers.avl import Avl
from geo_backup.receivers.inlet import Inlet, Message
from geo_backup.receivers.section import Section
from geo_backup.receivers.visitors import Visitors, bound
from geo_backup.server.sources import plain

BUFFER_BYTES = 8_000_000
"""What the system holds for us, if it grants so much: two seconds of 10,000 datagrams each."""
DATAGRAM_MAX = 2_048
READ_AT_ONCE, AT_ONCE = 2_000, 50
"""Datagrams that are taken from the system, and that are understood, before others have their turn."""
UNREAD_MAX = 20_000
"""Datagrams that wait to be understood; beyond it the oldest give way to newer ones, which say more."""


class Datagram(NamedTuple):
    """What came, from where, and when."""

    data: bytes
    sender: tuple[str, int]
    received_ms: int


class Udp:
    """The receiver of `[receivers.udp]`: `port`, `host`, `allow`, and what `Avl` knows."""

    way = "udp"

    def __init__(self, section: Section) -> None:
        self.port, self.visitors, self.avl = section.port(), Visitors(section), Avl(section)
        section.done()
        self._section = section
        self._socket: socket.socket | None = None
        self._unread: deque[Datagram] = deque(maxlen=UNREAD_MAX)
        self.overflow = 0

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """Take the port; what comes until `run` waits there."""
        taken = bound(socket.SOCK_DGRAM, self.visitors.host, self.port, self._section)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.port = taken.getsockname()[1]
        self._socket = taken

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled. What has come is taken from the system at once and understood in turn: a call for
        help does not stand in line behind positions, and others have their turn too."""
        taken = self._socket
        assert taken is not None, "bind it first"
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(taken, self._read, taken, inlet, come)
        try:
            while True:
                await come.wait()
                come.clear()
                while self._unread:
                    for _ in range(min(AT_ONCE, len(self._unread))):
                        self._hear(taken, inlet, self._unread.popleft())
                    await asyncio.sleep(0)
        finally:
            loop.remove_reader(taken)
            taken.close()
            self._socket = None

    def _read(self, taken: socket.socket, inlet: Inlet, come: asyncio.Event) -> None:
        now_ms = inlet.node.clock.now_ms()
        for _ in range(READ_AT_ONCE):
            try:
                data, sender = taken.recvfrom(DATAGRAM_MAX)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an answer of ours reached nobody: that is told here
                continue
            if not self.visitors.allowed(sender[0]):
                self.visitors.turn_away(inlet, self.way, sender[0])
            elif b">REV" in data and self.avl.panic_events:
                self._hear(taken, inlet, Datagram(data, sender, now_ms))
            else:
                self.overflow += len(self._unread) == UNREAD_MAX
                self._unread.append(Datagram(data, sender, now_ms))
        come.set()

    def _hear(self, taken: socket.socket, inlet: Inlet, datagram: Datagram) -> None:
        address, port = plain(datagram.sender[0]), datagram.sender[1]
        modem = self.avl.modem(address, port)
        for heard, text, answer in self.avl.read(datagram.data, modem, datagram.received_ms):
            then = partial(_answer, taken, answer, datagram.sender) if answer else None
            if not inlet.take(Message(self.way, heard, text, address, then, port)):
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
