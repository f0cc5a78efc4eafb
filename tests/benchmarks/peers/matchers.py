"""OSRM's and Valhalla's matching, asked as `tests/benchmarks/matching.py` asks ours.

Both are told sigma and the times of the fixes. Where one finds no road for a fix (a single fix is no track to it, and a
leap ends one) it is given the nearest edge, as ours takes it: whoever uses it would do that too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import osrm
import valhalla
from engines import Prepared, polyline6
from matching import Answer, Engine, Fixes

from geo_backup.roads.network import RoadNetwork

WINDOW = 8
"""Fixes given at lag 0."""
STOOD_M = 0.5
"""Shorter pieces of a way have no course."""
Match = Callable[[Fixes, float], Answer]


def matchers(prepared: Prepared, network: RoadNetwork, nearest: Engine) -> dict[str, Engine]:
    """Both peers."""
    return {
        "OSRM match": _engine(Osrm(prepared, network).match, nearest),
        "Valhalla trace_attributes": _engine(Valhalla(prepared, network).match, nearest),
    }


def _engine(match: Match, nearest: Engine) -> Engine:
    def newest(windows: Sequence[Fixes], sigma_m: float) -> Answer:
        return _filled(np.array([match(window, sigma_m)[-1] for window in windows]), windows, sigma_m)

    def whole(fixes: Fixes, sigma_m: float) -> Answer:
        alone = [Fixes(*(column[n : n + 1] for column in fixes)) for n in range(len(fixes.lon))]
        return _filled(match(fixes, sigma_m), alone, sigma_m)

    def _filled(answer: Answer, windows: Sequence[Fixes], sigma_m: float) -> Answer:
        lost = np.flatnonzero(~np.isfinite(answer[:, 2]))
        if len(lost) and nearest.newest is not None:
            answer[lost] = nearest.newest([windows[n] for n in lost], sigma_m)
        return answer

    return Engine(newest, whole, WINDOW)


class Osrm:
    """Its fixes' courses are those of the way into each, or out of the first: the match tells places alone."""

    def __init__(self, prepared: Prepared, network: RoadNetwork) -> None:
        self._metres = np.array(network.metres_per_deg)
        self._engine = osrm.OSRM(
            algorithm="MLD", storage_config=prepared.osrm_base("mld"), use_shared_memory=False,
            max_locations_map_matching=-1, max_radius_map_matching=-1,
        )  # fmt: skip

    def match(self, fixes: Fixes, sigma_m: float) -> Answer:
        out = np.full((len(fixes.lon), 3), np.nan)
        if len(out) < 2:
            return out
        try:
            answer = self._engine.Match(
                osrm.MatchParameters(
                    coordinates=list(zip(fixes.lon.tolist(), fixes.lat.tolist(), strict=True)),
                    timestamps=[1_700_000_000 + round(at) for at in fixes.time_s.tolist()],
                    radiuses=[float(sigma_m)] * len(out), steps=True, geometries="geojson", overview="false",
                    generate_hints=False,
                )
            )  # fmt: skip
        except RuntimeError:
            return out
        courses = [self._courses(matching["legs"]) for matching in answer["matchings"]]
        for n, point in enumerate(answer["tracepoints"]):
            if point is not None:
                course = courses[int(point["matchings_index"])][int(point["waypoint_index"])]
                out[n] = (*(float(v) for v in point["location"]), course)
        return out

    def _courses(self, legs: Any) -> list[float]:
        """Of each place between the legs, the first and the last too."""
        courses = [np.nan]
        for leg in legs:
            steps = [step["geometry"]["coordinates"] for step in leg["steps"]]
            line = np.array([[float(at[0]), float(at[1])] for step in steps for at in step])
            way = np.diff(line, axis=0) * self._metres
            way = way[np.hypot(*way.T) > STOOD_M]
            if len(way) and np.isnan(courses[-1]):
                courses = [_degrees(way[0])] * len(courses)
            courses.append(_degrees(way[-1]) if len(way) else courses[-1])
        return courses


class Valhalla:
    """Each fix is on an edge of the way that it returns."""

    def __init__(self, prepared: Prepared, network: RoadNetwork) -> None:
        self._metres = np.array(network.metres_per_deg)
        self._actor = valhalla.Actor(json.loads(prepared.valhalla_config.read_text(encoding="utf-8")))

    def match(self, fixes: Fixes, sigma_m: float) -> Answer:
        out = np.full((len(fixes.lon), 3), np.nan)
        if len(out) < 2:
            return out
        columns = (fixes.lon.tolist(), fixes.lat.tolist(), fixes.time_s.tolist())
        request = {
            "shape": [{"lon": lon, "lat": lat, "time": at} for lon, lat, at in zip(*columns, strict=True)],
            "costing": "auto",
            "shape_match": "map_snap",
            "trace_options": {"gps_accuracy": float(sigma_m)},
            "filters": {
                "attributes": [
                    "edge.begin_shape_index", "edge.end_shape_index", "shape",
                    "matched.point", "matched.type", "matched.edge_index",
                ],
                "action": "include",
            },
        }  # fmt: skip
        try:
            answer = json.loads(self._actor.trace_attributes(json.dumps(request)))
        except RuntimeError:
            return out
        edges, line = answer["edges"], polyline6(answer["shape"])
        for n, point in enumerate(answer["matched_points"]):
            edge = point.get("edge_index", -1)
            if point["type"] != "unmatched" and 0 <= edge < len(edges):
                part = line[edges[edge]["begin_shape_index"] : edges[edge]["end_shape_index"] + 1]
                out[n] = (point["lon"], point["lat"], self._course(part, point["lon"], point["lat"]))
        return out

    def _course(self, line: np.ndarray, lon: float, lat: float) -> float:
        """Of the segment that a place is nearest to."""
        way = np.diff(line, axis=0) * self._metres
        moved = np.flatnonzero((way != 0).any(axis=1))
        if not len(moved):
            return np.nan
        way, away = way[moved], (np.array((lon, lat)) - line[:-1][moved]) * self._metres
        share = np.clip((away * way).sum(axis=1) / (way * way).sum(axis=1), 0.0, 1.0)
        return _degrees(way[int(np.argmin(np.hypot(*(away - share[:, None] * way).T)))])


def _degrees(way: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(way[0], way[1])))
