"""The report on responses: timelines told in words, times worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from geo_backup import events as ev
from geo_backup.audit.report import Group, ResponseReport, nearest_rank, report, wilson
from geo_backup.audit.responses import Response, read_responses
from geo_backup.audit.tables import print_report
from geo_backup.backup.answer import Answer
from geo_backup.backup.question import Weighed
from geo_backup.errors import BadValueError
from geo_backup.events import Event
from geo_backup.wire import decisions
from tests.stories import any_story, ms, opened, part, ping, status, unit

ETAS = (("P1", 100_000), ("P2", 200_000))


def responses(*story: Event) -> tuple[Response, ...]:
    return read_responses(enumerate(story, start=1)).responses


def told(*story: Event, **how: Any) -> ResponseReport:
    return report(read_responses(enumerate(story, start=1)), **how)


def recommended(incident_id: str, s: float, *etas: tuple[str, int]) -> ev.BackupRecommended:
    """The first answer to an incident, as of second `s`."""
    return ev.BackupRecommended(
        event_id=f"{incident_id}:first", received_ms=ms(s), incident_id=incident_id, as_of_seq=1, as_of_ms=ms(s),
        network_id="n", weights_id="w", rules_id="r", software_version="1", candidates=etas,
    )  # fmt: skip


def decided(incident_id: str, s: float, *chosen: tuple[str, int], name: str = "d1", **more: Any) -> ev.DecisionMade:
    """A decision as of second `s`."""
    return ev.DecisionMade(
        event_id=name, received_ms=ms(s), incident_id=incident_id, request_id="q", as_of_seq=1, as_of_ms=ms(s),
        mode="immediate", software_version="1", network_id="n", weights_id="w", rules_id="r",
        first=chosen, chosen=chosen, **more,
    )  # fmt: skip


def went(incident_id: str, unit_id: str, *s: float, **sent: Any) -> list[Event]:
    """A unit is assigned, acknowledges, rolls and arrives, at these seconds."""
    states: tuple[ev.AssignmentState, ...] = ("assigned", "acknowledged", "en_route", "on_scene")
    first, *rest = zip(states, s, strict=False)
    return [part(incident_id, unit_id, *first, **sent), *(part(incident_id, unit_id, *step) for step in rest)]


def in_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.received_ms)


FLEET = [unit("P1"), unit("P2"), unit("P3")]
TWO_UNITS = [
    *FLEET,
    opened("i1", 10),
    recommended("i1", 11, *ETAS),
    *in_order([*went("i1", "P1", 40, 45, 70, 330), *went("i1", "P2", 80, 90, 160, 400)]),
    ev.IncidentClosed(received_ms=ms(900), incident_id="i1"),
]


def times(group: Group, name: str) -> tuple[int, float | None, float | None]:
    segment = group.segments[name]
    return segment.count, segment.median_s, segment.p90_s


def test_two_units_of_one_incident() -> None:
    found = told(*TWO_UNITS)
    assert found.all.responses == 2
    assert found.all.excluded == {}
    assert times(found.all, "recommend") == (2, 1.0, 1.0)
    assert times(found.all, "process") == (2, 30.0, 70.0)
    assert times(found.all, "acknowledge") == (2, 5.0, 10.0)
    assert times(found.all, "turnout") == (2, 30.0, 80.0)
    assert times(found.all, "travel") == (2, 240.0, 260.0)
    assert times(found.all, "response") == (2, 290.0, 320.0)
    assert times(found.all, "total") == (2, 320.0, 390.0)
    assert [found.all.segments[name].within for name in ("process", "turnout", "travel")] == [1, 1, 1]
    assert found.all.segments["travel"].targets_s == (240.0, 480.0), "of the first unit there, and of the second"
    assert found.all.segments["response"].interval is None, "it has no target"
    assert {k: row["total"].median_s for k, row in found.all.kth.items()} == {"1": 320.0, "2": 390.0}
    assert (found.first_request, found.last_request) == ("2023-11-14T22:13:30.000Z",) * 2


def test_the_first_unit_is_the_one_that_is_there_first() -> None:
    late = [*went("i1", "P1", 40, 45, 70, 500), *went("i1", "P2", 80, 90, 160, 400)]
    found = told(*FLEET, opened("i1", 10), *in_order(late)).all
    assert {k: row["total"].median_s for k, row in found.kth.items()} == {"1": 390.0, "2": 490.0}
    assert {k: row["travel"].within for k, row in found.kth.items()} == {"1": 1, "2": 1}
    assert {k: row["travel"].targets_s for k, row in found.kth.items()} == {"1": (240.0,), "2": (480.0,)}


def test_backup_counts_from_its_own_request() -> None:
    asked = ev.BackupRequested(received_ms=ms(300), incident_id="i1", mode="immediate", event_id="q")
    first, second = responses(
        *FLEET, opened("i1", 10), recommended("i1", 11, *ETAS), *went("i1", "P1", 40, 45, 70, 200),
        asked, decided("i1", 302, ("P2", 90_000)), *went("i1", "P2", 310, 315, 320, 400, decision_id="d1"),
    )  # fmt: skip
    assert first.at_ms["requested"] == ms(10)
    assert (second.at_ms["requested"], second.at_ms["recommended"]) == (ms(300), ms(302))
    (third,) = responses(*FLEET, opened("i1", 10), recommended("i1", 11), asked, part("i1", "P1", "assigned", 310))
    assert "recommended" not in third.at_ms, "the first look came before the request"


def test_what_is_left_out_is_counted_by_reason() -> None:
    drill = [opened("drill", 20, exercise=True, apart=True), *went("drill", "P1", 30, 31, 40, 50)]
    planned = [opened("post", 60, plan_id="march"), *went("post", "P1", 70, 71, 80, 90)]
    found = told(
        *FLEET, unit("P4"), unit("P5"), unit("P6"), *drill, *planned,
        ev.IncidentClosed(received_ms=ms(95), incident_id="post"),
        opened("i1", 100),
        part("i1", "P1", "assigned", 110), part("i1", "P1", "en_route", 120), part("i1", "P1", "cancelled", 130),
        part("i1", "P2", "assigned", 140), part("i1", "P2", "on_scene", 200),
        part("i1", "P3", "assigned", 150), part("i1", "P3", "en_route", 145), part("i1", "P3", "on_scene", 9_000),
        part("i1", "P4", "assigned", 160), part("i1", "P4", "cleared", 170),
        part("i1", "P5", "assigned", 180), part("i1", "P5", "en_route", 190),
        part("i1", "P6", "assigned", 99),
    ).all  # fmt: skip
    assert (found.responses, found.excluded) == (8, {"cancelled": 1, "exercise": 1, "planned": 1})
    excluded = {name: segment.excluded for name, segment in found.segments.items()}
    assert excluded == {
        "recommend": {"no_stamps": 5},
        "process": {"negative": 1},
        "acknowledge": {"no_stamps": 4, "under_way": 1},
        "turnout": {"negative": 1, "no_stamps": 2, "under_way": 1},
        "travel": {"no_stamps": 2, "too_long": 1, "under_way": 2},
        "response": {"no_stamps": 1, "too_long": 1, "under_way": 2},
        "total": {"no_stamps": 1, "too_long": 1, "under_way": 2},
    }
    assert all(s.count + sum(s.excluded.values()) == 5 for s in found.segments.values())


def test_a_declared_arrival_counts_before_one_seen_from_positions() -> None:
    story = [
        unit("P1"), ping("P1", 0), opened("i1", 1), part("i1", "P1", "assigned", 2),
        *(ping("P1", s, speed_mps=0.0) for s in (10, 15, 20)),
    ]  # fmt: skip
    (seen,) = responses(*story)
    assert (seen.at_ms["on_scene"], seen.by_avl) == (ms(20), True)
    assert told(*story).all.arrivals_by_avl == 1
    (declared,) = responses(*story, status("P1", "on_scene", 26))
    assert (declared.at_ms["on_scene"], declared.by_avl) == (ms(26), False)
    (again,) = responses(*story, status("P1", "on_scene", 26), part("i1", "P1", "on_scene", 40))
    assert again.at_ms["on_scene"] == ms(26)


def test_a_unit_taken_for_a_worse_call_and_one_sent_again() -> None:
    taken, sent, again = responses(
        unit("P1"), opened("i1", 0), opened("i2", 5),
        part("i1", "P1", "assigned", 10), part("i2", "P1", "assigned", 20, preempt=True),
        part("i2", "P1", "cleared", 30), part("i1", "P1", "assigned", 40), part("i1", "P1", "on_scene", 60),
        ev.UnitRetired(received_ms=ms(70), unit_id="P1"),
    )  # fmt: skip
    assert [one.ended for one in (taken, sent, again)] == ["cancelled", "cleared", "cancelled"]
    assert again.at_ms == {"requested": ms(0), "assigned": ms(40), "on_scene": ms(60)}
    assert taken.at_ms == {"requested": ms(0), "assigned": ms(10)}


def test_how_good_the_etas_were() -> None:
    """P1 is 190 s late, 290 s for 100; P2 120 s, 320 s for 200. The 80 % interval is the ETA times or by 1.371."""
    eta = told(*TWO_UNITS).all.eta
    assert (eta.count, eta.bias_s, eta.mae_s, eta.p90_abs_s) == (2, 155.0, 155.0, 190.0)
    assert (eta.median_abs_share, eta.p90_abs_share) == (0.6, 1.9)
    assert eta.within_80_share == 0.0
    early = [*FLEET, opened("i1", 0), recommended("i1", 1, *ETAS), *went("i1", "P1", 10, 11, 12, 90)]
    eta = told(*early, *went("i1", "P2", 130, 140, 150, 400), *went("i1", "P3", 410)).all.eta
    assert (eta.count, eta.bias_s, eta.mae_s, eta.within_80_share) == (1, -20.0, 20.0, 1.0)
    assert eta.excluded == {"no_prediction": 1, "old_prediction": 1}, "P2 was sent 129 s after the first look"


def test_overrides_with_their_reasons_and_their_etas_on_record() -> None:
    units = (Weighed("P3", rank=1, eta_ms=150_000), Weighed("P9"))
    answer = decisions.pack(decisions.dump(Answer("i1", "r1", "immediate", 1, ms(1), (), units=units)))
    found = told(
        *FLEET, unit("P4"), unit("P5"), opened("i1", 0), decided("i1", 1, *ETAS, answer=answer),
        *went("i1", "P1", 10, 12, 15, 130, decision_id="d1"),
        *went("i1", "P3", 20, 21, 22, 180, decision_id="d1", reason="knows the house"),
        part("i1", "P4", "assigned", 30, decision_id="d1"),
        part("i1", "P5", "assigned", 30),
    ).all  # fmt: skip
    overrides = found.overrides
    assert (overrides.sent, overrides.on_a_decision, overrides.not_recommended) == (4, 3, 2)
    assert overrides.reasons == {"knows the house": 1, "no reason given": 1}
    assert (found.eta.count, found.eta.bias_s) == (2, 15.0), "20 s late and 10 s late"
    assert found.eta.excluded == {"no_prediction": 2}
    damaged = told(
        *FLEET, opened("i1", 0), decided("i1", 1, *ETAS, answer="torn"), *went("i1", "P3", 9, decision_id="d1")
    ).all
    assert (damaged.eta.excluded, damaged.overrides.not_recommended) == ({"no_prediction": 1}, 1)


def test_split_by_priority_hour_and_agency() -> None:
    other = replace(unit("F1"), agency="fire", kind="engine")
    story = [
        unit("P1"), other, opened("i1", 0, priority=1), *went("i1", "P1", 5, 6, 7, 100),
        opened("i2", 3_600, priority=3), *went("i2", "F1", 3_610, 3_611, 3_680, 3_700),
    ]  # fmt: skip
    by = {how: told(*story, by=how).groups for how in ("priority", "agency", "hour")}
    assert {how: list(groups) for how, groups in by.items()} == {
        "priority": ["1", "3"],
        "agency": ["fire", "police"],
        "hour": ["22", "23"],
    }
    assert list(told(*story, by="hour", zone=ZoneInfo("Europe/Stockholm")).groups) == ["00", "23"]
    turnout = by["agency"]["fire"].segments["turnout"]
    assert (turnout.median_s, turnout.targets_s, turnout.within) == (70.0, (80.0,), 1), "fire crews have 80 s"
    assert by["agency"]["police"].segments["turnout"].targets_s == (60.0,)
    with pytest.raises(BadValueError, match="--by is one of priority, hour, agency, not 'beat'"):
        told(*story, by="beat")


def test_the_rules_in_force_at_the_end_are_the_targets() -> None:
    adopted = ev.RulesAdopted(received_ms=ms(950), rules={"report": {"travel_first_ms": 300_000, "share": 0.8}})
    found = told(*TWO_UNITS, adopted)
    assert found.all.segments["travel"].within == 2
    assert found.target_share == 0.8


def test_a_log_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = told()
    assert (found.all.responses, found.groups, found.first_request) == (0, {}, None)
    print_report(found)
    assert "0 responses" in capsys.readouterr().out


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_interval_is_wilsons(count: int, share: float) -> None:
    hits = round(share * count)
    want = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson(hits, count) == pytest.approx((want.low, want.high), abs=1e-6)


def test_nearest_rank_is_a_time_that_happened() -> None:
    ten = [float(n) for n in range(10, 101, 10)]
    assert (nearest_rank(ten, 0.5), nearest_rank(ten, 0.9), nearest_rank([*ten, 110.0], 0.9)) == (50.0, 90.0, 100.0)


@given(any_story())
def test_any_log_can_be_reported_on(story: list[Event]) -> None:
    found = told(*story, by="priority")
    counted = found.all.responses - sum(found.all.excluded.values())
    for segment in found.all.segments.values():
        assert segment.count + sum(segment.excluded.values()) == counted
        assert 0 <= segment.within <= segment.count
    assert sum(group.responses for group in found.groups.values()) == found.all.responses
    orjson.dumps(found)
