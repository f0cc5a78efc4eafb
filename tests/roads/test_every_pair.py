"""Every pair of edges of a small country: all engines against NetworkX, to the millisecond."""

from __future__ import annotations

import os
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.roads.field import ArrivalField, Seeds
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import weigh
from tests.roads import oracle
from tests.rounds import cases

DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
HORIZON_MS = INF_MS >> 1


@pytest.mark.parametrize("every_nth", cases((1, 16), [16]))
def test_every_pair_of_edges_in_monaco(every_nth: int, tmp_path: Path) -> None:
    """To every edge (in CI to every sixteenth row of them), from all."""
    source = DATA / "maps" / "monaco.osm.pbf"
    if not source.exists():
        pytest.skip(f"{source} is not here: set GEO_BACKUP_DATA")
    build_map(source, tmp_path / "monaco", tiles=False)
    network = RoadNetwork.load(tmp_path / "monaco")
    weights = weigh(network, PROFILES["response"])
    graph = oracle.expanded(weights)
    metric = Metric(weights)
    lanes, probe = Lanes(metric, HORIZON_MS), Probe(metric)
    every = np.arange(network.edges, dtype=np.uint32)
    # the end of an edge that is open: the way into it is the whole of it, as the oracle's arcs have it
    ends = [int(edge) for edge in np.flatnonzero(weights.shut == 0)]
    assert len(ends) > 2_000
    reached = 0
    for begin in range(0, len(ends), every_nth * LANES):
        targets = [Target.on_edge(edge, FRACTION_ONE) for edge in ends[begin : begin + LANES]]
        seeds = [Seeds.of(weights, target) for target in targets]
        for lane, one in enumerate(seeds):
            lanes.put(lane, one.edge, one.ms)
        lanes.settle()
        for lane, target in enumerate(targets):
            (edge,) = target.edges
            expected = np.full(network.edges, INF_MS, np.int64)
            lengths = nx.single_source_dijkstra_path_length(graph, edge)
            expected[list(lengths)] = list(lengths.values())
            # twins of the target end there too; from its own end one has to go round, which this oracle does not say
            others = np.setdiff1d(every, network.with_twins(np.array([edge])))
            reached += len(lengths)
            np.testing.assert_array_equal(lanes.values[others, lane], expected[others])
            if begin % (8 * LANES) == 0:
                alone = ArrivalField.build(weights, target, HORIZON_MS)
                np.testing.assert_array_equal(alone.at_end_ms, lanes.values[:-1, lane])
                probed = probe.at_end_ms(seeds[lane].edge, seeds[lane].ms, every, HORIZON_MS)
                np.testing.assert_array_equal(probed, alone.at_end_ms)
    assert reached > 2_700_000 / every_nth, "most pairs have a way"
