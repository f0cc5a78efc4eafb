"""TAK protocol version 1: a TakMessage (protobuf) as the CoT event that it stands for, and an event as a TakMessage.

Its bytes are read by the classes of takproto, which are made of TAK's own schema. What takproto makes of an event is
not taken: it drops attributes that a typed field has no place for; TAK keeps such an element whole in `xmlDetail`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

from google.protobuf.message import DecodeError
from takproto.proto import TakMessage

from geo_backup.errors import BadValueError
from geo_backup.events import TIME_MS
from geo_backup.wire.times import to_ms, to_text

_TEXTS = ("type", "access", "qos", "opex", "uid", "how")
_TIMES = (("time", "sendTime"), ("start", "startTime"), ("stale", "staleTime"))
_POINT = ("lat", "lon", "hae", "ce", "le")
_UNKNOWN_M = 999_999.0
_TYPED: Mapping[str, tuple[str, Mapping[str, Callable[[str], Any]]]] = MappingProxyType(
    {
        "contact": ("contact", {"callsign": str, "endpoint": str}),
        "__group": ("group", {"name": str, "role": str}),
        "precisionlocation": ("precisionLocation", {"geopointsrc": str, "altsrc": str}),
        "status": ("status", {"battery": int}),
        "takv": ("takv", {"device": str, "platform": str, "os": str, "version": str}),
        "track": ("track", {"speed": float, "course": float}),
    }
)
"""Elements of a detail that have a field of their own, and what their attributes are."""
_OPTIONAL = MappingProxyType({"contact": {"endpoint"}})


def event_of(data: bytes) -> ElementTree.Element | None:
    """The event of one TakMessage; None where it has none (it tells of the protocol alone). Raises `BadValueError` for
    bytes that are no TakMessage, and for a detail that is no XML."""
    message = TakMessage()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise BadValueError("/", "protobuf", f"not a TakMessage: {error}") from None
    if not message.HasField("cotEvent"):
        return None
    said = message.cotEvent
    event = ElementTree.Element("event", {name: getattr(said, name) for name in _TEXTS if getattr(said, name)})
    for name, field in _TIMES:
        at_ms = getattr(said, field)
        if at_ms and TIME_MS[0] <= at_ms <= TIME_MS[1]:
            event.set(name, to_text(at_ms))
    ElementTree.SubElement(event, "point", {name: repr(getattr(said, name)) for name in _POINT})
    event.append(_detail_of(said.detail))
    return event


def message_of(event: ElementTree.Element) -> bytes:
    """The TakMessage of an event that this server made. Raises `ValueError` for a number or a time that is none."""
    message = TakMessage()
    said = message.cotEvent
    for name in _TEXTS:
        if event.get(name):
            setattr(said, name, event.get(name))
    for name, field in _TIMES:
        setattr(said, field, to_ms(event.get(name, "")))
    point = event.find("point")
    if point is None:
        raise ValueError("an event of this server has a place")
    for name in _POINT:
        value = float(point.get(name, _UNKNOWN_M))
        setattr(said, name, min(value, _UNKNOWN_M) if name in ("hae", "ce", "le") else value)
    left, detail = "", event.findall("detail/*")
    tags = [element.tag for element in detail]
    for element in detail:
        if tags.count(element.tag) > 1 or not _is_typed(element):
            left += ElementTree.tostring(element, encoding="unicode")
            continue
        field, kinds = _TYPED[element.tag]
        for name, text in element.attrib.items():
            setattr(getattr(said.detail, field), name, kinds[name](text))
    if left:
        said.detail.xmlDetail = left
    return bytes(message.SerializeToString())


def _detail_of(said: Any) -> ElementTree.Element:
    """What stands in both ways holds as `xmlDetail` has it."""
    text = said.xmlDetail
    if "<!" in text or "\0" in text:
        raise BadValueError("/detail", "xml", "a detail has no document type, entities or comments")
    try:
        detail = ElementTree.fromstring(f"<detail>{text}</detail>")
    except (ElementTree.ParseError, ValueError) as error:
        raise BadValueError("/detail", "xml", f"not the XML of a detail: {error}") from None
    there = {element.tag for element in detail}
    for tag, (field, kinds) in _TYPED.items():
        if tag in there or not said.HasField(field):
            continue
        typed = getattr(said, field)
        values = {name: getattr(typed, name) for name in kinds}
        ElementTree.SubElement(
            detail, tag, {name: str(value) for name, value in values.items() if value != "" and value == value}
        )
    return detail


def _is_typed(element: ElementTree.Element) -> bool:
    """Whether an element fits into its field: with just the attributes that this has, all of them readable."""
    found = _TYPED.get(element.tag)
    if found is None or len(element) or (element.text or "").strip():
        return False
    _, kinds = found
    if set(kinds) - set(element.attrib) - _OPTIONAL.get(element.tag, set()) or set(element.attrib) - set(kinds):
        return False
    for name, text in element.attrib.items():
        try:
            value = kinds[name](text)
        except ValueError:
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if isinstance(value, int) and not 0 <= value < 2**32:
            return False
    return True
