"""How many frames a second does the page leave while 1,000 units move on its map, and how busy is its main thread?

    python -m tests.benchmarks.page [--units 1000] [--rounds 3] [--seconds 6] [--width 1440] [--height 900] [--json]

A Chromium that draws without a graphics card shows, in turns and in a window of its own each time: a blank page, the
page of a server that has no units, the page of one whose units each send a position a second (`geo-backup load` drives
them, forty of them are on the way to incidents), and the same with an incident chosen. Counted is how often the browser
asks for the next frame; the main thread's share is what DevTools call TaskDuration. "CPU" is what all processes of the
browser used, in seconds a second: unlike the others it does not depend on who else uses the machine. Server, generator
and browser share it. The page is ready when it is live and its map takes clicks, and drawn when all its tiles are.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import sync_playwright

from geo_backup.cli import demo_map
from geo_backup.load import own_server
from tests.browser.chromium import FLAGS, executable
from tests.running import eventually

COUNT = """seconds => new Promise(done => {
  let frames = 0;
  const began = performance.now();
  const next = now => {
    frames++;
    if (now - began >= seconds * 1000) done(1000 * frames / (now - began));
    else requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})"""
READY = "[data-testid=connection][data-state=live]"
CASES = ("a blank page", "the page without units", "units", "units, an incident chosen")
SENT = 40


@contextmanager
def driven(url: str, units: int) -> Iterator[None]:
    """`geo-backup load` drives units on a server."""
    asked = ["--units", units, "--pings-per-s", units, "--incidents", 8, "--viewers", 1, "--seconds", 3_600]
    command = [sys.executable, "-m", "geo_backup", "load", url, *map(str, asked)]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: len(httpx.get(f"{url}/v1/incidents", trust_env=False).json()["incidents"]) == 8, within_s=90)
        yield
    finally:
        load.terminate()
        load.wait(30)


def send_some(url: str) -> None:
    """Forty units go to the incidents that are open."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        incidents = http.get("/v1/incidents").json()["incidents"]
        units = http.get("/v1/units").json()["features"][:SENT]
        for n, unit in enumerate(units):
            place = f"/v1/incidents/{incidents[n % len(incidents)]['incident_id']}/assignments"
            http.post(place, json={"unit_id": unit["properties"]["unit_id"]}).raise_for_status()


def children(pid: int) -> list[int]:
    """A process and all it started (Linux)."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += children(int(path.parent.name))
    return found


def cpu_s(pid: int) -> float:
    """Seconds that the browser has used so far."""
    total = 0.0
    for child in children(pid):
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / 100.0
    return total


def look(browser: Any, url: str, case: str, args: argparse.Namespace) -> dict[str, float]:
    """One window: what it took to open it, then what it leaves."""
    page = browser.new_page(viewport={"width": args.width, "height": args.height})
    figures, cpu = {}, cpu_s(args.browser_pid)
    page.goto("about:blank" if case == "a blank page" else url)
    if case != "a blank page":
        page.wait_for_selector("[data-testid=map][data-ready=true]", state="attached")
        page.wait_for_selector(READY)
        figures["ready_ms"] = page.evaluate("performance.now()")
        figures["ready_cpu_ms"] = 1_000.0 * (cpu_s(args.browser_pid) - cpu)
        page.wait_for_selector("[data-testid=map][data-drawn=true]", state="attached")
        figures["drawn_ms"] = page.evaluate("performance.now()")
    if case.startswith("units"):
        chosen = page.locator("[data-testid=incident-row][aria-pressed=true]")
        if chosen.count():  # who looks at nothing is shown an incident
            page.keyboard.press("Escape")
            chosen.wait_for(state="detached")
    if "chosen" in case:
        page.locator("[data-testid=incident-row]").first.click()
        page.wait_for_selector("[data-testid=ranking-row], [data-testid=assigned-row]")
    page.evaluate(COUNT, 2)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def busy_s() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(row["value"] for row in metrics if row["name"] == "TaskDuration"))

    began, busy, cpu = time.perf_counter(), busy_s(), cpu_s(args.browser_pid)
    figures["frames_per_s"] = page.evaluate(COUNT, args.seconds)
    took = time.perf_counter() - began
    figures["main_thread"] = (busy_s() - busy) / took
    figures["cpu"] = (cpu_s(args.browser_pid) - cpu) / took
    page.context.close()
    return figures


def newest_child(before: set[int]) -> int:
    """The process that was started since."""
    return min(set(children(os.getpid())) - before)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Servers, generator and browser; the medians by case."""
    folder = args.map or demo_map()
    rounds: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    with own_server(folder) as empty, own_server(folder) as full, driven(full, args.units):
        time.sleep(3.0)
        send_some(full)
        before = set(children(os.getpid()))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
            args.browser_pid = newest_child(before)
            for _ in range(args.rounds):
                for case in CASES:
                    figures = look(browser, full if case.startswith("units") else empty, case, args)
                    rounds[case].append(figures)
            browser.close()
    return {case: {name: spread([row[name] for row in rows]) for name in rows[0]} for case, rows in rounds.items()}


def spread(values: list[float]) -> list[float]:
    """Median, least, most."""
    return [round(value, 3) for value in (statistics.median(values), min(values), max(values))]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--width", type=int, default=1_440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = run(args)
    if args.json:
        print(json.dumps(found))
        return
    of_blank = found[CASES[0]]["frames_per_s"][0]
    of_empty = found[CASES[1]]["frames_per_s"][0]
    for case, figures in found.items():
        median = figures["frames_per_s"][0]
        print(f"{case}: {median / of_blank:.2f} of a blank page, {median / of_empty:.2f} of one without units")
        for name, (middle, least, most) in figures.items():
            print(f"    {name.replace('_', ' '):14} {middle:10.2f} ({least:.2f} to {most:.2f})")


if __name__ == "__main__":
    main()
