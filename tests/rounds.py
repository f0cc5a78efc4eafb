"""How often a property is tried. `.ci/long` tries each as often as its test says; every other run a quarter of that."""

from __future__ import annotations

from hypothesis import settings

OF_ITSELF = 100
"""So often Hypothesis tries a property whose test says nothing."""


def register() -> None:
    """Before the tests are read; `--hypothesis-profile=long` takes the other."""
    settings.register_profile("long", settings(max_examples=OF_ITSELF))
    settings.register_profile("short", settings(max_examples=OF_ITSELF // 4))
    settings.load_profile("short")


def rounds(whole: int) -> int:
    """So many of them in this run."""
    return max(1, whole * settings().max_examples // OF_ITSELF)
