"""What is found for what people type."""

from __future__ import annotations

import pytest

from geo_backup.geodesy import distance_m
from geo_backup.places import Found, Gazetteer
from tests.places.town import place


def first(places: Gazetteer, text: str, near: tuple[float, float] | None = None) -> Found:
    answer = places.find(text, near)
    assert answer.found, f"nothing for {text!r}"
    return answer.found[0]


def at(found: Found, x: float, y: float, within_m: float = 2.0) -> bool:
    return float(distance_m(found.lon, found.lat, *place(x, y))) <= within_m


@pytest.mark.parametrize(
    "text",
    [
        "Rua Formosa 12", "rua formosa, 12", "R. Formosa 12", "r formosa nº 12", "12 Rua Formosa", "12 Formosa St",
        "formosa 12", "RUA FORMOSA 12", "rua formosa 12, Vila", "formosa rua 12", "rua formoza 12", "rua fromosa 12",
        "rua formsa 12", "rua fformosa 12", "r. formosa 12, 3 esq", "Rua da Beleza 12", "rua formosa 12 4000-123",
        "rua formosa 12, 4000-123 Vila",
    ],
)  # fmt: skip
def test_a_house_number_however_it_is_written(places: Gazetteer, text: str) -> None:
    found = first(places, text)
    assert (found.kind, found.name, found.missing) == ("address", "Rua Formosa 12", ""), found
    assert at(found, 1.0, 0.1)
    assert found.town == "Vila"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("formosa x santa catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("r. formosa & r. sta catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("santa catarina at formosa", "Rua de Santa Catarina / Rua Formosa"),
        ("corner of formosa and santa catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("formosa esquina com santa catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("Rua Formosa e Rua de Santa Catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("formosa / sta. catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("formosa santa catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("formoza x santa catarina", "Rua Formosa / Rua de Santa Catarina"),
        ("formosa x santa catrina", "Rua Formosa / Rua de Santa Catarina"),
        ("formosa x hauptstr", "Rua Formosa / Hauptstraße"),
        ("formosa Ecke Hauptstr.", "Rua Formosa / Hauptstraße"),
        ("av aliados @ formosa", "Avenida dos Aliados / Rua Formosa"),
        ("odonnell x hauptstrasse", "O'Donnell Street / Hauptstraße"),
        ("25 de abril x aliados", "Rua 25 de Abril / Avenida dos Aliados"),
        ("EN12 x formosa", "EN 12 / Rua Formosa"),
    ],
)
def test_a_crossing_however_it_is_written(places: Gazetteer, text: str, name: str) -> None:
    found = first(places, text)
    assert (found.kind, found.name, found.missing) == ("crossing", name, ""), found


def test_streets_that_end_at_a_roundabout_meet_there(places: Gazetteer) -> None:
    found = first(places, "e fayette x lenin")
    assert (found.kind, found.missing) == ("crossing", "")
    assert at(found, 9.0, 6.0, 110.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sao joao", "Hospital de São João"), ("hosp s joao", "Hospital de São João"),
        ("rua 25 de abril", "Rua 25 de Abril"), ("25 de abril", "Rua 25 de Abril"), ("hauptstr", "Hauptstraße"),
        ("haupt str.", "Hauptstraße"), ("o donnell st", "O'Donnell Street"), ("odonnell", "O'Donnell Street"),
        ("prof lukasz weg", "Professor-Łukasz-Weg"), ("улица ленина", "Улица Ленина"), ("ул ленина", "Улица Ленина"),
        ("lenin st", "Улица Ленина"), ("rua velha", "Rua Formosa"), ("en 12", "EN 12"), ("en12", "EN 12"),
        ("norte", "Norte"), ("camara", "Câmara"),
    ],
)  # fmt: skip
def test_names(places: Gazetteer, text: str, name: str) -> None:
    assert first(places, text).name == name


def test_each_letter_brings_the_street_nearer(places: Gazetteer) -> None:
    for end in range(4, len("rua formosa") + 1):
        assert "Rua Formosa" in [one.name for one in places.find("rua formosa"[:end]).found], end
    assert next(one.kind for one in places.find("formosa x").found) == "crossing", (
        "its crossings, before the other is typed"
    )


def test_a_number_that_is_not_there_is_said_to_be_missing(places: Gazetteer) -> None:
    found = first(places, "rua formosa 16")
    assert (found.missing, found.precision) == ("house_number", "between")
    assert at(found, 2.0, 0.1), "half-way between 12 and 20"
    found = first(places, "hauptstr 5")
    assert (found.missing, found.precision, found.kind) == ("house_numbers", "street", "street")
    found = first(places, "rua formosa 13")
    assert found.name == "Rua Formosa 13A", "the only thirteen"


def test_numbers_between_two_are_worked_out_where_the_map_says_so(places: Gazetteer) -> None:
    found = first(places, "santa catarina 6")
    assert (found.kind, found.missing, found.precision) == ("address", "", "between")
    assert at(found, 2.1, 1.5)


def test_a_house_is_at_its_door(places: Gazetteer) -> None:
    assert at(first(places, "25 de abril 7"), 3.6, 3.2)


def test_streets_of_one_name_are_told_by_their_town_or_asked_about(places: Gazetteer) -> None:
    answer = places.find("rua da igreja")
    assert answer.ambiguous
    assert {one.town for one in answer.found[:2]} == {"Norte", "Sul"}
    for town, x in (("norte", 21.0), ("sul", 61.0)):
        found = first(places, f"rua da igreja, {town}")
        assert at(found, x, 0.0, 110.0), found
        assert found.matched == "exact"
    assert at(first(places, "rua da igreja", place(60.0, 2.0)), 61.0, 0.0, 110.0), "the nearer first"


def test_a_town_that_is_not_on_the_map_is_not_passed_over(places: Gazetteer) -> None:
    found = first(places, "rua formosa, lisboa")
    assert (found.matched, found.unknown_words) == ("part", ("lisboa",))


def test_streets_that_do_not_meet_are_said_not_to(places: Gazetteer) -> None:
    found = first(places, "hauptstr x lindenallee")
    assert (found.kind, found.missing, found.precision) == ("crossing", "crossing", "near")
    assert at(found, 7.0, found_y(found), 5.0)
    far = places.find("rua formosa x rua da igreja").found
    assert {one.missing for one in far} == {"crossing"}


def found_y(found: Found) -> float:
    """The two run side by side: anywhere between their ends."""
    return min(3.0, max(0.0, (found.lat - 50.0) / (place(0.0, 1.0)[1] - 50.0)))


def test_exits_and_kilometre_posts(places: Gazetteer) -> None:
    for text in ("A28 exit 5", "exit 5 A 28", "saida 5 a28", "Ausfahrt 5, A28"):
        found = first(places, text)
        assert (found.kind, found.missing) == ("exit", ""), text
        assert at(found, 5.0, 10.0)
    for text in ("km 12.4 A28", "A28 km 12,4", "a28 12.4 km", "PK 12+400 A28"):
        found = first(places, text)
        assert (found.kind, found.name, found.missing) == ("post", "A 28 km 12.4", ""), text
        assert at(found, 10.0, 9.9)
    assert first(places, "km 12.9 A28").missing == "post"
    assert first(places, "A28 exit 77").missing == "exit"


def test_coordinates_on_the_map_are_read_the_right_way_round(places: Gazetteer) -> None:
    lon, lat = place(1.0, 0.1)
    for text in (f"{lat:.6f}, {lon:.6f}", f"{lon:.6f} {lat:.6f}"):
        found = first(places, text)
        assert (found.kind, found.beside) == ("coordinates", "Rua Formosa near Rua de Santa Catarina"), text
        assert at(found, 1.0, 0.1)


@pytest.mark.parametrize(
    "text", ["", " ", "...", "\x00", "🚒", "x", "&", "12", "a" * 10_000, "rua " * 100, "'\"*^:()-+{}", "%_"]
)
def test_whatever_is_typed_nothing_breaks(places: Gazetteer, text: str) -> None:
    places.find(text, (0.0, -90.0), 50)
