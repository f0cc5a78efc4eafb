"""MQTT as a subscriber speaks it: packets are the same however they were cut, and what is none is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.formats import mqtt
from geo_backup.formats.mqtt import Message, Packet, Packets

HELLO = {"session_s": 60, "unacknowledged": 20}


def packet(first: int, body: bytes) -> bytes:
    """A packet as a broker sends it."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = rest >> 7, rest & 0x7F
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes((first,)) + bytes(length) + body


def published(topic: bytes, payload: bytes, number: int = 0, more: bytes = b"", retained: bool = False) -> bytes:
    head = len(topic).to_bytes(2, "big") + topic + (number.to_bytes(2, "big") if number else b"") + more
    return packet(0x30 | (0x02 if number else 0) | retained, head + payload)


def cut(data: bytes, sizes: list[int]) -> list[Packet]:
    packets, found, begin = Packets(), list[Packet](), 0
    for size in [*sizes, len(data)]:
        found += packets.feed(data[begin : begin + size])
        begin += size
    assert len(packets) == 0
    return found


@given(
    st.lists(st.tuples(st.integers(16, 255), st.sampled_from([0, 1, 2, 127, 128, 300, 20_000])), max_size=5),
    st.lists(st.integers(1, 3_000), max_size=40),
)
def test_packets_are_the_same_however_the_bytes_come(kinds: list[tuple[int, int]], sizes: list[int]) -> None:
    said = [Packet(first, bytes(range(256)) * (size // 256) + bytes(size % 256)) for first, size in kinds]
    assert cut(b"".join(packet(*one) for one in said), sizes) == said


@given(st.binary(max_size=60), st.lists(st.integers(1, 8), max_size=20), st.sampled_from([3, 5]))
def test_any_bytes_are_read_or_refused_in_words(data: bytes, sizes: list[int], version: mqtt.Version) -> None:
    packets, begin = Packets(), 0
    with suppress(BadValueError):
        for size in [*sizes, len(data)]:
            for one in packets.feed(data[begin : begin + size]):
                if one.kind == mqtt.PUBLISH:
                    mqtt.message_of(one, version)
                else:
                    mqtt.refusal_of(one, version)
            begin += size


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.binary(max_size=300), st.integers(0, 65_535))
def test_a_message_is_what_was_published(topic: str, payload: bytes, number: int) -> None:
    for version, more in ((3, b""), (5, b"\x00"), (5, b"\x06\x02\x00\x00\x00\x3c\x01"), (5, b"\x82\x01" + bytes(130))):
        (one,) = cut(published(topic.encode(), payload, number, more), [])
        assert mqtt.message_of(one, version) == Message(topic, payload, False, number)  # type: ignore[arg-type]


def test_of_what_is_too_large_the_topic_is_read_and_the_next_packet() -> None:
    large = published(b"owntracks/a/b", bytes(3 * mqtt.PACKET_BYTES), 7)
    first, second = cut(large + published(b"t", b"next", 8), [10_000] * 60)
    said = mqtt.message_of(first, 3)
    assert (said.topic, said.number) == ("owntracks/a/b", 7)
    assert len(said.payload) < mqtt.PACKET_BYTES + 10_000
    assert mqtt.message_of(second, 3).payload == b"next"


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (0x34, b"\x00\x01t\x00\x01"),  # QoS 2 was not asked for
        (0x32, b"\x00\x01t\x00\x00"),  # no number
        (0x32, b"\x00\x01t\x00"),
        (0x30, b"\x00\x09t"),
        (0x30, b"\x00"),
        (0x30, b"\x00\x01t\x05\x00"),  # in version 5: properties that are not there
    ],
)
def test_a_message_that_breaks_the_protocol_is_none(first: int, body: bytes) -> None:
    with pytest.raises(BadValueError, match="breaks the protocol"):
        mqtt.message_of(Packet(first, body), 5)


def test_a_length_has_four_bytes_at_most() -> None:
    with pytest.raises(BadValueError):
        Packets().feed(b"\x30\xff\xff\xff\xff\x01")


def test_refusals_are_told_in_words() -> None:
    said = [
        (Packet(0x20, b"\x00\x00"), 3, ""),
        (Packet(0x20, b"\x00\x05"), 3, "not authorized"),
        (Packet(0x20, b"\x00\x86\x00"), 5, "bad user or password"),
        (Packet(0x90, b"\x00\x01\x01\x80"), 3, "failure"),
        (Packet(0x90, b"\x00\x01\x00\x01\x87\x87"), 5, "not authorized"),
        (Packet(0x90, b"\x00\x01\x00\x00\x01"), 5, ""),
        (Packet(0xE0, b"\x8e"), 5, "another client came with the same client id"),
        (Packet(0xE0, b""), 5, ""),
        (Packet(0x20, b"\x00\xf3\x00"), 5, "code 0xF3"),
    ]
    for one, version, words in said:
        assert mqtt.refusal_of(one, version) == words  # type: ignore[arg-type]


def test_what_is_sent_is_what_the_standard_shows() -> None:
    hello = mqtt.connecting("id", 3, 30, **HELLO)
    assert hello == b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x1e\x00\x02id"
    hello = mqtt.connecting("id", 3, 30, username="u", password="p", **HELLO)
    assert hello == b"\x10\x14\x00\x04MQTT\x04\xc0\x00\x1e\x00\x02id\x00\x01u\x00\x01p"
    hello = mqtt.connecting("id", 5, 30, **HELLO)
    properties = b"\x11\x00\x00\x00\x3c\x21\x00\x14\x27\x00\x02\x00\x00"
    assert hello == b"\x10\x1c\x00\x04MQTT\x05\x00\x00\x1e\x0d" + properties + b"\x00\x02id"
    assert mqtt.subscribing(1, ["a/+", "b"], 3) == b"\x82\x0c\x00\x01\x00\x03a/+\x01\x00\x01b\x01"
    assert mqtt.subscribing(1, ["a/+"], 5) == b"\x82\x09\x00\x01\x00\x00\x03a/+\x21"
    assert mqtt.acknowledging([1, 513]) == b"\x40\x02\x00\x01\x40\x02\x02\x01"
