"""Plans as documents: as they were made, and with a schedule who leaves when."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup import live_map
from geo_backup.backup.plan import Schedule
from geo_backup.backup.readings import Times, times
from geo_backup.wire.documents.incidents import Need, need, needs
from geo_backup.wire.times import to_text


class Post(TypedDict):
    """A place of a plan, and what it needs."""

    post_id: str
    lon: float
    lat: float
    needs: list[Need]
    arrive_by: str


class Scheduled(TypedDict):
    """A unit that a plan sends to a post."""

    post_id: str
    unit_id: str
    fills: list[str]
    turnout_s: float
    eta_s: float
    p90_s: float
    leave_time: str
    arrive_by: str
    late: bool


class Unmet(Need):
    """What nobody fills at a post."""

    post_id: str


class HourOfCover(TypedDict):
    """What the city pays for a plan within an hour."""

    hour: str
    cover: float
    cover_without: float


class Plan(TypedDict):
    """A plan; its schedule is told with one plan, and not in the list."""

    plan_id: str
    name: str
    kind: Literal["operation", "presence"]
    state: str
    approved_by: str
    arrive_by: str
    ends: str
    priority: int
    several: bool
    agency: str
    note: str
    exercise: bool
    posts: list[Post]
    schedule: NotRequired[list[Scheduled]]
    unmet: NotRequired[list[Unmet]]
    off_map: NotRequired[list[str]]
    proven: NotRequired[bool]
    times: NotRequired[Times]
    cover_by_hour: NotRequired[list[HourOfCover]]


class PlanList(TypedDict):
    """All plans, without their schedules."""

    plans: list[Plan]


def plan(plan: live_map.Plan, schedule: Schedule | None = None) -> Plan:
    """A plan as it was made and where it stands; with a schedule who leaves when, and what the city pays by hour."""
    made = plan.made
    document: Plan = {
        "plan_id": made.plan_id,
        "name": made.name,
        "kind": made.kind,
        "state": plan.state,
        "approved_by": plan.approved_by,
        "arrive_by": to_text(made.arrive_by_ms),
        "ends": to_text(made.ends_ms),
        "priority": made.priority,
        "several": made.several,
        "agency": made.agency,
        "note": made.note,
        "exercise": made.exercise,
        "posts": [
            {
                "post_id": post.post_id,
                "lon": post.lon,
                "lat": post.lat,
                "needs": needs(post.needs),
                "arrive_by": to_text(post.arrive_by_ms or made.arrive_by_ms),
            }
            for post in made.posts
        ],
    }
    if schedule is None:
        return document
    return {
        **document,
        "schedule": [
            {
                "post_id": place.post_id,
                "unit_id": place.unit_id,
                "fills": list(place.fills),
                "turnout_s": place.turnout_ms / 1000,
                "eta_s": place.drive_ms / 1000,
                "p90_s": place.p90_ms / 1000,
                "leave_time": to_text(place.leave_ms),
                "arrive_by": to_text(place.arrive_by_ms),
                "late": place.late,
            }
            for place in schedule.places
        ],
        "unmet": [{**need(missing), "post_id": post_id} for post_id, missing in schedule.unmet],
        "off_map": list(schedule.off_map),
        "proven": schedule.proven,
        "times": times(schedule.trust),
        "cover_by_hour": [
            {"hour": to_text(hour.hour_ms), "cover": hour.cover, "cover_without": hour.cover_without}
            for hour in schedule.hours
        ],
    }
