"""Facts about the record itself: who came in, who looked and how far they saw, who may come, what is held and what is
gone. They are for the audit and for courts, and change nothing on the live map.

Like all events they are made once, never changed, and read for ever; see `events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from geo_backup.events import TIME_MS, Event

Look = Literal["feed", "answers", "history", "log", "export", "replay"]
"""Following the map, or reading answers of the present; reading what is past, the log itself; taking a copy of the log
or a part of it along; playing it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """`said_by` came in: by password, by an identity provider, by a link."""

    session: str
    source: str
    """The address they came from."""
    way: Literal["password", "oidc", "link"]
    roles: tuple[str, ...] = ()
    agency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut(Event):
    """A session ended: its person left, nobody typed, the identity provider vouched no more, or another ended it."""

    session: str
    why: Literal["left", "idle", "over", "revoked"]
    whom: str = ""
    """Whose it was, where another ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(Event):
    """Somebody was not let in: a wrong password, somebody locked out, or tokens that do not hold, by the minute."""

    source: str
    reason: str
    whom: str = ""
    """The name that was given, where it is somebody's."""
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked(Event):
    """`said_by` looked: what they followed or read, how far they could see, and until when."""

    what: Look
    scope: tuple[str, ...]
    """Topics of a feed, rights that answers were asked by; of what is past what was read: `unit:P-17`, `incident:i1`,
    `decision:...`, `log:1..4711` (positions of the log), a time from and to."""
    session: str = ""
    source: str = ""
    until_ms: int | None = None
    """When a feed ended; of answers, until when further ones are not recorded. None: a feed began."""
    agency: str = ""
    roles: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    """What their sight follows from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChanged(Event):
    """The roster of people and tokens was changed."""

    act: str
    whom: str
    words: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced(Event):
    """What the log holds of an incident, or of a unit between two times, must not be purged: a legal hold."""

    hold_id: str
    incident_id: str = ""
    unit_id: str = ""
    from_ms: int = TIME_MS[0]
    to_ms: int = TIME_MS[1]
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLifted(Event):
    hold_id: str
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsPurged(Event):
    """Events were older than the rules of retention let them be, and are gone: how many, by class, and by what rules.

    Their hashes stay, so that the rest of the log can still be proven.
    """

    until_seq: int
    """Nothing after it was looked at: the fold begins at a checkpoint here or later."""
    raw_fixes: int = 0
    tracks: int = 0
    decisions: int = 0
    audit: int = 0
    held: int = 0
    """Old enough, and kept by a legal hold."""
    raw_fixes_days: int = 0
    tracks_days: int = 0
    decisions_days: int = 0
    audit_days: int = 0
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRepaired(Event):
    """The log's file was damaged, and what could be read of it was put into a new one; the damaged one was kept."""

    damage: tuple[str, ...]
    saved: int
    lost: int
    links_lost: int
    former: str
    """The name of the damaged file ..."""
    sha256: str
    """... and its digest, before anything was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtAcknowledged(Event):
    """Whoever looks after the log knows of what it says against itself (events that it lost, above all), up to a link
    of its chain. The chain tells of it for ever; the server stops holding it up to everybody."""

    until_link: int
    words: tuple[str, ...] = ()
    """What was acknowledged."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermBegan(Event):
    """From here on another machine of a pair or cluster (or the same one again) decides what stands in the log: it
    leads. A machine that hears of a later term than its own does so no more; see `pair` and `cluster`."""

    term: int
    """Counts from 1."""
    leader: str
    """The machine's name."""
    url: str = ""
    """Where the others find it."""
    how: Literal["first", "handed", "forced", "witnessed", "claimed"] = "first"
    """Its first standby came; the one before handed over; or, since that one was silent, somebody said so, or the
    witness, or a node of the cluster claimed it."""


KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        SignedIn,
        SignedOut,
        SignInRefused,
        Looked,
        AccessChanged,
        HoldPlaced,
        HoldLifted,
        RecordsPurged,
        LogRepaired,
        DoubtAcknowledged,
        TermBegan,
    )
}
"""Every kind of them by the name it has in the log."""
