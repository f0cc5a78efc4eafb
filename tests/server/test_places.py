"""Places over HTTP, on a real server with the demo's map."""

from __future__ import annotations

import httpx
import pytest

from tests.asking import problem
from tests.running import Server

KUNGSGATAN_OSTRA_HAMNGATAN = (11.96907, 57.70483)


def test_a_crossing_is_found_as_it_is_typed(server: Server, http: httpx.Client) -> None:
    answer = http.get("/v1/places", params={"q": "kungsg x ostra hamng"}).json()
    first = answer["places"][0]
    assert (first["kind"], first["matched"]) == ("crossing", "exact")
    assert first["name"] == "Kungsgatan / Östra Hamngatan"
    assert (first["lon"], first["lat"]) == pytest.approx(KUNGSGATAN_OSTRA_HAMNGATAN, abs=3e-4)
    assert answer["lacks"] == ["no_house_numbers"]


def test_a_place_has_a_name(server: Server, http: httpx.Client) -> None:
    lon, lat = KUNGSGATAN_OSTRA_HAMNGATAN
    named = http.get("/v1/places/name", params={"lon": lon, "lat": lat}).json()
    assert named["relation"] == "at"
    assert {named["street"], *named["cross"]} == {"Kungsgatan", "Östra Hamngatan"}
    assert named["name"] == f"{named['street']} at {named['cross'][0]}"


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "' OR 1=1 --",
        "a AND b OR NOT c",
        "NEAR(a b)",
        "a*",
        "^a",
        "-",
        "{a b}: c",
        "🚒🚒",
        "\x00",
        "%",
        "a\u0300" * 90,
        "()",
    ],
)
def test_hostile_words_are_words(server: Server, http: httpx.Client, text: str) -> None:
    answer = http.get("/v1/places", params={"q": text})
    assert answer.status_code == 200, answer.text
    assert answer.json()["query"] == text


def test_bad_questions_are_refused_in_words(server: Server, http: httpx.Client) -> None:
    for params, field in (
        ({"q": ""}, "/q"),
        ({}, "/q"),
        ({"q": "a" * 201}, "/q"),
        ({"q": "a", "near": "here"}, "/near"),
        ({"q": "a", "near": "57.7,111.9"}, "/near"),
        ({"q": "a", "near": "nan,57.7"}, "/near"),
        ({"q": "a", "limit": "0"}, "/limit"),
        ({"q": "a", "limit": "1000"}, "/limit"),
    ):
        problem(http.get("/v1/places", params=params), 422, field=field)
    problem(http.get("/v1/places/name", params={"lon": "200", "lat": "0"}), 422, field="/lon")
    problem(http.get("/v1/places/name", params={"lon": "0", "lat": "inf"}), 422, field="/lat")
    problem(http.get("/v1/places/name", params={"lon": "0"}), 422, field="/lat")
