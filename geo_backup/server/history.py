"""The log over HTTP, for those who look into it afterwards.

An auditor sees what was done and by whom, without tracks. An analyst sees it a day late, under other names, and places
to about a kilometre.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import Query, Request

from geo_backup.events import DecisionMade, Event, PositionReported, WordSet
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, TheSpeakers, routes_of
from geo_backup.server.looks import looks_back
from geo_backup.server.problems import may
from geo_backup.server.speaker import speaking
from geo_backup.wire import documents, facts
from geo_backup.wire.told import Told

LATE_MS = 24 * 3_600_000
ROUNDED_DEG = 2
FACTS_MAX = 1_000
READ_AT_ONCE = 20_000
"""Events that are looked through for one answer: fixes are most of a log, and none of the answer."""
PLACES = frozenset({"lon", "lat", "home"})
NAMES = frozenset(
    {"unit_id", "for_unit_id", "callsign", "said_by", "by", "who", "whom", "session", "source", "device_id", "replaces"}
)
LEFT_OUT = frozenset({"note", "text", "place", "callback", "reason", "words", "name", "salt", "digest", "inputs",
                      "answer", "geometry", "units"})  # fmt: skip
"""What an analyst has no need of, and what is packed positions."""

routes = routes_of("People")


@routes.get("/log", responses=may(422))
async def read_log(
    node: TheNode,
    speakers: TheSpeakers,
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=FACTS_MAX)] = 200,
) -> Told[documents.LogPage]:
    """Facts of the log after a position, without positions of units. `next` is where to go on. An analyst is told what
    is a day old, under names that stand for others. Each reading is itself a fact."""
    who = speaking()
    plain = who.kind == "anyone" or "auditor" in who.roles
    late_ms = node.clock.now_ms() - LATE_MS
    rows: list[dict[str, Any]] = []
    seen, at = 0, after
    async for batch in node.log.read(after):
        for seq, event in batch:
            if len(rows) >= limit or seen >= READ_AT_ONCE or (not plain and event.received_ms > late_ms):
                break
            seen, at = seen + 1, seq
            if not isinstance(event, PositionReported | WordSet):
                fact = _fact(event)
                rows.append({"seq": seq, **(fact if plain else _other_names(fact, speakers.pseudonym))})
        else:
            continue
        break
    await looks_back(node, request, f"log:{after + 1}..{at}", what="log")
    return told({"facts": rows, "next": at})


def _fact(event: Event) -> dict[str, Any]:
    """A fact as the log has it, but for the positions that a decision was made from."""
    fact: dict[str, Any] = orjson.loads(facts.dump(event))
    if isinstance(event, DecisionMade):
        fact.pop("inputs", None)
    return fact


def _other_names(value: Any, other: Callable[[str], str]) -> Any:
    """A fact under names that stand for others, its places rounded, its words left out."""
    if isinstance(value, list):
        return [_other_names(one, other) for one in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for name, part in value.items():
        if name in LEFT_OUT:
            continue
        if name in NAMES and isinstance(part, str):
            out[name] = other(part) if part else part
        elif name in PLACES:
            out[name] = _rounded(part)
        else:
            out[name] = _other_names(part, other)
    return out


def _rounded(part: Any) -> Any:
    if isinstance(part, list):
        return [_rounded(one) for one in part]
    return round(part, ROUNDED_DEG) if isinstance(part, float) else part
