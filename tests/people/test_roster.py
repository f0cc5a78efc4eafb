"""The roster: people, tokens and sessions, what is kept of them, and who is locked out."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest

from geo_backup.errors import BadValueError, UnknownIdError
from geo_backup.people import Principal, Role, Roster
from geo_backup.people.sessions import SESSION_MS, WRONG_MAX, SignInError

PASSWORD = "correct horse battery"
T0 = 1_790_000_000_000


class Now:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.ms = T0

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def roster(tmp_path: Path, now: Now) -> Roster:
    return Roster(tmp_path / "people.sqlite", now_ms=now)


def add(
    roster: Roster, person_id: str = "lind", *, with_code: bool = False, roles: tuple[str, ...] = ("viewer",)
) -> str:
    made = roster.people.add(
        person_id, name="Eva Lind", agency="police", roles=roles, password=PASSWORD, with_code=with_code, by="test"
    )
    return made or ""


def test_a_person_signs_in_and_out(roster: Roster) -> None:
    add(roster)
    shown, who = roster.sessions.sign_in("lind", PASSWORD, "", "10.0.0.1")
    assert (who.said_by, who.agency, who.roles) == ("person:lind", "police", {"viewer"})
    assert roster.who(shown) == who
    roster.sessions.end(who.session)
    assert roster.who(shown) is None


def test_no_secret_is_kept_in_the_clear(roster: Roster, tmp_path: Path) -> None:
    add(roster)
    shown, _ = roster.sessions.sign_in("lind", PASSWORD, "", "10.0.0.1")
    token = roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher",), by="test")
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (PASSWORD, shown, token):
        assert secret.encode() not in kept
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def test_a_one_time_code_counts_once(roster: Roster, now: Now) -> None:
    totp = pyotp.TOTP(add(roster, with_code=True))
    code = totp.at(now.ms // 1000)
    with pytest.raises(SignInError):
        roster.sessions.sign_in("lind", PASSWORD, "000000" if code != "000000" else "111111", "a")
    roster.sessions.sign_in("lind", PASSWORD, code, "a")
    with pytest.raises(SignInError):
        roster.sessions.sign_in("lind", PASSWORD, code, "a")
    now.ms += 30_000
    roster.sessions.sign_in("lind", PASSWORD, totp.at(now.ms // 1000), "a")


def test_five_wrong_tries_lock_one_source_and_no_session(roster: Roster, now: Now) -> None:
    add(roster)
    shown, _ = roster.sessions.sign_in("lind", PASSWORD, "", "desk")
    for _ in range(WRONG_MAX):
        with pytest.raises(SignInError) as refused:
            roster.sessions.sign_in("lind", "wrong", "", "far")
        assert refused.value.reason == "wrong"
    with pytest.raises(SignInError) as refused:
        roster.sessions.sign_in("lind", PASSWORD, "", "far")
    assert refused.value.reason == "locked"
    assert roster.who(shown) is not None, "a session that stands is not touched"
    roster.sessions.sign_in("lind", PASSWORD, "", "desk")
    now.ms += 24 * 3_600_000
    with pytest.raises(SignInError):
        roster.sessions.sign_in("lind", PASSWORD, "", "far")
    assert roster.people.locked_out() == [("lind", "far")]
    roster.people.unlock("lind", by="admin")
    roster.sessions.sign_in("lind", PASSWORD, "", "far")


def test_nobody_is_locked_out_like_somebody(roster: Roster) -> None:
    """Nor does the sixth wrong try tell whether there is such a person."""
    add(roster)
    said: dict[str, list[str]] = {"lind": [], "nobody": []}
    for person_id, reasons in said.items():
        for _ in range(WRONG_MAX + 2):
            with pytest.raises(SignInError) as refused:
                roster.sessions.sign_in(person_id, "wrong", "", "far")
            reasons.append(refused.value.reason)
    assert said["lind"] == said["nobody"]
    assert roster.people.locked_out() == [("lind", "far")]
    assert [act.whom for act in roster.file.acts() if act.act == "locked_out"] == ["lind"]


def test_wrong_tries_that_lie_apart_lock_nobody(roster: Roster, now: Now) -> None:
    add(roster)
    for _ in range(2 * WRONG_MAX):
        with pytest.raises(SignInError):
            roster.sessions.sign_in("lind", "wrong", "", "a")
        now.ms += 5 * 60_000
    roster.sessions.sign_in("lind", PASSWORD, "", "a")


def test_another_process_sees_a_change_within_a_second(
    roster: Roster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_backup.people.roster.LOOK_AGAIN_S", 0.0)
    token = roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher",), by="test")
    assert roster.who(token) is not None
    with contextlib.closing(Roster(tmp_path / "people.sqlite")) as other:
        other.tokens.revoke("cad", by="admin")
    assert roster.who(token) is None


def test_changed_roles_hold_at_once_and_a_lock_ends_sessions(roster: Roster) -> None:
    add(roster)
    shown, who = roster.sessions.sign_in("lind", PASSWORD, "", "a")
    roster.people.change("lind", roles=("supervisor",), by="admin")
    changed = roster.again(who)
    assert changed is not None
    assert changed.roles == {"supervisor"}
    roster.people.lock("lind", by="admin")
    assert roster.who(shown) is None
    assert roster.again(who) is None
    with pytest.raises(SignInError):
        roster.sessions.sign_in("lind", PASSWORD, "", "a")


def test_anybodys_sessions_are_listed_and_ended(roster: Roster) -> None:
    add(roster)
    at_desk, _ = roster.sessions.sign_in("lind", PASSWORD, "", "desk")
    roster.sessions.sign_in("lind", PASSWORD, "", "phone")
    vouched = Principal("person", "oidc.1.berg", "police", frozenset({"viewer"}), name="Per", until_ms=T0 + 600_000)
    by_provider, berg = roster.sessions.begin(vouched, "far")
    standing = roster.sessions.standing()
    assert [(one.person_id, one.name, one.by_provider, one.source) for one in standing] == [
        ("lind", "Eva Lind", False, "desk"),
        ("lind", "Eva Lind", False, "phone"),
        ("oidc.1.berg", "Per", True, "far"),
    ]
    assert [one.until_ms - T0 for one in standing] == [SESSION_MS, SESSION_MS, 600_000]
    assert roster.sessions.standing("oidc.1.berg") == standing[2:]
    roster.sessions.end_all(standing[1].session_id, by="admin")
    assert roster.who(at_desk) is not None, "one session is one session"
    assert roster.sessions.end_all("oidc.1.berg", by="admin") == 1
    assert roster.who(by_provider) is None
    assert not roster.sessions.prolong(berg.session, berg), "what was ended is not prolonged"
    with pytest.raises(UnknownIdError, match="people sessions"):
        roster.sessions.end_all("oidc.1.berg", by="admin")
    roster.people.lock("lind", by="admin")
    assert roster.sessions.standing() == []
    ended = [(act.whom, act.words) for act in roster.file.acts() if act.act == "session_ended"]
    assert ended == [(standing[n].person_id, standing[n].session_id) for n in (1, 2, 0)]


def test_a_providers_word_prolongs_a_session_until_the_shift_is_over(roster: Roster, now: Now) -> None:
    roles: frozenset[Role] = frozenset({"viewer"})
    vouched = Principal("person", "oidc.1.berg", "police", roles, name="Per", until_ms=T0 + 600_000)
    shown, who = roster.sessions.begin(vouched, "far")
    now.ms += 599_000
    chief = replace(vouched, roles=frozenset({"supervisor"}), until_ms=now.ms + 20 * 3_600_000)
    assert roster.sessions.prolong(who.session, chief)
    now.ms += 600_000
    again = roster.who(shown)
    assert again is not None
    assert (again.roles, again.until_ms) == ({"supervisor"}, T0 + SESSION_MS)
    now.ms = T0 + SESSION_MS
    assert roster.who(shown) is None
    assert not roster.sessions.prolong(who.session, chief)


def test_a_session_and_a_token_end_by_themselves(roster: Roster, now: Now) -> None:
    add(roster)
    shown, _ = roster.sessions.sign_in("lind", PASSWORD, "", "a")
    token = roster.tokens.issue(
        "avl", "device", agency="*", roles=("device",), units=("P1",), until_ms=T0 + 1_000, by="t"
    )
    assert roster.who(token) is not None
    now.ms += 1_000
    assert roster.who(token) is None
    now.ms += SESSION_MS
    assert roster.who(shown) is None


def test_ids_are_not_used_again(roster: Roster) -> None:
    add(roster)
    roster.people.remove("lind", by="admin")
    with pytest.raises(BadValueError, match="not used again"):
        add(roster)
    assert roster.people.all() == []
    with pytest.raises(UnknownIdError):
        roster.people.lock("lind", by="admin")


def test_what_cannot_be_is_refused_in_words(roster: Roster) -> None:
    with pytest.raises(BadValueError, match="at least 12"):
        roster.people.add("a", name="", agency="x", roles=("viewer",), password="short", by="t")
    with pytest.raises(BadValueError, match="roles are"):
        roster.people.add("a", name="", agency="x", roles=("king",), password=PASSWORD, by="t")
    with pytest.raises(BadValueError, match="device or field_unit"):
        roster.tokens.issue("d", "device", agency="x", roles=("supervisor",), units=("P1",), by="t")
    with pytest.raises(BadValueError, match="which units"):
        roster.tokens.issue("d", "device", agency="x", roles=("device",), by="t")


def test_every_change_is_an_act(roster: Roster) -> None:
    add(roster)
    roster.people.change("lind", roles=("supervisor",), by="person:adm")
    roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher",), by="person:adm")
    roster.tokens.revoke("cad", by="person:adm")
    acts = roster.file.acts()
    assert [act.act for act in acts] == ["person_added", "person_changed", "token_issued", "token_revoked"]
    assert acts[1].by == "person:adm"
    roster.file.logged(acts[2].number)
    assert [act.act for act in roster.file.acts()] == ["token_revoked"]


def test_no_other_database_is_taken_for_a_roster(tmp_path: Path) -> None:
    from geo_backup.eventlog import open_log

    open_log(tmp_path / "log.sqlite", reserve_bytes=0).close()
    with pytest.raises(BadValueError, match="no roster"):
        Roster(tmp_path / "log.sqlite")
