"""Drills: regret against hindsight, on real roads."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import pytest

from geo_backup.errors import BadValueError
from geo_backup.events import Need
from geo_backup.lab.drill import Score, score
from geo_backup.lab.scenario import Scenario, read_scenario
from geo_backup.roads.network import RoadNetwork
from tests.rounds import cases
from tests.running import GOTHENBURG, ROOT

RIVER = Path(ROOT / "examples" / "drills" / "river.toml").read_text(encoding="utf-8")


@functools.cache
def network() -> RoadNetwork:
    return RoadNetwork.load(GOTHENBURG)


def crew(scenario: Scenario, *chosen: tuple[str, ...]) -> Score:
    """The same exercise with other choices."""
    injects = tuple(i._replace(chosen=who) for i, who in zip(scenario.injects, chosen, strict=True))
    return score(network(), scenario._replace(injects=injects))


def test_who_takes_the_only_dog_regrets_it_then_and_not_when_it_is_missed() -> None:
    found = score(network(), read_scenario(RIVER))
    first, second, third = found.choices
    assert first.regret_s > 3_000
    assert second.unfilled == 1
    assert (second.regret_s, third.regret_s) == (0.0, 0.0)
    assert found.regret_s == pytest.approx(found.crew_s - found.best_s, abs=0.2)


@pytest.mark.parametrize("crews", cases((2, 3, None), [2]))
def test_the_best_in_hindsight_is_that_of_all_crews_there_could_be(crews: int | None) -> None:
    """Of so many units, or of all."""
    scenario = read_scenario(RIVER)
    scenario = scenario._replace(injects=scenario.injects[:2], units=scenario.units[:crews])
    units = [unit.unit_id for unit in scenario.units]
    some = [who for count in (0, 1, 2) for who in itertools.combinations(units, count)]
    scores = [crew(scenario, *choices) for choices in itertools.product(some, repeat=2)]
    assert all(one.proven for one in scores)
    assert min(one.crew_s for one in scores) == scores[0].best_s
    assert {one.best_s for one in scores} == {scores[0].best_s}
    for one in scores:
        assert sum(choice.regret_s for choice in one.choices) == pytest.approx(one.regret_s, abs=0.5)
        assert all(choice.regret_s >= -0.1 for choice in one.choices)


def test_who_is_busy_cannot_be_sent_and_who_is_too_many_is_busy() -> None:
    scenario = read_scenario(RIVER)
    found = crew(scenario, ("P1", "P3"), ("P1",), ())
    (note,) = found.choices[0].notes
    assert note.endswith("is more than was asked for, or not fit for it")
    assert found.choices[1].notes == ["P1 is not free, or cannot get there"]
    assert found.choices[1].unfilled == 2


def test_a_substitute_counts() -> None:
    scenario = read_scenario(RIVER)
    needs = (Need("medic", substitutes=("k9",)),)
    injects = (scenario.injects[0]._replace(needs=needs, chosen=("P1",)),)
    assert score(network(), scenario._replace(injects=injects)).choices[0].unfilled == 0


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('unit_id = "P2"', 'unit_id = "P1"', "/unit"),
        ("lat = 57.7200", "lat = 157.72", "/unit/1/lat"),
        ('chosen = ["P1"]', 'chosen = ["P9"]', "/inject/0/chosen"),
        ('need = "want"', 'need = "perhaps"', "/inject/2/needs/1/need"),
        ('capability = "k9", count = 1', 'capability = "k9", count = 0', "/inject/1/needs/0/count"),
        ("[[inject]]", "[[other]]", "/inject"),
        ("title", "title =", ""),
    ],
)
def test_a_wrong_scenario_says_where(old: str, new: str, field: str) -> None:
    with pytest.raises(BadValueError) as caught:
        read_scenario(RIVER.replace(old, new))
    assert caught.value.field == field


def test_a_place_off_the_map_is_named() -> None:
    with pytest.raises(BadValueError, match="no road near") as caught:
        score(network(), read_scenario(RIVER.replace("lon = 11.9560", "lon = 19.9560")))
    assert caught.value.field == "/inject/1/lon"
