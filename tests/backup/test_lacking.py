"""What a requirement asks for in the agencies' own words, who stands in for whom, and what is said where nobody can."""

from __future__ import annotations

from typing import Any

import pytest

from geo_backup.audit.explanation import explained
from geo_backup.backup.answer import answer
from geo_backup.backup.lacking import Lack
from geo_backup.backup.question import ask_at_once
from geo_backup.backup.requirement import AS_ASKED, AS_SUBSTITUTE, NOT_AT_ALL, fill
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import BackupRequested, IncidentChanged, Need, UnitRegistered
from geo_backup.live_map.discipline import discipline, skills
from geo_backup.wire import decisions
from tests.backup.test_ranking import Scene, ids, position, river
from tests.roads.tiny import Street, draw
from tests.stories import ms, part, status

POLICE, FIRE, EMS = ("patrol", "police"), ("engine", "fire-north"), ("ambulance", "ems")


def can(kind: str, agency: str, *capabilities: str) -> tuple[str, ...]:
    return skills(capabilities, kind, agency)


@pytest.mark.parametrize(
    ("unit", "need", "how"),
    [
        (can(*POLICE, "swat"), Need("SWAT"), AS_ASKED),
        (can(*POLICE, "K-9"), Need("k-9:explosive", substitutes=("k-9",)), AS_SUBSTITUTE),
        (can(*FIRE), Need("ANY"), AS_ASKED),
        # `any` in place of a patrol is another of the police
        (can(*POLICE), Need("patrol", substitutes=("any",)), AS_SUBSTITUTE),
        (can(*FIRE, "engine"), Need("patrol", substitutes=("any",)), NOT_AT_ALL),
        (can(*EMS, "ALS"), Need("patrol", substitutes=("Any",)), NOT_AT_ALL),
        (can(*EMS, "BLS"), Need("ALS", substitutes=("any",)), AS_SUBSTITUTE),
        # unless the card says otherwise, or nothing tells what somebody is
        (can(*FIRE, "engine"), Need("patrol", substitutes=("any:fire",)), AS_SUBSTITUTE),
        (can(*POLICE), Need("any:police"), AS_ASKED),
        (can(*FIRE), Need("any:police"), NOT_AT_ALL),
        (can("unknown", "unknown"), Need("patrol", substitutes=("any",)), AS_SUBSTITUTE),
        (can(*FIRE), Need("boat", substitutes=("any",)), AS_SUBSTITUTE),
    ],
)
def test_who_fills_a_need(unit: tuple[str, ...], need: Need, how: int) -> None:
    assert fill(unit, need) == how


@pytest.mark.parametrize(
    ("kind", "capabilities", "agency", "told"),
    [
        ("patrol", (), "city", "police"),
        ("car", ("k-9:explosive",), "city", "police"),
        ("Ambulance", ("ALS",), "fire-north", "ems"),
        ("car", (), "räddningstjänst göteborg", "fire"),
        ("car", (), "demo-police", "police"),
        ("car", ("boat",), "city", ""),
    ],
)
def test_a_discipline_is_told_by_kind_then_capabilities_then_agency(
    kind: str, capabilities: tuple[str, ...], agency: str, told: str
) -> None:
    assert discipline(kind, capabilities, agency) == told


def scene_with(*needs: Need, **more: Any) -> Scene:
    scene = Scene(river())
    scene.incident("i1", (100, 0), **more)
    if needs:
        scene.tell(BackupRequested(received_ms=ms(1), incident_id="i1", requirement=needs, mode="immediate"))
    return scene


def engine(scene: Scene, unit_id: str, x: float) -> None:
    about: dict[str, Any] = {"callsign": unit_id, "agency": "fire", "kind": "engine", "capabilities": ("engine",)}
    scene.tell(UnitRegistered(received_ms=ms(0), unit_id=unit_id, **about), position(unit_id, (x, 0), 0))


def lacking(scene: Scene, s: float = 2.0) -> tuple[Lack, ...]:
    return scene.rank(s=s).lacking


def test_no_engine_stands_in_for_a_patrol_and_who_is_free_instead_is_said() -> None:
    scene = scene_with(Need("patrol", 2, substitutes=("any",)))
    engine(scene, "E1", 150)
    engine(scene, "E2", 200)
    scene.unit("P1", (900, 0), 0.0, "Patrol")
    assert ids(scene.rank(s=2)) == ["P1"]
    assert scene.rank(s=2).excluded_counts() == {"WRONG_CAPABILITY": 2}
    (lack,) = lacking(scene)
    assert (lack.capability, lack.count, lack.why) == ("patrol", 1, "TOO_FEW")
    scene.tell(status("P1", "transporting", 1))
    (lack,) = lacking(scene)
    assert (lack.count, lack.why, lack.free_others) == (2, "ALL_EXCLUDED", (("engine", 2),))
    assert lack.excluded == (("NOT_ASSIGNABLE_STATUS", 1),)
    scene.tell(status("P1", "available", 1.5), part("i1", "P1", "assigned", 1.6))
    assert [(one.count, one.why) for one in lacking(scene)] == [(1, "TOO_FEW")]


def test_each_reason_for_which_nobody_can_be_sent_has_its_word() -> None:
    nobody = scene_with(Need("engine"))
    assert [one.why for one in lacking(nobody)] == ["NO_UNITS"]
    nobody.unit("P1", (150, 0), 0.0, "patrol")
    (lack,) = lacking(nobody)
    assert (lack.why, lack.free_others, lack.excluded) == ("NOBODY_HAS_IT", (("patrol", 1),), ())
    engine(nobody, "E1", 150)
    assert lacking(nobody) == ()
    stale = lacking(nobody, s=86_400)
    assert [(one.why, one.excluded, one.free_others) for one in stale] == [
        ("ALL_EXCLUDED", (("STALE_POSITION", 1),), ())
    ]
    off_map = scene_with(Need("patrol"))
    off_map.unit("P1", (150, 0), 0.0, "patrol")
    off_map.tell(IncidentChanged(received_ms=ms(1), incident_id="i1", lon=20.0, lat=60.0))
    assert [one.why for one in lacking(off_map)] == ["INCIDENT_OFF_MAP"]


def test_a_road_at_the_edge_of_the_map_that_leads_nowhere_has_no_way_in() -> None:
    """It is another matter that the units who could go are busy, and whoever is on that road itself can go."""
    places = {"a": (0, 0), "b": (1000, 0), "i": (0, 5000), "j": (1000, 5000)}
    scene = Scene(draw(places, [Street("ab", "Main"), Street("ij", "Island")], main="ab"))
    scene.incident("i1", (980, 5000))
    scene.tell(BackupRequested(received_ms=ms(1), incident_id="i1", requirement=(Need("patrol", 2),), mode="immediate"))
    for unit_id, x in (("P1", 200), ("P2", 800)):
        scene.unit(unit_id, (x, 0), 0.0, "patrol")
    ranking = scene.rank(s=2)
    assert (ids(ranking), "INCIDENT_OFF_MAIN_NETWORK" in ranking.warnings) == ([], True)
    assert [(one.count, one.why, one.excluded) for one in ranking.lacking] == [(2, "NO_WAY_IN", (("UNREACHABLE", 2),))]
    scene.unit("P3", (100, 5000), 0.0, "patrol")
    assert ids(scene.rank(s=2)) == ["P3"]
    assert [(one.count, one.why) for one in lacking(scene)] == [(1, "NO_WAY_IN")]
    scene.tell(status("P1", "transporting", 1))
    assert [(one.count, one.why) for one in lacking(scene)] == [(1, "ALL_EXCLUDED")]


def test_where_nothing_is_asked_for_it_is_said_only_when_nobody_can_go() -> None:
    scene = scene_with()
    assert [(one.capability, one.why) for one in lacking(scene)] == [("any", "NO_UNITS")]
    scene.unit("P1", (150, 0))
    assert lacking(scene) == ()


def test_the_answer_says_whom_it_takes_as_what_and_what_it_lacks() -> None:
    needs = (Need("patrol", 2, substitutes=("any",)), Need("engine"), Need("boat", need="want"))
    scene = scene_with(*needs)
    scene.unit("P1", (150, 0), 0.0, "patrol")
    scene.unit("P2", (300, 0), 0.0, "k-9")
    scene.unit("P3", (400, 0), 0.0, "k-9")
    standing = Standing(scene.network)
    standing.update(view(scene.live_map, ms(2)))
    question, first = ask_at_once(standing, "i1")
    told = answer(question, first)
    assert [(one.unit_id, one.fills, one.stands_in) for one in told.chosen] == [
        ("P1", ("patrol",), ()),
        ("P2", ("patrol",), ("patrol",)),
    ]
    assert [(one.capability, one.need, one.why) for one in told.lacking] == [
        ("engine", "must", "NOBODY_HAS_IT"),
        ("boat", "want", "NOBODY_HAS_IT"),
    ]
    fact = decisions.record("d", question, told, first, quick=True)
    words = explained(fact)["words"]
    assert "Still needed: 1 x engine; no unit has it." in words
    assert "Free, and none of them a boat: 3 patrol." in words
    again = decisions.unpack_answer(fact.answer)
    assert decisions.recommendation("d", again, quick=True)["missing"][0]["free_others"] == {"patrol": 3}


def test_a_decision_without_driving_times_is_told_without_them() -> None:
    scene = scene_with(Need("patrol"))
    scene.unit("P1", (150, 0), 0.0, "patrol")
    scene.tell(IncidentChanged(received_ms=ms(1), incident_id="i1", lon=20.0, lat=60.0))
    standing = Standing(scene.network)
    standing.update(view(scene.live_map, ms(2)))
    question, first = ask_at_once(standing, "i1")
    words = explained(decisions.record("d", question, answer(question, first), first, quick=True))["words"]
    assert "no driving times, rules" in words
    assert "Still needed: 1 x patrol; no road is near the place." in words
