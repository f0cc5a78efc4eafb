"""What a command line asks of the server that writes the log, while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.custody import DoubtAcknowledged, HoldLifted, HoldPlaced, Looked
from geo_backup.people import Roster, roster_beside
from geo_backup.wire import facts
from tests.running import Failed, ServerInThread, events_in, eventually
from tests.stories import ping, unit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    log = tmp_path_factory.mktemp("errands") / "log.sqlite"
    roster = Roster(roster_beside(log))
    server = ServerInThread(log, roster=roster).start()
    token = roster.tokens.issue("chief", "program", agency="*", roles=("supervisor",), by="test")
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        about = {"callsign": "P1", "agency": "police", "kind": "patrol", "capabilities": []}
        assert http.put("/v1/units/P1", json=about).status_code == 201
    yield server
    server.stop()
    assert "Traceback" not in server.said()


def test_a_hold_is_placed_and_lifted_while_the_server_runs(server: ServerInThread, run: Any) -> None:
    assert run("log", "hold", server.log, "case-7", "--unit", "P1", "--reason", "court order") == "held: case-7\n"
    with pytest.raises(Failed, match="stands already"):
        run("log", "hold", server.log, "case-7", "--unit", "P1", "--reason", "court order")
    assert run("log", "release", server.log, "case-7", "--reason", "closed") == "lifted: case-7\n"
    holds = [event for event in events_in(server.log) if isinstance(event, HoldPlaced | HoldLifted)]
    assert [(type(one), one.hold_id, one.said_by.partition(":")[0]) for one in holds] == [
        (HoldPlaced, "case-7", "account"),
        (HoldLifted, "case-7", "account"),
    ]


def test_what_the_command_line_reads_is_on_record(server: ServerInThread, run: Any) -> None:
    run("report", "response", server.log, "--json")
    run("audit", "who", "P1", "--log", server.log, "--from", "2020-01-01T00:00:00Z")
    run("log", "backup", server.log, server.log.with_name("monday.sqlite"))

    def looks() -> list[tuple[str, tuple[str, ...]]]:
        found = [event for event in events_in(server.log) if isinstance(event, Looked)]
        return [(one.what, one.scope) for one in found if one.said_by.startswith("account:")]

    eventually(lambda: len(looks()) == 3, "three looks")
    assert looks()[:2] == [
        ("history", ("responses",)),
        ("history", ("unit:P1", "2020-01-01T00:00:00Z/")),
    ]
    what, scope = looks()[2]
    assert (what, scope[0].partition("..")[0]) == ("export", "log:1")
    told = json.loads(run("audit", "who", "P1", "--log", server.log, "--json"))
    assert "took a copy of the log in which it stood" in "".join(line["what"] for line in told)


def test_facts_of_the_world_do_not_come_by_an_errand(server: ServerInThread) -> None:
    """Nor does what nobody understands; neither keeps the others waiting."""
    assert server.roster is not None
    errands = server.roster.errands
    asked = [errands.leave(ask) for ask in (facts.dump(ping("P1", 1.0)), facts.dump(unit("P9")), b"{", b'{"fact":7}')]
    answers = [eventually(partial(errands.answer, number), "an answer") for number in asked]
    assert all(answer.startswith(b"refused: ") for answer in answers)
    assert not any(getattr(event, "unit_id", "") == "P9" for event in events_in(server.log))


def test_a_loss_is_held_up_until_it_is_acknowledged_by_command(tmp_path: Path, run: Any) -> None:
    """It keeps nobody from working: the server is ready all the same."""
    log = tmp_path / "log.sqlite"
    ServerInThread(log, roster=Roster(roster_beside(log))).start().stop()
    log.with_name("log.sqlite.end").unlink()
    server = ServerInThread(log, roster=Roster(roster_beside(log))).start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as http:

            def wrong() -> list[str]:
                return [one["name"] for one in http.get("/healthz").json()["conditions"]]

            eventually(lambda: wrong() == ["log_doubtful"], "the condition")
            assert http.get("/readyz").status_code == 200
            with pytest.raises(Failed, match="--reason"):
                run("log", "acknowledge", log)
            assert "had no end file" in run("log", "acknowledge", log, "--reason", "copied without it")
            eventually(lambda: wrong() == [], "the end of it")
    finally:
        server.stop()
    (fact,) = [event for event in events_in(log) if isinstance(event, DoubtAcknowledged)]
    assert fact.said_by.startswith("account:")
    assert "no end file" in fact.words[0]
    assert "nothing to acknowledge" in run("log", "acknowledge", log)
