"""Decider: whom to send, for every incident that asks for backup.

The first answer is given at once, to whoever asked. The whole decision is a fact in the log, made when an incident asks
or changes; while units drive, those that still wait for somebody are looked at again, and a fact follows only where
the answer is another one. Where the best set is long in coming (many requests that want the same units), the quick one
is the fact meanwhile: the clock chooses which answer stands, never what an answer is.

The arithmetic is beside the event loop: fields in the node's worker, the choice in a thread, one search at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from geo_backup import __version__
from geo_backup.backup.choose import Choice
from geo_backup.backup.decision import Question, answer, ask, ask_all, digest, swaps, tell, unmet, whole_view
from geo_backup.errors import LogError, UnknownIdError
from geo_backup.eventlog import EventLog
from geo_backup.events import (
    AidApproved,
    AssignmentChanged,
    BackupRequested,
    DecisionMade,
    EmergencyDeclared,
    Event,
    IncidentChanged,
)
from geo_backup.live_map import Incident, Recommendation
from geo_backup.node.bell import rung
from geo_backup.wire import decisions, documents

if TYPE_CHECKING:
    from geo_backup.node.node import Node

log_ = logging.getLogger("geo_backup.node")

DECIDED_ANEW = (BackupRequested, EmergencyDeclared, AssignmentChanged, IncidentChanged, AidApproved)
"""Facts after which an incident that asks for backup is decided again."""
BEST_WITHIN_S = 0.5
"""The quick answer stands until the best is there, when it takes longer."""
AT_ONCE = 8
"""So many incidents are decided in one go."""
LOOKS_SHARE = 0.25
"""Of a core's time at most, for looking again."""


class Decider:
    """The decisions of one node; see the module."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._due: dict[str, str] = {}
        """Incidents that wait for a decision: its id."""
        self._making: frozenset[str] = frozenset()
        self._bell = asyncio.Event()
        self._search: asyncio.Task[Choice] | None = None
        self._later: asyncio.Task[None] | None = None
        """What waits for a search that takes long."""
        self._looked: dict[str, float] = {}
        """When each incident was decided or looked at, on the loop's clock."""

    def reset(self) -> None:
        """Begin again with what waits on the node's live map."""
        self._due, self._looked = {}, {}
        for incident in self._node.live_map.open_incidents():
            if incident.request_id and incident.recommended is None:  # the node stopped between the two
                self._due[incident.incident_id] = f"decision:{incident.request_id}"
                self._bell.set()

    def stop(self) -> None:
        """Wait for no search any more."""
        if self._later is not None:
            self._later.cancel()

    async def recommend(self, incident_id: str) -> documents.Document:
        """Whom to send, at once and by arrival alone where it is urgent; the whole decision follows in the log.

        Raises `KeyError` when the incident is not open, `ValueError` when it asks for no backup.
        """
        question = await self._node.read_field(lambda standing: ask(standing, incident_id, whole=False))
        first = question.first()
        said = {
            "incident_id": incident_id,
            "mode": question.mode,
            "as_of_ms": question.ranking.as_of_ms,
            "eta_cv": question.rules.backup.eta_cv,
            "unmet": unmet(question, first),
            "warnings": question.ranking.warnings,
        }
        decision_id = f"decision:{question.incident.request_id}"
        return decisions.recommendation(decision_id, "first", said, tell(question, first))

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
        first = f"decision:{incident.request_id}"
        made = first in self._node.live_map.decisions or first in self._making
        self._due[incident_id] = f"{first}:{seq}" if made else first
        self._bell.set()

    async def run(self) -> None:
        """Make the decisions that are due, the most urgent first; then look again at the others."""
        loop = asyncio.get_running_loop()
        rest_s = 1.0
        while True:
            await rung(self._bell, rest_s)
            self._bell.clear()
            while self._due:
                some = {name: self._due[name] for name in sorted(self._due, key=self._urgency)[:AT_ONCE]}
                await self._make(some)
                for incident_id, decision_id in some.items():
                    if self._due.get(incident_id) == decision_id:
                        del self._due[incident_id]
            began = loop.time()
            again = self._again(began)
            if again:
                await self._make(dict.fromkeys(again))
            rest_s = max(0.1, (loop.time() - began) * (1 / LOOKS_SHARE - 1)) if again else 1.0

    async def _make(self, wanted: Mapping[str, str | None]) -> None:
        """Put decisions of some incidents into the log: under an id, or without one only where it is another than the
        one that stands."""
        self._making = frozenset(decision_id for decision_id in wanted.values() if decision_id)
        self._looked.update(dict.fromkeys(wanted, asyncio.get_running_loop().time()))
        try:
            log = self._node.log
            questions, inputs = await self._node.read_field(
                lambda standing: (ask_all(standing, wanted), whole_view(standing))
            )
            if not questions:
                return
            packed = await asyncio.to_thread(decisions.pack_view, inputs)
            groups: dict[tuple[Any, ...], list[Question]] = {}
            for question in questions:
                groups.setdefault(question.together, []).append(question)
            for group in groups.values():
                await self._decide(group, wanted, packed, log)
        except LogError as error:
            if self._node.log.state.name == "ok":  # else it is said once for all
                log_.warning("%s: not on record: %s", ", ".join(wanted), error)
        except Exception:
            log_.exception("the decisions on %s failed; the others go on", ", ".join(wanted))

    async def _decide(
        self, group: Sequence[Question], wanted: Mapping[str, str | None], inputs: str, log: EventLog
    ) -> None:
        """Decide requests that are answered together: one search serves them all."""
        due: list[tuple[Question, str]] = []
        late: list[tuple[Question, str]] = []
        for question in group:
            incident_id = question.incident.incident_id
            incident = self._node.live_map.incidents.get(incident_id)
            standing = incident.recommended if incident is not None else None
            decision_id = wanted[incident_id]
            if decision_id is not None or standing is None or await asyncio.to_thread(_another, question, standing):
                named = decision_id or f"decision:{question.incident.request_id}:{question.ranking.as_of_ms}"
                due.append((question, named))
            elif standing.quick:
                late.append((question, standing.decision_id))
        if not due and not late:
            return
        search = self._search_for(group[0])
        if search is not None:
            await asyncio.wait([search], timeout=BEST_WITHIN_S)
        best = search.result() if search is not None and search.done() else None
        events = await asyncio.to_thread(_facts, due, inputs, best)
        if events and log is self._node.log:
            await log.append(events)
        waiting = late if best is not None else [*due, *late]
        if search is not None and waiting:
            self._later = asyncio.create_task(self._refine(search, waiting, inputs, log))

    def _search_for(self, question: Question) -> asyncio.Task[Choice] | None:
        """The search for the best set, begun; None while another one goes on: it takes a core."""
        if any(task is not None and not task.done() for task in (self._search, self._later)):
            return None
        self._search = asyncio.create_task(asyncio.to_thread(question.best))
        return self._search

    async def _refine(
        self, search: asyncio.Task[Choice], waiting: Sequence[tuple[Question, str]], inputs: str, log: EventLog
    ) -> None:
        """Put the best sets into the log when they are found, for those whose quick answer still stands then."""
        try:
            best = await search
            left = [(question, f"{named}:best") for question, named in waiting if self._stands(question, named)]
            events = await asyncio.to_thread(_facts, left, inputs, best)
            if log is self._node.log:
                await self._node.submit(*events)
        except LogError as error:
            log_.warning("the best sets are not on record: %s", error)
        except Exception:
            log_.exception("the search for the best sets failed; the quick answers stand")

    def _stands(self, question: Question, decision_id: str) -> bool:
        """Whether a quick answer is still the one of its incident."""
        incident = self._node.live_map.incidents.get(question.incident.incident_id)
        standing = incident.recommended if incident is not None and incident.open else None
        return standing is not None and standing.quick and standing.decision_id == decision_id

    def _again(self, now: float) -> list[str]:
        """Incidents that are to be looked at again: those whose best set was not searched for yet, else the one that
        has waited longest."""
        node, found, late = self._node, list[tuple[float, str]](), list[str]()
        searching = any(task is not None and not task.done() for task in (self._search, self._later))
        for incident in node.live_map.open_incidents():
            if incident.mode is None or incident.incident_id in self._due:
                continue
            rules = node.live_map.rules.of(incident.agency).backup
            period_s = (rules.again_p1_ms if incident.priority == 1 else rules.again_ms) / 1000
            since = self._looked.setdefault(incident.incident_id, now)
            if incident.recommended is not None and incident.recommended.quick and not searching:
                late.append(incident.incident_id)
            elif now - since >= period_s and _waits(incident):
                found.append((since, incident.incident_id))
        self._looked = {known: at for known, at in self._looked.items() if known in node.live_map.incidents}
        return sorted(late, key=self._urgency)[:AT_ONCE] or [incident_id for _, incident_id in sorted(found)[:1]]

    def _urgency(self, incident_id: str) -> tuple[int, int, str]:
        incident = self._node.live_map.incidents.get(incident_id)
        return (9, 0, incident_id) if incident is None else (incident.priority, incident.requested_ms, incident_id)


def _waits(incident: Incident) -> bool:
    """Whether somebody is still to be sent to an incident, or on the way."""
    standing = incident.recommended
    going = any(part.state in ("assigned", "en_route") for part in incident.assignments.values())
    return going or standing is None or bool(standing.chosen) or standing.unmet


def _another(question: Question, standing: Recommendation) -> bool:
    """Whether the quick answer, or a swap, is another than the one that stands."""
    first = question.first()
    now = {question.ranking.ids[unit.row] for unit in first.sent[question.own]}
    offered = {(one["unit_id"], one["replaces"]) for one in swaps(question, first)}
    return now != {unit_id for unit_id, _ in standing.first} or offered != {one[:2] for one in standing.swaps}


def _facts(some: Sequence[tuple[Question, str]], inputs: str, best: Choice | None) -> list[Event]:
    return [decide(question, inputs, decision_id, best) for question, decision_id in some]


def decide(question: Question, inputs: str, decision_id: str, best: Choice | None) -> DecisionMade:
    """The whole decision as a fact; without the best set the quick one. `inputs` is the view, packed."""
    first = question.first()
    said: dict[str, Any] = answer(question, first, best or first)
    ranking = question.ranking
    return DecisionMade(
        event_id=decision_id,
        received_ms=ranking.as_of_ms,
        said_by="node",
        incident_id=question.incident.incident_id,
        request_id=question.incident.request_id,
        as_of_seq=ranking.as_of_seq,
        as_of_ms=ranking.as_of_ms,
        mode=question.mode,
        software_version=__version__,
        network_id=ranking.network_id,
        weights_id=ranking.weights_id,
        rules_id=ranking.rules_id,
        demand_id=question.city.city.demand_id if question.city is not None else "",
        first=tuple((row["unit_id"], row["eta_ms"]) for row in said["first"]),
        chosen=tuple((row["unit_id"], row["eta_ms"]) for row in said["chosen"]),
        swaps=tuple((row["unit_id"], row["replaces"], row["gain_ms"]) for row in said["swaps"]),
        unmet=bool(said["unmet"]),
        quick=best is None,
        proven=best is not None and best.proven,
        inputs=inputs,
        answer=decisions.pack(orjson.dumps(said)),
        digest=digest(said),
    )
