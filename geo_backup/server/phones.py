"""The phones on which officers' pages run: the codes that let one in, and the sessions that they begin.

A code is shown by a desk and used once, within `CODE_S`. What it begins speaks for one unit, from one phone, until the
shift ends or a desk ends it. Where people are configured the roster keeps it, beyond a restart of the server.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from geo_backup.live_map import Unit
from geo_backup.people import Principal, Role
from geo_backup.people.principal import PHONE
from geo_backup.people.secret import token_hash
from geo_backup.people.sessions import SESSION_MS
from geo_backup.server.speaker import Speakers

CODE_S = 600.0
CODES_KEPT = 1_000
"""So many at most wait for a phone; the oldest gives way."""
PER_UNIT = 16
"""So many phones of one unit at a time; another one ends the oldest."""
ROLES: frozenset[Role] = frozenset({"device", "field_unit"})


class Code(NamedTuple):
    """For which unit a code is, and until when by the clock of `Phones`."""

    until_s: float
    unit_id: str


class Phones:
    """Codes that wait, and phones that are in; `now_s` is a clock that never goes back."""

    def __init__(self, speakers: Speakers, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._speakers, self._now_s = speakers, now_s
        self._codes: OrderedDict[str, Code] = OrderedDict()
        """By hash; the secret itself is not kept."""

    def code(self, unit_id: str) -> str:
        """A new code for this unit, which is shown this once."""
        shown = secrets.token_urlsafe(16)
        self._codes[token_hash(shown)] = Code(self._now_s() + CODE_S, unit_id)
        if len(self._codes) > CODES_KEPT:
            self._codes.popitem(last=False)
        return shown

    def take(self, code: str) -> str | None:
        """The unit that a code is for, and the code is used up; None when it holds no longer, or never did."""
        kept = self._codes.pop(token_hash(code), None)
        return kept.unit_id if kept is not None and self._now_s() < kept.until_s else None

    def begin(self, unit: Unit, source: str, now_ms: int) -> tuple[str, Principal]:
        """A session of a phone that speaks for this unit, until its shift ends: its secret, and who it is."""
        ends_ms = now_ms + SESSION_MS
        if unit.shift_ends_ms is not None and now_ms < unit.shift_ends_ms:
            ends_ms = min(ends_ms, unit.shift_ends_ms)
        name = f"{PHONE}{secrets.token_hex(6)}"
        who = Principal(
            "device", name, unit.agency, ROLES, frozenset({unit.unit_id}), unit.callsign, until_ms=ends_ms
        )  # fmt: skip
        for one in self.of(unit.unit_id)[: 1 - PER_UNIT]:
            self._speakers.end_phone(one)
        return self._speakers.begin_phone(who, source)

    def of(self, unit_id: str) -> list[Principal]:
        """The phones that speak for a unit, the oldest first."""
        return self._speakers.phones_of(unit_id)

    def end(self, unit_id: str) -> list[Principal]:
        """End all phones of a unit, and the codes that wait for it; whose sessions ended."""
        for hashed in [hashed for hashed, code in self._codes.items() if code.unit_id == unit_id]:
            del self._codes[hashed]
        ended = self.of(unit_id)
        for one in ended:
            self._speakers.end_phone(one)
        return ended
