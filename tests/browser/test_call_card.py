"""The call card: an incident from the phone, and what is changed of it while it stands, by one desk or by two."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.desk import WHERE, chosen, incident, projection, standing
from tests.running import eventually
from tests.server.test_backup import PLACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TYPED_BLIND = "two suspects 2 cars black hoodies"


def test_after_opening_an_incident_what_is_typed_is_its_note(desk: httpx.Client, page: Any) -> None:
    """Typed without a look, from the very order that opens it on: nobody is sent, nothing is changed."""
    page.keyboard.press("n")
    page.keyboard.type(WHERE + "\nfight\n", delay=0)
    page.keyboard.press("Control+Enter")
    page.keyboard.type(TYPED_BLIND, delay=0)
    page.wait_for_selector("[data-testid=note]:focus")
    eventually(lambda: page.locator("[data-testid=note]").input_value() == TYPED_BLIND, "every letter in the note")
    page.keyboard.press("Enter")
    (row,) = standing(desk)
    incident_id = row["incident_id"]
    page.wait_for_selector("[data-testid=note-said]")
    assert page.evaluate("document.activeElement.dataset.testid") == "note", "one goes on writing"
    stands = incident(desk, incident_id)
    assert (stands["kind"], stands["run_card"], stands["mode"], stands["priority"]) == (
        "fight",
        "violence",
        "immediate",
        1,
    )
    assert stands["assignments"] == []
    assert [row["text"] for row in stands["notes"]] == [TYPED_BLIND]
    shot(page, "card-opened")


def test_a_command_is_no_note(desk: httpx.Client, page: Any) -> None:
    """A stroke in an empty note opens the command line; what reads as a command and is entered as a note asks which."""
    incident_id = chosen(desk, page)
    note, line = page.locator("[data-testid=note]"), page.locator("[data-testid=line-field]")
    page.keyboard.press("i")
    page.keyboard.type("/priority 2\n")
    eventually(lambda: incident(desk, incident_id)["priority"] == 1, "the lower priority asks")
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("Escape")
    note.fill("send u0 to #1")
    note.press("Enter")
    page.wait_for_selector("[data-testid=consent] >> text=reads as a command")
    page.keyboard.press("Escape")
    assert note.input_value() == "send u0 to #1"
    note.press("Enter")
    page.keyboard.press("Enter")
    eventually(lambda: line.input_value() == "send u0 to #1", "the line in its own field")
    assert incident(desk, incident_id)["notes"] == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    note.fill("u0 os")
    note.press("Enter")
    page.locator("[data-testid=instead]").click()
    page.wait_for_selector("[data-testid=note-said] >> text=u0 os")
    assert (note.input_value(), incident(desk, incident_id)["assignments"]) == ("", [])


def test_a_note_without_a_link_stands_there_and_waits(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/notes", hold)
    page.keyboard.press("i")
    page.keyboard.type("two men left by car\n")
    page.wait_for_selector("[data-testid=note-waits] >> text=two men left by car waits for the server")
    assert incident(desk, incident_id)["notes"] == []
    eventually(lambda: bool(held), "the request")
    held[0].continue_()
    page.wait_for_selector("[data-testid=note-said] >> text=two men left by car")
    page.wait_for_selector("[data-testid=note-waits]", state="detached")
    page.unroute_all()


def test_a_place_is_found_as_it_is_typed(desk: httpx.Client, page: Any) -> None:
    """Enter takes the first; what the map does not know is said; the words of the place are on record."""
    page.keyboard.press("n")
    page.keyboard.type("odinsgatan", delay=0)
    page.locator("[data-testid=place]").nth(1).wait_for()
    said = [row.inner_text() for row in page.locator("[data-testid=place]").all()[:2]]
    assert all("Odinsgatan at " in row for row in said), said
    assert said[0] != said[1], "two of one name are told apart by where they lie"
    page.locator("[data-testid=card-where]").fill("")
    page.keyboard.type("storgat", delay=0)
    page.locator("[data-testid=place]").first.wait_for()
    assert "Storgatan" in page.locator("[data-testid=place][aria-selected=true]").inner_text()
    shot(page, "places")
    page.keyboard.type("an 5\nfight\n", delay=0)
    page.wait_for_selector("[data-testid=card-doubt]")
    assert "no house numbers" in page.locator("[data-testid=card-doubt]").inner_text()
    assert page.locator("[data-testid=card-kind]").input_value() == "fight", "what follows Enter is the kind"
    page.locator("[data-testid=card-where]").fill("nosuchplace")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=error] >> text=Nothing is found")
    assert standing(desk) == []
    page.locator("[data-testid=card-where]").fill("storgatan")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=card]", state="detached")
    (row,) = standing(desk)
    assert row["place"] == "Storgatan"
    page.wait_for_selector("[data-testid=title] >> text=Fight · Storgatan")


def test_tab_goes_from_where_to_what_to_the_note(desk: httpx.Client, page: Any) -> None:
    """It takes the place as Enter does. A kind that no run card is for is said, and asked about before it is opened."""
    page.keyboard.press("n")
    for n, text in enumerate(("storgat", "two men with knives", "by the door", "031 100")):
        if n:
            page.keyboard.press("Tab")
        page.keyboard.type(text, delay=0)
    written = {name: page.locator(f"[data-testid=card-{name}]").input_value() for name in ("kind", "note", "callback")}
    assert written == {"kind": "two men with knives", "note": "by the door", "callback": "031 100"}
    page.wait_for_selector("[data-testid=card-strange] >> text=No run card is for")
    page.wait_for_selector("[data-testid=card][data-place]")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=loss] >> text=engines and ambulances too")
    assert standing(desk) == []
    page.locator("[data-testid=instead]").click()
    page.wait_for_selector("[data-testid=card-kind]:focus")
    page.keyboard.type("fight", delay=0)
    assert page.locator("[data-testid=card-note]").input_value() == "two men with knives by the door"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=card]", state="detached")
    (row,) = standing(desk)
    assert (row["kind"], row["place"]) == ("fight", "Storgatan")


def test_another_call_at_the_spot_asks_where_nobody_has_read_of_the_first(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page, kind="fight")
    page.keyboard.press("n")
    page.keyboard.type(WHERE + "\nfight\n", delay=0)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=loss] >> text=0 m away")
    assert [row["incident_id"] for row in standing(desk)] == [incident_id]
    page.locator("[data-testid=instead]").click()
    page.wait_for_selector("[data-testid=note-said]")
    assert [row["incident_id"] for row in standing(desk)] == [incident_id]


def test_a_call_about_what_stands_already_joins_it(desk: httpx.Client, page: Any) -> None:
    """Within 300 m and ten minutes; what it said is in the notes of the one that stands."""
    incident_id = chosen(desk, page, kind="fight", place="Storgatan")
    page.keyboard.press("n")
    page.keyboard.type(f"{PLACE[1] + 0.01}, {PLACE[0]}\n", delay=0)
    page.wait_for_selector("[data-testid=card-kind]:focus")
    assert page.locator("[data-testid=alike]").count() == 0, "a kilometre away is another thing"
    page.locator("[data-testid=card-where]").fill(f"{PLACE[1] + 0.001}, {PLACE[0]}")
    page.keyboard.press("Enter")
    page.locator("[data-testid=card-kind]").fill("shots fired")
    page.keyboard.press("Enter")
    page.keyboard.type("a third man", delay=0)
    page.keyboard.press("Enter")
    page.keyboard.type("031 123", delay=0)
    alike = page.locator("[data-testid=alike]")
    alike.wait_for()
    assert "Fight · Storgatan, 110 m away" in alike.inner_text()
    shot(page, "alike")
    page.locator("[data-testid=join]").click()
    page.wait_for_selector("[data-testid=note]:focus")
    assert [row["incident_id"] for row in standing(desk)] == [incident_id]
    (said,) = incident(desk, incident_id)["notes"]
    assert said["text"] == "shots fired · a third man · call back 031 123"


def test_the_card_that_was_put_away_comes_back(desk: httpx.Client, page: Any) -> None:
    page.keyboard.press("n")
    page.keyboard.type(WHERE + "\nfight\nmen", delay=0)
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-testid=card]", state="detached")
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=card]")
    assert page.locator("[data-testid=card-note]").input_value() == "men"
    page.locator("[data-testid=card-callback]").fill("031 123")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=card]", state="detached")
    (row,) = standing(desk)
    assert (row["kind"], row["note"], row["callback"]) == ("fight", "men", "031 123")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert page.locator("[data-testid=card-note]").input_value() == "", "the next call begins with nothing"


def test_what_matters_later_is_changed_where_it_stands(desk: httpx.Client, page: Any) -> None:
    """A second alarm asks for what the card adds; another kind, a callback, a place; each can be taken back."""
    incident_id = chosen(desk, page, kind="structure fire")
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"run_card": "structure-fire"}).is_success
    first = {need["capability"]: need["count"] for need in incident(desk, incident_id)["requirement"]}
    page.locator("[data-testid=level]").select_option("2")
    eventually(lambda: incident(desk, incident_id)["level"] == 2, "the second alarm")
    second = {need["capability"]: need["count"] for need in incident(desk, incident_id)["requirement"]}
    assert second["engine"] > first["engine"]
    page.keyboard.press("f")
    page.wait_for_selector("[data-testid=kind]:focus")
    page.locator("[data-testid=kind]").fill("medical")
    page.keyboard.press("Enter")
    eventually(lambda: incident(desk, incident_id)["kind"] == "medical", "another kind")
    page.locator("[data-testid=undo]").click()
    eventually(lambda: incident(desk, incident_id)["kind"] == "structure fire", "the kind before")
    page.locator("details summary", has_text="Place, callback").click()
    page.locator("[data-testid=callback]").fill("031 123")
    page.keyboard.press("Enter")
    eventually(lambda: incident(desk, incident_id)["callback"] == "031 123", "a callback")
    page.locator("[data-testid=where]").fill(f"{PLACE[1] + 0.002}, {PLACE[0]}")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=consent]")
    assert incident(desk, incident_id)["lat"] == PLACE[1]
    page.keyboard.press("Enter")
    eventually(lambda: incident(desk, incident_id)["lat"] == pytest.approx(PLACE[1] + 0.002), "the place")


def test_a_pin_is_dragged_and_asks(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    x, y = projection(page)(*PLACE)
    to = (x - 60, y + 40)

    def drawn() -> bool:
        page.mouse.move(x + 1, y)
        page.mouse.move(x, y)
        return str(page.locator("canvas.maplibregl-canvas").evaluate("canvas => canvas.style.cursor")) == "pointer"

    eventually(drawn, "the pin under the mouse")
    page.mouse.down()
    page.mouse.move(x - 30, y + 20, steps=3)
    page.mouse.move(*to, steps=3)
    page.mouse.up()
    page.wait_for_selector("[data-testid=consent]")
    shot(page, "dragged")
    assert incident(desk, incident_id)["lon"] == PLACE[0], "not before the yes"
    page.keyboard.press("Enter")
    eventually(lambda: incident(desk, incident_id)["lon"] < PLACE[0] - 0.001, "the place")
    row = incident(desk, incident_id)
    assert projection(page)(row["lon"], row["lat"]) == pytest.approx(to, abs=3)
    assert row["place"], "what it is called there"


def test_two_desks_change_the_same_thing(desk: httpx.Client, page: Any) -> None:
    """What one types is never overwritten by the other; whoever comes second sees both and chooses."""
    incident_id = chosen(desk, page, kind="fight")
    field = page.locator("[data-testid=kind]")
    field.focus()
    page.keyboard.press("End")
    page.keyboard.type(" with knives", delay=0)
    page.keyboard.press("Escape")
    assert field.input_value() == "fight", "Esc leaves it as it stands"
    field.fill("robbery")
    assert desk.patch(f"/v1/incidents/{incident_id}", json={"kind": "shots fired", "callback": "112"}).is_success
    page.wait_for_selector("[data-testid=title] >> text=Shots fired")
    assert field.input_value() == "robbery"
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=consent]")
    assert "made the kind “shots fired” at" in page.locator("[data-testid=loss]").inner_text()
    assert "Mine: kind “robbery”" in page.locator("[data-testid=yes]").inner_text()
    shot(page, "both")
    assert incident(desk, incident_id)["kind"] == "shots fired"
    page.keyboard.press("Enter")
    eventually(lambda: incident(desk, incident_id)["kind"] == "robbery", "mine")
    assert incident(desk, incident_id)["callback"] == "112", "the other's other word stands"
