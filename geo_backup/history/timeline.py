"""The timeline of an incident: every fact that touched it, in order, and what the positions of its units told."""

from __future__ import annotations

from typing import NamedTuple

from geo_backup.eventlog.reading import Reader
from geo_backup.events import Event
from geo_backup.history.index import Lookup, Row
from geo_backup.live_map import Incident

FACTS_MAX = 5_000


class Arrival(NamedTuple):
    """A unit's positions said that it had come."""

    incident_id: str
    unit_id: str
    at_ms: int


class Timeline(NamedTuple):
    """What happened, oldest first; of the facts the newest `FACTS_MAX`."""

    facts: list[tuple[int, Event]]
    arrivals: list[Arrival]
    whole: bool


def timeline(reader: Reader, lookup: Lookup, row: Row, incident: Incident) -> Timeline:
    """What the log has of one opening of an incident."""
    seqs = lookup.facts(f"opening {row.n}", FACTS_MAX + 1)
    whole = len(seqs) <= FACTS_MAX
    return Timeline(reader.facts_at(seqs[-FACTS_MAX:]), arrivals(incident), whole)


def arrivals(incident: Incident) -> list[Arrival]:
    """Units that their positions said to be there."""
    return [
        Arrival(incident.incident_id, part.unit_id, at_ms)
        for part in incident.assignments.values()
        for state, at_ms, said_by in part.history
        if state == "on_scene" and said_by == "avl"
    ]
