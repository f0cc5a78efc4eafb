"""Plans, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup.wire.requests.incidents import NeedRow
from geo_backup.wire.requests.request import Lat, Lon, Priority, Request, Text, Time, Word


class NewPost(Request):
    """A place of a plan, and what it needs."""

    post_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,20}$")]
    lon: Lon
    lat: Lat
    needs: Annotated[list[NeedRow], Field(min_length=1, max_length=16)]
    arrive_by: Time | None = None


class NewPlan(Request):
    """Backup thought out beforehand."""

    plan_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,40}$")] | None = None
    name: Word
    kind: Literal["operation", "presence"] = "operation"
    arrive_by: Time
    ends: Time
    priority: Priority = 3
    posts: Annotated[list[NewPost], Field(min_length=1, max_length=20)]
    several: bool = False
    agency: Annotated[str, Field(max_length=64)] = ""
    note: Text = ""
    exercise: bool = False


class ByWhom(Request):
    """Who says yes."""

    by: Word | None = None


class PlanReason(Request):
    """Why a plan is given up."""

    reason: Text = ""
