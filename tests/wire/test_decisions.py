"""Records of decisions: read for ever, and the same answer has the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from geo_backup.audit.explanation import REASON_WORDS, explained
from geo_backup.backup.answer import Answer, Offer, Told
from geo_backup.backup.question import Weighed
from geo_backup.backup.reasons import REASONS
from geo_backup.errors import LogError
from geo_backup.events import DecisionMade, Need
from geo_backup.wire import decisions, facts

GOLDEN = Path(__file__).parent.parent / "golden"


def test_the_record_of_an_older_version_is_read_and_told_for_ever() -> None:
    event = facts.parse("DecisionMade", (GOLDEN / "decision-0.4.0.json").read_bytes())
    assert isinstance(event, DecisionMade)
    answer = decisions.unpack_answer(event.answer)
    assert [unit.unit_id for unit in answer.chosen] == ["other"]
    assert answer.excluded == (("ASSIGNED_HERE", 1), ("COVERAGE_FLOOR", 1), ("NOT_ASSIGNABLE_STATUS", 1))
    document = explained(event)
    assert document["units"][0]["price_words"] == "last unit of beat east for about 22 min"
    assert [row["unit_id"] for row in document["candidates"]] == ["last", "other"]
    assert document["unmet"] == [{"capability": "k-9", "count": 1, "need": "want"}]
    assert "last would be sooner (0:15 min) but is to stay, or the beat would be empty." in document["words"]
    assert decisions.unpack_view(event.inputs).incidents["i1"].assigned == (("slow", "assigned"),)


def test_an_answer_is_read_as_it_was_written() -> None:
    answer = Answer(
        "i1",
        "r1",
        "immediate",
        1,
        1_700_000_000_000,
        (Told("a", 60_000, ("k-9",), True, "i2", 1_200, "last unit of beat 4 for about 22 min"),),
        missing=(Need("k-9", 2, "want"),),
        cover=0.5,
        swaps=(Offer("b", "c", 90_000),),
        units=(Weighed("a", ("k-9",), position=(11.9, 57.7), match={"k-9": "asked"}, rank=1), Weighed("d")),
        excluded=(("REQUESTER", 1),),
    )
    written = decisions.dump(answer)
    assert decisions.unpack_answer(decisions.pack(written)) == answer
    assert decisions.dump(decisions.unpack_answer(decisions.pack(written))) == written


@pytest.mark.parametrize("text", ["", "!", decisions.pack(b'{"incident_id":"i1","surprise":1}')])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(LogError):
        decisions.unpack_answer(text)


def test_every_reason_has_words() -> None:
    assert set(REASON_WORDS) == set(REASONS[1:])
