"""The index beside a log: it finds what the log holds, follows it, and is made anew where it is another log's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.eventlog import open_log
from geo_backup.eventlog.purge import purge
from geo_backup.eventlog.reading import Reader, index_beside
from geo_backup.eventlog.retention import Terms
from geo_backup.events import BeatsAdopted, Event, Fix, IncidentClosed, PositionReported, UnitRegistered
from geo_backup.history.index import Index, Lookup, Row
from geo_backup.history.packed import pack, unpack
from geo_backup.history.track import Track, track
from geo_backup.live_map import LiveMap
from geo_backup.rules import Rules
from geo_backup.wire import checkpoint
from tests.rounds import rounds
from tests.stories import T0, any_story, fold, ms, opened, part, ping, status, unit

RULES = Rules().fix


def written(path: Path, *events: Event) -> Path:
    """A log with some more events."""
    with closing(open_log(path, reserve_bytes=0)) as log:
        asyncio.run(log.append(events))
    return path


def indexed(path: Path) -> None:
    """Bring the index of a log up to its end."""
    with Reader(path) as reader, closing(Index(path, reader.epoch, reader.last_seq)) as index:
        while index.add_facts(reader) or index.add_fixes(reader):
            pass


def found(path: Path, *words: str, closed: bool = False, from_ms: int = 0, to_ms: int = 2**62) -> list[str]:
    with closing(Lookup(path)) as lookup:
        return [row.incident.incident_id for row in lookup.search(words, closed, from_ms, to_ms)]


def row_of(path: Path, incident_id: str) -> Row:
    with closing(Lookup(path)) as lookup:
        row = lookup.incident(incident_id)
    assert row is not None
    return row


def track_of(path: Path, unit_id: str, from_s: float, to_s: float) -> Track:
    with Reader(path) as reader, closing(Lookup(path)) as lookup:
        return track(reader, lookup, unit_id, ms(from_s), ms(to_s), RULES, None)


def seconds(fixes: Sequence[Fix]) -> list[float]:
    return [(fix.fix_ms - T0) / 1000 for fix in fixes]


def test_a_track_is_whole_whether_its_fixes_are_indexed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "log"
    pings = [ping(f"P{n % 3}", n, north_m=n) for n in range(300)]
    written(path, *pings[:200])
    indexed(path)
    written(path, *pings[200:])
    half = track_of(path, "P1", 100, 250)
    indexed(path)
    whole = track_of(path, "P1", 100, 250)
    assert seconds(half.fixes) == seconds(whole.fixes) == [s for s in range(100, 251) if s % 3 == 1]
    assert all(one == pytest.approx(other, abs=1e-7) for one, other in zip(half.fixes[0], whole.fixes[0], strict=True)
               if one is not None and other is not None)  # fmt: skip
    assert track_of(path, "P9", 0, 300).fixes == []


@pytest.mark.parametrize("at_once", [7, 20, 300])
def test_fixes_are_indexed_once_however_many_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("geo_backup.history.index.FIXES_AT_ONCE", at_once)
    path = tmp_path / "log"
    written(path, *(ping(f"P{(n * 7) % 10}", n) for n in range(300)))
    indexed(path)
    with closing(Lookup(path)) as lookup:
        fixes = {unit_id: lookup.fixes(unit_id, 0, 2**60) for unit_id in (f"P{n}" for n in range(10))}
    counts = {unit_id: len(unpack(rows)[0]) for unit_id, rows in fixes.items()}
    assert counts == dict.fromkeys(fixes, 30)


def test_a_track_has_late_fixes_in_their_place_and_leaves_out_what_says_nothing(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log",
        ping("P1", 10),
        ping("P1", 30, north_m=20),
        ping("P1", 20, north_m=10, late_s=600),  # sent again when there was a link
        ping("P1", 30, north_m=21),  # the same moment
        ping("P1", 40, north_m=9_000),  # alone between two that agree
        ping("P1", 50, north_m=40),
        ping("P1", 60, north_m=50, accuracy_m=5_000.0),
        PositionReported(received_ms=ms(1), unit_id="P1", fix=Fix(ms(90), 11.97, 57.7)),  # ahead of its time
    )
    indexed(path)
    found = track_of(path, "P1", 0, 100)
    assert seconds(found.fixes) == [10, 20, 30, 50]
    assert [heard - fix.fix_ms for fix, heard in zip(found.fixes, found.received_ms, strict=True)][1] == 600_000
    assert found.left_out == {"duplicate": 1, "future": 1, "inaccurate": 1, "jump": 1}


def test_a_long_track_says_where_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geo_backup.history.track.FIXES_MAX", 100)
    path = written(tmp_path / "log", *(ping("P1", n) for n in range(250)))
    got, at_s = [], 0.0
    for _ in range(3):
        part_ = track_of(path_indexed(path), "P1", at_s, 1_000)
        got += seconds(part_.fixes)
        at_s = (part_.next_ms - T0) / 1000 if part_.next_ms is not None else -1
    assert at_s == -1
    assert got == list(range(250))


def path_indexed(path: Path) -> Path:
    indexed(path)
    return path


SOME = st.tuples(
    st.integers(0, 2**41),
    st.floats(-180, 180),
    st.floats(-90, 90),
    st.none() | st.floats(0, 150),
    st.none() | st.floats(0, 360),
    st.none() | st.floats(0, 6_000),
)


@settings(deadline=None)
@given(st.lists(SOME, min_size=1, max_size=20, unique_by=lambda row: row[0]))
def test_packed_fixes_come_back_to_a_centimetre(rows: list[tuple[Any, ...]]) -> None:
    fixes = [Fix(*row) for row in sorted(rows)]
    hours, packed = pack([[fix.fix_ms + 300 for fix in fixes], *zip(*fixes, strict=True)])
    again, received_ms = unpack([(int(hours[n]), packed[n : n + 1].tobytes()) for n in range(len(fixes))])
    assert received_ms == [fix.fix_ms + 300 for fix in fixes]
    for one, other in zip(again, fixes, strict=True):
        assert one.fix_ms == other.fix_ms
        for name, off in (("lon", 1e-7), ("lat", 1e-7), ("speed_mps", 0.01), ("course_deg", 0.01), ("accuracy_m", 0.1)):
            was = getattr(other, name)
            assert getattr(one, name) == (None if was is None else pytest.approx(was, abs=off)), name


def test_finished_incidents_are_found_by_words_ids_units_and_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(
        path,
        UnitRegistered(received_ms=ms(0), unit_id="P1", callsign="Adam 12", agency="police", kind="patrol"),
        opened("I-CAFE7", 10, kind="robbery", note="Two men at the café, black hoodies"),
        part("I-CAFE7", "P1", "assigned", 20),
        part("I-CAFE7", "P1", "cleared", 30, reason="nobody there"),
        IncidentClosed(received_ms=ms(40), incident_id="I-CAFE7"),
        opened("fire-1", 100, kind="structure fire"),
    )
    indexed(path)
    for words in (("robb",), ("cafe", "HOOD"), ("i-cafe7",), ("adam", "12"), ("P1",), ("nobody",)):
        assert found(path, *words) == ["I-CAFE7"], words
    assert found(path, "robbery", "fire") == []
    assert found(path, '"', "*", "OR") == [], "nothing is a command"
    assert found(path) == ["fire-1", "I-CAFE7"]
    assert found(path, closed=True) == ["I-CAFE7"]
    assert found(path, closed=True, from_ms=ms(41)) == []
    assert found(path, closed=True, to_ms=ms(9)) == []
    assert [one.callsign for one in row_of(path, "I-CAFE7").units] == ["Adam 12"]
    written(path, IncidentClosed(received_ms=ms(200), incident_id="fire-1"))
    indexed(path)
    assert found(path, closed=True) == ["fire-1", "I-CAFE7"], "a new fact changes what is found"


def test_the_facts_of_an_incident_are_those_that_touched_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    story = (
        unit("P1"), unit("P2"), opened("i1", 1), opened("i2", 2), part("i1", "P1", "assigned", 3),
        status("P1", "en_route", 4), status("P2", "busy", 5), part("i2", "P1", "assigned", 6, preempt=True),
        status("P1", "on_scene", 7), IncidentClosed(received_ms=ms(8), incident_id="i1"),
    )  # fmt: skip
    written(path, *story)
    indexed(path)
    with closing(Lookup(path)) as lookup:
        of = {name: lookup.facts(f"opening {row_of(path, name).n}", 100) for name in ("i1", "i2")}
        assert of == {"i1": [3, 5, 6, 8, 10], "i2": [4, 8, 9]}
        assert lookup.facts("unit P1", 100) == [1, 5, 6, 8, 9]
        assert lookup.facts("unit P1", 2, after=1, until=8) == [6, 8]


@settings(deadline=None, max_examples=rounds(25))
@given(any_story())
def test_what_is_indexed_is_what_the_fold_makes_of_the_facts(
    tmp_path_factory: pytest.TempPathFactory, story: list[Event]
) -> None:
    path = tmp_path_factory.mktemp("story") / "log"
    facts = [event for event in story if not isinstance(event, PositionReported)]
    seen: dict[str, Event] = {}
    facts = [event for event in facts if not event.event_id or seen.setdefault(event.event_id, event) is event]
    written(path, *facts)
    indexed(path)
    live_map = fold(facts)
    for incident in live_map.incidents.values():
        assert row_of(path, incident.incident_id).incident == incident


def test_an_index_goes_on_from_a_checkpoint_and_is_made_anew_for_another_log(tmp_path: Path) -> None:
    path, other = tmp_path / "log", tmp_path / "other"
    story = [unit("P1"), opened("i1", 1), part("i1", "P1", "assigned", 2)]
    written(path, *story)
    indexed(path)
    live_map = fold(story)
    with closing(open_log(path, reserve_bytes=0)) as log:
        log.save_snapshot(live_map.seq, checkpoint.dump(live_map))
    written(path, status("P1", "on_scene", 3))
    indexed(path)
    assert row_of(path, "i1").incident.assignments["P1"].state == "on_scene"
    written(other, unit("P7"), opened("i7"))
    index_beside(path).rename(index_beside(other))
    indexed(other)
    assert found(other) == ["i7"], "nothing of the other log is left"
    index_beside(other).write_bytes(b"no database")
    indexed(other)
    assert found(other) == ["i7"]


def test_a_purge_leaves_nothing_in_the_index(tmp_path: Path) -> None:
    path = tmp_path / "log"
    live_map = LiveMap()
    written(path, unit("P1"), *(ping("P1", n) for n in range(50)))
    with closing(open_log(path, reserve_bytes=0)) as log:
        fold((event for _, event in log.read_all()), live_map)
        log.save_snapshot(live_map.seq, checkpoint.dump(live_map))
    indexed(path)
    assert len(track_of(path, "P1", 0, 100).fixes) == 50
    assert purge(path, Terms(raw_fixes=1), ms(10 * 86_400)).counts["raw_fixes"] == 50
    assert not index_beside(path).exists()
    indexed(path)
    assert track_of(path, "P1", 0, 100).fixes == []


def test_the_place_in_the_log_at_a_time_is_found(tmp_path: Path) -> None:
    path = written(tmp_path / "log", unit("P1", 0), *(ping("P1", n) for n in range(1, 50)), opened("i1", 60))
    with Reader(path) as reader:
        assert reader.seq_at(ms(-1)) == 0
        assert [reader.seq_at(ms(s)) for s in (0, 1, 1.2, 20.5, 59, 60, 10_000)] == [1, 1, 2, 21, 50, 51, 51]
        assert reader.span_ms == (ms(0), ms(60))


def test_what_comes_late_does_not_hide_what_was_said_before_it(tmp_path: Path) -> None:
    """A node's answer is of the time when it began to work it out, and stands behind what was said meanwhile."""
    told = (unit("P1", 0), ping("P1", 10), opened("i1", 20), opened("i2", 11), opened("i3", 12), opened("i4", 21))
    with Reader(written(tmp_path / "log", *told)) as reader:
        assert [reader.seq_at(ms(s)) for s in (9, 11, 15, 19.9, 20, 20.5, 21)] == [1, 2, 2, 2, 5, 5, 6]


def test_a_track_tells_which_beats_and_closures_it_crossed(tmp_path: Path) -> None:
    shape = {
        "type": "Polygon",
        "coordinates": [[[11.9, 57.701], [12.0, 57.701], [12.0, 57.71], [11.9, 57.71], [11.9, 57.701]]],
    }
    beat = {"type": "FeatureCollection", "features": [{"properties": {"beat_id": "N"}, "geometry": shape}]}
    north = [ping("P1", s, north_m=10.0 * s) for s in range(30)]  # the beat begins 111 m north
    back = [ping("P1", 40 + s, north_m=300 - 10.0 * s) for s in range(30)]
    path = path_indexed(
        written(tmp_path / "log", unit("P1"), BeatsAdopted(received_ms=ms(0), beats=beat), *north, *back)
    )
    crossings = [(one.area, one.entered, (one.at_ms - T0) / 1000) for one in track_of(path, "P1", 0, 100).crossings]
    assert crossings == [("beat:N", True, 12.0), ("beat:N", False, 63.0)]
    assert [one.entered for one in track_of(path, "P1", 20, 100).crossings] == [False], "it begins within"
