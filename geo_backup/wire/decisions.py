"""Decision records: the frozen view and the answer as packed text in a fact, and the answer as documents."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import orjson

from geo_backup.backup.odds import p90_ms, p_first
from geo_backup.backup.standing import View
from geo_backup.errors import LogError
from geo_backup.events import DecisionMade
from geo_backup.rules import BackupRules
from geo_backup.wire.explanation import words
from geo_backup.wire.strict import codec
from geo_backup.wire.times import to_text

Document = dict[str, Any]
UNPACKED_MAX = 64 << 20

_VIEW = codec(View)


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


def unpack_answer(event: DecisionMade) -> Document:
    """The answer in a decision's record."""
    return cast("Document", orjson.loads(unpack(event.answer)))


def units(rows: Sequence[Mapping[str, Any]], as_of_ms: int, cv: float) -> list[Document]:
    """The units of a choice for a program: with the time within which nine of ten arrive, and the chance of each to
    be the first of them."""
    eta_ms = np.array([row["eta_ms"] for row in rows], np.int64)
    surely, first = p90_ms(eta_ms, cv).tolist(), p_first(eta_ms, cv).tolist() if len(rows) else []
    return [
        {
            "unit_id": row["unit_id"],
            "eta_s": row["eta_ms"] / 1000,
            "p90_s": late / 1000,
            "p_first": round(p, 3),
            "arrival_time": to_text(as_of_ms + row["eta_ms"]),
            "fills": row["fills"],
            "staged": row.get("staged", False),
            "preempts": row["preempts"],
            "price": None if row["cover_lost"] is None else row["cover_lost"] / 1e6,
            "price_words": row["price_words"],
        }
        for row, late, p in zip(rows, surely, first, strict=True)
    ]


def human(event: DecisionMade, unit_id: str, at_ms: int, reason: str) -> Document:
    """What a person did with a decision: whom they sent, and whether it had said so."""
    recommended = any(unit_id == chosen for chosen, _ in event.chosen)
    return {"unit_id": unit_id, "at": to_text(at_ms), "reason": reason, "recommended": recommended}


def recommendation(
    decision_id: str, stage: str, answer: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Document:
    """What a request for backup is answered with."""
    return {
        "decision_id": decision_id,
        "stage": stage,
        "incident_id": answer["incident_id"],
        "mode": answer["mode"],
        "as_of_time": to_text(answer["as_of_ms"]),
        "units": units(rows, answer["as_of_ms"], answer["eta_cv"]),
        "unmet": answer["unmet"],
        "warnings": answer["warnings"],
    }


def decision(event: DecisionMade, humans: Sequence[Mapping[str, Any]] = ()) -> Document:
    """A whole decision: `humans` are the assignments that were made on it."""
    answer = {"eta_cv": BackupRules.eta_cv, **unpack_answer(event)}  # the oldest do not say theirs
    candidates = sorted((u for u in answer["units"] if "rank" in u), key=lambda u: u["rank"])
    return {
        **recommendation(event.event_id, "first" if event.quick else "refined", answer, answer["chosen"]),
        "request_id": event.request_id,
        "as_of_seq": event.as_of_seq,
        "network_id": event.network_id,
        "weights_id": event.weights_id,
        "rules_id": event.rules_id,
        "demand_id": event.demand_id,
        "software_version": event.software_version,
        "digest": event.digest,
        "first": units(answer["first"], answer["as_of_ms"], answer["eta_cv"]),
        "gap": answer["gap"],
        "proven": answer["proven"],
        "together_with": answer["together_with"],
        "cover": answer["cover"],
        "cover_after": answer["cover_after"],
        "beats_short": answer["beats_short"],
        "swaps": [{**one, "gain_s": one["gain_ms"] / 1000} for one in answer["swaps"]],
        "candidates": [_candidate(unit) for unit in candidates],
        "excluded": [
            {"unit_id": unit["unit_id"], "reason": unit["reason"]} for unit in answer["units"] if "reason" in unit
        ],
        "chosen_by_human": list(humans),
        "words": words(event, answer, humans),
    }


def _candidate(unit: Mapping[str, Any]) -> Document:
    parts = ("turnout_ms", "clear_ms", "first_leg_ms", "drive_ms", "last_leg_ms")
    return {
        "unit_id": unit["unit_id"],
        "rank": unit["rank"],
        "eta_s": unit["eta_ms"] / 1000,
        "parts": {f"{name[:-3]}_s": unit[name] / 1000 for name in parts},
        "distance_m": unit["distance_m"],
        "status": unit["status"],
        "freshness": unit["freshness"],
        "match": unit.get("match", {}),
        "score_s": unit["score_ms"] / 1000 if "score_ms" in unit else None,
        "price": unit["cover_lost"] / 1e6,
        "calls": unit["calls"],
        "warnings": unit["warnings"],
        "preempts": unit["preempts"],
        "capabilities": unit["capabilities"],
        "reason": unit.get("reason"),
    }
