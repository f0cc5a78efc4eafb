"""City: where calls come from and who has first call on them, and the cover that the fleet gives it at a moment.

Demand and beats change by an event now and then; the cover is worked out anew, exactly, from the arrival fields of all
places of demand whenever a decision needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from geo_backup.backup.cover import Beat, Beats, Cover, price_words
from geo_backup.backup.demand import Demand, of_roads, week_hour
from geo_backup.errors import BadValueError, OutsideMapError
from geo_backup.events import DemandAdopted
from geo_backup.roads.network import Array, RoadNetwork
from geo_backup.roads.snap import Target, snap_place
from geo_backup.rules import Rules


def beats_of(collection: Mapping[str, Any] | None, rules: Rules) -> Beats:
    """Beats from a GeoJSON FeatureCollection whose features have `beat_id` and perhaps `floor` (one number, or 24 by
    hour of the day). `BadValueError` names the feature and what is wrong with it."""
    features = [] if collection is None else collection.get("features")
    if not isinstance(features, list | tuple):
        raise BadValueError("/features", "missing", "beats are a GeoJSON FeatureCollection of polygons")
    beats, names = [], set[str]()
    for i, feature in enumerate(features):
        named = feature.get("properties") if isinstance(feature, Mapping) else None
        named = named if isinstance(named, Mapping) else {}
        beat_id = named.get("beat_id")
        if not isinstance(beat_id, str) or not beat_id or beat_id in names:
            raise BadValueError(
                f"/features/{i}/properties/beat_id", "beat_id", "each beat needs a beat_id, a text of its own"
            )
        floor = named.get("floor")
        hours = [floor] if isinstance(floor, int) else floor
        if hours is not None and not (
            isinstance(hours, list | tuple) and all(type(n) is int and 0 <= n <= 1_000 for n in hours)
        ):
            raise BadValueError(
                f"/features/{i}/properties/floor", "floor", "a floor is a number of free units, or 24 by hour"
            )
        names.add(beat_id)
        kept = floor if floor is None or isinstance(floor, int) else tuple(floor)
        beats.append(Beat(beat_id, feature.get("geometry") or {}, kept))
    return Beats(beats, rules.cover)


class City:
    """Demand and beats of a map under some rules, with the places of demand found on the network."""

    def __init__(
        self,
        network: RoadNetwork,
        rules: Rules,
        demand: DemandAdopted | None = None,
        beats: Mapping[str, Any] | None = None,
    ) -> None:
        self.made_of = (rules, demand, beats)
        self.timezone = network.area.timezone
        self.rules = rules
        self.demand_id = "" if demand is None else demand.demand_id
        self.demand = of_roads(network, rules.cover.places) if demand is None else Demand.unpacked(demand.packed)
        self.beats = beats_of(beats, rules)
        self.targets: list[Target] = []
        kept = []
        for j, (lon, lat) in enumerate(zip(self.demand.lon.tolist(), self.demand.lat.tolist(), strict=True)):
            try:
                self.targets.append(snap_place(network, lon, lat, rules.snap))
            except OutsideMapError:  # learned on a larger map: nobody can be sent there from here
                continue
            kept.append(j)
        self.kept = np.array(kept, np.int64)
        self.place_beat = self.beats.at(self.demand.lon[self.kept], self.demand.lat[self.kept])

    def now(self, ms: Array, free: Array, lon: Array, lat: Array, as_of_ms: int) -> CityNow:
        """The cover at a moment, of times int32[J, N] to the places, free units bool[N] and where they are."""
        hour = week_hour(as_of_ms, self.timezone)
        at = self.beats.at(np.nan_to_num(lon, nan=200.0), np.nan_to_num(lat, nan=100.0))
        cover = Cover(ms, free, self.demand.forecast(hour)[self.kept], self.rules.cover)
        return CityNow(self, cover, at, hour % 24)


@dataclass(frozen=True, eq=False)
class CityNow:
    """The cover of a city at one moment; units by their number in the fleet's table."""

    city: City
    cover: Cover
    unit_beat: Array
    hour: int

    def held(self, priority: int) -> Array:
        """bool[N]: units that a call of this priority must leave where they are."""
        return self.city.beats.held(self.unit_beat, self.cover.free, self.hour, priority)

    def short(self, taken: Sequence[int], priority: int) -> tuple[str, ...]:
        """Beats that fall below their floor when these units go together."""
        return self.city.beats.held_together(self.unit_beat, self.cover.free, taken, self.hour, priority)

    def words(self, row: int, busy_ms: int) -> str:
        """What taking one unit costs, for a person."""
        last = int(self._last[row])
        name = self.city.beats.beats[last].beat_id if last >= 0 else None
        return price_words(float(self.cover.prices[row]), name, busy_ms)

    @cached_property
    def _last(self) -> Array:
        return self.city.beats.last_of(self.unit_beat, self.cover.free)
