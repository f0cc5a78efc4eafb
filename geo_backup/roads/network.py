"""RoadNetwork: what is known of the roads of one area, as read-only arrays that open by memory map.

The words, from small to large:

- a **junction** is a vertex where ways meet or end;
- a **piece** is the stretch of one way between two junctions, with its geometry; both directions share it;
- an **edge** is a piece driven in one direction, `edge_code = piece << 1 | against`, and a state of every search:
  a vehicle is always on an edge, facing its end;
- a **twin** is a second edge of the same code that remembers the roads driven before it, where a turn restriction
  speaks of them (`EdgeFlag.TWIN`). Turns alone lead into it: who stands on the road, with a past nobody knows, is on
  the edge that is no twin;
- a **turn** leads from the end of one edge into the next. Turns are grouped by the edge they lead *into*
  (`turn_start[e]:turn_start[e + 1]`), because fields are searched backwards from the incident;
- a **way** is the source's object (an OSM way), which lends its name, class and speed limit to its pieces.

Arrays hold facts, never judgement: which edges and turns a vehicle may use, and at what cost, is for `profile`.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geo_backup.errors import MapError
from geo_backup.geodesy import metres_per_deg, wrap_lon_deg
from geo_backup.roads.kernel import Array
from geo_backup.roads.soundness import REMEDY, check_arrays, checked_extent, damaged

FORMAT = 2
"""Version of the folder's layout; a folder of another version is refused with the remedy."""

FRACTION_ONE = 65536
"""Fractions along an edge are whole 1/65536 parts: 0 at its start, 65536 at its end."""


class WayClass(IntEnum):
    """Highway class, the value of OSM's `highway` tag; UNKNOWN is driven like a small street."""

    MOTORWAY = 0
    MOTORWAY_LINK = 1
    TRUNK = 2
    TRUNK_LINK = 3
    PRIMARY = 4
    PRIMARY_LINK = 5
    SECONDARY = 6
    SECONDARY_LINK = 7
    TERTIARY = 8
    TERTIARY_LINK = 9
    UNCLASSIFIED = 10
    RESIDENTIAL = 11
    LIVING_STREET = 12
    SERVICE = 13
    ROAD = 14
    TRACK = 15
    PEDESTRIAN = 16
    BUSWAY = 17
    EMERGENCY_ACCESS = 18
    UNKNOWN = 19


class WayFlag(IntFlag):
    """Facts of a way (uint8)."""

    BRIDGE = 1
    TUNNEL = 2
    ROUNDABOUT = 4
    ONEWAY = 8
    UNPAVED = 16
    """Or paved so badly that it is driven like one."""
    DUAL_CARRIAGEWAY = 32


class EdgeFlag(IntFlag):
    """Facts of a directed edge (uint16)."""

    LEGAL = 1
    """An ordinary car may drive here, in this direction."""
    AGAINST_ONEWAY = 2
    """The wrong way of a one-way street: in the network only where the stretch is short, for sirens."""
    PRIVATE = 4
    """access=private, destination, customers, delivery: to get somewhere, not to pass through."""
    BUS = 8
    """Buses, taxis or trams only."""
    PEDESTRIAN = 16
    """A pedestrian street wide enough for a vehicle."""
    EMERGENCY = 32
    """Open to emergency vehicles although shut for others."""
    GATE = 64
    """It begins at a gate, lift gate or removable bollard, to be opened by who drives on."""
    MAIN = 128
    """In the largest part of the network in which every legal edge reaches every other."""
    TWIN = 256
    """The same piece and direction as another edge, entered from the roads that a turn restriction names."""


class TurnKind(IntEnum):
    """Direction of a turn, the low three bits of `turn_facts`; sides as seen by the driver."""

    STRAIGHT = 0
    SLIGHT_LEFT = 1
    SLIGHT_RIGHT = 2
    LEFT = 3
    RIGHT = 4
    SHARP_LEFT = 5
    SHARP_RIGHT = 6
    U_TURN = 7


TURN_KIND_MASK = 7


class TurnFlag(IntFlag):
    """What stands at the turn besides its direction, the high bits of `turn_facts` (uint16)."""

    SIGNALS = 8
    """Traffic signals at the junction."""
    STOP = 16
    """Stop or give-way sign for who comes this way, or from a smaller road onto a larger."""
    RESTRICTED = 32
    """A turn restriction, or a gate locked to the public, forbids it to an ordinary car."""
    EMERGENCY_EXEMPT = 64
    """Emergency vehicles are excepted, or can have the gate opened."""
    ONTO_JUNCTION = 128
    """More than two roads meet here: a place where one has to look, not a bend of the same road."""
    LEVEL_CROSSING = 256
    """A railway or tramway is crossed on the way to this junction, or at it."""
    MINI_ROUNDABOUT = 512
    """The junction is a mini-roundabout: one node that is driven round."""


ARRAYS: Mapping[str, str] = {
    # junctions [J], in the order of a space-filling curve so that neighbours lie close in memory
    "junction_lon_e7": "i4",
    "junction_lat_e7": "i4",
    # pieces [P]
    "piece_from": "i4",
    "piece_to": "i4",
    "piece_way": "i4",
    "piece_length_m": "f4",
    "shape_start": "i4",  # [P + 1] into shape_step; a piece's interior vertices only
    "shape_step": "i2",  # [V, 2] lon, lat in 1e-6 degrees, each from the vertex before (the first: from piece_from)
    # edges [E], in the order of a nested dissection: those that part the network best come first (see hierarchy)
    "edge_code": "i4",
    "edge_flags": "u2",
    # turns [T], grouped by the edge they lead into
    "turn_start": "i4",  # [E + 1]
    "turn_from": "i4",
    "turn_facts": "u2",
    # ways [W]
    "way_id": "i8",
    "way_class": "u1",
    "way_flags": "u1",
    "way_layer": "i1",
    "way_maxspeed_kmh": "u1",  # [W, 2] along and against; 0 = not said
    # [W, 3] height dm, width dm, weight in 0.1 t of what may pass; 0 = no limit said. [W, 6], along and against, where
    # any way has limits for one direction
    "way_limits": "u2",
    "way_name": "i4",  # index into names; 0 is the empty name
}
"""Name and little-endian type of each stored array; sizes in capitals, see the module's words."""

VERTEX_NODE = "vertex_node.npy"
"""File of `RoadNetwork.vertex_node`, beside those of the arrays where there is one."""


@dataclass(frozen=True)
class Area:
    """What `area.toml` says of a map."""

    name: str
    source: str
    source_date: str
    licence: str
    attribution: str
    timezone: str
    extent: tuple[float, float, float, float]
    """West, south, east, north in degrees, computed from the data. On a map across the 180th meridian the longitudes
    of all arrays run on beyond it, and so do these."""
    drives_on: str = "right"
    turn_restrictions: str = "none in the source"
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the build, for `map info`; not part of the content id."""


class Graph(NamedTuple):
    """Edges and turns as plain read-only arrays for the kernels; indices are uint32, so numba tests for no negatives.

    Turns by the edge they lead into: `turn_start` [E + 1], `turn_from` [T]. Turns by the edge they leave: `leave_start`
    [E + 1], `leave_turn` [T] (which turn), `leave_to` [T] (into which edge). `length_m` float32[E].
    """

    turn_start: Array
    turn_from: Array
    leave_start: Array
    leave_turn: Array
    leave_to: Array
    length_m: Array


def plain(values: Any, kind: Any) -> Array:
    """A contiguous, read-only, ordinary array: kernels are compiled once for this kind and no other."""
    array = np.array(values, dtype=kind, order="C", ndmin=1)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class RoadNetwork:
    """Read-only arrays of one area's roads; see `ARRAYS` for the stored ones.

    Everything else is derived on first use and kept. `content_id` names the exact content: two networks with the
    same id give the same answers.
    """

    junction_lon_e7: Array
    junction_lat_e7: Array
    piece_from: Array
    piece_to: Array
    piece_way: Array
    piece_length_m: Array
    shape_start: Array
    shape_step: Array
    edge_code: Array
    edge_flags: Array
    turn_start: Array
    turn_from: Array
    turn_facts: Array
    way_id: Array
    way_class: Array
    way_flags: Array
    way_layer: Array
    way_maxspeed_kmh: Array
    way_limits: Array
    way_name: Array
    names: tuple[str, ...]
    area: Area
    content_id: str
    folder: Path | None = None
    vertex_node: Array | None = None
    """int64[J + V]: OpenStreetMap's node at each junction and each interior vertex, 0 = none; None where the source has
    no such ids. Only files that name nodes need it: it is no part of the content id."""

    # ---- sizes

    @property
    def junctions(self) -> int:
        return len(self.junction_lon_e7)

    @property
    def pieces(self) -> int:
        return len(self.piece_from)

    @property
    def edges(self) -> int:
        return len(self.edge_code)

    @property
    def turns(self) -> int:
        return len(self.turn_from)

    # ---- derived, cheap

    @cached_property
    def edge_piece(self) -> Array:
        """int32[E]: the piece an edge drives along."""
        return self.edge_code >> 1

    @cached_property
    def edge_against(self) -> Array:
        """bool[E]: whether the edge runs against its piece's geometry."""
        return (self.edge_code & 1).astype(np.bool_)

    @cached_property
    def edge_tail(self) -> Array:
        """int32[E]: the junction where an edge starts."""
        return np.where(self.edge_against, self.piece_to[self.edge_piece], self.piece_from[self.edge_piece])

    @cached_property
    def edge_head(self) -> Array:
        """int32[E]: the junction where an edge ends."""
        return np.where(self.edge_against, self.piece_from[self.edge_piece], self.piece_to[self.edge_piece])

    @cached_property
    def edge_way(self) -> Array:
        """int32[E]: index of the way an edge belongs to."""
        return self.piece_way[self.edge_piece]

    @cached_property
    def edge_length_m(self) -> Array:
        """float32[E]."""
        return self.piece_length_m[self.edge_piece]

    @cached_property
    def piece_edges(self) -> Array:
        """int32[P, 2]: the edge along a piece and the one against it, twins apart; -1 where there is none."""
        out = np.full((self.pieces, 2), -1, np.int32)
        single = np.flatnonzero(self.edge_flags & EdgeFlag.TWIN == 0).astype(np.int32)
        out[self.edge_piece[single], self.edge_against[single].astype(np.intp)] = single
        return out

    @cached_property
    def twins(self) -> Array:
        """int32[K], ascending: the edges that are twins."""
        return np.flatnonzero(self.edge_flags & EdgeFlag.TWIN).astype(np.int32)

    @cached_property
    def twins_of(self) -> Mapping[int, tuple[int, ...]]:
        """The twins of each edge that has any."""
        out: dict[int, tuple[int, ...]] = {}
        for twin in self.twins.tolist():
            code = int(self.edge_code[twin])
            single = int(self.piece_edges[code >> 1, code & 1])
            out[single] = (*out.get(single, ()), twin)
        return out

    def with_twins(self, edges: Array) -> Array:
        """int32[N], ascending, each once: these edges (int[M]) and all others of the same piece and direction."""
        code = np.unique(np.asarray(self.edge_code)[np.asarray(edges, np.int32)])
        single = self.piece_edges[code >> 1, code & 1]
        return np.sort(np.concatenate((single, self.twins[np.isin(self.edge_code[self.twins], code)])))

    @cached_property
    def turn_to(self) -> Array:
        """int32[T]: the edge a turn leads into."""
        return np.repeat(np.arange(self.edges, dtype=np.int32), np.diff(self.turn_start))

    @cached_property
    def forward(self) -> tuple[Array, Array]:
        """Turns grouped by the edge they leave: `start` int32[E + 1] and `turn` int32[T], indices into `turn_*`."""
        turn = np.argsort(self.turn_from, kind="stable").astype(np.int32)
        start = np.zeros(self.edges + 1, np.int32)
        np.cumsum(np.bincount(self.turn_from, minlength=self.edges), out=start[1:])
        return start, turn

    @cached_property
    def graph(self) -> Graph:
        """Edges and turns as the kernels want them."""
        start, turn = self.forward
        return Graph(
            turn_start=plain(self.turn_start, np.uint32),
            turn_from=plain(self.turn_from, np.uint32),
            leave_start=plain(start, np.uint32),
            leave_turn=plain(turn, np.uint32),
            leave_to=plain(self.turn_to[turn], np.uint32),
            length_m=plain(self.edge_length_m, np.float32),
        )

    @cached_property
    def vertices(self) -> tuple[Array, Array, Array]:
        """All geometry: `start` int32[P + 1], `lon` float64[N], `lat` float64[N], junctions at both ends included."""
        interior = np.diff(self.shape_start)
        start = np.zeros(self.pieces + 1, np.int32)
        np.cumsum(interior + 2, out=start[1:])
        coordinates = []
        for axis, junction_e7 in enumerate((self.junction_lon_e7, self.junction_lat_e7)):
            first, last = junction_e7[self.piece_from] / 1e7, junction_e7[self.piece_to] / 1e7
            # a piece's steps are summed from its first junction, in whole 1e-6 degrees
            origin_e6 = np.rint(junction_e7[self.piece_from] / 10.0).astype(np.int64)
            steps = self.shape_step[:, axis].astype(np.int64) if len(self.shape_step) else np.zeros(0, np.int64)
            running = np.concatenate(([0], np.cumsum(steps)))
            inner_e6 = (
                running[1:] - np.repeat(running[self.shape_start[:-1]], interior) + np.repeat(origin_e6, interior)
            )
            out = np.empty(int(start[-1]))
            is_end = np.zeros(len(out), np.bool_)
            is_end[start[:-1]] = True
            is_end[start[1:] - 1] = True
            out[start[:-1]], out[start[1:] - 1] = first, last
            out[~is_end] = inner_e6 / 1e6
            coordinates.append(out)
        return start, coordinates[0], coordinates[1]

    @cached_property
    def metres_per_deg(self) -> tuple[float, float]:
        """Metres in a degree of longitude and of latitude at the middle of the area."""
        _, south, _, north = self.area.extent
        east_m, north_m = metres_per_deg((south + north) / 2.0)
        return float(east_m), float(north_m)

    # ---- readings

    def framed(self, lon: Any) -> Any:
        """Longitudes as this map counts them: a map across the 180th meridian runs on beyond it."""
        west, _, east, _ = self.area.extent
        if west >= -180.0 and east <= 180.0:
            return lon
        return lon + 360.0 * np.rint(((west + east) / 2.0 - lon) / 360.0)

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the area, as a place on earth."""
        west, south, east, north = self.area.extent
        lon = (west + east) / 2.0
        return (float(wrap_lon_deg(lon)) if abs(lon) > 180.0 else lon), (south + north) / 2.0

    @cached_property
    def town(self) -> tuple[float, float, float, float]:
        """West, south, east, north of where most junctions are, counted as `framed` does: one long road out of town
        makes an extent of a hundred kilometres."""
        if not self.junctions:
            return self.area.extent
        lon = np.quantile(self.framed(self.junction_lon_e7 / 1e7), (0.1, 0.9))
        lat = np.quantile(self.junction_lat_e7 / 1e7, (0.1, 0.9))
        return float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1])

    def edge_line(self, edge: int) -> Array:
        """float64[n, 2]: the edge's vertices, lon and lat, in driving order."""
        start, lon, lat = self.vertices
        piece = int(self.edge_piece[edge])
        line = np.column_stack((lon[start[piece] : start[piece + 1]], lat[start[piece] : start[piece + 1]]))
        return line[::-1] if self.edge_against[edge] else line

    def edge_name(self, edge: int) -> str:
        """Street name, empty where the source has none."""
        return self.names[int(self.way_name[self.edge_way[edge]])]

    # ---- folder

    def save(self, folder: Path) -> None:
        """Write the arrays and names under `folder/network/`; `area.toml` is written by `cartography`, which owns it.

        The same network gives the same bytes.
        """
        network = folder / "network"
        network.mkdir(parents=True, exist_ok=True)
        for name, kind in ARRAYS.items():
            np.save(network / f"{name}.npy", np.ascontiguousarray(getattr(self, name), dtype=np.dtype(f"<{kind}")))
        if self.vertex_node is not None:
            np.save(network / VERTEX_NODE, np.ascontiguousarray(self.vertex_node, dtype="<i8"))
        (network / "names.txt").write_text("\n".join(self.names), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, folder: Path | str) -> RoadNetwork:
        """Open a map folder by memory map.

        Raises `MapError` when the folder is no map, is incomplete, or was written by another version.
        """
        folder = Path(folder)
        text = _area_toml(folder)
        arrays = {name: _mapped(folder / "network" / f"{name}.npy", kind) for name, kind in ARRAYS.items()}
        ids = folder / "network" / VERTEX_NODE
        network = cls(
            **arrays,
            names=_names(folder / "network" / "names.txt"),
            area=_area(text, folder),
            content_id=str(text.get("content_id", "")),
            folder=folder,
            vertex_node=_mapped(ids, "i8") if ids.exists() else None,
        )
        network.check()
        return network

    def check(self) -> None:
        """Raise `MapError` unless the arrays fit each other and all indices point at something (milliseconds)."""
        where = str(self.folder or "this network")
        check_arrays({name: getattr(self, name) for name in ARRAYS}, self.names, self.area.extent, where)
        if self.vertex_node is not None and len(self.vertex_node) != self.junctions + len(self.shape_step):
            raise damaged(where, VERTEX_NODE, "has not one row a vertex")

    def verify(self) -> None:
        """Raise `MapError` unless every byte of the arrays is as it was built: the content id is worked out anew."""
        found = content_id({name: getattr(self, name) for name in ARRAYS}, self.names)
        if found != self.content_id:
            raise MapError(
                f"{self.folder or 'this network'}: the arrays or names.txt are not those that content_id "
                f"{self.content_id or '(none)'} in area.toml names, they are {found}. {REMEDY}"
            )


def _area_toml(folder: Path) -> dict[str, Any]:
    try:
        with (folder / "area.toml").open("rb") as file:
            text = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        raise MapError(f"{folder} is not a map: it has no area.toml. Make one with `geo-backup map build`.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise MapError(f"{folder / 'area.toml'} is not valid TOML ({error}). Build the map again.") from None
    if text.get("format") != FORMAT:
        raise MapError(
            f"{folder} has map format {text.get('format')}, this version reads {FORMAT}. Build the map again."
        )
    return text


def _area(text: Mapping[str, Any], folder: Path) -> Area:
    said, summary = text.get("area"), text.get("summary", {})
    words = ("name", "source", "source_date", "licence", "attribution", "timezone", "drives_on", "turn_restrictions")
    if not isinstance(said, dict) or not isinstance(summary, dict):
        raise MapError(f"{folder / 'area.toml'} has no [area]. {REMEDY}")
    for word in words:
        if not isinstance(said.get(word), str):
            raise MapError(f"{folder / 'area.toml'} does not say the {word} of the area. {REMEDY}")
    extent = checked_extent(said.get("extent"), str(folder))
    return Area(**{word: said[word] for word in words}, extent=extent, summary=summary)


def _names(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise MapError(f"{path} cannot be read ({error}). {REMEDY}") from None


def _mapped(path: Path, kind: str) -> Array:
    try:
        # as an array and nothing else: np.load would unpack an archive, too
        array: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # whatever the parser of the header makes of bytes that mean nothing
        raise MapError(f"{path} cannot be read ({' '.join(str(error).split())[:200]}). {REMEDY}") from None
    if array.dtype != np.dtype(f"<{kind}"):
        raise MapError(f"{path} holds {array.dtype}, not {kind}. {REMEDY}")
    return array


def content_id(arrays: Mapping[str, Array], names: tuple[str, ...]) -> str:
    """Sixteen hex digits that name the content: SHA-256 over every stored array and the names."""
    digest = hashlib.sha256(f"geo_backup network {FORMAT}".encode())
    for name, kind in ARRAYS.items():
        array = np.ascontiguousarray(arrays[name], dtype=np.dtype(f"<{kind}"))
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    digest.update("\n".join(names).encode())
    return digest.hexdigest()[:16]
