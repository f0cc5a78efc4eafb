"""Rankings as documents: everybody's place in the queue, and why some have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NotRequired

from typing_extensions import TypedDict

from geo_backup import __version__
from geo_backup.backup import ranking as ranked
from geo_backup.backup.lacking import Lack
from geo_backup.wire.times import to_text

NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


class EtaParts(TypedDict):
    """What an ETA is made of."""

    turnout_s: float
    clear_s: float
    first_leg_s: NotRequired[float]
    drive_s: float
    last_leg_s: float


class Candidate(TypedDict):
    """One unit that could go."""

    unit_id: str
    eta_s: float
    parts: EtaParts
    arrival_time: str
    distance_m: int
    status: str
    freshness: str
    warnings: list[str]


class OnIt(TypedDict):
    """One unit that is on the incident already."""

    unit_id: str
    state: str
    eta_s: float | None


class Excluded(TypedDict):
    """One unit that cannot go."""

    unit_id: str
    reason: str
    closure_ids: NotRequired[list[str]]


class Lacking(TypedDict):
    """So many units that are asked for and do not come, and why; `free_others` are free and cannot do it."""

    capability: str
    count: int
    need: str
    why: str
    free_others: dict[str, int]
    excluded_counts: dict[str, int]


class Ranking(TypedDict):
    """Everybody's place in the queue. A ranking that is asked for lists the `excluded`; one in a frame counts them."""

    incident_id: str
    as_of_seq: int
    as_of_time: str
    network_id: str
    weights_id: str
    rules_id: str
    software_version: str
    warnings: list[str]
    candidates: list[Candidate]
    candidates_total: int
    assigned: list[OnIt]
    missing: list[Lacking]
    excluded: NotRequired[list[Excluded]]
    excluded_counts: NotRequired[dict[str, int]]


def ranking(
    of: ranked.Ranking, limit: int, *, frame: bool = False, cut_off: Mapping[str, Sequence[str]] = NOBODY
) -> Ranking:
    """A ranking with its first `limit` candidates; in a frame the excluded are counted, else listed, with the closures
    that bar the way of those that are `cut_off`."""
    document: Ranking = {
        "incident_id": of.incident.incident_id,
        "as_of_seq": of.as_of_seq,
        "as_of_time": to_text(of.as_of_ms),
        "network_id": of.network_id,
        "weights_id": of.weights_id,
        "rules_id": of.rules_id,
        "software_version": __version__,
        "warnings": list(of.warnings),
        "candidates": [_candidate(row, of.as_of_ms) for row in of.candidates(limit)],
        "candidates_total": of.total,
        "assigned": [
            {"unit_id": unit_id, "state": state, "eta_s": None if eta is None else eta / 1000}
            for unit_id, state, eta in of.assigned()
        ],
        "missing": lacking(of.lacking),
    }
    if frame:
        document["excluded_counts"] = of.excluded_counts()
    else:
        document["excluded"] = [_excluded(unit_id, reason, cut_off) for unit_id, reason in of.excluded()]
    return document


def lacking(of: Sequence[Lack]) -> list[Lacking]:
    """What nobody fills."""
    return [
        {
            "capability": one.capability,
            "count": one.count,
            "need": one.need,
            "why": one.why,
            "free_others": dict(one.free_others),
            "excluded_counts": dict(one.excluded),
        }
        for one in of
    ]


def moved_enough(before: Ranking | None, after: Ranking) -> bool:
    """Whether a viewer should hear of a ranking again: order, membership, reasons, or an ETA by a second or more."""
    return (
        before is None
        or before["candidates_total"] != after["candidates_total"]
        or before.get("excluded_counts") != after.get("excluded_counts")
        or before["warnings"] != after["warnings"]
        or before["missing"] != after["missing"]
        or before["weights_id"] != after["weights_id"]
        or _moved(before["candidates"], after["candidates"])
        or _moved(before["assigned"], after["assigned"])
    )


def _moved(before: Sequence[Candidate | OnIt], after: Sequence[Candidate | OnIt]) -> bool:
    if [row["unit_id"] for row in before] != [row["unit_id"] for row in after]:
        return True
    for old, new in zip(before, after, strict=True):
        was_s, is_s = old["eta_s"], new["eta_s"]
        if old.get("state") != new.get("state") or (was_s is None) != (is_s is None):
            return True
        if was_s is not None and is_s is not None and abs(was_s - is_s) >= 1.0:
            return True
    return False


def _excluded(unit_id: str, reason: str, cut_off: Mapping[str, Sequence[str]]) -> Excluded:
    said: Excluded = {"unit_id": unit_id, "reason": reason}
    if unit_id in cut_off:
        said["closure_ids"] = list(cut_off[unit_id])
    return said


def _candidate(row: ranked.Candidate, as_of_ms: int) -> Candidate:
    parts: EtaParts = {
        "turnout_s": row.turnout_ms / 1000,
        "clear_s": row.clear_ms / 1000,
        "drive_s": row.drive_ms / 1000,
        "last_leg_s": row.last_leg_ms / 1000,
    }
    if row.first_leg_ms:  # few units are off the road
        parts["first_leg_s"] = row.first_leg_ms / 1000
    return {
        "unit_id": row.unit_id,
        "eta_s": row.eta_ms / 1000,
        "parts": parts,
        "arrival_time": to_text(as_of_ms + row.eta_ms),
        "distance_m": round(row.distance_m),
        "status": row.status,
        "freshness": row.freshness,
        "warnings": list(row.warnings),
    }
