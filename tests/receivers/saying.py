"""What vehicle modems say, with checksums that are right."""

from __future__ import annotations

import time
from functools import reduce
from typing import Any

import httpx


def rmc(place: list[float], at_s: float | None = None, before: str = "") -> bytes:
    """An NMEA sentence of a modem at a place (lon, lat)."""
    at = time.gmtime(at_s or time.time())
    lon, lat = place
    body = (
        f"GPRMC,{time.strftime('%H%M%S', at)}.00,A,{int(lat):02d}{lat % 1 * 60:08.5f},N,"
        f"{int(lon):03d}{lon % 1 * 60:08.5f},E,12.0,084.0,{time.strftime('%d%m%y', at)},,,A"
    )
    return f"{before}${body}*{reduce(lambda total, letter: total ^ ord(letter), body, 0):02X}\r\n".encode()


def rpv(unit_id: str, place: list[float], at_s: float | None = None, more: str = "") -> bytes:
    """A TAIP report of a modem at a place (lon, lat)."""
    seconds = int(at_s or time.time()) % 86_400
    return _summed(f">RPV{seconds:05d}{_place(place)}02808412;ID={unit_id};{more}*")


def rev(unit_id: str, place: list[float], event: int, more: str = "") -> bytes:
    """A TAIP report of something that happened."""
    days, second = divmod(int(time.time()) - 315_964_800, 86_400)
    week, day = divmod(days, 7)
    return _summed(f">REV{event:02d}{week:04d}{day}{second:05d}{_place(place)}02808412;ID={unit_id};{more}*")


def _place(place: list[float]) -> str:
    return f"{round(place[1] * 1e5):+08d}{round(place[0] * 1e5):+09d}"


def _summed(start: str) -> bytes:
    return f"{start}{reduce(lambda total, letter: total ^ ord(letter), start, 0):02X}<".encode()


def lon_lat(http: httpx.Client, unit_id: str) -> Any:
    """Where the live map has a unit; None: nowhere yet."""
    shown = next(f for f in http.get("/v1/units").json()["features"] if f["id"] == unit_id)["geometry"]
    return shown and [round(degrees, 4) for degrees in shown["coordinates"]]
