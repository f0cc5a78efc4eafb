"""A moment of the past over HTTP, in the words of the feed's snapshot: whoever shows the one can show the other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Annotated, Any

import orjson
from fastapi import Query, Request

from geo_backup.backup.driving import cut_by
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.feed import TOPICS
from geo_backup.history.folding import Moment
from geo_backup.live_map import Incident, LiveMap
from geo_backup.live_map.timers import due
from geo_backup.node import Node, in_steps
from geo_backup.people.sight import GONE, Sight
from geo_backup.roads.closures import Cut
from geo_backup.server.given import TheNode, TheWriter, routes_of
from geo_backup.server.looks import looks_back
from geo_backup.server.problems import bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.wire import documents
from geo_backup.wire.requests import Time
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

RANKED_MAX = 16
"""Incidents that are ranked as of a moment: so many fields are made in one go."""

routes = routes_of("History")


@routes.get("/past", responses=may(422, 503))
async def get_past(
    node: TheNode,
    writer: TheWriter,
    request: Request,
    at: Annotated[Time, Query()],
    topics: Annotated[str, Query(max_length=200)] = ",".join(TOPICS),
    incident_id: Annotated[str, Query(max_length=64)] = "",
) -> Told[documents.Snapshot]:
    """Everything as it was known at a time: the feed's snapshot, with `past` for what is not live. Rankings are worked
    out as of then, of `incident_id` and of the most urgent incidents, sixteen in all. Two moments at most are worked
    out at a time; whoever else asks is told to wait (503)."""
    asked = frozenset(topics.split(",")) - {""}
    unknown = sorted(asked - frozenset(TOPICS))
    if unknown:
        raise bad_value("/topics", "topic", f"there is no topic {unknown[0]!r}; topics are {', '.join(TOPICS)}")
    who, now_ms = speaking(), node.clock.now_ms()
    if at > now_ms:
        raise bad_value("/at", "future", "has not come yet; what is live comes by the feed")
    moment = await node.past.at(node.log, at)
    sight, then = Sight.of(who), moment.live_map
    seen = [one for one in then.incidents.values() if sight.incident(then, one)]
    rankings = await _rankings(node, moment, seen, incident_id) if "rankings" in asked else {}
    cuts = await _cuts(node, then) if "closures" in asked else {}
    await looks_back(node, request, to_text(at), *sorted(asked))
    head: dict[str, Any] = {
        "type": "snapshot",
        "epoch": node.log.epoch,
        "seq": then.seq,
        "mode": node.clock.mode,
        "server_time": to_text(at),
        "past": {"at": to_text(at), "begins": to_text(moment.begins_ms), "now": to_text(now_ms)},
        "area": writer.area(),
        "freshness": documents.freshness_limits(then.rules),
    }
    keep = None if sight.whole(then) else sight
    parts = _parts(head, asked, then, at, rankings, cuts, keep)
    return Told(await node.lists.ask(("past", then.seq, at, asked, incident_id, sight), lambda: in_steps(parts)))


async def _rankings(node: Node, moment: Moment, seen: Collection[Incident], first: str) -> dict[str, documents.Ranking]:
    """Of the incidents that somebody sees the rankings as of a moment, the one that is asked for before all."""
    urgent = sorted(seen, key=lambda one: (one.incident_id != first, one.priority, -one.opened_ms))
    ids = [one.incident_id for one in urgent[:RANKED_MAX]]
    if not ids:
        return {}
    limit = moment.live_map.rules.limit.ranking_frame

    def question(standing: Standing) -> dict[str, documents.Ranking]:
        return {name: documents.ranking(rank(standing, name), limit, frame=True) for name in ids}

    return await node.past.read_field(moment, question)


async def _cuts(node: Node, then: LiveMap) -> dict[str, Cut]:
    """What each closure of a moment did to the roads; of those that still stand it is known."""
    cuts: dict[str, Cut] = {}
    for name, closure in then.closures.items():
        now = node.live_map.closures.get(name)
        if now is not None and now.added == closure.added:
            cuts[name] = node.cuts[name]
        else:
            cuts[name] = await asyncio.to_thread(cut_by, node.network, closure.added)
    return cuts


def _parts(
    head: dict[str, Any],
    topics: Collection[str],
    then: LiveMap,
    at_ms: int,
    rankings: dict[str, documents.Ranking],
    cuts: dict[str, Cut],
    sight: Sight | None,
) -> Iterator[bytes]:
    """The document piece by piece, with what may not be seen left out."""
    yield orjson.dumps(head)[:-1]
    for topic in TOPICS:
        if topic not in topics:
            continue
        yield b',"%s":{' % topic.encode()
        between = b""
        for name, value in _things(topic, then, at_ms, rankings, cuts):
            shown = {name: value} if sight is None else sight.shown(then, {name: value})
            if shown is GONE or shown.get(name) is None:
                continue
            yield between + orjson.dumps(name) + b":" + orjson.dumps(shown[name])
            between = b","
        yield b"}"
    yield b"}"


def _things(
    topic: str, then: LiveMap, at_ms: int, rankings: dict[str, documents.Ranking], cuts: dict[str, Cut]
) -> Iterator[tuple[str, Any]]:
    if topic == "units":
        yield from ((name, documents.unit(unit)) for name, unit in then.units.items())
    elif topic == "positions":
        yield from ((name, documents.position(unit)) for name, unit in then.units.items() if unit.fixes)
    elif topic == "incidents":
        yield from ((name, documents.incident(one)) for name, one in then.incidents.items())
    elif topic == "rankings":
        yield from rankings.items()
    elif topic == "timers":
        for name, timer in due(then, at_ms).items():
            yield name, documents.timer(timer, then.timers.get(name), at_ms)
    elif topic == "messages":
        yield from ((name, documents.message(one)) for name, one in then.messages.items())
    else:
        yield from ((name, documents.closure(one, cuts[name])) for name, one in then.closures.items())
