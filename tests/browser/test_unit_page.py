"""The officer's page on a phone, by https and the server's name: let in by a desk's code, seen at the desk, with and
without a link."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from geo_backup.people import Roster
from geo_backup.server.tls import Certificate
from tests.asking import at
from tests.browser.chromium import built, shot
from tests.browser.conftest import listen
from tests.browser.test_looks import AXE, FOUND
from tests.running import ServerInThread, eventually
from tests.server.test_backup import PLACE

pytestmark = pytest.mark.browser
NAME = "dispatch.test"
"""The server's, which the browser alone finds at 127.0.0.1."""
UNIT = "U3"
HERE = {"longitude": round(PLACE[0] + 0.016, 4), "latitude": PLACE[1], "accuracy": 5}
STEP = 0.0003
"""Degrees: farther than a receiver errs, nearer than a jump."""
UPRIGHT, ACROSS = {"width": 390, "height": 844}, {"width": 844, "height": 390}
PHONE = {"viewport": UPRIGHT, "has_touch": True, "is_mobile": True, "color_scheme": "dark", "reduced_motion": "reduce"}


def issued(folder: Path) -> tuple[Certificate, str]:
    """A certificate of `NAME` from an authority of our own, and the authority's key as Chromium names it."""
    now = datetime.datetime.now(datetime.UTC)
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def made(called: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (called, "Authority")]
        builder = x509.CertificateBuilder(*names[::-1], key.public_key(), x509.random_serial_number())
        day = datetime.timedelta(days=1)
        dated = builder.not_valid_before(now - day).not_valid_after(now + day)
        return dated.add_extension(extension, critical=True).sign(authority, hashes.SHA256())

    chain = [
        made(NAME, own, x509.SubjectAlternativeName([x509.DNSName(NAME)])),
        made("Authority", authority, x509.BasicConstraints(ca=True, path_length=0)),
    ]
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key.write_bytes(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    der, info = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    digest = hashlib.sha256(authority.public_key().public_bytes(der, info)).digest()
    return Certificate(cert, key), base64.b64encode(digest).decode()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificate, str]:
    return issued(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, sealed: tuple[Certificate, str]) -> Iterator[ServerInThread]:
    built()
    folder = tmp_path_factory.mktemp("phones")
    server = ServerInThread(
        folder / "log.sqlite", roster=Roster(folder / "people.sqlite"), certificate=sealed[0]
    ).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def served(serving: ServerInThread) -> Iterator[httpx.Client]:
    """A supervisor's desk, who speaks to the server by its name."""
    assert serving.roster is not None
    token = serving.roster.tokens.issue("desk", "program", agency="*", roles=("supervisor",), by="test")
    headers = {"Host": f"{NAME}:{serving.port}", "Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=serving.url, headers=headers, verify=False, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browser(launch: Callable[..., Any], sealed: tuple[Certificate, str]) -> Iterator[Any]:
    """A Chromium that knows our authority, and where the server's name is."""
    chromium = launch(
        f"--host-resolver-rules=MAP {NAME} 127.0.0.1", f"--ignore-certificate-errors-spki-list={sealed[1]}"
    )
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def let_in(browser: Any, served: httpx.Client) -> Iterator[Callable[[], tuple[Any, list[str]]]]:
    """A phone that has scanned its unit's code once, and what went wrong in it."""
    context = browser.new_context(**PHONE, permissions=["geolocation"], geolocation=HERE)
    page, wrong = context.new_page(), list[str]()
    page.set_default_timeout(15_000)
    listen(page, wrong)

    def ready() -> tuple[Any, list[str]]:
        if page.url == "about:blank":
            address = served.post(f"/v1/units/{UNIT}/page_code").json()["url"]
            assert address.startswith(f"https://{NAME}:")
            page.goto(address)
            page.wait_for_selector("[data-testid=link][data-state=live]")
            assert "code" not in page.url
            page.get_by_test_id("share").tap()
        context.set_geolocation(HERE)
        return page, wrong

    yield ready
    context.close()


@pytest.fixture
def phone(let_in: Callable[[], tuple[Any, list[str]]], desk: httpx.Client) -> Iterator[Any]:
    """A phone that shares where its unit is, which is free."""
    page, wrong = let_in()
    page.wait_for_selector("[data-testid=sharing][data-state=on]")
    page.wait_for_selector("[data-testid=no-incident]")
    page.wait_for_selector("[data-testid=map][data-drawn=true]")
    yield page
    assert wrong == []


def sound(page: Any, state: str) -> None:
    """axe-core finds nothing, and whatever is pressed is large enough for a thumb."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(FOUND, {}) == [], state
    shown = "[...document.querySelectorAll('button')].filter(one => one.checkVisibility())"
    assert page.evaluate(f"{shown}.filter(one => one.offsetHeight < 48).map(one => one.textContent)") == [], state
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state


BROKEN = """() => {
  const found = [], walker = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    if (!text.parentElement.checkVisibility() || text.parentElement.closest(".unseen")) continue;
    for (const { 0: word, index } of text.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const boxes = [...range.getClientRects()];
      if (boxes.some(({ top, right }) => top !== boxes[0].top || right > innerWidth)) found.push(word);
    }
  }
  return found;
}"""
"""Words that are broken over two lines, or that the edge cuts."""


def place(desk: httpx.Client) -> list[float]:
    found: list[float] = desk.get(f"/v1/units/{UNIT}").json()["geometry"]["coordinates"]
    return found


def hold(page: Any, for_ms: int) -> None:
    """A thumb on the button for so long."""
    page.get_by_test_id("hold").hover()
    page.mouse.down()
    page.wait_for_timeout(for_ms)
    page.mouse.up()


def emergencies(desk: httpx.Client) -> list[Any]:
    found: list[Any] = desk.get("/v1/emergencies").json()["emergencies"]
    return [row for row in found if row["for_unit_id"] == UNIT]


def test_an_officer_is_seen_accepts_and_is_shown_the_way(phone: Any, desk: httpx.Client) -> None:
    eventually(lambda: place(desk) == [HERE["longitude"], HERE["latitude"]], "the place")
    assert phone.evaluate("isSecureContext && location.hostname") == NAME
    shot(phone, "unit-free")
    sound(phone, "free")
    moved = {**HERE, "longitude": HERE["longitude"] + STEP}
    phone.context.set_geolocation(moved)
    eventually(lambda: place(desk) == [moved["longitude"], moved["latitude"]], "the next place", 5)

    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 2, "kind": "fight", "note": "two men, one with a knife"}
    one = desk.post("/v1/incidents", json=body).json()["incident_id"]
    for unit_id in (UNIT, "U0"):
        assert desk.post(f"/v1/incidents/{one}/assignments", json={"unit_id": unit_id}).is_success
    phone.get_by_test_id("accept").wait_for()
    phone.get_by_test_id("turn").wait_for()
    phone.get_by_text("two men, one with a knife").wait_for()
    phone.locator("[data-testid=others] li", has_text="U0").wait_for()
    shot(phone, "unit-sent")
    sound(phone, "sent")
    phone.get_by_test_id("accept").tap()

    def progress() -> str:
        rows = desk.get(f"/v1/incidents/{one}").json()["assignments"]
        return str(next(row["state"] for row in rows if row["unit_id"] == UNIT))

    eventually(lambda: progress() == "acknowledged", "acknowledged")
    phone.locator("[data-testid=now]", has_text="Accepted").wait_for()
    phone.get_by_test_id("status-en_route").tap()
    eventually(lambda: progress() == "en_route", "en route")
    phone.wait_for_selector("[data-testid=status-en_route][aria-pressed=true]")

    phone.get_by_test_id("ask-backup").tap()
    phone.get_by_test_id("more").tap()
    shot(phone, "unit-backup")
    sound(phone, "backup")
    phone.get_by_test_id("immediate").tap()
    eventually(lambda: desk.get(f"/v1/incidents/{one}").json()["mode"] == "immediate", "backup")
    needs = desk.get(f"/v1/incidents/{one}").json()["requirement"]
    assert [need["count"] for need in needs] == [4]

    phone.set_viewport_size(ACROSS)
    shot(phone, "unit-landscape")
    sound(phone, "across")
    phone.set_viewport_size(UPRIGHT)
    phone.get_by_test_id("status-available").dblclick()
    assert progress() == "en_route"
    phone.wait_for_timeout(650)
    phone.get_by_test_id("status-available").tap()
    eventually(lambda: progress() == "cleared", "cleared")
    phone.get_by_test_id("no-incident").wait_for()


def test_a_held_button_alarms_the_desk(phone: Any, desk: httpx.Client) -> None:
    hold(phone, 300)
    phone.get_by_test_id("held-short").wait_for()
    assert emergencies(desk) == []
    phone.get_by_test_id("hold").hover()
    phone.mouse.down()
    phone.mouse.move(100, 300)
    phone.get_by_text(re.compile("slid off")).wait_for()
    phone.mouse.up()
    hold(phone, 1_550)
    pressed_s = time.monotonic()
    (cry,) = eventually(lambda: emergencies(desk), "the alarm", 1)
    assert time.monotonic() - pressed_s < 1
    assert (cry["lon"], cry["lat"]) == (HERE["longitude"], HERE["latitude"])
    phone.wait_for_selector("[data-testid=heard][data-taken=false]")
    shot(phone, "unit-emergency")
    sound(phone, "emergency")
    assert desk.post(f"/v1/emergencies/{cry['incident_id']}/acknowledge", json={"by": "Desk 1"}).is_success
    phone.wait_for_selector("[data-testid=heard][data-taken=true]")
    phone.get_by_text(re.compile(r"Seen by .*Desk 1.* at .*nobody is sent yet", re.IGNORECASE)).wait_for()
    phone.get_by_test_id("leave").tap()
    phone.get_by_test_id("leaving").wait_for()
    phone.get_by_test_id("stay").tap()
    assert desk.post(f"/v1/incidents/{cry['incident_id']}/assignments", json={"unit_id": "U0"}).is_success
    phone.locator("[data-testid=heard]", has_text=re.compile("U0 is sent, in")).wait_for()
    phone.get_by_test_id("ask-backup").tap()
    form = phone.get_by_test_id("backup")
    calls_top = "document.querySelector('.calls').getBoundingClientRect().top"
    box, alert = form.bounding_box(), phone.get_by_test_id("heard").bounding_box()
    assert alert["y"] + alert["height"] <= box["y"], "the form is beneath the emergency"
    assert box["y"] + box["height"] <= phone.evaluate(calls_top), "and whole above the buttons"
    shot(phone, "unit-emergency-backup")
    sound(phone, "backup amid an emergency")
    phone.get_by_test_id("ask-backup").tap()
    phone.evaluate("document.documentElement.style.fontSize = '32px'")
    assert phone.evaluate(BROKEN) == [], "words in twice as large letters"
    phone.get_by_test_id("ask-backup").tap()
    assert phone.evaluate(BROKEN) == []
    lowest = form.get_by_test_id("delayed").bounding_box()
    assert 0 <= lowest["y"] <= phone.evaluate(calls_top) - lowest["height"], "what was asked for is where the eye is"
    shot(phone, "unit-large-backup")
    phone.get_by_test_id("ask-backup").tap()
    phone.evaluate("document.getElementById('app').scrollTop = 0")
    phone.set_viewport_size({"width": 360, "height": 740})
    phone.get_by_test_id("heard").wait_for()
    shot(phone, "unit-large")
    sound(phone, "large")
    seen = "([id, bottom]) => document.querySelector(`[data-testid=${id}]`).getBoundingClientRect()[bottom]"
    assert phone.evaluate(seen, ["heard", "top"]) == 0
    assert phone.evaluate(seen, ["hold", "bottom"]) <= 740
    phone.evaluate("document.documentElement.style.fontSize = ''")
    phone.set_viewport_size(UPRIGHT)


def test_a_message_is_shown_and_acknowledged_by_one_tap(phone: Any, desk: httpx.Client) -> None:
    body = {"text": "Use the gate in the north", "to": "units", "unit_ids": [UNIT, "U0"], "urgent": True}
    message_id = desk.post("/v1/messages", json=body).json()["message_id"]

    def said() -> dict[str, Any]:
        messages = desk.get("/v1/messages").json()["messages"]
        message = next(one for one in messages if one["message_id"] == message_id)
        return {str(one["unit_id"]): one for one in message["recipients"]}

    phone.wait_for_selector("[data-testid=message][data-urgent=true]")
    eventually(lambda: said()[UNIT]["shown_time"], "shown")
    assert said()[UNIT]["acknowledged_time"] is None
    shot(phone, "unit-message")
    sound(phone, "message")
    phone.get_by_test_id("understood").tap()
    phone.get_by_test_id("message").wait_for(state="detached")
    eventually(lambda: said()[UNIT]["acknowledged_time"], "acknowledged")
    assert said()["U0"]["acknowledged_time"] is None


def test_what_is_pressed_without_a_link_is_kept(phone: Any, desk: httpx.Client) -> None:
    eventually(lambda: place(desk) == [HERE["longitude"], HERE["latitude"]], "the place")
    phone.context.set_offline(True)
    ways = [HERE["longitude"] + STEP * n for n in (1, 2, 3)]
    for n, longitude in enumerate(ways, 1):
        phone.context.set_geolocation({**HERE, "longitude": longitude})
        phone.wait_for_selector(f"[data-waiting='{n}']")
    phone.get_by_test_id("status-busy").tap()
    phone.get_by_test_id("unsent").wait_for()
    hold(phone, 1_550)
    phone.get_by_text(re.compile("USE THE RADIO")).wait_for()
    phone.get_by_test_id("offline").wait_for()
    shot(phone, "unit-offline")
    sound(phone, "offline")
    assert emergencies(desk) == []
    phone.reload()  # the page itself was kept, and what waits in it
    phone.wait_for_selector("[data-testid=unit-page] [data-testid=unheard]")
    phone.get_by_test_id("hold").wait_for()
    phone.locator("[data-testid=map][data-tiles][data-drawn=true]").wait_for()  # and what the map has shown
    shot(phone, "unit-reloaded")
    phone.context.set_offline(False)
    eventually(lambda: emergencies(desk), "the emergency")
    eventually(lambda: place(desk)[0] == pytest.approx(ways[-1]), "the newest place")

    def told() -> bool:
        fixes = desk.get(f"/v1/units/{UNIT}/track?to={at(60)}".replace("+", "%2B")).json()["fixes"]
        return {round(lon, 6) for lon in ways} <= {round(fix[0], 6) for fix in fixes}

    eventually(told, "the way between")
    assert desk.get(f"/v1/units/{UNIT}").json()["properties"]["status"] == "busy"


def test_a_desk_shows_the_code_and_ends_the_phones(browser: Any, desk: httpx.Client) -> None:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.goto(f"https://{desk.headers['Host']}")
    page.get_by_test_id("token").fill(desk.headers["Authorization"].split()[1])
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=connection][data-state=live]")
    page.keyboard.press("q")
    page.get_by_test_id("unit-filter").fill(UNIT)
    page.keyboard.press("Enter")
    page.get_by_test_id("phone-button").click()
    page.get_by_test_id("qr").wait_for()
    shot(page, "unit-desk")
    before = int(page.get_by_test_id("phones").get_attribute("data-count"))
    phone = browser.new_context(**PHONE).new_page()
    phone.goto(page.get_by_test_id("phone-link").get_attribute("href"))
    phone.wait_for_selector("[data-testid=unit-page]")
    page.wait_for_selector(f"[data-testid=phones][data-count='{before + 1}']")
    page.get_by_test_id("qr").wait_for(state="detached")
    shot(page, "unit-desk-in")
    page.keyboard.press("e")
    page.get_by_test_id("yes").click()
    page.wait_for_selector("[data-testid=phones][data-count='0']")
    phone.reload()
    phone.get_by_test_id("over").wait_for()
    shot(phone, "unit-over")
    sound(phone, "over")
    phone.get_by_test_id("paste").fill(desk.post(f"/v1/units/{UNIT}/page_code").json()["url"])
    phone.get_by_test_id("open").tap()
    phone.wait_for_selector("[data-testid=unit-page]")
    phone.context.close()
    context.close()
