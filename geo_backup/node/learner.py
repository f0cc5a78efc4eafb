"""Learner: watches the units of one node that are on their way, puts on record what their drives teach once a minute,
and how they kept their times.

What it has watched is not part of the live map: a node that starts again has missed those drives, and no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from geo_backup.backup.lessons import Drive, Seen, Teacher, in_parts, look_at
from geo_backup.backup.standing import Standing
from geo_backup.errors import LogError
from geo_backup.events import DriveMeasured, Event, PaceLearned, PositionReported
from geo_backup.live_map import Delta, Unit
from geo_backup.live_map.ground import DRIVE_MOST_MS
from geo_backup.node.bell import at_each
from geo_backup.node.process import Process
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import MINUTE_MS, SHIFT, Lesson, Level, Pace
from geo_backup.roads.pace_tree import Intervals
from geo_backup.roads.profile import Profile
from geo_backup.roads.punctuality import Punctuality

log_ = logging.getLogger("geo_backup.node")

LOOK_S = 1.0
WITHOUT_INCIDENT = "routine"
"""How a unit drives that says it is on its way, and to no incident."""
SENT = ("assigned", "acknowledged", "en_route")
MEASURED_FROM_MS = 60_000
"""A shorter way says nothing of the others: it is over before it has begun."""


ADOPTED_DRIVES = 200
"""Of recorded drives so many tell how far times can be trusted, until there are own ones."""
Learned = tuple[Pace, Punctuality]
"""What recorded drives of one profile have taught."""


class Promise(NamedTuple):
    """What the field said of a drive when it began."""

    incident_id: str
    place: tuple[float, float, str]
    start_ms: int
    field_ms: int


class Learner:
    """The drives that one node watches; see the module."""

    def __init__(self, node: Process, network: RoadNetwork, profiles: Mapping[str, Profile]) -> None:
        self._node, self._network, self._profiles = node, network, profiles
        self._teacher: Teacher | None = None
        self._drives: dict[str, Drive] = {}
        self._ended: list[Drive] = []
        self._promises: dict[str, Promise] = {}
        self._setting_out: dict[str, str] = {}
        """Units that are on their way since a moment ago, and to which incident."""
        self._arrived: list[DriveMeasured] = []
        self._bell = asyncio.Event()
        self._minute = 0

    def reset(self) -> None:
        """Begin again on another live map."""
        self._drives, self._ended, self._promises, self._setting_out, self._arrived = {}, [], {}, {}, []

    def folded(self, event: Event, delta: Delta) -> None:
        """An event was folded: watch who moves, and note who sets out and who arrives."""
        if delta.positions and isinstance(event, PositionReported):
            drive = self._drives.get(event.unit_id)
            if drive is not None and drive.see(event.fix):
                self._sets_out(event.unit_id)
        for unit_id in delta.units:
            unit = self._node.live_map.units.get(unit_id)
            profile = None if unit is None else self._on_its_way(unit)
            drive = self._drives.get(unit_id)
            if drive is not None and drive.profile != profile:
                drive.over = True
                self._ended.append(self._drives.pop(unit_id))
            if unit is not None and profile is not None:
                self._watch(unit, profile)
            else:
                self._keep_promise(unit_id, unit)

    def _watch(self, unit: Unit, profile: str) -> None:
        drive = self._drives.get(unit.unit_id)
        if drive is None:
            drive = self._drives[unit.unit_id] = Drive(
                unit.unit_id, profile, [unit.fix] if unit.fix is not None else []
            )
        if not drive.rolls and unit.status == "en_route":
            drive.rolls = True
            self._sets_out(unit.unit_id)

    def _sets_out(self, unit_id: str) -> None:
        """Its wheels roll, by its own word or by its positions."""
        unit, promise = self._node.live_map.units.get(unit_id), self._promises.get(unit_id)
        if unit is None or unit.incident_id is None or (promise and promise.incident_id == unit.incident_id):
            return
        self._setting_out[unit_id] = unit.incident_id
        self._bell.set()

    def _on_its_way(self, unit: Unit) -> str | None:
        """The profile that a unit drives by, or will as soon as it rolls; None: it is not on its way, or not real."""
        if unit.source == "simulated" or not self._node.live_map.rules.pace.learn:
            return None
        incident = self._node.live_map.incidents.get(unit.incident_id or "")
        if incident is None:
            return WITHOUT_INCIDENT if unit.status == "en_route" else None
        part = incident.assignments.get(unit.unit_id)
        return incident.profile if part is not None and part.state in SENT and not incident.exercise else None

    def _keep_promise(self, unit_id: str, unit: Unit | None) -> None:
        incident_id = None if unit is None else unit.incident_id
        self._setting_out.pop(unit_id, None)
        promise = self._promises.pop(unit_id, None)
        incident = self._node.live_map.incidents.get(incident_id or "")
        if promise is None or incident is None or incident.incident_id != promise.incident_id:
            return
        part = incident.assignments.get(unit_id)
        if part is None or part.state != "on_scene" or (incident.lon, incident.lat, incident.profile) != promise.place:
            return
        took_ms = part.at_ms - promise.start_ms
        if 0 < took_ms <= DRIVE_MOST_MS:
            self._arrived.append(
                DriveMeasured(
                    event_id=f"drive:{incident.opening}:{unit_id}:{promise.start_ms}",
                    received_ms=self._node.clock.now_ms(),
                    said_by="node",
                    profile=incident.profile,
                    unit_id=unit_id,
                    incident_id=incident.incident_id,
                    start_ms=promise.start_ms,
                    field_ms=promise.field_ms,
                    took_ms=took_ms,
                )
            )
            self._bell.set()

    async def run(self) -> None:
        """Ask the field of those who set out, and put on record what is learned, for ever."""
        await at_each(self._bell, LOOK_S, self.look)

    async def look(self) -> None:
        """Do now what is due."""
        node = self._node
        if self._setting_out:
            wanted, self._setting_out = self._setting_out, {}
            at_ms = node.clock.now_ms()
            for unit_id, promise in (await node.read_field(partial(_promises, wanted=wanted))).items():
                self._promises[unit_id] = promise._replace(start_ms=at_ms)
        minute = node.clock.now_ms() // MINUTE_MS
        facts: list[Event] = []
        facts, self._arrived = [*self._arrived], []
        if minute > self._minute:
            self._minute = minute
            facts += await self._lessons(minute)
        if not facts:
            return
        try:
            await node.record(*facts, apart=True)
        except LogError as error:
            if node.log.state.name == "ok":  # else it is said once for all
                log_.warning("what drives have taught is not on record: %s", error)

    async def _lessons(self, minute: int) -> list[Event]:
        live_map = self._node.live_map
        rules, paces, speeds = live_map.rules, live_map.pace, live_map.speeds
        if not rules.pace.learn:
            self.reset()
            return []
        watched = [(drive, tuple(drive.fixes)) for drive in (*self._drives.values(), *self._ended)]
        self._ended = []

        def work() -> tuple[list[Seen], list[Event]]:
            seen = [look_at(self._network, drive, fixes, minute * MINUTE_MS, rules) for drive, fixes in watched]
            some = [one for one in seen if one is not None]
            if self._teacher is None:
                if not some and not paces:
                    return [], []
                self._teacher = Teacher(self._network, self._profiles)
            facts: list[Event] = []
            for name in sorted({*(one.drive.profile for one in some), *paces} & self._profiles.keys()):
                driven = Intervals.joined([one.driven for one in some if one.drive.profile == name])
                lesson = self._teacher.lesson(name, driven, minute, paces, rules, speeds)
                if lesson is not None:
                    seconds = float(driven.ms.sum()) / 1_000
                    facts.append(_fact(f"pace:{name}:{minute}", name, minute, lesson, seconds))
            return some, facts

        some, facts = await asyncio.to_thread(work)
        for one in some:
            one.drive.taught_ms = one.until_ms
            one.drive.forget()
        return facts


def _promises(standing: Standing, wanted: Mapping[str, str]) -> dict[str, Promise]:
    """What the fields say of units that set out; `start_ms` is the asker's."""
    out = {}
    for unit_id, incident_id in wanted.items():
        incident, row = standing.now.incidents.get(incident_id), standing.table.row_of.get(unit_id)
        field = None if incident is None else standing.field(incident_id)
        if incident is None or row is None or field is None:
            continue
        eta_ms = int(field.etas_ms(standing.table.points.take(np.array([row])))[0][0])
        if MEASURED_FROM_MS <= eta_ms < INF_MS:
            out[unit_id] = Promise(incident_id, (incident.lon, incident.lat, incident.profile), 0, eta_ms)
    return out


def taught_beforehand(learned: Mapping[str, Learned], now_ms: int) -> list[Event]:
    """What recorded drives have taught beforehand, as facts for a log that knows nothing of it."""
    minute, facts = now_ms // MINUTE_MS, list[Event]()
    for name, (pace, punctuality) in learned.items():
        for n, part in enumerate(in_parts(pace.lasting(minute))):
            seconds = float(part.driven_ms[part.node >> SHIFT == Level.CLASS].sum()) / 1_000
            facts.append(_fact(f"pace:{name}:{minute}:{n}", name, minute, part, seconds))
        for n, drive in enumerate(punctuality.drives[-ADOPTED_DRIVES:]):
            facts.append(
                DriveMeasured(
                    event_id=f"drive:{name}:{minute}:{n}",
                    received_ms=now_ms,
                    said_by="node",
                    profile=name,
                    unit_id="",
                    incident_id="",
                    start_ms=drive.end_ms - drive.took_ms,
                    field_ms=drive.field_ms,
                    took_ms=drive.took_ms,
                )
            )
    return facts


def _fact(event_id: str, profile: str, minute: int, lesson: Lesson, seconds: float) -> PaceLearned:
    return PaceLearned(
        event_id=event_id,
        received_ms=minute * MINUTE_MS,
        said_by="node",
        profile=profile,
        minute=minute,
        packed=lesson.packed(),
        seconds=round(seconds, 3),
    )
