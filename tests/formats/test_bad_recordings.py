"""Recordings as they come: one bad thing costs itself and is counted; who sent a sentence is told by the whole log."""

from __future__ import annotations

import codecs
import json
from contextlib import suppress
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.errors import LogError, TrackError
from geo_backup.formats import csv as csv_tracks
from geo_backup.formats import geojson as geojson_tracks
from geo_backup.formats import gpx, nmea, taip
from geo_backup.formats.recordings import FORMATS
from geo_backup.formats.tracks import Hints, Recording
from geo_backup.replay.timeline import read_tracks
from geo_backup.wire.times import to_text
from tests.formats.test_cot import event


def counts(found: Recording) -> dict[str, int]:
    return {track.unit_id: len(track.fixes) for track in found}


# ---- GPX, whatever its namespaces and encoding

POINTS = (("57.7", "11.9", "10:00:00"), ("57.7", "11.901", "10:00:10"))
GPX_11, GPX_10 = "http://www.topografix.com/GPX/1/1", "http://www.topografix.com/GPX/1/0"
GARMIN = "http://www.garmin.com/xmlschemas/TrackPointExtension/v2"


def document(prefix: str = "", declared: str = "", inner: str = "", points: str = "", name: str = "Car 7") -> str:
    p = f"{prefix}:" if prefix else ""
    points = points or "".join(
        f'<{p}trkpt lat="{lat}" lon="{lon}"><{p}ele>3</{p}ele><{p}time>2024-05-04T{at}Z</{p}time></{p}trkpt>'
        for lat, lon, at in POINTS
    )
    return (
        f'<{p}gpx {declared} version="1.1"><{p}trk {inner}><{p}name>{name}</{p}name><{p}trkseg>{points}</{p}trkseg>'
        f"</{p}trk></{p}gpx>"
    )


@pytest.mark.parametrize(
    "text",
    [
        document(),
        document(declared=f'xmlns="{GPX_11}"'),
        document(declared=f'xmlns="{GPX_10}"'),
        document("g", f'xmlns:g="{GPX_11}" xmlns="{GARMIN}"'),
        document("ns0", f'xmlns:ns0="{GPX_10}"'),
        document("gpx", f'xmlns:gpx="{GPX_11}"'),
        document("x-y.z", f'xmlns:x-y.z="{GPX_11}"'),
        document("g"),  # a prefix that nobody declared
        document(inner=f'xmlns="{GPX_11}"'),
        document("g", f'xmlns:g="{GPX_11}"').replace("<g:ele>3</g:ele>", f'<ele xmlns="{GPX_11}">3</ele>'),
        document(name="Car & 7").replace("Car &", "Car"),
    ],
)
def test_gpx_under_any_namespace(text: str) -> None:
    found = gpx.read(text)
    assert (counts(found), found.summary()) == ({"Car-7": 2}, "")
    assert found[0].fixes[1][1:3] == (11.901, 57.7)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "iso-8859-1", "windows-1252"],
)
@pytest.mark.parametrize(
    "declared", ["", '<?xml version="1.0" encoding="{}"?>', '\n<?xml version="1.0" encoding="{}"?>']
)
def test_gpx_in_any_encoding(tmp_path: Path, encoding: str, declared: str) -> None:
    path = tmp_path / "a.gpx"
    path.write_bytes((declared.format(encoding) + document(name="Tågaborg")).encode(encoding))
    known = bool(declared) or encoding.startswith("utf")
    assert counts(read_tracks(path)) == {"T-gaborg": 2} or not known
    assert list(counts(read_tracks(path)).values()) == [2]


def test_a_declaration_that_is_not_true_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.gpx"
    for lie in ("utf-16", "rot13", "zlib", "idna", "no-such", "cp037"):
        path.write_bytes(codecs.BOM_UTF8[: 3 * (lie == "utf-16")] + f'<?xml encoding="{lie}"?>{document()}'.encode())
        with suppress(TrackError):
            assert counts(read_tracks(path)) == {"Car-7": 2}


PLACE = 'lat="57.7" lon="11.9"'
GOOD = '<trkpt lat="57.7" lon="11.9"><time>2024-05-04T10:00:00Z</time></trkpt>'


@pytest.mark.parametrize(
    ("place", "more", "kept", "words"),
    [
        ("", "", 1, "it has no longitude"),
        ('lon="11.9"', "", 1, "it has no latitude"),
        ('lat="57,7" lon="11.9"', "", 1, "'57,7' is not a number: write a decimal point"),
        ('lat="NaN" lon="11.9"', "", 1, "'NaN' is not a number"),
        ('lat="97.7" lon="11.9"', "", 1, "out of range"),
        (PLACE, "<time>yesterday</time>", 1, "'yesterday' is no time"),
        (PLACE, "<time>0001-01-01T00:00:00+23:59</time>", 1, "is no time"),
        (PLACE, "<time/>", 1, "it has no time"),
        (PLACE, "<time>2024-05-04T10:00:00Z</time>", 1, "two fixes for one time"),
        (PLACE, "<hdop>0,9</hdop>", 2, "hdop '0,9' is no number"),
        (PLACE, "<speed>-</speed>", 2, "speed '-' is no number"),
        (PLACE, "<course>-1</course>", 2, "course_deg -1"),
        (PLACE, "<sat>-</sat><ele>n/a</ele>", 2, ""),
        (PLACE, "<name>A & B\x07 &nbsp;</name>", 2, ""),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_one_bad_point_of_a_gpx_costs_itself(place: str, more: str, kept: int, words: str, first: bool) -> None:
    time = "" if "<time" in more else "<time>2024-05-04T10:00:10Z</time>"
    point = f"<trkpt {place}>{time}{more}</trkpt>"
    found = gpx.read(document(points=point + GOOD if first else GOOD + point))
    assert counts(found) == {"Car-7": kept}
    assert words in found.summary()
    assert bool(found.summary()) == bool(words)
    assert found.skipped == (kept == 1)


def test_a_gpx_that_is_cut_off_keeps_what_stands_before() -> None:
    found = gpx.read(document()[:-20])
    assert counts(found) == {"Car-7": 2}
    assert "cut off" in found.summary()


@pytest.mark.parametrize("text", ["", "<gpx/>", "<kml><trkpt/></kml>", "<gpx>" * 10_000, document(points="<trkpt/>")])
def test_a_gpx_of_which_nothing_is_left_is_refused_in_words(text: str) -> None:
    with pytest.raises(TrackError, match=r"track\.gpx"):
        gpx.read(text)


# ---- NMEA: who sent it


def summed(body: str) -> str:
    return f"{reduce(lambda total, letter: total ^ ord(letter), body, 0):02X}"


def rmc(s: float, lon: float = 11.9) -> str:
    at, east = f"10{int(s) // 60:02d}{s % 60:05.2f}", f"0{int(lon):02d}{lon % 1 * 60:07.4f}"
    body = f"GNRMC,{at},A,5742.0000,N,{east},E,10.0,90.0,040524,,,A"
    return f"${body}*{summed(body)}"


def gga(s: int) -> str:
    body = f"GNGGA,10{s // 60:02d}{s % 60:02d},5742.0000,N,01154.0000,E,1,08,0.9,5.4,M,46.9,M,,"
    return f"${body}*{summed(body)}"


def tag(said: str) -> str:
    return f"\\{said}*{summed(said)}\\"


@pytest.mark.parametrize(
    "before",
    [
        "2024-05-04T10:{m:02d}:{s:02d}.123Z ", "2024-05-04 10:{m:02d}:{s:02d},123 INFO ", "[10:{m:02d}:{s:02d}] ",
        "10:{m:02d}:{s:02d} AM: ", "[Sat May  4 10:{m:02d}:{s:02d} 2024] ", "17148168{m:02d}.{s:02d} ", "17148{n:05d},",
        "17148{n:05d}123;", "04.05.2024 10:{m:02d}:{s:02d} | ", "04/05/24,10:{m:02d}:{s:02d},",
        "20240504T10{m:02d}{s:02d}Z ",
        "{n:06d}: ", "({n}) ", "#{n}\t", "20240504 10{m:02d}{s:02d} RX> ", "{n}.5 ", "",
    ],
)  # fmt: skip
def test_a_stamped_log_is_one_unit(before: str) -> None:
    """At ten fixes a second, so that several share a stamp, and with a GGA beside each whole second."""
    lines = []
    for n in range(300):
        stamp = before.format(m=n // 600, s=n // 10 % 60, n=n // 10)
        lines += [stamp + rmc(n / 10)] + ([stamp + gga(n // 10)] if n % 10 == 0 else [])
    found = nmea.read("\n".join(lines), "car.nmea")
    assert counts(found) == {"car": 300}
    assert found[0].fixes[0].accuracy_m == pytest.approx(4.5)


@pytest.mark.parametrize("before", ["Nov 27 10:00:{n:02d} host gpsd[{n}]: ", "<13>May  4 10:00:{n:02d} host gpsd: "])
def test_a_system_log_is_one_unit(before: str) -> None:
    assert counts(nmea.read("\n".join([before.format(n=n) + rmc(n) for n in range(50)]))) == {"host-gpsd": 50}


@pytest.mark.parametrize(
    ("before", "unit"),
    [
        ("ENG7 ", "ENG7"), ("ENG-7,", "ENG-7"), ("358899001234567", "358899001234567"), ("COM3: ", "COM3"),
        ("2024-05-04T10:00:{n:02d}Z ENG7 ", "ENG7"), ("[10:00:{n:02d}] INFO MARINE: ", "MARINE"), ("0007;", "0007"),
    ],
)  # fmt: skip
def test_the_modem_says_who_it_is(before: str, unit: str) -> None:
    assert counts(nmea.read("\n".join([before.format(n=n) + rmc(n) for n in range(50)]))) == {unit: 50}


@pytest.mark.parametrize(("a", "b"), [("ENG7", "MED3"), ("358899001234567", "358899001234568"), ("A", "B")])
@pytest.mark.parametrize("mixed", [True, False])
def test_two_modems_in_one_log_are_two_units(a: str, b: str, mixed: bool) -> None:
    lines = [(f"10:00:{n:02d} {unit} ", n) for n in range(5) for unit in (a, b)]
    lines = lines if mixed else sorted(lines, key=lambda line: line[0].split()[1])
    assert counts(nmea.read("\n".join([before + rmc(n) for before, n in lines]))) == {a: 5, b: 5}


@pytest.mark.parametrize("before", ["0x{n:X}A ", "h{n:x}z{n:o} ", "{m:02d} "])
def test_what_cannot_be_told_is_refused_in_words_and_never_a_unit_each(before: str) -> None:
    lines = [before.format(n=n, m=n % 60) + rmc(n) for n in range(300)]
    with pytest.raises(TrackError, match="neither a stamp"):
        nmea.read("\n".join(lines))


def test_thousands_of_units_are_impossible() -> None:
    lines = [f"U{n // 2}A " + rmc(2 * n % 3000) for n in range(4000)]
    with pytest.raises(TrackError, match="more than 1,000 units"):
        nmea.read("\n".join(lines))


def test_a_tag_block_names_the_unit_and_dates_what_has_no_date() -> None:
    lines = [tag(f"s:GPS1,c:{1714816800 + n}") + rmc(n) for n in (0, 10)]
    lines += [tag(f"s:GPS2,c:{1714816800 + n}") + gga(n) for n in (0, 10)]
    lines += [tag(f"c:{1714816800000 + 20_000},s:GPS2") + gga(20)]
    found = nmea.read("\n".join(lines))
    assert (counts(found), found.summary()) == ({"GPS1": 2, "GPS2": 3}, "")
    assert to_text(found[1].fixes[2].fix_ms) == "2024-05-04T10:00:20.000Z"


def test_tag_blocks_that_say_no_source_belong_to_the_file() -> None:
    assert counts(nmea.read("\n".join([tag(f"c:{1714816800 + n}") + rmc(n) for n in range(5)]), "car.log")) == {
        "car": 5
    }
    assert counts(nmea.read("\n".join([tag("n:7") + tag(f"x:{n}") + rmc(n) for n in range(5)]), "car.log")) == {
        "car": 5
    }
    stamped = [f"2024-05-04T10:00:{n:02d}Z " + tag("s:GPS1") + rmc(n) for n in range(5)]
    assert counts(nmea.read("\n".join(stamped))) == {"GPS1": 5}


def test_a_group_has_one_source_and_a_wrong_tag_block_is_not_believed() -> None:
    lines = []
    for n in range(9):
        lines += [tag(f"g:1-2-{n},s:GPS1,c:{1714816800 + n}") + rmc(n), tag(f"g:2-2-{n}") + gga(n)]
    found = nmea.read("\n".join([*lines, "\\s:GPS9,c:1714816810*00\\" + rmc(10)]))
    assert counts(found) == {"GPS1": 9}
    assert (
        found.reasons == ("line 19: the checksum of its tag block says '00', not 45",) or "checksum" in found.summary()
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("GPRMC,100000,A,5742.0,N,01154.0,E,1,1,xx0524,,", "'xx0524' is no date"),
        ("GPRMC,100000,A,5742.0,N,01154.0,E,1,1,,,", "is no date"),
        ("GPRMC,100000,A,5742.0,N,01154.0,E,1,1,310224,,", "'310224' is no date"),
        ("GPRMC,noon,A,5742.0,N,01154.0,E,1,1,040524,,", "'noon' is no time of day"),
        ("GPRMC,256199,A,5742.0,N,01154.0,E,1,1,040524,,", "'256199' is no time of day"),
        ("GPRMC,100000,A,5742.0,X,01154.0,E,1,1,040524,,", "north or south"),
        ("GPRMC,100000,A,5772.0,N,01154.0,E,1,1,040524,,", "60 minutes"),
        ("GPRMC,100000,A,57:42,N,01154.0,E,1,1,040524,,", "57:42"),
        ("GPRMC,100000,V,,,,,,,040524,,", "no fix"),
        ("GPGGA,100000,5742.0,N,01154.0,E,8,08,0.9,1,M,1,M,,", "no fix"),
    ],
)
def test_one_bad_sentence_costs_itself_and_says_why(body: str, words: str) -> None:
    found = nmea.read("\n".join([rmc(1), f"${body}*{summed(body)}"]))
    assert (counts(found), found.skipped) == ({"log": 1}, 1)
    assert words in found.summary()
    assert "object" not in found.summary()


def test_one_bad_value_of_a_sentence_is_unknown() -> None:
    body = "GPRMC,100000,A,5742.0,N,01154.0,E,fast,-1,040524,,"
    found = nmea.read("\n".join([f"${body}*{summed(body)}"]))
    assert found[0].fixes[0][3:] == (None, None, None)
    assert found.unknown == 2
    assert "speed 'fast' is no number" in found.summary()


# ---- CSV, GeoJSON, TAIP: one bad thing


@pytest.mark.parametrize(
    ("row", "kept", "words"),
    [
        ("A;1795435210;11,9;57.7;;", 1, "longitude '11,9' is not a number: write a decimal point, not a comma"),
        ("A;1795435210;11.9;;;", 1, "it has no latitude"),
        ("A;never;11.9;57.7;;", 1, "'never' is no time"),
        ("A;1795435210;11.9;57.7;36,5;", 2, "speed_kmh '36,5' is no number: write a decimal point"),
        ("A;1795435210;11.9;57.7;-1;361", 2, "2 values taken as unknown"),
        ("A;1795435210;11.9;57.7;n/a;NaN", 2, "2 values taken as unknown"),
        ("A", 1, "it has no longitude"),
        (";1795435210;11.9;57.7;;", 1, "names no unit"),
        ("A;1795435210;11.9;57.7;" + "x" * 140_000, 1, "what follows is lost"),
    ],
)
def test_one_bad_row_of_a_table_costs_itself(row: str, kept: int, words: str) -> None:
    found = csv_tracks.read(f"unit;time;lon;lat;speed_kmh;heading\nA;1795435200;11.9;57.7;36;90\n{row}\n")
    assert counts(found) == {"A": kept}
    assert words in found.summary()


def feature(properties: str, geometry: str = '{"type":"Point","coordinates":[11.9,57.7]}') -> str:
    return f'{{"type":"Feature","properties":{properties},"geometry":{geometry}}}'


def moving(speeds: str) -> str:
    track = '"temporalGeometry":{"datetimes":[1795435210],"coordinates":[[11.9,57.7]]}'
    return f'{{"type":"Feature","id":"A",{track},"temporalProperties":[{speeds}]}}'


AT = '"unit_id":"A","time":1795435210'
LINE = '{"type":"LineString","coordinates":[[11.9,57.7,0,1795435210],7,[11.9],[11.9,57.7,0,"x"]]}'


@pytest.mark.parametrize(
    ("bad", "kept", "words"),
    [
        (feature(f'{{{AT},"speed_mps":NaN}}'), 2, "speed_mps 'nan' is no number"),
        (feature(f'{{{AT},"speed_mps":"0,9"}}'), 2, "'0,9'"),
        (feature(f'{{{AT},"course_deg":-1}}'), 2, "course_deg -1"),
        (feature(f"{{{AT}}}", '{"type":"Point","coordinates":[]}'), 1, "places and times"),
        (feature(f"{{{AT}}}", '{"type":"Point","coordinates":["11,9",57.7]}'), 1, "'11,9' is not a number: write"),
        (feature(f"{{{AT}}}", "null"), 1, "no track"),
        (feature("[]", "7"), 1, "places and times"),
        ("7", 1, ""),
        (feature('{"unit_id":"A"}', LINE), 2, "3 rows left out"),
        (moving('{"datetimes":[1795435210],"speed":{"values":["-"]}}'), 2, "speed '-' is no number"),
        (moving('{"datetimes":["x"],"speed":{"values":[1]}}'), 2, "'x' is no time"),
        (moving('{"speed":{"uom":"knot-ish"}},7'), 2, "1 value taken as unknown"),
    ],
)
def test_one_bad_feature_costs_itself(bad: str, kept: int, words: str) -> None:
    good = feature('{"unit_id":"A","time":1795435200}')
    for text in (f'{{"type":"FeatureCollection","features":[{bad},{good}]}}', f"{good}\n{bad}\n"):
        found = geojson_tracks.read(text)
        assert counts(found) == {"A": kept}
        assert words in found.summary()
        assert found.summary()
    assert counts(geojson_tracks.read(f'{good}\n{{"type":"Feat')) == {"A": 1}, "the last line is cut off"


@pytest.mark.parametrize(
    ("other", "kept", "words"),
    [
        ({"point": '<point lat="x" lon="1"/>'}, 1, "not 'x'"),
        ({"point": ""}, 1, "no <point>"),
        ({"kind": "b-m-p-s-m"}, 1, "no unit's own position"),
        ({"stale": "2026-11-27T06:00:00Z"}, 1, "withdrawn"),
        ({"detail": '<track speed="-1"/>'}, 2, "speed_mps is out of range"),
        ({"detail": "<!-- a comment -->"}, 1, "comments"),
        ({"detail": "<unclosed>"}, 1, "not a CoT event"),
    ],
)
def test_one_bad_event_of_a_recorded_stream_costs_itself(
    tmp_path: Path, other: dict[str, str], kept: int, words: str
) -> None:
    good, bad = (event(**{"kind": "a-f-G", **more}).decode() for more in ({}, other))
    bad = bad.replace('time="2026-11-27T07:00:00Z"', 'time="2026-11-27T07:00:05Z"')
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    path = tmp_path / "stream.xml"
    for text in (head + good + head + bad, bad + good, f"{bad}\n{good}\n", bad + good + good[:90]):
        path.write_text(text)
        found = read_tracks(path)
        assert counts(found) == {"ANDROID-1": kept}
        assert words in found.summary()


def test_numbers_of_rows_and_points_are_no_units() -> None:
    rows = "".join(f"{n},{1795435200 + n},11.9,57.7\n" for n in range(1, 50))
    found = csv_tracks.read(f"id,time,lon,lat\n{rows}", "car.csv")
    assert counts(found) == {"car": 49}
    assert "numbers the rows" in found.summary()
    assert len(csv_tracks.read(f"id,time,lon,lat\n{rows}", hints=Hints(columns={"unit_id": "id"}))) == 49, (
        "the user knows better"
    )
    assert counts(csv_tracks.read("id,time,lon,lat\n7,1795435200,11.9,57.7\n9,1795435200,11.9,57.7\n")) == {
        "7": 1,
        "9": 1,
    }
    place = '"geometry":{{"type":"Point","coordinates":[11.9,57.7]}}'
    point = f'{{{{"type":"Feature","id":{{id}},"properties":{{{{"time":{{t}}}}}},{place}}}}}'
    for numbers in (range(9), ["null"] * 9):
        features = [point.format(id=number, t=1795435200 + n) for n, number in enumerate(numbers)]
        assert list(counts(geojson_tracks.read("\n".join(features), "car.geojson")).items()) == [("car", 9)]
    features = [point.format(id=f'"P-{n % 2}"', t=1795435200 + n) for n in range(4)]
    assert counts(geojson_tracks.read("\n".join(features))) == {"P-0": 2, "P-1": 2}


@pytest.mark.parametrize(
    ("line", "kept", "words"),
    [
        ("2026-11-23T12:00:10Z >RPV43210+3780000-12227000---08412;ID=7<", 2, "speed_mps nan"),
        ("2026-11-23T12:00:10Z >RPV43210+3780000-1222700002899912;ID=7<", 2, "course_deg 999"),
        ("[2026-11-23T12:00:10Z] gw1: >RPV43210+3780000-1222700002808412;ID=7<", 2, ""),
        ("garbled >RPV43210+3780000-1222700002808412;ID=7<", 2, ""),
        ("2026-11-23T12:00:10Z >RPV43210+37800<", 1, "cut short"),
        ("2026-11-23T12:00:10Z >REV4+3780000-1222700002808412<", 1, "cut short"),
        ("2026-11-23T12:00:10Z >RPV432", 1, "no TAIP report"),
    ],
)
def test_one_bad_report_costs_itself(line: str, kept: int, words: str) -> None:
    found = taip.read("\n".join(["2026-11-23T12:00:01Z >RPV43200+3780000-1222700002808412;ID=7<", line]))
    assert counts(found) == {"7": kept}
    assert words in found.summary()


# ---- the hour that comes twice


def local(rows: list[str], zone: str = "Europe/Stockholm") -> Recording:
    text = "unit,time,lon,lat\n" + "".join(f"A,2026-10-25 {row},11.9,57.7\n" for row in rows)
    return csv_tracks.read(text, hints=Hints(timezone=zone))


@pytest.mark.parametrize(
    ("rows", "utc"),
    [
        (["02:59:50", "03:00:00"], ["01:59:50", "02:00:00"]),
        (["01:59:50", "02:00:00", "02:00:10"], ["23:59:50", "00:00:00", "00:00:10"]),
        (["02:59:40", "02:59:50", "03:00:00", "03:00:10"], ["01:59:40", "01:59:50", "02:00:00", "02:00:10"]),
        (["02:59:50", "02:00:00", "02:00:10"], ["00:59:50", "01:00:00", "01:00:10"]),
        (["03:00:00", "02:59:50", "02:00:00", "02:59:50"], ["00:59:50", "01:00:00", "01:59:50", "02:00:00"]),
        (["02:30:00"], ["00:30:00"]),
    ],
)  # fmt: skip
def test_the_order_of_the_rows_tells_which_of_the_two_hours(rows: list[str], utc: list[str]) -> None:
    found = local(rows)
    twice = sum("02:00:00" <= row < "03:00:00" for row in rows)
    assert f"{twice} times lie in the hour that the clock of Europe/Stockholm shows twice" in found.summary()
    assert [to_text(fix.fix_ms)[11:19] for fix in found[0].fixes] == utc


def test_other_hours_have_nothing_to_say() -> None:
    assert local(["01:00:00", "03:00:00"]).summary() == ""
    assert local(["02:30:00"], "UTC").summary() == ""


# ---- hostile bytes: no error but the package's own

pieces = st.sampled_from(
    [
        *("<gpx", "<g:gpx>", "<trk>", "</trk>", "<trkseg>", '<trkpt lat="1" lon="2">', "</trkpt>", "</gpx>", "<hdop>"),
        *(
            "<time>2024-05-04T10:00:00Z</time>",
            "&",
            "&#0;",
            "]]>",
            "<![CDATA[",
            "<!--",
            "<!DOCTYPE",
            "$GPRMC,",
            "$GPGGA,",
        ),
        *(rmc(1), gga(2), tag("s:A,c:1"), "\\", "\\s:", "*", "\n", ",", ";", "é", "\x00", "²", "9" * 30, "-1", "NaN"),
        *("1e999", ">RPV", ">REV", "43200+3780000-1222700002808412", ";ID=", "<", '{"type":"Feature"', '"geometry":'),
        *(
            "<event ",
            "<event>",
            "</event>",
            "[",
            "]",
            "{",
            "}",
            '"coordinates":',
            '"Point"',
            '"LineString"',
            "null",
            '"temporalGeometry":',
            '"datetimes":',
        ),
        *("unit,time,lon,lat\n", "2026-10-25 02:30:00", '"', "TRIP_ID,TAXI_ID,TIMESTAMP,POLYLINE\n"),
        "9999-12-31T23:59:59-23:59",
    ]
)
hostile = st.lists(pieces | st.text(max_size=4), max_size=25).map("".join)


@given(hostile)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for row in FORMATS:
        with suppress(TrackError):
            row.reader.read(text, "hostile", Hints(received_ms=1_795_435_200_000))
    with suppress(TrackError):
        csv_tracks.read("unit,time,lon,lat,speed_kmh\n" + text, hints=Hints(timezone="Europe/Stockholm"))


KEYS = (
    *("type", "properties", "geometry", "coordinates", "coordTimes", "coordinateProperties", "times", "id"),
    *("temporalGeometry", "datetimes", "temporalProperties", "speed", "values", "features"),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Point", "x", "2026-11-23T12:00:00Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), json_values), max_size=3))
def test_any_features_are_read_or_refused_in_words(features: list[object]) -> None:
    with suppress(TrackError):
        found = geojson_tracks.read(json.dumps({"type": "FeatureCollection", "features": features}))
        assert "object" not in found.summary()


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.bin"
    path.write_bytes(data)
    with suppress(TrackError, LogError):
        read_tracks(path)
