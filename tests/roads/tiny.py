"""Small networks drawn by hand: places with names, streets between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geo_backup.geodesy import distance_m, metres_per_deg, wrap_lon_deg
from geo_backup.roads.network import (
    Area,
    EdgeFlag,
    RoadNetwork,
    TurnFlag,
    TurnKind,
    WayClass,
    WayFlag,
    content_id,
)

ORIGIN = (11.97, 57.7)


def from_local_m(east_m: Any, north_m: Any, origin_lon: float, origin_lat: float) -> tuple[Any, Any]:
    """Where one is so many metres east and north of an origin: the inverse of `geodesy.local_m`."""
    per_lon, per_lat = metres_per_deg(origin_lat)
    return wrap_lon_deg(origin_lon + east_m / per_lon), origin_lat + north_m / per_lat


@dataclass(frozen=True)
class Street:
    """A street through places, in order; one piece between each two."""

    places: str
    name: str = ""
    oneway: bool = False
    contraflow: bool = False
    """One-way, but short enough that sirens may go against it."""
    klass: WayClass = WayClass.RESIDENTIAL
    way_flags: int = 0
    extra: int = 0
    legal: bool = True
    maxspeed: int = 0
    layer: int = 0


def draw(
    places: Mapping[str, tuple[float, float]],
    streets: Sequence[Street],
    *,
    banned: Sequence[str] = (),
    signals: str = "",
    main: str | None = None,
    u_turns: bool = False,
) -> RoadNetwork:
    """A network of places (metres east and north) and streets.

    `banned` are turns "abc": from a over b to c. `main` names the places of the main part (None: all).
    """
    keys = list(places)
    east, north = (np.array([places[k][i] for k in keys], float) for i in (0, 1))
    lon, lat = from_local_m(east, north, *ORIGIN)
    e7 = [np.rint(v * 1e7).astype(np.int32) for v in (lon, lat)]
    lon, lat = e7[0] / 1e7, e7[1] / 1e7
    pieces: list[tuple[int, int, int]] = []
    edges: list[tuple[int, int, int]] = []  # tail, code, flags
    for way, street in enumerate(streets):
        for a, b in zip(street.places, street.places[1:], strict=False):
            start, end = keys.index(a), keys.index(b)
            base = (EdgeFlag.LEGAL if street.legal else EdgeFlag(0)) | street.extra
            if main is None or (a in main and b in main):
                base |= EdgeFlag.MAIN
            edges.append((start, len(pieces) << 1, int(base)))
            oneway = street.oneway or street.contraflow
            if street.contraflow:
                edges.append((end, len(pieces) << 1 | 1, int(EdgeFlag.AGAINST_ONEWAY)))
            elif not oneway:
                edges.append((end, len(pieces) << 1 | 1, int(base)))
            pieces.append((start, end, way))
    edges.sort()
    tails = np.array([e[0] for e in edges])
    codes = np.array([e[1] for e in edges], np.int32)
    piece = np.array(pieces, np.int32).reshape(-1, 3)
    heads = np.where(codes & 1, piece[codes >> 1, 0], piece[codes >> 1, 1])
    degree = np.bincount(np.concatenate((piece[:, 0], piece[:, 1])), minlength=len(keys))
    start, origin, facts = [0], [], []
    for to in range(len(edges)):
        at = tails[to]
        for e in np.flatnonzero(heads == at):
            back = codes[e] >> 1 == codes[to] >> 1
            if back and degree[at] > 1 and not u_turns:
                continue
            vector = [(east[h] - east[t], north[h] - north[t]) for t, h in ((tails[e], at), (at, heads[to]))]
            angle = np.degrees(
                np.arctan2(
                    vector[0][1] * vector[1][0] - vector[0][0] * vector[1][1],
                    vector[0][0] * vector[1][0] + vector[0][1] * vector[1][1],
                )
            )
            kind = TurnKind.U_TURN if back else _kind(float(angle))
            fact = int(kind)
            if degree[at] > 2:
                fact |= TurnFlag.ONTO_JUNCTION
            if keys[at] in signals:
                fact |= TurnFlag.SIGNALS
            if keys[tails[e]] + keys[at] + keys[heads[to]] in banned:
                fact |= TurnFlag.RESTRICTED
            origin.append(e)
            facts.append(fact)
        start.append(len(origin))
    names = ["", *sorted({s.name for s in streets if s.name})]
    arrays = {
        "junction_lon_e7": e7[0],
        "junction_lat_e7": e7[1],
        "piece_from": piece[:, 0].copy(),
        "piece_to": piece[:, 1].copy(),
        "piece_way": piece[:, 2].copy(),
        "piece_length_m": distance_m(lon[piece[:, 0]], lat[piece[:, 0]], lon[piece[:, 1]], lat[piece[:, 1]]).astype(
            np.float32
        ),
        "shape_start": np.zeros(len(piece) + 1, np.int32),
        "shape_step": np.zeros((0, 2), np.int16),
        "edge_code": codes,
        "edge_flags": np.array([e[2] for e in edges], np.uint16),
        "turn_start": np.array(start, np.int32),
        "turn_from": np.array(origin, np.int32),
        "turn_facts": np.array(facts, np.uint16),
        "way_id": np.arange(len(streets), dtype=np.int64) + 1,
        "way_class": np.array([s.klass for s in streets], np.uint8),
        "way_flags": np.array(
            [s.way_flags | (WayFlag.ONEWAY if s.oneway or s.contraflow else 0) for s in streets], np.uint8
        ),
        "way_layer": np.array([s.layer for s in streets], np.int8),
        "way_maxspeed_kmh": np.array([[s.maxspeed] * 2 for s in streets], np.uint8),
        "way_limits": np.zeros((len(streets), 3), np.uint16),
        "way_name": np.array([names.index(s.name) for s in streets], np.int32),
    }
    area = Area(
        name="tiny", source="drawn", source_date="2026-01-01", licence="none", attribution="", timezone="UTC",
        extent=(float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())),
    )  # fmt: skip
    return RoadNetwork(**arrays, names=tuple(names), area=area, content_id=content_id(arrays, tuple(names)))


def edge_of(network: RoadNetwork, places: Mapping[str, tuple[float, float]], two: str) -> int:
    """The edge from one place to the next: edge_of(..., "ab")."""
    keys = list(places)
    tail, head = keys.index(two[0]), keys.index(two[1])
    found = np.flatnonzero((network.edge_tail == tail) & (network.edge_head == head))
    assert len(found) > 0, f"no edge {two}"
    return int(found[0])


def place(east_m: float, north_m: float) -> tuple[float, float]:
    """lon, lat of a point given in metres."""
    lon, lat = from_local_m(east_m, north_m, *ORIGIN)
    return float(lon), float(lat)


def _kind(angle: float) -> TurnKind:
    """Angle to the right, degrees."""
    size = abs(angle)
    if size < 20:
        return TurnKind.STRAIGHT
    right = angle > 0
    if size < 45:
        return TurnKind.SLIGHT_RIGHT if right else TurnKind.SLIGHT_LEFT
    if size < 120:
        return TurnKind.RIGHT if right else TurnKind.LEFT
    return TurnKind.SHARP_RIGHT if right else TurnKind.SHARP_LEFT
