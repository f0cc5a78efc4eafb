"""Hearing: what becomes of messages of trackers that came together, whichever way they came.

A tracker sends what it has again and again until it is taken, in order of time; one message that nobody can use must
not hold up those behind it. So what can be used is recorded, and what is wrong goes into quarantine.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

from geo_backup.errors import BadValueError, LogError
from geo_backup.events import Event, PositionReported, is_id
from geo_backup.formats.heard import Heard
from geo_backup.people import Principal
from geo_backup.server.access import speaks_for, speaks_for_all, units_of
from geo_backup.server.emergencies import Press, Pressed, Source, declare_all, refuse_clear
from geo_backup.server.intake import Intake
from geo_backup.server.speaker import said_by
from geo_backup.server.writes import adoption_of

UNKNOWN = (
    "no unit has this id or callsign. Say whose it is (PUT /v1/devices/{id}), give the app the unit's id as its device "
    "identifier, or a token that speaks for one unit (`geo-backup tokens issue`), or start the server with "
    "--adopt-unknown"
)
CHANGED = (
    "its former address still speaks, or it is known to speak from another, so that this one ({}) is not believed: two "
    "trackers have one name, or somebody borrows it. PUT /v1/devices/{{id}} says where it speaks from; else it is "
    "believed once the other was silent for a minute"
)
MOVED_NOBODY = {
    "future": "its time lies in the future: set the device's clock right (GET /v1/devices says how far it is ahead)",
    "jump": "it is farther away than anything drives in that time; it is believed once others bear it out",
    "inaccurate": "it is too inaccurate to be routed from; let the device see the sky",
    "null_island": "0, 0 is where a receiver is that has no fix",
}
"""Why a fix moved nobody, and what to do."""
USUAL = ("duplicate", "older_fix", "other_device")
"""What happens to every tracker: it sends again what may not have come, and late what it could not send; and its unit
may have another one."""


class Hearing:
    """Messages of one request, or of one moment of a receiver: `read` each, then `finish` once.

    `way` names how they came, in metrics and in quarantine; `who` speaks, and `client` is the address they came from.
    `pinned`: the way itself says who speaks (a token, a certificate), or nobody is configured on this machine.
    """

    def __init__(
        self,
        intake: Intake,
        way: str,
        who: Principal,
        client: str,
        *,
        pinned: bool = True,
        source: Source = "device",
    ) -> None:
        self.node, self.adoption, self.quarantine, self.sources = intake
        self.way, self.pinned = way, pinned
        self.now_ms = self.node.clock.now_ms()
        self._client, self._who, self._source = client, who, source
        self._mine, self._said_by = units_of(who, "report"), said_by("unit")
        self._for_all = speaks_for_all(who, "report", self.node.live_map)
        self._events: list[Event] = []
        self._sent: list[tuple[str, object]] = []
        """Of each position its device and message; the registration of an adopted unit has none."""
        self._pressed: dict[tuple[str, str], Press] = {}
        """By who calls, and by what names the report."""
        self._cancelled: dict[str, None] = {}
        self._called: dict[str, str] | None = None
        """Units by callsign, once one is asked for."""
        self._new: set[str] = set()
        self.nobody = ""
        """Why nobody is moved, where messages came from devices alone that nobody knows."""
        self._unknown_device = ""
        self.ignored: str | None = None
        """Why the last of the fixes moved nobody, once all is recorded."""
        self.unrecorded: LogError | None = None
        """Why the fixes are not in the log, where somebody was heard all the same."""

    def read(
        self, parse: Callable[[], Heard], message: object, address: str = "", port: int = 0, *, device: str = ""
    ) -> str | None:
        """One message that `parse` makes of what came; see `hear`."""
        try:
            heard: Heard | BadValueError = parse()
        except BadValueError as error:
            heard = error
        return self.hear(heard, message, address, port, device=device)

    def hear(
        self, heard: Heard | BadValueError, message: object, address: str = "", port: int = 0, *, device: str = ""
    ) -> str | None:
        """One message, and whom it is of; None: nobody here is called so. `address` and `port` are where it came from,
        by a way that says nothing else of its sender; `device` is who sent it, where the message cannot be read;
        `message` is what came, text, JSON or bytes, for the quarantine."""
        self.quarantine.heard[self.way] += 1
        if isinstance(heard, BadValueError):
            self._set_aside(device, heard.reason, f"{heard.field}: {heard}", message)
            return None
        device, unit_id = heard.names[0] if heard.names else "", self._unit(heard)
        fix_ms = None if heard.fix is None else heard.fix.fix_ms
        owner = self.node.live_map.devices.get(device)
        known = owner.address if owner is not None else ""
        twin = bool(device) and not self.sources.speaks(
            device[:64], self.way, address, known, self.now_ms, fix_ms, port
        )
        sure = not twin and (self.pinned or (bool(known) and address == known))
        if self._source == "tak" and unit_id is not None and owner is None and sure:
            self.sources.spoke_for(device, unit_id)
        # whatever is wrong with the rest, whoever calls is heard
        caller = self._press(heard, unit_id, verified=sure) if heard.pressed else None
        if twin:
            self._set_aside(device, "address_changed", CHANGED.format(address), message)
        elif unit_id is None:
            self._unknown_device = device or "(without a name)"
            self._set_aside(device, "unknown_device", self._why_unknown(), message)
        elif heard.cancelled:
            if sure:
                self._cancelled[unit_id] = None
        elif heard.fix is None:
            if heard.wrong:
                self._set_aside(device, heard.wrong, heard.nothing, message)
        else:
            self._sent.append((device, message))
            self._events.append(
                PositionReported(
                    received_ms=self.now_ms,
                    said_by=self._said_by,
                    unit_id=unit_id,
                    fix=heard.fix,
                    device_id=device if device == unit_id or is_id(device) else self.way,
                )
            )
        return caller or unit_id

    def _press(self, heard: Heard, unit_id: str | None, verified: bool) -> str | None:
        """A call for help, and whose; None: nobody's. One that may be somebody else's is of nobody's unit: it alarms,
        and moves none."""
        caller = unit_id if verified else None
        if caller is None:
            caller = self._caller(heard)
            if caller is None:
                return None
            if caller in self.node.live_map.units:
                caller = f"{self.way}:{caller}"[:64]
        report = f"{heard.names[0]} {heard.report}" if heard.names and heard.report else ""
        before = self._pressed.get((caller, report))
        place = None if heard.fix is None else (heard.fix.lon, heard.fix.lat)
        place = place or (None if before is None else before.place)
        self._pressed[caller, report] = Press(caller, place, verified and caller == unit_id, report)
        return caller

    def _caller(self, heard: Heard) -> str | None:
        """Who calls for help of whom nobody knows: by the first name that can be a unit's, or else by where it comes
        from; unless the token speaks for others alone."""
        if units_of(self._who, "press") is not None:
            return None
        nameless = re.sub(r"[^A-Za-z0-9._:-]", "-", f"{self.way}:{self._client}")[:64]
        return next((name for name in heard.names if is_id(name)), nameless)

    async def finish(self) -> list[Pressed]:
        """Record what can be and sound what was pressed; answers with the emergencies. Raises `LogError` where nothing
        can be recorded and nobody was heard either."""
        if self._unknown_device and not self._events and not self._pressed and not self._cancelled:
            self.nobody = f"{self._unknown_device} is nobody here: {self._why_unknown()}"
        writing = asyncio.ensure_future(self.node.record(*self._events, apart=True))
        called, _ = await declare_all(
            self.node,
            self._pressed.values(),
            writing,
            self.adoption,
            self._client,
            source=self._source,
        )
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
                self._set_aside(device, reason, MOVED_NOBODY.get(reason, reason), message)
        return called

    def _why_unknown(self) -> str:
        mine = self._mine
        if mine is None:
            return UNKNOWN
        units = " and ".join(sorted(mine)) or "no unit"
        return (
            f"its token speaks for {units}, which nobody has registered or which it does not name: PUT /v1/units/{{id}}"
        )

    def _unit(self, heard: Heard) -> str | None:
        """The unit that a message is of: one of those that its token speaks for, or one of its names."""
        units, mine = self.node.live_map.units, self._mine
        if mine is not None and len(mine) == 1:
            (only,) = mine
            return only if only in units else None
        unit_id = self.named(heard.names)
        if unit_id is not None and (self._for_all or speaks_for(self._who, "report", self.node.live_map, unit_id)):
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

    def emergency_of(self, unit_id: str) -> str | None:
        """The emergency that stands of a unit."""
        unit = self.node.live_map.units.get(unit_id)
        return None if unit is None else unit.emergency_id

    def named(self, names: tuple[str, ...]) -> str | None:
        """The unit whose tracker it is, or that is called so: its id, or else its callsign. A TAK client whose callsign
        is nobody's stays with the unit that it spoke for."""
        live_map = self.node.live_map
        for name in names:
            if (owner := live_map.devices.get(name)) is not None:
                return owner.unit_id
            if name in live_map.units:
                return name
            if self._called is None:
                self._called = {unit.callsign: unit.unit_id for unit in reversed(live_map.units.values())}
            if name in self._called:
                return self._called[name]
        if self._source == "tak" and names:  # a uid is one client's for good, whatever that calls itself by now
            unit_id = self.sources.unit_of(names[0])
            return unit_id if unit_id in live_map.units else None
        return None

    def _set_aside(self, device: str, reason: str, words: str, message: object) -> None:
        if isinstance(message, bytes):
            message = message.decode(errors="replace")
        self.quarantine.add(self.now_ms, self.way, device, reason, words, json.dumps(message))
