"""Measured speeds over HTTP: a traffic file is put in, told about, and taken away."""

from __future__ import annotations

import asyncio

from geo_backup.events import SpeedsAdopted, speeds_id
from geo_backup.formats import traffic as traffic_csv
from geo_backup.node import Node
from geo_backup.roads.traffic import NO_NODE_IDS, match
from geo_backup.server.answers import told
from geo_backup.server.given import Csv, TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.writes import new_id, record
from geo_backup.wire import documents
from geo_backup.wire.told import Told

WRONG_IN_WORDS = 3

routes = routes_of("Traffic")


@routes.put("/traffic", status_code=201, responses=may(also={200: "Just these speeds hold already."}))
async def adopt_traffic(node: TheNode, body: Csv) -> Told[documents.Traffic]:
    """Let these speeds hold, and none from before: lines `from_osm_node,to_osm_node,speed_kmh[,rate]`, 0 = closed.

    200 when just these hold already. Pairs that are not on this map are counted and left out.
    """

    async def taken_in() -> int:
        event = await asyncio.to_thread(_matched, node, body)
        standing = node.live_map.speeds
        if standing is not None and standing.speeds_id == event.speeds_id:
            return 200
        await record(node, event)
        return 201

    status = await node.files.ask(object(), taken_in)
    return told({"traffic": documents.traffic(node.live_map.speeds)}, status)


@routes.get("/traffic")
async def get_traffic(node: TheNode) -> Told[documents.Traffic]:
    """The measured speeds that hold; null when there are none."""
    return told({"traffic": documents.traffic(node.live_map.speeds)})


@routes.delete("/traffic", status_code=204, responses=may(404))
async def clear_traffic(node: TheNode) -> None:
    """Drive by profile and hour alone again; what held stays in the log."""
    if node.live_map.speeds is None:
        raise Problem(404, "no traffic file is loaded")
    await record(node, SpeedsAdopted(event_id=new_id("speeds"), received_ms=node.clock.now_ms()))


def _matched(node: Node, body: bytes) -> SpeedsAdopted:
    """The event that a file makes. Raises `Problem` 422 for one that cannot be used, line by line."""
    if node.network.vertex_node is None:
        raise bad_value("/", "no_node_ids", NO_NODE_IDS)
    file = traffic_csv.read(body)
    if file.wrong:
        errors = [{"field": f"/{line}", "reason": "line", "message": f"line {line}: {why}"} for line, why in file.wrong]
        more = file.wrong_total - WRONG_IN_WORDS
        words = "; ".join(error["message"] for error in errors[:WRONG_IN_WORDS])
        raise Problem(422, f"{words}{f'; and {more} more lines' if more > 0 else ''}. Nothing was loaded.", errors)
    if not len(file):
        raise bad_value("/", "empty", "the file has no rows; take traffic away with DELETE /v1/traffic")
    traffic, found = match(node.network, *file.columns)
    if not found.any():
        raise bad_value(
            "/", "no_match",
            f"none of the {len(file)} pairs of nodes is on the map of {node.network.area.name}; take a file of this "
            "area, with node ids of about the date of the map's data",
        )  # fmt: skip
    packed = traffic.packed()
    return SpeedsAdopted(
        event_id=new_id("speeds"),
        received_ms=node.clock.now_ms(),
        speeds_id=speeds_id(packed),
        packed=packed,
        rows=len(file),
        rows_matched=int(found.sum()),
        edges=len(traffic.edge),
        edges_closed=len(traffic.closed),
    )
