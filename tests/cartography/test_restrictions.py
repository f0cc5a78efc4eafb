"""Turn restrictions: each is counted once, and those that hold mark their turns."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from geo_backup.cartography.build import BuildSummary, build_map
from geo_backup.cartography.restrictions import OUTCOMES
from geo_backup.roads.network import RoadNetwork, TurnFlag

from .drawing import Drawing

DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))


def arms() -> tuple[Drawing, dict[str, int]]:
    """
        N
        |
    W - X - E     each arm a way of its own
        |
        S
    """
    drawing = Drawing({"W": (-3.0, 0.0), "X": (0.0, 0.0), "E": (3.0, 0.0), "N": (0.0, 3.0), "S": (0.0, -3.0)})
    return drawing, {arm: drawing.way(f"{arm}X") for arm in "WENS"}


def restricted(drawing: Drawing, network: RoadNetwork) -> set[str]:
    paths = [f"{a}X{b}" for a in "WENS" for b in "WENS" if a != b]
    return {path for path in paths if (drawing.turn(network, path) or 0) & TurnFlag.RESTRICTED}


def total(s: BuildSummary) -> int:
    return sum(getattr(s, f"restrictions_{outcome}") for outcome in OUTCOMES)


def test_no_left_turn(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.forbid("no_left_turn", way["W"], "X", way["N"])
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network) == {"WXN"}
    assert drawing.turn(network, "WXN") is not None, "kept: a siren may overrule it"
    assert summary.restrictions_applied == total(summary) == 1
    assert network.area.turn_restrictions == "1 of 1 applied"


def test_only_straight_on(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.forbid("only_straight_on", way["W"], "X", way["E"])
    network, _ = drawing.build(tmp_path)
    assert restricted(drawing, network) == {"WXN", "WXS"}


def test_exceptions(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.forbid("no_left_turn", way["W"], "X", way["N"], **{"except": "psv;emergency"})
    drawing.forbid("no_left_turn", way["N"], "X", way["E"], **{"except": "motorcar"})
    drawing.forbid("no_left_turn", way["S"], "X", way["W"], **{"except": "bicycle"})
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network) == {"WXN", "SXW"}
    assert (drawing.turn(network, "WXN") or 0) & TurnFlag.EMERGENCY_EXEMPT
    assert not (drawing.turn(network, "SXW") or 0) & TurnFlag.EMERGENCY_EXEMPT
    assert (summary.restrictions_applied, summary.restrictions_exempt) == (2, 1)


def test_the_strict_one_of_two_has_the_last_word(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.forbid("no_left_turn", way["W"], "X", way["N"])
    drawing.forbid("no_left_turn", way["W"], "X", way["N"], **{"except": "emergency"})
    network, _ = drawing.build(tmp_path)
    assert not (drawing.turn(network, "WXN") or 0) & TurnFlag.EMERGENCY_EXEMPT


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    drawing, way = arms()
    path = drawing.way("NE", highway="footway")
    drawing.forbid("no_left_turn", way["W"], "X", path)
    drawing.forbid("no_left_turn", way["W"], "E", way["N"])
    drawing.forbid("keep_smiling", way["W"], "X", way["N"])
    drawing.restrictions.append(({"type": "restriction", "restriction": "no_left_turn"}, [("from", "way", way["W"])]))
    drawing.forbid_over("no_u_turn", way["W"], [way["N"]], way["E"])
    drawing.restrictions.append(
        ({"type": "restriction", "restriction:conditional": "no_left_turn @ (07:00-09:00)"}, [("from", "way", 1)])
    )
    drawing.restrictions.append(({"type": "restriction", "restriction:hgv": "no_left_turn"}, [("from", "way", 1)]))
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network) == set()
    assert summary.restrictions_unmatched == 1
    assert summary.restrictions_malformed == 4
    assert summary.restrictions_needless == 1, "nobody drives from W over N to E without turning round"
    assert summary.restrictions_exempt == 1
    assert total(summary) == 7


def test_a_turn_forbidden_at_some_hours_is_forbidden_at_all(tmp_path: Path) -> None:
    """`restriction:conditional`, its form for cars, and the older day_on/hour_on."""
    drawing, way = arms()
    hours = {"restriction": "", "restriction:conditional": "no_left_turn @ (Mo-Fr 07:00-09:00; Sa 10:00-12:00)"}
    drawing.forbid("", way["W"], "X", way["N"], **hours)
    drawing.forbid("", way["S"], "X", way["E"], **{"restriction:motorcar:conditional": "no_right_turn @ (wet)"})
    drawing.forbid("no_left_turn", way["N"], "X", way["E"], hour_on="07:00", hour_off="09:00")
    drawing.forbid("", way["E"], "X", way["S"], **{"restriction:hgv:conditional": "no_left_turn @ (06:00-22:00)"})
    drawing.forbid("", way["E"], "X", way["N"], **{"restriction:conditional": "none @ (06:00-22:00)"})
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network) == {"WXN", "SXE", "NXE"}
    assert (summary.restrictions_conditional, summary.restrictions_exempt, summary.restrictions_malformed) == (3, 1, 1)
    assert total(summary) == 5
    assert network.area.turn_restrictions == "3 of 5 applied"


def test_what_holds_at_all_times_is_no_condition(tmp_path: Path) -> None:
    """`no_left_turn` for all, and lorries even less: the condition is not for cars."""
    drawing, way = arms()
    drawing.forbid(
        "no_left_turn", way["W"], "X", way["N"], **{"restriction:hgv:conditional": "no_left_turn @ (weight>7.5)"}
    )
    _, summary = drawing.build(tmp_path)
    assert summary.restrictions_applied == total(summary) == 1


def test_a_ban_on_what_a_one_way_forbids_anyway_is_needless(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.ways[way["N"] - 101][1]["oneway"] = "yes"  # type: ignore[index]
    drawing.forbid("no_left_turn", way["W"], "X", way["N"])
    _, summary = drawing.build(tmp_path)
    assert summary.restrictions_needless == total(summary) == 1


def test_a_member_left_behind_when_its_way_was_cut_does_no_harm(tmp_path: Path) -> None:
    drawing, way = arms()
    drawing.nodes["V"] = (-6.0, 0.0)
    behind = drawing.way("VW")
    drawing.forbid("no_left_turn", way["W"], "X", way["N"])
    drawing.restrictions[0][1].append(("from", "way", behind))  # type: ignore[attr-defined]
    drawing.restrictions[0][1].append(("to", "way", way["S"]))  # type: ignore[attr-defined]
    network, summary = drawing.build(tmp_path)
    assert summary.restrictions_malformed == 1, "two ways to go to, both at the node: nobody knows which is meant"
    drawing.restrictions[0][1].pop()  # type: ignore[attr-defined]
    network, summary = drawing.build(tmp_path)
    assert summary.restrictions_applied == 1
    assert restricted(drawing, network) == {"WXN"}


def test_a_restriction_that_traps_leaves_the_u_turn(tmp_path: Path) -> None:
    """W - X - E with no way on from W at X: who comes from W may turn round."""
    drawing = Drawing({"W": (-3.0, 0.0), "X": (0.0, 0.0), "E": (3.0, 0.0)})
    west, east = drawing.way("WX"), drawing.way("XE")
    drawing.forbid("no_straight_on", west, "X", east)
    drawing.forbid("no_u_turn", west, "X", west)
    network, _ = drawing.build(tmp_path)
    facts = drawing.turn(network, "WXW")
    assert facts is not None
    assert not facts & TurnFlag.RESTRICTED


@pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found at {DATA} (set GEO_BACKUP_DATA)")
@pytest.mark.parametrize(
    ("area", "relations", "outcomes"),
    [
        pytest.param("heidelberg", 476, {"applied": 461, "needless": 4, "unmatched": 11}, marks=pytest.mark.long),
        ("liechtenstein", 85, {"applied": 76, "via_way": 7, "malformed": 1, "unmatched": 1}),
        ("monaco", 45, {"applied": 43, "unmatched": 2}),
        pytest.param(
            "porto", 357, {"applied": 336, "via_way": 1, "malformed": 15, "unmatched": 5}, marks=pytest.mark.long
        ),
    ],
)
def test_real_restrictions_are_all_accounted_for(
    tmp_path: Path, area: str, relations: int, outcomes: dict[str, int]
) -> None:
    summary = build_map(DATA / "maps" / f"{area}.osm.pbf", tmp_path / area, tiles=False)
    assert total(summary) == relations
    found = {outcome: getattr(summary, f"restrictions_{outcome}") for outcome in OUTCOMES}
    assert {outcome: count for outcome, count in found.items() if count} == outcomes
