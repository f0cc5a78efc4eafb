"""The fold, told as timelines (domain cases 4 and 5 among them), and what holds of every story."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.events import (
    BackupRecommended,
    BackupRequested,
    ClockTurned,
    ClosureAdded,
    ClosureLifted,
    EmergencyAcknowledged,
    EmergencyDeclared,
    Event,
    Fix,
    IncidentChanged,
    IncidentClosed,
    Need,
    NetworkAdopted,
    PositionReported,
    RulesAdopted,
    UnitRetired,
)
from geo_backup.live_map import NOTHING, OPEN_STATES, Delta, LiveMap, apply, freshness, incidents
from geo_backup.rules import FreshnessRules, Rules
from geo_backup.wire import checkpoint, facts
from tests.rounds import rounds
from tests.stories import any_story, desk_story, fold, ms, opened, part, ping, status, tell, told, unit

GOLDEN = Path(__file__).parents[1] / "golden"


# ---- positions


def test_case_4_a_late_burst_of_buffered_fixes_does_not_move_the_marker() -> None:
    live_map = fold([unit("P1"), *(ping("P1", s, 10 * s) for s in range(0, 100, 5))])
    before = checkpoint.dump(live_map)
    burst = [ping("P1", s + 0.5, 10 * s, late_s=200) for s in range(94, -6, -1)]
    assert tell(live_map, *burst) == ["older_fix"] * 100
    assert tell(live_map, *reversed(burst)) == ["older_fix"] * 100
    live_map.seq -= 200
    assert checkpoint.dump(live_map) == before
    assert tell(live_map, ping("P1", 100, 1000)) == [None]


def test_case_5_a_device_from_the_future_cannot_freeze_itself() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    hours_ahead = replace(ping("P1", 7200), received_ms=ms(5))
    assert tell(live_map, hours_ahead) == ["future"]
    assert live_map.units["P1"].fix == ping("P1", 0).fix
    # 25 s ahead is believed, but does not make the next twenty good ones late, nor look like a leap back
    ahead = [replace(ping("P1", s + 25, 15 * s), received_ms=ms(s)) for s in (6, 8, 10)]
    good = [ping("P1", s, 15 * s) for s in range(12, 52, 2)]
    assert tell(live_map, *ahead, *good) == [None] * 23
    assert live_map.units["P1"].fix == good[-1].fix


def test_an_unknown_unit_and_a_duplicate_and_a_vague_fix_move_nothing() -> None:
    live_map = fold([unit("P1")])
    assert tell(live_map, ping("P2", 1), ping("P1", 1), ping("P1", 1, late_s=9)) == ["unknown_unit", None, "duplicate"]
    assert tell(live_map, ping("P1", 2, accuracy_m=201.0), ping("P1", 3, accuracy_m=200.0)) == ["inaccurate", None]
    assert "P2" not in live_map.units


def test_a_single_leap_is_held_and_forgotten() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    assert tell(live_map, ping("P1", 5, 9000), ping("P1", 10, 50), ping("P1", 15, 9000)) == ["jump", None, "jump"]
    assert live_map.units["P1"].fix == ping("P1", 10, 50).fix


def test_a_leap_is_believed_after_three_fixes_that_agree() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    assert tell(live_map, *(ping("P1", s, 9000 + s) for s in (1, 2, 3, 4))) == ["jump", "jump", None, None]
    # three that do not agree are three leaps
    wild = [ping("P1", 5, 20_000), ping("P1", 6, 40_000), ping("P1", 7, 60_000), ping("P1", 8, 60_001)]
    assert tell(live_map, *wild) == ["jump"] * 4
    assert tell(live_map, ping("P1", 9, 60_002)) == [None]


def test_a_leap_is_held_no_longer_than_thirty_seconds() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    story = [ping("P1", 10, 20_000), ping("P1", 20, 40_000), ping("P1", 29.9, 60_000), ping("P1", 30, 80_000)]
    assert tell(live_map, *story) == ["jump", "jump", "jump", None]


def test_a_held_fix_told_again_later_says_nothing_about_those_after_it() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    first, second, third = ping("P1", 2, 20_000), ping("P1", 4, 40_000), ping("P1", 5, 40_010)
    assert tell(live_map, first, second, first, third) == ["jump"] * 4
    assert tell(live_map, ping("P1", 6, 40_020)) == [None]


HERE = NetworkAdopted(received_ms=1, network_id="n1", area="x", software_version="1", extent=(11.9, 57.6, 12.1, 57.8))
GUINEA = replace(HERE, extent=(-0.2, -0.2, 0.2, 0.2))


def elsewhere(s: float, lon: float, lat: float, **more: Any) -> PositionReported:
    return replace(ping("P1", s), fix=Fix(ms(s), lon, lat, **more))


@pytest.mark.parametrize(
    ("lon", "lat"), [(0.0, 0.0), (-0.0, 0.0), (0.0, 0.003), (-0.002, 0.002), (0.004, -0.004), (1e-9, -1e-9)]
)
def test_null_island_is_never_the_place_of_a_unit(lon: float, lat: float) -> None:
    live_map = fold([HERE, unit("P1"), ping("P1", 0)])
    assert tell(live_map, *(elsewhere(s, lon, lat) for s in (5, 10, 15, 60, 600))) == ["null_island"] * 5
    assert live_map.units["P1"].fix == ping("P1", 0).fix
    assert tell(live_map, ping("P1", 20), ping("P1", 25)) == [None, None], "the next true fixes are taken"
    # nor is it the first place of one that was never seen
    live_map = fold([HERE, unit("P1")])
    assert tell(live_map, elsewhere(5, lon, lat), ping("P1", 10)) == ["null_island", None]


def test_null_island_is_a_place_where_the_map_holds_it_and_in_logs_that_do_not_say() -> None:
    for adopted in (GUINEA, replace(HERE, extent=None)):
        live_map = fold([adopted, unit("P1")])
        assert tell(live_map, elsewhere(5, 0.0, 0.0)) == [None]
        assert not live_map.units["P1"].off_map


def test_consistent_fixes_elsewhere_win_and_are_marked_off_the_map() -> None:
    live_map = fold([HERE, unit("P1"), ping("P1", 0)])
    away = [elsewhere(s, 13.4, 52.5 + s / 1e4) for s in (5, 10, 15, 20)]
    assert [told(live_map, event) for event in away[:2]] == [Delta(ignored="jump")] * 2
    assert told(live_map, away[2]) == Delta(units=("P1",), positions=("P1",))
    assert told(live_map, away[3]) == Delta(positions=("P1",))
    assert live_map.units["P1"].off_map
    back = [ping("P1", s) for s in (25, 30, 35)]
    assert [told(live_map, event).units for event in back] == [(), (), ("P1",)]
    assert not live_map.units["P1"].off_map
    # a true aid unit from outside: its first fix is believed
    assert told(fold([HERE, unit("P1")]), away[0]) == Delta(units=("P1",), positions=("P1",))


@pytest.mark.parametrize(("lon", "off"), [(12.1, False), (12.115, False), (12.12, True), (11.87, True), (-168.0, True)])
def test_the_edge_of_the_map_is_a_kilometre_wide(lon: float, off: bool) -> None:
    live_map = fold([HERE, unit("P1")])
    assert tell(live_map, elsewhere(5, lon, 57.7)) == [None]
    assert live_map.units["P1"].off_map == off


@pytest.mark.parametrize(("generation", "kept"), [(0, 4), (1, 4), (2, 8)])
def test_the_last_few_fixes_and_parking_are_known(generation: int, kept: int) -> None:
    story = [unit("P1"), *(ping("P1", s, 20 * s, speed_mps=20.0) for s in range(9))]
    live_map = fold(story, LiveMap(generation=generation))
    assert [fix.fix_ms for fix in live_map.units["P1"].fixes] == [ms(s) for s in range(9 - kept, 9)]
    assert not live_map.units["P1"].parked
    tell(live_map, ping("P1", 10, 165, speed_mps=0.4))
    assert live_map.units["P1"].parked
    tell(live_map, ping("P1", 20, 300))
    assert not live_map.units["P1"].parked
    tell(live_map, ping("P1", 30, 310))
    assert live_map.units["P1"].parked


@pytest.mark.parametrize(
    ("age_s", "moving", "parked"),
    [
        (15, "live", "live"),
        (60, "delayed", "live"),
        (61, "stale", "delayed"),
        (301, "lost", "stale"),
        (1801, "lost", "lost"),
    ],
)
def test_freshness_by_age(age_s: int, moving: str, parked: str) -> None:
    assert freshness(age_s * 1000, False, FreshnessRules()) == moving
    assert freshness(age_s * 1000, True, FreshnessRules()) == parked


# ---- units, incidents, assignments


def test_a_backup_from_the_call_to_the_arrival_seen_by_avl() -> None:
    live_map = fold([unit("P1"), unit("P2"), opened("i1", off_road_m=20.0), ping("P1", 0, 1000, speed_mps=15.0)])
    story: list[Event] = [
        BackupRequested(received_ms=ms(1), incident_id="i1", requirement=(Need("police", 2),)),
        part("i1", "P1", "assigned", 2, reason="nearest"),
        part("i1", "P1", "en_route", 3),
        ping("P1", 40, 300, speed_mps=15.0),
        ping("P1", 60, 79, speed_mps=1.0),
        ping("P1", 65, 79, speed_mps=1.0),
    ]
    assert tell(live_map, *story) == [None] * 6
    assert live_map.units["P1"].status == "en_route"
    delta = told(live_map, ping("P1", 70, 78, speed_mps=0.0))
    assert delta.incidents == ("i1",)
    assert delta.positions == delta.units == ("P1",)
    there = live_map.incidents["i1"].assignments["P1"]
    assert (there.state, there.said_by, there.at_ms, there.reason) == ("on_scene", "avl", ms(70), "nearest")
    assert [(state, said_by) for state, _, said_by in there.history] == [
        ("assigned", "desk"),
        ("en_route", "desk"),
        ("on_scene", "avl"),
    ]
    assert live_map.units["P1"].status == "on_scene"
    assert live_map.incidents["i1"].requirement == (Need("police", 2),)
    delta = told(live_map, IncidentClosed(received_ms=ms(90), incident_id="i1"))
    assert (delta.incidents, delta.units) == (("i1",), ("P1",))
    assert (live_map.units["P1"].status, live_map.units["P1"].incident_id) == ("available", None)
    assert live_map.incidents["i1"].assignments["P1"].state == "cleared"
    assert live_map.open_incidents() == []
    late = [part("i1", "P2", "assigned", 91), IncidentClosed(received_ms=ms(92), incident_id="i1"), opened("i1", 93)]
    assert tell(live_map, *late) == ["incident_closed", "incident_closed", "id_taken"]


def test_driving_past_is_no_arrival() -> None:
    live_map = fold([unit("P1"), opened("i1"), part("i1", "P1", "assigned", 0)])
    tell(
        live_map, ping("P1", 1, 30, speed_mps=1.0), ping("P1", 8, 20, speed_mps=9.0), ping("P1", 12, 10, speed_mps=1.0)
    )
    tell(live_map, ping("P1", 20, 61, speed_mps=1.0), ping("P1", 25, 59, speed_mps=0.0))
    assert live_map.incidents["i1"].assignments["P1"].state == "assigned"
    tell(live_map, ping("P1", 35, 59, speed_mps=0.0))
    assert live_map.incidents["i1"].assignments["P1"].state == "on_scene"


def test_a_unit_is_in_one_place_unless_it_is_preempted() -> None:
    live_map = fold([unit("P1"), opened("i1"), opened("i2"), part("i1", "P1", "assigned", 1)])
    assert tell(live_map, part("i1", "P1", "assigned", 2), part("i2", "P1", "assigned", 2)) == [
        "already_here",
        "assigned_elsewhere",
    ]
    delta = told(live_map, part("i2", "P1", "assigned", 3, preempt=True))
    assert (delta.units, delta.incidents) == (("P1",), ("i1", "i2"))
    left = live_map.incidents["i1"].assignments["P1"]
    assert (left.state, left.reason) == ("cancelled", "pre-empted")
    assert live_map.units["P1"].incident_id == "i2"
    assert tell(live_map, part("i1", "P1", "en_route", 4)) == ["not_assigned"]


def test_a_unit_replaces_another() -> None:
    live_map = fold([unit("P1"), unit("P2"), unit("P3"), opened("i1"), part("i1", "P1", "en_route", 1)])
    assert tell(live_map, part("i1", "P1", "assigned", 1), part("i1", "P2", "assigned", 2, replaces="P3")) == [
        None,
        "replaces_nobody",
    ]
    tell(live_map, part("i1", "P1", "en_route", 2))
    delta = told(live_map, part("i1", "P2", "assigned", 3, replaces="P1"))
    assert delta.units == ("P1", "P2")
    assert (live_map.units["P1"].incident_id, live_map.units["P1"].status) == (None, "available")
    assert live_map.incidents["i1"].assignments["P1"].state == "cancelled"
    # and may come back
    assert tell(live_map, part("i1", "P1", "assigned", 4)) == [None]
    assert [state for state, *_ in live_map.incidents["i1"].assignments["P1"].history] == [
        "assigned",
        "en_route",
        "cancelled",
        "assigned",
    ]


def test_the_life_of_an_assignment_may_skip_states_but_begins_with_assigned() -> None:
    live_map = fold([unit("P1"), opened("i1")])
    assert tell(
        live_map,
        part("i1", "P1", "on_scene", 1),
        part("i1", "P9", "assigned", 1),
        part("i9", "P1", "assigned", 1),
        part("i1", "P1", "assigned", 1),
        part("i1", "P1", "on_scene", 2),
        part("i1", "P1", "cleared", 3),
        part("i1", "P1", "cleared", 4),
    ) == ["not_assigned", "unknown_unit", "unknown_incident", None, None, None, "not_assigned"]
    assert live_map.units["P1"].status == "available"


def test_what_a_unit_says_moves_its_assignment() -> None:
    live_map = fold([unit("P1"), opened("i1"), part("i1", "P1", "assigned", 1)])
    told(live_map, status("P1", "en_route", 2))
    assert live_map.incidents["i1"].assignments["P1"].history[-1] == ("en_route", ms(2), "unit")
    told(live_map, status("P1", "busy", 3))
    assert live_map.units["P1"].incident_id == "i1"
    assert tell(live_map, status("P1", "available", 2), status("P9", "busy", 3)) == ["older_status", "unknown_unit"]
    told(live_map, status("P1", "out_of_service", 4))
    assert (live_map.units["P1"].status, live_map.units["P1"].incident_id) == ("out_of_service", None)
    assert live_map.incidents["i1"].assignments["P1"].state == "cleared"


def test_the_officer_who_asks_is_not_their_own_backup_and_the_place_follows_them() -> None:
    live_map = fold([opened("i1", for_unit_id="P1", pinned=True), unit("P1"), ping("P1", 1)])
    assert tell(live_map, part("i1", "P1", "assigned", 2)) == ["requester"]
    delta = told(live_map, ping("P1", 6, 200))
    assert delta.incidents == ("i1",)
    assert live_map.incidents["i1"].lat == ping("P1", 6, 200).fix.lat
    told(live_map, IncidentChanged(received_ms=ms(7), incident_id="i1", pinned=False, priority=1, note="shots"))
    assert told(live_map, ping("P1", 8, 220)).incidents == ()
    incident = live_map.incidents["i1"]
    assert (incident.lat, incident.priority, incident.note) == (ping("P1", 6, 200).fix.lat, 1, "shots")
    # who was retired and came back is still the officer who asked
    told(live_map, IncidentChanged(received_ms=ms(9), incident_id="i1", pinned=True))
    tell(live_map, UnitRetired(received_ms=ms(10), unit_id="P1"), unit("P1", 11))
    assert told(live_map, ping("P1", 12, 300)).incidents == ("i1",)
    told(live_map, IncidentClosed(received_ms=ms(13), incident_id="i1"))
    assert told(live_map, ping("P1", 14, 310)).incidents == ()


def test_a_retired_unit_leaves_its_assignment_and_a_description_keeps_it() -> None:
    live_map = fold([unit("P1"), opened("i1"), ping("P1", 1), part("i1", "P1", "assigned", 2)])
    told(live_map, replace(unit("P1", 3), callsign="Adam 12", capabilities=("k9",)))
    kept = live_map.units["P1"]
    assert (kept.callsign, kept.capabilities, kept.incident_id, kept.fix) == (
        "Adam 12",
        ("k9",),
        "i1",
        ping("P1", 1).fix,
    )
    delta = told(live_map, UnitRetired(received_ms=ms(4), unit_id="P1"))
    assert (delta.units, delta.incidents) == (("P1",), ("i1",))
    assert live_map.units == {}
    assert live_map.incidents["i1"].assignments["P1"].state == "cancelled"
    again = [UnitRetired(received_ms=ms(5), unit_id="P1"), ping("P1", 6), part("i1", "P1", "cleared", 7)]
    assert tell(live_map, *again) == ["unknown_unit"] * 3


def test_closed_incidents_are_kept_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "CLOSED_INCIDENTS_KEPT", 3)
    live_map = fold([opened("open")])
    for n in range(6):
        tell(live_map, opened(f"i{n}"), IncidentClosed(received_ms=ms(n), incident_id=f"i{n}"))
    assert list(live_map.incidents) == ["open", "i3", "i4", "i5"]


# ---- closures, rules, network


def test_closures_are_in_force_between_their_times_until_lifted() -> None:
    road = ClosureAdded(received_ms=ms(0), closure_id="c1", geometry={"edges": [1]}, valid_from_ms=10, valid_to_ms=20)
    live_map = fold([road])
    assert [live_map.closures["c1"].in_force(at) for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert tell(live_map, road, ClosureLifted(received_ms=ms(1), closure_id="c1")) == ["id_taken", None]
    assert tell(live_map, ClosureLifted(received_ms=ms(1), closure_id="c1")) == ["unknown_closure"]
    assert live_map.closures == {}


def test_adopted_rules_are_the_rules_from_here_on() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    assert tell(live_map, RulesAdopted(received_ms=ms(1), rules={"fix": {"jump_mps": 5000}})) == [None]
    assert live_map.rules.rules_id == fold([], checkpoint.parse(checkpoint.dump(live_map))).rules.rules_id
    assert live_map.rules.rules_id != Rules().rules_id
    assert tell(live_map, ping("P1", 5, 9000)) == [None]
    for rules, why in (
        ({"wind": {}}, "unknown_rule"),
        ({"fix": {"speed": 1}}, "unknown_rule"),
        ({"fix": {"jump_mps": "fast"}}, "bad_rule"),
        ({"fix": {"jump_fixes": 2.5}}, "bad_rule"),
        ({"fix": {"kept": -1}}, "bad_rule"),
        ({"fix": {"kept": True}}, "bad_rule"),
        ({"fix": 7}, "fault"),
    ):
        bad: Any = rules
        assert tell(live_map, RulesAdopted(received_ms=ms(2), rules=bad)) == [why]
    assert live_map.rules.fix.jump_mps == 5000
    assert tell(live_map, RulesAdopted(received_ms=ms(3), rules={})) == [None]
    assert live_map.rules == Rules()
    ours = RulesAdopted(received_ms=ms(4), rules={"backup": {"first_wave": 2}}, agency="fire")
    assert tell(live_map, ours) == [None]
    assert (live_map.rules.backup.first_wave, live_map.rules.of("fire").backup.first_wave) == (5, 2)
    again = checkpoint.parse(checkpoint.dump(live_map)).rules
    assert (again, again.rules_id) == (live_map.rules, live_map.rules.rules_id)
    bare: Any = {"backup": {"bucket_ms": 0}}
    assert tell(live_map, RulesAdopted(received_ms=ms(5), rules=bare, agency="fire")) == ["bad_rule"]
    assert tell(live_map, RulesAdopted(received_ms=ms(6), rules={}, agency="fire")) == [None]
    assert live_map.rules == Rules()


def test_limits_refuse_what_is_too_much() -> None:
    few = RulesAdopted(received_ms=ms(0), rules={"limit": {"units": 1, "open_incidents": 1, "closures": 1}})
    live_map = fold([few, unit("P1"), opened("i1"), ClosureAdded(received_ms=1, closure_id="c1", geometry={})])
    more = [unit("P2"), opened("i2"), ClosureAdded(received_ms=1, closure_id="c2", geometry={}), unit("P1")]
    assert tell(live_map, *more) == ["too_many_units", "too_many_incidents", "too_many_closures", None]


def test_the_network_is_named_and_a_recommendation_is_only_kept() -> None:
    live_map = fold([NetworkAdopted(received_ms=1, network_id="n1", area="x", software_version="1"), opened("i1")])
    before = checkpoint.dump(live_map)
    shown = BackupRecommended(
        received_ms=1, incident_id="i1", as_of_seq=2, as_of_ms=1, network_id="n1", weights_id="w", rules_id="r",
        software_version="1", candidates=(("P1", 61_000),),
    )  # fmt: skip
    assert told(live_map, shown) == NOTHING
    assert live_map.network_id == "n1"
    live_map.seq -= 1
    assert checkpoint.dump(live_map) == before


def test_a_fault_leaves_the_map_as_it_was() -> None:
    live_map = fold([unit("P1"), opened("i1"), ping("P1", 1)])
    before = checkpoint.dump(live_map)
    broken: Any = [
        replace(ping("P1", 2), fix=None),
        replace(ping("P1", 2), fix=ping("P1", 2).fix._replace(lon="east")),
        replace(status("P1", "busy", 9), at_ms="now"),
        Event(received_ms=1),
    ]
    assert tell(live_map, *broken) == ["fault", "fault", "fault", "unknown_kind"]
    assert live_map.seq == 7
    live_map.seq = 3
    assert checkpoint.dump(live_map) == before


# ---- what holds of every story


@given(any_story() | desk_story())
@settings(max_examples=rounds(120), deadline=None)
def test_a_story_has_one_outcome_live_read_again_or_from_a_checkpoint(story: list[Event]) -> None:
    live = fold(story)
    data = checkpoint.dump(live)
    assert fold(story) == live
    assert checkpoint.dump(fold(story)) == data
    replayed = fold([facts.parse(facts.kind_of(event), facts.dump(event)) for event in story])
    assert replayed == live
    assert checkpoint.dump(replayed) == data
    assert checkpoint.parse(data) == live
    for middle in (len(story) // 3, 2 * len(story) // 3):
        resumed = checkpoint.parse(checkpoint.dump(fold(story[:middle])))
        assert checkpoint.dump(fold(story[middle:], resumed)) == data


@given(any_story() | desk_story())
@settings(max_examples=rounds(120), deadline=None)
def test_what_is_ignored_changes_nothing_and_the_parts_fit(story: list[Event]) -> None:
    live_map = LiveMap()
    for seq, event in enumerate(story, 1):
        before = checkpoint.dump(live_map)
        delta = apply(live_map, seq, event)
        assert delta.ignored != "fault" or not isinstance(event, PositionReported)
        if delta.ignored not in (None, "jump"):
            live_map.seq = seq - 1
            assert checkpoint.dump(live_map) == before
            live_map.seq = seq
    for unit_id, one in live_map.units.items():
        busy = [
            i.incident_id
            for i in live_map.open_incidents()
            if unit_id in i.assignments and i.assignments[unit_id].state in OPEN_STATES
        ]
        assert busy == ([one.incident_id] if one.incident_id else [])
        pinned = {i.incident_id for i in live_map.open_incidents() if i.pinned and i.for_unit_id == unit_id}
        assert set(one.pinned_by) == pinned
    for incident in live_map.incidents.values():
        working = {u for u, a in incident.assignments.items() if a.state in OPEN_STATES}
        assert working <= live_map.units.keys()
        assert incident.open or not working


@st.composite
def _track(draw: st.DrawFn) -> list[PositionReported]:
    """In order of time, with leaps and vague fixes."""
    s, pings = 0.0, []
    for _ in range(draw(st.integers(1, 20))):
        s += draw(st.sampled_from([1, 2, 5, 40]))
        north_m = draw(st.sampled_from([0.0, 30.0, 60.0, 20_000.0, 20_010.0, 90_000.0]))
        pings.append(ping("P1", s, north_m, accuracy_m=draw(st.sampled_from([None, 5.0, 500.0]))))
    return pings


@given(_track(), st.data())
@settings(max_examples=rounds(120), deadline=None)
def test_positions_delivered_again_change_nothing(track: list[PositionReported], data: st.DataObject) -> None:
    start: list[Event] = [unit("P1"), opened("i1"), part("i1", "P1", "assigned", 0)]
    doubled = list(start)
    for n, event in enumerate(track):
        doubled.append(event)
        doubled += data.draw(st.lists(st.sampled_from(track[: n + 1]), max_size=3))
    once, again = fold([*start, *track]), fold(doubled)
    again.seq = once.seq
    assert checkpoint.dump(again) == checkpoint.dump(once)


# ---- a clock that was ahead and is set right


HOUR_S = 3_600.0


def turned(s: float, was_s: float) -> ClockTurned:
    """The node's clock was at second `was_s` and is set to second `s`."""
    return ClockTurned(received_ms=ms(s), was_ms=ms(was_s))


def test_nobody_is_locked_out_by_what_was_written_with_a_clock_an_hour_ahead() -> None:
    live_map = fold([unit("P1", HOUR_S), unit("P2"), opened("i1", HOUR_S), part("i1", "P1", "assigned", HOUR_S)])
    # one device takes its time from the network and was wrong too, one has it from satellites
    fold([ping("P1", HOUR_S + 10, 500), replace(ping("P2", 10, 500), received_ms=ms(HOUR_S + 10))], live_map)
    fold([status("P1", "busy", HOUR_S + 11)], live_map)
    delta = told(live_map, turned(20, HOUR_S + 20))
    assert (delta.units, delta.incidents) == (("P1",), ("i1",))
    one, other = live_map.units["P1"], live_map.units["P2"]
    assert (one.order_ms, one.status_ms, one.fix) == (ms(10), ms(11), ping("P1", 10, 500).fix)
    assert (other.order_ms, other.fix) == (ms(10), ping("P2", 10, 500).fix)
    sent = live_map.incidents["i1"].assignments["P1"]
    assert (sent.at_ms, sent.history[0]) == (ms(0), ("assigned", ms(0), "desk"))
    # from here on everything is as always
    assert tell(live_map, ping("P1", 9), status("P1", "busy", 10)) == ["older_fix", "older_status"]
    assert tell(live_map, ping("P1", 21, 700), ping("P2", 21, 700), ping("P1", 22, 9_000)) == [None, None, "jump"]
    assert tell(live_map, status("P1", "en_route", 21), part("i1", "P1", "en_route", 22)) == [None, None]


def test_arrival_and_a_press_count_from_the_time_that_is_right() -> None:
    there = {"north_m": 20.0, "speed_mps": 0.0}
    live_map = fold([unit("P1", HOUR_S), opened("i1", HOUR_S), part("i1", "P1", "assigned", HOUR_S)])
    press = EmergencyDeclared(received_ms=ms(HOUR_S), emergency_id="e1", unit_id="P2", lon=11.97, lat=57.70)
    seen = EmergencyAcknowledged(received_ms=ms(HOUR_S + 5), emergency_id="e1", by="Kim")
    fold([unit("P2", HOUR_S), press, seen, ping("P1", HOUR_S + 1, **there), turned(6, HOUR_S + 6)], live_map)
    emergency = live_map.incidents["e1"].emergency
    assert emergency is not None
    fold([replace(press, received_ms=ms(20)), ping("P1", 8, **there)], live_map)
    assert not emergency.alarms, "the same press bouncing"
    assert live_map.incidents["i1"].assignments["P1"].state == "assigned"
    fold([replace(press, received_ms=ms(90)), ping("P1", 12, **there)], live_map)
    assert emergency.alarms
    assert live_map.incidents["i1"].assignments["P1"].state == "on_scene"


def test_a_clock_that_was_behind_moves_nothing() -> None:
    live_map = fold([unit("P1"), ping("P1", 0), status("P1", "busy", 1)])
    live_map.seq += 1
    before = checkpoint.dump(live_map)
    live_map.seq -= 1
    assert tell(live_map, turned(HOUR_S, 2)) == [None]
    assert checkpoint.dump(live_map) == before


# ---- for ever


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_golden_log_is_read_and_folded_for_ever(path: Path) -> None:
    """The last line holds the digest. If this fails, old logs fold otherwise: mend the code, never the file."""
    *lines, last = path.read_bytes().splitlines()
    live_map = LiveMap()
    for line in lines:
        entry = orjson.loads(line)
        delta = apply(live_map, entry["seq"], facts.parse(entry["kind"], orjson.dumps(entry["body"])))
        assert delta.ignored == entry.get("ignored")
    assert checkpoint.digest(live_map) == orjson.loads(last)["digest"]


def test_a_device_ahead_of_the_time_moves_by_every_fix_of_its_batch() -> None:
    live_map = fold([unit("P1"), ping("P1", 0)])
    batch = [replace(ping("P1", s, 15 * s), received_ms=ms(5)) for s in (6, 8, 10)]
    assert tell(live_map, *batch) == [None] * 3
    assert tell(live_map, replace(ping("P1", 8, 15 * 8 + 1), received_ms=ms(5))) == ["older_fix"]
