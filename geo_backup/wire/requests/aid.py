"""Agreements between agencies, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup.wire.requests.request import Id, Request, Word


class NewAgreement(Request):
    """One agency helps another, in one direction."""

    agreement_id: Id | None = None
    lender: Word
    borrower: Word
    aid: Literal["automatic", "mutual"]
    kinds: Annotated[list[Word], Field(max_length=64, default_factory=list)]
    max_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    hours: Annotated[
        list[Annotated[int, Field(ge=0, le=23)]],
        Field(max_length=24, default_factory=list, description="Hours of the local day in which it holds; none: all."),
    ]
    positions: Annotated[
        Literal["exact", "rounded", "assigned"],
        Field(
            description="What the borrower's people see of the lender's units that are not on its incidents: their "
            "places, these to about a kilometre, or no places."
        ),
    ] = "exact"


class AidApproval(Request):
    """Mutual aid of an agency, approved for one incident."""

    agency: Word
    by: Word | None = None
