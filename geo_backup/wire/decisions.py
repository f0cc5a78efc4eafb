"""Decisions: the answer and the view it was made from as packed text in a fact, and the answer as documents.

What is told of an answer is a function of the answer alone, so the very bytes of an HTTP answer are made again from the
fact in the log.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import orjson
from typing_extensions import TypedDict

from geo_backup import __version__
from geo_backup.backup.answer import Answer, Told
from geo_backup.backup.choice import Choice
from geo_backup.backup.odds import low_ms, p90_ms, p_first
from geo_backup.backup.question import Question, Weighed, going
from geo_backup.backup.readings import Times
from geo_backup.backup.view import View
from geo_backup.errors import LogError
from geo_backup.events import DecisionMade, Mode, Need
from geo_backup.wire.documents.rankings import EtaParts, Lacking, eta_parts, lacking
from geo_backup.wire.strict import codec
from geo_backup.wire.times import to_text

UNPACKED_MAX = 64 << 20

_VIEW, _ANSWER = codec(View), codec(Answer)


def pack(data: bytes) -> str:
    """Bytes as short text."""
    return base64.b85encode(zlib.compress(data, 6)).decode()


def unpack(text: str) -> bytes:
    """What `pack` made. LogError for anything else, or more than 64 MB."""
    try:
        opened = zlib.decompressobj()
        data = opened.decompress(base64.b85decode(text), UNPACKED_MAX)
    except (ValueError, zlib.error) as error:
        raise LogError(f"/inputs: this is no record of a decision: {error}") from None
    if not opened.eof:
        raise LogError("/inputs: this record of a decision is cut off or larger than 64 MB")
    return data


def pack_view(view: View) -> str:
    """A view as text for the log."""
    return pack(orjson.dumps(_VIEW.encode(view, "")))


def unpack_view(text: str) -> View:
    """What `pack_view` made."""
    return cast("View", _VIEW.decode(orjson.loads(unpack(text)), ""))


def dump(answer: Answer) -> bytes:
    """An answer as it is recorded: equal answers have equal bytes."""
    return orjson.dumps(_ANSWER.encode(answer, ""))


def unpack_answer(text: str) -> Answer:
    """The answer in the record of a decision."""
    answer = cast("Answer", _ANSWER.decode(orjson.loads(unpack(text)), ""))
    if answer.excluded:
        return answer
    counts: dict[str, int] = {}  # the oldest records name every unit, and leave the counting to the reader
    for unit in answer.units:
        if unit.reason:
            counts[unit.reason] = counts.get(unit.reason, 0) + 1
    return replace(answer, excluded=tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))))


def record(
    decision_id: str, question: Question, answer: Answer, first: Choice, inputs: str = "", *, quick: bool
) -> DecisionMade:
    """An answer as a fact. `first` is the choice at once, `inputs` the view, packed."""
    ranking, data = question.ranking, dump(answer)
    told = answer.chosen if quick else answer.first
    return DecisionMade(
        event_id=decision_id,
        received_ms=ranking.as_of_ms,
        said_by="node",
        incident_id=answer.incident_id,
        request_id=answer.request_id,
        as_of_seq=ranking.as_of_seq,
        as_of_ms=ranking.as_of_ms,
        mode=answer.mode,
        software_version=__version__,
        network_id=ranking.network_id,
        weights_id=ranking.weights_id,
        rules_id=ranking.rules_id,
        demand_id=question.city.city.demand_id if question.city is not None else "",
        first=tuple((unit.unit_id, unit.eta_ms) for unit in told),
        chosen=tuple((unit.unit_id, unit.eta_ms) for unit in answer.chosen),
        swaps=tuple((offer.unit_id, offer.replaces, offer.gain_ms) for offer in answer.swaps),
        unmet=bool(answer.unmet),
        quick=quick,
        proven=answer.proven,
        going=going(question),
        at_once=at_once(question, first),
        inputs=inputs,
        answer=pack(data),
        digest=hashlib.sha256(data).hexdigest(),
    )


def at_once(question: Question, first: Choice) -> tuple[str, ...]:
    """The units of the choice at once, by their ids."""
    return tuple(sorted(question.ranking.ids[unit.row] for unit in first.sent[question.own]))


class SentUnit(TypedDict):
    """One unit of a set to send."""

    unit_id: str
    eta_s: float
    low_s: float
    p90_s: float
    p_first: float
    arrival_time: str
    fills: Sequence[str]
    substitutes_for: Sequence[str]
    staged: bool
    preempts: str | None
    price: float | None
    price_words: str


class MissingNeed(TypedDict):
    """So many of what is still missing."""

    capability: str
    count: int
    need: str


class Recommendation(TypedDict):
    """What a request for backup is answered with."""

    decision_id: str
    stage: Literal["first", "refined"]
    incident_id: str
    mode: Mode
    as_of_time: str
    times: Times
    units: list[SentUnit]
    unmet: list[MissingNeed]
    missing: list[Lacking]
    warnings: Sequence[str]


class Swap(TypedDict):
    """Another unit for one on its way."""

    unit_id: str
    replaces: str
    gain_ms: int
    gain_s: float


class WeighedUnit(TypedDict):
    """One unit that could go."""

    unit_id: str
    rank: int
    eta_s: float
    low_s: float | None
    p90_s: float | None
    parts: EtaParts
    distance_m: int
    status: str
    freshness: str
    match: Mapping[str, str]
    score_s: float | None
    price: float
    calls: int
    warnings: Sequence[str]
    preempts: str | None
    capabilities: Sequence[str]
    reason: str | None


class ExcludedUnit(TypedDict):
    """One unit that is not sent."""

    unit_id: str
    reason: str


class Human(TypedDict):
    """What a person did on a decision."""

    unit_id: str
    at: str
    reason: str
    recommended: bool


class Decision(Recommendation):
    """A recommendation with all it was made of."""

    request_id: str
    as_of_seq: int
    network_id: str
    weights_id: str
    rules_id: str
    demand_id: str
    software_version: str
    digest: str
    by_arrival: bool
    first: list[SentUnit]
    gap: str
    proven: bool
    together_with: Sequence[str]
    cover: float | None
    cover_after: float | None
    beats_short: Sequence[str]
    swaps: list[Swap]
    candidates: list[WeighedUnit]
    excluded: list[ExcludedUnit]
    excluded_counts: dict[str, int]
    chosen_by_human: list[Human]


def human(event: DecisionMade, unit_id: str, at_ms: int, reason: str) -> Human:
    """What a person did with a decision: whom they sent, and whether it had said so."""
    recommended = any(unit_id == chosen for chosen, _ in event.chosen)
    return {"unit_id": unit_id, "at": to_text(at_ms), "reason": reason, "recommended": recommended}


def recommendation(decision_id: str, answer: Answer, *, quick: bool) -> Recommendation:
    """An answer as it is told to who asked for backup."""
    return {
        "decision_id": decision_id,
        "stage": "first" if quick else "refined",
        "incident_id": answer.incident_id,
        "mode": answer.mode,
        "as_of_time": to_text(answer.as_of_ms),
        "times": {"state": answer.times, "drives": answer.drives, "overhead_s": answer.overhead_ms / 1000},
        "units": _units(answer.chosen, answer),
        "unmet": [_need(need) for need in answer.unmet],
        "missing": lacking(answer.lacking),
        "warnings": answer.warnings,
    }


def told(event: DecisionMade) -> bytes:
    """The body of the HTTP answer that tells a decision, made from its record."""
    return orjson.dumps(recommendation(event.event_id, unpack_answer(event.answer), quick=event.quick))


def decision(event: DecisionMade, humans: Sequence[Human] = ()) -> Decision:
    """A whole decision: `humans` are the assignments that were made on it."""
    answer = unpack_answer(event.answer)
    return {
        **recommendation(event.event_id, answer, quick=event.quick),
        "request_id": event.request_id,
        "as_of_seq": event.as_of_seq,
        "network_id": event.network_id,
        "weights_id": event.weights_id,
        "rules_id": event.rules_id,
        "demand_id": event.demand_id,
        "software_version": event.software_version,
        "digest": event.digest,
        "by_arrival": answer.by_arrival,
        "first": _units(answer.chosen if event.quick else answer.first, answer),
        "gap": answer.gap,
        "proven": answer.proven,
        "together_with": answer.together_with,
        "cover": answer.cover,
        "cover_after": answer.cover_after,
        "beats_short": answer.beats_short,
        "swaps": [
            {"unit_id": one.unit_id, "replaces": one.replaces, "gain_ms": one.gain_ms, "gain_s": one.gain_ms / 1000}
            for one in answer.swaps
        ],
        "candidates": sorted(
            (_candidate(unit, unit.rank) for unit in answer.units if unit.rank is not None), key=lambda one: one["rank"]
        ),
        "excluded": [{"unit_id": unit.unit_id, "reason": unit.reason} for unit in answer.units if unit.reason],
        "excluded_counts": dict(answer.excluded),
        "chosen_by_human": list(humans),
    }


def _units(rows: Sequence[Told], answer: Answer) -> list[SentUnit]:
    eta_ms = np.array([unit.eta_ms for unit in rows], np.int64)
    early, surely = low_ms(eta_ms, answer.eta_cv).tolist(), p90_ms(eta_ms, answer.eta_cv).tolist()
    first = p_first(eta_ms, answer.eta_cv).tolist() if rows else []
    return [
        {
            "unit_id": unit.unit_id,
            "eta_s": unit.eta_ms / 1000,
            "low_s": (soon if unit.low_ms is None else unit.low_ms) / 1000,
            "p90_s": (late if unit.p90_ms is None else unit.p90_ms) / 1000,
            "p_first": round(p, 3),
            "arrival_time": to_text(answer.as_of_ms + unit.eta_ms),
            "fills": unit.fills,
            "substitutes_for": unit.stands_in,
            "staged": unit.staged,
            "preempts": unit.preempts,
            "price": None if unit.cover_lost is None else unit.cover_lost / 1e6,
            "price_words": unit.price_words,
        }
        for unit, soon, late, p in zip(rows, early, surely, first, strict=True)
    ]


def _need(need: Need) -> MissingNeed:
    return {"capability": need.capability, "count": need.count, "need": need.need}


def _candidate(unit: Weighed, rank: int) -> WeighedUnit:
    return {
        "unit_id": unit.unit_id,
        "rank": rank,
        "eta_s": unit.eta_ms / 1000,
        "low_s": None if unit.low_ms is None else unit.low_ms / 1000,
        "p90_s": None if unit.p90_ms is None else unit.p90_ms / 1000,
        "parts": eta_parts(unit, unit.pace),
        "distance_m": unit.distance_m,
        "status": unit.status,
        "freshness": unit.freshness,
        "match": unit.match,
        "score_s": None if unit.score_ms is None else unit.score_ms / 1000,
        "price": unit.cover_lost / 1e6,
        "calls": unit.calls,
        "warnings": unit.warnings,
        "preempts": unit.preempts,
        "capabilities": unit.capabilities,
        "reason": unit.reason or None,
    }
