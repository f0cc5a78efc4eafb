"""Version 1 of TAK's protocol: the same event in both forms, and what hostile bytes do."""

from __future__ import annotations

from contextlib import suppress
from xml.etree import ElementTree

import pytest
import takproto
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.formats import cot, tak_proto
from tests.formats.test_cot import CONTACT, PARENT, event

ENG_7 = bytes.fromhex(
    "0a0b612d662d472d452d562d432a05454e472d373080fc9bc2a0343880fc9bc2a03440c0a5a3c2a0344a036d2d67516666666666e6424059"
    "e17a14ae47915ec061000000007e842e4169000000000000144071000000007e842e417a2712110a092a3a2d313a737463701204454e47"
    "373a12090000000000002940110000000000005540"
)
ENG_7 = b"\x12\x84\x01" + ENG_7


def test_a_known_message_is_read_and_written_to_the_byte() -> None:
    found = tak_proto.event_of(ENG_7)
    assert found is not None
    said = cot.parse_element(found)
    assert (said.kind, said.names) == ("position", ("ENG-7", "ENG7"))
    assert said.fix == (1795435200000, -122.27, 37.8, 12.5, 84.0, 5.0)
    assert tak_proto.message_of(found) == ENG_7


@pytest.mark.parametrize(
    "detail",
    [
        "",
        CONTACT + PARENT,
        '<contact callsign="A" endpoint="*:-1:stcp" phone="112"/><remarks>a &lt; b</remarks>',
        '<takv device="d" platform="ATAK-CIV" os="34" version="5.1"/><status battery="81"/><status battery="-1"/>',
        '<track course="84.0" speed="9.5"/><track course="x" speed="1"/>',
        '<__group name="Red" role="Team Member"/><precisionlocation geopointsrc="GPS" altsrc="GPS"/>',
    ],
)
def test_both_forms_say_the_same(detail: str) -> None:
    written = ElementTree.fromstring(event("a-f-G-U-C", detail=detail))
    read = tak_proto.event_of(tak_proto.message_of(written))
    assert read is not None
    assert cot.parse_element(read) == cot.parse_element(written)
    there = {(one.tag, tuple(sorted(one.items())), one.text or "") for one in read.iterfind("detail/*")}
    assert there == {(one.tag, tuple(sorted(one.items())), one.text or "") for one in written.iterfind("detail/*")}


def test_what_takproto_writes_is_read() -> None:
    text = event("a-f-G-U-C", detail=CONTACT + '<track course="84.0" speed="9.5"/>').replace(b"00Z", b"00.000Z")
    message = takproto.xml2proto(text, takproto.TAKProtoVer.MESH)[3:]
    found = tak_proto.event_of(bytes(message))
    assert found is not None
    assert cot.parse_element(found) == cot.parse(text)


def test_a_message_about_the_protocol_has_no_event() -> None:
    assert tak_proto.event_of(bytes.fromhex("0a0408011001")) is None


@pytest.mark.parametrize("detail", ['<!DOCTYPE a [<!ENTITY x "y">]>', "<a>", "</detail><detail>", "\0"])
def test_a_detail_that_is_no_xml_is_refused(detail: str) -> None:
    message = takproto.proto.TakMessage()
    message.cotEvent.uid = "A"
    message.cotEvent.detail.xmlDetail = detail
    with pytest.raises(BadValueError):
        tak_proto.event_of(message.SerializeToString())


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda n, b: ENG_7[:n] + b + ENG_7[n + 1 :], st.integers(0, 134), st.binary(min_size=1, max_size=1)),
    )
)
def test_any_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    with suppress(BadValueError):
        found = tak_proto.event_of(data)
        if found is not None:
            cot.parse_element(found)
