"""Coordinates as people write them: degrees with decimals, minutes and seconds, plus codes, MGRS and UTM.

Nothing here looks into a map. Where a text can be read in two ways (is it lat, lon or lon, lat?) all readings are
given, the customary one first, and whoever knows the map takes the first that lies on it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from geo_backup.geodesy import wrap_lon_deg

MARKS = str.maketrans(
    {"−": "-", "–": "-", "º": "°", "˚": "°", "’": "'", "′": "'", "‘": "'", "´": "'", "″": '"', "”": '"', "“": '"'}
)
_CHARACTERS = re.compile(r"[\d\s.,;:/°'\"+\-NSEWO]+", re.IGNORECASE)
_WORDS = re.compile(
    r"\b(?:lat(?:itude)?|lon(?:gitude)?|long|lng|deg(?:rees)?|min|sec|geo|wgs ?84)\b[:=.]?", re.IGNORECASE
)
_LON_FIRST = re.compile(r"\blo(?:n|ng|ngitude)\b.*\blat", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"[@=/:](-?\d{1,3}\.\d{3,}),\s?(-?\d{1,3}\.\d{3,})")
_TOKEN = re.compile(r"[-+]?\d+(?:\.\d+)?|[NSEWO]", re.IGNORECASE)
_COMMA_DECIMAL = re.compile(r"(?<=\d),(?=\d)")

_PLUS_CODE = re.compile(
    r"(?<![0-9A-Za-z])([23456789CFGHJMPQRVWX0]{2,8}\+[23456789CFGHJMPQRVWX]{0,7})(?![0-9A-Za-z+])", re.IGNORECASE
)
_MGRS = re.compile(r"(\d{1,2})\s*([C-HJ-NP-X])\s*([A-HJ-NP-Z]{2})\s*(\d{1,5})\s+(\d{1,5})|"
                   r"(\d{1,2})\s*([C-HJ-NP-X])\s*([A-HJ-NP-Z]{2})\s*(\d{2,10})", re.IGNORECASE)  # fmt: skip
_UTM = re.compile(
    r"(?:utm\s*)?(\d{1,2})\s*([C-HJ-NP-X])\s*[,;]?\s*(\d{6}(?:\.\d+)?)\s*(?:m?\s*E)?\s*[,;/]?\s*(\d{1,8}(?:\.\d+)?)\s*(?:m?\s*N)?",
    re.IGNORECASE,
)


class Spot(NamedTuple):
    """A place on earth read from a text, and how it was written: `coordinates`, `plus_code`, `mgrs` or `utm`."""

    kind: str
    lon: float
    lat: float


class Code(NamedTuple):
    """A plus code in a text, and what else the text says (a town, where the code is a short one)."""

    code: str
    rest: str


def spots(text: str) -> list[Spot]:
    """Every reading of a text that is nothing but coordinates, the customary one first."""
    plain = text.translate(MARKS).strip()
    return _mgrs(plain) or _utm(plain) or _degrees(plain)


def plus_code(text: str) -> Code | None:
    """The plus code in a text that is one, alone or before a town."""
    found = _PLUS_CODE.search(text.upper())
    if found is None:
        return None
    from openlocationcode import openlocationcode

    code = found[1]
    if not openlocationcode.isValid(code):
        return None
    return Code(code, (text[: found.start()] + " " + text[found.end() :]).strip(" ,;"))


def of_plus_code(code: str, near: tuple[float, float]) -> Spot:
    """The middle of a plus code; a short one is the one nearest to `near` (lon, lat)."""
    from openlocationcode import openlocationcode

    if openlocationcode.isShort(code):
        code = openlocationcode.recoverNearest(code, near[1], near[0])
    area = openlocationcode.decode(code)
    return Spot("plus_code", float(wrap_lon_deg(area.longitudeCenter)), float(area.latitudeCenter))


def _mgrs(text: str) -> list[Spot]:
    found = _MGRS.fullmatch(text)
    if found is None:
        return []
    if found[1]:
        zone, band, square, east, north = found.group(1, 2, 3, 4, 5)
    else:
        zone, band, square, digits = found.group(6, 7, 8, 9)
        east, north = digits[: len(digits) // 2], digits[len(digits) // 2 :]
    if len(east) != len(north):
        return []
    import mgrs

    if len(east) < 5:
        east, north = east + "5", north + "5"  # a square's middle instead of its corner
    try:
        lat, lon = mgrs.MGRS().toLatLon(f"{int(zone)}{band.upper()}{square.upper()}{east}{north}")
    except (mgrs.core.MGRSError, ValueError):
        return []
    return [Spot("mgrs", float(lon), float(lat))]


def _utm(text: str) -> list[Spot]:
    found = _UTM.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 60:
        return []
    zone, band, east, north = int(found[1]), found[2].upper(), float(found[3]), float(found[4])
    # a band's letter; but who writes S or N often means the half of the earth
    souths = [band < "N"] if band not in "S" else [False, True]
    out = []
    for south in souths:
        lon, lat = _projection(zone, south)(east, north, inverse=True)
        if abs(lat) <= 84.5 and abs(lon) <= 180.0:
            out.append(Spot("utm", float(lon), float(lat)))
    return out


@lru_cache(maxsize=8)
def _projection(zone: int, south: bool) -> Any:
    import pyproj

    return pyproj.Proj(proj="utm", zone=zone, south=south, ellps="WGS84")


def _degrees(text: str) -> list[Spot]:
    if (link := _LINK.search(text)) is not None and ("/" in text or text.lower().startswith("geo:")):
        return _checked([(float(link[2]), float(link[1]))])
    lon_first = _LON_FIRST.search(text) is not None
    bare = _WORDS.sub(" ", text).strip(" :=")
    if not bare or not _CHARACTERS.fullmatch(bare):
        return []
    for plain in _decimals(bare):
        tokens = _TOKEN.findall(plain)
        numbers = [token for token in tokens if token[-1].isdigit()]
        letters = [token.upper() for token in tokens if not token[-1].isdigit()]
        marked = "°" in plain or bool(_WORDS.search(text))
        if len(letters) == 2 and (pairs := _by_letters(tokens)):
            return _checked(pairs)
        if not letters and len(numbers) == 2 and (marked or all("." in number for number in numbers)):
            a, b = float(numbers[0]), float(numbers[1])
            pairs = [(a, b), (b, a)] if lon_first else [(b, a), (a, b)]
            return _checked(pairs)
        if not letters and len(numbers) in (4, 6) and "°" in plain:
            half = len(numbers) // 2
            first, second = _angle(numbers[:half]), _angle(numbers[half:])
            if first is not None and second is not None:
                return _checked([(second, first), (first, second)])
    return []


def _decimals(text: str) -> list[str]:
    """The text with its decimals after points: a comma between digits may be one."""
    if "." in text or not _COMMA_DECIMAL.search(text):
        return [text.replace(",", " ")]
    return [_COMMA_DECIMAL.sub(".", text).replace(",", " "), text.replace(",", " ")]


def _by_letters(tokens: list[str]) -> list[tuple[float, float]]:
    """Pairs of lon, lat where each angle has its letter, before or behind it. `O` is east in German and west in
    Portuguese, Spanish, French and Italian."""
    before = not tokens[0][-1].isdigit()
    groups: list[tuple[str, list[str]]] = []
    numbers: list[str] = []
    letter = ""
    for token in tokens:
        if token[-1].isdigit():
            numbers.append(token)
        elif before:
            if letter:
                groups.append((letter, numbers))
            letter, numbers = token.upper(), []
        else:
            groups.append((token.upper(), numbers))
            numbers = []
    if before:
        groups.append((letter, numbers))
    elif numbers:
        return []
    angles = {letter: _angle(some) for letter, some in groups}
    if len(angles) != 2 or any(angle is None for angle in angles.values()):
        return []
    lat: list[float] = []
    lon: list[float] = []
    for letter, angle in angles.items():
        assert angle is not None
        if letter in "NS":
            lat = [angle if letter == "N" else -angle]
        else:
            lon = {"E": [angle], "W": [-angle], "O": [-angle, angle]}[letter]
    return [(x, y) for x in lon for y in lat]


def _angle(numbers: list[str]) -> float | None:
    """Degrees of degrees, minutes and seconds."""
    if not 1 <= len(numbers) <= 3:
        return None
    values = [abs(float(number)) for number in numbers]
    if any(value >= 60.0 for value in values[1:]) or any("." in number for number in numbers[:-1]):
        return None
    size = sum(value / 60.0**power for power, value in enumerate(values))
    return -size if numbers[0].startswith("-") else size


def _checked(pairs: list[tuple[float, float]]) -> list[Spot]:
    """Pairs of lon, lat that are places on earth."""
    return [Spot("coordinates", lon, lat) for lon, lat in pairs if abs(lon) <= 180.0 and abs(lat) <= 90.0]
