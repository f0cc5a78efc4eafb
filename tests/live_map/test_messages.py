"""Messages: who they went to stands, who has acknowledged them is known, and an urgent one is not forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from geo_backup.events import MessageSeen, MessageSent, TimerAcknowledged, TimerRaised, UnitRetired
from geo_backup.live_map import LiveMap, messages
from geo_backup.live_map.timers import due, is_loud
from geo_backup.wire import checkpoint
from tests.stories import fold, ms, opened, part, tell, unit


def sent(message_id: str, s: float, *units: str, **more: Any) -> MessageSent:
    said = {"to": "units", "text": "use the gate", "units": units, **more}
    return MessageSent(event_id=f"message:{message_id}", received_ms=ms(s), message_id=message_id, **said)


def seen(message_id: str, unit_id: str, s: float, **more: Any) -> MessageSeen:
    return MessageSeen(received_ms=ms(s), said_by=unit_id, message_id=message_id, unit_id=unit_id, **more)


def waiting(live_map: LiveMap, message_id: str = "m1") -> list[str]:
    return messages.waiting_for(live_map, live_map.messages[message_id])


@pytest.fixture
def live_map() -> LiveMap:
    return fold([unit("P1"), unit("P2"), opened("i1"), part("i1", "P1", "assigned", 1)])


def loud(live_map: LiveMap, s: float) -> list[tuple[str, str | None]]:
    found = due(live_map, ms(s)).items()
    return [
        (timer.message_id, timer.unit_id)
        for name, timer in found
        if timer.rule == "message" and is_loud(timer, live_map.timers.get(name), ms(s))
    ]


def test_a_message_is_shown_then_acknowledged_and_leaves_when_nobody_is_waited_for(live_map: LiveMap) -> None:
    assert tell(live_map, sent("m1", 10, "P1", "P2", incident_id="i1", to="incident")) == [None]
    assert waiting(live_map) == ["P1", "P2"]
    assert tell(live_map, seen("m1", "P1", 12, acknowledged=False)) == [None]
    assert waiting(live_map) == ["P1", "P2"]
    assert tell(live_map, seen("m1", "P1", 20), seen("m1", "P2", 30)) == [None, None]
    receipt = live_map.messages["m1"].receipts["P1"]
    assert (receipt.shown_ms, receipt.acknowledged_ms, receipt.by) == (ms(12), ms(20), "P1")
    assert waiting(live_map) == []
    assert checkpoint.dump(checkpoint.parse(checkpoint.dump(live_map))) == checkpoint.dump(live_map)
    tell(live_map, sent("m2", 629, "P1"))
    assert list(live_map.messages) == ["m1", "m2"]
    tell(live_map, sent("m3", 631, "P1"))
    assert list(live_map.messages) == ["m2", "m3"]
    tell(live_map, sent("m4", 43_900, "P1"))
    assert list(live_map.messages) == ["m4"]


def test_what_may_not_be(live_map: LiveMap) -> None:
    assert tell(
        live_map,
        sent("m1", 1, "P1"),
        sent("m1", 2, "P2"),
        sent("m2", 2),
        sent("m2", 2, "P9"),
        sent("m2", 2, "P1", text="x" * 501),
        sent("m2", 2, "P1", incident_id="i9"),
        seen("m9", "P1", 3),
        seen("m1", "P2", 3),
        seen("m1", "P1", 3),
        seen("m1", "P1", 4),
        seen("m1", "P1", 4, acknowledged=False),
    ) == [
        None, "id_taken", "nobody_to_hear", "unknown_unit", "bad_text", "unknown_incident", "unknown_message",
        "unknown_message", None, "duplicate", "duplicate",
    ]  # fmt: skip


def test_an_urgent_message_is_loud_until_all_have_answered_or_a_desk_has_seen_to_it(live_map: LiveMap) -> None:
    tell(live_map, sent("m0", 0, "P1"), sent("m1", 10, "P1", "P2", urgent=True), sent("m2", 10, "P2", urgent=True))
    assert loud(live_map, 69) == []
    assert loud(live_map, 70) == [("m1", None), ("m2", "P2")]
    for timer in due(live_map, ms(70)).values():
        if timer.rule == "message":
            raised = TimerRaised(
                received_ms=ms(70), timer_id=timer.timer_id, rule="message", incident_id="", start_ms=timer.start_ms,
                due_ms=timer.due_ms, message_id=timer.message_id,
            )  # fmt: skip
            assert tell(live_map, raised, raised) == [None, "duplicate"]
    tell(live_map, TimerAcknowledged(received_ms=ms(80), timer_id=f"message:m2:{ms(10)}", by="desk 1"))
    assert loud(live_map, 80) == [("m1", None)]
    assert checkpoint.dump(checkpoint.parse(checkpoint.dump(live_map))) == checkpoint.dump(live_map)
    tell(live_map, seen("m1", "P1", 90))
    assert loud(live_map, 90) == [("m1", None)]
    tell(live_map, UnitRetired(received_ms=ms(95), unit_id="P2"))
    assert loud(live_map, 95) == []
    tell(live_map, sent("m3", 800, "P1"))
    assert list(live_map.timers) == []


def test_only_so_many_stand_and_an_urgent_one_makes_room_for_no_other(live_map: LiveMap) -> None:
    for n in range(messages.MESSAGES_KEPT):
        tell(live_map, sent(f"m{n}", 1, "P1", urgent=n != 7))
    assert tell(live_map, sent("last", 2, "P1", urgent=True)) == [None]
    assert "m7" not in live_map.messages
    assert len(live_map.messages) == messages.MESSAGES_KEPT
    assert tell(live_map, sent("more", 3, "P1", urgent=True)) == ["too_many_messages"]
    tell(live_map, seen("m3", "P1", 4))
    assert tell(live_map, sent("more", 5, "P1")) == [None]
    assert "m3" not in live_map.messages
