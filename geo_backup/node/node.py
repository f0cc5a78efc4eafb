"""Node: one running process on one log and one map.

It puts events into the log, folds what it reads there, and has its parts do the rest, each a task on the event loop:
the ranker ranks, the decider decides, the alarms go into the log however often it takes, the timekeeper minds the
clock, and `_pulse` hands viewers what changed. The arithmetic of fields is done in a thread, on frozen views.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from geo_backup import __version__
from geo_backup.backup.driving import cut_by
from geo_backup.backup.run_card import cards_of
from geo_backup.backup.standing import Standing
from geo_backup.errors import LogError, PlaybackError, WrongMapError
from geo_backup.eventlog import EventLog
from geo_backup.events import (
    AssignmentChanged,
    ClosureAdded,
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyClearRefused,
    EmergencyDeclared,
    Event,
    NetworkAdopted,
    PositionReported,
)
from geo_backup.feed import TOPICS, Frame
from geo_backup.history.historian import Historian
from geo_backup.history.past import Past
from geo_backup.live_map import GENERATION, NOTHING, Delta, LiveMap, apply, refusals
from geo_backup.live_map.freezing import Freezing
from geo_backup.node.alarms import Alarms
from geo_backup.node.bell import rung
from geo_backup.node.clock import Clock
from geo_backup.node.counter import Counter
from geo_backup.node.decider import DECIDED_ANEW, Decider
from geo_backup.node.fields import Fields
from geo_backup.node.health import Health
from geo_backup.node.lateness import Lateness
from geo_backup.node.learner import Learned, Learner, taught_beforehand
from geo_backup.node.process import Outcome
from geo_backup.node.ranker import Ranker, whole_ranking
from geo_backup.node.timekeeper import keep_time, newest_ms
from geo_backup.node.timers import TimerWatch
from geo_backup.node.viewers import Viewers
from geo_backup.roads.closures import Cut
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import profiles_of
from geo_backup.wire import checkpoint, documents

log_ = logging.getLogger("geo_backup.node")

FRAME_PERIOD_S = 0.1
"""At most ten frames a second leave for a viewer, but urgent things at once."""
CLOSE_WITHIN_S = 2.0
DELTAS_KEPT = 50_000
MISSED_KEPT = 16
CHECKPOINT_EVERY = 100_000
CHECKPOINT_EVERY_S = 3_600.0
CHECKPOINT_LEAST = 2_000
"""Events between two checkpoints: at most so many, or what an hour brings if that is worth one."""
COPIED_AT_ONCE = 500
"""Units that are copied for a checkpoint between two turns of the loop."""
REST_S = 0.002
"""After each piece of a checkpoint: the loop goes on meanwhile."""
RECORDING = "a recording of a log is played here: what was is not changed"
JUMPED = "the replay jumped meanwhile; send it again"

EMERGENCIES = (EmergencyDeclared, EmergencyAcknowledged, EmergencyCleared, EmergencyClearRefused)

Result = TypeVar("Result")
Value = (
    documents.Unit
    | list[float | None]
    | documents.Incident
    | documents.Ranking
    | documents.Closure
    | documents.Timer
    | documents.Message
)
"""What the feed tells of one thing, by its topic."""


class Node:
    """One process on one log and one map; see the module. `start` before use, `stop` after."""

    def __init__(
        self,
        network: RoadNetwork,
        log: EventLog,
        clock: Clock,
        *,
        playback: bool = False,
        learned: Mapping[str, Learned] | None = None,
    ) -> None:
        self.network = network
        self.clock = clock
        self.playback = playback
        """A recording of a log is played: nothing is decided or raised anew, and nobody adds to it."""
        self.log = log
        self.live_map = LiveMap()
        self.profiles = profiles_of(network)
        self.run_cards = cards_of(network)
        self.cuts: dict[str, Cut] = {}
        """What each closure does to the roads."""
        self.cuts_ahead: dict[str, Cut] = {}
        """The same of closures that are about to be added, by event: whoever adds one has worked it out already."""
        self.viewers = Viewers()
        self.health = Health(clock.now_ms, self.viewers.ring)
        self.alarms = Alarms(self, self.viewers)
        self.ranker = Ranker(self, self.viewers)
        self.decider = Decider(self)
        self.timers = TimerWatch(self, self.viewers)
        self.learner = Learner(self, network, self.profiles)
        self._learned = learned or {}
        """What recorded drives taught beforehand, by profile, for a log that knows nothing of it."""
        self.historian = Historian(log)
        self.past = Past(network, self.profiles)
        self.counters: dict[str, int] = {"events": 0, "positions": 0, "frames": 0}
        self.frames_took_s = 0.0
        """To make them and hand them to the viewers' lines, all together."""
        self.ignored: dict[str, int] = {}
        self.lateness = Lateness()
        self.lists = Counter(share=0.25)
        """Long documents that are made on the event loop."""
        self.files = Counter(share=0.5)
        """Files that are taken in: read and checked in a thread, one at a time."""
        self.questions = Counter()
        """Large questions for the fields: what is urgent waits for one of them at most."""
        self._fields = Fields(network, self.profiles)
        self._missed: dict[int, Frame] = {}
        """What viewers have missed who come back, by where they were ..."""
        self._missed_of = ("", 0)
        """... of which log, and since viewers were last told of changes."""
        self._deltas: OrderedDict[int, Delta] = OrderedDict()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._follower: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._freezing: Freezing | None = None
        """The copy that a checkpoint is being made of."""
        self._checkpoint_seq = 0
        """Where the newest checkpoint stands, or the one that is being written ..."""
        self._checkpoint_s = 0.0
        """... and when it was made, on the loop's clock."""

    # ---- life

    async def start(self) -> None:
        """Compile the kernels, restore the live map from the log, adopt the map, start the tasks.

        Raises `WrongMapError` when the log was written on another map.
        """
        await self._fields.make_ready()
        await self._restore()
        jobs: dict[str, Callable[[], Awaitable[None]]] = {
            "ranker": self.ranker.run,
            **({} if self.playback else {"lead": self._lead}),
            "timers": self.timers.run,
            "pulse": self._pulse,
            "alarms": self.alarms.run,
            "historian": self.historian.run,
            "timekeeper": partial(keep_time, self),
            "lateness": self.lateness.run,
        }
        self._tasks = [asyncio.create_task(_forever(name, job)) for name, job in jobs.items()]

    async def _lead(self) -> None:
        """Decide and learn for as long as this process is the one that does so for its log."""
        while True:
            if not self.log.leads:
                await self.log.turned()
                if self.log.leads:
                    await self._adopt()
                    self.decider.reset()
                    self.learner.reset()
                continue
            jobs = [
                asyncio.create_task(_forever(*one))
                for one in (("decider", self.decider.run), ("learner", self.learner.run))
            ]
            try:
                await self.log.turned()
            finally:
                for job in jobs:
                    job.cancel()
                await asyncio.gather(*jobs, return_exceptions=True)

    async def stop(self) -> None:
        """End the tasks, write a checkpoint, close the log.

        Waits neither for a ranking that is under way in the worker, nor for a disk that does not answer: what is
        acknowledged is in the log, and the next start finds it there.
        """
        self.decider.stop()
        tasks = [task for task in (*self._tasks, self._follower, self._saving) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fields.stop()
        self.historian.stop()
        self.past.stop()
        self.alarms.stop()
        closer = ThreadPoolExecutor(1, thread_name_prefix="log-closer")  # the others may all be at work
        closing = asyncio.get_running_loop().run_in_executor(closer, self._close_log)
        closer.shutdown(wait=False)
        await asyncio.wait([closing], timeout=CLOSE_WITHIN_S)
        if not closing.done():
            log_.error("the log is not closed after %g s: its disk does not answer", CLOSE_WITHIN_S)

    def _close_log(self) -> None:
        try:
            if self.live_map.seq > self._checkpoint_seq:
                _save(self.log, self.live_map)
        finally:
            self.log.close()

    async def reset(self, log: EventLog, live_map: LiveMap | None = None) -> None:
        """Begin again on another log (a replay that jumps): every viewer is sent a new snapshot. `live_map` is what was
        before the first event of that log."""
        tasks = [task for task in (self._follower, self._saving) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for folded in (folded for waiting in self._waiting.values() for folded in waiting if not folded.done()):
            folded.set_exception(LogError(JUMPED))
        self._waiting.clear()
        self.alarms.reset(JUMPED)
        old, self.log = self.log, log
        self.historian.follow(log)
        self.live_map, self._deltas, self.cuts, self._checkpoint_seq = live_map or LiveMap(), OrderedDict(), {}, 0
        self.live_map.seq, self.live_map.decisions = 0, {}  # positions of another log
        self.ranker.reset()
        await self._fields.renew()
        old.close()
        await self._restore()

    async def _restore(self) -> None:
        snapshot = self.log.load_snapshot()
        if snapshot is not None:
            try:
                self.live_map = checkpoint.parse(snapshot[1])
                self._checkpoint_seq = snapshot[0]
            except LogError:  # of another version: the facts themselves are all there
                log_.warning("the checkpoint at seq %d cannot be read; folding the whole log", snapshot[0])
        newest = 0
        async for batch in self.log.read(self.live_map.seq):
            for seq, event in batch:
                apply(self.live_map, seq, event)
                newest = event.received_ms
        self.clock.begin_after(max(newest, newest_ms(self.live_map)))
        adopted = self.live_map.network_id
        if adopted and adopted != self.network.content_id:
            raise WrongMapError(
                f"the log belongs to the map {adopted}, but {self.network.area.name} is {self.network.content_id}: "
                "start with the map it was recorded on (--map), or with another log (--log)."
            )
        for closure in self.live_map.closures.values():
            self.cuts[closure.closure_id] = cut_by(self.network, closure.added)
        if not self.playback:
            self.decider.reset()
        self.timers.reset()
        self.learner.reset()
        self.viewers.begin(self.live_map.seq)
        self._follower = asyncio.create_task(_forever("fold", self._follow))
        if not self.playback and self.log.leads:  # else what was adopted is in the recording, or comes from the leader
            await self._adopt()

    async def _adopt(self) -> None:
        """Say on which map the log goes on, and what is known of its roads beforehand."""
        adopted = self.live_map.network_id
        if not adopted or self.live_map.extent is None or self.live_map.generation < GENERATION:
            await self.submit(
                NetworkAdopted(
                    event_id=f"network:{self.network.content_id}:{GENERATION}",
                    received_ms=self.clock.now_ms(),
                    said_by="node",
                    network_id=self.network.content_id,
                    area=self.network.area.name,
                    software_version=__version__,
                    extent=self.network.area.extent,
                    generation=GENERATION,
                )
            )
        unknown = {name: one for name, one in self._learned.items() if name not in self.live_map.pace}
        await self.record(*taught_beforehand(unknown, self.clock.now_ms()), apart=True)

    # ---- events in

    async def record(self, *events: Event, apart: bool = False) -> list[Outcome]:
        """Ask the live map whether these events may be, log and fold those that may, and say what became of each.

        They stand or fall together, or each alone where they are `apart`; of one that is not logged its outcome has
        the reason, and no seq. Raises `LogFullError` when the disk is full, and `PlaybackError` where a recording is
        played: then nothing was logged.
        """
        if self.playback and events:
            raise PlaybackError(RECORDING)
        reasons = refusals(self.live_map, *events)
        first = next((reason for reason in reasons if reason is not None), None)
        if first is not None and not apart:
            reasons = [reason or first for reason in reasons]
        logged = iter(
            await self.submit(*(event for event, reason in zip(events, reasons, strict=True) if reason is None))
        )
        return [
            next(logged) if reason is None else Outcome(0, Delta(ignored=reason), recorded=False) for reason in reasons
        ]

    async def submit(self, *events: Event) -> list[Outcome]:
        """Log events as they are, all or none, wait until they are folded here, and say what each did.

        For what was recorded before: the fold alone judges it. All else comes by `record`, which asks first. Raises
        `LogFullError` when the disk is full: then nothing was logged.
        """
        if not events:
            return []
        seqs = await self.log.append(events, urgent=any(map(self._is_urgent, events)))
        last = max(seqs)
        if self.live_map.seq < last:
            folded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(last, []).append(folded)
            await folded
        return [Outcome(seq, self._deltas.get(seq, NOTHING)) for seq in seqs]

    def _is_urgent(self, event: Event) -> bool:
        """Whether an event goes before the others, into the room that is kept on the disk: help for an officer does."""
        if isinstance(event, AssignmentChanged):
            incident = self.live_map.incidents.get(event.incident_id)
            return incident is not None and incident.emergency is not None and incident.emergency.stands
        return isinstance(event, EMERGENCIES)

    # ---- the fold

    async def _follow(self) -> None:
        async for batch in self.log.read(self.live_map.seq, follow=True):
            urgent = False
            for seq, event in batch:
                urgent |= self._fold(seq, event)
            for seq in [seq for seq in self._waiting if seq <= self.live_map.seq]:
                for folded in self._waiting.pop(seq):
                    if not folded.done():
                        folded.set_result(None)
            if urgent:
                self.viewers.urgent.set()
            if (self._saving is None or self._saving.done()) and self._checkpoint_due():
                self._checkpoint_seq, self._checkpoint_s = self.live_map.seq, asyncio.get_running_loop().time()
                self._freezing = Freezing(self.live_map)
                self._saving = asyncio.create_task(self._save_as_it_was(self._freezing))

    async def _save_as_it_was(self, freezing: Freezing) -> None:
        """Write a checkpoint of a moment that is past, while the fold goes on."""
        try:
            while not freezing.some(COPIED_AT_ONCE):
                await asyncio.sleep(0)
        finally:
            self._freezing = None
        await asyncio.to_thread(_save, self.log, freezing.whole(), REST_S)

    def _checkpoint_due(self) -> bool:
        events, now_s = self.live_map.seq - self._checkpoint_seq, asyncio.get_running_loop().time()
        return events >= CHECKPOINT_EVERY or (
            events >= CHECKPOINT_LEAST and now_s - self._checkpoint_s >= CHECKPOINT_EVERY_S
        )

    def _fold(self, seq: int, event: Event) -> bool:
        """Fold an event and let every part know; whether viewers are to be told at once."""
        if self._freezing is not None:
            self._freezing.before(event)
        delta = self._deltas[seq] = apply(self.live_map, seq, event)
        if len(self._deltas) > DELTAS_KEPT:
            self._deltas.popitem(last=False)
        self.alarms.folded(seq, event, delta)
        self.ranker.folded(event, delta)
        self.timers.folded(delta)
        if not self.playback and self.log.leads:
            self.learner.folded(event, delta)
        if isinstance(event, PositionReported):
            self.clock.hear(event.unit_id, event.fix.fix_ms)
        self.counters["events"] += 1
        self.counters["positions"] += len(delta.positions)
        if delta.ignored is not None:
            self.ignored[delta.ignored] = self.ignored.get(delta.ignored, 0) + 1
            return False
        self._fields.touch((*delta.units, *delta.positions))
        units, positions, incidents, closures, _, _, messages, *_ = delta
        if positions:  # nearly all events move one unit, and nothing else
            self.viewers.mark("positions", positions)
        if units or incidents or closures or messages:
            for topic in ("units", "incidents", "closures", "messages"):
                self.viewers.mark(topic, getattr(delta, topic))
        for closure_id in delta.closures:
            self.cuts.pop(closure_id, None)
        if delta.closures and isinstance(event, ClosureAdded):
            self.cuts[event.closure_id] = self.cuts_ahead.get(event.event_id) or cut_by(self.network, event)
        if isinstance(event, DECIDED_ANEW) and not self.playback:
            for incident_id in delta.incidents:
                self.decider.doubt(incident_id, seq)
        if delta.desk:
            self.viewers.ring()
        return bool(delta.units or delta.incidents or delta.closures or delta.messages)

    # ---- what is asked

    async def ranking(self, incident_id: str, limit: int) -> documents.Ranking:
        """The ranking as of now, whole. Raises `KeyError` when the incident is not open."""
        return await self.read_field(lambda standing: whole_ranking(standing, incident_id, limit))

    async def read_field(self, question: Callable[[Standing], Result]) -> Result:
        """Ask the standing fields anything, as of now, in their thread."""
        return await self._fields.read(self.live_map, self.clock.now_ms(), question)

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self.viewers.urgent.clear()
            self.health.hear(self.log.state)
            live_map = self.live_map
            self.viewers.flush(live_map.seq, len(live_map.units) + len(live_map.incidents) + len(live_map.closures))
            await rung(self.viewers.urgent, max(FRAME_PERIOD_S - (loop.time() - started), 0.001))

    def since(self, epoch: str, after_seq: int) -> Frame | None:
        """What a viewer that saw the log up to a position has missed; None when only a snapshot can tell. Viewers who
        lost their lines together are told the same frame, so that it is encoded once."""
        if epoch != self.log.epoch or after_seq > self.live_map.seq:
            return None
        if self._missed_of != (told := (epoch, self.viewers.flushed)) or len(self._missed) >= MISSED_KEPT:
            self._missed_of, self._missed = told, {}
        if after_seq not in self._missed:
            missed = self.viewers.since(after_seq)
            if missed is None:
                return None
            self._missed[after_seq] = Frame(
                **{name: missed.topic(name) for name in TOPICS if name != "rankings"},
                # rankings change with time alone, between two positions of the log: all of them, and those that ended
                rankings=missed.rankings.union(self.ranker.rankings),
            )
        return self._missed[after_seq]

    def value(self, topic: str, thing: str) -> Value | None:
        """The latest value of one thing as the feed sends it; None when it is gone."""
        if topic in ("units", "positions"):
            unit = self.live_map.units.get(thing)
            if unit is None:
                return None
            return documents.unit(unit) if topic == "units" else documents.position(unit)
        if topic == "incidents":
            seen = self.alarms.incident(thing)
            return None if seen is None or not seen[0].open else documents.incident(*seen)
        if topic == "rankings":
            return self.ranker.rankings.get(thing)
        if topic == "timers":
            timer = self.timers.timer(thing)
            raised = self.live_map.timers.get(thing)
            return None if timer is None else documents.timer(timer, raised, self.clock.now_ms())
        if topic == "messages":
            message = self.live_map.messages.get(thing)
            return None if message is None else documents.message(message)
        closure = self.live_map.closures.get(thing)
        return None if closure is None else documents.closure(closure, self.cuts[thing])

    def things(self, topic: str) -> Iterable[str]:
        """Every id of a topic that has a value now."""
        if topic == "units":
            return list(self.live_map.units)
        if topic == "positions":
            return [unit.unit_id for unit in self.live_map.units.values() if unit.fixes]
        if topic == "incidents":
            return [incident.incident_id for incident, _ in self.alarms.open_incidents()]
        if topic == "timers":
            return self.timers.due()
        if topic == "messages":
            return list(self.live_map.messages)
        return list(self.ranker.rankings) if topic == "rankings" else list(self.live_map.closures)


async def _forever(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """A task that fails is an error in this program: say so loudly, go on with the rest of the world."""
    while True:
        try:
            await job()
            return
        except Exception:
            log_.exception("the node's %s failed; it starts again in 1 s", name)
            await asyncio.sleep(1.0)


def _save(log: EventLog, live_map: LiveMap, rest_s: float = 0.0) -> None:
    """Write a checkpoint; blocks. Without one the facts are all there, and the next start folds them instead."""
    try:
        log.save_snapshot(live_map.seq, checkpoint.pack(live_map, rest=partial(time.sleep, rest_s)))
    except LogError as error:
        log_.warning("no checkpoint at seq %d: %s", live_map.seq, error)
