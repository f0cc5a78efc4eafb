"""What is to be ranked when: told of changes and of the time, no clock runs here."""

from __future__ import annotations

from geo_backup.events import ClosureAdded
from geo_backup.live_map import LiveMap, apply
from geo_backup.node.agenda import LOOK_AGAIN_S, RANK_PERIOD_S, RANKED_AT_ONCE, RANKINGS_PER_S, Agenda, Due
from tests.stories import T0, opened


def with_incidents(number: int) -> LiveMap:
    live_map = LiveMap()
    for n in range(number):
        apply(live_map, n + 1, opened(f"i{n:03}"))
    return live_map


def begun(live_map: LiveMap) -> Agenda:
    """An agenda that has nothing left to do at 0 s."""
    agenda = Agenda()
    agenda.change(incident.incident_id for incident in live_map.open_incidents())
    while agenda.due(live_map, 0.0, T0, 0.0).incident_ids:
        pass
    return agenda


def test_what_changed_is_due_at_once_and_the_rest_by_turns() -> None:
    live_map = with_incidents(2)
    agenda = begun(live_map)
    agenda.change(["i001"])
    assert agenda.due(live_map, 0.1, T0, 0.0) == Due(["i001"], urgent=True)
    assert agenda.due(live_map, 0.2, T0, 0.0) == Due([])
    agenda.change(["gone"])
    assert agenda.due(live_map, 0.2, T0, 0.0) == Due([]), "what is not open is not ranked"


def test_a_fleet_that_moves_is_followed_faster_than_one_that_stands() -> None:
    live_map = with_incidents(1)
    agenda = begun(live_map)
    agenda.move()
    assert agenda.due(live_map, RANK_PERIOD_S - 0.01, T0, 0.0) == Due([])
    assert agenda.due(live_map, RANK_PERIOD_S, T0, 0.0) == Due(["i000"])
    assert agenda.due(live_map, RANK_PERIOD_S + LOOK_AGAIN_S - 0.01, T0, 0.0) == Due([])
    assert agenda.due(live_map, RANK_PERIOD_S + LOOK_AGAIN_S, T0, 0.0) == Due(["i000"]), "time alone changes it"


def test_many_incidents_and_a_slow_worker_stretch_the_turns() -> None:
    live_map = with_incidents(10)
    agenda = begun(live_map)
    assert agenda.due(live_map, 10 / RANKINGS_PER_S - 0.01, T0, 0.0) == Due([])
    assert len(agenda.due(live_map, 10 / RANKINGS_PER_S, T0, 0.0).incident_ids) == 10
    agenda = begun(live_map)
    assert agenda.due(live_map, 5.9, T0, 3.0) == Due([])
    assert len(agenda.due(live_map, 6.0, T0, 3.0).incident_ids) == 10


def test_hundreds_come_in_parts_and_what_changed_last_need_not_wait_for_all() -> None:
    live_map = with_incidents(3 * RANKED_AT_ONCE)
    agenda = begun(live_map)
    late_s = 3 * RANKED_AT_ONCE / RANKINGS_PER_S
    agenda.change(["i047"])
    first = agenda.due(live_map, late_s, T0, 0.0)
    assert (first.incident_ids[0], len(first.incident_ids)) == ("i047", RANKED_AT_ONCE)
    assert (first.urgent, first.more) == (True, False)
    agenda.change(incident.incident_id for incident in live_map.open_incidents())
    parts = [agenda.due(live_map, late_s, T0, 0.0) for _ in range(4)]
    assert [part.more for part in parts] == [True, True, False, False]
    assert len({one for part in parts for one in part.incident_ids}) == 3 * RANKED_AT_ONCE


def test_all_are_due_when_a_closure_begins_or_ends_by_itself() -> None:
    live_map = with_incidents(2)
    agenda = begun(live_map)
    works = ClosureAdded(received_ms=T0, closure_id="c", geometry={}, valid_from_ms=T0 + 1_000, valid_to_ms=T0 + 2_000)
    apply(live_map, 3, works)
    agenda.turn()
    both = Due(["i000", "i001"], urgent=True)
    assert agenda.due(live_map, 0.0, T0, 0.0) == both, "the closures are others"
    assert agenda.due(live_map, 0.1, T0 + 999, 0.0) == Due([])
    assert agenda.due(live_map, 0.1, T0 + 1_000, 0.0) == both
    assert agenda.due(live_map, 0.2, T0 + 1_999, 0.0) == Due([])
    assert agenda.due(live_map, 0.2, T0 + 2_000, 0.0) == both
