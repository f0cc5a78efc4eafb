"""The timeline of an incident: every fact that touched it, in order, and what the positions of its units told."""

from __future__ import annotations

from dataclasses import replace
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
    whole: bool


def timeline(reader: Reader, lookup: Lookup, row: Row) -> Timeline:
    """What the log has of one opening of an incident."""
    seqs = lookup.facts(f"opening {row.n}", FACTS_MAX + 1)
    whole = len(seqs) <= FACTS_MAX
    return Timeline(reader.facts_at(seqs[-FACTS_MAX:]), whole)


def arrivals(incident: Incident) -> list[Arrival]:
    """Units that their positions said to be there."""
    return [
        Arrival(incident.incident_id, part.unit_id, at_ms)
        for part in incident.assignments.values()
        for state, at_ms, said_by in part.history
        if state == "on_scene" and said_by == "avl"
    ]


def with_arrivals(incident: Incident, before: Incident | None) -> Incident:
    """A finished incident as the facts have it, with the arrivals that positions told before it was closed."""
    if before is None:
        return incident
    told = {part.unit_id: [step for step in part.history if step[2] == "avl"] for part in before.assignments.values()}
    parts = {
        unit_id: replace(part, history=tuple(sorted((*part.history, *told.get(unit_id, ())), key=lambda step: step[1])))
        for unit_id, part in incident.assignments.items()
    }
    return replace(incident, assignments=parts)
