"""Encoded polylines: a line as a short piece of text, latitude first, in whole 1e-5 or 1e-6 degrees.

Each number is the difference from the vertex before, its sign in the lowest bit, in groups of five bits, low ones
first, as characters from `?` to `~`.
"""

from __future__ import annotations

from collections.abc import Iterable

_GROUPS_MAX = 7
"""Groups of five bits in one number: 360 degrees in 1e-6 fit into six."""


def encode(lon_lat: Iterable[Iterable[float]], digits: int = 5) -> str:
    """Text of a line of lon, lat in degrees, rounded to so many digits after the point."""
    out: list[str] = []
    before = (0, 0)
    for lon, lat in lon_lat:
        here = (round(lat * 10**digits), round(lon * 10**digits))
        for now, was in zip(here, before, strict=True):
            value = (now - was) << 1 if now >= was else ~((now - was) << 1)
            while value >= 0x20:
                out.append(chr((value & 0x1F | 0x20) + 63))
                value >>= 5
            out.append(chr(value + 63))
        before = here
    return "".join(out)


def decode(text: str, digits: int = 5) -> list[tuple[float, float]]:
    """The line's lon, lat in degrees. Raises `ValueError` when the text is no encoded polyline."""
    numbers: list[int] = []
    value = groups = 0
    for at, character in enumerate(text):
        bits = ord(character) - 63
        if not 0 <= bits < 0x40 or groups == _GROUPS_MAX:
            raise ValueError(f"character {at} is not one of an encoded polyline")
        value |= (bits & 0x1F) << 5 * groups
        groups += 1
        if bits < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value = groups = 0
    if groups > 0 or len(numbers) % 2:
        raise ValueError("an encoded polyline ends within a coordinate")
    out: list[tuple[float, float]] = []
    lat = lon = 0
    for d_lat, d_lon in zip(numbers[::2], numbers[1::2], strict=True):
        lat, lon = lat + d_lat, lon + d_lon
        out.append((lon / 10**digits, lat / 10**digits))
    return out
