"""Closures, as they are sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from geo_backup import events as e
from geo_backup.wire.requests.request import Id, Level, Request, Text, Time

_KINDS = ("Polygon", "MultiPolygon", "LineString", "NamedEdges")
_SHAPE = {"anyOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in _KINDS]}
"""For the API document; the server reads a shape itself, so that it can say in words what is wrong with it."""


class NewClosure(Request):
    """Roads to close, or to make slow."""

    closure_id: Id | None = None
    geometry: Annotated[dict[str, Any], WithJsonSchema(_SHAPE)]
    buffer_m: Annotated[float, Field(ge=e.BUFFER_M[0], le=e.BUFFER_M[1])] = 0.0
    reason: Text
    valid_from: Time | None = None
    valid_to: Time | None = None
    applies_to: Literal["all", "routine"] = "all"
    levels: Literal["top", "all"] | Annotated[list[Level], Field(min_length=1, max_length=11)] | None = Field(
        None,
        description="Which roads a shape means where they lie on top of each other: `top` (default), `all`, or levels.",
    )
    slow_factor: Annotated[float, Field(ge=e.SLOW_FACTOR[0], le=e.SLOW_FACTOR[1])] | None = Field(
        None, description="The share of their speed at which the roads can still be driven; left out: closed."
    )
