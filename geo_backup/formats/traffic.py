"""Traffic files in OSRM's format: `from_osm_node,to_osm_node,speed_kmh[,rate]` a line, 0 = closed.

    from_osm_node,to_osm_node,speed_kmh
    430165531,4472051,18.5
    4472051,430165531,0

The first line may name the columns. `rate` is OSRM's weight of routing, which means nothing here: checked, not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NODE_MAX = 2**63 - 1
SPEED_MAX_KMH = 250.0
WRONG_KEPT = 100
"""Wrong lines that are told one by one; the rest are counted."""


@dataclass(frozen=True, eq=False)
class TrafficFile:
    """Columns of R rows: nodes int64, km/h float64. `wrong` holds (line, what to do) of the first lines that are none,
    `wrong_total` counts them all."""

    from_node: npt.NDArray[Any]
    to_node: npt.NDArray[Any]
    kmh: npt.NDArray[Any]
    wrong: tuple[tuple[int, str], ...]
    wrong_total: int

    def __len__(self) -> int:
        return len(self.kmh)

    @property
    def columns(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """From node, to node, km/h."""
        return self.from_node, self.to_node, self.kmh


def read(data: bytes) -> TrafficFile:
    """Read a file. Nothing is guessed: a line is a row, empty, the header, or wrong."""
    from_node: list[int] = []
    to_node: list[int] = []
    kmh: list[float] = []
    wrong: list[tuple[int, str]] = []
    wrong_total = 0
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        cells = raw.split(b",")
        try:
            if not 3 <= len(cells) <= 4 or b"_" in raw:  # int("1_0") is 10
                raise ValueError
            tail, head, speed = int(cells[0]), int(cells[1]), float(cells[2])
            fine = 0 < tail <= NODE_MAX and 0 < head <= NODE_MAX and 0.0 <= speed <= SPEED_MAX_KMH
            if not fine or (len(cells) == 4 and not 0.0 <= float(cells[3]) < float("inf")):
                raise ValueError
        except ValueError:
            if raw.strip() and not (number == 1 and _is_header(cells)):
                wrong_total += 1
                if len(wrong) < WRONG_KEPT:
                    wrong.append((number, _remedy(cells)))
            continue
        from_node.append(tail)
        to_node.append(head)
        kmh.append(speed)
    return TrafficFile(
        np.array(from_node, np.int64), np.array(to_node, np.int64), np.array(kmh, np.float64), tuple(wrong), wrong_total
    )


def _is_header(cells: list[bytes]) -> bool:
    """Names of columns, in which no number stands."""
    return 3 <= len(cells) <= 4 and all(cell.strip(b' \t\r"')[:1].isalpha() for cell in cells)


def _remedy(cells: list[bytes]) -> str:
    if not 3 <= len(cells) <= 4:
        return f"has {len(cells)} columns; write from_osm_node,to_osm_node,speed_kmh and perhaps a rate, with commas"
    for cell, name in zip(cells, ("from_osm_node", "to_osm_node"), strict=False):
        text = cell.strip()
        if not text.isdigit() or not 0 < int(text[:20]) <= NODE_MAX:
            return f"{name} is {_shown(cell)}; write OpenStreetMap's node id, a whole number from 1"
    try:
        if b"_" not in cells[2] and 0.0 <= float(cells[2]) <= SPEED_MAX_KMH:
            return f"rate is {_shown(cells[3])}; write a number from 0, or leave the column out"
    except ValueError:
        pass
    return f"speed_kmh is {_shown(cells[2])}; write km/h from 0 (closed) to {SPEED_MAX_KMH:g}"


def _shown(cell: bytes) -> str:
    text = cell.strip().decode("utf-8", "replace")
    return repr(text if len(text) <= 30 else text[:27] + "...")
