"""What may not be is said before it is: `refusal` and `apply` are of one mind, whatever the story."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.events import (
    BackupRequested,
    Event,
    IncidentClosed,
    PlanActivated,
    PositionReported,
    RulesAdopted,
)
from geo_backup.live_map import LiveMap, apply, refusal, refusals
from geo_backup.wire import checkpoint
from tests.rounds import rounds
from tests.stories import any_event, any_story, desk_story, fold, opened, part, ping, told, unit

FIXES_THAT_MOVE_NOTHING = ("null_island", "future", "duplicate", "older_fix", "inaccurate", "jump")
"""By contract such positions are logged: they are ignored, not refused."""


@given(any_story() | desk_story())
@settings(max_examples=rounds(300), deadline=None)
def test_what_is_refused_changes_nothing_and_what_is_not_is_not_ignored(story: list[Event]) -> None:
    live_map = LiveMap()
    for seq, event in enumerate(story, 1):
        before = checkpoint.dump(live_map)
        reason = refusal(live_map, event)
        assert checkpoint.dump(live_map) == before, "a question changes nothing"
        ignored = apply(live_map, seq, event).ignored
        if reason is not None:
            assert ignored == reason
            live_map.seq = seq - 1
            assert checkpoint.dump(live_map) == before
            live_map.seq = seq
        elif isinstance(event, PositionReported):
            assert ignored is None or ignored in FIXES_THAT_MOVE_NOTHING
        else:
            assert ignored is None


@given(any_story(), st.lists(any_event(), min_size=2, max_size=6))
@settings(max_examples=rounds(200), deadline=None)
def test_asking_for_several_changes_nothing_and_begins_with_what_stands(story: list[Event], batch: list[Event]) -> None:
    live_map = fold(story)
    before = checkpoint.dump(live_map)
    reason = refusal(live_map, *batch)
    assert checkpoint.dump(live_map) == before
    if (first := refusal(live_map, batch[0])) is not None:
        assert reason == first


def test_several_know_the_units_and_incidents_that_the_first_of_them_make() -> None:
    live_map = fold([unit("P1"), opened("i1"), part("i1", "P1", "assigned", 1)])
    assert refusal(live_map, ping("P2", 1)) == "unknown_unit"
    assert refusal(live_map, unit("P2"), ping("P2", 1)) is None
    assert refusal(live_map, opened("i2"), part("i2", "P2", "assigned", 2)) == "unknown_unit"
    assert refusal(live_map, opened("i2"), part("i2", "P1", "assigned", 2)) == "assigned_elsewhere"
    drill = opened("i2", exercise=True, apart=True)
    assert refusal(live_map, drill, part("i2", "P1", "assigned", 2)) is None
    assert refusal(live_map, opened("i2"), unit("P2"), part("i2", "P2", "assigned", 2)) is None
    assert refusal(live_map, opened("i2"), opened("i2")) == "id_taken"
    few = RulesAdopted(received_ms=1, rules={"limit": {"open_incidents": 2}})
    told(live_map, few)
    assert refusal(live_map, opened("i2")) is None
    assert refusal(live_map, opened("i2"), opened("i3")) == "too_many_incidents"
    assert refusal(live_map, opened("i2"), PlanActivated(received_ms=1, plan_id="e1")) == "unknown_plan"
    assert refusal(live_map) is None


def test_each_of_several_has_its_own_reason() -> None:
    live_map = fold([unit("P1")])
    reasons = refusals(
        live_map, ping("P2", 1), unit("P2"), ping("P2", 1), part("i1", "P1", "assigned", 1), ping("P1", 1)
    )
    assert reasons == ["unknown_unit", None, None, "unknown_incident", None]
    told(live_map, RulesAdopted(received_ms=1, rules={"limit": {"units": 1}}))
    assert refusals(live_map, unit("P2"), ping("P2", 1)) == ["too_many_units", "unknown_unit"], "which nobody made"


def test_the_first_reason_is_told() -> None:
    live_map = fold([opened("i1"), IncidentClosed(received_ms=1, incident_id="i1")])
    asked = BackupRequested(received_ms=2, incident_id="i1")
    assert refusal(live_map, asked, replace(asked, incident_id="i9")) == "incident_closed"
    assert refusal(live_map, replace(asked, incident_id="i9"), asked) == "unknown_incident"
    assert refusal(live_map, Event(received_ms=1)) == "unknown_kind"
