"""A TAK stream is cut into the same messages however its bytes were cut, and finds its way again after what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.formats.tak_stream import EVENT_BYTES, START_TAG_BYTES, Message, Splitter, framed

HEADER = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
EVENT = b'<event uid="A &gt; B" type="a-f-G"><point lat="1" lon="2"/><detail><eventful/></detail></event>'
SHORT = b"<event uid='>/>' type='t-x-c-t'/>"
AUTH = b'<auth><cot username="u" password="p" uid="A"/></auth>'
MESSAGES = [EVENT, HEADER + EVENT, SHORT, HEADER + b" " + SHORT + b"\n", AUTH]


def cut(splitter: Splitter, data: bytes, sizes: list[int]) -> list[Message]:
    found, begin = [], 0
    for size in [*sizes, len(data)]:
        found += splitter.feed(data[begin : begin + size])
        begin += size
    return found


@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.lists(st.integers(1, 40), max_size=60))
def test_events_are_the_same_however_the_bytes_come(events: list[bytes], sizes: list[int]) -> None:
    splitter = Splitter()
    found = cut(splitter, b"".join(events), sizes)
    assert [one.data for one in found] == [one.removeprefix(HEADER).strip() for one in events]
    assert {one.kind for one in found} <= {"event", "auth"}
    assert len(splitter) <= 200


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([*MESSAGES, b"<event ", b"</event>", b"\xbf"]))),
    st.lists(st.integers(1, 30), max_size=60),
    st.sampled_from([0, 1]),
)
def test_any_bytes_are_cut_or_refused_and_reading_goes_on(parts: list[bytes], sizes: list[int], version: int) -> None:
    splitter = Splitter(event_bytes=400)
    splitter.version = version
    for message in cut(splitter, b"".join(parts), sizes):
        assert len(message.data) <= 400
        assert (message.kind == "refused") == bool(message.why)
    assert len(splitter) <= 500
    again = (b"</event></auth>" + EVENT) if version == 0 else framed(b"abc") * 800
    assert list(splitter.feed(again))[-1].data == (EVENT if version == 0 else b"abc")


@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 40), max_size=60))
def test_messages_of_version_1_have_their_length(messages: list[bytes], sizes: list[int]) -> None:
    splitter = Splitter()
    splitter.version = 1
    found = cut(splitter, b"".join(map(framed, messages)), sizes)
    assert found == [Message("proto", one) for one in messages]


@pytest.mark.parametrize("large", [b"<event uid='", b"<event uid='a'>"])
def test_what_is_too_large_is_let_go_and_the_next_is_read(large: bytes) -> None:
    splitter = Splitter()
    found = cut(splitter, large + b"x" * 3 * EVENT_BYTES + b"</event>" + EVENT, [START_TAG_BYTES] * 200)
    assert [(one.kind, one.why) for one in found] == [("refused", "too_large"), ("event", "")]
    assert len(splitter) == 0


def test_a_frame_that_is_too_large_is_passed_over() -> None:
    splitter = Splitter(event_bytes=100)
    splitter.version = 1
    found = cut(splitter, framed(bytes(300)) + framed(b"next"), [7] * 60)
    assert [(one.kind, one.why) for one in found] == [("refused", "too_large"), ("proto", "")]


def test_an_event_that_was_broken_off_costs_only_itself() -> None:
    found = list(Splitter().feed(b'<event uid="A" type="a-f-G"><point lat="1"' + EVENT + EVENT))
    assert [(one.kind, one.data) for one in found][1:] == [("event", EVENT)] * 2
    assert found[0].why == "not_cot"


def test_the_version_may_change_between_two_messages() -> None:
    splitter, kinds = Splitter(), []
    for message in splitter.feed(EVENT + framed(EVENT)):
        kinds.append(message.kind)
        splitter.version = 1
    assert kinds == ["event", "proto"]
