"""verify: fold a log again and rank again, and compare with what was recorded, to the last digit."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from geo_backup import __version__
from geo_backup.backup.answer import answer
from geo_backup.backup.question import ask, ask_at_once
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import View, view
from geo_backup.errors import LogError, UnknownIdError, WrongMapError
from geo_backup.eventlog import EventLog
from geo_backup.events import (
    AssignmentChanged,
    BackupRecommended,
    DecisionMade,
    DemandAdopted,
    DriveMeasured,
    Event,
    PaceLearned,
    RulesAdopted,
    SpeedsAdopted,
)
from geo_backup.live_map import LiveMap, apply
from geo_backup.roads.network import RoadNetwork
from geo_backup.wire import checkpoint, decisions
from geo_backup.wire.decisions import Human

PROGRESS_EVENTS = 1_000
GROUND = (SpeedsAdopted, DemandAdopted, PaceLearned, DriveMeasured, RulesAdopted)
"""What a decision depends on, and its record does not carry; rules, because pace decays by them."""


@dataclass
class Report:
    """What a verification found."""

    events: int = 0
    checkpoints: int = 0
    rankings: int = 0
    decisions: int = 0
    skipped: int = 0
    """Recommendations of another software version: not comparable to the bit."""
    purged: int = 0
    """Rankings and decisions that were made from positions which retention has taken: not to be worked out again."""
    wrong: list[str] = field(default_factory=list)
    digest: str = ""
    """Of the live map at the end."""


class _Shown(NamedTuple):
    """A ranking that was on record or on a dispatcher's screen."""

    incident_id: str
    digest: str
    as_of_ms: int


@dataclass
class _Recorded:
    """What a log says was worked out, by the position in the log that it was worked out at."""

    rankings: dict[int, list[_Shown]] = field(default_factory=dict)
    decisions: dict[int, list[DecisionMade]] = field(default_factory=dict)
    skipped: int = 0

    def add(self, event: Event) -> None:
        """Note what one event says."""
        if isinstance(event, BackupRecommended | DecisionMade) and event.software_version != __version__:
            self.skipped += 1
        elif isinstance(event, DecisionMade):
            self.decisions.setdefault(event.as_of_seq, []).append(event)
        elif (
            isinstance(event, BackupRecommended | AssignmentChanged)
            and event.digest
            and event.as_of_seq is not None
            and event.as_of_ms is not None
        ):
            shown = _Shown(event.incident_id, event.digest, event.as_of_ms)
            self.rankings.setdefault(event.as_of_seq, []).append(shown)

    def left(self) -> list[str]:
        """What names a position that the log does not have."""
        rankings = [
            f"the ranking of incident {one.incident_id} names seq {seq}, which is not in the log"
            for seq, several in self.rankings.items()
            for one in several
        ]
        decisions = [
            f"the decision {one.event_id} names seq {seq}, which is not in the log"
            for seq, several in self.decisions.items()
            for one in several
        ]
        return rankings + decisions


def verify(
    network: RoadNetwork,
    log: EventLog,
    progress: Callable[[int], None] = lambda events: None,
    start: tuple[int, bytes] | None = None,
) -> Report:
    """Fold a log from its start, comparing every recorded ranking and decision and the checkpoint on the way.

    Of a log that was purged the `start` is a checkpoint (seq, data) after all that is gone; of what was decided before
    it, only what carries its own inputs is worked out again. The log is read twice, first for what is to be compared,
    so that a long one needs no memory. `progress` is told now and then how many events are folded. Raises
    `WrongMapError` when the log belongs to another map.
    """
    report, recorded, live_map = Report(), _Recorded(), LiveMap()
    for _, event in log.read_all():
        recorded.add(event)
    report.skipped = recorded.skipped
    snapshot = log.load_snapshot()
    if start is not None:
        _verify_before(network, log, start[0], recorded, report)
        live_map = checkpoint.parse(start[1])
    for seq, event in log.read_all(live_map.seq):
        apply(live_map, seq, event)
        report.events += 1
        if live_map.network_id:
            _check_map("log", live_map.network_id, network)
        if snapshot is not None and snapshot[0] == seq:
            report.checkpoints += 1
            if not _is_checkpoint(snapshot[1], live_map):
                report.wrong.append(f"the checkpoint at seq {seq} differs from the fold")
        _compare(report, recorded, network, live_map)
        if report.events % PROGRESS_EVENTS == 0:
            progress(report.events)
    report.wrong += recorded.left()
    report.digest = checkpoint.digest(live_map)
    return report


def _is_checkpoint(data: bytes, live_map: LiveMap) -> bool:
    """Whether a checkpoint, packed or plain, is of just this live map."""
    try:
        return checkpoint.dump(checkpoint.parse(data)) == checkpoint.dump(live_map)
    except LogError:
        return False


def _compare(report: Report, recorded: _Recorded, network: RoadNetwork, live_map: LiveMap) -> None:
    """Work out again what was worked out at the live map's position, and take it off the record."""
    seq = live_map.seq
    for shown in recorded.rankings.pop(seq, ()):
        report.rankings += 1
        standing = Standing(network)
        standing.update(view(live_map, shown.as_of_ms))
        if rank(standing, shown.incident_id).digest() != shown.digest:
            report.wrong.append(f"the ranking of incident {shown.incident_id} at seq {seq} differs")
    for decision in recorded.decisions.pop(seq, ()):
        report.decisions += 1
        if not same_decision(network, decision, inputs_of(decision, live_map)):
            report.wrong.append(f"the decision {decision.event_id} on incident {decision.incident_id} differs")


def _verify_before(network: RoadNetwork, log: EventLog, until: int, recorded: _Recorded, report: Report) -> None:
    """Take off the record what is as of `until` or before, and verify of it what can be without positions."""
    purged = [seq for seq in recorded.rankings if seq <= until]
    report.purged += sum(len(recorded.rankings.pop(seq)) for seq in purged)
    ground = LiveMap()
    pending = deque(sorted(seq for seq in recorded.decisions if seq <= until))

    def verify_until(seq: int) -> None:
        while pending and pending[0] < seq:
            for decision in recorded.decisions.pop(pending.popleft()):
                if not decision.inputs:
                    report.purged += 1
                    continue
                report.decisions += 1
                if not same_decision(network, decision, inputs_of(decision, ground)):
                    report.wrong.append(f"the decision {decision.event_id} on incident {decision.incident_id} differs")

    for seq, event in log.read_all():
        if seq > until:
            break
        verify_until(seq)
        report.events += 1
        if isinstance(event, GROUND):
            apply(ground, seq, event)
    verify_until(until + 1)


def _check_map(what: str, network_id: str, network: RoadNetwork) -> None:
    if network_id != network.content_id:
        raise WrongMapError(
            f"the {what} belongs to the map {network_id}, this one is {network.content_id}; "
            "name the right one with --map"
        )


def inputs_of(decision: DecisionMade, live_map: LiveMap) -> View:
    """What a decision was made from: the view in its record, with what of `GROUND` held then, or the live map itself,
    as it was at the decision's position in the log."""
    if not decision.inputs:
        return view(live_map, decision.as_of_ms)
    return replace(
        decisions.unpack_view(decision.inputs),
        speeds=live_map.speeds, demand=live_map.demand, pace=live_map.pace, punctuality=live_map.punctuality,
    )  # fmt: skip


def same_decision(network: RoadNetwork, decision: DecisionMade, inputs: View) -> bool:
    """Whether a decision's inputs give its answer again, to the bit."""
    _check_map("decision", decision.network_id, network)
    standing = Standing(network, inputs.rules)
    standing.update(inputs)
    if decision.inputs:
        question = ask(standing, decision.incident_id)
        first = question.first()
    else:
        question, first = ask_at_once(standing, decision.incident_id)
    best = None if decision.quick else question.best(first)
    again = decisions.dump(answer(question, first, best, decisions.unpack_answer(decision.answer).first))
    return again == decisions.unpack(decision.answer) and hashlib.sha256(again).hexdigest() == decision.digest


class Found(NamedTuple):
    """A decision in a log, with what it was made from, and what people did with it."""

    event: DecisionMade
    inputs: View
    humans: list[Human]


def decision_of(log: EventLog, decision_id: str) -> Found:
    """Find a decision in a log. Raises `UnknownIdError`, which names the last ones that are in it."""
    event = _decision(log, decision_id)
    live_map, inputs, humans = LiveMap(), None, []
    for seq, one in log.read_all():
        if inputs is None:
            if seq > event.as_of_seq:
                inputs = inputs_of(event, live_map)
            elif not event.inputs or isinstance(one, GROUND):
                apply(live_map, seq, one)
        if isinstance(one, AssignmentChanged) and one.decision_id == decision_id and one.state == "assigned":
            humans.append(decisions.human(event, one.unit_id, one.at_ms, one.reason))
    return Found(event, inputs or inputs_of(event, live_map), humans)


def _decision(log: EventLog, decision_id: str) -> DecisionMade:
    named: deque[str] = deque(maxlen=5)
    found = None
    for _, event in log.read_all():
        if isinstance(event, DecisionMade):
            named.append(event.event_id)
            if event.event_id == decision_id:
                found = event
    if found is None:
        last = f"; the last ones are {', '.join(named)}" if named else "; it holds none"
        raise UnknownIdError(f"there is no decision {decision_id!r} in this log{last}")
    return found
