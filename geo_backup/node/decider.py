"""Decider: whom to send, for every incident that asks for backup.

A new request is answered at once, by arrival alone where it is urgent. The answer is a fact in the log,
`<request>:quick`, and the very one that whoever asked is told. Then the best set is searched for, and is another fact,
`<request>:best`. When an incident changes it is decided anew, and while units drive, those that still wait for somebody
are looked at again. Such facts have ids by the change or the time, and a quick one is recorded only where the best is
long in coming (many requests that want the same units): the clock chooses which answer stands, never what an answer is.

The arithmetic is beside the event loop: fields and first answers in the node's worker, other choices in threads, one
search at a time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from geo_backup.backup.answer import Told, answer, swaps
from geo_backup.backup.choice import Choice
from geo_backup.backup.question import Question, arrives, ask_all, ask_at_once, whole_view
from geo_backup.backup.standing import Standing
from geo_backup.errors import LogError, UnknownIdError
from geo_backup.eventlog import EventLog
from geo_backup.events import (
    AidApproved,
    AssignmentChanged,
    BackupRequested,
    DecisionMade,
    EmergencyDeclared,
    IncidentChanged,
    IncidentReopened,
)
from geo_backup.live_map import OPEN_STATES, Incident, Recommendation
from geo_backup.node.bell import rung
from geo_backup.node.process import Process
from geo_backup.wire import decisions

log_ = logging.getLogger("geo_backup.node")

DECIDED_ANEW = (
    BackupRequested, EmergencyDeclared, AssignmentChanged, IncidentChanged, IncidentReopened, AidApproved,
)  # fmt: skip
"""Facts after which an incident that asks for backup is decided again."""
BEST_WITHIN_S = 0.5
"""A quick answer is recorded when the best takes longer."""
AT_ONCE = 8
"""So many incidents are decided in one go."""
LOOKS_SHARE = 0.25
"""Of a core's time at most, for looking again."""

Result = TypeVar("Result")


class _Due(NamedTuple):
    """A question that is to be answered in the log, under a name."""

    question: Question
    name: str
    told: tuple[Told, ...] | None = None
    """What its quick answer says; None: there is none."""


class _Group(NamedTuple):
    """Questions that have the same choice."""

    due: Sequence[_Due]
    first: Choice
    inputs: str
    """Their view, packed."""

    def events(self, best: Choice | None) -> list[DecisionMade]:
        """The answers as facts, quick ones without the best choice."""
        out = []
        for question, name, told in self.due:
            said = answer(question, self.first, best, told or ())
            stage = "quick" if best is None else "best"
            fact = decisions.record(f"{name}:{stage}", question, said, self.first, self.inputs, quick=best is None)
            out.append(fact)
        return out


class Decider:
    """The decisions of one node; see the module."""

    def __init__(self, node: Process) -> None:
        self._node = node
        self._asked: dict[str, asyncio.Task[DecisionMade]] = {}
        """The first answers that are being made, by the request."""
        self._due: dict[str, int] = {}
        """Incidents that changed after their first answer: where in the log."""
        self._bell = asyncio.Event()
        self._search: asyncio.Future[Choice] | None = None
        self._later: asyncio.Task[None] | None = None
        """What waits for a search that takes long."""
        self._looked: dict[str, float] = {}
        """When each incident was decided or looked at, on the loop's clock."""

    def reset(self) -> None:
        """Begin again with what waits on the node's live map."""
        if self._later is not None:
            self._later.cancel()
        self._asked, self._due, self._looked = {}, {}, {}
        for incident in self._node.live_map.open_incidents():
            if incident.mode is not None and not self._told(incident):  # the node stopped between the two
                self._ask(incident)
        self._bell.set()

    def stop(self) -> None:
        """Wait for nothing any more; a search that goes on is left behind."""
        for task in (*self._asked.values(), self._later):
            if task is not None:
                task.cancel()

    async def recommend(self, incident_id: str) -> bytes:
        """Whom to send: the body of the answer to a request for backup, made from the fact in the log.

        Raises `KeyError` or `UnknownIdError` when the incident was closed meanwhile, `LogError` when the answer cannot
        be recorded.
        """
        request_id = self._node.live_map.incidents[incident_id].request_id
        making = self._asked.get(request_id)
        # whoever asked may hang up; the answer is still for the log
        event = await (self.decision(_first(request_id)) if making is None else asyncio.shield(making))
        return decisions.told(event)

    async def decision(self, decision_id: str) -> DecisionMade:
        """A decision from the log. Raises `UnknownIdError`."""
        seq = self._node.live_map.decisions.get(decision_id)
        if seq is not None:
            async for batch in self._node.log.read(seq - 1):
                event = batch[0][1]
                if isinstance(event, DecisionMade):
                    return event
                break
        raise UnknownIdError(f"there is no decision {decision_id!r}, or it is too long ago")

    def doubt(self, incident_id: str, seq: int) -> None:
        """An incident's recommendation may be another now."""
        incident = self._node.live_map.incidents.get(incident_id)
        if incident is None or not incident.open or incident.mode is None:
            return
        if incident.request_id in self._asked or self._told(incident):
            self._due[incident_id] = seq
            self._bell.set()
        else:
            self._due.pop(incident_id, None)
            self._ask(incident)

    # ---- the first answer to a request

    def _told(self, incident: Incident) -> bool:
        """Whether the request that stands has had its first answer."""
        made = self._node.live_map.decisions
        return _first(incident.request_id) in made or f"decision:{incident.request_id}" in made  # as older logs have it

    def _ask(self, incident: Incident) -> None:
        request_id = incident.request_id
        task = asyncio.create_task(self._at_once(incident.incident_id, request_id))
        self._asked[request_id] = task

        def made(task: asyncio.Task[DecisionMade]) -> None:
            if self._asked.get(request_id) is task:
                del self._asked[request_id]
            error = None if task.cancelled() else task.exception()
            # an incident that was closed meanwhile has no answer, and nobody waits for one
            if error is not None and not isinstance(error, KeyError | UnknownIdError):
                log_.error("no first answer to the request %s", request_id, exc_info=error)
            self._bell.set()

        task.add_done_callback(made)

    async def _at_once(self, incident_id: str, request_id: str) -> DecisionMade:
        """Put the question, record its answer, and read what stands in the log: another node may have been first."""
        log = self._node.log

        def fact(standing: Standing) -> DecisionMade:
            question, first = ask_at_once(standing, incident_id)
            said = answer(question, first)
            return decisions.record(_first(question.incident.request_id), question, said, first, quick=True)

        event = await self._node.read_field(fact)
        if event.request_id != request_id and (other := self._asked.get(event.request_id)) is not None:
            return await asyncio.shield(other)  # it was asked for something else meanwhile
        if log is not self._node.log:
            raise LogError("the replay jumped meanwhile; send it again")
        await self._node.record(event)
        return await self.decision(event.event_id)

    # ---- the best answer, and looking again

    async def run(self) -> None:
        """Make the decisions that are due, the most urgent first; then look again at the others."""
        loop = asyncio.get_running_loop()
        rest_s = 1.0
        while True:
            await rung(self._bell, rest_s)
            self._bell.clear()
            while some := self._due_now():
                for incident_id in some:
                    self._due.pop(incident_id, None)
                if not await self._make(some):
                    break
            began = loop.time()
            again = self._again(began)
            if again:
                await self._make(dict.fromkeys(again))
            rest_s = max(0.1, (loop.time() - began) * (1 / LOOKS_SHARE - 1)) if again else 1.0

    def _due_now(self) -> dict[str, int | None]:
        """Incidents that changed, and where in the log; when there are none, those whose best set nobody has begun to
        search for. `AT_ONCE` of them, the most urgent first."""
        changed = sorted(self._due, key=self._urgency)[:AT_ONCE]
        if changed:
            return {incident_id: self._due[incident_id] for incident_id in changed}
        if self._searching:
            return {}
        quick = [one.incident_id for one in self._node.live_map.open_incidents() if _is_quick(one)]
        return dict.fromkeys(sorted(quick, key=self._urgency)[:AT_ONCE])

    async def _make(self, wanted: Mapping[str, int | None]) -> bool:
        """Put decisions of some incidents into the log: after a change, or else where they are others than those that
        stand. False: it did not work."""
        self._looked.update(dict.fromkeys(wanted, asyncio.get_running_loop().time()))
        try:
            log = self._node.log
            questions, inputs = await self._node.read_field(
                lambda standing: (ask_all(standing, wanted), whole_view(standing))
            )
            if not questions:
                return True
            packed = await asyncio.to_thread(decisions.pack_view, inputs)
            groups: dict[tuple[int, tuple[str, ...]], list[Question]] = {}
            for question in questions:
                groups.setdefault(question.together, []).append(question)
            for group in groups.values():
                await self._decide(group, wanted, packed, log)
            return True
        except LogError as error:
            if self._node.log.state.name == "ok":  # else it is said once for all
                log_.warning("%s: not on record: %s", ", ".join(wanted), error)
        except Exception:
            log_.exception("the decisions on %s failed; the others go on", ", ".join(wanted))
        return False

    async def _decide(
        self, questions: Sequence[Question], wanted: Mapping[str, int | None], inputs: str, log: EventLog
    ) -> None:
        """Decide requests that are answered together: one search serves them all."""
        first = await asyncio.to_thread(questions[0].first)
        due = [one for question in questions if (one := await self._named(question, wanted, first)) is not None]
        if not due:
            return
        search = self._search_for(questions[0], first)
        if search is not None:
            await asyncio.wait([search], timeout=BEST_WITHIN_S)
        group = _Group(due, first, inputs)
        if search is not None and search.done():
            await self._record(await asyncio.to_thread(group.events, search.result()), log)
            return
        untold = group._replace(due=[one for one in due if one.told is None])
        quick = await asyncio.to_thread(untold.events, None)
        await self._record(quick, log)
        if search is not None:
            told = {event.incident_id: decisions.unpack_answer(event.answer).chosen for event in quick}
            waiting = [one._replace(told=told.get(one.question.incident.incident_id, one.told)) for one in due]
            self._later = asyncio.create_task(self._refine(search, group._replace(due=waiting), log))

    async def _named(self, question: Question, wanted: Mapping[str, int | None], first: Choice) -> _Due | None:
        """A question with the name of its answer; None where what stands is the answer still."""
        request_id = question.incident.request_id
        incident = self._node.live_map.incidents.get(question.incident.incident_id)
        standing = incident.recommended if incident is not None else None
        seq = wanted[question.incident.incident_id]
        if seq is not None:
            return _Due(question, f"decision:{request_id}:{seq}")
        if standing is not None and standing.quick:
            told: tuple[Told, ...] = ()
            with suppress(UnknownIdError):  # told too long ago
                told = decisions.unpack_answer((await self.decision(standing.decision_id)).answer).chosen
            return _Due(question, standing.decision_id.removesuffix(":quick"), told)
        if standing is None or await asyncio.to_thread(_another, question, first, standing):
            return _Due(question, f"decision:{request_id}:{question.ranking.as_of_ms}")
        return None

    @property
    def _searching(self) -> bool:
        return any(one is not None and not one.done() for one in (self._search, self._later))

    def _search_for(self, question: Question, first: Choice) -> asyncio.Future[Choice] | None:
        """The search for the best set, begun; None while another one goes on: it takes a core."""
        if self._searching:
            return None
        self._search = _left_alone(lambda: question.best(first))
        return self._search

    async def _refine(self, search: asyncio.Future[Choice], group: _Group, log: EventLog) -> None:
        """Put the best sets into the log when they are found, for those whose quick answer still stands then."""
        try:
            best = await search
            left = group._replace(due=[one for one in group.due if self._stands(one)])
            await self._record(await asyncio.to_thread(left.events, best), log)
        except LogError as error:
            log_.warning("the best sets are not on record: %s", error)
        except Exception:
            log_.exception("the search for the best sets failed; the quick answers stand")
        finally:
            self._bell.set()

    async def _record(self, events: Collection[DecisionMade], log: EventLog) -> None:
        if log is self._node.log:  # else the replay jumped meanwhile: they are of another world
            await self._node.record(*events, apart=True)

    def _stands(self, due: _Due) -> bool:
        """Whether a quick answer is still the one of its incident."""
        incident = self._node.live_map.incidents.get(due.question.incident.incident_id)
        standing = incident.recommended if incident is not None and incident.open else None
        if standing is None or not standing.quick:
            return False
        return standing.decision_id.removesuffix(":quick") == due.name  # older logs have the bare name

    def _again(self, now: float) -> list[str]:
        """The incident that has waited longest to be looked at again, if one is to be."""
        node, found = self._node, list[tuple[float, str]]()
        for incident in node.live_map.open_incidents():
            if incident.mode is None or incident.incident_id in self._due or _is_quick(incident):
                continue
            rules = node.live_map.rules.of(incident.agency).backup
            period_s = (rules.again_p1_ms if incident.priority == 1 else rules.again_ms) / 1000
            since = self._looked.setdefault(incident.incident_id, now)
            if now - since >= period_s and _waits(incident):
                found.append((since, incident.incident_id))
        self._looked = {known: at for known, at in self._looked.items() if known in node.live_map.incidents}
        return [incident_id for _, incident_id in sorted(found)[:1]]

    def _urgency(self, incident_id: str) -> tuple[int, int, str]:
        incident = self._node.live_map.incidents.get(incident_id)
        return (9, 0, incident_id) if incident is None else (incident.priority, incident.requested_ms, incident_id)


def _first(request_id: str) -> str:
    """The id of the first answer to a request."""
    return f"decision:{request_id}:quick"


def _is_quick(incident: Incident) -> bool:
    """Whether the best set is not known yet."""
    return incident.mode is not None and incident.recommended is not None and incident.recommended.quick


def _waits(incident: Incident) -> bool:
    """Whether somebody is still to be sent to an incident, or on the way."""
    standing = incident.recommended
    going = any(part.state in OPEN_STATES and part.state != "on_scene" for part in incident.assignments.values())
    return going or standing is None or bool(standing.chosen) or standing.unmet


def _another(question: Question, first: Choice, standing: Recommendation) -> bool:
    """Whether the choice at once or a swap is another than the one that stands, or a unit has come so near that it is
    to keep its call."""
    offered = {(one.unit_id, one.replaces) for one in swaps(question, first)}
    return (
        decisions.at_once(question, first) != standing.at_once
        or offered != {one[:2] for one in standing.swaps}
        or arrives(question)
    )


def _left_alone(job: Callable[[], Result]) -> asyncio.Future[Result]:
    """Do a long job in a thread of its own, which no end of the program waits for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def done(result: Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = job()
        except Exception as failure:
            error = failure
        with suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(done, result, error)

    threading.Thread(target=run, name="search", daemon=True).start()
    return future
