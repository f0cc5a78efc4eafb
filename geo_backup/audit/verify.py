"""verify: fold a log again and rank again, and compare with what was recorded, to the last digit."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from geo_backup import __version__
from geo_backup.backup.answer import answer, ask, ask_at_once
from geo_backup.backup.standing import Standing, View, view
from geo_backup.errors import UnknownIdError, WrongMapError
from geo_backup.events import AssignmentChanged, BackupRecommended, DecisionMade, DemandAdopted, Event, SpeedsAdopted
from geo_backup.live_map import LiveMap, apply
from geo_backup.roads.network import RoadNetwork
from geo_backup.wire import checkpoint, decisions
from geo_backup.wire.decisions import Human


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


def verify(
    network: RoadNetwork,
    read: Callable[[], Iterable[tuple[int, Event]]],
    snapshot: tuple[int, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
    start: tuple[int, bytes] | None = None,
) -> Report:
    """Fold from the start, comparing every recorded ranking and the checkpoint on the way.

    Of a log that was purged the `start` is a checkpoint after all that is gone; of what was decided before it, only
    what carries its own inputs is worked out again.

    `read` begins the log anew; it is read twice, first for what is to be compared, so that a long log needs no memory.
    A recorded ranking says at which log position and time it was made. Raises `WrongMapError` when the log belongs to
    another map.
    """
    asked: dict[int, list[tuple[str, str, int]]] = {}
    decided: dict[int, list[DecisionMade]] = {}
    report = Report()
    for _, event in read():
        if isinstance(event, BackupRecommended | DecisionMade) and event.software_version != __version__:
            report.skipped += 1
        elif isinstance(event, DecisionMade):
            decided.setdefault(event.as_of_seq, []).append(event)
        elif (
            isinstance(event, BackupRecommended | AssignmentChanged)
            and event.digest
            and event.as_of_seq is not None
            and event.as_of_ms is not None
        ):
            asked.setdefault(event.as_of_seq, []).append((event.incident_id, event.digest, event.as_of_ms))
    live_map = LiveMap()
    if start is not None:
        _verify_before(network, read, start[0], asked, decided, report)
        live_map = checkpoint.parse(start[1])
    for seq, event in read():
        if seq <= live_map.seq:
            continue
        apply(live_map, seq, event)
        report.events += 1
        if live_map.network_id and live_map.network_id != network.content_id:
            raise WrongMapError(
                f"the log belongs to the map {live_map.network_id}, this one is {network.content_id}; "
                "name the right one with --map"
            )
        if snapshot is not None and snapshot[0] == seq:
            report.checkpoints += 1
            if hashlib.sha256(snapshot[1]).hexdigest() != checkpoint.digest(live_map):
                report.wrong.append(f"the checkpoint at seq {seq} differs from the fold")
        for incident_id, recorded, as_of_ms in asked.pop(seq, ()):
            report.rankings += 1
            standing = Standing(network)
            standing.update(view(live_map, as_of_ms))
            if standing.rank(incident_id).digest() != recorded:
                report.wrong.append(f"the ranking of incident {incident_id} at seq {seq} differs")
        for decision in decided.pop(seq, ()):
            report.decisions += 1
            if not same_decision(network, decision, inputs_of(decision, live_map)):
                report.wrong.append(f"the decision {decision.event_id} on incident {decision.incident_id} differs")
        if progress is not None and report.events % 1_000 == 0:
            progress(report.events)
    for seq, rows in asked.items():
        report.wrong.extend(
            f"the ranking of incident {row[0]} names seq {seq}, which is not in the log" for row in rows
        )
    report.wrong.extend(
        f"the decision {decision.event_id} names seq {seq}, which is not in the log"
        for seq, several in decided.items()
        for decision in several
    )
    report.digest = checkpoint.digest(live_map)
    return report


def _verify_before(
    network: RoadNetwork,
    read: Callable[[], Iterable[tuple[int, Event]]],
    until: int,
    asked: dict[int, list[tuple[str, str, int]]],
    decided: dict[int, list[DecisionMade]],
    report: Report,
) -> None:
    """Take out of `asked` and `decided` what is as of `until` or before, and verify what can be without positions."""
    report.purged += sum(len(asked.pop(seq)) for seq in [seq for seq in asked if seq <= until])
    ground = LiveMap()  # only the speeds and the demand that held, which a decision's inputs do not carry
    pending = deque(sorted(seq for seq in decided if seq <= until))

    def verify_until(seq: int) -> None:
        while pending and pending[0] < seq:
            for decision in decided.pop(pending.popleft()):
                if not decision.inputs:
                    report.purged += 1
                    continue
                report.decisions += 1
                if not same_decision(network, decision, inputs_of(decision, ground)):
                    report.wrong.append(f"the decision {decision.event_id} on incident {decision.incident_id} differs")

    for seq, event in read():
        if seq > until:
            break
        verify_until(seq)
        report.events += 1
        if isinstance(event, SpeedsAdopted | DemandAdopted):
            apply(ground, seq, event)
    verify_until(until + 1)


def inputs_of(decision: DecisionMade, live_map: LiveMap) -> View:
    """What a decision was made from: the view in its record, with the measured speeds and the demand that held then, or
    the live map itself, as it was at the decision's position in the log."""
    if not decision.inputs:
        return view(live_map, decision.as_of_ms)
    return replace(decisions.unpack_view(decision.inputs), speeds=live_map.speeds, demand=live_map.demand)


def same_decision(network: RoadNetwork, decision: DecisionMade, inputs: View) -> bool:
    """Whether a decision's inputs give its answer again, to the bit."""
    if decision.network_id != network.content_id:
        raise WrongMapError(
            f"the decision belongs to the map {decision.network_id}, this one is {network.content_id}; "
            "name the right one with --map"
        )
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


def decision_of(read: Callable[[], Iterable[tuple[int, Event]]], decision_id: str) -> Found:
    """Find a decision in a log. Raises `UnknownIdError`, which names the last ones that are in it."""
    named: deque[str] = deque(maxlen=5)
    event = None
    for _, one in read():
        if isinstance(one, DecisionMade):
            named.append(one.event_id)
            if one.event_id == decision_id:
                event = one
    if event is None:
        last = f"; the last ones are {', '.join(named)}" if named else "; it holds none"
        raise UnknownIdError(f"there is no decision {decision_id!r} in this log{last}")
    live_map, inputs, humans = LiveMap(), None, []
    for seq, one in read():
        if inputs is None:
            if seq > event.as_of_seq:
                inputs = inputs_of(event, live_map)
            elif not event.inputs or isinstance(one, SpeedsAdopted | DemandAdopted):
                apply(live_map, seq, one)
        if isinstance(one, AssignmentChanged) and one.decision_id == decision_id and one.state == "assigned":
            humans.append(decisions.human(event, one.unit_id, one.at_ms, one.reason))
    return Found(event, inputs or inputs_of(event, live_map), humans)
