"""What drives have taught, as documents: how fast the city is driven, and how drives keep their times."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from geo_backup.backup.driving import ALL_TRAFFIC
from geo_backup.backup.readings import Times, times
from geo_backup.backup.standing import Standing
from geo_backup.roads.pace import MINUTE_MS, ONE, Level, Pace
from geo_backup.roads.pace_words import CLASSES, TURNS, Known, count, evidence_s, known
from geo_backup.rules import PaceRules
from geo_backup.wire.times import to_text

HOURS = 24


class PaceOfHour(TypedDict):
    """What is true of an hour of the local day."""

    hour: int
    factor: float
    evidence_s: int


class PaceOf(TypedDict):
    """What is true of a class of road or a kind of turn, or of all roads now."""

    of: str
    factor: float
    evidence_s: int


class PaceOfProfile(TypedDict):
    """What drives have taught of one way of driving."""

    profile: str
    state: Literal["learned", "of_all_traffic", "not_learned_yet"]
    learned_time: str | None
    evidence_s: int
    hours: list[PaceOfHour]
    now: PaceOf | None
    classes: list[PaceOf]
    turns: list[PaceOf]
    cells_known: int
    roads_known: int
    times: Times
    low_share: float
    p90_share: float


class PaceList(TypedDict):
    """What drives have taught of every way of driving."""

    learning: bool
    profiles: list[PaceOfProfile]


def paces(standing: Standing) -> PaceList:
    """Of all profiles of the map, as of the last view."""
    rules = standing.table.rules.pace
    return {"learning": bool(rules.learn), "profiles": [_profile(standing, name, rules) for name in standing.profiles]}


def _profile(standing: Standing, profile: str, rules: PaceRules) -> PaceOfProfile:
    own, trust = standing.now.pace.get(profile), standing.trust(profile)
    of_traffic = profile != ALL_TRAFFIC and ALL_TRAFFIC in standing.now.pace
    pace = own or Pace.unlearned()
    now = [_named("now", one) for one in known(pace, Level.NOW, rules)]
    return {
        "profile": profile,
        "state": "learned" if own else "of_all_traffic" if of_traffic else "not_learned_yet",
        "learned_time": to_text(own.minute * MINUTE_MS) if own else None,
        "evidence_s": evidence_s(own),
        "hours": [
            {"hour": one.number, "factor": one.factor, "evidence_s": one.evidence_s}
            for one in known(pace, Level.HOUR, rules)
            if one.number < HOURS
        ],
        "now": now[0] if now else None,
        "classes": [
            _named(CLASSES[one.number], one) for one in known(pace, Level.CLASS, rules) if one.number in CLASSES
        ],
        "turns": [_named(TURNS[one.number], one) for one in known(pace, Level.TURN, rules) if one.number in TURNS],
        "cells_known": count(pace, Level.CELL),
        "roads_known": count(pace, Level.ROAD),
        "times": times(trust),
        "low_share": round(trust.p10 / ONE, 3),
        "p90_share": round(trust.p90 / ONE, 3),
    }


def _named(of: str, one: Known) -> PaceOf:
    return {"of": of, "factor": one.factor, "evidence_s": one.evidence_s}
