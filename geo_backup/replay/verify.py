"""verify: fold a log again and rank again, and compare with what was recorded, to the last digit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from geo_backup import __version__
from geo_backup.backup.standing import Standing, view
from geo_backup.errors import WrongMapError
from geo_backup.events import AssignmentChanged, BackupRecommended, Event
from geo_backup.live_map import LiveMap, apply
from geo_backup.roads.network import RoadNetwork
from geo_backup.wire import checkpoint


@dataclass
class Report:
    """What a verification found."""

    events: int = 0
    checkpoints: int = 0
    rankings: int = 0
    skipped: int = 0
    """Recommendations of another software version: not comparable to the bit."""
    wrong: list[str] = field(default_factory=list)
    digest: str = ""
    """Of the live map at the end."""


def verify(
    network: RoadNetwork,
    read: Callable[[], Iterable[tuple[int, Event]]],
    snapshot: tuple[int, bytes] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Fold from the start, comparing every recorded ranking and the checkpoint on the way.

    `read` begins the log anew; it is read twice, first for what is to be compared, so that a long log needs no memory.
    A recorded ranking says at which log position and time it was made. Raises `WrongMapError` when the log belongs to
    another map.
    """
    asked: dict[int, list[tuple[str, str, int]]] = {}
    report = Report()
    for _, event in read():
        if isinstance(event, BackupRecommended) and event.software_version != __version__:
            report.skipped += 1
        elif (
            isinstance(event, BackupRecommended | AssignmentChanged)
            and event.digest
            and event.as_of_seq is not None
            and event.as_of_ms is not None
        ):
            asked.setdefault(event.as_of_seq, []).append((event.incident_id, event.digest, event.as_of_ms))
    live_map = LiveMap()
    for seq, event in read():
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
        for incident_id, digest, as_of_ms in asked.pop(seq, ()):
            report.rankings += 1
            standing = Standing(network)
            standing.update(view(live_map, as_of_ms))
            if standing.rank(incident_id).digest() != digest:
                report.wrong.append(f"the ranking of incident {incident_id} at seq {seq} differs")
        if progress is not None and report.events % 1_000 == 0:
            progress(report.events)
    for seq, rows in asked.items():
        report.wrong.extend(
            f"the ranking of incident {row[0]} names seq {seq}, which is not in the log" for row in rows
        )
    report.digest = checkpoint.digest(live_map)
    return report
