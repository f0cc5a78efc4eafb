"""A dispatcher's work in a real Chromium and the real server: call, send, arrive, close a bridge, reconnect, play."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.node.clock import Clock
from tests.browser.chromium import built, shot
from tests.browser.desk import call, declare, patrols, projection, read
from tests.browser.serving import serve
from tests.running import ServerInThread, eventually

ROOT = Path(__file__).resolve().parents[2]
MAP = ROOT / "maps" / "gothenburg"
TRACKS = ROOT / "examples" / "tracks" / "simulated.csv"
ACROSS_THE_BRIDGE = [(11.9642, 57.7138), (11.9688, 57.7150)]
PICKED = [(11.9650, 57.7080), (11.9705, 57.7075)]
SOUTH_OF_IT, NORTH_OF_IT = (11.9720, 57.7075), (11.9600, 57.7201)

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Desk:
    """The demo, and time that goes by as fast as a test wants."""

    def __init__(self, log: Path, map_folder: Path) -> None:
        built()
        self.ahead_ms = 0
        clock = Clock("simulated", steady_ms=lambda: time.monotonic_ns() // 1_000_000 + self.ahead_ms)
        self.server = ServerInThread(log, map_folder=map_folder, clock=clock, vehicles=60).start()

    def until(self, shown: Any) -> None:
        """Time hurries until something is shown."""

        def there() -> bool:
            self.ahead_ms += 1_000
            return bool(shown.count())

        eventually(there, str(shown), 60)


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory, bare: Path) -> Iterator[Desk]:
    """One demo for all tests of this file that need no process of it."""
    desk = Desk(tmp_path_factory.mktemp("demo") / "log.sqlite", bare)
    yield desk
    desk.server.stop()
    assert "Traceback" not in desk.server.said()


@pytest.fixture
def demo(driving: Desk) -> str:
    """The demo with nothing open: what a test that failed has left there is ended before the next one."""
    url = driving.server.url
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        end = {"by": "supervisor", "who": "Sgt Berg", "reason": "left by a test"}
        for row in client.get("/v1/emergencies").json()["emergencies"]:
            assert client.post(f"/v1/emergencies/{row['incident_id']}/clear", json=end).is_success
        for row in client.get("/v1/incidents").json()["incidents"]:
            assert client.post(f"/v1/incidents/{row['incident_id']}/close").is_success
        for row in client.get("/v1/closures").json()["closures"]:
            assert client.delete(f"/v1/closures/{row['closure_id']}").is_success
    return url


def click(page: Any, lon: float, lat: float) -> None:
    page.mouse.click(*projection(page)(lon, lat))


def units_of(url: str) -> list[Any]:
    features = httpx.get(f"{url}/v1/units").json()["features"]
    return [unit for unit in features if unit["geometry"] is not None]


@pytest.fixture
def opens(tmp_path: Path) -> Path:
    """Where the address stands that the demo opened."""
    return tmp_path / "address"


@pytest.fixture
def command(tmp_path: Path, opens: Path) -> Iterator[str]:
    """The demo as a user starts it."""
    yield from serve("demo", log=tmp_path / "log", opens=opens)


def test_the_demo_opens_a_window_that_is_its_desk(command: str, opens: Path, window: Callable[..., Any]) -> None:
    """Its one-time link names the desk in the log; whoever else reaches the port on this machine may do everything."""
    link = eventually(lambda: opens.exists() and opens.read_text(), "the address that the demo opens")
    assert link.startswith(f"{command}/?ticket=")
    page = window(link)
    assert page.locator("[data-testid=who]").get_attribute("data-who") == "person:demo"
    assert page.locator("[data-testid=open]").is_visible()
    shot(page, "demo")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "phone-demo")
    page.set_viewport_size({"width": 1400, "height": 900})
    declare(command, units_of(command)[0]["properties"]["unit_id"], "named")
    page.wait_for_selector("[data-testid=alarm][data-alarms=true]")
    page.keyboard.press("a")
    page.wait_for_selector("[data-testid=alarm][data-alarms=false]")
    acknowledged = httpx.get(f"{command}/v1/incidents/named").json()["emergency"]["acknowledged"]
    assert [row["by"] for row in acknowledged] == ["person:demo"]
    again = window(link)
    assert again.locator("[data-testid=who]").count() == 0, "a link opens once"
    again.locator("[data-testid=open]").click()
    assert "nobody is configured" in again.locator("[data-testid=said]").inner_text()


def test_call_rank_send_arrive(demo: str, driving: Desk, window: Callable[..., Any]) -> None:
    page = window(demo)
    assert page.locator("[data-testid=mode-banner]").inner_text() == "SIMULATED"
    assert page.locator("[data-testid=unit-count]").get_attribute("data-count") == "60"

    call(page, *SOUTH_OF_IT)
    page.wait_for_selector("[data-testid=incident-row]")
    page.wait_for_selector("[data-testid=note]:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-testid=ranking-row]")
    etas = [float(row.get_attribute("data-eta")) for row in page.locator("[data-testid=ranking-row]").all()]
    assert len(etas) >= 5
    shot(page, "ranked")

    page.keyboard.press("1")
    page.wait_for_selector("[data-testid=send-button]:focus")
    chosen = page.locator("[data-testid=ranking-row]:focus-within").get_attribute("data-unit")
    page.keyboard.press("Enter")
    if page.locator("[data-testid=reason]").count():  # another is recommended by now
        page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=assigned-row]")
    sent = page.locator("[data-testid=assigned-row]").get_attribute("data-unit")
    assert sent == chosen
    shot(page, "sent")

    second = window(demo)
    second.wait_for_selector(f"[data-testid=assigned-row][data-unit='{sent}']")
    driving.until(page.locator("[data-testid=assigned-row][data-state=on_scene]"))
    second.wait_for_selector("[data-testid=assigned-row][data-state=on_scene]")
    shot(page, "arrived")

    page.keyboard.press("x")
    page.wait_for_selector("[data-testid=consent]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    second.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_closing_a_bridge_changes_the_etas_everywhere(demo: str, window: Callable[..., Any]) -> None:
    page, second = window(demo), window(demo)
    incident = {"incident_id": "north", "lon": NORTH_OF_IT[0], "lat": NORTH_OF_IT[1], "priority": 1}
    assert httpx.post(f"{demo}/v1/incidents", json=incident).status_code in (200, 201)
    trip = {"target": list(NORTH_OF_IT), "starts": [list(SOUTH_OF_IT)]}
    before_s = httpx.post(f"{demo}/v1/etas", json=trip).json()["etas_s"][0]
    for watcher in (page, second):
        watcher.wait_for_selector("[data-testid=incident-row][data-incident=north]")
        watcher.wait_for_selector("[data-testid=ranking-row]")

    def etas(watcher: Any) -> dict[str, float]:
        return dict(
            watcher.eval_on_selector_all(
                "[data-testid=ranking-row]", "rows => rows.map(row => [row.dataset.unit, Number(row.dataset.eta)])"
            )
        )

    before = etas(page)
    page.keyboard.press("c")
    for place in ACROSS_THE_BRIDGE:
        click(page, *place)
    page.keyboard.press("Control+Enter")
    for watcher in (page, second):
        watcher.wait_for_selector("[data-testid=closure-row]")
    shot(page, "bridge-closed")
    after_s = httpx.post(f"{demo}/v1/etas", json=trip).json()["etas_s"][0]
    assert after_s > before_s + 60
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        after = etas(page)
        later = [unit for unit in before if after.get(unit, math.inf) > before[unit] + 45]
        if later:
            break
        page.wait_for_timeout(250)
    assert later, "no ETA on the page grew by the way around"

    page.locator("[data-testid=lift-button]").click()
    second.wait_for_selector("[data-testid=closure-row]", state="detached")
    httpx.post(f"{demo}/v1/incidents/north/close")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_streets_are_picked_closed_and_opened_again(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    near = [httpx.get(f"{demo}/v1/roads/near", params={"lon": lon, "lat": lat}).json()["roads"] for lon, lat in PICKED]
    roads = [found[0] for found in near]
    assert all(len(found) == 1 for found in near), "places where no roads lie on top of each other"
    # from one end of the first street to its other end
    ends = roads[0]["geometry"]["coordinates"]
    trip = {"target": ends[-1], "starts": [ends[0]]}
    before_s = httpx.post(f"{demo}/v1/etas", json=trip).json()["etas_s"][0]

    page.keyboard.press("e")
    for n, place in enumerate(PICKED):
        click(page, *place)
        page.wait_for_selector(f"[data-testid=picked-streets][data-count='{n + 1}']")
    words = page.locator("[data-testid=picked-streets]").inner_text()
    assert all(road["name"] in words for road in roads if road["name"])
    click(page, *PICKED[1])
    page.wait_for_selector("[data-testid=picked-streets][data-count='1']")
    click(page, *PICKED[1])
    page.wait_for_selector("[data-testid=picked-streets][data-count='2']")
    page.locator("[data-testid=closure-pace]").select_option("10")
    page.locator("[data-testid=closure-lasts]").select_option("30")
    page.locator("[data-testid=closure-reason]").fill("burst main")
    shot(page, "streets-picked")
    page.locator("[data-testid=finish-closure]").click()

    page.wait_for_selector("[data-testid=closure-row][data-kind=slow]")
    row = page.locator("[data-testid=closure-row]")
    assert "burst main" in row.inner_text()
    assert "10 %" in row.inner_text()
    assert "until" in row.inner_text()
    assert f"{len({edge for road in roads for edge in road['edges']})} road pieces" in row.inner_text()
    shot(page, "streets-slow")
    after_s = httpx.post(f"{demo}/v1/etas", json=trip).json()["etas_s"][0]
    assert after_s > before_s
    row.locator("[data-testid=lift-button]").click()
    page.wait_for_selector("[data-testid=closure-row]", state="detached")
    assert httpx.post(f"{demo}/v1/etas", json=trip).json()["etas_s"][0] == before_s


def test_a_unit_that_is_cut_off_is_told_by_what(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    incident = {"incident_id": "fenced", "lon": SOUTH_OF_IT[0], "lat": SOUTH_OF_IT[1], "priority": 2}
    assert httpx.post(f"{demo}/v1/incidents", json=incident).status_code in (200, 201)
    page.wait_for_selector("[data-testid=incident-row][data-incident=fenced]")
    lon, lat = SOUTH_OF_IT
    d = 0.0015
    ring = [[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]
    fence = {"closure_id": "fence", "geometry": {"type": "LineString", "coordinates": ring}, "buffer_m": 5.0}
    answer = httpx.post(f"{demo}/v1/closures", json={**fence, "reason": "police line", "levels": "all"})
    assert answer.status_code == 201
    page.locator("[data-testid=incident-row][data-incident=fenced]").click()
    page.wait_for_selector("[data-testid=nobody]")  # and so who is left out stands there already
    page.wait_for_selector("[data-testid=cut-off]")
    assert "cut off by police line" in page.locator("[data-testid=cut-off]").first.inner_text()
    shot(page, "cut-off")
    httpx.delete(f"{demo}/v1/closures/fence")
    page.wait_for_selector("[data-testid=cut-off]", state="detached")
    httpx.post(f"{demo}/v1/incidents/fenced/close")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_an_officers_emergency_sounds_until_one_desk_acknowledges(demo: str, window: Callable[..., Any]) -> None:
    page, second = window(demo), window(demo)
    unit = units_of(demo)[0]
    declare(demo, unit["properties"]["unit_id"], "officer")
    sounding = "[data-testid=alarm][data-alarms=true]"
    for watcher in (page, second):
        watcher.wait_for_selector(sounding)
        words = watcher.locator(sounding).inner_text()
        assert "OFFICER EMERGENCY" in words
        assert unit["properties"]["callsign"] in words
    assert page.locator("[data-testid=incident-row]").first.get_attribute("data-incident") == "officer"
    second.set_viewport_size({"width": 390, "height": 844})
    assert second.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "emergency")
    shot(second, "phone-emergency")

    page.locator("[data-testid=desk-is]").click()
    page.locator("[data-testid=desk-name]").fill("Ann, desk 2")
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    for watcher in (page, second):
        watcher.wait_for_selector(sounding, state="detached")
        assert "acknowledged by Ann, desk 2" in watcher.locator("[data-testid=alarm]").inner_text()
    shot(page, "emergency-taken")

    page.locator("[data-testid=emergency-end] summary").click()
    page.locator("[data-testid=clear-word]").fill("not the word")
    page.locator("[data-testid=clear-by-word]").click()
    page.locator("[data-testid=yes]").click()
    page.wait_for_selector("[data-testid=error]")
    page.locator("[data-testid=clear-who]").fill("Sgt Berg")
    page.locator("[data-testid=clear-reason]").fill("pressed by accident")
    page.locator("[data-testid=clear-button]").click()
    page.locator("[data-testid=yes]").click()
    for watcher in (page, second):
        watcher.wait_for_selector("[data-testid=alarm]", state="detached")
    httpx.post(f"{demo}/v1/incidents/officer/close")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_a_full_disk_is_told_to_every_desk_and_an_emergency_still_sounds(
    small_disk: Path, bare: Path, window: Callable[..., Any]
) -> None:
    built()
    server = ServerInThread(small_disk / "log.sqlite", map_folder=bare).start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
            patrols(client, 3)
            page = window(server.url)
            assert page.locator("[data-testid=wrong]").count() == 0
            (small_disk / "log.sqlite.reserve").unlink()
            with (small_disk / "crumbs").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(4096))
            while client.put("/v1/units/U0/status", json={"status": "available"}).is_success:
                pass
            banner = page.locator("[data-testid=wrong][data-name=log_full]")
            banner.wait_for()
            assert "make room on it" in banner.inner_text()
            answer = client.post("/v1/emergencies", json={"unit_id": "U1", "source": "device"})
            assert (answer.status_code, answer.json()["recorded"]) == (201, False)
            page.wait_for_selector("[data-testid=alarm][data-alarms=true]")
            assert "NOT ON RECORD YET" in page.locator("[data-testid=alarm]").inner_text()
            page.wait_for_selector("[data-testid=wrong][data-name=emergency_unrecorded]")
            shot(page, "full-disk")
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            shot(page, "phone-full-disk")
            (small_disk / "crumbs").unlink()
            page.wait_for_selector("[data-testid=wrong]", state="detached", timeout=60_000)
            assert "NOT ON RECORD" not in page.locator("[data-testid=alarm]").inner_text()
            assert client.get("/readyz").status_code == 200
    finally:
        server.stop()


def test_the_desk_declares_an_emergency_with_two_keys(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    for n in range(40):  # units drive on: one in the middle of the map, as it is now, until a click meets it
        pixel = projection(page)
        drawn = [pixel(*unit["geometry"]["coordinates"]) for unit in units_of(demo)]
        inside = [at for at in drawn if 100 < at[0] < 900 and 200 < at[1] < 700]
        page.mouse.click(*inside[n % len(inside)])
        page.wait_for_timeout(150)
        if page.locator("[data-testid=unit-card]").count():
            break
    page.wait_for_selector("[data-testid=unit-card]")
    page.keyboard.press("!")
    page.wait_for_selector("[data-testid=consent]")
    assert page.locator("[data-testid=alarm]").count() == 0
    shot(page, "declaring")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=alarm][data-alarms=true]")
    emergency_id = page.locator("[data-testid=alarm]").get_attribute("data-incident")
    end = {"by": "supervisor", "who": "Sgt Berg", "reason": "a test"}
    assert httpx.post(f"{demo}/v1/emergencies/{emergency_id}/clear", json=end).status_code == 200
    httpx.post(f"{demo}/v1/incidents/{emergency_id}/close")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


WHAT_STANDS = """() => {
    const units = (where) => [...document.querySelectorAll(where)].map((row) => row.dataset.unit);
    const text = (where) => document.querySelector(where)?.innerText ?? "";
    const why = "[data-testid=why-table]", rows = [...document.querySelectorAll(`${why} [data-unit]`)];
    return {
        set: units("[data-testid=recommended] li"), rows: units(`${why} [data-unit]`),
        marks: rows.map((row) => row.innerText), table: text(why), words: text("[data-testid=why-words]"),
    };
}"""
"""What the page shows of a recommendation, read at one time: units drive on, and another set takes its place."""


def explained(page: Any, url: str, incident_id: str) -> dict[str, Any]:
    """What the page shows once the best set is found and the table of reasons is the one of this very set."""

    def shown() -> dict[str, Any] | None:
        recommended = httpx.get(f"{url}/v1/incidents/{incident_id}").json()["recommended"]
        seen: dict[str, Any] = page.evaluate(WHAT_STANDS)
        chosen = seen["set"]
        # the set stands by the times of now, its reasons by those of when it was found
        whole = chosen and sorted(seen["rows"][: len(chosen)]) == sorted(chosen)
        return seen if whole and recommended["stage"] == "refined" else None

    return eventually(shown, "the set with its reasons", 30)


def test_backup_is_asked_for_and_the_set_is_sent_by_keys(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    body = {"incident_id": "shots", "lon": 11.9746, "lat": 57.7089, "priority": 1, "kind": "shots fired"}
    assert httpx.post(f"{demo}/v1/incidents", json=body).status_code == 201
    page.locator("[data-incident=shots]").click()
    page.wait_for_selector("[data-testid=ask-now]")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=recommended] li")
    assert httpx.get(f"{demo}/v1/incidents/shots").json()["run_card"] == "violence", "the card of the kind"
    page.keyboard.press("w")
    page.wait_for_selector("[data-testid=why-words]")
    seen = explained(page, demo, "shots")
    chosen, marks = seen["set"], seen["marks"]
    assert len(chosen) >= 3
    assert all(f"Send {unit_id} as " in seen["words"] for unit_id in chosen)
    assert len(marks) > len(chosen), "who comes next and is not sent"
    assert all("recommended" in mark for mark in marks[: len(chosen)])
    assert "recommended" not in marks[-1]
    assert "drive" in seen["table"]
    shot(page, "backup")
    page.keyboard.press("u")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=recommended]", state="detached")
    sent = page.eval_on_selector_all("[data-testid=assigned-row]", "rows => rows.map(row => row.dataset.unit)")
    assert len(sent) == len(chosen), "the set that stood as the key was pressed"
    assert {row["unit_id"] for row in httpx.get(f"{demo}/v1/incidents/shots").json()["assignments"]} == set(sent)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "phone-backup")
    httpx.post(f"{demo}/v1/incidents/shots/close")
    page.wait_for_selector("[data-incident=shots]", state="detached")


def test_cover_is_shown_and_a_plan_is_made_approved_and_begun(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    page.keyboard.press("v")
    page.wait_for_selector("[data-testid=cover]")
    assert "of calls would find one of" in page.locator("[data-testid=cover]").inner_text()
    page.keyboard.press("v")
    page.wait_for_selector("[data-testid=cover]", state="detached")
    read(page)
    page.keyboard.press("p")
    page.wait_for_selector("[data-testid=make-plan]")
    click(page, 11.9720, 57.7075)
    click(page, 11.9650, 57.7080)
    page.keyboard.press("Space")
    page.locator("[data-testid=post]").nth(2).wait_for()
    page.get_by_label("Remove post 3").click()
    page.get_by_label("How many at post 2").fill("1")
    page.get_by_label("What at post 2").fill("k-9")
    page.get_by_label("Post 2 needs something else too").click()
    page.get_by_label("How many at post 2").nth(1).fill("2")
    shot(page, "posts")
    page.locator("[data-testid=make-plan]").click()
    page.wait_for_selector("[data-testid=plan-row][data-state=draft]")
    (made,) = httpx.get(f"{demo}/v1/plans").json()["plans"]
    asked = [[(need["count"], need["capability"]) for need in post["needs"]] for post in made["posts"]]
    assert asked == [[(2, "any")], [(1, "k-9"), (2, "any")]]
    leaving = page.locator("[data-testid=schedule] li").count()
    assert leaving >= 4
    shot(page, "plan")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_selector("[data-testid=plan-row][data-state=approved]")
    page.get_by_role("button", name="Begin").click()
    assert "and not free for calls" in page.locator("[data-testid=loss]").inner_text()
    page.locator("[data-testid=yes]").click()
    page.wait_for_selector("[data-testid=plan-row][data-state=active]")
    standing = [row for row in httpx.get(f"{demo}/v1/incidents").json()["incidents"] if row["plan_id"]]
    assert sum(len(row["assignments"]) for row in standing) == leaving
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "phone-plan")
    for row in standing:
        httpx.post(f"{demo}/v1/incidents/{row['incident_id']}/close")


def test_a_refused_place_is_said_in_words(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    page.keyboard.press("n")
    page.locator("[data-testid=card-where]").fill("57.6, 11.3")
    page.locator("[data-testid=card-kind]").fill("fight")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=error]")
    assert page.locator("[data-testid=card-kind]").input_value() == "fight", "what was written is still there"
    assert re.search(r"\w+ \w+ \w+", page.locator("[data-testid=error]").inner_text())
    assert page.locator("[data-testid=incident-row]").count() == 0


def test_a_lost_link_is_shown_and_resumed(demo: str, window: Callable[..., Any]) -> None:
    links: list[Any] = []
    hellos: list[str] = []
    open_again = True

    def proxy(link: Any) -> None:
        if not open_again:
            link.close()
            return
        server = link.connect_to_server()
        link.on_message(lambda message: (hellos.append(message), server.send(message)))
        links.append(link)

    page = window(demo, lambda page: page.route_web_socket("**/v1/feed", proxy))
    open_again = False
    links[-1].close()
    page.wait_for_selector("[data-testid=connection][data-state=lost]")
    shot(page, "lost")
    missed = {"incident_id": "missed", "lon": SOUTH_OF_IT[0], "lat": SOUTH_OF_IT[1], "priority": 2}
    assert httpx.post(f"{demo}/v1/incidents", json=missed).status_code in (200, 201)
    open_again = True
    page.wait_for_selector("[data-testid=connection][data-state=live]")
    assert '"resume"' in [said for said in hellos if '"hello"' in said][-1]
    page.wait_for_selector("[data-testid=incident-row][data-incident=missed]")
    httpx.post(f"{demo}/v1/incidents/missed/close")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_a_phone_shows_the_ranking_in_a_sheet(demo: str, window: Callable[..., Any]) -> None:
    page = window(demo)
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="New incident").click()
    page.locator("[data-testid=card-point]").click()
    page.get_by_role("button", name="This place").click()
    page.locator("[data-testid=card-open]").click()
    page.wait_for_selector("[data-testid=ranking-row]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "phone")
    page.locator("[data-testid=close-button]").click()
    page.wait_for_selector("[data-testid=consent]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
