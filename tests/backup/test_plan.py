"""A plan's schedule, on the roads as they will be then."""

from __future__ import annotations

from typing import Any

from geo_backup.backup.plan import Schedule, schedule
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import ClosureAdded, Need, PlanMade, Post
from tests.backup.test_policy import beats
from tests.backup.test_ranking import XY, Scene, river
from tests.roads.tiny import place
from tests.stories import ms

HOUR_S = 3_600


def scheduled(scene: Scene, *posts: tuple[XY, Need], closures: dict[str, ClosureAdded] | None = None) -> Schedule:
    """Two hours ahead."""
    standing = Standing(scene.network)
    standing.update(view(scene.live_map, ms(1)))
    made: dict[str, Any] = {"plan_id": "p", "name": "March", "kind": "operation", "received_ms": ms(1)}
    plan = PlanMade(
        **made,
        arrive_by_ms=ms(2 * HOUR_S),
        ends_ms=ms(3 * HOUR_S),
        posts=tuple(Post(f"post-{n}", *place(*at), (need,)) for n, (at, need) in enumerate(posts)),
    )
    return schedule(standing, plan, closures or {})


def test_a_closure_that_will_hold_then_makes_the_way_longer() -> None:
    scene = Scene(river())
    scene.unit("a", (1900, 0))
    (before,) = scheduled(scene, ((100, 150), Need("any"))).places
    assert before.leave_ms == before.arrive_by_ms - before.p90_ms - before.turnout_ms
    corners = [place(*at) for at in ((1950, 50), (2050, 50), (2050, 100), (1950, 100), (1950, 50))]
    shut = ClosureAdded(
        received_ms=ms(0), closure_id="bridge", geometry={"type": "Polygon", "coordinates": [corners]}
    )  # fmt: skip
    cut_off = scheduled(scene, ((100, 150), Need("any")), closures={"bridge": shut})
    assert not cut_off.places
    assert [need.capability for _, need in cut_off.unmet] == ["any"]


def test_two_posts_leave_the_beat_its_floor_together() -> None:
    scene = Scene(river())
    beats(scene, west=1, east=0)
    for unit_id, x in (("w1", 100), ("w2", 200), ("e", 1900)):
        scene.unit(unit_id, (x, 0))
    found = scheduled(scene, ((300, 0), Need("any")), ((400, 0), Need("any")))
    assert len({one.unit_id for one in found.places} & {"w1", "w2"}) == 1
    assert not found.unmet
    assert scheduled(scene, ((300, 0), Need("any", 3))).unmet[0][1].count == 1


def test_of_units_that_the_city_can_do_without_alike_the_nearer_goes() -> None:
    """Both are there in time by far; names and calls of this shift do not decide."""
    scene = Scene(river())
    for unit_id, x in (("a-far", 1900), ("b-near", 400), ("c-further", 2000)):
        scene.unit(unit_id, (x, 0))
    assert [one.unit_id for one in scheduled(scene, ((300, 0), Need("any"))).places] == ["b-near"]
    both = scheduled(scene, ((1950, 0), Need("any")), ((420, 0), Need("any"))).places
    assert {one.post_id: one.unit_id for one in both} == {"post-0": "a-far", "post-1": "b-near"}
