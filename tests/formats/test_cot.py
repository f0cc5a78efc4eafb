"""CoT: which event is a unit's own position, an alert, its cancel, or nothing to us; and what hostile bytes do."""

from __future__ import annotations

import re
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.formats import cot
from geo_backup.formats.tak_stream import Splitter

NOW = "2026-11-27T07:00:00Z"
LATER = "2026-11-27T07:02:00Z"
POINT = '<point lat="57.7" lon="11.9" hae="9999999.0" ce="6.0" le="9999999.0"/>'
CONTACT = '<contact callsign="NORD 12"/>'
PARENT = '<link uid="ANDROID-1" type="a-f-G-U-C" relation="p-p" parent_callsign="NORD 12"/>'


def event(
    kind: str, *, uid: str = "ANDROID-1", how: str = "m-g", start: str = NOW, stale: str = LATER, point: str = POINT,
    detail: str = "",
) -> bytes:  # fmt: skip
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="{how}" time="{NOW}" start="{start}" stale="{stale}">'
        f"{point}<detail>{detail}</detail></event>"
    ).encode()


@pytest.mark.parametrize("kind", ["a-f-G", "a-f-G-U-C", "a-f-G-E-V-C", "a-f-A-M-H", "a-f-S-X"])
@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("m-g", ""),
        ("", ""),
        ("m-p", PARENT),
        ("h-e", CONTACT),
        ("h-g-i-g-o", '<takv platform="ATAK-CIV"/>'),
    ],
)
def test_a_friend_that_places_itself_moves(kind: str, how: str, detail: str) -> None:
    found = cot.parse(event(kind, how=how, detail=detail))
    assert (found.kind, found.names[0], found.nothing) == ("position", "ANDROID-1", None)
    assert found.fix is not None
    assert found.fix[1:3] == (11.9, 57.7)


@pytest.mark.parametrize(
    "kind",
    [
        "b-m-p-s-m", "b-m-p-s-p-loc", "b-m-p-w-GOTO", "b-m-r", "b-t-f", "b-t-f-d", "t-x-c-t", "t-x-c-t-r", "t-x-d-d",
        "t-x-takp-v", "b-f-t-r", "u-d-f", "u-d-c-c", "b-r-f-h-c", "b-a-g", "b-i-v", "a-h-G", "a-h-G-U-C", "a-n-G",
        "a-u-G", "a-s-G", "a-p-G", "A-F-G", "a-f", "nonsense",
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["m-g", "h-g-i-g-o"])
def test_other_types_do_nothing(kind: str, how: str) -> None:
    found = cot.parse(event(kind, uid="3f0c-mark", how=how, detail=CONTACT + PARENT))
    assert (found.kind, found.fix, found.nothing) == ("other", None, "not_a_position")
    assert "ANDROID-1" not in found.names


@pytest.mark.parametrize(
    "detail", ["", PARENT, PARENT + '<contact callsign="R 1"/>', '<contact callsign="R 1"/><archive/>', "<remarks/>"]
)
def test_a_friend_drawn_by_hand_is_no_unit(detail: str) -> None:
    found = cot.parse(event("a-f-G-U-C", uid="3f0c-mark", how="h-g-i-g-o", detail=detail))
    assert (found.kind, found.nothing) == ("other", "not_its_own")


@pytest.mark.parametrize("stale", [NOW, "2026-11-27T06:59:00Z", "2026-11-27T08:00:00+01:00", "1970-01-01T00:00:00Z"])
def test_stale_at_or_before_start_is_withdrawn(stale: str) -> None:
    assert cot.parse(event("a-f-G-U-C", stale=stale)).nothing == "withdrawn"
    # what is said of a cry for help's own end does not silence it
    assert cot.parse(event("b-a-o-tbl", stale=stale)).kind == "alert"


def test_without_an_end_it_holds() -> None:
    for stale in ("", "whenever"):
        assert cot.parse(event("a-f-G-U-C", stale=stale)).kind == "position"


@pytest.mark.parametrize("kind", ["b-a-o", "b-a-o-tbl", "b-a-o-opn", "b-a-o-pan", "b-a-o-c"])
def test_every_alert_is_heard_and_its_cancel_told_apart(kind: str) -> None:
    said = '<emergency type="911 Alert">NORD 12</emergency>'
    assert cot.parse(event(kind, uid="U-9-1-1", detail=said)).names == ("U", "NORD 12")
    assert cot.parse(event(kind, uid="f00d", detail=PARENT + said)).names[0] == "ANDROID-1"
    assert cot.parse(event(kind, point="", detail=said))[:3] == ("alert", ("ANDROID-1", "NORD 12"), None)
    cancelled = said.replace("<emergency", '<emergency cancel="true"')
    assert cot.parse(event(kind, detail=cancelled)).kind == "cancel"
    assert cot.parse(event("b-a-o-can")).kind == "cancel"


@pytest.mark.parametrize("ce", ["9999999.0", "999999", "-1", "NaN", "0", "-", "1e9"])
def test_an_unknown_circle_and_track_leave_the_place(ce: str) -> None:
    point, track = f'<point lat="57.7" lon="11.9" ce="{ce}"/>', '<track course="-1.0" speed="-1.0"/>'
    found = cot.parse(event("a-f-G", point=point, detail=track))
    assert found.fix is not None
    assert found.fix[3:] == (None, None, None)
    assert found.unknown == ("speed_mps", "course_deg", "accuracy_m")


def test_nowhere_with_an_unknown_circle_is_no_place() -> None:
    nowhere = '<point lat="0.0" lon="-0" ce="9999999.0"/>'
    assert cot.parse(event("a-f-G", point=nowhere)).nothing == "no_place"


def test_a_place_that_is_none_is_refused_with_its_value() -> None:
    with pytest.raises(BadValueError, match=r"'57,7'"):
        cot.parse(event("a-f-G", point='<point lat="57,7" lon="11.9"/>'))


words = st.one_of(
    st.sampled_from(["", "a-f-G", "b-a-o-tbl", "0", "-1", "NaN", "inf", "1e400", "9" * 400, "é", NOW, LATER, "h-e"]),
    st.text(st.characters(codec="utf-8", exclude_characters='<>&"', exclude_categories=("Cc",)), max_size=12),
)


ATTRIBUTES = ("uid", "type", "how", "time", "start", "stale", "lat", "lon", "ce", "speed", "course")


@given(st.fixed_dictionaries(dict.fromkeys(ATTRIBUTES, words)))
def test_any_attributes_are_read_or_refused_in_words(said: dict[str, str]) -> None:
    head = " ".join(f'{name}="{said[name]}"' for name in ATTRIBUTES[:6])
    inner = f'<point lat="{said["lat"]}" lon="{said["lon"]}" ce="{said["ce"]}"/>'
    track = f'<detail><track speed="{said["speed"]}" course="{said["course"]}"/></detail>'
    with suppress(BadValueError):
        found = cot.parse(f"<event {head}>{inner}{track}</event>".encode())
        assert found.kind != "position" or found.fix is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    with pytest.raises(BadValueError):
        cot.parse(data)


SCRAPS = (
    "<event ", "<event>", "<event/>", "</event>", f"</event{' ' * 50}>", "<event a='", '"', ">", "/>", "<a>", "</a>",
    "<b:c/>", " xmlns:b='d'", "<?x ", "?>", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&b;", "<all>", "</all>", " t ",
    "\0", "\xff", '<event uid="A"><point lat="1"/></event>',
)  # fmt: skip


@given(st.lists(st.sampled_from(SCRAPS), max_size=30))
def test_events_read_together_are_what_each_is_alone(scraps: list[str]) -> None:
    stream = Splitter().feed("".join(scraps).encode("latin-1"))
    events = [one.data for one in stream if one.kind == "event"]
    for data, found in zip(events, cot.elements_of(events), strict=True):
        if isinstance(found, BadValueError):
            with pytest.raises(BadValueError, match=re.escape(str(found))):
                cot.element_of(data)
        else:
            assert ElementTree.tostring(found) == ElementTree.tostring(cot.element_of(data))
