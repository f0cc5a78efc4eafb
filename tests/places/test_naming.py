"""What places are called."""

from __future__ import annotations

import time

import pytest

from geo_backup.places import Gazetteer
from tests.places.town import place


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ((2.2, 0.05), "Rua Formosa at Rua de Santa Catarina"),
        ((3.0, 0.05), "Rua Formosa between Rua de Santa Catarina and Avenida dos Aliados"),
        ((1.0, 0.1), "Rua Formosa near Rua de Santa Catarina"),
        ((8.0, 1.5), "Lindenallee"),
        ((-1.0, 2.0), "220 m from Rua Formosa"),
        ((7.0, 10.0), "A 28"),
    ],
)
def test_a_place_has_a_name(places: Gazetteer, where: tuple[float, float], text: str) -> None:
    assert places.name(*place(*where)).text == text


def test_far_from_everything_it_is_where_it_is(places: Gazetteer) -> None:
    named = places.name(0.0, 0.0)
    assert (named.relation, named.text) == ("nowhere", "0.00000, 0.00000")


def test_a_name_takes_no_time(places: Gazetteer) -> None:
    places.name(*place(0.0, 0.0))
    began = time.thread_time()
    for step in range(200):
        places.name(*place(step / 20.0, step / 30.0))
    assert (time.thread_time() - began) / 200 < 0.003, "asked for each incident and unit shown"
