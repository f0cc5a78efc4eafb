"""Facts about what is agreed and thought out beforehand: mutual aid, and plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geo_backup.events.fact import Event, Post


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementMade(Event):
    """Units of the `lender` help at incidents of the `borrower`; automatic: ranked with its own; mutual: when approved.

    One direction; the other is another agreement.
    """

    agreement_id: str
    lender: str
    borrower: str
    aid: Literal["automatic", "mutual"]
    kinds: tuple[str, ...] = ()
    """Kinds of units it covers; none named: all."""
    max_share: float = 1.0
    """Of the lender's units that serve, at most this share may be away for the borrower at a time."""
    hours: tuple[int, ...] = ()
    """Hours of the local day (0 to 23) in which it holds; none named: all."""
    positions: Literal["exact", "rounded", "assigned"] = "exact"
    """What the borrower sees of the lender's units that are not on its incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementEnded(Event):
    agreement_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AidApproved(Event):
    """A lender's units may come to this incident though their agreement is mutual."""

    incident_id: str
    agency: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade(Event):
    """Backup thought out beforehand: a warrant, a march, a match; or patrols at a fair (`presence`).

    The same id again replaces what was planned, and needs approval anew.
    """

    plan_id: str
    name: str
    arrive_by_ms: int
    ends_ms: int
    posts: tuple[Post, ...]
    kind: Literal["operation", "presence"] = "operation"
    priority: int = 3
    several: bool = False
    agency: str = ""
    note: str = ""
    exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanApproved(Event):
    plan_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanActivated(Event):
    """The plan began: its posts are incidents now, named `PLAN.POST`."""

    plan_id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCancelled(Event):
    plan_id: str
    reason: str = ""
