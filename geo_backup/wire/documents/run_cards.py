"""Run cards as documents."""

from __future__ import annotations

from typing_extensions import TypedDict

from geo_backup.backup import run_card as cards
from geo_backup.wire.documents.incidents import Need, needs


class AlarmLevel(TypedDict):
    """What one alarm level asks for."""

    level: int
    needs: list[Need]


class RunCard(TypedDict):
    """What to send to a kind of incident, by alarm level."""

    name: str
    about: str
    kinds: list[str]
    mode: str
    several: bool
    staged: list[str]
    priority: int | None
    profile: str
    levels: list[AlarmLevel]


class RunCardList(TypedDict):
    """Every run card of this server."""

    run_cards: list[RunCard]


def run_card(card: cards.RunCard) -> RunCard:
    """A run card with all that each alarm level asks for."""
    return {
        "name": card.name,
        "about": card.about,
        "kinds": list(card.kinds),
        "mode": card.mode,
        "several": card.several,
        "staged": list(card.staged),
        "priority": card.priority,
        "profile": card.profile,
        "levels": [{"level": n + 1, "needs": needs(card.needs(n + 1))} for n in range(len(card.alarms))],
    }
