"""Run cards: what ships can be read and says what the trade says; what cannot be is named with its remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from geo_backup.backup.run_card import BUILT_IN, card_for, cards_of, read_cards
from geo_backup.cli import demo_map
from geo_backup.errors import BadValueError
from geo_backup.events import Need
from geo_backup.roads.network import RoadNetwork


def test_the_cards_of_the_package() -> None:
    cards = read_cards((BUILT_IN / "cards.toml").read_bytes())
    bomb = card_for(cards, " Bomb  Threat ")
    assert bomb is not None
    assert Need("EOD") in bomb.needs(1)
    assert Need("k-9:explosive", substitutes=("k-9",)) in bomb.needs(1)
    siege = card_for(cards, "barricade")
    assert siege is not None
    assert {"SWAT", "negotiator"} <= {need.capability for need in siege.needs(1)}
    assert siege.staged == ("ALS",)
    assert card_for(cards, "cat in a tree") is None
    assert card_for(cards, "") is None
    assert {card.mode for card in cards.values()} == {"immediate", "delayed", "strategic"}


def test_a_second_alarm_adds_to_the_first() -> None:
    fire = read_cards((BUILT_IN / "cards.toml").read_bytes())["structure-fire"]
    assert fire.several
    first, second = ({n.capability: n.count for n in fire.needs(level)} for level in (1, 2))
    assert (first["engine"], second["engine"]) == (2, 4)
    assert "rescue" in second
    assert fire.needs(9) == fire.needs(2)
    assert fire.needs(0) == fire.needs(1)


def test_an_agencys_own_card_goes_before(tmp_path: Path) -> None:
    folder = tmp_path / "map"
    shutil.copytree(demo_map(), folder)
    (folder / "run_cards").mkdir()
    own = '[domestic]\nkinds=["domestic"]\n[[domestic.alarm]]\nneeds=[{capability="crisis", count=1}]\n'
    (folder / "run_cards" / "ours.toml").write_text(own)
    cards = cards_of(RoadNetwork.load(folder))
    assert cards["domestic"].needs(1) == (Need("crisis"),)
    assert "barricade" in cards
    (folder / "run_cards" / "z.toml").write_text(
        '[zz]\nkinds=["Barricade"]\n[[zz.alarm]]\nneeds=[{capability="any"}]\n'
    )
    (folder / "run_cards" / "dir.toml").mkdir()
    (folder / "run_cards" / "._z.toml").write_bytes(b"\x00\x01")
    own_first = card_for(cards_of(RoadNetwork.load(folder)), "barricade")
    assert own_first is not None
    assert own_first.name == "zz"


def brings(tmp_path: Path, **files: str) -> RoadNetwork:
    """A map with run cards of its own."""
    folder = tmp_path / "map"
    shutil.copytree(demo_map(), folder)
    (folder / "run_cards").mkdir()
    for name, text in files.items():
        (folder / "run_cards" / f"{name}.toml").write_text(text)
    return RoadNetwork.load(folder)


def card(name: str, kinds: str) -> str:
    return f"[{name}]\nkinds=[{kinds}]\n[[{name}.alarm]]\nneeds=[{{capability='a'}}]\n"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"one": card("x", "'siege'"), "two": card("y", "' SIEGE'")}, ("two.toml: y.kinds", "x of map/run_cards/one")),
        ({"one": card("x", "'siege'") + card("y", "'flood', 'siege'")}, ("one.toml: y.kinds", "x of")),
        ({"one": card("x", ""), "two": card("x", "")}, ("two.toml: x is", "one.toml")),
    ],
)
def test_two_cards_of_one_map_claim_no_name_and_no_kind_twice(
    files: dict[str, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(BadValueError) as caught:
        cards_of(brings(tmp_path, **files))
    assert all(word in str(caught.value) for word in words)


def test_a_card_may_name_its_kind_twice_and_kinds_of_the_package(tmp_path: Path) -> None:
    cards = cards_of(brings(tmp_path, ours=card("x", "'fire', 'Fire', 'hostage'"), theirs=card("domestic", "'row'")))
    assert [card_for(cards, kind).name for kind in ("fire", "hostage", "row")] == ["x", "x", "domestic"]  # type: ignore[union-attr]


def test_a_card_may_say_how_urgent_it_is_and_how_one_drives_there(tmp_path: Path) -> None:
    """The profile is one of the map's, or the server does not start on it."""
    urgent = "[x]\nkinds=['siege']\npriority=2\nprofile='{}'\n[[x.alarm]]\nneeds=[{{capability='a'}}]\n"
    cards = cards_of(brings(tmp_path, ours=urgent.format("ambulance")))
    assert (cards["x"].priority, cards["x"].profile) == (2, "ambulance")
    assert (cards["violence"].priority, cards["violence"].profile) == (None, "")
    with pytest.raises(BadValueError, match=r"x\.profile is a profile of this map: ambulance, foot"):
        cards_of(brings(tmp_path / "other", ours=urgent.format("hovercraft")))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x = 1", "x"),
        ("[x", "cards.toml"),
        ("[x]\nmode = 'now'\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.mode"),
        ("[x]\ncolour = 'red'", "x.colour"),
        ("[x]\nmode = 'delayed'", "x.alarm"),
        ("[x]\npriority = 0\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.priority is a number, 1"),
        ("[x]\npriority = true\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.priority"),
        ("[x]\nprofile = 'boat'\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.profile is a profile of this map"),
        ("[x]\nprofile = ['foot']\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.profile"),
        ("[[x.alarm]]\nneeds=[]", "x.alarm[0].needs"),
        ("[[x.alarm]]\nneeds=[{capability='a'}]\nmore=1", "x.alarm[0].needs"),
        ("[[x.alarm]]\nneeds=[{count=2}]", "x.alarm[0].needs[0].capability"),
        ("[[x.alarm]]\nneeds=[{capability='a', count=0}]", "x.alarm[0].needs[0].count"),
        ("[[x.alarm]]\nneeds=[{capability='a', need='maybe'}]", "x.alarm[0].needs[0].need"),
        ("[[x.alarm]]\nneeds=[{capability='a', substitutes='b'}]", "x.alarm[0].needs[0].substitutes"),
        ("[[x.alarm]]\nneeds=[{capability='   '}]", "x.alarm[0].needs[0].capability"),
        ("[[x.alarm]]\nneeds=[{capability='a', substitutes=['\t']}]", "x.alarm[0].needs[0].substitutes"),
        ("[x]\nkinds=[' ']\n[[x.alarm]]\nneeds=[{capability='a'}]", "x.kinds"),
        ("[['  '.alarm]]\nneeds=[{capability='a'}]", "[  ] is no name"),
        (f"[[{'x' * 65}.alarm]]\nneeds=[{{capability='a'}}]", f"[{'x' * 64}] is no name"),
        ("[[x.alarm]]\nneeds=[{capability='a', count=30}]\n" * 2, "x.alarm asks for 60 x a"),
        ("[[x.alarm]]\nneeds=[{capability='a'}]\n" * 10, "x.alarm"),
        (f"[[x.alarm]]\nneeds=[{{capability='a', count={'9' * 5000}}}]", "cards.toml"),
        (f"[[x.alarm]]\nneeds=[{{capability='a', count=0x{'f' * 5000}}}]", "x.alarm[0].needs[0].count"),
        (f"[x]\nmode=0x{'f' * 5000}", "x.mode"),
    ],
)
def test_what_cannot_be_is_named(text: str, key: str) -> None:
    with pytest.raises(BadValueError) as caught:
        read_cards(text.encode(), "cards.toml")
    assert key in str(caught.value)
    assert "cards.toml" in str(caught.value)
