"""Fixes of one unit within one hour as few bytes: places to a centimetre, speeds to a centimetre a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_backup.events import Fix

HOUR_MS = 3_600_000
DEGREE = 10_000_000
NONE = 65_535
LATE_MAX_MS = 2**31 - 1

ROW = np.dtype(
    [
        ("within_ms", "<u4"),  # of the hour
        ("late_ms", "<i4"),  # from the fix to its reception
        ("lon", "<i4"),
        ("lat", "<i4"),
        ("speed", "<u2"),
        ("course", "<u2"),
        ("accuracy", "<u2"),
    ]
)
"""22 bytes a fix; rows of several blocks of an hour follow each other without anything between them."""

Rows = npt.NDArray[Any]
"""Of `ROW`."""


def pack(columns: Sequence[Sequence[Any]]) -> tuple[npt.NDArray[np.int64], Rows]:
    """(hours since 1970, rows) of fixes given as columns: received_ms, fix_ms, lon, lat, speed_mps, course_deg,
    accuracy_m."""
    received_ms, fix_ms = (np.array(column, np.int64) for column in columns[:2])
    hour = fix_ms // HOUR_MS
    rows = np.empty(len(fix_ms), ROW)
    rows["within_ms"] = fix_ms - hour * HOUR_MS
    rows["late_ms"] = np.clip(received_ms - fix_ms, -LATE_MAX_MS, LATE_MAX_MS)
    rows["lon"], rows["lat"] = (np.rint(np.array(column, np.float64) * DEGREE) for column in columns[2:4])
    for name, column, unit in (("speed", columns[4], 100), ("course", columns[5], 100), ("accuracy", columns[6], 10)):
        value = np.rint(np.array(column, np.float64) * unit)  # None becomes NaN
        rows[name] = np.where(np.isnan(value), NONE, np.clip(value, 0, NONE - 1))
    return hour, rows


def unpack(hours: Sequence[tuple[int, bytes]]) -> tuple[list[Fix], list[int]]:
    """Fixes in the order of their times, and when each was received; of (hour since 1970, rows)."""
    if not hours:
        return [], []
    parts = [np.frombuffer(data, ROW) for _, data in hours]
    rows = np.concatenate(parts)
    start = np.repeat([hour * HOUR_MS for hour, _ in hours], [len(part) for part in parts])
    fix_ms = start + rows["within_ms"]
    order = np.argsort(fix_ms, kind="stable")
    rows, fix_ms = rows[order], fix_ms[order]
    columns = (
        fix_ms.tolist(),
        (rows["lon"] / DEGREE).tolist(),
        (rows["lat"] / DEGREE).tolist(),
        _or_none(rows["speed"], 100),
        _or_none(rows["course"], 100),
        _or_none(rows["accuracy"], 10),
    )
    return [Fix(*one) for one in zip(*columns, strict=True)], (fix_ms + rows["late_ms"]).tolist()


def _or_none(values: Rows, unit: int) -> list[float | None]:
    out: list[float | None] = (values / unit).tolist()
    for n in np.flatnonzero(values == NONE).tolist():
        out[n] = None
    return out
