"""Matching what an incident asks for to what a unit can do."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from geo_backup.events import Need


def fits(capabilities: Collection[str], requirement: Iterable[Need]) -> bool:
    """Whether a unit with these capabilities fills any need; an incident that asks for nothing is open to all."""
    asked = False
    for need in requirement:
        asked = True
        if need.capability in capabilities or any(name in capabilities for name in need.substitutes):
            return True
    return not asked
