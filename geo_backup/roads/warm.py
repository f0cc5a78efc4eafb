"""Warm: every kernel of the roads run once, so that the first question never waits for a compiler.

numba keeps compiled kernels in a cache beside the package; the first start on a machine fills it.
"""

from __future__ import annotations

import numpy as np

from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField, Starts, reach_out
from geo_backup.roads.hierarchy import Change, Metric
from geo_backup.roads.kernel import read_only
from geo_backup.roads.lanes import Lanes, Probe
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import Area, EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.snap import snap_place, snap_units
from geo_backup.roads.weights import BITS, weigh
from geo_backup.rules import SnapRules


def warm_up() -> None:
    """Compile every kernel, or fetch it from the cache, by running each once on one street."""
    warm_search()
    warm_hierarchy()


def warm_search() -> None:
    """The half of the kernels that answers for one place: what snaps, the field by buckets, its readings."""
    network = one_street()
    rules = SnapRules()
    weights = weigh(network, PROFILES["response"])
    nan = np.array([np.nan])
    points = snap_units(network, np.array([0.001]), np.array([0.0]), nan, nan, rules)
    snap_place(network, -0.0006, 0.0, rules)  # off the road, before its end: there is no other side to be asked for
    field = ArrivalField.build(weights, snap_place(network, 0.003, 0.0, rules))
    eta, which = field.etas_ms(points)
    search.k_smallest(eta, 1)
    field.distances_m(points, which)
    field.route(int(points.edge[0, 0]), int(points.fraction[0, 0]))
    field.reason()
    reach_out(weights, Starts.of(weights, points), [])


def warm_hierarchy() -> None:
    """The other half: what keeps fields of standing incidents, and what follows a unit by its track.

    On the first start another process compiles this one meanwhile; tracks come last, for they need what snaps.
    """
    network = one_street()
    weights = weigh(network, PROFILES["response"])
    weights.under([np.zeros(1, np.int32)] * (BITS + 1))
    metric = Metric(weights)
    edge, ms = read_only(np.zeros(1, np.uint32)), read_only(np.zeros(1, np.int32))
    lanes = Lanes(metric, 60_000)
    lanes.put(0, edge, ms)
    lanes.settle()
    Probe(metric).at_end_ms(edge, ms, np.zeros((1, 1), np.uint32), 60_000)
    metric.mend(np.zeros(0, np.uint32))
    lanes.follow(Change(np.zeros(network.edges, np.bool_), np.zeros(network.edges, np.bool_)))
    lanes.settle()
    track = [(0, 0.001, 0.0, None, None, None), (1_000, 0.002, 0.0, None, None, None)]
    match_units(network, Tracks.of([track]), SnapRules())


def one_street() -> RoadNetwork:
    """Two pieces in a row, driven both ways."""
    zero = np.zeros(1, np.uint8)
    main = int(EdgeFlag.LEGAL | EdgeFlag.MAIN)
    return RoadNetwork(
        junction_lon_e7=np.array([0, 20_000, 40_000], np.int32),
        junction_lat_e7=np.zeros(3, np.int32),
        piece_from=np.array([0, 1], np.int32),
        piece_to=np.array([1, 2], np.int32),
        piece_way=np.zeros(2, np.int32),
        piece_length_m=np.full(2, 222.4, np.float32),
        shape_start=np.zeros(3, np.int32),
        shape_step=np.zeros((0, 2), np.int16),
        edge_code=np.array([0, 1, 2, 3], np.int32),
        edge_flags=np.full(4, main, np.uint16),
        turn_start=np.array([0, 1, 2, 3, 4], np.int32),
        turn_from=np.array([1, 3, 0, 2], np.int32),
        turn_facts=np.array([7, 0, 0, 7], np.uint16),
        way_id=np.ones(1, np.int64),
        way_class=np.full(1, WayClass.RESIDENTIAL, np.uint8),
        way_flags=zero,
        way_layer=np.zeros(1, np.int8),
        way_maxspeed_kmh=np.zeros((1, 2), np.uint8),
        way_limits=np.zeros((1, 3), np.uint16),
        way_name=np.zeros(1, np.int32),
        names=("",),
        area=Area("", "", "", "", "", "UTC", (0.0, 0.0, 0.004, 0.0)),
        content_id="one street",
    )
