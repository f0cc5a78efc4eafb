"""Standing: one arrival field per open incident, kept right while units move, incidents move, roads close, traffic and
the hour change.

It belongs to one thread and knows the live map only by frozen views, so nobody who reads it waits for the fold nor sees
a half-changed world. From equal views come equal fields, whatever stood before: a field that followed a change equals a
new one to the bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from geo_backup.backup.driving import Driving, Obstacles, Taught
from geo_backup.backup.fleet import UnitTable
from geo_backup.backup.view import View
from geo_backup.errors import OutsideMapError
from geo_backup.roads.field import ArrivalField, Seeds
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import Profile, profiles_of
from geo_backup.roads.punctuality import MINUTE_MS, Punctuality, Trust
from geo_backup.roads.snap import Target, snap_place
from geo_backup.roads.weights import Weights
from geo_backup.rules import Rules

BARE_KEPT = 8
"""Pages ask about the same few incidents again and again."""


@dataclass(slots=True)
class Front:
    """One way of driving as it is now: its weights poured into the hierarchy, and the fields that stand on them."""

    driving: Driving
    metric: Metric
    probe: Probe
    blocks: list[Lanes]


@dataclass(slots=True)
class _Stand:
    """Where an incident's field lies."""

    place: tuple[float, float, str]
    target: Target
    around: frozenset[str]
    """Closures that the incident lies in, whatever its profile."""
    waived: frozenset[str]
    """Those of them that hold: they may be driven into on the last stretch."""
    seeds: Seeds
    block: Lanes
    lane: int
    field: ArrivalField | None = None
    copy: ArrivalField | None = None


class Standing:
    """The fleet's table and the incidents' fields; see the module."""

    def __init__(
        self, network: RoadNetwork, rules: Rules | None = None, profiles: Mapping[str, Profile] | None = None
    ) -> None:
        self.network = network
        self.profiles = profiles_of(network) if profiles is None else profiles
        self.table = UnitTable(network, rules or Rules())
        self._view: View | None = None
        self._obstacles = Obstacles(network)
        self._fronts: dict[str, Front] = {}
        self._stands: dict[str, _Stand | None] = {}
        """None: on no road."""
        self._bare: deque[ArrivalField] = deque(maxlen=BARE_KEPT)
        self._trust: dict[tuple[str, str], tuple[Punctuality, int, Trust]] = {}

    def update(self, view: View) -> None:
        """Take in what changed. Fields follow when they are next read."""
        if view.rules is not self.table.rules and view.rules != self.table.rules:
            rows = list(self.table.rows.values())
            self.table = UnitTable(self.network, view.rules)
            self.table.expect(view.turnouts)
            self.table.put(rows)
            # horizon and snapping may be others
            self._stands.clear()
            self._fronts.clear()
            self._trust.clear()
        self.table.expect(view.turnouts)
        self.table.put(view.units, view.gone)
        for incident_id in [known for known in self._stands if known not in view.incidents]:
            self._let_go(incident_id)
        over, begun = self._obstacles.follow(view.closures, view.speeds)
        if over or begun:
            stands = [stand for stand in self._stands.values() if stand is not None]
            found = self._obstacles.around_each(begun, [stand.target for stand in stands])
            for n, stand in enumerate(stands):
                stand.around = (stand.around - over) | found.get(n, frozenset())
        self._view = view

    def is_open(self, incident_id: str) -> bool:
        """Whether the incident is open in the last view."""
        return incident_id in self.now.incidents

    def field(self, incident_id: str) -> ArrivalField | None:
        """The incident's field, right for the last view and until the next; None when the incident is on no road.

        Raises `KeyError` when the incident is not open in that view.
        """
        stand = self._stand(incident_id)
        if stand is None:
            return None
        if stand.field is None:
            stand.field = ArrivalField(
                stand.block.metric.weights, stand.target, stand.block.horizon_ms, stand.seeds,
                stand.block.values, stand.lane,
            )  # fmt: skip
        return stand.field

    def field_to_keep(self, incident_id: str) -> ArrivalField | None:
        """The same as a copy that stays as it is; the same copy as long as nothing has changed."""
        field, stand = self.field(incident_id), self._stands[incident_id]
        if field is None or stand is None:
            return None
        if stand.copy is None:
            stand.copy = replace(field, values=np.ascontiguousarray(field.values[:, field.lane, None]), lane=0)
        return stand.copy

    def waived(self, incident_id: str) -> frozenset[str]:
        """Closures that the incident lies in, and that may be driven into on the last stretch to it. Raises as `field`
        does."""
        stand = self._stand(incident_id)
        return frozenset() if stand is None else stand.waived

    def bare_field(self, field: ArrivalField) -> ArrivalField:
        """A standing field as if there were no closures and no traffic."""
        target, weights = field.target, field.weights.bare or field.weights
        for known in self._bare:
            if known.target is target and known.weights is weights:
                break
        else:
            known = ArrivalField.build(weights, target, field.horizon_ms)
            self._bare.append(known)
        return known

    def weights(self, profile: str) -> Weights:
        """Weights of a profile with the closures in force."""
        return self.front(profile).driving.weights

    def profile(self, name: str) -> Profile:
        """The profile of that name; `response` where its file has gone since: somebody waits for that ranking."""
        return self.profiles.get(name) or self.profiles["response"]

    @property
    def now(self) -> View:
        """The last view."""
        if self._view is None:
            raise RuntimeError("update() with a view comes first")
        return self._view

    def taught(self, profile: str) -> Taught | None:
        """What drives have taught of a profile, as of the last view."""
        if self._view is None:
            return None
        return Taught.of(self._view.pace, self.profile(profile), self.table.rules.pace)

    def trust(self, profile: str, agency: str = "") -> Trust:
        """How far the times of a profile can be trusted, by how drives kept them; `agency` assumes as its rules do."""
        rules = self.table.rules
        eta_cv, punctuality = rules.of(agency).backup.eta_cv, self.now.punctuality.get(profile)
        if punctuality is None or not rules.pace.learn:
            return Trust.assumed(eta_cv)
        minute, known = self.now.as_of_ms // MINUTE_MS, self._trust.get((profile, agency))
        if known is None or known[0] is not punctuality or known[1] != minute:
            known = punctuality, minute, punctuality.trust(self.now.as_of_ms, rules.pace, eta_cv)
            self._trust[profile, agency] = known
        return known[2]

    def front(self, profile: str) -> Front:
        """A profile's front, brought up to the hour, the pace, the closures and the traffic of the last view."""
        as_of_ms = None if self._view is None else self._view.as_of_ms
        taught = self.taught(profile)
        front = self._fronts.get(profile)
        if front is None:
            driving = Driving(self._obstacles, self.profile(profile), as_of_ms, taught)
            metric = Metric(driving.weights)
            front = self._fronts[profile] = Front(driving, metric, Probe(metric), [])
        elsewhere = front.driving.follow(as_of_ms, taught)
        if elsewhere is None:
            return front
        weights = front.driving.weights
        change = front.metric.adopt(weights)
        for stand in self._stands.values():
            if stand is None or stand.place[2] != profile:
                continue
            stand.field = stand.copy = None
            # from the seeds' edges one is on the last stretch: nothing further away has a part in it
            near = elsewhere[stand.seeds.edge].any() or elsewhere[list(stand.target.edges)].any()
            if near or stand.waived != stand.around.intersection(front.driving.holding):
                stand.waived, last_stretch = front.driving.last_stretch(stand.around)
                stand.seeds = Seeds.of(weights, stand.target, last_stretch)
                stand.block.put(stand.lane, stand.seeds.edge, stand.seeds.ms)
        for block in front.blocks:
            block.follow(change)
        return front

    def _stand(self, incident_id: str) -> _Stand | None:
        incident = self.now.incidents[incident_id]
        front = self.front(incident.profile)
        place = (incident.lon, incident.lat, incident.profile)
        stand = self._stands.get(incident_id)
        if stand is None or stand.place != place:
            try:
                target = snap_place(self.network, incident.lon, incident.lat, self.table.rules.snap)
            except OutsideMapError:
                self._let_go(incident_id)
                self._stands[incident_id] = None
                return None
            around = self._obstacles.around(target)
            waived, last_stretch = front.driving.last_stretch(around)
            seeds = Seeds.of(front.metric.weights, target, last_stretch)
            if stand is None or stand.place[2] != incident.profile:
                self._let_go(incident_id)
                block, lane = self._room(front)
            else:
                block, lane = stand.block, stand.lane
            stand = self._stands[incident_id] = _Stand(place, target, around, waived, seeds, block, lane)
            block.put(lane, seeds.edge, seeds.ms)
        stand.block.settle()
        return stand

    def _room(self, front: Front) -> tuple[Lanes, int]:
        """A free lane, in a new block when all are taken."""
        for block in front.blocks:
            if block.free:
                return block, block.free[0]
        front.blocks.append(Lanes(front.metric, self.table.rules.limit.horizon_ms))
        return front.blocks[-1], 0

    def _let_go(self, incident_id: str) -> None:
        """Free an incident's lane, and memory that no incident is in."""
        stand = self._stands.pop(incident_id, None)
        if stand is not None:
            stand.block.drop(stand.lane)
            if len(stand.block.free) == LANES:
                blocks = self._fronts[stand.place[2]].blocks
                blocks[:] = [block for block in blocks if block is not stand.block]
