"""The order of a dissection: every piece once, the parting ones first, and few shortcuts from it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.cartography.dissection import dissected
from geo_backup.roads.hierarchy import Hierarchy
from geo_backup.roads.network import RoadNetwork
from tests.roads.test_field_oracle import GOTHENBURG
from tests.rounds import rounds


def test_the_one_bridge_comes_first() -> None:
    """Two banks of five streets each, and piece 10, the bridge between 2 and 5:

    0 - 1 - 2 ====== 5 - 6 - 7
    |   |            |   |
    3 - 4            8 - 9
    """
    bank = [(0, 1), (1, 2), (0, 3), (3, 4), (1, 4)]
    pieces = [*bank, *((a + 5, b + 5) for a, b in bank), (2, 5)]
    x = np.array([0, 1, 2, 0, 1, 10, 11, 12, 10, 11], float)
    y = np.array([1, 1, 1, 0, 0, 1, 1, 1, 0, 0], float)
    order = dissected(np.array([a for a, _ in pieces]), np.array([b for _, b in pieces]), x, y)
    assert order[0] == 10
    first, second = set(order[1:6].tolist()), set(order[6:].tolist())
    assert {frozenset(first), frozenset(second)} == {frozenset(range(5)), frozenset(range(5, 10))}


@settings(max_examples=rounds(200), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40), st.booleans())
def test_every_piece_has_its_place(pieces: list[tuple[int, int]], all_at_one_place: bool) -> None:
    x = np.zeros(13) if all_at_one_place else np.arange(13) * 7.0 % 13
    ends = np.array(pieces, np.int64).reshape(-1, 2)
    order = dissected(ends[:, 0], ends[:, 1], x, x * x % 5)
    assert sorted(order.tolist()) == list(range(len(pieces)))


def test_a_city_needs_few_shortcuts() -> None:
    network = RoadNetwork.load(GOTHENBURG)
    hierarchy = Hierarchy.of(network)
    assert len(hierarchy.up.above) < 2 * network.turns
    depth = np.zeros(network.edges, np.int64)
    for edge, parent in enumerate(hierarchy.parent.tolist()):
        assert parent < edge
        depth[edge] = depth[parent] + 1 if parent >= 0 else 0
    assert depth.max() < 300
