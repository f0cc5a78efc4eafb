"""Measured speeds as documents."""

from __future__ import annotations

from typing_extensions import TypedDict

from geo_backup.events import SpeedsAdopted
from geo_backup.wire.times import to_text


class Speeds(TypedDict):
    """A traffic file that holds."""

    speeds_id: str
    loaded_time: str
    rows: int
    rows_matched: int
    edges: int
    edges_closed: int


class Traffic(TypedDict):
    """The traffic file that holds; null when there is none."""

    traffic: Speeds | None


def traffic(speeds: SpeedsAdopted | None) -> Speeds | None:
    """What is known of the measured speeds that hold."""
    if speeds is None:
        return None
    return {
        "speeds_id": speeds.speeds_id,
        "loaded_time": to_text(speeds.received_ms),
        "rows": speeds.rows,
        "rows_matched": speeds.rows_matched,
        "edges": speeds.edges,
        "edges_closed": speeds.edges_closed,
    }
