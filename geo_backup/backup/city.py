"""City: where calls come from and who has first call on them, and the cover that the fleet gives it at a moment.

Demand and beats change by an event now and then; the cover is worked out anew, exactly, from the arrival fields of all
places of demand whenever a decision needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from geo_backup.backup.cover import Beat, Beats, Cover, price_words
from geo_backup.backup.demand import Demand, of_roads, week_hour
from geo_backup.backup.readings import place_times_ms
from geo_backup.backup.standing import Standing
from geo_backup.errors import BadValueError, OutsideMapError
from geo_backup.events import DemandAdopted
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import Target, snap_place
from geo_backup.rules import Rules


def beats_of(collection: Mapping[str, object] | None) -> Beats:
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
    return Beats(beats)


class City:
    """Demand and beats of a map under some rules, with the places of demand found on the network."""

    def __init__(
        self,
        network: RoadNetwork,
        rules: Rules,
        demand: DemandAdopted | None = None,
        beats: Mapping[str, object] | None = None,
    ) -> None:
        self.made_of = (rules, demand, beats)
        self.timezone = network.area.timezone
        self.rules = rules
        self.demand_id = "" if demand is None else demand.demand_id
        self.demand = of_roads(network, rules.cover.places) if demand is None else Demand.unpacked(demand.packed)
        self.beats = beats_of(beats)
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

    def now(
        self, ms: Array, free: Array, lon: Array, lat: Array, agencies: Sequence[str], as_of_ms: int
    ) -> CityNow:  # fmt: skip
        """The cover at a moment, of times int32[J, N] to the places, free units bool[N], where they are and whose."""
        hour = week_hour(as_of_ms, self.timezone)
        at = self.beats.at(np.nan_to_num(lon, nan=200.0), np.nan_to_num(lat, nan=100.0))
        whose = np.array([*agencies], object)
        return CityNow(self, ms, free, self.demand.forecast(hour)[self.kept], whose, at, hour % 24)


_MADE: WeakKeyDictionary[Standing, City] = WeakKeyDictionary()
"""Of each fleet the city that it was last asked about."""


def prepare(standing: Standing) -> None:
    """Make what the first incident would wait for."""
    for profile in ("response", "routine"):
        standing.front(profile)
    _MADE[standing] = City(standing.network, standing.table.rules)


def city_now(standing: Standing) -> CityNow:
    """The cover that the fleet gives the city as of the last view, with the siren on."""
    now, table = standing.now, standing.table
    city = _MADE.get(standing)
    if city is None or city.made_of != (table.rules, now.demand, now.beats):
        city = _MADE[standing] = City(standing.network, table.rules, now.demand, now.beats)
    metric = standing.front("response").metric
    starts = table.starts(metric.weights, now.as_of_ms)
    ms = place_times_ms(metric, city.targets, starts, table.rules.limit.horizon_ms)
    ms = np.minimum(ms.astype(np.int64) + table.turnout_ms, INF_MS).astype(np.int32)
    agencies = [table.rows[unit_id].agency for unit_id in table.ids]
    return city.now(ms, table.free(now.as_of_ms), *table.lon_lat(), agencies, now.as_of_ms)


def last_in_beat(standing: Standing, unit_id: str) -> str | None:
    """The beat that would be without a free unit of this one's agency if it went; None: none would."""
    now, table = standing.now, standing.table
    row, free = table.row_of.get(unit_id), table.free(now.as_of_ms)
    if row is None or not free[row] or now.beats is None:
        return None
    beats, (lon, lat) = beats_of(now.beats), table.lon_lat()
    at = beats.at(np.nan_to_num(lon, nan=200.0), np.nan_to_num(lat, nan=100.0))
    mine = np.array([table.rows[one].agency == table.rows[unit_id].agency for one in table.ids], np.bool_)
    alone = at[row] >= 0 and int((free & mine & (at == at[row])).sum()) == 1
    return beats.beats[int(at[row])].beat_id if alone else None


@dataclass(frozen=True, eq=False)
class CityNow:
    """The cover of a city at one moment; units by their number in the fleet's table.

    Units stand in for each other within their agency only: an engine is no cover for the police.
    """

    city: City
    ms: Array
    free: Array
    weights: Array
    agencies: Array
    """object[N]: whose each unit is."""
    unit_beat: Array
    """int64[N]: the beat that it is in, -1 = none."""
    hour: int
    """Of the local day."""

    def cover(self, agency: str = "", weights: Array | None = None) -> Cover:
        """The cover by an agency's units, by its own rules; by all where none is named. `weights`: another demand."""
        free = self.free & (self.agencies == agency) if agency else self.free
        rules = self.city.rules.of(agency).cover
        return Cover(self.ms, free, self.weights if weights is None else weights, rules)

    @cached_property
    def prices(self) -> Array:
        """float64[N]: what its own agency's cover loses when each unit alone is taken; 0 for who is not free."""
        out = np.zeros(len(self.free))
        for agency in set(self.agencies[self.free].tolist()):
            mine = self.free & (self.agencies == agency)
            rules = self.city.rules.of(agency).cover
            out[mine] = Cover(self.ms[:, mine], np.ones(mine.sum(), np.bool_), self.weights, rules).prices
        return out

    @cached_property
    def _teams(self) -> tuple[list[tuple[str, int]], Array]:
        """The teams, (agency, beat), and int64[N] which one each free unit is of, -1 = none."""
        rows = np.flatnonzero(self.free & (self.unit_beat >= 0)).tolist()
        each = [(str(self.agencies[row]), int(self.unit_beat[row])) for row in rows]
        number = {team: n for n, team in enumerate(sorted(set(each)))}
        of = np.full(len(self.free), -1)
        of[rows] = [number[team] for team in each]
        return list(number), of

    @property
    def team(self) -> Array:
        """int64[N]: the free units of one agency in one beat are a team; -1 = of none."""
        return self._teams[1]

    @cached_property
    def count(self) -> Array:
        """int64[T]: free units of each team."""
        teams, of = self._teams
        return np.bincount(of[of >= 0], minlength=len(teams))

    @cached_property
    def spare(self) -> Array:
        """int64[T]: how many of them can go, for the beat keeps its floor."""
        beats, rules = self.city.beats.beats, self.city.rules
        floors = [beats[beat].floor_at(self.hour, rules.of(agency).cover) for agency, beat in self._teams[0]]
        return self.count - np.array(floors, np.int64)

    def short(self, taken: Sequence[int]) -> tuple[str, ...]:
        """Beats that fall below their floor when these units go together."""
        gone = np.bincount(self.team[taken][self.team[taken] >= 0], minlength=len(self.spare))
        short = np.flatnonzero((gone > 0) & (self.spare < gone)).tolist()
        return tuple(sorted({self.city.beats.beats[self._teams[0][team][1]].beat_id for team in short}))

    def last_of(self, row: int) -> str | None:
        """The beat whose last free unit of its agency one is."""
        team = int(self.team[row])
        return self.city.beats.beats[self._teams[0][team][1]].beat_id if team >= 0 and self.count[team] == 1 else None

    def words(self, row: int) -> str:
        """What taking one unit costs, for a person."""
        busy_ms = self.city.rules.of(str(self.agencies[row])).backup.busy_for_ms
        return price_words(float(self.prices[row]), self.last_of(row), busy_ms)
