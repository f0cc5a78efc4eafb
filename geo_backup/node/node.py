"""Node: one running process on one log and one map.

Six tasks run on the event loop: `_follow` folds, `_rank` keeps rankings, the decider decides, `_pulse` hands viewers
what changed, `_offer` puts emergencies into the log however often it takes, `_keep_time` minds the clock. The
arithmetic of fields and rankings happens in one worker thread, on frozen views.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from geo_backup import __version__
from geo_backup.backup.city import prepare
from geo_backup.backup.driving import cut_by
from geo_backup.backup.ranking import Ranking, rank
from geo_backup.backup.readings import cut_off
from geo_backup.backup.run_card import cards_of
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import View, view
from geo_backup.errors import LogError, WrongMapError
from geo_backup.eventlog import EventLog
from geo_backup.events import (
    TIME_MS,
    AssignmentChanged,
    BackupRecommended,
    ClockTurned,
    ClosureAdded,
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyClearRefused,
    EmergencyDeclared,
    Event,
    NetworkAdopted,
    PositionReported,
)
from geo_backup.feed import TOPICS, ChangeIndex, Frame, Outbox
from geo_backup.live_map import NOTHING, Delta, Incident, LiveMap, apply
from geo_backup.node.bell import rung
from geo_backup.node.clock import Clock
from geo_backup.node.counter import Counter
from geo_backup.node.decider import DECIDED_ANEW, Decider
from geo_backup.node.health import Health, Name
from geo_backup.node.timekeeper import keep_time, newest_ms
from geo_backup.node.unrecorded import Held, Unrecorded
from geo_backup.roads.closures import Cut
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pieces import Pieces
from geo_backup.roads.profile import profiles_of
from geo_backup.roads.warm import warm_up
from geo_backup.wire import checkpoint, documents

log_ = logging.getLogger("geo_backup.node")

FRAME_PERIOD_S = 0.1
"""At most ten frames a second leave for a viewer, but urgent things at once."""
RANK_PERIOD_S = 0.5
"""An incident's ranking is pushed at most twice a second."""
RANKINGS_PER_S = 5.0
"""All incidents together, when nothing but driving changes: viewers count ETAs down by themselves. An incident that
changes (a unit sent, a closure, a new place) is ranked and pushed at once, whatever its turn."""
RANKED_AT_ONCE = 16
"""After a closure hundreds of incidents are due: they come in parts, so that a new one need not wait for all."""
LOOK_AGAIN_S = 1.0
"""Time passes without an event: freshness and closures are looked at again this often."""
ALARM_WITHIN_S = 0.5
"""An emergency that is not on record after this long alarms all the same."""
ALARM_AT_LEAST_S = 0.05
"""What the log is given at any rate, however long others have waited for it."""
OFFER_AGAIN_S = 1.0
"""Emergencies that the log did not take are offered again this often."""
CLOSE_WITHIN_S = 2.0
AGAIN = "-again"
ID_CHARS_MAX = 64
UNRECORDED = "an officer's emergency is not on record yet: write it down; it alarms all the same, and is recorded as \
soon as the log takes it"
DELTAS_KEPT = 50_000
CHECKPOINT_EVERY = 100_000

EMERGENCIES = (EmergencyDeclared, EmergencyAcknowledged, EmergencyCleared, EmergencyClearRefused)
LOG_CONDITIONS: tuple[Name, ...] = ("log_full", "log_slow", "log_failing")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an event stands in the log, and what it changed on this node."""

    seq: int
    delta: Delta
    recorded: bool = True
    """False: it is no fact yet, and `delta` is what it would change."""


class Viewer:
    """An outbox with a bell."""

    def __init__(self, topics: Collection[str]) -> None:
        self.outbox = Outbox(topics)
        self.bell = asyncio.Event()


class Node:
    """One process on one log and one map; see the module. `start` before use, `stop` after."""

    def __init__(self, network: RoadNetwork, log: EventLog, clock: Clock) -> None:
        self.network = network
        self.clock = clock
        self.log = log
        self.health = Health(clock.now_ms, self._ring_all)
        self.live_map = LiveMap()
        self.rankings: dict[str, documents.Ranking] = {}
        """Latest pushed ranking of each open incident."""
        self.digests: dict[str, str] = {}
        """Digest of each of them."""
        self.cuts: dict[str, Cut] = {}
        """What each closure does to the roads."""
        self.cuts_ahead: dict[str, Cut] = {}
        """The same of closures that are about to be added, by event: whoever adds one has worked it out already."""
        self.counters: dict[str, int] = {"events": 0, "positions": 0, "frames": 0, "rankings": 0}
        self.ignored: dict[str, int] = {}
        self.lag_s = 0.0
        self.profiles = profiles_of(network)
        self.run_cards = cards_of(network)
        self.decider = Decider(self)
        self.lists = Counter(share=0.25)
        """Long documents that are made on the event loop."""
        self.files = Counter(share=0.5)
        """Files that are taken in: read and checked in a thread, one at a time."""
        self.questions = Counter()
        """Large questions for the worker: what is urgent waits for one of them at most."""
        self._standing = Standing(network, profiles=self.profiles)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ranking")
        self._deltas: OrderedDict[int, Delta] = OrderedDict()
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        self._viewers: set[Viewer] = set()
        self._pending: dict[str, set[str]] = {name: set() for name in TOPICS}
        self._unseen_units: set[str] | None = None  # None: the ranking worker has yet to see them all
        self._stirred = True
        self._urgent = asyncio.Event()
        self._rank_now = asyncio.Event()
        self._fresh_incidents: set[str] = set()
        self._look_ms = 0
        """When a closure next begins or ends by itself: then all rankings are due."""
        self._tasks: list[asyncio.Task[None]] = []
        self._follower: asyncio.Task[None] | None = None
        self._index = ChangeIndex(0)
        self._checkpointed = 0
        self._unrecorded = Unrecorded()
        self._offered = asyncio.Event()

    # ---- life

    async def start(self) -> None:
        """Compile the kernels, restore the live map from the log, adopt the map, start the tasks.

        Raises `WrongMapError` when the log was written on another map.
        """
        await self._in_worker(self._make_ready)
        await self._restore()
        jobs = (self._rank, self.decider.run, self._pulse, self._offer, self._keep_time)
        self._tasks = [asyncio.create_task(self._forever(task)) for task in jobs]

    def _make_ready(self) -> None:
        warm_up()
        Pieces.of(self.network)
        prepare(self._standing)

    async def stop(self) -> None:
        """End the tasks, write a checkpoint, close the log.

        Waits neither for a ranking that is under way in the worker, nor for a disk that does not answer: what is
        acknowledged is in the log, and the next start finds it there.
        """
        self.decider.stop()
        for task in (*self._tasks, *((self._follower,) if self._follower else ())):
            task.cancel()
        await asyncio.gather(*self._tasks, *((self._follower,) if self._follower else ()), return_exceptions=True)
        self._worker.shutdown(wait=False, cancel_futures=True)
        for held in self._unrecorded:
            log_.error("this is not on record, and ends with this server: %s", held.event)
        seq = self.live_map.seq
        data = checkpoint.dump(self.live_map) if seq > self._checkpointed else None
        closer = ThreadPoolExecutor(1, thread_name_prefix="log-closer")  # the others may all be at work
        closing = asyncio.get_running_loop().run_in_executor(closer, self._close_log, seq, data)
        closer.shutdown(wait=False)
        await asyncio.wait([closing], timeout=CLOSE_WITHIN_S)
        if not closing.done():
            log_.error("the log is not closed after %g s: its disk does not answer", CLOSE_WITHIN_S)

    def _close_log(self, seq: int, data: bytes | None) -> None:
        try:
            if data is not None:
                self.log.save_snapshot(seq, data)
        except LogError as error:  # the facts are all there: the next start folds them instead
            log_.warning("no checkpoint at the end: %s", error)
        finally:
            self.log.close()

    async def reset(self, log: EventLog) -> None:
        """Begin again on another log (a replay that jumps): every viewer is sent a new snapshot."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        for folded in (folded for waiting in self._waiting.values() for folded in waiting if not folded.done()):
            folded.set_exception(LogError("the replay jumped meanwhile; send it again"))
        self._waiting.clear()
        for held in self._unrecorded.clear():
            if not held.folded.done():
                held.folded.set_exception(LogError("the replay jumped meanwhile; press it again"))
        self.health.clear("emergency_unrecorded")
        old, self.log = self.log, log
        self.live_map, self._deltas = LiveMap(), OrderedDict()
        self.rankings, self.digests, self.cuts, self._unseen_units = {}, {}, {}, None
        self._pending = {name: set() for name in TOPICS}
        self._checkpointed = 0
        await self._in_worker(self._renew_standing)
        old.close()
        await self._restore()
        for viewer in self._viewers:
            viewer.outbox.reset()
            viewer.bell.set()

    def _renew_standing(self) -> None:
        self._standing = Standing(self.network, profiles=self.profiles)

    async def _restore(self) -> None:
        snapshot = self.log.load_snapshot()
        if snapshot is not None:
            try:
                self.live_map = checkpoint.parse(snapshot[1])
                self._checkpointed = snapshot[0]
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
        self.decider.reset()
        self._look_ms = 0
        self._index = ChangeIndex(self.live_map.seq)
        self._follower = asyncio.create_task(self._forever(self._follow))
        if not adopted or self.live_map.extent is None:  # older logs do not say it
            await self.submit(
                NetworkAdopted(
                    event_id=f"network:{self.network.content_id}:extent",
                    received_ms=self.clock.now_ms(),
                    said_by="node",
                    network_id=self.network.content_id,
                    area=self.network.area.name,
                    software_version=__version__,
                    extent=self.network.area.extent,
                )
            )

    async def _forever(self, task: Callable[[], Any]) -> None:
        """A task that fails is an error in this program: say so loudly, go on with the rest of the world."""
        while True:
            try:
                await task()
                return
            except asyncio.CancelledError:
                raise
            except Exception:
                log_.exception("the node's %s failed; it starts again in 1 s", getattr(task, "__name__", "task"))
                await asyncio.sleep(1.0)

    # ---- events in

    async def submit(self, *events: Event) -> list[Outcome]:
        """Log the events (all or none), wait until they are folded here, and say what each did.

        Raises `LogFullError` when the disk is full: then nothing was logged.
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

    async def alarm(self, unit_id: str, event: Event) -> Outcome:
        """Log a fact of a unit's emergency; one that the log does not take in time alarms all the same.

        It is answered within `ALARM_WITHIN_S`. What is not recorded then is shown to every viewer as such, and offered
        to the log until it takes it, once. Raises `LogFullError` only when `HELD_MAX` such facts wait.
        """
        if not self._unrecorded.has_room(unit_id):
            return Outcome(0, self._show(unit_id), recorded=False)
        folded: asyncio.Future[tuple[int, Delta]] = asyncio.get_running_loop().create_future()
        self._unrecorded.hold(unit_id, event, folded)
        self._offered.set()
        await asyncio.wait([folded], timeout=max(ALARM_AT_LEAST_S, ALARM_WITHIN_S - self.log.waiting_s))
        if folded.done():
            return Outcome(*folded.result())
        folded.cancel()  # nobody waits any more: what it does when it is folded is told to the viewers alone
        return Outcome(0, self._show(unit_id), recorded=False)

    def _show(self, unit_id: str) -> Delta:
        incidents, delta = self._unrecorded.show(self.live_map, unit_id)
        self._pending["incidents"].update(incidents)
        self._urgent.set()
        self.health.say("emergency_unrecorded", UNRECORDED)
        return delta

    async def _offer(self) -> None:
        """Put what is held into the log, all of it in one go, again and again until it is there."""
        while True:
            await rung(self._offered, OFFER_AGAIN_S)
            self._offered.clear()
            held = list(self._unrecorded)
            if not held:
                continue
            try:
                await self._put(held)
            except LogError:
                for unit_id in {one.unit_id for one in self._unrecorded}:
                    self._show(unit_id)
                if self.log.state.name == "ok":  # it refuses one of them: that must not hold up the others
                    for one in held:
                        with suppress(LogError):
                            await self._put([one])

    async def _put(self, held: Collection[Held]) -> None:
        outcomes = await self.submit(*(one.event for one in held))
        for one, outcome in zip(held, outcomes, strict=True):  # folded they are gone already, unless they stood before
            self._recorded(outcome.seq, one.event, outcome.delta)

    def _recorded(self, seq: int, event: Event, delta: Delta) -> None:
        """A fact that was held is folded: from here on the live map tells of it."""
        held, shown = self._unrecorded.release(event.event_id)
        if held is None:
            return
        self._pending["incidents"].update(shown)
        self._urgent.set()
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
            self.health.clear("emergency_unrecorded")

    def incident(self, incident_id: str) -> tuple[Incident, bool] | None:
        """An incident as viewers see it, and whether all of it is on record."""
        unrecorded = self._unrecorded.incident(self.live_map, incident_id)
        if unrecorded is not None:
            return unrecorded, False
        incident = self.live_map.incidents.get(incident_id)
        return None if incident is None else (incident, True)

    def open_incidents(self) -> list[tuple[Incident, bool]]:
        """The open incidents as viewers see them, in the order in which they were opened, and which are on record."""
        unrecorded = self._unrecorded.incidents(self.live_map)
        standing = [(unrecorded.pop(i.incident_id, i), i) for i in self.live_map.open_incidents()]
        return [(seen, seen is i) for seen, i in standing] + [(new, False) for new in unrecorded.values()]

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
                self._urgent.set()
            if self.live_map.seq - self._checkpointed >= CHECKPOINT_EVERY:
                self._checkpointed = self.live_map.seq
                data = checkpoint.dump(self.live_map)
                try:
                    await asyncio.to_thread(self.log.save_snapshot, self._checkpointed, data)
                except LogError as error:  # the facts are all there; the next one may find room
                    log_.warning("no checkpoint at seq %d: %s", self._checkpointed, error)

    def _fold(self, seq: int, event: Event) -> bool:
        delta = apply(self.live_map, seq, event)
        self._deltas[seq] = delta
        if len(self._unrecorded):
            self._recorded(seq, event, delta)
        if len(self._deltas) > DELTAS_KEPT:
            self._deltas.popitem(last=False)
        self.counters["events"] += 1
        if isinstance(event, PositionReported):
            self.clock.hear(event.unit_id, event.fix.fix_ms)
        elif isinstance(event, ClockTurned):
            self._look_ms = 0
        self.counters["positions"] += len(delta.positions)
        if delta.ignored is not None:
            self.ignored[delta.ignored] = self.ignored.get(delta.ignored, 0) + 1
            return False
        pending = self._pending
        pending["units"].update(delta.units)
        pending["positions"].update(delta.positions)
        pending["incidents"].update(delta.incidents)
        pending["closures"].update(delta.closures)
        self._stirred = self._stirred or bool(delta.units or delta.positions)
        if self._unseen_units is not None:
            self._unseen_units.update(delta.units)
            self._unseen_units.update(delta.positions)
        for closure_id in delta.closures:
            self.cuts.pop(closure_id, None)
            self._look_ms = 0
        if delta.closures and isinstance(event, ClosureAdded):
            self.cuts[event.closure_id] = self.cuts_ahead.get(event.event_id) or cut_by(self.network, event)
        if isinstance(event, DECIDED_ANEW):
            for incident_id in delta.incidents:
                self.decider.doubt(incident_id, seq)
        if delta.desk:
            self._ring_all()
        if delta.incidents or delta.closures or delta.speeds or delta.desk:
            self._fresh_incidents.update(delta.incidents or self.rankings)
            self._rank_now.set()
        return bool(delta.units or delta.incidents or delta.closures)

    # ---- rankings

    async def ranking(self, incident_id: str, limit: int) -> documents.Ranking:
        """The ranking as of now, whole. Raises `KeyError` when the incident is not open."""
        return await self.read_field(lambda standing: whole_ranking(standing, incident_id, limit))

    async def read_field(self, question: Callable[[Standing], Result]) -> Result:
        """Ask the standing fields anything, as of now, in the worker."""
        now = self._view()

        def answer() -> Result:
            self._standing.update(now)
            return question(self._standing)

        return await self._in_worker(answer)

    def _view(self) -> View:
        now = view(self.live_map, self.clock.now_ms(), self._unseen_units)
        self._unseen_units = set()
        return now

    async def _in_worker(self, job: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._worker, job)

    async def _rank(self) -> None:
        loop = asyncio.get_running_loop()
        looked: dict[str, float] = {}
        while True:
            await rung(self._rank_now, RANK_PERIOD_S / 5)
            self._rank_now.clear()
            now = loop.time()
            open_ids = {incident.incident_id for incident in self.live_map.open_incidents()}
            ended = self.rankings.keys() - open_ids
            for incident_id in ended:
                del self.rankings[incident_id], self.digests[incident_id]
                looked.pop(incident_id, None)
            self._pending["rankings"].update(ended)
            if (now_ms := self.clock.now_ms()) >= self._look_ms:
                self._fresh_incidents |= open_ids
                self._look_ms = self.live_map.closures_turn_ms(now_ms) or TIME_MS[1]
            first = self._fresh_incidents & open_ids
            self._fresh_incidents.clear()
            # many incidents take turns: a viewer's line and half the worker's time are the bounds
            period = max(
                RANK_PERIOD_S if self._stirred else LOOK_AGAIN_S, len(open_ids) / RANKINGS_PER_S, 2 * self.lag_s
            )
            due = [
                incident_id
                for incident_id in sorted(open_ids)
                if incident_id in first or now - looked.get(incident_id, 0.0) >= period
            ]
            # the newest first: it is the one that somebody waits for
            due.sort(key=lambda incident_id: incident_id not in first)
            if not due:
                continue
            due = due[:RANKED_AT_ONCE]
            waiting = first.difference(due)
            if waiting:
                self._fresh_incidents |= waiting
                self._rank_now.set()
            self._stirred = False
            started, log = loop.time(), self.log
            ranked = await self.read_field(lambda standing, due=due: _rank_all(standing, due))  # type: ignore[misc]
            self.lag_s = loop.time() - started
            if log is not self.log:  # the replay jumped meanwhile: this is of another world
                continue
            news: list[Event] = []
            for incident_id, document, recommended in ranked:
                looked[incident_id] = now
                self.counters["rankings"] += 1
                incident = self.live_map.incidents.get(incident_id)
                if incident is None or not incident.open:
                    continue
                if incident_id not in self.rankings:
                    news.append(recommended)
                if documents.moved_enough(self.rankings.get(incident_id), document):
                    self.rankings[incident_id] = document
                    self.digests[incident_id] = recommended.digest
                    self._pending["rankings"].add(incident_id)
            if first:
                self._urgent.set()
            if news:
                try:
                    await log.append(news)
                except LogError as error:
                    if self.log.state.name == "ok":  # else it is said once for all
                        log_.warning("%d recommendations are not on record: %s", len(news), error)

    # ---- viewers

    def watch(self, topics: Collection[str]) -> Viewer:
        """Begin to collect what one viewer has not seen; end with `unwatch`."""
        viewer = Viewer(topics)
        self._viewers.add(viewer)
        return viewer

    def unwatch(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)

    @property
    def viewers(self) -> int:
        """How many are watching."""
        return len(self._viewers)

    def _ring_all(self) -> None:
        for viewer in self._viewers:
            viewer.bell.set()

    def since(self, epoch: str, after_seq: int) -> Frame | None:
        """What a viewer that saw the log up to a position has missed; None when only a snapshot can tell."""
        if epoch != self.log.epoch or after_seq > self.live_map.seq:
            return None
        missed = self._index.since(after_seq)
        if missed is None:
            return None
        return Frame(
            **{name: missed.topic(name) for name in TOPICS if name != "rankings"},
            # rankings change with time alone, between two positions of the log: all of them, and those that ended
            rankings=missed.rankings.union(self.rankings),
        )

    async def _keep_time(self) -> None:
        await keep_time(self)

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._urgent.clear()
            self._look_at_log()
            self._flush()
            await rung(self._urgent, max(FRAME_PERIOD_S - (loop.time() - started), 0.001))

    def _look_at_log(self) -> None:
        name, words = self.log.state
        for condition in LOG_CONDITIONS:
            if condition == f"log_{name}":
                self.health.say(condition, words)
            else:
                self.health.clear(condition)

    def _flush(self) -> None:
        if not any(self._pending.values()):
            return
        frame = Frame(**{name: frozenset(ids) for name, ids in self._pending.items()})
        self._pending = {name: set() for name in TOPICS}
        self._index.touch(frame, self.live_map.seq)
        standing = len(self.live_map.units) + len(self.live_map.incidents) + len(self.live_map.closures)
        self._index.forget(3 * standing)
        for viewer in self._viewers:
            viewer.outbox.mark(frame)
            viewer.bell.set()

    # ---- documents

    def value(self, topic: str, thing: str) -> Any:
        """The latest value of one thing as the feed sends it; None when it is gone."""
        if topic in ("units", "positions"):
            unit = self.live_map.units.get(thing)
            if unit is None:
                return None
            return documents.unit(unit) if topic == "units" else documents.position(unit)
        if topic == "incidents":
            seen = self.incident(thing)
            return None if seen is None or not seen[0].open else documents.incident(*seen)
        if topic == "rankings":
            return self.rankings.get(thing)
        closure = self.live_map.closures.get(thing)
        return None if closure is None else documents.closure(closure, self.cuts[thing])

    def things(self, topic: str) -> Iterable[str]:
        """Every id of a topic that has a value now."""
        if topic == "units":
            return list(self.live_map.units)
        if topic == "positions":
            return [unit.unit_id for unit in self.live_map.units.values() if unit.fixes]
        if topic == "incidents":
            return [incident.incident_id for incident, _ in self.open_incidents()]
        return list(self.rankings) if topic == "rankings" else list(self.live_map.closures)


def _rank_all(
    standing: Standing, incident_ids: Iterable[str]
) -> list[tuple[str, documents.Ranking, BackupRecommended]]:
    out = []
    for incident_id in incident_ids:
        ranking = rank(standing, incident_id)
        limit = standing.table.rules.limit.ranking_frame
        out.append((incident_id, documents.ranking(ranking, limit, frame=True), recommendation(ranking, limit)))
    return out


def whole_ranking(standing: Standing, incident_id: str, limit: int) -> documents.Ranking:
    """The ranking of an incident with all that it says of those who cannot come."""
    ranking = rank(standing, incident_id)
    cannot = [unit_id for unit_id, reason in ranking.excluded() if reason in ("UNREACHABLE", "OUTSIDE_HORIZON")]
    return documents.ranking(ranking, limit, cut_off=cut_off(standing, incident_id, cannot))


def recommendation(ranking: Ranking, limit: int) -> BackupRecommended:
    """The first answer to an incident as a fact for the log; a second node's copy has the same id."""
    head = ranking.order[:limit]
    return BackupRecommended(
        event_id=f"recommended:{ranking.incident.opening}",
        received_ms=ranking.as_of_ms,
        said_by="node",
        incident_id=ranking.incident.incident_id,
        as_of_seq=ranking.as_of_seq,
        as_of_ms=ranking.as_of_ms,
        network_id=ranking.network_id,
        weights_id=ranking.weights_id,
        rules_id=ranking.rules_id,
        software_version=__version__,
        candidates=tuple((ranking.ids[row], int(ranking.eta_ms[row])) for row in np.asarray(head).tolist()),
        digest=ranking.digest(),
    )
