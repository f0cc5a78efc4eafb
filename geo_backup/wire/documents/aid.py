"""Agreements between agencies as documents."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from geo_backup.events import AgreementMade


class Agreement(TypedDict):
    """Who helps whom, and how far."""

    agreement_id: str
    lender: str
    borrower: str
    aid: Literal["automatic", "mutual"]
    kinds: list[str]
    max_share: float
    hours: list[int]
    positions: str


class AgreementList(TypedDict):
    """Agreements that stand."""

    agreements: list[Agreement]


def agreement(agreement: AgreementMade) -> Agreement:
    """Who helps whom, and how far."""
    return {
        "agreement_id": agreement.agreement_id,
        "lender": agreement.lender,
        "borrower": agreement.borrower,
        "aid": agreement.aid,
        "kinds": list(agreement.kinds),
        "max_share": agreement.max_share,
        "hours": list(agreement.hours),
        "positions": agreement.positions,
    }
