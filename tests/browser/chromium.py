"""What all tests in a browser share beside their fixtures: how Chromium is found and started, and pictures of it.

GEO_BACKUP_CHROMIUM names the browser, GEO_BACKUP_SHOTS a folder for pictures.
Without a browser the tests are skipped; in CI they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
]
"""What Chromium needs where there is no graphics card."""
WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    *("AimEnabled", "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
    *("PreconnectToSearch", "ThirdPartyStoragePartitioning"),
)
LEAN = [
    *FLAGS,
    # put together without WebGL, the page costs half of it: no card is spared here
    "--disable-gpu-compositing",
    # each new window would load pages of its own for an address bar that nobody sees; a second list takes the place of
    # Playwright's, so the names of that which matter here stand in it too
    f"--disable-features={','.join(WITHOUT)}",
]
"""For tests: a page and a map cost a third of what they cost by `FLAGS`."""


@contextmanager
def launcher() -> Iterator[Callable[..., Any]]:
    """Starts a Chromium, with these flags besides. Until the end of this Playwright keeps an event loop in the thread,
    where others run theirs."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = executable()
    with sync_api.sync_playwright() as playwright:
        yield lambda *flags: playwright.chromium.launch(executable_path=path, args=[*LEAN, *flags])


def absent(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def executable() -> str:
    """Where Chromium is."""
    found = [
        os.environ.get("GEO_BACKUP_CHROMIUM"),
        "/usr/bin/chromium",
        *(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")),
    ]
    path = next((name for name in found if name and Path(name).exists()), None)
    if path is None:
        absent("no Chromium: name one in GEO_BACKUP_CHROMIUM")
    return str(path)


def built() -> None:
    """The page that is tested is there."""
    from geo_backup.dashboard import DIST

    if not (DIST / "index.html").exists():
        absent("the dashboard is not built: npm ci && npm run build in geo_backup/dashboard")


def shot(page: Any, name: str) -> None:
    """A picture, for whoever wants to look."""
    folder = os.environ.get("GEO_BACKUP_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")
