"""Messages, and what units say to them, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup.events import Addressed
from geo_backup.wire.requests.request import Id, Request


class NewMessage(Request):
    """A short text to some units, to all that are on an incident, or to all that are in service."""

    message_id: Id | None = None
    text: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    to: Addressed
    unit_ids: Annotated[list[Id], Field(max_length=100, default_factory=list)]
    incident_id: Id | None = None
    urgent: bool = False


class MessageAnswer(Request):
    """A unit's device has shown a message, or its crew says that they know."""

    unit_id: Id
    state: Literal["shown", "acknowledged"] = "acknowledged"
