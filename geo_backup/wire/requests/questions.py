"""Questions and orders that are no facts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from geo_backup.wire.requests.request import ProfileName, Request, Time


class EtasQuestion(Request):
    """Places to drive from, and one to drive to."""

    target: Annotated[list[float], Field(min_length=2, max_length=2)]
    starts: Annotated[list[Annotated[list[float], Field(min_length=2, max_length=3)]], Field(max_length=10_000)]
    profile: ProfileName = "response"


class ReplayControl(Request):
    """Orders for a replay; what is left out stays."""

    playing: bool | None = None
    speed: Annotated[float, Field(gt=0, le=600)] | None = None
    time: Time | None = None
