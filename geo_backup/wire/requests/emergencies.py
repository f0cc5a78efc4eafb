"""Officers' emergencies, as they are sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from geo_backup.wire.requests.request import Id, Lat, Lon, Request, Text, Word


def _or_unknown(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """What a press says wrongly is unknown, and the press is heard."""
    try:
        return check(value)
    except ValidationError:
        return None


Heard = WrapValidator(_or_unknown)


class EmergencyCall(Request):
    """An officer is in danger. All but the unit may be missing or wrong: the press counts without it."""

    model_config = ConfigDict(extra="ignore")

    unit_id: Id
    lon: Annotated[Lon | None, Heard] = None
    lat: Annotated[Lat | None, Heard] = None
    source: Annotated[Literal["device", "phone", "tak", "api", "desk"] | None, Heard] = "api"
    emergency_id: Annotated[Id | None, Heard] = None
    exercise: Annotated[bool | None, Heard] = False


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
