"""Ground: round trips on the roads of the server's own map, as the server itself finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from geo_backup.client import Client, ServerError
from geo_backup.errors import GeoBackupError
from geo_backup.geodesy import bearing_deg, distance_m

ROUNDS = 48
TRIES = 10
"""Places beside no road, or without a way between them, for each round trip."""
NEAR_DEG = 0.03
"""The corners of a round trip lie within so much of the first."""
NOISE_DEG = 0.00002

Floats = npt.NDArray[np.float64]


class Ground:
    """Units that drive round trips, each from its own place on one. `rounds` are lon, lat for each second of each."""

    def __init__(self, rounds: Sequence[Floats], units: int, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self.places: Floats = np.concatenate(rounds)
        length = np.array([len(one) for one in rounds])
        first = np.concatenate(([0], np.cumsum(length)[:-1]))
        mine = self._random.integers(len(rounds), size=units)
        self._first, self._length = first[mine], length[mine]
        self._ahead: Floats = self._random.random(units) * self._length

    def at(self, which: npt.NDArray[np.int64], second_s: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Lon, lat, speed in m/s and course in degrees of these units."""
        on, share = np.divmod(self._ahead[which] + second_s, 1.0)
        begin = self._first[which] + on.astype(np.int64) % self._length[which]
        end = self._first[which] + (on.astype(np.int64) + 1) % self._length[which]
        (lon, lat), (to_lon, to_lat) = self.places[begin].T, self.places[end].T
        course = bearing_deg(lon, lat, to_lon, to_lat) % 360.0
        speed = distance_m(lon, lat, to_lon, to_lat)
        east, north = self._random.normal(0.0, NOISE_DEG, (2, len(which)))
        return lon + share * (to_lon - lon) + east, lat + share * (to_lat - lat) + north, speed, course


async def rounds_of(client: Client, extent: Sequence[float], seed: int = 3) -> list[Floats]:
    """Round trips over three places of a map. Raises `GeoBackupError` where the server finds none."""
    random, west_south, east_north = np.random.default_rng(seed), np.array(extent[:2]), np.array(extent[2:])
    rounds: list[Floats] = []
    for _ in range(ROUNDS * TRIES):
        corner = random.uniform(west_south, east_north)
        others = np.clip(corner + random.uniform(-NEAR_DEG, NEAR_DEG, (2, 2)), west_south, east_north)
        asked = ";".join(f"{lon:.6f},{lat:.6f}" for lon, lat in (corner, *others, corner))
        options = "geometries=geojson&overview=full&generate_hints=false&continue_straight=false"
        try:
            answer = await client.call("GET", f"/route/v1/driving/{asked}?{options}")
        except ServerError as error:
            if error.status != 400:
                raise
            continue
        rounds.append(_by_second(answer["routes"][0]))
        if len(rounds) == ROUNDS:
            break
    if not rounds:
        raise GeoBackupError(f"{client.url} finds no way between any two places of its map: is it the right one?")
    return rounds


def _by_second(route: dict[str, Any]) -> Floats:
    lon, lat = np.array(route["geometry"]["coordinates"], np.float64).T
    driven_m = np.concatenate(([0.0], np.cumsum(distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]))))
    at_m = np.linspace(0.0, driven_m[-1], max(2, int(route["duration"])), endpoint=False)
    return np.stack((np.interp(at_m, driven_m, lon), np.interp(at_m, driven_m, lat)), axis=1)
