"""TAK clients and servers for tests: plain sockets, so that nothing of the package answers for itself."""

from __future__ import annotations

import fcntl
import re
import socket
import ssl
import struct
import termios
import time

from tests.running import eventually


def at(s: float = 0.0) -> str:
    """A time so many seconds from now."""
    now_s = time.time() + s
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s)) + f".{int(now_s % 1 * 1000):03d}Z"


def event(
    kind: str, uid: str, *, lon: float = 11.97, lat: float = 57.7, how: str = "m-g", detail: str = "", s: float = 0.0
) -> bytes:
    """An event as ATAK writes it."""
    times = f'time="{at(s)}" start="{at(s)}" stale="{at(s + 60)}"'
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="{how}" {times}>'
        f'<point lat="{lat}" lon="{lon}" hae="9999999.0" ce="6.0" le="9999999.0"/><detail>{detail}</detail></event>'
    ).encode()


class Client:
    """An ATAK: it sends and keeps what it hears."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=10.0)
        if tls is not None:
            self.line = tls.wrap_socket(self.line)
        self.line.settimeout(0.02)
        self.raw = b""
        self.ended = False

    def send(self, *events: bytes) -> None:
        self.line.sendall(b"".join(events))

    def read(self) -> bytes:
        """All that came so far."""
        while not self.ended:
            try:
                data = self.line.recv(262_144)
            except (TimeoutError, ConnectionError) as error:
                self.ended = isinstance(error, ConnectionError)
                break
            self.raw += data
            self.ended = not data
        return self.raw

    def events(self, pattern: str = "") -> list[str]:
        """The events so far that have this in them."""
        found = re.findall(r"<event .*?</event>", self.read().decode(), re.DOTALL)
        return [one for one in found if re.search(pattern, one, re.DOTALL)]

    def hears(self, pattern: str, within_s: float = 10.0) -> str:
        """The newest event that has this in it, once there is one."""
        return eventually(lambda: self.events(pattern), pattern, within_s)[-1]


def unsent(line: socket.socket) -> int:
    """Bytes that the other side's system has not taken yet."""
    return int(struct.unpack("i", fcntl.ioctl(line, termios.TIOCOUTQ, b"\0" * 4))[0])
