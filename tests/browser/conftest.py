"""A real Chromium, and windows in it whose page may throw nothing, warn of nothing and load nothing that its policy
forbids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.chromium import built, launcher
from tests.running import GOTHENBURG, UNCHANGED, ServerInThread
from tests.server.test_backup import fleet


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gothenburg without tiles, which cost a page more than all else it does; with them where pictures are taken.
    Tests of the demo and of a replay have the whole map."""
    if os.environ.get("GEO_BACKUP_SHOTS"):
        return GOTHENBURG
    folder = tmp_path_factory.mktemp("bare")
    for part in GOTHENBURG.iterdir():
        if part.name != "basemap.pmtiles":
            (folder / part.name).symlink_to(part)
    UNCHANGED.add(folder)
    return folder


@pytest.fixture(scope="package")  # no longer: see `launcher`
def launch() -> Iterator[Callable[..., Any]]:
    """Starts a Chromium."""
    with launcher() as launch:
        yield launch


@pytest.fixture(scope="package")
def browser(launch: Callable[..., Any]) -> Iterator[Any]:
    chromium = launch()
    yield chromium
    chromium.close()


OF_THE_BROWSER = ("Failed to load resource", "WebSocket connection to", "GPU stall due to ReadPixels")
"""What Chromium itself says of a refused request, a lost link and a missing card, which is not the page's doing."""


def listen(page: Any, wrong: list[str]) -> None:
    """Collects what a page throws, warns of, or is refused by its policy."""

    def heard(message: Any) -> None:
        if message.type in ("error", "warning") and not any(said in message.text for said in OF_THE_BROWSER):
            wrong.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    page.on("console", heard)


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of its own; what its page throws or warns of fails the test."""
    wrong: list[str] = []
    contexts: list[Any] = []

    def open_window(url: str, before: Callable[[Any], None] = lambda page: None, **given: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **given}))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        listen(page, wrong)
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


PATROLS = tuple(f"U{n}" for n in range(8))
"""Units of the desk that tests share, ever further east of where its incidents are."""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Iterator[ServerInThread]:
    built()
    server = ServerInThread(tmp_path_factory.mktemp("desk") / "log.sqlite", map_folder=bare).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def served(serving: ServerInThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.url, trust_env=False, timeout=30) as client:
        yield client


def cleared(served: httpx.Client) -> None:
    """Nothing is open, and every unit is where it was, free."""
    for row in served.get("/v1/emergencies").json()["emergencies"]:
        end = {"by": "supervisor", "who": "Sgt Berg", "reason": "left by a test"}
        assert served.post(f"/v1/emergencies/{row['incident_id']}/clear", json=end).is_success
    for row in served.get("/v1/incidents").json()["incidents"]:
        assert served.post(f"/v1/incidents/{row['incident_id']}/close").is_success
    for row in served.get("/v1/units").json()["features"]:
        if row["id"] not in PATROLS:
            assert served.delete(f"/v1/units/{row['id']}").is_success
    fleet(served, *[(unit_id, 0.004 + 0.004 * n, ("patrol",)) for n, unit_id in enumerate(PATROLS)])
    for unit_id in PATROLS:
        assert served.put(f"/v1/units/{unit_id}/status", json={"status": "available"}).is_success


@pytest.fixture
def desk(served: httpx.Client) -> httpx.Client:
    """The server as it was at first."""
    cleared(served)
    return served


@pytest.fixture(scope="module")
def one(browser: Any, served: httpx.Client) -> Iterator[tuple[Any, list[str]]]:
    """The window of this desk, and what went wrong in it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    listen(page, wrong)
    yield page, wrong
    context.close()


@pytest.fixture
def page(one: tuple[Any, list[str]], desk: httpx.Client) -> Iterator[Any]:
    window, wrong = one
    window.goto("about:blank")  # what the former page was still loading is not the next one's
    wrong.clear()
    window.goto(str(desk.base_url))
    yield shown(window)
    assert wrong == []
