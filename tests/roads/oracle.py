"""NetworkX on the expanded edge graph: the slow and plain way to the same integers."""

from __future__ import annotations

import networkx as nx
import numpy as np

from geo_backup.roads.field import ArrivalField
from geo_backup.roads.profile import CLOSED_MS
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoints, Target
from geo_backup.roads.weights import Weights


def expanded(weights: Weights) -> nx.DiGraph:
    """One node a directed edge; arcs reversed, so that one search from the target covers all."""
    network = weights.network
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.edges))
    for to in range(network.edges):
        if weights.edge_ms[to] == CLOSED_MS:
            continue
        for turn in range(int(network.turn_start[to]), int(network.turn_start[to + 1])):
            if weights.turn_ms[turn] != CLOSED_MS:
                cost = int(weights.turn_ms[turn]) + int(weights.edge_ms[to])
                graph.add_edge(to, int(network.turn_from[turn]), weight=cost)
    return graph


def at_end(weights: Weights, target: Target, horizon_ms: int, graph: nx.DiGraph | None = None) -> np.ndarray:
    """at_end_ms as a field should have it."""
    network = weights.network
    graph = (expanded(weights) if graph is None else graph).copy()
    for edge, q, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True):
        if weights.edge_ms[edge] == CLOSED_MS:
            continue
        for turn in range(int(network.turn_start[edge]), int(network.turn_start[edge + 1])):
            if weights.turn_ms[turn] != CLOSED_MS:
                cost = int(weights.turn_ms[turn]) + (int(weights.edge_ms[edge]) * q >> 16) + leg
                origin = int(network.turn_from[turn])
                old = graph.get_edge_data("target", origin, {"weight": INF_MS})["weight"]
                graph.add_edge("target", origin, weight=min(cost, old))
    out = np.full(network.edges, INF_MS, np.int32)
    if "target" in graph:
        for node, cost in nx.single_source_dijkstra_path_length(graph, "target").items():
            if node != "target" and cost <= horizon_ms:
                out[node] = cost
    return out


def eta(field: ArrivalField, values: np.ndarray, points: RoadPoints, row: int) -> int:
    """The reading of one unit, written out."""
    weights, target = field.weights, field.target
    best = INF_MS
    for c in range(4):
        edge, at = int(points.edge[row, c]), int(points.fraction[row, c])
        if edge < 0:
            continue
        extra = int(points.lead_ms[row, c]) + (weights.profile.u_turn_ms if points.turn_round[row, c] else 0)
        if values[edge] < INF_MS:
            best = min(best, (int(weights.open_edge_ms[edge]) * (65536 - at) >> 16) + int(values[edge]) + extra)
        for t, q, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True):
            if t == edge and q >= at and weights.edge_ms[edge] != CLOSED_MS:
                best = min(best, (int(weights.edge_ms[edge]) * (q - at) >> 16) + leg + extra)
    return best
