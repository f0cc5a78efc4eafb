"""Terms: who decided when what stands in a log. Each begins with a fact of the log itself (`TermBegan`)."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import orjson

from geo_backup.custody import TermBegan


class Term(NamedTuple):
    """One machine's time at the head of a log."""

    number: int
    """Counts from 1; 0: the log never had a second machine."""
    leader: str
    url: str
    began: int
    """The seq of the fact by which it began."""
    how: str = "first"
    """As `TermBegan` says it."""

    @property
    def name(self) -> tuple[int, str]:
        """Two machines may each begin the same number where somebody made both lead: they are not the same term."""
        return self.number, self.leader


NO_TERM = Term(0, "", "", 0)


def term_of(seq: int, fact: TermBegan) -> Term:
    """The term that a fact of the log begins."""
    return Term(fact.term, fact.leader, fact.url, seq, fact.how)


def term_at(terms: list[Term], seq: int) -> Term:
    """Whose an event is, by its seq."""
    return next((term for term in reversed(terms) if term.began <= seq), NO_TERM)


class Fork(NamedTuple):
    """Where two logs went apart."""

    common: int
    """The last seq that both have."""
    how: str
    """How the term began that the other machine took no part in."""


def fork(terms: list[Term], theirs: tuple[int, str], their_seq: int, last: int) -> Fork | None:
    """Where a log with these terms, which ends at `last`, and another that ends at `their_seq` in a term of that name
    went apart. None: they did not, the other is a beginning of this one.

    Within a term one machine alone writes, so logs whose ends are of one term agree as far as both go (Ongaro and
    Ousterhout, In search of an understandable consensus algorithm, 2014: the log matching property).
    """
    if their_seq <= last and term_at(terms, their_seq).name == theirs:
        return None
    number, _ = theirs
    for term in terms:
        if term.number > number or (term.number == number and term.name != theirs):
            return Fork(min(term.began - 1, their_seq), term.how)
    return Fork(min(last, their_seq), "forced")


def terms_in(connection: sqlite3.Connection) -> list[Term]:
    """The terms that a log tells of, first to last."""
    terms: list[Term] = []
    find = "SELECT seq, body FROM facts WHERE event_id = ?"
    while row := connection.execute(find, (f"term:{len(terms) + 1}",)).fetchone():
        said = orjson.loads(row[1])
        terms.append(Term(said["term"], said["leader"], said.get("url", ""), row[0], said.get("how", "first")))
    return terms
