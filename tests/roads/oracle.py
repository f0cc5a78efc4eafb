"""NetworkX on the expanded edge graph: the slow and plain way to the same integers."""

from __future__ import annotations

import networkx as nx
import numpy as np

from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.profile import CLOSED_MS
from geo_backup.roads.snap import RoadPoints, Target
from geo_backup.roads.weights import Shut, Weights


def expanded(weights: Weights) -> nx.DiGraph:
    """One node a directed edge; arcs reversed, so that one search from the target covers all."""
    network = weights.network
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.edges))
    for to in range(network.edges):
        for turn in range(int(network.turn_start[to]), int(network.turn_start[to + 1])):
            origin = int(network.turn_from[turn])
            # what is shut can be left, not entered; some edges are for nobody
            why, here = int(weights.shut[to]), int(weights.shut[origin])
            if weights.turn_ms[turn] != CLOSED_MS and why | here == here and not why & Shut.NEVER:
                graph.add_edge(to, origin, weight=int(weights.turn_ms[turn]) + int(weights.edge_ms[to]))
    return graph


def at_end(
    weights: Weights,
    target: Target,
    horizon_ms: int,
    graph: nx.DiGraph | None = None,
    enterable: np.ndarray | tuple[int, ...] = (),
) -> np.ndarray:
    """at_end_ms as a field should have it: the best of driving in the open, and of entering shut edges that lead
    to the target and staying on such edges."""
    network = weights.network
    inside = {e for e in range(network.edges) if weights.shut[e] == Shut.NOT_FOR_PROFILE}
    inside |= {int(e) for e in enterable if not int(weights.shut[e]) & Shut.NEVER}
    # nodes: an edge in the open ("e"), and the same when nothing but the last stretch may follow ("in e")
    whole = nx.DiGraph()
    for to, origin, cost in (expanded(weights) if graph is None else graph).edges(data="weight"):
        whole.add_edge(to, origin, weight=cost)
    for to in inside:
        for turn in range(int(network.turn_start[to]), int(network.turn_start[to + 1])):
            if weights.turn_ms[turn] != CLOSED_MS:
                origin = int(network.turn_from[turn])
                cost = int(weights.turn_ms[turn]) + int(weights.edge_ms[to])
                whole.add_edge(("in", to), ("in", origin), weight=cost)
    for edge in range(network.edges):
        whole.add_edge(("in", edge), edge, weight=0)
    for edge, q, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True):
        for turn in range(int(network.turn_start[edge]), int(network.turn_start[edge + 1])):
            origin = int(network.turn_from[turn])
            cost = int(weights.turn_ms[turn]) + (int(weights.edge_ms[edge]) * q >> 16) + leg
            for node, enters in ((origin, weights.arc_ms[turn] < INF_MS), (("in", origin), edge in inside)):
                if weights.turn_ms[turn] != CLOSED_MS and enters:
                    old = whole.get_edge_data("target", node, {"weight": INF_MS})["weight"]
                    whole.add_edge("target", node, weight=min(cost, old))
    out = np.full(network.edges, INF_MS, np.int32)
    if "target" in whole:
        for node, cost in nx.single_source_dijkstra_path_length(whole, "target").items():
            if isinstance(node, int) and cost <= horizon_ms:
                out[node] = cost
    return out


def eta(
    field: ArrivalField,
    values: np.ndarray,
    points: RoadPoints,
    row: int,
    enterable: np.ndarray | tuple[int, ...] = (),
) -> int:
    """The reading of one unit, written out."""
    weights, target = field.weights, field.target
    best = INF_MS
    for c in range(4):
        edge, at = int(points.edge[row, c]), int(points.fraction[row, c])
        if edge < 0:
            continue
        extra = int(points.lead_ms[row, c]) + (weights.profile.u_turn_ms if points.turn_round[row, c] else 0)
        if values[edge] < INF_MS:
            best = min(best, (int(weights.edge_ms[edge]) * (65536 - at) >> 16) + int(values[edge]) + extra)
        for t, q, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True):
            why = int(weights.shut[t])
            barred = bool(why & Shut.NEVER) or (bool(why & Shut.CLOSED) and t not in enterable)
            if t == edge and q >= at and not barred:
                best = min(best, (int(weights.edge_ms[edge]) * (q - at) >> 16) + leg + extra)
    return best
