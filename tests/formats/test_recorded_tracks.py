"""Each format of recorded track, its traps of time and units, and what is said of bad rows."""

from __future__ import annotations

import pytest

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.formats import csv as csv_tracks
from geo_backup.formats import geojson as geojson_tracks
from geo_backup.formats import gpx, nmea, taip
from geo_backup.formats.tracks import Hints, Recording
from geo_backup.wire.times import to_ms, to_text


def times(found: Recording) -> list[str]:
    return [to_text(fix.fix_ms) for track in found for fix in track.fixes]


# ---- GPX


GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1"
 xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"><trk><name>ENG 7</name>
<trkseg><trkpt lat="57.70" lon="11.97"><time>2026-11-23T12:00:00Z</time><extensions><gpxtpx:TrackPointExtension>
<gpxtpx:speed>12.5</gpxtpx:speed><gpxtpx:course>84</gpxtpx:course></gpxtpx:TrackPointExtension></extensions></trkpt>
<trkpt lat="57.701" lon="11.971"/></trkseg>
<trkseg><trkpt lat="57.71" lon="11.98"><time>2026-11-23T13:30:00.500+01:00</time></trkpt></trkseg></trk></gpx>"""


def test_gpx_segments_are_gaps_and_extensions_are_read() -> None:
    found = gpx.read(GPX)
    assert found[0].unit_id == "ENG-7"
    assert found[0].segments == (
        (Fix(to_ms("2026-11-23T12:00:00Z"), 11.97, 57.70, 12.5, 84.0),),
        (Fix(to_ms("2026-11-23T12:30:00.5Z"), 11.98, 57.71),),
    )
    assert (found.skipped, found.reasons) == (1, ("track 1 segment 1 point 2: it has no time",))


def test_gpx_1_0_has_speed_and_course_of_its_own() -> None:
    found = gpx.read(
        '<gpx version="1.0" creator="t" xmlns="http://www.topografix.com/GPX/1/0"><trk><trkseg><trkpt lat="57.7"'
        ' lon="11.9"><time>2026-11-23T12:00:00Z</time><course>84</course><speed>3.5</speed></trkpt>'
        "</trkseg></trk></gpx>",
        "walk.gpx",
    )
    assert found[0].unit_id == "walk"
    assert found[0].fixes[0][3:5] == (3.5, 84.0)


def test_gpx_entities_are_never_expanded() -> None:
    with pytest.raises(TrackError, match="refused"):
        gpx.read('<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "b">]>' + GPX[38:])
    with pytest.raises(TrackError, match="no GPX"):
        gpx.read("<gpx><trk>")


# ---- GeoJSON


@pytest.mark.parametrize(
    "feature",
    [
        (
            '{"type":"Feature","properties":{"name":"P-1","coordTimes":["2026-11-23T12:00:00Z",1795435205000]},'
            '"geometry":{"type":"LineString","coordinates":[[11.9,57.7],[11.91,57.7]]}}'
        ),
        (
            '{"type":"Feature","id":"P-1","properties":{"coordinateProperties":{"times":[["2026-11-23T12:00:00Z",1795435205]]}},'
            '"geometry":{"type":"MultiLineString","coordinates":[[[11.9,57.7],[11.91,57.7]]]}}'
        ),
        (
            '{"type":"Feature","id":"P-1","geometry":{"type":"LineString","coordinates":'
            "[[11.9,57.7,0,1795435200],[11.91,57.7,0,1795435205000]]}}"
        ),
        (
            '{"type":"Feature","id":"P-1","properties":{},"temporalGeometry":{"type":"MovingPoint","datetimes":'
            '["2026-11-23T12:00:00Z","2026-11-23T12:00:05Z"],"coordinates":[[11.9,57.7],[11.91,57.7]]}}'
        ),
        (
            '\x1e{"type":"Feature","properties":{"unit_id":"P-1","time":"2026-11-23T12:00:00Z"},'
            '"geometry":{"type":"Point","coordinates":[11.9,57.7]}}\n'
            '\x1e{"type":"Feature","properties":{"unit_id":"P-1","time":"2026-11-23T12:00:05Z"},'
            '"geometry":{"type":"Point","coordinates":[11.91,57.7]}}\n'
        ),
    ],
)
def test_geojson_says_the_time_in_many_ways(feature: str) -> None:
    found = geojson_tracks.read(feature)
    assert [track.unit_id for track in found] == ["P-1"]
    assert found[0].fixes == [Fix(1795435200000, 11.9, 57.7), Fix(1795435205000, 11.91, 57.7)]


def test_geojson_speed_of_moving_features_and_unequal_lengths() -> None:
    found = geojson_tracks.read(
        '{"type":"Feature","id":"A","temporalGeometry":{"datetimes":["2026-11-23T12:00:00Z"],"coordinates":[[1,2]]},'
        '"temporalProperties":[{"datetimes":["2026-11-23T12:00:00Z"],"speed":{"uom":"km/h","values":[36]}}]}'
    )
    assert found[0].fixes[0].speed_mps == pytest.approx(10.0)
    with pytest.raises(TrackError, match="2 places but 1 times"):
        geojson_tracks.read(
            '{"type":"Feature","temporalGeometry":{"datetimes":[5],"coordinates":[[1,2],[1,2]]},"properties":null}'
        )


# ---- CSV


def test_csv_names_are_recognised_and_bad_rows_counted() -> None:
    found = csv_tracks.read(
        "vehicle;timestamp;lng;lat;speed_kmh;heading\n"
        "A;1795435200;11.9;57.7;36;360\nA;1795435205000;11.91;57.7;-1;999\nA;never;11.9;57.7;;\nA;1795435210;x;57.7;;\n"
    )
    assert found[0].fixes == [Fix(1795435200000, 11.9, 57.7, 10.0, 0.0), Fix(1795435205000, 11.91, 57.7)]
    assert found.skipped == 2
    assert found.reasons[0].startswith("line 4: 'never' is no time")


def test_csv_columns_are_named_by_the_user() -> None:
    found = csv_tracks.read(
        "who,when,a,b\nA,2026-11-23T12:00:00+01:00,11.9,57.7\n",
        hints=Hints(columns={"unit_id": "who", "time": "when", "lon": "a", "lat": "b"}),
    )
    assert times(found) == ["2026-11-23T11:00:00.000Z"]
    with pytest.raises(TrackError, match="no column is known as time"):
        csv_tracks.read("a,b\n1,2\n")
    with pytest.raises(TrackError, match="has no column nope"):
        csv_tracks.read("a,b\n1,2\n", hints=Hints(columns={"time": "nope"}))


def test_swapped_places_and_local_times_get_a_remedy() -> None:
    with pytest.raises(TrackError, match="the other way round"):
        csv_tracks.read("time,lon,lat\n1795435200,37.8,-122.3\n")
    with pytest.raises(TrackError, match="name its timezone"):
        csv_tracks.read("time,lon,lat\n2026-11-23 12:00:00,11.9,57.7\n")
    with pytest.raises(TrackError, match="IANA"):
        csv_tracks.read("time,lon,lat\n1,2,3\n", hints=Hints(timezone="Mars/Base"))


def test_case_19_the_hour_that_comes_twice_does_not_run_back() -> None:
    rows = ["01:59:50", "02:30:00", "02:59:50", "02:00:00", "02:30:00", "03:00:00"]
    text = "unit,time,lon,lat\n" + "".join(f"A,2026-10-25 {row},11.9,57.7\n" for row in rows)
    assert [t[11:19] for t in times(csv_tracks.read(text, hints=Hints(timezone="Europe/Stockholm")))] == [
        "23:59:50",
        "00:30:00",
        "00:59:50",
        "01:00:00",
        "01:30:00",
        "02:00:00",
    ]


def test_case_19_the_hour_that_is_skipped_is_put_forward() -> None:
    text = "unit,time,lon,lat\nA,2026-03-29 01:59:59,11.9,57.7\nA,2026-03-29 02:00:05,11.9,57.7\n"
    assert times(csv_tracks.read(text, hints=Hints(timezone="Europe/Stockholm"))) == [
        "2026-03-29T00:59:59.000Z",
        "2026-03-29T01:00:05.000Z",
    ]


def test_porto_trips_are_segments_of_a_taxi_and_a_trip_counts_once() -> None:
    head = '"TRIP_ID","CALL_TYPE","TAXI_ID","TIMESTAMP","POLYLINE"\n'
    trips = [
        '"1","C","7","1372636858","[[-8.61,41.14],[-8.62,41.15]]"\n',
        '"1","C","7","1372636858","[[-8.61,41.14],[-8.62,41.15]]"\n',
        '"2","C","7","1372640000","[[-8.63,41.16]]"\n',
        '"3","C","8","1372640000","[]"\n',
    ]
    found = csv_tracks.read(head + "".join(trips))
    assert [track.unit_id for track in found] == ["taxi-7"]
    assert [len(segment) for segment in found[0].segments] == [2, 1]
    assert found[0].fixes[1].fix_ms - found[0].fixes[0].fix_ms == 15_000
    assert found.skipped == 1


# ---- NMEA


def sentence(body: str) -> str:
    total = 0
    for letter in body:
        total ^= ord(letter)
    return f"${body}*{total:02X}"


def test_nmea_the_samples_of_the_standard() -> None:
    found = nmea.read(
        "\n".join(
            [
                "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A",
                "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47",
                "$GPRMC,120001.00,V,,,,,,,231126,,,N*7A",
                "$GPRMC,123520,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*00",
            ]
        ),
        "car.nmea",
    )
    (fix,) = found[0].fixes
    assert (found[0].unit_id, to_text(fix.fix_ms), found.skipped) == ("car", "1994-03-23T12:35:19.000Z", 2)
    assert (fix.lon, fix.lat) == pytest.approx((11.516667, 48.1173))
    assert fix.speed_mps == pytest.approx(11.52, abs=0.01)
    assert fix.accuracy_m == pytest.approx(4.5)


def test_case_19_gga_over_midnight() -> None:
    gga, place = "GPGGA,{},4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", "A,4807.038,N,01131.000,E,0.0,0.0"
    found = nmea.read(
        "\n".join(
            [
                sentence(gga.format("235957")),
                sentence(f"GPRMC,235958,{place},231126,,"),
                sentence(gga.format("235959")),
                sentence(gga.format("000001")),
                sentence(f"GPRMC,000002,{place},241126,,"),
            ]
        )
    )
    assert [t[8:19] for t in times(found)] == [
        "23T23:59:57",
        "23T23:59:58",
        "23T23:59:59",
        "24T00:00:01",
        "24T00:00:02",
    ]


def test_a_gps_week_rollover_is_put_right_and_noted() -> None:
    line = sentence("GPRMC,120000,A,4807.038,N,01131.000,E,0.0,0.0,090407,,")
    found = nmea.read("\n".join([line]), hints=Hints(received_ms=to_ms("2026-11-23T12:00:01Z")))
    assert times(found) == ["2026-11-23T12:00:00.000Z"]
    assert "1024 weeks" in found.summary()
    assert times(nmea.read("\n".join([line]))) == ["2007-04-09T12:00:00.000Z"]


# ---- TAIP


def test_taip_samples_and_checksum() -> None:
    unit_id, fix = taip.parse(">RPV15714+3739438-1220384601512612;ID=1234;*7F<", to_ms("2026-11-23T04:22:00Z"))
    assert (unit_id, to_text(fix.fix_ms)) == ("1234", "2026-11-23T04:21:54.000Z")
    assert fix[1:5] == pytest.approx((-122.03846, 37.39438, 15 * 0.44704, 126.0))
    with pytest.raises(ValueError, match="checksum"):
        taip.parse(">RPV15715+3739438-1220384601512612;ID=1234;*7F<", 0)
    unit_id, fix = taip.parse(">REV481599462982+2578391-0802945201228512;ID=Test<", 0)
    assert (unit_id, to_text(fix.fix_ms)) == ("Test", "2010-09-02T17:29:42.000Z")


def test_case_19_taip_over_midnight() -> None:
    late, early = ">RPV86395+3780000-1222700002808412;ID=7<", ">RPV00005+3780000-1222700002808412;ID=7<"
    found = taip.read("\n".join([f"2026-11-24T00:00:01Z {late}", early]))
    assert times(found) == ["2026-11-23T23:59:55.000Z", "2026-11-24T00:00:05.000Z"]
    with pytest.raises(TrackError, match="no date"):
        taip.read("\n".join([late]))
