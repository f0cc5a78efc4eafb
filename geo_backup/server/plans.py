"""Plans over HTTP: made, approved by a supervisor, activated into incidents with their units, or cancelled."""

from __future__ import annotations

from geo_backup.backup.plan import Schedule, schedule
from geo_backup.backup.readings import off_road_m
from geo_backup.errors import OutsideMapError, UnknownIdError
from geo_backup.events import (
    AssignmentChanged,
    BackupRequested,
    Event,
    IncidentOpened,
    PlanActivated,
    PlanApproved,
    PlanCancelled,
    PlanMade,
    Post,
)
from geo_backup.live_map import Plan
from geo_backup.node import Node
from geo_backup.server.answers import listed, told
from geo_backup.server.given import PlanId, TheNode, routes_of
from geo_backup.server.problems import bad_value, may
from geo_backup.server.speaker import named, own_agency
from geo_backup.server.writes import ask, new_id, record
from geo_backup.wire import documents
from geo_backup.wire.requests import ByWhom, NewPlan, PlanReason
from geo_backup.wire.told import Told

AHEAD_MAX_MS = 366 * 86_400_000

routes = routes_of("Plans")


@routes.post("/plans", status_code=201, responses=may(409, 429, also={200: "Made anew; it needs approval anew."}))
async def make_plan(node: TheNode, body: NewPlan) -> Told[documents.Plan]:
    """Think backup out beforehand: posts with what each needs, and by when. The same id again makes it anew (200),
    and it needs approval anew."""
    now_ms = node.clock.now_ms()
    if not now_ms < body.arrive_by <= now_ms + AHEAD_MAX_MS:
        raise bad_value("/arrive_by", "range", "lies in the future, at most a year ahead")
    if not body.arrive_by < body.ends <= body.arrive_by + AHEAD_MAX_MS:
        raise bad_value("/ends", "range", "lies after arrive_by, at most a year")
    posts = _posts(node, body, now_ms)
    plan_id = body.plan_id or new_id("plan")
    status = 200 if plan_id in node.live_map.plans else 201
    await record(
        node,
        PlanMade(
            event_id=new_id("plan-made"),
            received_ms=now_ms,
            plan_id=plan_id,
            name=body.name,
            kind=body.kind,
            arrive_by_ms=body.arrive_by,
            ends_ms=body.ends,
            posts=posts,
            priority=body.priority,
            several=body.several,
            agency=body.agency or own_agency(),
            note=body.note,
            exercise=body.exercise,
        ),
    )
    plan = _plan_of(node, plan_id)
    return told(documents.plan(plan, await _scheduled(node, plan)), status)


@routes.get("/plans")
async def list_plans(node: TheNode) -> Told[documents.PlanList]:
    """All plans, without their schedules."""
    return await listed(node, "plans", {"plans": []}, lambda: map(documents.plan, list(node.live_map.plans.values())))


@routes.get("/plans/{plan_id}", responses=may(404))
async def get_plan(node: TheNode, plan_id: PlanId) -> Told[documents.Plan]:
    """A plan with its schedule as of now: who leaves when, what nobody fills, what the city pays by hour."""
    plan = _plan_of(node, plan_id)
    if plan.state not in ("draft", "approved"):
        return told(documents.plan(plan))
    found = await node.questions.ask(("plan", plan_id), lambda: _scheduled(node, _plan_of(node, plan_id)))
    return told(documents.plan(plan, found))


@routes.post("/plans/{plan_id}/approve", responses=may(404, 409))
async def approve_plan(node: TheNode, plan_id: PlanId, body: ByWhom) -> Told[documents.Plan]:
    """A supervisor says yes; only then it can be activated."""
    event = PlanApproved(
        event_id=new_id("plan-approved"), received_ms=node.clock.now_ms(), plan_id=plan_id, by=named(body.by)
    )
    await record(node, event)
    return told(documents.plan(_plan_of(node, plan_id)))


@routes.post("/plans/{plan_id}/activate", responses=may(404, 409, 429))
async def activate_plan(node: TheNode, plan_id: PlanId) -> Told[documents.Plan]:
    """The plan begins: each post becomes an incident, and the scheduled units are assigned, all or nothing."""
    begun = PlanActivated(event_id=new_id("activated"), received_ms=node.clock.now_ms(), plan_id=plan_id)
    ask(node, begun)  # before its schedule is worked out
    plan = _plan_of(node, plan_id)
    found = await _scheduled(node, plan)
    await record(node, *_begun(plan, found, begun.received_ms), begun)
    return told(documents.plan(_plan_of(node, plan_id), found))


@routes.post("/plans/{plan_id}/cancel", responses=may(404, 409))
async def cancel_plan(node: TheNode, plan_id: PlanId, body: PlanReason) -> Told[documents.Plan]:
    """The plan is given up; one that is active goes on as the incidents it opened."""
    event = PlanCancelled(
        event_id=new_id("plan-cancelled"),
        received_ms=node.clock.now_ms(),
        plan_id=plan_id,
        reason=body.reason,
    )
    await record(node, event)
    return told(documents.plan(_plan_of(node, plan_id)))


def _plan_of(node: Node, plan_id: str) -> Plan:
    plan = node.live_map.plans.get(plan_id)
    if plan is None:
        raise UnknownIdError(f"there is no plan {plan_id!r}")
    return plan


async def _scheduled(node: Node, plan: Plan) -> Schedule:
    closures = node.live_map.closures.values()
    then = {c.closure_id: c.added for c in closures if c.in_force(plan.made.arrive_by_ms - 1)}
    return await node.read_field(lambda now: schedule(now, plan.made, then))


def _posts(node: Node, body: NewPlan, now_ms: int) -> tuple[Post, ...]:
    """The posts of a new plan, each with its way from the road."""
    posts, names = [], set[str]()
    for n, post in enumerate(body.posts):
        if post.post_id in names:
            raise bad_value(f"/posts/{n}/post_id", "twice", "each post has a name of its own in the plan")
        names.add(post.post_id)
        if post.arrive_by is not None and not now_ms < post.arrive_by < body.ends:
            raise bad_value(f"/posts/{n}/arrive_by", "range", "lies in the future and before the plan's end")
        try:
            off_road = off_road_m(node.network, node.live_map.rules.snap, post.lon, post.lat)
        except OutsideMapError as error:
            raise bad_value(f"/posts/{n}{error.field}", error.reason, str(error)) from None
        needs = tuple(need.as_need() for need in post.needs)
        posts.append(Post(post.post_id, post.lon, post.lat, needs, post.arrive_by, off_road))
    return tuple(posts)


def _begun(plan: Plan, found: Schedule, now_ms: int) -> list[Event]:
    """The facts of the posts of a plan that begins. That it has begun is said after them."""
    made, out = plan.made, list[Event]()
    for post in made.posts:
        incident_id = f"{made.plan_id}.{post.post_id}"
        out.append(
            IncidentOpened(
                event_id=new_id("opened"),
                received_ms=now_ms,
                incident_id=incident_id,
                lon=post.lon,
                lat=post.lat,
                priority=made.priority,
                kind=made.name[:64],
                note=made.note,
                profile="routine",
                exercise=made.exercise,
                apart=made.exercise,
                off_road_m=post.off_road_m,
                agency=made.agency,
                plan_id=made.plan_id,
            )
        )
        out.append(
            BackupRequested(
                event_id=new_id("backup"),
                received_ms=now_ms,
                incident_id=incident_id,
                requirement=post.needs,
                mode="strategic",
                several=made.several,
                arrive_by_ms=post.arrive_by_ms or made.arrive_by_ms,
            )
        )
    for place in found.places:
        out.append(
            AssignmentChanged(
                event_id=new_id("assigned"),
                received_ms=now_ms,
                incident_id=f"{made.plan_id}.{place.post_id}",
                unit_id=place.unit_id,
                state="assigned",
                at_ms=now_ms,
                reason=f"plan {made.plan_id}",
            )
        )
    return out
