"""Who is signed in, as documents."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class Speaker(TypedDict):
    """Somebody who may speak to this server."""

    said_by: str
    name: str
    agency: str
    roles: list[str]
    unit_ids: list[str]


class Session(TypedDict):
    """Who is signed in, and what they may do; `own` are those rights that hold for their own units only. `open`: nobody
    is configured, and everybody may do everything."""

    open: bool
    speaker: Speaker | None
    rights: list[str]
    own: list[str]
    topics: list[str]
    until: NotRequired[str | None]
    idle_s: NotRequired[float | None]
    csrf: NotRequired[str]
    ways: list[str]
    provider: NotRequired[str]


class PageCode(TypedDict):
    """What lets one phone in as a unit's, until then: the code, and the address that has it in its fragment."""

    unit_id: str
    code: str
    url: str
    until: str
    qr: str


class Phone(TypedDict):
    """A phone that is in as a unit's, and until when."""

    phone_id: str
    until: str | None


class PhoneList(TypedDict):
    """The phones that are in as one unit's, the oldest first."""

    phones: list[Phone]


class LogPage(TypedDict):
    """Facts of the log, each with its `seq`, and the position after which to go on."""

    facts: list[dict[str, object]]
    next: int


class Ticket(TypedDict):
    """What opens the feed once where neither a header nor a cookie can be sent."""

    ticket: str
    within_s: float
