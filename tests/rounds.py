"""How much is tried. `.ci/long` tries a property as often as its test says and every case of a list; every other run
tries it a quarter as often, and some cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

OF_ITSELF = 100
"""So often Hypothesis tries a property whose test says nothing."""


def register() -> None:
    """Before the tests are read; `--hypothesis-profile=long` takes the other."""
    settings.register_profile("long", settings(max_examples=OF_ITSELF))
    settings.register_profile("short", settings(max_examples=OF_ITSELF // 4))
    settings.load_profile("short")


def cases(every: Iterable[Any], usual: Iterable[Any]) -> list[Any]:
    """To parametrize by: the usual ones in every run, the others in `.ci/long`."""
    usual = list(usual)
    return [one if one in usual else pytest.param(one, marks=pytest.mark.long) for one in every]


def rounds(whole: int) -> int:
    """So many of them in this run."""
    return max(1, whole * settings().max_examples // OF_ITSELF)
