"""A plan's schedule: who goes to which post, scheduled backwards from when they must be there, and what the city pays.

    leave = arrive by - P90 of the drive - P90 of the turnout

Worked out from where the units are now; whoever looks again nearer the time sees it as it is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from geo_backup.backup.choice import Request
from geo_backup.backup.city import city_now
from geo_backup.backup.demand import week_hour
from geo_backup.backup.driving import Driving, Obstacles, Taught
from geo_backup.backup.exact import exact
from geo_backup.backup.odds import p90_ms
from geo_backup.backup.question import fleet_of
from geo_backup.backup.standing import Standing
from geo_backup.errors import OutsideMapError
from geo_backup.events import ClosureAdded, Need, PlanMade
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.pace import MINUTE_MS
from geo_backup.roads.punctuality import Trust
from geo_backup.roads.snap import snap_place

HOUR_MS = 3_600_000
EQUAL_COVER = 1_000
"""Millionths of demand: of units whose loss differs by less the nearer goes."""
HOURS_MAX = 48
"""Hours of a plan of which the city's cover is told."""


class Place(NamedTuple):
    """One unit's part: when it must leave to be at its post in time nine times of ten; late: it no longer can."""

    post_id: str
    unit_id: str
    fills: tuple[str, ...]
    turnout_ms: int
    drive_ms: int
    p90_ms: int
    leave_ms: int
    arrive_by_ms: int
    late: bool


class HourOfCover(NamedTuple):
    """The city's cover in an hour of the plan, with the units where they are, and without those of the plan."""

    hour_ms: int
    cover: float
    cover_without: float


class Schedule(NamedTuple):
    """Who goes where and when; what nobody fills; what it costs the city, hour by hour."""

    places: tuple[Place, ...]
    unmet: tuple[tuple[str, Need], ...]
    """(post, what is missing there)."""
    hours: tuple[HourOfCover, ...]
    off_map: tuple[str, ...]
    """Posts that no road is near."""
    proven: bool
    trust: Trust
    """How far the drives' times can be trusted."""


def schedule(standing: Standing, plan: PlanMade, closures: Mapping[str, ClosureAdded]) -> Schedule:
    """The best set for all posts together: everybody who is surely there in time is as good as any other, so the city
    decides among them, and of those that it can do without alike the nearer goes; only free units are asked, and beats
    keep their floors.

    `closures` are those that will be in force when units drive there.
    """
    table, rules, now = standing.table, standing.table.rules.of(plan.agency), standing.now
    city = city_now(standing)
    turnout_ms = table.turnout_p90_ms.astype(np.int64)
    obstacles = Obstacles(standing.network)
    # speeds that are measured now say nothing of then
    obstacles.follow(closures)
    profile, there_ms = standing.profile("routine"), plan.arrive_by_ms - 1
    # what was learned of now is forgotten by then
    paces = {name: pace.at(there_ms // MINUTE_MS, rules.pace) for name, pace in now.pace.items()}
    driving = Driving(obstacles, profile, there_ms, Taught.of(paces, profile, rules.pace))
    trust = standing.trust("routine", plan.agency)
    starts = table.starts(driving.weights, now.as_of_ms)

    def surely_ms(drive_ms: Array) -> Array:
        return trust.within_ms(drive_ms)[1] if trust.measured else p90_ms(drive_ms, rules.backup.eta_cv)

    requests, drives, posts, off_map = [], [], [], []
    for post in plan.posts:
        try:
            target = snap_place(standing.network, post.lon, post.lat, rules.snap)
        except OutsideMapError:
            off_map.append(post.post_id)
            continue
        field_ms = driving.field_to(target, rules.limit.horizon_ms).read(starts)[0]
        drive_ms = np.where(field_ms < INF_MS, trust.eta_ms(field_ms), INF_MS)
        spare_ms = (post.arrive_by_ms or plan.arrive_by_ms) - now.as_of_ms
        late_ms = np.maximum(surely_ms(drive_ms) + turnout_ms - spare_ms, 0)
        cost = np.where(city.free & (drive_ms < INF_MS), np.minimum(late_ms, INF_MS - 1), INF_MS)
        nobody = np.zeros(len(table.ids), np.int64)
        requests.append(Request(post.post_id, plan.priority, post.needs, plan.several, cost, nobody, True, drive_ms))
        drives.append(drive_ms)
        posts.append(post)
    fleet = fleet_of(table, city)
    # so far ahead small differences of cover are none, and calls of this shift do not count
    fleet = fleet._replace(cover_lost=fleet.cover_lost // EQUAL_COVER, workload=np.zeros_like(fleet.workload))
    choice = exact(requests, fleet, rules.backup.bucket_ms)
    places, unmet, taken = [], [], []
    for post, request, drive_ms, sent in zip(posts, requests, drives, choice.sent, strict=True):
        by_ms = post.arrive_by_ms or plan.arrive_by_ms
        for unit in sent:
            drive, turnout = int(drive_ms[unit.row]), int(turnout_ms[unit.row])
            surely = int(surely_ms(np.array([drive]))[0])
            leave_ms = by_ms - surely - turnout
            fills = tuple(request.needs[i].capability for i in unit.fills)
            late = leave_ms < now.as_of_ms
            places.append(
                Place(post.post_id, table.ids[unit.row], fills, turnout, drive, surely, leave_ms, by_ms, late)
            )
            taken.append(unit.row)
        for i, need in enumerate(post.needs):
            missing = need.count - sum(i in unit.fills for unit in sent)
            if missing > 0:
                unmet.append((post.post_id, need._replace(count=missing)))
    places.sort(key=lambda place: (place.leave_ms, place.post_id, place.unit_id))
    hours = []
    first_ms = plan.arrive_by_ms // HOUR_MS * HOUR_MS
    for n in range(min(HOURS_MAX, max(1, -(-(plan.ends_ms - first_ms) // HOUR_MS)))):
        hour_ms = first_ms + n * HOUR_MS
        demand = city.city.demand.forecast(week_hour(hour_ms, standing.network.area.timezone))[city.city.kept]
        cover = city.cover(plan.agency, demand)
        hours.append(HourOfCover(hour_ms, cover.value(), cover.value() - cover.price(taken)))
    return Schedule(tuple(places), tuple(unmet), tuple(hours), tuple(off_map), choice.proven, trust)
