"""Export: what is written is what was reported, and other programs open it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import geopandas
import pytest

from geo_backup.audit.export import FORMATS, Span, export, spans_of
from geo_backup.errors import BadValueError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.reading import Reader
from geo_backup.events import Event, Fix, IncidentClosed, PositionReported
from geo_backup.formats import recordings
from geo_backup.formats.tracks import NO_HINTS
from tests.stories import ms, opened, part, unit

ALWAYS = [Span(None, 0, 4_102_444_800_000)]


def said(unit_id: str, s: float, n: int = 0) -> PositionReported:
    fix = Fix(ms(s), 11.97 + n / 1e4, 57.7, 10.0, 90.0 if n % 2 else None, 4.5)
    return PositionReported(received_ms=ms(s + 1), unit_id=unit_id, fix=fix, device_id="modem" if n else "")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    story: list[Event] = [unit("P1"), unit("P&2"), opened("I1", 100)]
    story += [said(unit_id, 60 * n, n) for n in range(10) for unit_id in ("P1", "P&2")]
    story += [part("I1", "P1", "assigned", 130), part("I1", "P1", "cleared", 310), said("P1", 30)]
    story += [part("I1", "P&2", "assigned", 400), IncidentClosed(received_ms=ms(500), incident_id="I1")]

    async def told() -> None:
        with closing(open_log(tmp_path / "log.sqlite", reserve_bytes=0)) as log:
            await log.append(story)

    asyncio.run(told())
    with closing(Reader(tmp_path / "log.sqlite")) as opened_:
        yield opened_


@pytest.mark.parametrize("ending", FORMATS)
def test_others_read_what_was_reported(reader: Reader, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"all{ending}"
    assert export(reader, ALWAYS, out) == 21
    if ending == ".parquet":
        table = geopandas.read_parquet(out)
    else:
        table = geopandas.read_file(out, layer="track_points" if ending == ".gpx" else None)
    assert len(table) == 21
    if ending != ".csv":
        assert table.geometry.iloc[-1].coords[:] == [(11.9709, 57.7)]
    if ending in (".csv", ".gpx"):  # and we ourselves
        tracks = recordings.read(out.read_text(), out.name, NO_HINTS)
        assert [(one.unit_id, sum(map(len, one.segments))) for one in tracks] == [("P-2", 10), ("P1", 11)]
        assert tracks[1].segments[0][1].fix_ms == ms(30), "a fix that came late stands where it belongs"
    assert not list(tmp_path.glob("*.part"))


def test_of_units_and_times(reader: Reader, tmp_path: Path) -> None:
    spans = [Span("P1", ms(60), ms(120)), Span("P1", ms(100), ms(180)), Span("nobody", 0, ms(999))]
    assert export(reader, spans, tmp_path / "some.csv") == 3, "what two spans have is written once"
    assert export(reader, [], tmp_path / "none.csv") == 0


def test_of_an_incident(reader: Reader) -> None:
    assert spans_of(reader, "I1", 0, ms(9_999)) == [Span("P1", ms(130), ms(310)), Span("P&2", ms(400), ms(500))]
    assert spans_of(reader, "I1", ms(420), ms(430)) == [Span("P&2", ms(420), ms(430))]
    with pytest.raises(BadValueError, match="there is no incident 'I2'"):
        spans_of(reader, "I2", 0, ms(9_999))


def test_another_ending_is_refused(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match=r"ends with \.gpx, \.geojson, \.csv, \.parquet"):
        export(reader, ALWAYS, tmp_path / "all.shp")


@pytest.mark.parametrize("seconds", [[0], [0, 60, 1_000], [0, 1_000, 1_060, 2_000]], ids=str)
def test_a_fix_that_is_alone_does_not_spoil_the_tracks(tmp_path: Path, seconds: list[int]) -> None:
    async def told() -> None:
        with closing(open_log(tmp_path / "log.sqlite", reserve_bytes=0)) as log:
            await log.append([unit("P&1"), *(said("P&1", s, s // 10) for s in seconds)])

    asyncio.run(told())
    out = tmp_path / "few.gpx"
    with closing(Reader(tmp_path / "log.sqlite")) as opened_:
        assert export(opened_, ALWAYS, out) == len(seconds)
    lines, points, alone = (geopandas.read_file(out, layer=layer) for layer in ("tracks", "track_points", "waypoints"))
    pairs = 2 if len(seconds) > 1 else 0
    assert (len(lines), len(points), len(alone)) == (pairs // 2, pairs, len(seconds) - pairs)
    assert all(line.is_valid and not line.is_empty for line in lines.geometry)
    assert set(alone["name"]) == {"P&1"}
    (track,) = recordings.read(out.read_text(), out.name, NO_HINTS)
    assert [fix.fix_ms for part in track.segments for fix in part] == [ms(s) for s in seconds], "nor is it lost"
    order = ["wpt"] * (len(seconds) - pairs) + ["trk"] * (pairs // 2)
    assert re.findall("<(wpt|trk)[ >]", out.read_text()) == order, "as the schema has it"
