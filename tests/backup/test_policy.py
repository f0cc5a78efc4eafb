"""The trade's rules of whom to send, as timelines: agencies, crews, pre-emption, floors, swaps, exercises."""

from __future__ import annotations

from typing import Any

from geo_backup.backup.answer import Answer, Offer, answer
from geo_backup.backup.question import Question, ask
from geo_backup.backup.run_card import card_for, cards_of
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import (
    AgreementEnded,
    AgreementMade,
    AidApproved,
    BackupRequested,
    BeatsAdopted,
    CrewReported,
    IncidentChanged,
    Member,
    Need,
    RulesAdopted,
    UnitRegistered,
)
from geo_backup.roads.profile import hour_of
from tests.backup.test_ranking import XY, Scene, ids, position, river
from tests.roads.tiny import place
from tests.stories import ms, part, status


def request(incident_id: str = "i1", s: float = 1.0, mode: Any = "immediate", **more: Any) -> BackupRequested:
    return BackupRequested(
        **{  # type: ignore[arg-type]
            "event_id": f"request-{incident_id}-{s}",
            "received_ms": ms(s),
            "incident_id": incident_id,
            "requirement": (Need("any", 2),),
            "mode": mode,
            **more,
        }
    )


def asked(scene: Scene, incident_id: str = "i1", s: float = 2.0) -> Question:
    standing = Standing(scene.network)
    standing.update(view(scene.live_map, ms(s)))
    return ask(standing, incident_id)


def sent(scene: Scene, incident_id: str = "i1", s: float = 2.0) -> list[str]:
    return [unit.unit_id for unit in answered(scene, incident_id, s).chosen]


def answered(scene: Scene, incident_id: str = "i1", s: float = 2.0) -> Answer:
    question = asked(scene, incident_id, s)
    first = question.first()
    return answer(question, first, question.best(first))


def reasons(scene: Scene, incident_id: str = "i1", s: float = 2.0) -> dict[str, str]:
    return dict(scene.rank(incident_id, s).excluded())


def of_agency(scene: Scene, unit_id: str, at: XY, agency: str) -> None:
    scene.tell(
        UnitRegistered(received_ms=ms(0), unit_id=unit_id, callsign=unit_id, agency=agency, kind="patrol"),
        position(unit_id, at, 0),
    )


def test_9_an_unstaffed_engine_is_nearer_than_a_staffed_one() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    for unit_id, x in (("empty", 200), ("manned", 900), ("unsaid", 1500)):
        scene.unit(unit_id, (x, 0))
    scene.tell(CrewReported(received_ms=ms(1), unit_id="empty"))
    scene.tell(CrewReported(received_ms=ms(1), unit_id="manned", crew=(Member(("ALS",)), Member())))
    assert ids(scene.rank(s=2)) == ["manned", "unsaid"]
    assert reasons(scene) == {"empty": "UNSTAFFED"}


def test_a_capability_is_the_officers_not_the_cars() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.unit("car", (200, 0))
    scene.tell(request(requirement=(Need("k-9"),)))
    assert ids(scene.rank(s=2)) == []
    scene.tell(CrewReported(received_ms=ms(2), unit_id="car", crew=(Member(("k-9",), "handler 12"),)))
    assert sent(scene) == ["car"]


def test_rest_and_the_end_of_a_shift() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=4)
    crew = (Member(),)
    for unit_id in ("resting", "ending", "fresh"):
        scene.unit(unit_id, (200, 0))
    scene.tell(
        CrewReported(received_ms=ms(1), unit_id="resting", crew=crew, rest_until_ms=ms(600)),
        CrewReported(received_ms=ms(1), unit_id="ending", crew=crew, shift_ends_ms=ms(900)),
        CrewReported(received_ms=ms(1), unit_id="fresh", crew=crew, shift_ends_ms=ms(9_000)),
    )
    assert ids(scene.rank(s=2)) == ["fresh"]
    assert reasons(scene) == {"resting": "REST_PERIOD", "ending": "END_OF_SHIFT"}
    scene.tell(IncidentChanged(received_ms=ms(3), incident_id="i1", priority=1))
    assert ids(scene.rank(s=3)) == ["ending", "fresh"], "a grave call is for whoever is still there"


def test_12_another_agencys_unit_needs_an_agreement_and_says_so() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), agency="town")
    of_agency(scene, "foreign", (200, 0), "county")
    of_agency(scene, "own", (1900, 0), "town")
    assert ids(scene.rank(s=1)) == ["own"]
    assert reasons(scene) == {"foreign": "WRONG_AGENCY_OR_NO_AGREEMENT"}
    mutual = AgreementMade(received_ms=ms(2), agreement_id="a1", lender="county", borrower="town", aid="mutual")
    scene.tell(mutual)
    assert reasons(scene) == {"foreign": "NEEDS_APPROVAL"}
    scene.tell(AidApproved(received_ms=ms(3), incident_id="i1", agency="county", by="sergeant"))
    assert ids(scene.rank(s=3)) == ["foreign", "own"]
    # one direction only
    scene.incident("i2", (100, 0), agency="county")
    assert reasons(scene, "i2") == {"own": "WRONG_AGENCY_OR_NO_AGREEMENT"}


def test_automatic_aid_ranks_both_until_the_share_is_used() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), agency="town")
    for n in range(4):
        of_agency(scene, f"c{n}", (200 + 10 * n, 0), "county")
    scene.tell(
        AgreementMade(
            received_ms=ms(1), agreement_id="a1", lender="county", borrower="town", aid="automatic", max_share=0.25
        )
    )
    assert ids(scene.rank(s=1))[0] == "c0"
    scene.tell(part("i1", "c0", "assigned", 2))
    assert set(reasons(scene).values()) == {"AID_SHARE_USED"}


def test_an_agreement_holds_in_its_hours() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), agency="town")
    of_agency(scene, "c", (200, 0), "county")
    hour = hour_of(ms(2), scene.network.area.timezone)
    for hours, helped in (((), True), ((hour,), True), (((hour + 1) % 24,), False)):
        agreement = AgreementMade(
            received_ms=ms(1), agreement_id=f"a{hours}", lender="county", borrower="town", aid="automatic", hours=hours
        )
        scene.tell(agreement)
        assert (ids(scene.rank(s=2)) == ["c"]) == helped
        scene.tell(AgreementEnded(received_ms=ms(1), agreement_id=agreement.agreement_id))


def test_who_waits_at_staging_is_told_so() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=1, kind="barricade")
    card = card_for(cards_of(scene.network), "barricade")
    assert card is not None
    for unit_id, skill, x in (("medic", "ALS", 150), ("team", "SWAT", 300)):
        scene.unit(unit_id, (x, 0), 0.0, skill)
    for n in range(4):
        scene.unit(f"car {n}", (400, 0), 0.0, "patrol")
    scene.tell(request(requirement=card.needs(1)))
    told = {unit.unit_id: unit.staged for unit in answered(scene).chosen}
    assert told == {"medic": True, "team": False, **{f"car {n}": False for n in range(4)}}


def test_immediate_backup_opens_mutual_aid_when_its_own_are_too_far() -> None:
    """Two of a first wave of two must come within the rule's time; only one of the own can."""
    scene = Scene(river())
    scene.tell(RulesAdopted(received_ms=ms(0), rules={"backup": {"first_wave": 2, "kth_eta_max_ms": 60_000}}))
    scene.incident("i1", (100, 0), agency="town", priority=1)
    of_agency(scene, "near", (150, 0), "town")
    of_agency(scene, "far", (1990, 100), "town")
    of_agency(scene, "county", (250, 0), "county")
    scene.tell(AgreementMade(received_ms=ms(1), agreement_id="a1", lender="county", borrower="town", aid="mutual"))
    assert reasons(scene) == {"county": "NEEDS_APPROVAL"}
    scene.tell(request())
    assert sent(scene) == ["near", "county"]
    (aided,) = [row for row in scene.rank(s=2).candidates(9) if row.unit_id == "county"]
    assert aided.warnings == ("MUTUAL_AID",)


def test_a_grave_call_takes_units_from_lesser_ones_by_the_table() -> None:
    scene = Scene(river())
    for incident_id, priority in (("grave", 1), ("equal", 2), ("lesser", 3), ("least", 4)):
        scene.incident(incident_id, (100, 0), priority=priority)
    parts = ("a equal en_route", "b lesser en_route", "c lesser on_scene", "d least on_scene")
    for unit_id, incident_id, state in (words.split() for words in parts):
        scene.unit(unit_id, (300, 0))
        scene.tell(part(incident_id, unit_id, "assigned", 1), part(incident_id, unit_id, state, 1))  # type: ignore[arg-type]
    scene.unit("meal", (300, 0))
    scene.tell(status("meal", "busy", 1))
    assert ids(scene.rank("grave", 2)) == [], "nobody asked for backup yet"
    scene.tell(request("grave"))
    rows = {row.unit_id: row for row in scene.rank("grave", 2).candidates(9)}
    assert set(rows) == {"b", "d", "meal"}
    assert rows["b"].preempts == "lesser"
    assert rows["b"].warnings == ("PREEMPTS",)
    assert (rows["b"].clear_ms, rows["d"].clear_ms, rows["meal"].clear_ms) == (0, 60_000, 60_000)
    assert rows["d"].eta_ms == rows["d"].turnout_ms + 60_000 + rows["d"].drive_ms + rows["d"].last_leg_ms
    scene.tell(request("grave", 3, "delayed"))
    assert ids(scene.rank("grave", 3)) == [], "delayed backup robs nobody"


def test_delayed_backup_by_a_time_spares_the_busy_and_the_city() -> None:
    """All who are surely there in time are as good as each other: the crew with fewer calls goes."""
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=3, profile="routine")
    crew = (Member(),)
    for unit_id, x in (("near", 150), ("farther", 1200)):
        scene.unit(unit_id, (x, 0))
        scene.tell(CrewReported(received_ms=ms(0), unit_id=unit_id, crew=crew))
    scene.incident("before", (100, 0), priority=5)
    scene.tell(part("before", "near", "assigned", 1), part("before", "near", "cleared", 1))
    assert scene.live_map.units["near"].calls == 1
    scene.tell(RulesAdopted(received_ms=ms(1), rules={"cover": {"p3_lambda_ms": 0}}))
    scene.tell(request(mode="delayed", requirement=(Need("any"),)))
    assert sent(scene) == ["near"]
    scene.tell(request(s=3, mode="delayed", requirement=(Need("any"),), arrive_by_ms=ms(1_800)))
    question = asked(scene, s=3)
    assert (question.requests[question.own].eta_ms == 0).sum() == 2
    assert sent(scene, s=3) == ["farther"]


def beats(scene: Scene, **floors: int) -> None:
    """Beat "west" until x = 1,000 m, "east" beyond."""
    features = []
    for beat_id, floor in floors.items():
        (west, south), (east, north) = (place(x, y) for x, y in {"west": ((-90, -90), (1000, 300))}.get(
            beat_id, ((1000, -90), (3000, 300))
        ))  # fmt: skip
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "geometry": shape, "properties": {"beat_id": beat_id, "floor": floor}})
    scene.tell(BeatsAdopted(received_ms=ms(0), beats={"type": "FeatureCollection", "features": features}))


def test_7_the_last_unit_of_a_beat_is_kept_for_p3_and_released_for_p1() -> None:
    scene = Scene(river())
    beats(scene, west=1, east=0)
    scene.incident("i1", (100, 0), priority=3)
    scene.unit("last", (200, 0))
    scene.unit("other", (1500, 0))
    scene.tell(request(requirement=(Need("any"),)))
    assert sent(scene) == ["other"]
    assert {unit.unit_id: unit.reason for unit in answered(scene).units} == {"last": "COVERAGE_FLOOR", "other": ""}
    assert answered(scene).excluded == (("COVERAGE_FLOOR", 1),)
    scene.tell(IncidentChanged(received_ms=ms(3), incident_id="i1", priority=1))
    assert sent(scene, s=3) == ["last"]
    (unit,) = answered(scene, s=3).chosen
    assert unit.price_words == "last unit of beat west for about 22 min"


def test_a_floor_holds_for_all_requests_together_whatever_their_skills() -> None:
    """Two may leave the beat, three are near; the dog that one asks for is the farthest of them."""
    scene = Scene(river())
    beats(scene, west=1, east=0)
    scene.incident("report", (100, 0), priority=4)
    scene.incident("search", (100, 0), priority=3)
    for unit_id, x in (("a", 150), ("b", 200), ("dog", 900), ("east", 1900)):
        scene.unit(unit_id, (x, 0), 0.0, *(["k-9"] if unit_id == "dog" else []))
    scene.tell(request("report", 1, "delayed"), request("search", 1, "delayed", requirement=(Need("k-9"),)))
    assert sent(scene, "search") == ["dog"]
    report = sent(scene, "report")
    assert len(report) == 2
    assert len({"a", "b"} & set(report)) == 1, "one of the three stays"


def test_an_engine_is_no_cover_for_the_police() -> None:
    """The beat's only car is its last, though an engine of the brigade stands there too."""
    scene = Scene(river())
    beats(scene, west=1, east=1)
    scene.incident("i1", (100, 0), priority=3, agency="police")
    of_agency(scene, "car", (200, 0), "police")
    of_agency(scene, "engine", (300, 0), "brigade")
    of_agency(scene, "far car", (1500, 0), "police")
    of_agency(scene, "farther car", (1600, 0), "police")
    scene.tell(request(requirement=(Need("any"),)))
    assert sent(scene) == ["far car"]


def test_an_agency_lives_by_its_own_rules() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=2, agency="town")
    scene.incident("i2", (100, 0), priority=2, agency="county")
    of_agency(scene, "t", (300, 0), "town")
    of_agency(scene, "c", (300, 0), "county")
    scene.tell(part("i1", "t", "assigned", 1), part("i2", "c", "assigned", 1))
    scene.incident("t1", (100, 0), priority=2, agency="town")
    scene.incident("c1", (100, 0), priority=2, agency="county")
    scene.tell(
        RulesAdopted(received_ms=ms(1), rules={"backup": {"p2_takes_en_route_from": 2}}, agency="town"),
        RulesAdopted(received_ms=ms(1), rules={"turnout": {"mobile_ms": 90_000}}, agency="county"),
        request("t1"),
        request("c1"),
    )
    assert ids(scene.rank("t1", 2)) == ["t"], "the town's rules let a P2 take from a P2"
    assert ids(scene.rank("c1", 2)) == []
    scene.tell(part("i2", "c", "cleared", 3))
    assert ids(scene.rank("c1", 4)) == ["c"]
    assert scene.rank("c1", 4).candidates(1)[0].turnout_ms == 90_000
    # the house's rules change, and the town keeps its own
    scene.tell(RulesAdopted(received_ms=ms(5), rules={"turnout": {"mobile_ms": 1_000}}))
    assert scene.live_map.rules.of("town").turnout.mobile_ms == 1_000
    assert scene.live_map.rules.of("town").backup.p2_takes_en_route_from == 2
    assert scene.live_map.rules.of("county").turnout.mobile_ms == 90_000
    scene.tell(RulesAdopted(received_ms=ms(6), rules={}, agency="town"))
    assert scene.live_map.rules.of("town").backup.p2_takes_en_route_from == 4


def test_17_ties_are_broken_the_same_way_every_time() -> None:
    scene = Scene(river())
    scene.incident("i1", (1000, 0), priority=1)
    for unit_id in ("z", "m", "a"):
        scene.unit(unit_id, (900, 0))
    scene.tell(request(requirement=(Need("any", 1),)))
    assert {tuple(sent(scene)) for _ in range(3)} == {("a",)}
    assert answered(scene) == answered(scene)


def test_18_an_exercise_touches_no_unit() -> None:
    scene = Scene(river())
    scene.incident("drill", (100, 0), exercise=True, apart=True, priority=1)
    scene.incident("real", (100, 0), priority=3)
    scene.unit("a", (200, 0))
    scene.tell(request("drill", requirement=(Need("any"),)))
    before = scene.live_map.units["a"]
    was = (before.status, before.incident_id, before.calls)
    assert sent(scene, "drill") == ["a"]
    scene.tell(part("drill", "a", "assigned", 3), part("drill", "a", "en_route", 4), part("drill", "a", "on_scene", 9))
    assert (before.status, before.incident_id, before.calls) == was
    assert ids(scene.rank("real", 10)) == ["a"], "it is as free as before"
    scene.tell(part("real", "a", "assigned", 11))
    assert scene.live_map.units["a"].incident_id == "real"
    assert scene.live_map.incidents["drill"].assignments["a"].state == "on_scene"


def test_two_incidents_do_not_get_the_same_unit() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=3)
    scene.incident("i2", (100, 0), priority=1)
    scene.unit("near", (150, 0))
    scene.unit("far", (1200, 0))
    one = (Need("any"),)
    scene.tell(request("i1", requirement=one), request("i2", requirement=one))
    assert (sent(scene, "i1"), sent(scene, "i2")) == (["far"], ["near"])


def test_a_swap_is_offered_only_where_it_gains_much() -> None:
    """4.8: the assigned unit is far; another comes free nearby after the cool-down."""
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=1)
    scene.unit("slow", (2000, 140))
    scene.tell(request(requirement=(Need("any"),)), part("i1", "slow", "assigned", 2))
    scene.unit("quick", (150, 0), 3.0)

    def offers(s: float) -> tuple[Offer, ...]:
        scene.tell(position("slow", (2000, 140 - s / 1000), s), position("quick", (150, 0), s))
        return answered(scene, s=s).swaps

    assert offers(10) == (), "in the cool-down after the assignment"
    (offer,) = offers(200)
    assert (offer.unit_id, offer.replaces) == ("quick", "slow")
    assert offer.gain_ms > 60_000


def test_a_swap_does_the_same_part_and_is_offered_once() -> None:
    """A medic nearby is no swap for the team; one team that comes near is none for two."""
    scene = Scene(river())
    scene.incident("i1", (100, 0), priority=1)
    needs = (Need("SWAT", 2), Need("patrol", 1, "must", ("any",)))
    for unit_id in ("team 1", "team 2"):
        scene.unit(unit_id, (2000, 140), 0.0, "SWAT")
    scene.unit("car", (120, 0), 0.0, "patrol")
    scene.tell(request(requirement=needs), *(part("i1", unit_id, "assigned", 2) for unit_id in ("team 1", "team 2")))
    scene.unit("medic", (150, 0), 3.0, "ALS")

    def offers(s: float) -> list[tuple[str, str]]:
        for unit_id in ("team 1", "team 2"):
            scene.tell(position(unit_id, (2000, 140 - s / 1000), s))
        return [(one.unit_id, one.replaces) for one in answered(scene, s=s).swaps]

    scene.tell(position("medic", (151, 0), 200))
    assert offers(200) == []
    scene.unit("team 3", (300, 0), 201.0, "SWAT")
    assert offers(202) == [("team 3", "team 1")]
