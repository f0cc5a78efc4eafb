"""Traffic: how fast vehicles were measured to drive now, edge by edge, and what a profile makes of it.

It comes from a file of speeds between OpenStreetMap nodes (OSRM's format), is matched to the map's directed edges once,
and is kept as these: whoever replays it needs neither the file nor node ids.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from geo_backup.errors import BadValueError
from geo_backup.geodesy import distance_m
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import FRACTION_ONE, EdgeFlag, RoadNetwork
from geo_backup.roads.profile import CLOSED_MS, Profile, edge_kmh, held_ms

SPEED_ONE = 100
"""Speeds are whole 1/100 km/h."""


@dataclass(frozen=True, eq=False)
class Traffic:
    """Measured speeds of some edges.

    `edge` int32[M] ascending, `share` int32[M] of its length for which a speed is known, in 1/65536, `speed` int32[M]
    over that share in 1/100 km/h; 0 = closed, for the whole edge.
    """

    edge: Array
    share: Array
    speed: Array

    @property
    def closed(self) -> Array:
        """int32[C]: edges that are closed."""
        out: Array = self.edge[self.speed == 0]
        return out

    def packed(self) -> str:
        """As text of at most 16 characters an edge."""
        columns = np.stack((np.diff(self.edge, prepend=0), self.share, self.speed)).astype("<i4")
        return base64.b85encode(zlib.compress(columns.tobytes())).decode()

    @classmethod
    def unpacked(cls, text: str, edges: int) -> Traffic:
        """What `packed` wrote, of a network with so many edges; `BadValueError` for anything else."""
        try:
            most = 12 * edges
            opened = zlib.decompressobj()
            data = opened.decompress(base64.b85decode(text), most + 1)
            columns = np.frombuffer(data, "<i4").reshape(3, -1).astype(np.int64)
            edge, (share, speed) = np.cumsum(columns[0]), columns[1:]
            fine = (edge[1:] > edge[:-1]).all() and ((edge >= 0) & (edge < edges)).all()
            fine = fine and ((share > 0) & (share <= FRACTION_ONE) & (speed >= 0)).all()
            if not (fine and opened.eof and len(data) <= most):
                raise ValueError("out of range")
        except (ValueError, zlib.error) as error:
            raise BadValueError("/packed", "speeds", f"these are no speeds of this map's edges: {error}") from None
        return cls(edge.astype(np.int32), share.astype(np.int32), speed.astype(np.int32))


def drive_ms(traffic: Traffic, network: RoadNetwork, profile: Profile, hour: int | None = None) -> tuple[Array, Array]:
    """The edges int32[N] that are measured and open, and milliseconds int32[N] in which a profile drives them.

    The part without a measurement is driven as ever, the rest as `edge_kmh` makes of the measured speed.
    """
    known = traffic.speed > 0
    edge, share = traffic.edge[known], traffic.share[known] / FRACTION_ONE
    measured_kmh = np.full(network.edges, np.nan)
    measured_kmh[edge] = traffic.speed[known] / SPEED_ONE
    own, now = (edge_kmh(network, profile, hour, said)[edge] for said in (None, measured_kmh))
    length_m = network.edge_length_m[edge].astype(np.float64)
    ms = length_m * 3600.0 * (share / now + (1.0 - share) / own) + held_ms(network, profile)[edge]
    return edge, np.clip(np.rint(ms), 1, CLOSED_MS - 1).astype(np.int32)


def match(network: RoadNetwork, from_node: Array, to_node: Array, kmh: Array) -> tuple[Traffic, Array]:
    """Speeds float64[R] between OpenStreetMap nodes int64[R] on the map's edges, and bool[R] which of them lie there.

    A pair is two nodes that follow each other on a road, or the two ends of one stretch between junctions, driven from
    the first to the second. The last of equal pairs holds, and a pair of neighbours before one of ends. Speed 0 closes.
    Raises `BadValueError` for a map without node ids.
    """
    if network.vertex_node is None:
        raise BadValueError("/", "no_node_ids", NO_NODE_IDS)
    piece, tail, head, share = _segments(network)
    # directed edges by code: along, then against
    code = np.concatenate((piece << 1, piece << 1 | 1))
    share = np.concatenate((share, share))
    drawn = np.zeros(2 * network.pieces, np.bool_)
    # nobody measures against a one-way street
    drawn[network.edge_code[(np.asarray(network.edge_flags) & EdgeFlag.AGAINST_ONEWAY) == 0]] = True
    rows = _Rows(from_node, to_node)
    row = np.where(drawn[code], rows.of(np.concatenate((tail, head)), np.concatenate((head, tail))), -1)

    # who names the two ends of a piece means all of it, unless another piece joins them too
    first, last = _ends(network)
    ends = rows.of(np.concatenate((first, last)), np.concatenate((last, first)))
    ends_code = np.concatenate((np.arange(network.pieces) << 1, np.arange(network.pieces) << 1 | 1))
    ends[np.concatenate((first == last, first == last)) | ~drawn[ends_code]] = -1
    times = np.bincount(ends[ends >= 0], minlength=len(kmh) + 1)
    ends[(ends < 0) | (times[ends] != 1)] = -1
    whole = np.empty(2 * network.pieces, np.int64)
    whole[ends_code] = ends
    row = np.where(row >= 0, row, whole[code])

    code, share, row = code[row >= 0], share[row >= 0], row[row >= 0]
    found = np.zeros(len(kmh), np.bool_)
    found[row] = True
    now = np.asarray(kmh, np.float64)[row]
    open_ = now > 0
    known = np.bincount(code, share, 2 * network.pieces)
    closed = np.bincount(code[~open_], minlength=2 * network.pieces) > 0
    per_kmh = np.bincount(code[open_], share[open_] / now[open_], 2 * network.pieces)
    mean = np.divide(known, per_kmh, out=np.zeros(len(known)), where=~closed & (per_kmh > 0))
    edge = np.flatnonzero(known[network.edge_code] > 0).astype(np.int32)
    at = network.edge_code[edge]
    speed = np.where(closed[at], 0, np.maximum(1, np.rint(mean[at] * SPEED_ONE)))
    parts = np.clip(np.rint(known[at] * FRACTION_ONE), 1, FRACTION_ONE)
    return Traffic(edge, parts.astype(np.int32), speed.astype(np.int32)), rows.whole(found)


NO_NODE_IDS = (
    "this map has no OpenStreetMap node ids, so a traffic file cannot be matched to it; build it from an .osm.pbf or "
    ".osm file with `geo-backup map build`"
)


class _Rows:
    """Pairs of nodes, to be looked up."""

    def __init__(self, from_node: Array, to_node: Array) -> None:
        self._nodes = np.unique(np.concatenate((from_node, to_node)))
        key = self._key(from_node, to_node)
        # of equal pairs the last
        self._sorted, back = np.unique(key[::-1], return_index=True)
        self._row = len(key) - 1 - back
        self._same = self._row[np.searchsorted(self._sorted, key)]

    def _key(self, tail: Array, head: Array) -> Array:
        if not len(self._nodes):
            return np.full(len(tail), -1)
        at = [np.minimum(np.searchsorted(self._nodes, node), len(self._nodes) - 1) for node in (tail, head)]
        known = (self._nodes[at[0]] == tail) & (self._nodes[at[1]] == head)
        return np.where(known, at[0] * len(self._nodes) + at[1], -1)

    def of(self, tail: Array, head: Array) -> Array:
        """int64[N]: the row of each pair of nodes, -1 where there is none."""
        key = self._key(tail, head)
        if not len(self._sorted):
            return key
        at = np.minimum(np.searchsorted(self._sorted, key), len(self._sorted) - 1)
        return np.where((key >= 0) & (self._sorted[at] == key), self._row[at], -1)

    def whole(self, found: Array) -> Array:
        """bool[R]: rows found, those included that a later one of the same pair stands for."""
        out: Array = found[self._same] if len(found) else found
        return out


def _nodes(network: RoadNetwork) -> Array:
    """int64[N]: node ids in the order of `RoadNetwork.vertices`."""
    ids, start = np.asarray(network.vertex_node), network.vertices[0]
    out = np.zeros(int(start[-1]), np.int64)
    inner = np.ones(len(out), np.bool_)
    inner[start[:-1]] = inner[start[1:] - 1] = False
    out[start[:-1]], out[start[1:] - 1] = ids[network.piece_from], ids[network.piece_to]
    out[inner] = ids[network.junctions :]
    return out


def _ends(network: RoadNetwork) -> tuple[Array, Array]:
    ids = np.asarray(network.vertex_node)
    return ids[network.piece_from], ids[network.piece_to]


def _segments(network: RoadNetwork) -> tuple[Array, Array, Array, Array]:
    """Stretches between neighbouring nodes, along each piece: piece, node it leaves, node it leads to (int64[S]), and
    share of the piece's length (float64[S]). Vertices without a node id lie within a segment."""
    start, lon, lat = network.vertices
    node = _nodes(network)
    piece = np.repeat(np.arange(network.pieces), np.diff(start))
    run_m = np.zeros(len(node))
    run_m[1:] = np.cumsum(distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]))
    known = np.flatnonzero(node)
    a, b = known[:-1], known[1:]
    together = piece[a] == piece[b]
    a, b = a[together], b[together]
    length_m = (run_m[start[1:] - 1] - run_m[start[:-1]])[piece[a]]
    share = np.divide(run_m[b] - run_m[a], length_m, out=np.ones(len(a)), where=length_m > 0)
    return piece[a], node[a], node[b], share
