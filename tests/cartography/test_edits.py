"""Files an editor has written: what is deleted in them is not there, and its own ids work."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import osmium
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.cartography.edits import CHUNK
from geo_backup.errors import MapError
from geo_backup.roads.network import RoadNetwork

# a - b - c - d along 57.7 north, and the loop a - e - d; 500 m or so from one to the next
PLACES = {"a": 11.90, "b": 11.91, "c": 11.92, "d": 11.93, "e": 11.915}

MARKS = ['action="delete"', "action='delete'", 'visible="false"', "visible='false' action = 'delete'"]


def edited(sign: int = 1, marks: dict[str, str] | None = None) -> str:
    """Ways 1 (a b c), 2 (c d), 3 (a e d) and relation 9, no left turn from 1 into 2; `marks` by their names."""
    marks = marks or {}
    number = {name: sign * n for n, name in enumerate(PLACES, 1)}
    rows = ["<?xml version='1.0'?>", "<osm version='0.6' upload='never' generator='JOSM'>"]
    for name, lon in PLACES.items():
        lat = 57.701 if name == "e" else 57.7
        rows.append(f"<node id='{number[name]}' {marks.get(name, '')} lat='{lat}' lon='{lon}'/>")
    for way, nodes in (("1", "abc"), ("2", "cd"), ("3", "aed")):
        rows.append(f"<way id='{sign * int(way)}' {marks.get(way, '')}>")
        rows += [f"<nd ref='{number[name]}'/>" for name in nodes]
        rows.append("<tag k='highway' v='residential'/></way>")
    rows.append(f"<relation id='{sign * 9}' {marks.get('9', '')}>")
    rows.append(f"<member type='way' ref='{sign}' role='from'/><member type='node' ref='{number['c']}' role='via'/>")
    rows.append(f"<member type='way' ref='{sign * 2}' role='to'/>")
    rows.append("<tag k='type' v='restriction'/><tag k='restriction' v='no_straight_on'/></relation></osm>")
    return "\n".join(rows)


def build(folder: Path, text: str, name: str = "edited.osm", pack: Callable[[bytes], bytes] = bytes):  # type: ignore[no-untyped-def]
    (folder / name).write_bytes(pack(text.encode()))
    summary = build_map(folder / name, folder / "map", tiles=False)
    return RoadNetwork.load(folder / "map"), summary


@pytest.mark.parametrize("sign", [1, -1])
def test_local_ids_name_the_same_roads(tmp_path: Path, sign: int) -> None:
    network, summary = build(tmp_path, edited(sign))
    assert sorted(abs(way) for way in network.way_id.tolist()) == [1, 2, 3]
    assert (summary.junctions, summary.restrictions_applied, summary.set_aside) == (3, 1, {})


def test_local_ids_work_in_a_pbf_too(tmp_path: Path) -> None:
    (tmp_path / "edited.osm").write_text(edited(-1))
    with osmium.SimpleWriter(str(tmp_path / "edited.osm.pbf")) as writer:
        for thing in osmium.FileProcessor(str(tmp_path / "edited.osm")):
            writer.add(thing)
    assert build_map(tmp_path / "edited.osm.pbf", tmp_path / "map", tiles=False).junctions == 3


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_deleted_way_is_not_there(tmp_path: Path, mark: str, sign: int) -> None:
    network, summary = build(tmp_path, edited(sign, {"3": mark}))
    assert sorted(abs(way) for way in network.way_id.tolist()) == [1, 2]
    assert summary.set_aside == {"deleted_ways": 1}


@pytest.mark.parametrize("mark", MARKS)
def test_a_deleted_restriction_does_not_hold(tmp_path: Path, mark: str) -> None:
    _, summary = build(tmp_path, edited(marks={"9": mark}))
    assert (summary.restrictions_applied, summary.set_aside) == (0, {"deleted_relations": 1})


@pytest.mark.parametrize("mark", MARKS)
def test_a_deleted_node_is_taken_out_of_its_ways(tmp_path: Path, mark: str) -> None:
    """As the editor draws them: a way goes on from neighbour to neighbour, and ends before an end that is gone."""
    network, summary = build(tmp_path, edited(marks={"e": mark, "d": mark}))
    assert network.way_id.tolist() == [1]
    assert summary.set_aside == {"one_vertex": 2, "deleted_nodes": 2, "restrictions_unmatched": 1}
    network, summary = build(tmp_path, edited(marks={"e": mark}))
    assert sorted(network.way_id.tolist()) == [1, 2, 3]
    assert (summary.junctions, summary.set_aside) == (3, {"deleted_nodes": 1})


def test_a_vertex_that_is_not_in_the_file_cuts_the_way(tmp_path: Path) -> None:
    text = "\n".join(row for row in edited().splitlines() if not row.startswith("<node id='5'"))
    network, summary = build(tmp_path, text)
    assert sorted(network.way_id.tolist()) == [1, 2]
    assert summary.set_aside["missing_vertices"] == 1


@pytest.mark.parametrize(("name", "pack"), [("e.osm.gz", gzip.compress), ("e.osm.bz2", bz2.compress)])
def test_packed_edits_are_read(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    _, summary = build(tmp_path, edited(-1, {"3": MARKS[0]}), name, pack)
    assert summary.set_aside == {"deleted_ways": 1}


def test_a_mark_anywhere_in_a_long_file_is_seen(tmp_path: Path) -> None:
    text = edited(marks={"3": MARKS[0]})
    at = text.index(MARKS[0])
    for short in (0, 5, 20):
        padding = f"<!--{'x' * (CHUNK - at - short - 7)}-->"
        _, summary = build(tmp_path, text.replace("<osm ", f"{padding}<osm ", 1))
        assert summary.set_aside == {"deleted_ways": 1}


CHANGES = "<osmChange version='0.6'><modify>{}</modify></osmChange>".format(
    "<way id='1' version='2'><nd ref='1'/><nd ref='2'/><tag k='highway' v='residential'/></way>"
)


@pytest.mark.parametrize("name", ["changes.osc", "changes.osm", "changes.osc.gz", "changes.osm.gz"])
def test_a_file_of_changes_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    pack = gzip.compress if name.endswith("gz") else bytes
    with pytest.raises(MapError, match=r"changes.*apply-changes"):
        build(tmp_path, CHANGES, name, pack)
    assert not (tmp_path / "map").exists()


def test_a_history_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "edited.osm").write_text(edited())
    header = osmium.io.Header()
    header.has_multiple_object_versions = True
    with osmium.SimpleWriter(str(tmp_path / "all.osh.pbf"), header=header) as writer:
        for thing in osmium.FileProcessor(str(tmp_path / "edited.osm")):
            writer.add(thing)
    with pytest.raises(MapError, match=r"history.*time-filter"):
        build_map(tmp_path / "all.osh.pbf", tmp_path / "map", tiles=False)
