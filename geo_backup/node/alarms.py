"""Alarms: officers' emergencies on their way into the log. They sound within half a second, whatever the log does.

What it does not take in time is shown to every viewer as not recorded, and offered again until it is taken, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace

from geo_backup.errors import LogError, LogFullError, PlaybackError
from geo_backup.events import EmergencyDeclared, Event
from geo_backup.live_map import Delta, Incident
from geo_backup.node.bell import rung
from geo_backup.node.process import Outcome, Process
from geo_backup.node.unrecorded import Held, Unrecorded
from geo_backup.node.viewers import Viewers

log_ = logging.getLogger("geo_backup.node")

ALARM_WITHIN_S = 0.5
"""An emergency that is not on record after this long alarms all the same."""
ALARM_AT_LEAST_S = 0.05
"""What the log is given at any rate, however long others have waited for it."""
OFFER_AGAIN_S = 1.0
"""Emergencies that the log did not take are offered again this often."""
AGAIN = "-again"
ID_CHARS_MAX = 64
UNRECORDED = "an officer's emergency is not on record yet: write it down; it alarms all the same, and is recorded as \
soon as the log takes it"


class Alarms:
    """The emergencies of one node that wait for its log; see the module."""

    def __init__(self, node: Process, viewers: Viewers) -> None:
        self._node, self._viewers = node, viewers
        self._unrecorded = Unrecorded()
        self._offered = asyncio.Event()
        self.shout: Callable[[str, Event], None] = lambda unit_id, event: None
        """Has the other machines that share the log show a fact of an emergency too, while it is not on record."""

    def __len__(self) -> int:
        """Facts that are not on record yet."""
        return len(self._unrecorded)

    async def take(self, unit_id: str, event: Event) -> Outcome:
        """Log a fact of a unit's emergency; one that the log does not take in time alarms all the same.

        It is answered within `ALARM_WITHIN_S`. What may not be is not held, and its outcome says why; what is held
        already is held once. Raises `LogFullError` only when `HELD_MAX` such facts wait.
        """
        if self._node.playback:
            raise PlaybackError("a recording of a log is played here: an emergency is to be declared where it is live")
        refused = self._unrecorded.refusal(self._node.live_map, unit_id, event)
        if refused is not None:
            return Outcome(0, Delta(ignored=refused), recorded=False)
        held = self._unrecorded.held(event.event_id)
        if held is None:
            if not self._unrecorded.has_room(unit_id):
                return Outcome(0, self._show(unit_id), recorded=False)
            held = self._unrecorded.hold(unit_id, event, asyncio.get_running_loop().create_future())
            self._offered.set()
        folded, unit_id = held.folded, held.unit_id
        await asyncio.wait([folded], timeout=max(ALARM_AT_LEAST_S, ALARM_WITHIN_S - self._node.log.waiting_s))
        if folded.done() and not folded.cancelled():
            return Outcome(*folded.result())
        folded.cancel()  # nobody waits any more: what it does when it is folded is told to the viewers alone
        self.shout(unit_id, held.event)
        return Outcome(0, self._show(unit_id), recorded=False)

    def heard(self, unit_id: str, event: Event) -> None:
        """Another machine has a fact of a unit's emergency that is not on record: it alarms here too, and is offered to
        the log from here as well."""
        if self._node.playback or self._unrecorded.held(event.event_id) is not None:
            return
        if self._unrecorded.refusal(self._node.live_map, unit_id, event) is not None:
            return
        with suppress(LogFullError):
            if self._unrecorded.has_room(unit_id):
                self._unrecorded.hold(unit_id, event, asyncio.get_running_loop().create_future())
                self._offered.set()
                self._show(unit_id)

    async def run(self) -> None:
        """Offer to the log what is held, all of it in one go, again and again until it is there."""
        while True:
            await rung(self._offered, OFFER_AGAIN_S)
            self._offered.clear()
            held = list(self._unrecorded)
            if held:
                await self._offer(held)

    def folded(self, seq: int, event: Event, delta: Delta) -> None:
        """A fact is folded; of one that was held the live map tells from here on."""
        held, shown = self._unrecorded.release(event.event_id)
        if held is None:
            return
        self._viewers.mark("incidents", shown)
        self._viewers.urgent.set()
        if not held.folded.done():
            held.folded.set_result((seq, delta))
        elif shown and delta.ignored is not None and isinstance(event, EmergencyDeclared):
            # who pressed was told that it alarms: what stands in its way now does not silence it
            log_.error("emergency %s of %s: %s", event.emergency_id, event.unit_id, delta.ignored)
            if not event.event_id.endswith(AGAIN):
                named = event.emergency_id[: ID_CHARS_MAX - len(AGAIN)] + AGAIN
                again = replace(event, event_id=event.event_id + AGAIN, emergency_id=named, unlisted=True)
                self._unrecorded.hold(held.unit_id, again, held.folded)
                self._show(held.unit_id)
        if not self._unrecorded.shown:
            self._node.health.clear("emergency_unrecorded")

    def reset(self, error: str) -> None:
        """Another log follows: whoever waits for this one is told so."""
        for held in self._unrecorded.clear():
            if not held.folded.done():
                held.folded.set_exception(LogError(error))
        self._node.health.clear("emergency_unrecorded")

    def stop(self) -> None:
        """Say what ends with this process."""
        for held in self._unrecorded:
            log_.error("this is not on record, and ends with this server: %s", held.event)

    def incident(self, incident_id: str) -> tuple[Incident, bool] | None:
        """An incident as viewers see it, and whether all of it is on record."""
        live_map = self._node.live_map
        unrecorded = self._unrecorded.incident(live_map, incident_id)
        if unrecorded is not None:
            return unrecorded, False
        incident = live_map.incidents.get(incident_id)
        return None if incident is None else (incident, True)

    def open_incidents(self) -> list[tuple[Incident, bool]]:
        """The open incidents as viewers see them, in the order in which they were opened, and which are on record."""
        live_map = self._node.live_map
        unrecorded = self._unrecorded.incidents(live_map)
        standing = [(unrecorded.pop(i.incident_id, i), i) for i in live_map.open_incidents()]
        return [(seen, seen is i) for seen, i in standing] + [(new, False) for new in unrecorded.values()]

    def _show(self, unit_id: str) -> Delta:
        incidents, delta = self._unrecorded.show(self._node.live_map, unit_id)
        self._viewers.mark("incidents", incidents)
        self._viewers.urgent.set()
        self._node.health.say("emergency_unrecorded", UNRECORDED)
        return delta

    async def _offer(self, held: Collection[Held]) -> None:
        try:
            await self._put(held)
        except LogError:
            for one in held:
                self.shout(one.unit_id, one.event)
            for unit_id in {one.unit_id for one in self._unrecorded}:
                self._show(unit_id)
            if self._node.log.state.name == "ok":  # it refuses one of them: that must not hold up the others
                for one in held:
                    with suppress(LogError):
                        await self._put([one])

    async def _put(self, held: Collection[Held]) -> None:
        outcomes = await self._node.submit(*(one.event for one in held))  # each was asked for when it came
        for one, outcome in zip(held, outcomes, strict=True):  # folded they are gone already, unless they stood before
            self.folded(outcome.seq, one.event, outcome.delta)
