"""What every request is made of: strict types, and the ranges of common values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from geo_backup import events as e
from geo_backup.wire.times import to_ms


def _time(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time with offset, such as 2026-11-23T12:00:00Z")
    ms = to_ms(value)
    if not e.TIME_MS[0] <= ms <= e.TIME_MS[1]:
        raise ValueError("must lie between 1970 and 2100")
    return ms


Id = Annotated[str, Field(pattern=e.ID_PATTERN)]
Time = Annotated[int, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Lon = Annotated[float, Field(ge=e.LON_DEG[0], le=e.LON_DEG[1])]
Lat = Annotated[float, Field(ge=e.LAT_DEG[0], le=e.LAT_DEG[1])]
Priority = Annotated[int, Field(ge=e.PRIORITY[0], le=e.PRIORITY[1])]
Level = Annotated[int, Field(ge=e.LEVEL[0], le=e.LEVEL[1])]
Text = Annotated[str, Field(max_length=2_000)]
PLACE_WORDS_MAX = 256
PlaceWords = Annotated[str, Field(max_length=PLACE_WORDS_MAX)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
ProfileName = Annotated[str, Field(max_length=64, description="One of the map's profiles; `/healthz` lists them.")]


class Request(BaseModel):
    """Base: strict types, no NaN, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
