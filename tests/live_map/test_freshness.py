"""One rule of freshness: whoever asks, a document, a ranking, the fleet's columns or a page, hears the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from geo_backup.backup.fleet import UnitTable
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import UnitRow, view
from geo_backup.events import Event, RulesAdopted, UnitRegistered
from geo_backup.live_map import LiveMap
from geo_backup.live_map.freshness import FRESHNESS
from geo_backup.rules import Rules
from geo_backup.wire import checkpoint, documents
from tests.roads.tiny import Street, draw, place
from tests.stories import fold, ms, opened, ping, status, tell, unit

BOATS = {"freshness": {"live_moving_ms": 120_000, "delayed_moving_ms": 240_000, "parked_below_mps": 0.2}}


def of_kind(kind: str, unit_id: str) -> UnitRegistered:
    return replace(unit(unit_id), kind=kind)


def town() -> LiveMap:
    """Cars and boats that drive, stand, or say no speed; one that was never heard of, one at its post, and rules by
    which boats may be older."""
    story: list[Event] = [RulesAdopted(received_ms=ms(0), rules=BOATS, kind="boat")]
    for kind in ("patrol", "boat"):
        story += [of_kind(kind, f"{kind} {how}") for how in ("drives", "creeps", "stands", "mute", "silent")]
        story += [
            ping(f"{kind} drives", 0, 10, speed_mps=9.0),
            ping(f"{kind} creeps", 0, 20, speed_mps=0.5),
            ping(f"{kind} stands", 0, 30, speed_mps=0.0),
            *(ping(f"{kind} mute", s, 40) for s in (-5, 0)),
        ]
    lon, lat = place(100, 0)
    story += [replace(unit("at post"), home=(lon, lat)), status("at post", "on_station", 0)]
    return fold([*story, opened("i1", lon=lon, lat=lat)])


def of_page(limits: dict[str, Any], kind: str, position: list[Any] | None, now_ms: int) -> str | None:
    """What the page makes of what it is told; see freshness.ts."""
    if position is None:
        return None
    own = limits["kinds"].get(kind, limits)
    return FRESHNESS[sum(now_ms - position[4] > limit for limit in own["parked_ms" if position[5] else "moving_ms"])]


@pytest.mark.parametrize("age_s", [0, 15, 16, 60, 61, 120, 121, 240, 241, 300, 301, 1_800, 1_801])
def test_everybody_hears_the_same(age_s: int) -> None:
    live_map, now_ms = town(), ms(age_s)
    network = draw({"a": (0, 0), "b": (1_000, 0)}, [Street("ab", "High Street")])
    limits = documents.freshness_limits(live_map.rules)
    table = UnitTable(network, live_map.rules)
    table.put([UnitRow.of(one) for one in live_map.units.values()])
    columns = dict(zip(table.ids, (FRESHNESS[code] for code in table.freshness(now_ms).tolist()), strict=True))
    standing = Standing(network)
    standing.update(view(live_map, now_ms))
    ranking = rank(standing, "i1")
    ranked = {one.unit_id: one.freshness for one in ranking.candidates(100)}
    ranked |= {unit_id: "lost" for unit_id, why in ranking.excluded() if why in ("STALE_POSITION", "NO_POSITION")}
    said = {}
    for unit_id, one in live_map.units.items():
        said[unit_id] = documents.unit_feature(live_map, one, now_ms)["properties"]["freshness"]
        seen = of_page(limits, one.kind, documents.position(one), now_ms)
        assert seen in (None, said[unit_id]), unit_id
    assert columns == said
    assert ranked == said


def test_kinds_have_limits_of_their_own() -> None:
    live_map = town()

    def grades(age_s: int) -> dict[str, str]:
        units = live_map.units.values()
        told = [documents.unit_feature(live_map, one, ms(age_s))["properties"] for one in units]
        return {one["unit_id"]: one["freshness"] for one in told}

    now = grades(61)
    assert (now["patrol drives"], now["boat drives"]) == ("stale", "live")
    assert (now["patrol creeps"], now["boat creeps"]) == ("delayed", "live"), "a boat that creeps is no parked one"
    assert (now["patrol silent"], now["at post"]) == ("lost", "live")
    assert grades(121)["boat drives"] == "delayed"


def test_rules_of_a_kind_are_adopted_and_taken_back() -> None:
    live_map = fold([])
    house = live_map.rules.rules_id
    boats = RulesAdopted(received_ms=ms(0), rules=BOATS, kind="boat")
    assert tell(live_map, boats) == [None]
    assert live_map.rules.rules_id != house
    assert live_map.rules.of_kind("boat").freshness.live_moving_ms == 120_000
    assert live_map.rules.of_kind("patrol").freshness == live_map.rules.freshness == Rules().freshness
    again = checkpoint.parse(checkpoint.dump(live_map)).rules
    assert (again, again.rules_id) == (live_map.rules, live_map.rules.rules_id)
    others = [
        replace(boats, rules={"backup": {"first_wave": 2}}),
        replace(boats, rules={"freshness": {"live_moving_ms": -1}}),
        replace(boats, agency="fire"),
        replace(boats, kind="", rules={"freshness": {"live_moving_ms": 20_000}}),
    ]
    assert tell(live_map, *others) == ["whole_server", "bad_rule", "whole_server", None]
    assert live_map.rules.of_kind("boat").freshness.live_moving_ms == 120_000
    assert live_map.rules.of_kind("boat").freshness.live_parked_ms == 60_000
    assert tell(live_map, replace(boats, rules={}), replace(boats, kind="", rules={})) == [None, None]
    assert live_map.rules.rules_id == house
