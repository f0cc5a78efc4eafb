"""Takes the README's two pictures of the page again, from a demo of its own.

python -m tests.browser.pictures [FOLDER]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

from tests.asking import BRIDGE
from tests.browser.chromium import FLAGS, executable
from tests.running import ROOT, eventually, free_port

SIZE = {"width": 1400, "height": 900}


def ranking(http: httpx.Client, page: Any, folder: Path) -> None:
    """An open incident, a closed bridge, everybody ranked."""
    http.post("/v1/closures", json={"geometry": BRIDGE, "reason": "bridge open"}).raise_for_status()
    fire = {"lon": 11.985, "lat": 57.698, "priority": 3, "kind": "fire"}
    http.post("/v1/incidents", json=fire).raise_for_status()
    fight = {"lon": 11.9604, "lat": 57.717, "priority": 2, "kind": "fight", "incident_id": "i1", "note": "two men"}
    http.post("/v1/incidents", json=fight).raise_for_status()
    page.locator("[data-testid=incident-row]").first.click()
    page.locator("[data-testid=ranking-row]").nth(4).wait_for()
    page.wait_for_timeout(2_500)
    page.screenshot(path=folder / "screenshot.png")


def backup(http: httpx.Client, page: Any, folder: Path) -> None:
    """Shots fired, whom to send, and an officer's emergency that waits to be acknowledged."""
    shots = {"lon": 11.97, "lat": 57.703, "priority": 1, "kind": "shots fired", "incident_id": "i2", "note": "a rifle"}
    http.post("/v1/incidents", json=shots).raise_for_status()
    http.post("/v1/incidents/i2/backup", json={"mode": "immediate"}).raise_for_status()
    page.locator("[data-testid=incident-row]").first.click()
    page.locator("[data-testid=recommended] li").nth(3).wait_for()
    http.post("/v1/emergencies", json={"unit_id": "P-21"}).raise_for_status()
    page.wait_for_timeout(2_500)
    page.screenshot(path=folder / "backup.png")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "geo_backup" / "dashboard"
    port = free_port()
    demo = subprocess.Popen([sys.executable, "-m", "geo_backup", "demo", "--no-browser", "--port", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http, sync_playwright() as playwright:
            eventually(lambda: _ready(http), "the demo", 120)
            chromium = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
            page = chromium.new_page(viewport=SIZE)
            page.goto(url)
            page.locator("[data-testid=map]").wait_for()
            page.wait_for_timeout(3_000)
            ranking(http, page, folder)
            backup(http, page, folder)
            chromium.close()
    finally:
        demo.terminate()
        demo.wait(20)


def _ready(http: httpx.Client) -> bool:
    try:
        return http.get("/readyz").is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
