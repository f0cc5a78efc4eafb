"""Traffic files: every line is a row, empty, the header, or named as wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.formats import traffic as traffic_csv


def rows(data: bytes) -> list[tuple[int, int, float]]:
    file = traffic_csv.read(data)
    assert not file.wrong, file.wrong
    return list(zip(file.from_node.tolist(), file.to_node.tolist(), file.kmh.tolist(), strict=True))


def test_what_osrm_takes_is_taken() -> None:
    assert rows(b"1,2,30\n9876543210,2,0") == [(1, 2, 30.0), (9876543210, 2, 0.0)]
    assert rows(b"\xef\xbb\xbffrom_osm_node,to_osm_node,speed_kmh,rate\r\n1,2,30.5,0.7\r\n\r\n") == [(1, 2, 30.5)]
    assert rows(b'"from","to","speed"\n 1 , 2 , 30 \n') == [(1, 2, 30.0)]
    assert rows(b"") == rows(b"\n\n") == rows(b"from,to,speed\n") == []


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        (b"1,2", "2 columns; write from_osm_node,to_osm_node,speed_kmh"),
        (b"1;2;30", "1 columns"),
        (b"1,2,30,1,1", "5 columns"),
        (b"0,2,30", "from_osm_node is '0'; write OpenStreetMap's node id"),
        (b"-5,2,30", "from_osm_node is '-5'"),
        (b"1.5,2,30", "from_osm_node is '1.5'"),
        (b"1_0,2,30", "from_osm_node is '1_0'"),
        (b"1,n2,30", "to_osm_node is 'n2'"),
        (b"1,99999999999999999999,30", "to_osm_node is '99999999999999999999'"),
        (b"1," + b"9" * 5_000 + b",30", "to_osm_node is '999999999999999999999999999...'"),
        (b"1,2,", "speed_kmh is ''; write km/h from 0 (closed) to 250"),
        (b"1,2,-1", "speed_kmh is '-1'"),
        (b"1,2,250.1", "speed_kmh is '250.1'"),
        (b"1,2,nan", "speed_kmh is 'nan'"),
        (b"1,2,inf", "speed_kmh is 'inf'"),
        (b"1,2,3_0", "speed_kmh is '3_0'"),
        (b"1,2,30,fast", "rate is 'fast'; write a number from 0, or leave the column out"),
        (b"1,2,30,-1", "rate is '-1'"),
        (b"1,2,30,", "rate is ''"),
        (b"from,to,speed", "from_osm_node is 'from'"),
        (b"\xff\xfe1,2,30", "from_osm_node is"),
    ],
)
def test_a_wrong_line_is_named_with_its_remedy(line: bytes, remedy: str) -> None:
    file = traffic_csv.read(b"from,to,speed\n1,2,30\n" + line + b"\n3,4,50\n")
    assert len(file) == 2
    assert file.wrong_total == 1
    ((number, why),) = file.wrong
    assert number == 3
    assert remedy in why


def test_wrong_lines_are_counted_but_not_all_kept() -> None:
    file = traffic_csv.read(b"1,2\n" * 5_000)
    assert (file.wrong_total, len(file.wrong), file.wrong[-1][0]) == (5_000, 100, 100)


@given(st.binary(max_size=200) | st.text("0123456789,.-\n e_+", max_size=200).map(str.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    file = traffic_csv.read(data)
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert len(file) + file.wrong_total <= len(lines)
    assert ((file.kmh >= 0) & (file.kmh <= 250)).all()
    assert ((file.from_node > 0) & (file.to_node > 0)).all()
