"""AVL: what vehicle modems send, in NMEA or TAIP, whichever of them it is; keep-alives are told from reports."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.formats import taip
from geo_backup.formats.heard import Heard
from geo_backup.formats.nmea_live import Stream
from geo_backup.receivers.section import Section

SENDERS_KEPT = 10_000

_FRAME = re.compile(r">[^<>]*<")
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Report(NamedTuple):
    """One report, or why it is none; `answer` goes back once it is recorded."""

    heard: Heard | BadValueError
    text: str
    answer: str = ""


class Modem:
    """One modem as it speaks: its name where it says it once, and what its last sentences were."""

    def __init__(self, address: str) -> None:
        self._address: tuple[str, ...] = (address,) if _NAME.fullmatch(address) else ()
        self.names: tuple[str, ...] = self._address
        self.stream = Stream()

    def is_called(self, *name: str) -> None:
        """It says its name, or (no name) begins anew."""
        self.names = (*name, *self._address)


class Avl:
    """Reads what modems send. `panic_events`: numbers of TAIP events that mean an officer calls for help; `leap_s`: how
    far the modems' TAIP time is ahead of UTC."""

    def __init__(self, section: Section) -> None:
        self.panic_events = section.numbers("panic_events", 0, 99)
        self.leap_s = section.whole("leap_s", 0, 0, 60) or 0
        self._modems: OrderedDict[tuple[str, int], Modem] = OrderedDict()
        self.kept_alive = 0
        """Keep-alives, and sentences that are not about the place."""

    def modem(self, address: str, port: int) -> Modem:
        """The modem that sends datagrams from a port of an address, where others may send from other ports. A name on a
        line of its own holds for its datagram alone."""
        modem = self._modems.get((address, port))
        if modem is None:
            modem = self._modems[address, port] = Modem(address)
            if len(self._modems) > SENDERS_KEPT:
                self._modems.popitem(last=False)
        else:
            self._modems.move_to_end((address, port))
            modem.is_called()
        return modem

    def read(self, data: bytes, modem: Modem, received_ms: int) -> Iterator[Report]:
        """The reports of a datagram, or of a line. A line that is a name alone says who sends what follows on a
        connection; it keeps one alive, and so does an empty one."""
        for line in data.decode("ascii", "replace").splitlines():
            line = line.strip(" \t\0")
            if ">" in line and (frames := _FRAME.findall(line)):
                for frame in frames:
                    yield from self._frame(frame, modem, received_ms)
            elif "$" in line:
                report = self._sentence(line, modem, received_ms)
                if report is not None:
                    yield report
            elif line and _NAME.fullmatch(line) is None:
                wrong = BadValueError("/line", "garbled", "it is neither NMEA ($...) nor TAIP (>...<)")
                yield Report(wrong, line)
            else:
                self.kept_alive += 1
                if line:
                    modem.is_called(line)

    def _frame(self, frame: str, modem: Modem, received_ms: int) -> Iterator[Report]:
        try:
            heard, answer = taip.hear(
                frame, received_ms, modem.names, leap_s=self.leap_s, panic_events=self.panic_events
            )
        except BadValueError as error:
            yield Report(error, frame)
            return
        if heard is None:
            self.kept_alive += 1
            heard = Heard(modem.names, None)
        yield Report(heard, frame, answer)

    def _sentence(self, line: str, modem: Modem, received_ms: int) -> Report | None:
        try:
            heard = modem.stream.hear(line, received_ms, modem.names)
        except BadValueError as error:
            return Report(error, line)
        if heard is None:
            self.kept_alive += 1
            return None
        return Report(heard, line)
