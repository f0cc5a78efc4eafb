"""What an OSRM client asks, in the path and the options of OSRM's HTTP API, or in the JSON body of a POST.

The parts that have a meaning here are read strictly; what OSRM offers beyond is refused with OSRM's own code
`NotImplemented`, never ignored: a client is not to take an answer for what it did not ask.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

from geo_backup.osrm import polyline
from geo_backup.wire.body import parse

SOURCES_MAX = 10_000
DESTINATIONS_MAX = 100
WAYPOINTS_MAX = 100
NEAREST_MAX = 100
PROFILE_ALIASES: Mapping[str, str] = {"driving": "routine", "car": "routine"}
"""What OSRM clients say when nobody told them the name of a profile."""

OPTIONS: Mapping[str, str] = {
    "bearings": "`{degrees},{range};...`: only roads driven in about this direction; an element may be empty",
    "radiuses": "`{metres}|unlimited;...`: only roads this near",
    "hints": "accepted, but not needed: a coordinate says where it is",
    "generate_hints": "`true` (default) or `false`: hints are empty, or left out",
    "approaches": "`unrestricted` only",
    "snapping": "`default` only",
    "skip_waypoints": "`true` leaves waypoints, sources and destinations out of the answer",
    "exclude": "not implemented",
    "format": "`json` only",
}
"""Options of every service, with the words of the API document."""
TABLE_OPTIONS: Mapping[str, str] = {
    "sources": "`{index};...` or `all` (default)",
    "destinations": "`{index};...` or `all` (default)",
    "annotations": "`duration` (default), `distance` or `duration,distance`",
    "fallback_speed": "m/s as the crow flies where there is no way",
    "fallback_coordinate": "`input` (default) or `snapped`",
    "scale_factor": "durations are multiplied by it",
}
ROUTE_OPTIONS: Mapping[str, str] = {
    "alternatives": "there is one answer, the fastest",
    "steps": "`true` or `false` (default)",
    "annotations": "`true`, `false` (default) or a list of `duration`, `distance`, `speed`, `weight`",
    "geometries": "`polyline` (default), `polyline6` or `geojson`",
    "overview": "`simplified` (default), `full` or `false`",
    "continue_straight": "`default` and `true`: no turning round at a waypoint; `false`: where that is faster",
    "waypoints": "not implemented",
}
NEAREST_OPTIONS: Mapping[str, str] = {"number": f"how many roads, 1 (default) to {NEAREST_MAX}"}

Value = TypeVar("Value")

_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?")
_INDEX = re.compile(r"[0-9]{1,9}")
_POLYLINE = re.compile(r"polyline(6?)\((.*)\)", re.DOTALL)


class Refusal(Exception):
    """What OSRM answers instead: a code of its own and words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, eq=False)
class Places:
    """The coordinates of a question, and which roads may stand for them."""

    lon_lat: npt.NDArray[np.float64]
    """[N, 2] in degrees."""
    radius_m: npt.NDArray[np.float64]
    """[N], inf where unlimited."""
    bearings: Mapping[int, tuple[float, float]]
    """Degrees and range in degrees, where given."""
    hints: bool
    waypoints: bool

    def __len__(self) -> int:
        return len(self.lon_lat)


@dataclass(frozen=True, eq=False)
class TableQuestion:
    """Times and metres from sources to destinations, both indices of places."""

    places: Places
    sources: tuple[int, ...]
    destinations: tuple[int, ...]
    durations: bool
    distances: bool
    fallback_mps: float | None
    fallback_snapped: bool
    scale: float


@dataclass(frozen=True, eq=False)
class RouteQuestion:
    """The way over all places in their order."""

    places: Places
    steps: bool
    annotations: frozenset[str]
    geometries: str
    overview: str
    continue_straight: bool


@dataclass(frozen=True, eq=False)
class NearestQuestion:
    """The roads nearest to one place."""

    places: Places
    number: int


def table(coordinates: str, options: Mapping[str, str]) -> TableQuestion:
    """Read a question to `table`. Raises `Refusal`."""
    _known(options, TABLE_OPTIONS)
    places = _places(coordinates, options, SOURCES_MAX + DESTINATIONS_MAX)
    _at_least_two(places)
    sources = _indices("sources", options, len(places))
    destinations = _indices("destinations", options, len(places))
    if len(sources) > SOURCES_MAX or len(destinations) > DESTINATIONS_MAX:
        raise Refusal(
            "TooBig",
            f"Too many table coordinates: at most {SOURCES_MAX} sources and {DESTINATIONS_MAX} destinations, not "
            f"{len(sources)} and {len(destinations)}",
        )
    wanted = _words("annotations", options.get("annotations", "duration"), ("duration", "distance"))
    return TableQuestion(
        places,
        sources,
        destinations,
        durations="duration" in wanted,
        distances="distance" in wanted,
        fallback_mps=_positive("fallback_speed", options),
        fallback_snapped=_one_of("fallback_coordinate", options, ("input", "snapped")) == "snapped",
        scale=_positive("scale_factor", options) or 1.0,
    )


def route(coordinates: str, options: Mapping[str, str]) -> RouteQuestion:
    """Read a question to `route`. Raises `Refusal`."""
    _known(options, ROUTE_OPTIONS)
    if "waypoints" in options:
        raise Refusal("NotImplemented", "waypoints: every coordinate is a waypoint here")
    places = _places(coordinates, options, WAYPOINTS_MAX)
    _at_least_two(places)
    if not _INDEX.fullmatch(options.get("alternatives", "0")):
        _flag("alternatives", options)
    said = options.get("annotations", "false")
    can = ("duration", "distance", "speed", "weight")
    annotations: Iterable[str] = ()
    if said == "true":
        annotations = can
    elif said != "false":
        annotations = _words("annotations", said, can, beyond=("nodes", "datasources"))
    return RouteQuestion(
        places,
        steps=_flag("steps", options),
        annotations=frozenset(annotations),
        geometries=_one_of("geometries", options, ("polyline", "polyline6", "geojson")),
        overview=_one_of("overview", options, ("simplified", "full", "false"), beyond=("by_legs",)),
        continue_straight=_one_of("continue_straight", options, ("default", "true", "false")) != "false",
    )


def nearest(coordinates: str, options: Mapping[str, str]) -> NearestQuestion:
    """Read a question to `nearest`. Raises `Refusal`."""
    _known(options, NEAREST_OPTIONS)
    places = _places(coordinates, options, SOURCES_MAX)
    if len(places) > 1:
        raise Refusal("InvalidOptions", "Only one input coordinate is supported")
    said = options.get("number", "1")
    if not _INDEX.fullmatch(said):
        raise Refusal("InvalidQuery", "number: is a whole number from 1")
    if int(said) < 1:
        raise Refusal("InvalidOptions", "number: is a whole number from 1")
    if int(said) > NEAREST_MAX:
        raise Refusal("TooBig", f"number: at most {NEAREST_MAX}")
    return NearestQuestion(places, int(said))


def options_of(query: str) -> dict[str, str]:
    """Options of a query string. Raises `Refusal` when it is malformed or says one thing twice."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=64)
    except ValueError:
        raise Refusal("InvalidQuery", "Query string malformed: it is option=value&option=value") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise Refusal("InvalidQuery", "Query string malformed: an option is given twice")
    return options


def body_of(body: bytes) -> tuple[str, dict[str, str]]:
    """Coordinates and options of a JSON body, as the path and the query string would say them. Raises `Refusal`."""
    try:
        said = parse(body)
    except json.JSONDecodeError as error:
        raise Refusal("InvalidQuery", f"invalid JSON: {error}") from None
    if not isinstance(said, dict) or "coordinates" not in said:
        raise Refusal("InvalidQuery", "the body is a JSON object with coordinates, [[lon, lat], ...]")
    options = {name: _text(name, value) for name, value in said.items()}
    return options.pop("coordinates"), options


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ("," if name in ("annotations", "exclude") else ";").join(_element(name, item) for item in value)
    return _element(name, value)


def _element(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(item, list) for item in value):
        return ",".join(_element(name, item) for item in value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise Refusal("InvalidQuery", f"{name}: is not of the form that OSRM takes")


def _known(options: Mapping[str, str], own: Mapping[str, str]) -> None:
    for name in options:
        if name not in OPTIONS and name not in own:
            raise Refusal("InvalidQuery", f"Query string malformed: there is no option {name[:64]!r} here")


def _at_least_two(places: Places) -> None:
    if len(places) < 2:
        raise Refusal("InvalidOptions", "Number of coordinates needs to be at least two.")


def _places(text: str, options: Mapping[str, str], at_most: int) -> Places:
    if options.get("exclude"):
        raise Refusal("NotImplemented", "exclude: profiles say which roads are driven")
    _one_of("snapping", options, ("default",), beyond=("any",))
    _one_of("format", options, ("json",), beyond=("flatbuffers",))
    lon_lat = _coordinates(text, at_most)
    count = len(lon_lat)

    def each(name: str, read: Callable[[str], Value]) -> dict[int, Value]:
        """What is said of each coordinate that something is said of."""
        elements = options[name].split(";") if name in options else []
        if elements and len(elements) != count:
            raise Refusal(
                "InvalidOptions",
                f"Number of elements in {name} size {len(elements)} does not match coordinate size {count}",
            )
        return {at: read(element) for at, element in enumerate(elements) if element}

    each("hints", str)
    each("approaches", lambda one: _word("approaches", one, ("unrestricted",), beyond=("curb", "opposite")))
    radius_m = np.full(count, np.inf)
    for at, radius in each("radiuses", _radius).items():
        radius_m[at] = radius
    return Places(
        lon_lat,
        radius_m,
        each("bearings", _bearing),
        hints=_flag("generate_hints", options, default="true"),
        waypoints=not _flag("skip_waypoints", options),
    )


def _coordinates(text: str, at_most: int) -> npt.NDArray[np.float64]:
    if text.endswith(".flatbuffers"):
        raise Refusal("NotImplemented", "format: flatbuffers is not implemented; here it is json")
    text = text.removesuffix(".json")
    encoded = _POLYLINE.fullmatch(text)
    # counted before anything is read: a million coordinates are not worth a million floats
    if text.count(";") >= at_most or (encoded and len(encoded[2]) > 14 * at_most):
        raise Refusal("TooBig", f"Too many coordinates: at most {at_most}")
    pairs: list[tuple[float, float]] = []
    if encoded:
        try:
            pairs = polyline.decode(encoded[2], 6 if encoded[1] else 5)
        except ValueError as error:
            raise Refusal("InvalidQuery", f"Query string malformed: {error}") from None
        if len(pairs) > at_most:
            raise Refusal("TooBig", f"Too many coordinates: at most {at_most}")
        if not pairs:
            raise Refusal("InvalidQuery", "Query string malformed: there is no coordinate")
    else:
        for at, one in enumerate(text.split(";")):
            lon, _, lat = one.partition(",")
            if not _NUMBER.fullmatch(lon) or not _NUMBER.fullmatch(lat):
                raise Refusal("InvalidQuery", f"Query string malformed: coordinate {at} is not longitude,latitude")
            pairs.append((float(lon), float(lat)))
    for at, (lon_deg, lat_deg) in enumerate(pairs):
        if not (-180 <= lon_deg <= 180 and -90 <= lat_deg <= 90):
            raise Refusal(
                "InvalidOptions",
                f"Coordinates are invalid: {at} is no longitude,latitude in degrees (is latitude first?)",
            )
    return np.array(pairs)


def _indices(name: str, options: Mapping[str, str], count: int) -> tuple[int, ...]:
    said = options.get(name, "all")
    if said == "all":
        return tuple(range(count))
    elements = said.split(";")
    if not all(_INDEX.fullmatch(element) for element in elements):
        raise Refusal("InvalidQuery", f"Query string malformed: {name} is index;index or all")
    found = tuple(int(element) for element in elements)
    if max(found) >= count:
        raise Refusal("InvalidOptions", f"{name}: index {max(found)}, but there are {count} coordinates, from 0")
    return found


def _radius(element: str) -> float:
    if element == "unlimited":
        return math.inf
    if not _NUMBER.fullmatch(element):
        raise Refusal("InvalidQuery", "Query string malformed: a radius is a number of metres or unlimited")
    if float(element) < 0:
        raise Refusal("InvalidOptions", "radiuses: at least 0 m")
    return float(element)


def _bearing(element: str) -> tuple[float, float]:
    value, _, within = element.partition(",")
    if not _NUMBER.fullmatch(value) or not _NUMBER.fullmatch(within):
        raise Refusal("InvalidQuery", "Query string malformed: a bearing is degrees,range")
    if not (0 <= float(value) <= 360 and 0 <= float(within) <= 180):
        raise Refusal("InvalidOptions", "bearings: 0 to 360 degrees, with a range of 0 to 180")
    return float(value), float(within)


def _positive(name: str, options: Mapping[str, str]) -> float | None:
    if name not in options:
        return None
    if not _NUMBER.fullmatch(options[name]):
        raise Refusal("InvalidQuery", f"Query string malformed: {name} is a number")
    value = float(options[name])
    if not 0 < value < math.inf:
        raise Refusal("InvalidOptions", f"{name}: is above 0")
    return value


def _flag(name: str, options: Mapping[str, str], default: str = "false") -> bool:
    return _word(name, options.get(name, default), ("true", "false")) == "true"


def _one_of(name: str, options: Mapping[str, str], can: tuple[str, ...], beyond: tuple[str, ...] = ()) -> str:
    """The first of them when nothing is said."""
    return _word(name, options.get(name, can[0]), can, beyond)


def _words(name: str, said: str, can: tuple[str, ...], beyond: tuple[str, ...] = ()) -> list[str]:
    return [_word(name, word, can, beyond) for word in said.split(",")]


def _word(name: str, said: str, can: tuple[str, ...], beyond: tuple[str, ...] = ()) -> str:
    if said in beyond:
        raise Refusal("NotImplemented", f"{name}: {said} is not implemented; here it is {' or '.join(can)}")
    if said not in can:
        raise Refusal("InvalidQuery", f"Query string malformed: {name} is {' or '.join(can)}")
    return said
