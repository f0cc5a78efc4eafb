"""Officers' emergencies, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup.wire.requests.request import Id, Lat, Lon, Request, Text, Word


class EmergencyCall(Request):
    """An officer is in danger."""

    unit_id: Id
    lon: Lon | None = None
    lat: Lat | None = None
    source: Literal["device", "phone", "tak", "api", "desk"] = "api"
    emergency_id: Id | None = None
    exercise: bool = False


class Acknowledgement(Request):
    """A desk has an emergency in hand. `by` names the desk; who is signed in need not say it."""

    by: Word | None = None


class EmergencyClear(Request):
    """The danger is over, says the unit with its word, or a supervisor with a reason."""

    by: Literal["unit", "supervisor"]
    word: Word | None = None
    who: Annotated[str, Field(max_length=64)] = ""
    reason: Text = ""


class NewWord(Request):
    """The word with which a unit ends its own emergency."""

    word: Annotated[str, Field(min_length=4, max_length=64)]
