"""Stations, and what of San Francisco's calls belongs to them."""

from __future__ import annotations

import pytest

from geo_backup.errors import BadValueError
from geo_backup.formats.calls import SAN_FRANCISCO, read
from geo_backup.formats.stations import Station, read_stations

HEAD = "station,lon,lat"


def test_stations_are_called_without_leading_zeros() -> None:
    assert read_stations([HEAD, "04,-122.4,37.7", "51,-122.5,37.8"]) == (
        Station("4", -122.4, 37.7),
        Station("51", -122.5, 37.8),
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["name,x,y", "4,1,2"], "names the columns station,lon,lat"),
        ([HEAD, "4,1,2", "04,1,2"], "line 3: the station comes twice"),
        ([HEAD, "4,1"], "line 2: the station needs a name"),
        ([HEAD, "4,1,nan"], "line 2: the station needs a name"),
        ([HEAD, "4,1,91"], "line 2: the station needs a name"),
        ([HEAD, ",1,2"], "line 2: the station needs a name"),
        ([HEAD, '4,"11,9",57'], "lon '11,9' is not a number: write a decimal point"),
    ],
)
def test_a_wrong_line_is_named(lines: list[str], words: str) -> None:
    with pytest.raises(BadValueError, match=words):
        read_stations(lines)


@pytest.mark.parametrize(
    ("code", "group", "priority"),
    [("3", "Potentially Life-Threatening", 1), ("3", "Fire", 1), ("3", "Alarm", 2), ("2", "Alarm", 3), ("3", "", 1)],
)
def test_san_francisco_says_danger_in_two_columns(code: str, group: str, priority: int) -> None:
    row = {"call_id": "1", "time": "04/07/2020 11:53:08 PM", "location": "(37.73, -122.42)", "area": "04"}
    row |= {"priority": code, "group": group, "unit_id": "E32"}
    lines = [",".join(SAN_FRANCISCO.values()), ",".join(f'"{row.get(ours, "")}"' for ours in SAN_FRANCISCO)]
    (call,) = read([f"{line}\n" for line in lines]).calls
    assert (call.priority, call.area) == (priority, "4")
