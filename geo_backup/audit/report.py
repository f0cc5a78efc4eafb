"""Report: how long responses took, against the targets, and how good the ETAs were that people decided by.

Medians and P90s are by nearest rank, so each is a time that really happened; percentiles of segments do not add up.
A share within a target stands with its count and its 95 % interval (Wilson 1927). What is left out is counted, by
reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import numpy as np

from geo_backup.audit.responses import Response, Responses, span_ms, told_and_taken_ms, why_not
from geo_backup.backup.odds import sigma_of
from geo_backup.errors import BadValueError
from geo_backup.rules import ReportRules, Rules
from geo_backup.wire.times import to_text

SEGMENTS = {
    "recommend": ("requested", "recommended"),
    "process": ("requested", "assigned"),
    "acknowledge": ("assigned", "acknowledged"),
    "turnout": ("assigned", "en_route"),
    "travel": ("en_route", "on_scene"),
    "response": ("assigned", "on_scene"),
    "total": ("requested", "on_scene"),
}
"""From which step to which; `response` is turnout and travel, the part that a crew controls."""

KTH_SEGMENTS = ("process", "travel", "response", "total")
KTH_APART = 4
"""Units told apart by the order of their arrival; later ones stand together."""
REASONS_SHOWN = 20


@dataclass(frozen=True)
class Segment:
    """One part of the responses of a group."""

    count: int
    median_s: float | None
    p90_s: float | None
    targets_s: tuple[float, ...]
    """The targets that these responses have, shortest first; each is held against its own."""
    within: int
    within_share: float | None
    interval: tuple[float, float] | None
    """95 % interval of the share."""
    excluded: dict[str, int]
    """no_stamps, under_way (when the log ends), negative, too_long."""


@dataclass(frozen=True)
class EtaQuality:
    """Errors are actual - predicted, both from the assignment to the arrival: positive is late."""

    count: int
    bias_s: float | None
    mae_s: float | None
    p90_abs_s: float | None
    median_abs_share: float | None
    """Size of the error as a share of the predicted time ..."""
    p90_abs_share: float | None
    """... which nine of ten do not exceed."""
    within_80_share: float | None
    """Share that arrived inside the 80 % interval shown; 0.8 is honest."""
    excluded: dict[str, int]
    """no_prediction, old_prediction, and those of `Segment`."""


@dataclass(frozen=True)
class Overrides:
    """What people did with decisions, exercises apart."""

    sent: int
    on_a_decision: int
    not_recommended: int
    reasons: dict[str, int]
    """Of those that were not recommended, most frequent first."""


@dataclass(frozen=True)
class Group:
    """The responses of one priority, hour or agency, or all."""

    responses: int
    excluded: dict[str, int]
    """Whole responses: exercise, planned, cancelled (before arrival)."""
    arrivals_by_avl: int
    segments: dict[str, Segment]
    kth: dict[str, dict[str, Segment]]
    """By the order of arrival at the incident: "1", "2", ..., and "5+" for all the later ones."""
    eta: EtaQuality
    overrides: Overrides


@dataclass(frozen=True)
class ResponseReport:
    """The report of one log; times in it are UTC, hours those of `timezone`."""

    events: int
    first_request: str | None
    last_request: str | None
    by: str | None
    timezone: str
    target_share: float
    all: Group
    groups: dict[str, Group]


def report(found: Responses, by: str | None = None, zone: tzinfo = UTC) -> ResponseReport:
    """Measure a log's responses, all together and split `by` priority, hour (of the request, in `zone`) or agency.

    Raises `BadValueError` when `by` is anything else.
    """
    keys: dict[str, Callable[[Response], str]] = {
        "priority": lambda one: str(one.priority),
        "hour": lambda one: f"{datetime.fromtimestamp(one.at_ms['requested'] // 1_000, zone).hour:02d}",
        "agency": lambda one: one.agency or "none named",
    }
    if by is not None and by not in keys:
        raise BadValueError("--by", "by", f"--by is one of {', '.join(keys)}, not {by!r}")
    order = arrivals(found.responses)
    split: dict[str, list[Response]] = {}
    for one in found.responses if by is not None else ():
        split.setdefault(keys[by or ""](one), []).append(one)
    asked_ms = [one.at_ms["requested"] for one in found.responses]
    return ResponseReport(
        found.events,
        to_text(min(asked_ms)) if asked_ms else None,
        to_text(max(asked_ms)) if asked_ms else None,
        by,
        str(zone),
        found.rules.report.share,
        _group(found.responses, order, found.rules),
        {key: _group(split[key], order, found.rules) for key in sorted(split)},
    )


def arrivals(responses: Iterable[Response]) -> dict[int, int]:
    """k of each response that arrived, by `id`: the first unit on scene is 1; who arrived together, by unit."""
    there: dict[str, list[Response]] = {}
    for one in responses:
        if why_not(one) is None and "on_scene" in one.at_ms:
            there.setdefault(one.incident_id, []).append(one)
    return {
        id(one): k
        for several in there.values()
        for k, one in enumerate(sorted(several, key=lambda one: (one.at_ms["on_scene"], one.unit_id)), start=1)
    }


def wilson(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval of a share, 95 % unless told (Wilson 1927, without continuity correction). `count` is at least 1."""
    share, shrink = hits / count, 1.0 + z * z / count
    middle = (share + z * z / (2 * count)) / shrink
    half = z * math.sqrt(share * (1.0 - share) / count + z * z / (4 * count * count)) / shrink
    return max(0.0, middle - half), min(1.0, middle + half)


def nearest_rank(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    return float(np.quantile(np.asarray(values, np.float64), share, method="inverted_cdf"))


def _group(responses: Sequence[Response], order: dict[int, int], rules: Rules) -> Group:
    counted = [one for one in responses if why_not(one) is None]
    by_k: dict[int, list[Response]] = {}
    for one in counted:
        if id(one) in order:
            by_k.setdefault(min(order[id(one)], KTH_APART + 1), []).append(one)
    return Group(
        len(responses),
        _tally(why_not(one) for one in responses),
        sum(one.by_avl for one in counted),
        {name: _segment(name, counted, order, rules) for name in SEGMENTS},
        {
            f"{k}+" if k > KTH_APART else str(k): {name: _segment(name, by_k[k], order, rules) for name in KTH_SEGMENTS}
            for k in sorted(by_k)
        },
        _eta_quality(counted, rules),
        _overrides([one for one in responses if not one.exercise]),
    )


def _segment(name: str, responses: Sequence[Response], order: dict[int, int], rules: Rules) -> Segment:
    spans = [(one, *span_ms(one, *SEGMENTS[name], rules.report)) for one in responses]
    good = [(ms, _target_ms(name, one, order, rules.of(one.agency).report)) for one, ms, why in spans if why is None]
    taken_s = [ms / 1_000 for ms, _ in good]
    held = [(ms, target) for ms, target in good if target is not None]
    within = sum(ms <= target for ms, target in held)
    return Segment(
        len(good),
        nearest_rank(taken_s, 0.5) if good else None,
        nearest_rank(taken_s, 0.9) if good else None,
        tuple(target / 1_000 for target in sorted({target for _, target in held})),
        within,
        within / len(held) if held else None,
        wilson(within, len(held)) if held else None,
        _tally(why for _, _, why in spans),
    )


def _target_ms(name: str, one: Response, order: dict[int, int], rules: ReportRules) -> int | None:
    if name == "process":
        return rules.process_ms
    if name == "turnout":
        return rules.turnout_fire_ms if one.fire else rules.turnout_ms
    if name == "travel":
        return rules.travel_first_ms if order[id(one)] == 1 else rules.travel_ms
    return None


def _eta_quality(responses: Sequence[Response], rules: Rules) -> EtaQuality:
    wide = math.exp(1.2816 * sigma_of(rules.backup.eta_cv))
    errors_s, shares, inside, left_out = [], [], 0, []
    for one in responses:
        told_ms, ms, why = told_and_taken_ms(one, rules.report)
        left_out.append(why)
        if why is None:
            errors_s.append((ms - told_ms) / 1_000)
            shares.append(abs(ms - told_ms) / max(told_ms, 1_000))
            inside += told_ms / wide <= ms <= told_ms * wide
    size_s = [abs(error) for error in errors_s]
    count = len(errors_s)
    return EtaQuality(
        count,
        sum(errors_s) / count if count else None,
        sum(size_s) / count if count else None,
        nearest_rank(size_s, 0.9) if count else None,
        nearest_rank(shares, 0.5) if count else None,
        nearest_rank(shares, 0.9) if count else None,
        inside / count if count else None,
        _tally(left_out),
    )


def _overrides(responses: Sequence[Response]) -> Overrides:
    against = [one for one in responses if one.recommended is False]
    reasons = Counter(one.reason or "no reason given" for one in against)
    shown = dict(reasons.most_common(REASONS_SHOWN))
    rest = reasons.total() - sum(shown.values())
    return Overrides(
        len(responses),
        sum(one.recommended is not None for one in responses),
        len(against),
        {**shown, **({"other reasons": rest} if rest else {})},
    )


def _tally(reasons: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(reason for reason in reasons if reason is not None).items()))
