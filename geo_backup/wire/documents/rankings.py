"""Rankings as documents: everybody's place in the queue, and why some have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NotRequired

from typing_extensions import TypedDict

from geo_backup import __version__
from geo_backup.backup import ranking as ranked
from geo_backup.backup.lacking import Lack
from geo_backup.backup.question import Weighed
from geo_backup.backup.readings import Times, times
from geo_backup.wire.times import to_text

PACES = 20
"""Of so many candidates at most it is told what the pace makes of their drives."""
NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


class EtaParts(TypedDict):
    """What an ETA is made of."""

    turnout_s: float
    clear_s: float
    first_leg_s: NotRequired[float]
    drive_s: float
    last_leg_s: float
    overhead_s: NotRequired[float]
    pace: NotRequired[str]


class Pace(TypedDict):
    """What drives have taught, where the incident is."""

    words: str
    factor: float
    evidence_s: int


class Candidate(TypedDict):
    """One unit that could go."""

    unit_id: str
    eta_s: float
    low_s: float
    p90_s: float
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
    low_s: float | None
    p90_s: float | None


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
    times: Times
    pace: Pace | None
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
    that bar the way of those that are `cut_off`, and the first are told what the pace makes of their drives."""
    paces = [] if frame else of.paces(of.order[: min(limit, PACES)])
    paces += [""] * (min(limit, of.total) - len(paces))
    rows, within = of.candidates(limit), of.assigned_within()
    document: Ranking = {
        "incident_id": of.incident.incident_id,
        "as_of_seq": of.as_of_seq,
        "as_of_time": to_text(of.as_of_ms),
        "network_id": of.network_id,
        "weights_id": of.weights_id,
        "rules_id": of.rules_id,
        "software_version": __version__,
        "warnings": list(of.warnings),
        "times": times(of.trust),
        "pace": _pace(of),
        "candidates": [_candidate(row, of.as_of_ms, pace) for row, pace in zip(rows, paces, strict=True)],
        "candidates_total": of.total,
        "assigned": [_on_it(*unit, within) for unit in of.assigned()],
        "missing": lacking(of.lacking),
    }
    if frame:
        document["excluded_counts"] = of.excluded_counts()
    else:
        document["excluded"] = [_excluded(unit_id, reason, cut_off) for unit_id, reason in of.excluded()]
    return document


def eta_parts(row: ranked.Candidate | Weighed, pace: str = "") -> EtaParts:
    """What a unit's time is made of; what only few have is left out of the others."""
    parts: EtaParts = {
        "turnout_s": row.turnout_ms / 1000,
        "clear_s": row.clear_ms / 1000,
        "first_leg_s": row.first_leg_ms / 1000,
        "drive_s": row.drive_ms / 1000,
        "last_leg_s": row.last_leg_ms / 1000,
    }
    if row.overhead_ms:
        parts["overhead_s"] = row.overhead_ms / 1000
    if pace:
        parts["pace"] = pace
    return parts


def _pace(of: ranked.Ranking) -> Pace | None:
    if of.paced is None or of.field is None:
        return None
    factor, words = of.paced.road(of.field.target.nearest_edges[0])
    return {"words": words, "factor": factor, "evidence_s": of.paced.evidence_s}


def _on_it(unit_id: str, state: str, eta_ms: int | None, within: Mapping[str, tuple[int, int]]) -> OnIt:
    low_ms, p90_ms = (0, 0) if state == "on_scene" else within.get(unit_id, (None, None))
    return {
        "unit_id": unit_id,
        "state": state,
        "eta_s": None if eta_ms is None else eta_ms / 1000,
        "low_s": None if low_ms is None else low_ms / 1000,
        "p90_s": None if p90_ms is None else p90_ms / 1000,
    }


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
    """Whether a viewer should hear of a ranking again: order, membership, reasons, an ETA by a second or more, or
    whether times are measured."""
    return (
        before is None
        or before["candidates_total"] != after["candidates_total"]
        or before.get("excluded_counts") != after.get("excluded_counts")
        or before["warnings"] != after["warnings"]
        or before["missing"] != after["missing"]
        or before["times"]["state"] != after["times"]["state"]
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


def _candidate(row: ranked.Candidate, as_of_ms: int, pace: str) -> Candidate:
    parts = eta_parts(row, pace)
    if not row.first_leg_ms:  # few units are off the road
        del parts["first_leg_s"]
    return {
        "unit_id": row.unit_id,
        "eta_s": row.eta_ms / 1000,
        "low_s": row.low_ms / 1000,
        "p90_s": row.p90_ms / 1000,
        "parts": parts,
        "arrival_time": to_text(as_of_ms + row.eta_ms),
        "distance_m": round(row.distance_m),
        "status": row.status,
        "freshness": row.freshness,
        "warnings": list(row.warnings),
    }
