"""What a witness keeps: of each log, who leads, when that one was last heard, and who may take over from it.

The witness is a third machine that has no copy of anything. Whoever leads tells it so each second, and whether its
standby has all that is acknowledged. A standby that does not hear the leader asks; it may lead once the witness has not
heard the leader either, for longer than the leader may go on writing (Gray and Cheriton, Leases, 1989).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from geo_backup.errors import BadValueError

LEASE_S = 3.0
"""A leader that was heard may write for so long after it sent what was heard ..."""
SILENT_S = 1.1 * LEASE_S
"""... and nobody takes over from it before it has been silent for so long; the tenth is for clocks that run
unequally."""
LOGS_MAX = 100
TEXT_MAX = 256


@dataclass(frozen=True)
class Seat:
    """Who leads one log."""

    term: int
    leader: str
    url: str
    standby: str = ""
    """Who has all that is acknowledged; empty: nobody."""


class Ledger:
    """The seats by log, kept in a file. `now_s` is a clock that is never set."""

    def __init__(self, path: Path, now_s: Callable[[], float]) -> None:
        self._path, self._now_s = path, now_s
        if not path.parent.is_dir():
            raise BadValueError("--file", "file", f"there is no folder {path.parent}: make it first")
        self._seats: dict[str, Seat] = {}
        if path.exists():
            try:
                self._seats = {log: Seat(**seat) for log, seat in orjson.loads(path.read_bytes()).items()}
            except (OSError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
                words = f"{path} cannot be read ({error}): who leads cannot be known; move it away only if you know it"
                raise BadValueError("--file", "file", words) from None
        self._heard_s = dict.fromkeys(self._seats, now_s())

    def renew(self, log: str, said: Seat) -> dict[str, Any]:
        """A leader says that it is there. Refused if another one leads a later term."""
        seat = self._seats.get(log)
        if seat is None and len(self._seats) >= LOGS_MAX:
            return {"granted": False, "words": f"this witness has {LOGS_MAX} logs already"}
        if seat is not None and said.term <= seat.term and (said.term, said.leader) != (seat.term, seat.leader):
            return {"granted": False, "words": f"{seat.leader} leads term {seat.term}", **_leads(seat)}
        if said != seat:
            self._keep(log, said)
        self._heard_s[log] = self._now_s()
        return {"granted": True}

    def claim(self, log: str, name: str, url: str, term: int) -> dict[str, Any]:
        """A standby wants to lead. Refused while the leader is heard, or when it may lack what was acknowledged."""
        seat = self._seats.get(log)
        if seat is None:
            return {"granted": False, "words": "this witness never heard of that log's leader"}
        silent_s = self._now_s() - self._heard_s[log]
        if seat.leader == name and seat.term == term:
            return {"granted": True}  # it was granted, and the answer was lost
        if silent_s <= SILENT_S:
            return {"granted": False, "words": f"the witness heard {seat.leader} {silent_s:.1f} s ago"}
        if term <= seat.term:
            return {"granted": False, "words": f"{seat.leader} leads term {seat.term}", **_leads(seat)}
        if seat.standby != name:
            words = (
                f"{name} led last and fell silent"
                if seat.leader == name
                else f"{name} was not in step with {seat.leader}: what was acknowledged may be missing here"
            )
            return {"granted": False, "words": f"{words}; if it is to lead all the same: `geo-backup promote --force`"}
        self._keep(log, Seat(term, name, url))
        self._heard_s[log] = self._now_s()
        return {"granted": True}

    def seats(self) -> dict[str, dict[str, Any]]:
        """Who leads, and for how long it has been silent."""
        now_s = self._now_s()
        return {
            log: {**asdict(seat), "silent_s": round(now_s - self._heard_s[log], 1)} for log, seat in self._seats.items()
        }

    def _keep(self, log: str, seat: Seat) -> None:
        """On the disk before anybody is told."""
        seats = {**self._seats, log: replace(seat)}
        draft = self._path.with_name(self._path.name + ".new")
        with draft.open("wb") as file:
            file.write(orjson.dumps({log: asdict(one) for log, one in seats.items()}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self._seats = seats


def _leads(seat: Seat) -> dict[str, Any]:
    return {"term": seat.term, "leader": seat.leader, "url": seat.url}
