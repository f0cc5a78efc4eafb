"""Closures: the directed edges that a drawn shape cuts, and those that it leaves open beneath a bridge."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo_backup.roads.kernel import Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pieces import UNDER_M, Pieces

Levels = Literal["top", "all"] | Collection[int]
"""Which of several roads on top of each other a shape means: the topmost, all, or those of some levels."""

DECK_M = 30.0
"""How far from the middle of a bridge the road beneath it still counts as beneath: who draws around a bridge draws
wider than its deck."""

STEP_M = 5.0


@dataclass(frozen=True, eq=False)
class Cut:
    """What a closure does to the network.

    `edges` int32[N] ascending: cut, in both directions. `spared`: how many edges more lie in the shape, on levels
    that are not meant. `levels`: all levels in the shape, ascending. `streets`: names of those cut, the longest first.
    """

    edges: Array
    spared: int = 0
    levels: tuple[int, ...] = ()
    streets: tuple[str, ...] = ()


def cut(network: RoadNetwork, geometry: BaseGeometry, buffer_m: float = 0.0, levels: Levels = "all") -> Cut:
    """The roads whose line meets `geometry` (lon, lat) widened by `buffer_m`, of those levels that are meant.

    With `top` a road stays open if wherever it is in the shape it lies beneath another road that is there too: a
    closed bridge does not cut the street below it. A street that the shape meets away from the bridge as well is cut.
    """
    pieces = Pieces.of(network)
    shape = pieces.local(geometry)
    # by distance: a buffer around thousands of crossing lines takes minutes
    met = pieces.tree.query(shape, "dwithin", buffer_m) if buffer_m > 0 else pieces.tree.query(shape, "intersects")
    level = pieces.level[met]
    if levels == "all":
        kept = met
    elif levels == "top":
        kept = np.setdiff1d(met, _beneath(pieces, met, shape, buffer_m))
    else:
        kept = met[np.isin(level, list(levels))]
    edges = pieces.edges(kept)
    return Cut(edges, len(pieces.edges(met)) - len(edges), tuple(np.unique(level).tolist()), _streets(network, edges))


def cut_named(network: RoadNetwork, edges: Collection[int]) -> Cut:
    """The edges named by their numbers, and their twins; numbers that this map does not have are left out."""
    numbers = np.asarray(list(edges), np.int64)
    named = network.with_twins(numbers[(numbers >= 0) & (numbers < network.edges)])
    levels = np.unique(Pieces.of(network).level[network.edge_piece[named]])
    return Cut(named, 0, tuple(levels.tolist()), _streets(network, named))


def _streets(network: RoadNetwork, edges: Array) -> tuple[str, ...]:
    """Names of the streets of some edges (int[N]), the longest first; nameless ones left out."""
    name, of = np.unique(network.way_name[network.edge_way[edges]], return_inverse=True)
    metres = np.bincount(of, weights=network.edge_length_m[edges], minlength=len(name))
    order = np.lexsort((name, -metres))
    return tuple(network.names[n] for n in name[order].tolist() if network.names[n])


def _beneath(pieces: Pieces, met: Array, shape: BaseGeometry, buffer_m: float) -> Array:
    """Of the pieces met (int[N]) those that are in the shape only beneath others that are there too."""
    inside = np.zeros(len(pieces.lines), np.bool_)
    inside[met] = True
    pair = np.flatnonzero(inside[pieces.under] & inside[pieces.over])
    under, of = np.unique(pieces.under[pair], return_inverse=True)
    lines, decks = pieces.lines[under], pieces.lines[pieces.over[pair]]
    # the places of each lower road, a road that the shape only just touches having one at least
    along, road = shapely.get_coordinates(shapely.segmentize(lines, STEP_M), return_index=True)
    touch = shapely.get_coordinates(shapely.shortest_line(lines, shape)).reshape(-1, 2, 2)[:, 0]
    places, road = shapely.points(np.concatenate((along, touch))), np.concatenate((road, np.arange(len(under))))
    shapely.prepare(shape)
    within = shapely.dwithin(shape, places, max(buffer_m, 0.01))
    places, road = places[within], road[within]
    # each place with each deck over its road
    by_road = np.argsort(of, kind="stable")
    start = np.searchsorted(of[by_road], np.arange(len(under) + 1))
    each = np.diff(start)[road]
    place = np.repeat(np.arange(len(road)), each)
    deck = by_road[start[road][place] + np.arange(len(place)) - np.repeat(np.cumsum(each) - each, each)]
    metres = shapely.distance(places[place], decks[deck])
    passed = np.zeros(len(pair), np.bool_)
    passed[deck[metres <= UNDER_M]] = True
    covered = np.zeros(len(road), np.bool_)
    covered[place[passed[deck] & (metres <= DECK_M)]] = True
    open_air = np.bincount(road[~covered], minlength=len(under))
    return np.asarray(under[open_air == 0])
