"""Ranker: keeps the rankings of the open incidents, and puts the first answer to each into the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import numpy as np

from geo_backup import __version__
from geo_backup.backup.ranking import Ranking, rank
from geo_backup.backup.readings import cut_off
from geo_backup.backup.standing import Standing
from geo_backup.errors import LogError
from geo_backup.events import BackupRecommended, ClockTurned, Event
from geo_backup.live_map import Delta
from geo_backup.node.agenda import RANK_PERIOD_S, Agenda
from geo_backup.node.bell import at_each
from geo_backup.node.process import Process
from geo_backup.node.viewers import Viewers
from geo_backup.wire import documents

log_ = logging.getLogger("geo_backup.node")


class Ranker:
    """The rankings of one node, for its viewers; see the module."""

    def __init__(self, node: Process, viewers: Viewers) -> None:
        self._node, self._viewers = node, viewers
        self._agenda = Agenda()
        self._bell = asyncio.Event()
        self.rankings: dict[str, documents.Ranking] = {}
        """Latest pushed ranking of each open incident."""
        self.digests: dict[str, str] = {}
        """Digest of each of them."""
        self.lag_s = 0.0
        """How long the last round took."""
        self.made = 0
        """Rankings so far."""

    def reset(self) -> None:
        """Begin again on another live map."""
        self._agenda, self.rankings, self.digests = Agenda(), {}, {}
        self._bell.set()

    def folded(self, event: Event, delta: Delta) -> None:
        """An event was folded: note what is to be ranked for it."""
        if delta.units or delta.positions:
            self._agenda.move()
        if delta.closures or isinstance(event, ClockTurned):
            self._agenda.turn()
        if delta.incidents or delta.closures or delta.speeds or delta.desk:
            self._agenda.change(delta.incidents or self.rankings)
            self._bell.set()

    async def run(self) -> None:
        """Rank what is due, for ever."""
        await at_each(self._bell, RANK_PERIOD_S / 5, self.look)

    async def look(self) -> None:
        """Rank what is due now, and mark for the viewers what they do not know yet."""
        node, loop = self._node, asyncio.get_running_loop()
        self._forget_closed()
        started_s, log = loop.time(), node.log
        due = self._agenda.due(node.live_map, started_s, node.clock.now_ms(), self.lag_s)
        if due.more:
            self._bell.set()
        if not due.incident_ids:
            return
        ranked = await node.read_field(lambda standing: _ranked(standing, due.incident_ids))
        self.lag_s = loop.time() - started_s
        if log is not node.log:  # the replay jumped meanwhile: this is of another world
            return
        news = [first for document, first in ranked if self._is_first(document, first)]
        if due.urgent:
            self._viewers.urgent.set()
        if news and not node.playback and log.leads:
            try:
                await log.append(news)
            except LogError as error:
                if log.state.name == "ok":  # else it is said once for all
                    log_.warning("%d recommendations are not on record: %s", len(news), error)

    def _forget_closed(self) -> None:
        open_ids = {incident.incident_id for incident in self._node.live_map.open_incidents()}
        ended = self.rankings.keys() - open_ids
        for incident_id in ended:
            del self.rankings[incident_id], self.digests[incident_id]
        self._viewers.mark("rankings", ended)

    def _is_first(self, document: documents.Ranking, fact: BackupRecommended) -> bool:
        """Keep a ranking; whether it is its incident's first."""
        self.made += 1
        incident = self._node.live_map.incidents.get(fact.incident_id)
        if incident is None or not incident.open:
            return False
        before = self.rankings.get(fact.incident_id)
        if documents.moved_enough(before, document):
            self.rankings[fact.incident_id], self.digests[fact.incident_id] = document, fact.digest
            self._viewers.mark("rankings", (fact.incident_id,))
        return before is None


def _ranked(standing: Standing, incident_ids: Iterable[str]) -> list[tuple[documents.Ranking, BackupRecommended]]:
    limit = standing.table.rules.limit.ranking_frame
    rankings = [rank(standing, incident_id) for incident_id in incident_ids]
    return [(documents.ranking(one, limit, frame=True), recommendation(one, limit)) for one in rankings]


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
