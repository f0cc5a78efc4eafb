"""Reasons: why a unit cannot be sent, each once. What they are in words is `wire.explanation`."""

from __future__ import annotations

REASONS = (
    "",
    "REQUESTER",
    "ASSIGNED_HERE",
    "ALREADY_ASSIGNED",
    "NOT_ASSIGNABLE_STATUS",
    "WRONG_CAPABILITY",
    "NO_POSITION",
    "STALE_POSITION",
    "UNREACHABLE",
    "OUTSIDE_HORIZON",
    "WRONG_AGENCY_OR_NO_AGREEMENT",
    "NEEDS_APPROVAL",
    "AID_SHARE_USED",
    "UNSTAFFED",
    "REST_PERIOD",
    "END_OF_SHIFT",
    "COVERAGE_FLOOR",
    "HIDDEN",
)
"""By their codes, which are the numbers that arrays hold; 0 = it can be sent."""
REASON = {name: code for code, name in enumerate(REASONS)}
