"""Fleet: simulated police, fire and ambulance vehicles that drive the network, report positions and go where they are
sent.

They do what an ETA takes for granted: who is sent pulls over until the turnout is over, turns round at once where that
is quicker, drives by the weights of the field that the ranking was read from, and says when it is there, the walk from
the road to the place included. Nothing else is varied, so an ETA that is off here is wrong in itself. Real crews vary.

Time comes in with every call and chance from one seeded generator, so the same calls give the same events.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from geo_backup.errors import OutsideMapError
from geo_backup.events import AssignmentChanged, AssignmentState, Event, Fix, PositionReported, UnitRegistered
from geo_backup.geodesy import bearing_deg
from geo_backup.live_map import Incident, LiveMap
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import FRACTION_ONE, TURN_KIND_MASK, EdgeFlag, RoadNetwork, TurnKind, WayClass
from geo_backup.roads.profile import CLOSED_MS, ROUTINE, profiles_of
from geo_backup.roads.snap import snap_place, snap_units
from geo_backup.roads.weights import Weights, weigh

POLICE, FIRE, EMS = "demo-police", "demo-fire", "demo-ems"
ROLES: dict[int, tuple[str, str, tuple[str, ...]]] = {
    3: (POLICE, "patrol", ("patrol", "k-9")),
    4: (FIRE, "engine", ("engine",)),
    5: (EMS, "ambulance", ("ALS", "BLS")),
    6: (POLICE, "supervisor", ("patrol", "supervisor")),
    9: (POLICE, "patrol", ("patrol", "SWAT", "breaching")),
    12: (FIRE, "ladder", ("ladder", "rescue")),
    13: (POLICE, "patrol", ("patrol", "k-9", "k-9:explosive")),
    14: (FIRE, "engine", ("engine",)),
    15: (EMS, "ambulance", ("BLS",)),
    16: (POLICE, "patrol", ("patrol", "EOD")),
    19: (POLICE, "patrol", ("patrol", "negotiator")),
    21: (FIRE, "chief", ("battalion chief",)),
}
"""Agency, kind and capabilities of every vehicle by its number in each twenty, as the shipped run cards ask for them;
the others are patrols. Numbers from 20 on come once."""
LETTER = {POLICE: "P", FIRE: "F", EMS: "M"}
PATROL = (POLICE, "patrol", ("patrol",))
PING_MS = 3_000
ACKNOWLEDGE_MS = 2_000
REPLAN_MS = 5_000
"""A vehicle without a way to its incident looks for one again after this."""
FIELD_WAIT_MS = 500
NOISE_M = 3.0
NOISE_KEPT = 0.8
"""Share of a receiver's error that is still there in its next fix: real GPS wanders, it does not jitter."""
BEAT_M = 2_500.0
LONGEST_STEP_MS = 600_000
"""A vehicle drives on at most this long after a call, however late the next one comes."""
LINES_KEPT = 20_000

# How much a patrol likes each class of road: through streets now and then, yards and motorways hardly ever.
LIKED = {
    WayClass.MOTORWAY: 0.15,
    WayClass.MOTORWAY_LINK: 0.15,
    WayClass.TRUNK: 0.4,
    WayClass.TRUNK_LINK: 0.4,
    WayClass.PRIMARY: 1.0,
    WayClass.PRIMARY_LINK: 0.8,
    WayClass.SECONDARY: 1.3,
    WayClass.SECONDARY_LINK: 0.8,
    WayClass.TERTIARY: 1.2,
    WayClass.TERTIARY_LINK: 0.8,
    WayClass.UNCLASSIFIED: 0.8,
    WayClass.RESIDENTIAL: 0.7,
    WayClass.LIVING_STREET: 0.1,
    WayClass.SERVICE: 0.02,
    WayClass.TRACK: 0.0,
}

CallField = Callable[[str], ArrivalField | None]


@dataclass(slots=True)
class _Vehicle:
    unit_id: str
    edge: int
    done_ms: float
    """Driving time already spent on the edge."""
    at_ms: int
    next_ping_ms: int
    home: tuple[float, float]
    wait_ms: float = 0.0
    """Left of the turn in front, at the end of the edge."""
    noise_m: tuple[float, float] = (0.0, 0.0)
    incident_id: str | None = None
    acknowledge_ms: int = 0
    roll_ms: int = 0
    replan_ms: int = 0
    field: ArrivalField | None = None
    way: list[int] = dataclasses.field(default_factory=list)
    """Edges still ahead, the next one last."""
    stop_fraction: int = FRACTION_ONE
    """Where on the way's last edge the vehicle is to stop ..."""
    walk_ms: int = 0
    """... and how long the crew then walks."""
    stopped_ms: int | None = None
    """When it stopped there."""
    pulled_over: bool = False
    """It was sent, and waits for the end of its turnout."""
    parked: bool = False
    responding: bool = False


def role(n: int) -> tuple[str, str, tuple[str, ...]]:
    """Agency, kind and capabilities of the n-th vehicle."""
    return ROLES.get(n) or ROLES.get(n % 20, PATROL)


class Fleet:
    """`count` vehicles on a network; `tick` moves them and says what they report.

    `field_for(incident_id)` lends the fields that the rankings are read from, so that vehicles obey closures as
    their ETAs do; without it the fleet builds its own, with no closures.
    """

    def __init__(
        self,
        network: RoadNetwork,
        count: int,
        seed: int,
        start_ms: int,
        *,
        ping_ms: int = PING_MS,
        field_for: CallField | None = None,
    ) -> None:
        self.network = network
        self.ping_ms = ping_ms
        self.field_for = field_for
        self.patrol_weights: Weights = weigh(network, ROUTINE)
        """May be replaced by weights with closures; patrols then turn off before them."""
        self._random = np.random.default_rng(seed)
        self._own_weights: dict[str, Weights] = {}
        self._own_fields: dict[str, tuple[tuple[float, float, str], ArrivalField | None]] = {}
        self._lines: dict[int, tuple[list[float], list[float], list[float]]] = {}
        self._leave_start, self._leave_turn = network.forward
        self._turn_to: Array = network.turn_to
        self._head: Array = network.edge_head
        self._length_m: Array = network.edge_length_m
        liked = np.full(256, 0.3)
        for klass, value in LIKED.items():
            liked[klass] = value
        flags = np.asarray(network.edge_flags)
        needed = int(EdgeFlag.MAIN | EdgeFlag.LEGAL)
        on_beat = ((flags & needed) == needed) & ((flags & int(EdgeFlag.PRIVATE | EdgeFlag.GATE)) == 0)
        self._liked: Array = np.where(on_beat, liked[np.asarray(network.way_class)[network.edge_way]], 0.0)
        chance = self._liked * self._length_m * (self.patrol_weights.shut == 0)
        if float(chance.sum()) <= 0.0:
            chance = np.asarray(self._length_m, np.float64)
        edges = self._random.choice(network.edges, count, p=chance / chance.sum())
        digits = max(2, len(str(count)))
        self._vehicles = [
            _Vehicle(
                unit_id=f"{LETTER[role(n)[0]]}-{n + 1:0{digits}d}",
                edge=int(edge),
                done_ms=float(self._random.random()) * float(self.patrol_weights.edge_ms[edge]),
                at_ms=start_ms,
                next_ping_ms=start_ms + n * ping_ms // max(count, 1),
                home=self._head_place(int(edge)),
            )
            for n, edge in enumerate(edges)
        ]

    def registrations(self, received_ms: int) -> list[UnitRegistered]:
        """The fleet's units, marked as simulated."""
        out = []
        for n, vehicle in enumerate(self._vehicles):
            agency, kind, capabilities = role(n)
            out.append(
                UnitRegistered(
                    event_id=f"simulated:{vehicle.unit_id}:{received_ms}",
                    received_ms=received_ms,
                    said_by="node",
                    unit_id=vehicle.unit_id,
                    callsign=vehicle.unit_id,
                    agency=agency,
                    kind=kind,
                    capabilities=capabilities,
                    source="simulated",
                )
            )
        return out

    def resume(self, live_map: LiveMap) -> None:
        """Put each vehicle where the live map last saw it, so that a restarted demo has no jumps."""
        known = [(v, u.fix) for v in self._vehicles if (u := live_map.units.get(v.unit_id)) is not None and u.fix]
        if not known:
            return
        lon, lat, course, speed = (
            np.array([np.nan if (x := getattr(f, name)) is None else x for _, f in known], np.float64)
            for name in ("lon", "lat", "course_deg", "speed_mps")
        )
        points = snap_units(self.network, lon, lat, course, speed, live_map.rules.snap)
        for n, (vehicle, _) in enumerate(known):
            edge = int(points.edge[n, 0])
            if edge >= 0:
                vehicle.edge, vehicle.home, vehicle.wait_ms = edge, self._head_place(edge), 0.0
                vehicle.done_ms = int(points.fraction[n, 0]) * int(self._edge_ms(vehicle)) / FRACTION_ONE

    def tick(self, now_ms: int, live_map: LiveMap) -> list[Event]:
        """Move on to `now_ms` and return what the vehicles report: pings that are due and answers to orders."""
        out: list[Event] = []
        for vehicle in self._vehicles:
            unit = live_map.units.get(vehicle.unit_id)
            incident_id = unit.incident_id if unit is not None else None
            if incident_id != vehicle.incident_id:
                self._advance(vehicle, now_ms)
                self._ordered(vehicle, incident_id, now_ms, live_map)
            if incident_id is not None:
                self._respond(vehicle, live_map, live_map.incidents[incident_id], now_ms, out)
            vehicle.parked = unit is not None and unit.status == "out_of_service"
            if now_ms >= vehicle.next_ping_ms:
                self._advance(vehicle, now_ms)
                out.append(self._ping(vehicle, now_ms))
                late = now_ms - vehicle.next_ping_ms
                vehicle.next_ping_ms += (late // self.ping_ms + 1) * self.ping_ms
        if len(self._own_fields) > len(live_map.incidents):
            self._own_fields = {k: v for k, v in self._own_fields.items() if k in live_map.incidents}
        return out

    # ---- orders

    def _ordered(self, vehicle: _Vehicle, incident_id: str | None, now_ms: int, live_map: LiveMap) -> None:
        vehicle.incident_id = incident_id
        self._forget_way(vehicle)
        vehicle.pulled_over = incident_id is not None
        if incident_id is not None:
            told_ms = live_map.incidents[incident_id].assignments[vehicle.unit_id].at_ms
            vehicle.acknowledge_ms = told_ms + ACKNOWLEDGE_MS
            vehicle.roll_ms = told_ms + live_map.rules.of(live_map.units[vehicle.unit_id].agency).turnout.mobile_ms
        vehicle.replan_ms = 0

    def _respond(self, vehicle: _Vehicle, live_map: LiveMap, incident: Incident, now_ms: int, out: list[Event]) -> None:
        assignment = incident.assignments[vehicle.unit_id]
        state = assignment.state
        if state == "assigned" and now_ms >= vehicle.acknowledge_ms:
            out.append(self._answer(vehicle, incident, "acknowledged", now_ms))
            vehicle.acknowledge_ms = now_ms + REPLAN_MS  # should the log not take it, say it again
        elif state == "acknowledged" and now_ms >= vehicle.roll_ms:
            out.append(self._answer(vehicle, incident, "en_route", now_ms))
            vehicle.roll_ms = now_ms + REPLAN_MS
            state = "en_route"
        if state in ("en_route", "on_scene"):
            self._advance(vehicle, now_ms)
            if now_ms >= vehicle.replan_ms and (found := self._field(live_map, incident)) is not vehicle.field:
                self._plan(vehicle, found, now_ms)
            there_ms = None if vehicle.stopped_ms is None else vehicle.stopped_ms + vehicle.walk_ms
            if there_ms is not None and now_ms >= there_ms and (state == "en_route" or assignment.said_by == "avl"):
                out.append(self._answer(vehicle, incident, "on_scene", there_ms))

    def _answer(self, vehicle: _Vehicle, incident: Incident, state: AssignmentState, now_ms: int) -> Event:
        return AssignmentChanged(
            event_id=f"simulated:{vehicle.unit_id}:{incident.incident_id}:{state}:{now_ms}",
            received_ms=now_ms,
            said_by="unit",
            incident_id=incident.incident_id,
            unit_id=vehicle.unit_id,
            state=state,
            at_ms=now_ms,
        )

    def _field(self, live_map: LiveMap, incident: Incident) -> ArrivalField | None:
        if self.field_for is not None:
            return self.field_for(incident.incident_id)
        key = (incident.lon, incident.lat, incident.profile)
        kept = self._own_fields.get(incident.incident_id)
        if kept is None or kept[0] != key:
            if incident.profile not in self._own_weights:
                self._own_weights[incident.profile] = weigh(self.network, profiles_of(self.network)[incident.profile])
            try:
                target = snap_place(self.network, incident.lon, incident.lat, live_map.rules.snap)
            except OutsideMapError:
                kept = (key, None)
            else:
                kept = (key, ArrivalField.build(self._own_weights[incident.profile], target))
            self._own_fields[incident.incident_id] = kept
        return kept[1]

    def _plan(self, vehicle: _Vehicle, found: ArrivalField | None, now_ms: int) -> None:
        """Take the fastest way to the incident, turning round first where that is faster and the street allows it."""
        if found is None:
            vehicle.replan_ms = now_ms + FIELD_WAIT_MS
            return
        fraction = self._fraction(vehicle)
        route, edge = found.route(vehicle.edge, fraction), vehicle.edge
        side = 0 if self.network.edge_against[edge] else 1
        other = int(self.network.piece_edges[self.network.edge_piece[edge], side])
        back, penalty_ms = None, found.weights.profile.u_turn_ms
        if other >= 0 and found.weights.shut[other] == 0:
            back = found.route(other, FRACTION_ONE - fraction)
        total_ms = None if route is None else route.drive_ms + route.last_leg_ms
        turned = back is not None and (total_ms is None or back.drive_ms + back.last_leg_ms + penalty_ms < total_ms)
        if turned:
            route, edge, fraction = back, other, FRACTION_ONE - fraction
        if route is None:
            # no way there: it patrols, and may find one from elsewhere or when a road opens
            self._forget_way(vehicle)
            vehicle.pulled_over = False
            vehicle.replan_ms = now_ms + REPLAN_MS
            return
        vehicle.field, vehicle.responding, vehicle.edge = found, True, edge
        vehicle.pulled_over, vehicle.stopped_ms = False, None
        vehicle.wait_ms = float(penalty_ms) if turned else 0.0
        vehicle.done_ms = fraction * self._edge_ms(vehicle) / FRACTION_ONE
        vehicle.way = [int(e) for e in route.edges[:0:-1]]
        target = found.target
        places = [
            (q, leg)
            for e, q, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True)
            if e == route.edges[-1]
        ]
        vehicle.stop_fraction, vehicle.walk_ms = min(places, key=lambda place: place[1], default=(FRACTION_ONE, 0))

    def _forget_way(self, vehicle: _Vehicle) -> None:
        """Back to patrol, at the same place: the routine takes another time for the same share of the edge."""
        fraction = self._fraction(vehicle)
        vehicle.field, vehicle.way, vehicle.responding, vehicle.stopped_ms = None, [], False, None
        vehicle.done_ms = fraction * self._edge_ms(vehicle) / FRACTION_ONE

    # ---- driving

    def _weights(self, vehicle: _Vehicle) -> Weights:
        return vehicle.field.weights if vehicle.responding and vehicle.field is not None else self.patrol_weights

    def _edge_ms(self, vehicle: _Vehicle) -> float:
        # on a closed edge it still takes its time to get off
        return max(float(self._weights(vehicle).edge_ms[vehicle.edge]), 1.0)

    def _fraction(self, vehicle: _Vehicle) -> int:
        return min(FRACTION_ONE, int(vehicle.done_ms * FRACTION_ONE / self._edge_ms(vehicle)))

    def _arrived(self, vehicle: _Vehicle) -> bool:
        return vehicle.responding and not vehicle.way and self._fraction(vehicle) >= vehicle.stop_fraction

    def _advance(self, vehicle: _Vehicle, now_ms: int) -> None:
        left = float(min(now_ms - vehicle.at_ms, LONGEST_STEP_MS))
        vehicle.at_ms = max(vehicle.at_ms, now_ms)
        if vehicle.parked or vehicle.pulled_over:
            return
        while left > 0.0:
            if vehicle.wait_ms > 0.0:
                spent = min(vehicle.wait_ms, left)
                vehicle.wait_ms -= spent
                left -= spent
                continue
            edge_ms = self._edge_ms(vehicle)
            end_ms = edge_ms
            if vehicle.responding and not vehicle.way:
                end_ms = edge_ms * vehicle.stop_fraction / FRACTION_ONE
                if vehicle.done_ms + left >= end_ms:
                    # a hair beyond, so that the fraction in whole parts counts as there
                    if vehicle.stopped_ms is None:
                        vehicle.stopped_ms = now_ms - int(left - max(0.0, end_ms - vehicle.done_ms))
                    vehicle.done_ms = max(vehicle.done_ms, end_ms + edge_ms / FRACTION_ONE)
                    return
            spent = min(end_ms - vehicle.done_ms, left)
            if spent < end_ms - vehicle.done_ms:
                vehicle.done_ms += spent
                return
            left -= max(spent, 0.0)
            if not self._turn(vehicle):
                vehicle.done_ms = edge_ms
                return

    def _turn(self, vehicle: _Vehicle) -> bool:
        """Enter the next edge; False at the end of the world."""
        weights, edge = self._weights(vehicle), vehicle.edge
        start, end = int(self._leave_start[edge]), int(self._leave_start[edge + 1])
        turns = [int(t) for t in self._leave_turn[start:end]]
        if vehicle.responding:
            follow = vehicle.way.pop()
            turn = next((t for t in turns if int(self._turn_to[t]) == follow), None)
            vehicle.wait_ms = 0.0 if turn is None else float(min(int(weights.turn_ms[turn]), 60_000))
            vehicle.edge, vehicle.done_ms = follow, 0.0
            return True
        chosen = self._choose(vehicle, turns, weights)
        if chosen is None:
            return False
        cost = int(weights.turn_ms[chosen])
        vehicle.wait_ms = float(cost) if cost < CLOSED_MS else 0.0
        vehicle.edge, vehicle.done_ms = int(self._turn_to[chosen]), 0.0
        return True

    def _choose(self, vehicle: _Vehicle, turns: list[int], weights: Weights) -> int | None:
        legal = [t for t in turns if weights.arc_ms[t] < CLOSED_MS]
        if not legal:
            # at the end of a closed or contraflow street any way out is better than none
            return turns[0] if turns else None
        if len(legal) == 1:
            return legal[0]
        home_lon, home_lat = vehicle.home
        per_lon, per_lat = self.network.metres_per_deg
        lon, lat = self._head_place(vehicle.edge)
        away_m = float(np.hypot((lon - home_lon) * per_lon, (lat - home_lat) * per_lat))
        wishes = []
        for turn in legal:
            edge = int(self._turn_to[turn])
            wish = float(self._liked[edge]) + 1e-6
            kind = int(self.network.turn_facts[turn]) & TURN_KIND_MASK
            if kind == TurnKind.U_TURN:
                wish *= 0.005
            elif kind <= TurnKind.SLIGHT_RIGHT:
                wish *= 2.5
            if away_m > BEAT_M:
                next_lon, next_lat = self._head_place(edge)
                closer = np.hypot((next_lon - home_lon) * per_lon, (next_lat - home_lat) * per_lat) < away_m
                wish *= 3.0 if closer else 1.0
            wishes.append(wish)
        pick = float(self._random.random()) * sum(wishes)
        for turn, wish in zip(legal, wishes, strict=True):
            pick -= wish
            if pick <= 0.0:
                return turn
        return legal[-1]

    # ---- reporting

    def _ping(self, vehicle: _Vehicle, now_ms: int) -> PositionReported:
        lon, lat, course = self._place(vehicle)
        east, north = (
            NOISE_KEPT * old + float(self._random.normal(0.0, NOISE_M * (1.0 - NOISE_KEPT**2) ** 0.5))
            for old in vehicle.noise_m
        )
        vehicle.noise_m = (east, north)
        per_lon, per_lat = self.network.metres_per_deg
        speed = float(self._length_m[vehicle.edge]) * 1000.0 / self._edge_ms(vehicle)
        if vehicle.parked or vehicle.pulled_over or self._arrived(vehicle) or vehicle.wait_ms > 2_500.0:
            speed = 0.0
        elif vehicle.wait_ms > 0.0:
            speed = min(speed, 2.5)
        return PositionReported(
            received_ms=now_ms,
            said_by="unit",
            unit_id=vehicle.unit_id,
            fix=Fix(
                now_ms,
                round(lon + east / per_lon, 6),
                round(lat + north / per_lat, 6),
                round(speed, 1),
                round(course, 1) % 360.0,
                4.0,
            ),
        )

    def _head_place(self, edge: int) -> tuple[float, float]:
        head = int(self._head[edge])
        return float(self.network.junction_lon_e7[head]) / 1e7, float(self.network.junction_lat_e7[head]) / 1e7

    def _place(self, vehicle: _Vehicle) -> tuple[float, float, float]:
        """Lon, lat and course of a vehicle on its edge."""
        lon, lat, share = self._line(vehicle.edge)
        at = self._fraction(vehicle) / FRACTION_ONE
        i = min(max(bisect_right(share, at) - 1, 0), len(share) - 2)
        span = share[i + 1] - share[i]
        part = (at - share[i]) / span if span > 0.0 else 0.0
        course = float(bearing_deg(lon[i], lat[i], lon[i + 1], lat[i + 1]))
        return lon[i] + part * (lon[i + 1] - lon[i]), lat[i] + part * (lat[i + 1] - lat[i]), course

    def _line(self, edge: int) -> tuple[list[float], list[float], list[float]]:
        """Vertices of an edge and the share of its length at which each lies; kept, since vehicles stay a while."""
        kept = self._lines.get(edge)
        if kept is None:
            line = self.network.edge_line(edge)
            per_lon, per_lat = self.network.metres_per_deg
            step = np.hypot(np.diff(line[:, 0]) * per_lon, np.diff(line[:, 1]) * per_lat)
            share = np.concatenate(([0.0], np.cumsum(step)))
            kept = (line[:, 0].tolist(), line[:, 1].tolist(), (share / max(float(share[-1]), 1e-9)).tolist())
            if len(self._lines) >= LINES_KEPT:
                self._lines.clear()
            self._lines[edge] = kept
        return kept
