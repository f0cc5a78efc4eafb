"""Hearing: what becomes of messages of trackers that came together, whichever way they came.

A tracker sends what it has again and again until it is taken, in order of time; one message that nobody can use must
not hold up those behind it. So what can be used is recorded, and what is wrong goes into quarantine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable

from geo_backup.errors import BadValueError, LogError
from geo_backup.events import Event, PositionReported, is_id
from geo_backup.formats.heard import Heard
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.server.access import speaks_for, units_of
from geo_backup.server.adoption import Adoption
from geo_backup.server.emergencies import Pressed, Source, declare_all, refuse_clear
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.speaker import said_by
from geo_backup.server.writes import adoption_of

UNKNOWN = (
    "no unit has this id or callsign. Give the app the unit's id as its device identifier, or a token that speaks for "
    "one unit (`geo-backup tokens issue`), or start the server with --adopt-unknown"
)
USUAL = ("duplicate", "older_fix")
"""What happens to every tracker: it sends again what may not have come, and late what it could not send."""


class Hearing:
    """Messages of one request, or of one moment of a receiver: `read` each, then `finish` once.

    `way` names how they came, in metrics and in quarantine; `who` speaks, and `client` is the address they came from.
    """

    def __init__(
        self,
        node: Node,
        adoption: Adoption | None,
        quarantine: Quarantine,
        way: str,
        who: Principal,
        client: str,
        source: Source = "device",
    ) -> None:
        self.node, self.adoption, self.quarantine, self.way = node, adoption, quarantine, way
        self.now_ms = node.clock.now_ms()
        self._client, self._who, self._source = client, who, source
        self._events: list[Event] = []
        self._sent: list[tuple[str, object]] = []
        """Of each position its device and message; the registration of an adopted unit has none."""
        self._pressed: dict[str, tuple[float, float] | None] = {}
        self._cancelled: dict[str, None] = {}
        self._callsigns: dict[str, str] = {}
        """Units by callsign, once a message names none by its id."""
        self._new: set[str] = set()
        self.nobody = ""
        """A device that nobody knows, where messages came from such ones alone."""
        self._unknown_device = ""
        self.ignored: str | None = None
        """Why the last of the fixes moved nobody, once all is recorded."""
        self.unrecorded: LogError | None = None
        """Why the fixes are not in the log, where somebody was heard all the same."""

    def read(self, parse: Callable[[], Heard], message: object) -> str | None:
        """One message; whom it is of: None where nobody here is called so."""
        self.quarantine.heard[self.way] += 1
        try:
            heard = parse()
        except BadValueError as error:
            self._set_aside("", error.reason, f"{error.field}: {error}", message)
            return None
        device, unit_id = heard.names[0] if heard.names else "", self._unit(heard)
        caller = unit_id or self._caller(heard) if heard.pressed else None
        if caller is not None:  # whatever is wrong with the rest, whoever calls is heard
            self._pressed[caller] = None if heard.fix is None else (heard.fix.lon, heard.fix.lat)
        if unit_id is None:
            self._unknown_device = device or "(without a name)"
            self._set_aside(device, "unknown_device", UNKNOWN, message)
        elif heard.cancelled:
            self._cancelled[unit_id] = None
        elif heard.fix is None:
            if heard.wrong:
                self._set_aside(device, heard.wrong, heard.nothing, message)
        else:
            self._sent.append((device, message))
            self._events.append(
                PositionReported(
                    received_ms=self.now_ms,
                    said_by=said_by("unit"),
                    unit_id=unit_id,
                    fix=heard.fix,
                    device_id=device if is_id(device) else self.way,
                )
            )
        return unit_id or caller

    def _caller(self, heard: Heard) -> str | None:
        """Who calls for help of whom nobody knows: by the first name that can be a unit's, unless the token speaks for
        others alone."""
        if units_of(self._who, "press") is not None:
            return None
        return next((name for name in heard.names if is_id(name)), None)

    async def finish(self) -> list[Pressed]:
        """Record what can be and sound what was pressed; answers with the emergencies. Raises `LogError` where nothing
        can be recorded and nobody was heard either."""
        if self._unknown_device and not self._events and not self._pressed and not self._cancelled:
            self.nobody = self._unknown_device
        writing = asyncio.ensure_future(self.node.record(*self._events, apart=True))
        called, _ = await declare_all(self.node, self._pressed, writing, self.adoption, self._client, self._source)
        for unit_id in self._cancelled:
            emergency_id = self.emergency_of(unit_id)
            if emergency_id is not None:
                await refuse_clear(self.node, emergency_id, by="unit", who=unit_id)
        try:
            outcomes = await writing
        except LogError as error:
            if not called:  # else it was heard, and the app is not to press again for a full disk
                raise
            self.unrecorded = error
            return called
        positions = [
            one for event, one in zip(self._events, outcomes, strict=True) if isinstance(event, PositionReported)
        ]
        for (device, message), outcome in zip(self._sent, positions, strict=True):
            self.ignored = reason = outcome.delta.ignored
            if reason is not None and reason not in USUAL:
                self._set_aside(device, reason, f"the fix moved nobody: {reason}", message)
        return called

    def emergency_of(self, unit_id: str) -> str | None:
        """The emergency that stands of a unit."""
        unit = self.node.live_map.units.get(unit_id)
        return None if unit is None else unit.emergency_id

    def unit_called(self, names: Iterable[str]) -> str | None:
        """The registered unit with one of some names, the likeliest first: its id, or else its callsign."""
        units = self.node.live_map.units
        for name in names:
            if name in units:
                return name
            if not self._callsigns:
                self._callsigns = {unit.callsign: unit.unit_id for unit in reversed(units.values())}
            if name in self._callsigns:
                return self._callsigns[name]
        return None

    def _unit(self, heard: Heard) -> str | None:
        """The unit that a message is of: one of those that its token speaks for, or one of its names."""
        units, mine = self.node.live_map.units, units_of(self._who, "report")
        if mine is not None and len(mine) == 1:
            (only,) = mine
            return only if only in units else None
        unit_id = self.unit_called(heard.names)
        if unit_id is not None and speaks_for(self._who, "report", self.node.live_map, unit_id):
            return unit_id
        fit = next((name for name in heard.names if is_id(name)), None)
        if fit in self._new:
            return fit
        if fit is None or unit_id or mine is not None or heard.cancelled:
            return None
        if self.adoption is None or not self.adoption.takes(self._client):
            return None
        self._new.add(fit)
        self._events.append(adoption_of(self.node, fit))
        return fit

    def _set_aside(self, device: str, reason: str, words: str, message: object) -> None:
        self.quarantine.add(self.now_ms, self.way, device, reason, words, json.dumps(message))
