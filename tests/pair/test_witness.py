"""What a witness lets a machine do, on a clock that is driven by hand; and over HTTP, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from geo_backup.errors import BadValueError
from geo_backup.pair.ledger import LOGS_MAX, SILENT_S, Ledger, Seat
from geo_backup.server.witness import create_witness

A, B = "http://a:1", "http://b:1"


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    ledger = Ledger(tmp_path / "witness.json", clock)
    assert ledger.renew("log", Seat(1, "a", A, "b"))["granted"]
    return ledger


def test_nobody_leads_while_the_leader_is_heard_and_its_standby_does_after(ledger: Ledger, clock: Clock) -> None:
    clock.now_s += SILENT_S
    assert "heard a 3.3 s ago" in ledger.claim("log", "b", B, 2)["words"]
    clock.now_s += 0.1
    assert ledger.claim("log", "b", B, 2)["granted"]
    assert ledger.claim("log", "b", B, 2)["granted"], "the same again: the answer was lost"
    refused = ledger.renew("log", Seat(1, "a", A, "b"))
    assert (refused["granted"], refused["term"], refused["leader"], refused["url"]) == (False, 2, "b", B)
    assert ledger.renew("log", Seat(2, "b", B))["granted"]


def test_who_lacks_something_does_not_lead(ledger: Ledger, clock: Clock) -> None:
    assert ledger.renew("log", Seat(1, "a", A, ""))["granted"]
    clock.now_s += 60
    assert "promote --force" in ledger.claim("log", "b", B, 2)["words"]
    assert "not in step" in ledger.claim("log", "c", B, 2)["words"]
    assert "never heard" in ledger.claim("another", "b", B, 2)["words"]


def test_a_term_that_is_over_is_not_begun_again(ledger: Ledger, clock: Clock) -> None:
    ledger.renew("log", Seat(3, "a", A, "b"))
    clock.now_s += 60
    assert ledger.claim("log", "b", B, 3)["leader"] == "a"
    assert ledger.claim("log", "b", B, 4)["granted"]


def test_nobody_takes_a_term_by_a_later_name(ledger: Ledger, clock: Clock) -> None:
    """A former leader that was led past says the new term under its own name: it has only heard of it."""
    clock.now_s += 60
    assert ledger.claim("log", "b", B, 2)["granted"]
    assert not ledger.renew("log", Seat(2, "z", A))["granted"]
    assert ledger.renew("log", Seat(2, "b", B))["granted"]


def test_it_says_at_the_start_that_its_folder_is_not_there(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(BadValueError, match="no folder"):
        Ledger(tmp_path / "nowhere" / "witness.json", clock)


def test_what_it_said_stands_when_it_starts_again(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    clock.now_s += 60
    assert ledger.claim("log", "b", B, 2)["granted"]
    again = Ledger(tmp_path / "witness.json", clock)
    assert not again.renew("log", Seat(1, "a", A, "b"))["granted"]
    assert again.renew("log", Seat(2, "b", B, "a"))["granted"]
    third = Ledger(tmp_path / "witness.json", clock)
    assert "s ago" in third.claim("log", "a", A, 3)["words"], "it has heard nobody yet, and waits all the same"


def test_it_keeps_so_many_logs_and_no_more(ledger: Ledger) -> None:
    for n in range(LOGS_MAX - 1):
        assert ledger.renew(f"log {n}", Seat(1, "a", A))["granted"]
    assert not ledger.renew("one more", Seat(1, "a", A))["granted"]


def test_a_file_that_cannot_be_read_stops_it(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "witness.json").write_text('{"log": {"term": 1}}')
    with pytest.raises(BadValueError, match="cannot be read"):
        Ledger(tmp_path / "witness.json", clock)


def test_over_http(ledger: Ledger) -> None:
    with TestClient(create_witness(ledger, "a secret of three machines")) as http:
        lease = {"log": "log", "term": 1, "leader": "a", "url": A, "standby": "b"}
        assert http.post("/v1/lease", json=lease).status_code == 401
        assert http.get("/healthz").json() == {"status": "ok"}
        http.headers["Authorization"] = "Bearer a secret of three machines"
        assert http.post("/v1/lease", json=lease).json() == {"granted": True}
        assert http.get("/healthz").json()["logs"]["log"]["leader"] == "a"
        assert http.post("/v1/lease", json={**lease, "term": "1"}).status_code == 422
        assert http.post("/v1/lease", json={**lease, "more": 1}).status_code == 422
        assert http.post("/v1/claim", json=lease).status_code == 422
        assert http.post("/v1/lease", content=b"{").status_code == 400
        assert http.post("/v1/lease", content=b"\xff").status_code == 400
        assert http.post("/v1/lease", content=b"x" * 5_000).status_code == 413
