"""Snapping against shapely's tree over the same lines."""

from __future__ import annotations

import numpy as np
import shapely

from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.snap import snap_units
from geo_backup.rules import SnapRules
from tests.roads.test_field_oracle import gothenburg

__all__ = ["gothenburg"]


def test_nearest_road_of_random_places(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(3)
    west, south, east, north = gothenburg.area.extent
    lon, lat = rng.uniform(west, east, 2_000), rng.uniform(south, north, 2_000)
    unknown = np.full(2_000, np.nan)
    rules = SnapRules()
    points = snap_units(gothenburg, lon, lat, unknown, unknown, rules)
    start, x, y = gothenburg.vertices
    scale = np.array(gothenburg.metres_per_deg)
    piece = np.repeat(np.arange(gothenburg.pieces), np.diff(start))
    lines = shapely.linestrings(np.column_stack((x, y)) * scale, indices=piece)
    spots = shapely.points(np.column_stack((lon, lat)) * scale)
    expected = shapely.distance(spots, lines[shapely.STRtree(lines).nearest(spots)])
    near = expected <= rules.unit_max_m
    np.testing.assert_allclose(points.offset_m[near], expected[near], atol=0.05)
    assert (points.edge[~near] == -1).all()
    # the place named by edge and fraction is the place of the offset
    for row in np.flatnonzero(near)[:300]:
        edge, part = int(points.edge[row, 0]), points.fraction[row, 0] / 65536
        line = shapely.LineString(gothenburg.edge_line(edge) * scale)
        assert abs(shapely.distance(line.interpolate(part, normalized=True), spots[row]) - expected[row]) < 0.5
        assert not int(gothenburg.edge_flags[edge]) & EdgeFlag.AGAINST_ONEWAY


def test_driving_units_face_their_course(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(4)
    legal = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.LEGAL)
    legal = legal[gothenburg.edge_length_m[legal] > 40]
    scale = np.array(gothenburg.metres_per_deg)
    right = 0
    for edge in rng.choice(legal, 300):
        line = gothenburg.edge_line(int(edge)) * scale
        shape = shapely.LineString(line)
        here, ahead = (np.array(shape.interpolate(share, normalized=True).coords[0]) for share in (0.5, 0.51))
        course = np.degrees(np.arctan2(*(ahead - here))) % 360
        place = here / scale
        points = snap_units(
            gothenburg, place[:1], place[1:], np.array([course]), np.array([12.0]), SnapRules()
        )  # fmt: skip
        right += int(points.edge[0, 0]) == int(edge)
        assert int(edge) in points.edge[0].tolist()
    assert right >= 297  # two ways may lie on each other
