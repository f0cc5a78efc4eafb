"""What a log says against itself: events that it lost, events that were put in, an end file that is not its own.

Each is found when the log is opened for writing, and stands in a link of the chain for ever. It is held up to everybody
(`LogState.doubt`) until somebody who looks after the log has acknowledged it, which is a fact.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple, cast

import orjson

from geo_backup.custody import DoubtAcknowledged
from geo_backup.errors import LogError
from geo_backup.eventlog.chain import Link
from geo_backup.eventlog.span import Span
from geo_backup.eventlog.sqlite_file import connect, explained
from geo_backup.eventlog.sqlite_rows import has_chain
from geo_backup.wire import facts

EndFault = Literal["missing", "other"]
"""What the link of a process may say of the end file that it found: none, or that of another log."""
_QUERY = (
    "SELECT * FROM links WHERE number > ? AND (kind = 'loss' OR kind = 'begin' AND (note LIKE '%\"found\"%'"
    " OR note LIKE '%\"end\"%')) ORDER BY number"
)


class Doubt(NamedTuple):
    """One of them: the link that tells of it, and what is to be said."""

    link: int
    words: str


def doubts_in(connection: sqlite3.Connection) -> list[Doubt]:
    """All that nobody has acknowledged, oldest first."""
    if not has_chain(connection):
        return []
    found = [doubt for row in connection.execute(_QUERY, (0,)) for doubt in _told(Link(*row))]
    if not found:
        return []
    known = 0
    for kind, body in connection.execute("SELECT kind, body FROM facts WHERE kind = ?", (DoubtAcknowledged.__name__,)):
        known = max(known, cast("DoubtAcknowledged", facts.parse(kind, body)).until_link)
    return [doubt for doubt in found if doubt.link > known]


def doubts_of(path: Path) -> list[Doubt]:
    """The same of a log that another process may be writing."""
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    with explained(path), closing(connect(path, "ro")) as connection:
        return doubts_in(connection)


def said(name: str, doubts: list[Doubt]) -> str:
    """The condition in words, with what to do; empty where there is none."""
    if not doubts:
        return ""
    first, more = doubts[0].words, f", and {len(doubts) - 1} more" if len(doubts) > 1 else ""
    remedy = f"`geo-backup audit verify` tells all, `geo-backup log acknowledge {name}` ends this notice"
    return f"the log {name} {first}{more}; {remedy}"


def _told(link: Link) -> list[Doubt]:
    day = time.strftime("%Y-%m-%d", time.gmtime(link.at_ms / 1000))
    if link.kind == "loss":
        span = Span(link.first_seq, link.last_seq)
        lost = f"lost {span} ({link.events:,}), which were recorded, as was found on {day}"
        return [Doubt(link.number, lost)]
    note, found = orjson.loads(link.note), []
    if "found" in note:
        words = f"held {Span(*note['found'])} on {day}, past the end that it was closed at: not by this program"
        found.append(Doubt(link.number, words))
    if "end" in note:
        file = {"missing": "no end file", "other": "the end file of another log"}[note["end"]]
        found.append(Doubt(link.number, f"had {file} on {day}: nothing tells whether events were lost before"))
    return found
