"""A real Chromium, and windows in it whose page may throw nothing and load nothing that its policy forbids."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.chromium import FLAGS, executable


@pytest.fixture(
    scope="module"
)  # no longer: Playwright keeps an event loop in this thread, where other tests run theirs
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = executable()
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own; what its page throws, or its policy refuses, fails the test."""
    wrong: list[str] = []
    contexts: list[Any] = []

    def heard(message: Any) -> None:
        if "Content Security Policy" in message.text:
            wrong.append(message.text)

    def open_window(url: str, before: Callable[[Any], None] = lambda page: None, **given: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **given}))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", heard)
        before(page)
        page.goto(url)
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert wrong == []


def shown(page: Any) -> Any:
    """Wait until the page is live."""
    page.wait_for_selector("[data-testid=map][data-ready=true]")
    page.wait_for_selector("[data-testid=connection][data-state=live]")
    return page


@pytest.fixture
def window(opened: Callable[..., Any]) -> Callable[..., Any]:
    """The page in a window of its own, live."""
    return lambda *given, **more: shown(opened(*given, **more))
