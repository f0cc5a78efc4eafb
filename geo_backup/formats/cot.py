"""Cursor on Target (TAK), XML 2.0: an event as a position, an alert, its cancel or nothing, and recorded streams.

    <event version="2.0" uid="ENG-7" type="a-f-G-E-V-C" how="m-g" time="2026-11-23T12:00:00Z"
     start="2026-11-23T12:00:00Z" stale="2026-11-23T12:02:00Z"><point lat="37.8" lon="-122.27" hae="9999999.0"
     ce="5.0" le="9999999.0"/><detail><track speed="12.5" course="84"/></detail></event>

An `<event>` is read alone; between those of a stream stands nothing but their own ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from geo_backup.errors import BadValueError
from geo_backup.events import LAT_DEG, LON_DEG, TIME_MS, Fix
from geo_backup.formats.heard import Heard
from geo_backup.formats.tracks import NO_HINTS, Collector, Hints, Recording
from geo_backup.wire.times import to_ms
from geo_backup.wire.unknown import known, stated

ALERT = "b-a-o"
"""Every kind of it: 911 alert (-tbl), troops in contact (-opn), ring the bell (-pan), custom (-c), or bare."""
CANCEL = "b-a-o-can"
OWN = "a-f-"
"""A friend that moves: units and, placed by hand, what their people draw on the map."""
SHOWN = 1_000
UNKNOWN_M = 999_999.0
"""This and more stands for an unknown error circle (9999999.0 in XML)."""

Nothing = Literal["not_a_position", "not_its_own", "withdrawn", "no_place"]
NOTHING: Mapping[Nothing, str] = {
    "not_a_position": "its type is no unit's own position (a-f-...): nothing was done",
    "not_its_own": "somebody placed it by hand (how h-..., no takv or contact, or made by another): nothing was done",
    "withdrawn": "it is stale at or before its start, so it is withdrawn: nothing was done, the last place stands",
    "no_place": "it says no place (0, 0 with an unknown circle): nothing was done, the last place stands",
}
"""Why an event leaves everything as it was, and the same in words."""


class CotEvent(NamedTuple):
    """One event. `names` are what may name its unit, the likeliest first: ids without TAK's additions, callsigns."""

    kind: Literal["position", "alert", "cancel", "other"]
    names: tuple[str, ...]
    fix: Fix | None
    """None: the event says no place (0, 0 with an unknown circle is none)."""
    unknown: tuple[str, ...] = ()
    """Fields of the fix that were said and are unknown."""
    nothing: Nothing | None = None
    """Why an event of another kind does nothing."""

    @property
    def heard(self) -> Heard:
        """The same as a message of a tracker, for what becomes of it."""
        return Heard(
            self.names,
            self.fix,
            self.kind == "alert",
            self.unknown,
            "" if self.nothing is None else NOTHING[self.nothing],
            cancelled=self.kind == "cancel",
        )


def parse(data: bytes) -> CotEvent:
    """Read one `<event>`. Raises `BadValueError` that names the attribute; entities and document types are refused."""
    return parse_element(element_of(data))


def element_of(data: bytes) -> ElementTree.Element:
    """A message of TAK, such as one `<event>`, taken apart. Raises `BadValueError`."""
    if b"<!" in data or b"\0" in data:  # in UTF-16 a `<!` has another look
        raise BadValueError(
            "/", "xml", "a CoT event has no document type, entities or comments; and is UTF-8; send the event alone"
        )
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadValueError("/", "xml", f"not a CoT event: {error}") from None


def elements_of(messages: Sequence[bytes]) -> list[ElementTree.Element | BadValueError]:
    """Events that a stream was cut into, each taken apart, or why it cannot be; just as each alone, but for half the
    price: what a parser costs before it reads anything is paid once for all."""
    together = b"<all>%b</all>" % b"".join(messages)
    # without these each `<` begins a tag, so that no event reaches into another: what is whole together is whole alone
    if len(messages) > 1 and not any(mark in together for mark in (b"<!", b"<?", b"\0")):
        with suppress(ElementTree.ParseError, ValueError, LookupError):
            found = list(ElementTree.fromstring(together))
            if len(found) == len(messages):
                return found  # type: ignore[return-value]
    return [_element_or_error(one) for one in messages]


def _element_or_error(data: bytes) -> ElementTree.Element | BadValueError:
    try:
        return element_of(data)
    except BadValueError as error:
        return error


def parse_element(event: ElementTree.Element) -> CotEvent:
    """The same of an `<event>` that is taken apart already."""
    if event.tag != "event":
        raise BadValueError("/", "xml", f"a CoT message is an <event>, not a <{event.tag}>")
    kind, uid = event.get("type", ""), event.get("uid", "")
    if not uid:
        raise BadValueError("/uid", "missing", "the event has no uid")
    if not kind:
        raise BadValueError("/type", "missing", "the event has no type")
    detail = event.find("detail")
    detail = ElementTree.Element("detail") if detail is None else detail
    if kind == ALERT or kind.startswith(ALERT + "-"):
        return _alert(event, detail, kind, uid)
    named = tuple(dict.fromkeys([name for name in (uid.removeprefix("geo-backup."), _callsign(detail)) if name]))
    if not kind.startswith(OWN):
        return CotEvent("other", named, None, nothing="not_a_position")
    if not _is_own(event, detail, uid):
        return CotEvent("other", named, None, nothing="not_its_own")
    fix, unknown = _fix(event, detail)
    if fix is None:
        return CotEvent("other", named, None, nothing="no_place")
    if _withdrawn(event):
        return CotEvent("other", named, None, nothing="withdrawn")
    return CotEvent("position", named, fix, unknown)


def looks(start: str) -> bool:
    """Whether the first element of an XML document is an event."""
    return re.match(r"(<\?xml[^>]*>\s*)?<event\b", start) is not None


def read(text: str, name: str = "log.cot", hints: Hints = NO_HINTS) -> Recording:
    """Tracks of a recorded stream: events one after another, as TAK sends them; what is no position is counted."""
    found = Collector(name)
    for n, one in enumerate(_events(text), 1):
        where = f"event {n}"
        try:
            event = parse(one.encode(errors="replace"))
        except BadValueError as error:
            found.skip(where, str(error))
            continue
        if event.fix is None:
            found.skip(where, NOTHING[event.nothing or "no_place"])
            continue
        for field in event.unknown:
            found.doubt(where, f"{field} is out of range")
        found.add(event.names[0], "", event.fix, where)
    return found.recording()


def _events(text: str) -> Iterator[str]:
    """The events of a stream, which has no other marks between them than their own ends."""
    begin, end_mark = text.find("<event"), "</event>"
    while begin >= 0:
        end = text.find(end_mark, begin)
        if end < 0:
            yield text[begin : begin + SHOWN]  # cut off: it is refused in words
            return
        yield text[text.rfind("<event", begin, end) : end + len(end_mark)]
        begin = text.find("<event", end)


def _alert(event: ElementTree.Element, detail: ElementTree.Element, kind: str, uid: str) -> CotEvent:
    own, link, said = uid.removesuffix("-9-1-1"), detail.find("link"), detail.find("emergency")
    sender = "" if link is None else link.get("uid", "")
    # the uid is that of the alert: it names the unit when it is made of the unit's, else the link does
    names = [own, sender] if own != uid else [sender, own]
    names += [_callsign(detail), "" if said is None else (said.text or "").strip()]
    named = tuple(dict.fromkeys(name.removeprefix("geo-backup.") for name in names if name))
    if kind == CANCEL or (said is not None and said.get("cancel", "").lower() == "true"):
        return CotEvent("cancel", named, None)
    try:
        return CotEvent("alert", named, *_fix(event, detail))
    except BadValueError:  # a garbled place does not silence a cry for help
        return CotEvent("alert", named, None)


def _callsign(detail: ElementTree.Element) -> str:
    contact = detail.find("contact")
    return "" if contact is None else contact.get("callsign", "").strip()


def _is_own(event: ElementTree.Element, detail: ElementTree.Element, uid: str) -> bool:
    """Whether the thing that the event places is who sends it: a marker of a friend has the same type."""
    if not event.get("how", "").startswith("h") or detail.find("takv") is not None:
        return True
    made_by = {link.get("uid", uid) for link in detail.iterfind("link") if link.get("relation") == "p-p"}
    return detail.find("contact") is not None and detail.find("archive") is None and made_by <= {uid}


def _withdrawn(event: ElementTree.Element) -> bool:
    """Whether it ends before it begins, which is how a sender takes an event back."""
    stale, start = event.get("stale", ""), event.get("start", event.get("time", ""))
    if len(stale) == len(start) and stale > start and stale[-1] == start[-1] == "Z":  # in one form, as nearly all are
        return False
    try:
        return to_ms(stale) <= to_ms(start)
    except ValueError:
        return False  # it does not say until when it holds


def _fix(event: ElementTree.Element, detail: ElementTree.Element) -> tuple[Fix | None, tuple[str, ...]]:
    """Where and when, and what of it is unknown. Raises `BadValueError` for a place or time that cannot be read."""
    point = event.find("point")
    if point is None:
        raise BadValueError("/point", "missing", "the event has no <point>")
    lon, lat = _degrees(point, "lon", LON_DEG[1]), _degrees(point, "lat", LAT_DEG[1])
    circle_m = stated(point.get("ce"))
    told = circle_m is not None and 0.0 <= circle_m < UNKNOWN_M
    if lon == 0.0 and lat == 0.0 and not told:
        return None, ()
    try:
        at_ms = to_ms(event.get("time", ""))
    except ValueError as error:
        raise BadValueError("/time", "time", f"time {error}") from None
    if not TIME_MS[0] <= at_ms <= TIME_MS[1]:
        raise BadValueError("/time", "time", "time must lie between 1970 and 2100")
    track = detail.find("track")
    speed, course = (None, None) if track is None else (stated(track.get("speed")), stated(track.get("course")))
    fix, unknown = known(Fix(at_ms, lon, lat, speed, course, circle_m))
    return fix, unknown


def _degrees(point: ElementTree.Element, name: str, most: float) -> float:
    value = stated(point.get(name))
    if value is None or not -most <= value <= most:
        shown = (point.get(name) or "")[:40]
        raise BadValueError(f"/point/{name}", "range", f"{name} is a number from -{most:g} to {most:g}, not {shown!r}")
    return value
