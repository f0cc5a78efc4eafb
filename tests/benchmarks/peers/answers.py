"""Answers: routes compared pair by pair, and for each that differs the cause, found by driving it on the other's map.

Two comparisons. *Fastest* sets each engine's own idea of a car beside our `routine`. *Shortest* gives all of them
metres for weights, so that no speed and no turn cost can explain a difference: what remains is the map.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, defaultdict
from itertools import combinations, groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from engines import Driven, OsrmRoutes, Place, Prepared, ValhallaRoutes
from extract import Extract, Vertex
from speed import places

from geo_backup.cartography.tags import NoRoad, read_road
from geo_backup.geodesy import bearing_deg
from geo_backup.roads import ends
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import ROUTINE, SLOWEST_KMH, Junction, Profile
from geo_backup.roads.route import Route, cut_line
from geo_backup.roads.snap import RoadPoint, RoadPoints
from geo_backup.roads.weights import Shut, Weights, weigh
from geo_backup.rules import SnapRules

SAME_SHARE, SAME_M = 0.01, 15.0
"""Routes differ when their lengths do by more than both."""
SNAP_M = 0.5
"""Feet of the same perpendicular lie closer together than this; further apart, the roads are not the same."""
CORNER_M = 0.6
"""Places nearer to a vertex than this count as on it."""
SHORT_M = 8.0
"""On shorter edges a position is no safe sign of the edge."""
PREFERENCE = "both may drive both: speeds and turn costs"
SHARES = (0.5, 0.3, 0.75)
ACCESS = ("motorcar", "motor_vehicle", "vehicle", "access", "construction")
NOT_DRIVEN = {
    "OSRM": frozenset({"track", "road", "pedestrian", "busway", "yes"}),
    "Valhalla": frozenset({"pedestrian", "busway", "yes"}),
}
"""Classes that the peers' car profiles leave out unless access is granted in so many words."""
NAMED = 12
"""Places listed for each cause."""


class Engine(Protocol):
    def route(self, a: Place, b: Place, headings: tuple[int, int] | None = None) -> Driven | None: ...


class Cause(NamedTuple):
    """Why two routes differ: a short name that is counted, the OSM way it is about, and where."""

    name: str
    way: int = 0
    lon: float = 0.0
    lat: float = 0.0
    tags: str = ""
    slower: float = math.nan
    """By our clock, how much longer than ours their way takes, as a share."""


def compare(prepared: Prepared, network: RoadNetwork, extract: Path, pairs: int) -> dict[str, Any]:
    """Both comparisons against both peers over the same random pairs."""
    at = places(network, 2 * pairs, np.random.default_rng(5)).reshape(pairs, 2, 2)
    osrm_shortest, valhalla_shortest = OsrmRoutes(prepared, "shortest"), ValhallaRoutes(prepared, shortest=True)
    judge = Judge(network, Extract(extract))
    out: dict[str, Any] = {}
    for kind, profile, peers in (
        (
            "fastest",
            ROUTINE,
            {"OSRM": OsrmRoutes(prepared, "ch"), "Valhalla": ValhallaRoutes(prepared, shortest=False)},
        ),
        ("shortest", metres_only(ROUTINE), {"OSRM": osrm_shortest, "Valhalla": valhalla_shortest}),
    ):
        weights = weigh(network, profile)
        ours = [our_route(weights, (a[0], a[1]), (b[0], b[1])) for a, b in at.tolist()]
        for name, peer in peers.items():
            walker: Engine = osrm_shortest if name == "OSRM" else valhalla_shortest
            theirs = [peer.route((a[0], a[1]), (b[0], b[1])) for a, b in at.tolist()]
            causes = [
                judge.cause(weights, pair, mine, their, walker, name, fastest=kind == "fastest")
                for pair, mine, their in zip(at, ours, theirs, strict=True)
            ]
            out[f"{kind}, {name}"] = table(at, ours, theirs, causes)
    return out


def metres_only(profile: Profile) -> Profile:
    """The same vehicle on the same roads with the same speed everywhere and no turn that costs anything."""
    free = dataclasses.replace(profile.access, gate_s=0.0, private_leave_s=0.0)
    return dataclasses.replace(
        profile,
        name="shortest",
        vehicle=dataclasses.replace(profile.vehicle, top_kmh=SLOWEST_KMH),
        turn_s=dict.fromkeys(profile.turn_s, 0.0),
        junction=Junction(**dict.fromkeys((field.name for field in dataclasses.fields(Junction)), 0.0)),
        access=free,
    )


def our_route(weights: Weights, a: Place, b: Place) -> Route | None:
    """From one place to another by the nearest road of each, either direction of it.

    As the peers do; a unit of ours would also try the other streets within a few metres and take the best.
    """
    start, end = (ends.end(weights.network, *place, math.inf, None, SnapRules()) for place in (a, b))
    if start is None or end is None:
        return None
    ways = zip(start.edges, start.fractions, strict=True)
    points = [RoadPoint(edge, part) for edge, part in ways if weights.shut[edge] == 0]
    if not points:
        return None
    field = ArrivalField.build(weights, end, INF_MS >> 1)
    etas, _ = field.etas_ms(RoadPoints.of(points))
    best = int(np.argmin(etas))
    return field.route(*points[best]) if etas[best] < INF_MS else None


def table(at: Array, ours: list[Any], theirs: list[Any], causes: list[Cause | None]) -> dict[str, Any]:
    """Shares and medians of one comparison, its causes counted, and the places behind them."""
    both = [i for i in range(len(at)) if ours[i] is not None and theirs[i] is not None and theirs[i].distance_m > 100]
    metres = np.array([(ours[i].distance_m, theirs[i].distance_m) for i in both])
    seconds = np.array([(ours[i].drive_ms / 1e3, theirs[i].duration_s) for i in both])
    off = np.abs(metres[:, 0] / metres[:, 1] - 1.0)
    slower = np.array([c.slower for c in causes if c is not None and c.name == PREFERENCE])
    named: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i, cause in enumerate(causes):
        if cause is not None:
            named[cause.name, cause.way].append(i)
    return {
        "pairs": len(at),
        "both_have_a_way": len(both),
        "only_ours": sum(a is not None and b is None for a, b in zip(ours, theirs, strict=True)),
        "only_theirs": sum(a is None and b is not None for a, b in zip(ours, theirs, strict=True)),
        "distance_within": {f"{limit:.0%}": float((off <= limit).mean()) for limit in (0.01, 0.05, 0.10)},
        "distance_ratio_median": float(np.median(metres[:, 0] / metres[:, 1])),
        "duration_ratio_median": float(np.median(seconds[:, 0] / np.maximum(seconds[:, 1], 1.0))),
        "duration_ratio_p10_p90": np.percentile(seconds[:, 0] / np.maximum(seconds[:, 1], 1.0), [10, 90]).tolist(),
        "their_way_by_our_clock": np.nanpercentile(slower, [50, 90]).tolist() if len(slower) else None,
        "causes": dict(Counter(c.name for c in causes if c is not None).most_common()),
        "places": [
            {
                **{k: v for k, v in causes[rows[0]]._asdict().items() if k != "slower"},
                "pairs": len(rows),
                "example": {
                    "from": at[rows[0], 0].round(6).tolist(),
                    "to": at[rows[0], 1].round(6).tolist(),
                    "ours_m": ours[rows[0]] and round(ours[rows[0]].distance_m),
                    "theirs_m": theirs[rows[0]] and round(theirs[rows[0]].distance_m),
                },
            }
            for rows in sorted(named.values(), key=len, reverse=True)
            if causes[rows[0]].lon
        ],
    }


class Judge:
    """Drives one engine's route on the other's map and says what stands in the way."""

    def __init__(self, network: RoadNetwork, source: Extract) -> None:
        self.network, self.source = network, source
        self.pieces: dict[tuple[Vertex, Vertex], list[tuple[int, int, int]]] = defaultdict(list)
        """Segments by both vertices: piece, 1 against it, and its number in driving order."""
        self.into: dict[Vertex, list[Vertex]] = defaultdict(list)
        self.out_of: dict[Vertex, list[Vertex]] = defaultdict(list)
        start, lon, lat = network.vertices
        keys = list(zip(np.rint(lon * 1e6).astype(int).tolist(), np.rint(lat * 1e6).astype(int).tolist(), strict=True))
        for piece in range(network.pieces):
            # two nodes at one place are one vertex to everybody
            line = [key for key, _ in groupby(keys[start[piece] : start[piece + 1]])]
            for against, run in ((0, line), (1, line[::-1])):
                for i, (a, b) in enumerate(pairwise(run)):
                    self.pieces[a, b].append((piece, against, i))
                    self.into[b].append(a)
                    self.out_of[a].append(b)

    def cause(
        self,
        weights: Weights,
        at: Array,
        ours: Route | None,
        theirs: Driven | None,
        peer: Engine,
        name: str,
        *,
        fastest: bool,
    ) -> Cause | None:
        """Why routes between two places (`at` float64[2, 2]) differ; None where both agree."""
        network = self.network
        if ours is None or theirs is None:
            return (
                Cause(f"no way in {'ours' if ours is None else name}") if (ours is None) != (theirs is None) else None
            )
        gap_m = ours.distance_m - theirs.distance_m
        if abs(gap_m) <= max(SAME_M, SAME_SHARE * theirs.distance_m):
            return None
        for end, place, edge in ((0, at[0], ours.edges[0]), (-1, at[1], ours.edges[-1])):
            if self.apart_m(ours.coordinates[end], theirs.line[end]) > SNAP_M:
                # who snaps further off has not got the nearest road, or not as one to start on
                nearer = self.apart_m(ours.coordinates[end], place) < self.apart_m(theirs.line[end], place)
                way, (x, y) = int(network.way_id[network.edge_way[edge]]), np.rint(ours.coordinates[end] * 1e6)
                return self._at(f"{name if nearer else 'ours'} snaps to a road further off", way, (int(x), int(y)))
        # who drives further has something in the way; with speeds, either may
        way = self.follow(weights, theirs.line)
        if isinstance(way, Cause) and (fastest or gap_m > 0):
            return way
        if (fastest or gap_m < 0) and (found := self.blocked_in_theirs(weights, ours, peer, name)):
            return found
        if isinstance(way, list) and way and self._other_ends(way, ours.edges):
            return Cause("where two roads meet, each starts or ends on another")
        if not fastest or isinstance(way, Cause):
            return Cause(f"both may drive both, yet {'ours' if gap_m > 0 else name + chr(39) + 's'} is longer")
        if not way:
            return Cause(PREFERENCE)
        slower_s = self.clock_s(weights, way, theirs.line) - ours.drive_ms / 1e3
        # a start or end on a junction hides a turn
        first, last = network.edge_line(way[0])[0], network.edge_line(way[-1])[-1]
        whole = min(self.apart_m(first, theirs.line[0]), self.apart_m(last, theirs.line[-1])) > CORNER_M
        if slower_s < -1.0 and whole:
            here = self._near(*np.rint(theirs.line[0] * 1e6).astype(int).tolist())
            return self._at("by our own clock theirs is the faster way", 0, here)
        return Cause(PREFERENCE, slower=max(0.0, slower_s) / max(1.0, ours.drive_ms / 1e3))

    def _other_ends(self, a: list[int], b: list[int]) -> bool:
        piece = self.network.edge_piece
        return bool((piece[[a[0], a[-1]]] != piece[[b[0], b[-1]]]).any())

    def apart_m(self, a: Array, b: Array) -> float:
        metres = self.network.metres_per_deg
        return float(np.hypot((a[0] - b[0]) * metres[0], (a[1] - b[1]) * metres[1]))

    # ---- their route on our map

    def follow(self, weights: Weights, line: Array) -> Cause | list[int]:
        """Our edges along a line of vertices whose ends lie within segments, or the first thing in the way."""
        network = self.network
        keys = [self._near(int(x), int(y)) for x, y in np.rint(line * 1e6)]
        run = [key for key, _ in groupby(keys[1:-1])]
        edges = list[int]()
        if not run:
            return edges
        first = self._behind(self.into[run[0]], line[0], run[0])
        last = self._behind(self.out_of[run[-1]], line[-1], run[-1])
        run = [*([first] if first else []), *run, *([last] if last else [])]
        before: tuple[int, int, int] | None = None
        for a, b in pairwise(run):
            here = self._segment(a, b, before)
            if here is None:
                return self._no_road(a, b)
            piece, against, i = here
            edge = int(network.piece_edges[piece, against])
            if edge < 0 or weights.shut[edge]:
                return self._shut(weights, piece, edge, a)
            if before is None or before[:2] != here[:2] or i != before[2] + 1:
                if edges:
                    turn = self._turn_between(edges[-1], edge)
                    if turn is None or weights.turn_ms[turn] >= INF_MS:
                        return self._no_turn(turn, edges[-1], edge, a)
                    edge = int(network.turn_to[turn])  # or its twin, which remembers
                edges.append(edge)
            before = here
        return edges

    def clock_s(self, weights: Weights, edges: list[int], line: Array) -> float:
        """Seconds of a way that `follow` found, by our weights, from the line's start to its end."""
        network = self.network
        if not edges:
            return math.inf
        times = weights.edge_ms[edges].astype(float)
        head, tail = (self._share(network.edge_line(edges[i]), line[i]) for i in (0, -1))
        times[0] -= head * weights.edge_ms[edges[0]]
        times[-1] -= (1.0 - tail) * weights.edge_ms[edges[-1]]
        turns = [self._turn_between(a, b) for a, b in pairwise(edges)]
        return float(times.sum() + weights.turn_ms[turns].sum()) / 1e3

    def _turn_between(self, came: int, edge: int) -> int | None:
        """The turn from an edge or twin into another edge or a twin of it."""
        start, turns = self.network.forward
        mine = turns[start[came] : start[came + 1]]
        code = np.asarray(self.network.edge_code)
        found = mine[code[self.network.turn_to[mine]] == code[edge]]
        return int(found[0]) if len(found) else None

    def _near(self, x: int, y: int) -> Vertex:
        """Our vertex within a unit of the last digit, for engines do not round alike."""
        around = [(x + dx, y + dy) for dx in (0, -1, 1) for dy in (0, -1, 1)]
        return next((key for key in around if key in self.out_of), (x, y))

    def _behind(self, others: list[Vertex], at: Array, end: Vertex) -> Vertex | None:
        """The other end of the segment at `end` on which a place lies; None for a place at `end` itself."""
        metres = np.array(self.network.metres_per_deg) / 1e6
        if self.apart_m(at, np.array(end) / 1e6) < CORNER_M:
            return None
        best, found = 2.0, None
        for other in others:
            a, b, p = np.array(end) * metres, np.array(other) * metres, at * 1e6 * metres
            along = np.clip(np.dot(p - a, b - a) / max(np.dot(b - a, b - a), 1e-9), 0.0, 1.0)
            if (away := float(np.hypot(*(a + along * (b - a) - p)))) < best:
                best, found = away, other
        return found

    def _segment(self, a: Vertex, b: Vertex, before: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        here = self.pieces.get((a, b))
        if not here:
            return None
        if before is not None and (on := (before[0], before[1], before[2] + 1)) in here:
            return on
        return here[0]

    def _no_road(self, a: Vertex, b: Vertex) -> Cause:
        way = self.source.way_between.get((a, b), 0)
        tags = self.source.tags.get(way, {})
        road = read_road(tags) if tags else None
        why = f"{road.reason} ({brief(tags)})" if isinstance(road, NoRoad) else f"left out ({brief(tags)})"
        return self._at(f"ours has no road: {why if tags else 'no such segment'}", way, a)

    def _shut(self, weights: Weights, piece: int, edge: int, at: Vertex) -> Cause:
        way = int(self.network.way_id[self.network.piece_way[piece]])
        flags = EdgeFlag(int(self.network.edge_flags[edge])) if edge >= 0 else None
        if flags is None or flags & EdgeFlag.AGAINST_ONEWAY:
            return self._at("ours has a one-way", way, at)
        if weights.shut[edge] & np.uint64(Shut.NEVER):
            return self._at("ours is too low, narrow or weak", way, at)
        return self._at(f"ours is shut to routine: {(flags.name or 'no flag').lower()}", way, at)

    def _no_turn(self, turn: int | None, came: int, edge: int, at: Vertex) -> Cause:
        network, way = self.network, int(self.network.way_id[self.network.edge_way[edge]])
        if barrier := self.source.at.get(at, {}).get("barrier"):
            return self._at(f"ours has a barrier: {barrier}", way, at)
        if turn is not None:
            return self._at("ours forbids the turn: restriction", way, at)
        if network.edge_piece[came] == network.edge_piece[edge]:
            return self._at("ours has no U-turn there", way, at)
        return self._at("ours has no such turn", way, at)

    def _at(self, name: str, way: int, at: Vertex) -> Cause:
        tags = {**self.source.tags.get(way, {}), **{f"node {k}": v for k, v in self.source.at.get(at, {}).items()}}
        return Cause(name, way, at[0] / 1e6, at[1] / 1e6, " ".join(f"{k}={v}" for k, v in tags.items()))

    # ---- our route on their map

    def blocked_in_theirs(self, weights: Weights, route: Route, peer: Engine, name: str) -> Cause | None:
        """The first pair of neighbouring edges between which the peer makes a detour."""
        lengths = [float(self.network.edge_length_m[e]) for e in route.edges]
        last = len(route.edges) - 1
        ends = {
            0: self._share(self.network.edge_line(route.edges[0]), route.coordinates[0]),
            last: self._share(self.network.edge_line(route.edges[last]), route.coordinates[-1]),
        }
        stops = [
            i
            for i in range(last + 1)
            if i in ends or not (lengths[i] < SHORT_M or self._turns_round(route.edges[i - 1 : i + 2]))
        ]
        reached = ends[0]
        for i, j in pairwise(stops):
            # where roads run above each other, another place on the same edge may be clearer
            for share in (ends[j],) if j in ends else SHARES:
                expected = lengths[i] * (1.0 - reached) + sum(lengths[i + 1 : j]) + lengths[j] * share
                (start, leaving), (end, arriving) = self._on(route.edges[i], reached), self._on(route.edges[j], share)
                driven = peer.route(start, end, (leaving, arriving))
                if driven is not None and driven.distance_m <= expected + max(SAME_M, 0.2 * expected):
                    reached = share
                    break
            else:
                return self._their_reason(route.edges[i : j + 1], name)
        return None

    def _on(self, edge: int, share: float) -> tuple[Place, int]:
        """A place on an edge and the course there in whole degrees."""
        line, metres = self.network.edge_line(edge), self.network.metres_per_deg
        a, b = cut_line(line, max(0.0, share - 0.05), min(1.0, share + 0.05), metres)[[0, -1]]
        lon, lat = cut_line(line, share, share, metres)[0]
        return (float(lon), float(lat)), round(float(bearing_deg(*a, *b)))

    def _turns_round(self, edges: list[int]) -> bool:
        return bool((np.diff(self.network.edge_piece[edges]) == 0).any())

    def _share(self, line: Array, at: Array) -> float:
        """How far along a line (float64[n, 2]) a place on it lies, as a share of its length."""
        metres = np.array(self.network.metres_per_deg)
        xy, p = line * metres, at * metres
        step = np.diff(xy, axis=0)
        size = np.hypot(*step.T)
        along = np.clip(((p - xy[:-1]) * step).sum(1) / np.maximum(size**2, 1e-9), 0.0, 1.0)
        nearest = int(np.argmin(np.hypot(*(xy[:-1] + along[:, None] * step - p).T)))
        return float((size[:nearest].sum() + along[nearest] * size[nearest]) / max(size.sum(), 1e-9))

    def _their_reason(self, edges: list[int], name: str) -> Cause:
        """What the source says on a few edges that may keep another engine from them."""
        network, source = self.network, self.source
        ways = [int(network.way_id[network.edge_way[e]]) for e in edges]
        vertices = [[(int(x), int(y)) for x, y in np.rint(network.edge_line(e) * 1e6)] for e in edges]
        at = vertices[0][-1]
        for way in reversed(ways):
            tags = source.tags.get(way, {})
            granted = any(tags.get(key) in ("yes", "designated", "permissive") for key in ACCESS)
            if (kind := tags.get("highway", "")) in NOT_DRIVEN[name] and not granted:
                return self._at(f"{name} does not drive highway={kind}", way, at)
        for line in vertices:
            for here in line:
                facts = source.at.get(here, {})
                if found := next((f"{k}={facts[k]}" for k in ("barrier", *ACCESS) if facts.get(k, "yes") != "yes"), ""):
                    also = f" and access={facts['access']}" if "barrier" in facts and "access" in facts else ""
                    return self._at(f"{name} stops at a node with {found}{also}", ways[-1], here)
        for way, edge in zip(reversed(ways), reversed(edges), strict=True):
            tags = source.tags.get(way, {})
            side = "backward" if network.edge_against[edge] else "forward"
            # what may be read as shut, the most particular first
            for key in (
                *(f"{k}:{side}" for k in ACCESS),
                *ACCESS,
                "maxweight",
                "maxheight",
                "maxwidth",
                "width",
                "service",
            ):
                if tags.get(key, "yes") not in ("yes", "designated", "permissive", "none", "default"):
                    return self._at(f"{name} shuts {tags.get('highway')} with {key}={tags[key]}", way, at)
        if self._turns_round(edges):
            return self._at(f"{name} has no U-turn there", ways[-1], at)
        for way in ways:
            tags = source.tags.get(way, {})
            if tags.get("junction") == "roundabout" and tags.get("oneway") == "no":
                return self._at(f"{name} drives a roundabout one way, though oneway=no", way, at)
        for a, b in combinations(ways, 2):
            for restriction in source.restrictions.get(frozenset((a, b)), []):
                kind = restriction.get("restriction", "of another kind")
                return self._at(f"{name} forbids the turn: {kind} (relation {restriction['id']})", b, at)
        return self._at(f"{name} makes a detour, the source does not say why", ways[-1], at)


def brief(tags: dict[str, str]) -> str:
    """The tags that decide who may drive."""
    keys = ("highway", "route", "access", "motor_vehicle", "motorcar", "vehicle", "oneway", "area", "junction")
    return " ".join(f"{k}={tags[k]}" for k in keys if k in tags)


def text(result: dict[str, Any]) -> str:
    """The comparison for people."""
    lines = []
    for kind, row in result.items():
        within = ", ".join(f"{share:.1%} within {limit}" for limit, share in row["distance_within"].items())
        lines.append(
            f"{kind}: {row['both_have_a_way']} of {row['pairs']} pairs (only ours {row['only_ours']}, only theirs "
            f"{row['only_theirs']}); distances {within}; ours / theirs: distance {row['distance_ratio_median']:.3f}"
            + (f", duration {row['duration_ratio_median']:.2f}" if kind.startswith("fastest") else "")
        )
        if row["their_way_by_our_clock"]:
            half, most = row["their_way_by_our_clock"]
            lines.append(
                f"  where preferences differ their way takes, by our clock, {half:.1%} longer (90 %: {most:.1%})"
            )
        lines += [f"  {count:>4}  {cause}" for cause, count in row["causes"].items()]
        for place in row["places"][:NAMED]:
            lines.append(
                f"        way {place['way']} at {place['lon']:.6f},{place['lat']:.6f} ({place['pairs']} pairs): "
                f"{place['name']} | {place['tags'][:160]}"
            )
    return "\n".join(lines)
