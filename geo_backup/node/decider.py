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
from typing import TYPE_CHECKING, Any

import orjson

from geo_backup import __version__
from geo_backup.backup.choose import Choice
from geo_backup.backup.decision import Question, answer, ask, digest, swaps, tell, unmet, whole_view
from geo_backup.backup.standing import Standing, View
from geo_backup.errors import LogError, UnknownIdError
from geo_backup.events import (
    AidApproved,
    AssignmentChanged,
    BackupRequested,
    DecisionMade,
    EmergencyDeclared,
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
LOOKS_SHARE = 0.25
"""Of a core's time at most, for looking again."""


class Decider:
    """The decisions of one node; see the module."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._due: dict[str, str] = {}
        """Incidents that wait for a decision: its id."""
        self._making = ""
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
        made = first in self._node.live_map.decisions or first == self._making
        self._due[incident_id] = f"{first}:{seq}" if made else first
        self._bell.set()

    async def run(self) -> None:
        """Make the decisions that are due, one at a time, the most urgent first; then look again at the others."""
        loop = asyncio.get_running_loop()
        rest_s = 1.0
        while True:
            await rung(self._bell, rest_s)
            self._bell.clear()
            while self._due:
                incident_id = min(self._due, key=self._urgency)
                decision_id = self._due[incident_id]
                await self._make(incident_id, decision_id)
                if self._due.get(incident_id) == decision_id:
                    del self._due[incident_id]
            began = loop.time()
            incident_id = self._longest_ago(began)
            if incident_id:
                await self._make(incident_id, None)
            rest_s = max(0.1, (loop.time() - began) * (1 / LOOKS_SHARE - 1)) if incident_id else 1.0

    async def _make(self, incident_id: str, decision_id: str | None) -> None:
        """Put a decision into the log; without an id only where it is another than the one that stands."""
        node, log = self._node, self._node.log
        self._making = decision_id or ""
        self._looked[incident_id] = asyncio.get_running_loop().time()
        try:
            asked = await node.read_field(lambda standing: _asked(standing, incident_id))
            incident = node.live_map.incidents.get(incident_id)
            if asked is None or incident is None:
                return
            (question, inputs), standing = asked, incident.recommended
            same = (
                decision_id is None
                and standing is not None
                and not await asyncio.to_thread(_another, question, standing)
            )
            if same and standing is not None and not standing.quick:
                return
            decision_id = decision_id or f"decision:{question.incident.request_id}:{question.ranking.as_of_ms}"
            search = self._search_for(question)
            if search is not None:
                await asyncio.wait([search], timeout=BEST_WITHIN_S)
            best = search.result() if search is not None and search.done() else None
            if log is node.log and (best is not None or not same):
                await log.append([await asyncio.to_thread(decide, question, inputs, decision_id, best)])
            if search is not None and best is None:
                self._later = asyncio.create_task(self._refine(search, question, inputs, f"{decision_id}:best"))
        except LogError as error:
            log_.warning("decision %s is not on record: %s", decision_id, error)
        except Exception:
            log_.exception("decision %s failed; the others go on", decision_id)

    def _search_for(self, question: Question) -> asyncio.Task[Choice] | None:
        """The search for the best set, begun; None while another one goes on: it takes a core."""
        if self._search is not None and not self._search.done():
            return None
        self._search = asyncio.create_task(asyncio.to_thread(question.best))
        return self._search

    async def _refine(self, search: asyncio.Task[Choice], question: Question, inputs: View, decision_id: str) -> None:
        """Put the best set into the log when it is found, if the quick answer still stands then."""
        log, incident_id = self._node.log, question.incident.incident_id
        try:
            event = await asyncio.to_thread(decide, question, inputs, decision_id, await search)
            incident = self._node.live_map.incidents.get(incident_id)
            stands = incident.recommended if incident is not None and incident.open else None
            if log is self._node.log and stands is not None and stands.quick and incident_id not in self._due:
                await self._node.submit(event)
        except LogError as error:
            log_.warning("decision %s is not on record: %s", decision_id, error)
        except Exception:
            log_.exception("decision %s failed; the quick answer stands", decision_id)

    def _longest_ago(self, now: float) -> str:
        """The incident that is to be looked at again; empty: none yet."""
        node, found = self._node, list[tuple[float, str]]()
        for incident in node.live_map.open_incidents():
            if incident.mode is None or incident.incident_id in self._due:
                continue
            rules = node.live_map.rules.of(incident.agency).backup
            period_s = (rules.again_p1_ms if incident.priority == 1 else rules.again_ms) / 1000
            since = self._looked.setdefault(incident.incident_id, now)
            searching = any(task is not None and not task.done() for task in (self._search, self._later))
            late = not searching and incident.recommended is not None and incident.recommended.quick
            if late or (now - since >= period_s and _waits(incident)):
                found.append((since, incident.incident_id))
        self._looked = {known: at for known, at in self._looked.items() if known in node.live_map.incidents}
        return min(found)[1] if found else ""

    def _urgency(self, incident_id: str) -> tuple[int, int, str]:
        incident = self._node.live_map.incidents.get(incident_id)
        return (9, 0, incident_id) if incident is None else (incident.priority, incident.requested_ms, incident_id)


def _asked(standing: Standing, incident_id: str) -> tuple[Question, View] | None:
    """The question of an incident and all that it depends on; None when it is closed or asks for nothing any more."""
    incident = standing.now.incidents.get(incident_id)
    if incident is None or incident.mode is None:
        return None
    return ask(standing, incident_id), whole_view(standing)


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


def decide(question: Question, inputs: View, decision_id: str, best: Choice | None) -> DecisionMade:
    """The whole decision as a fact; without the best set the quick one. Takes a tenth of a second, in any thread."""
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
        inputs=decisions.pack_view(inputs),
        answer=decisions.pack(orjson.dumps(said)),
        digest=digest(said),
    )
