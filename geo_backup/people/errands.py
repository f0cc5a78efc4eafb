"""Errands: what a command line asks of the server that writes the log, since one process alone may write it.

They lie in the roster's file, so whoever may leave one may also make people. The server looks every second; one that is
not running finds them at its next start. What an errand is made of, its two ends know (`cli`, `server`).
"""

from __future__ import annotations

from geo_backup.people.file import RosterFile

KEPT_MS = 24 * 3_600_000
"""An answer is kept for so long."""
AT_ONCE = 100


class Errands:
    """Those of one log."""

    def __init__(self, file: RosterFile) -> None:
        self._file = file

    def leave(self, ask: bytes) -> int:
        """Leave one; its number, by which it is answered."""
        now_ms = self._file.now_ms()
        with self._file.writing() as sql:
            sql.execute("DELETE FROM errands WHERE answer IS NOT NULL AND at_ms < ?", (now_ms - KEPT_MS,))
            number = sql.execute("INSERT INTO errands (at_ms, ask) VALUES (?,?)", (now_ms, ask)).lastrowid
        assert number is not None
        return number

    def take_back(self, number: int) -> None:
        """It is not wanted any more."""
        with self._file.writing() as sql:
            sql.execute("DELETE FROM errands WHERE number = ?", (number,))

    def waiting(self) -> list[tuple[int, int, bytes]]:
        """(number, when it was left, what is asked) of the oldest that nobody has answered."""
        query = f"SELECT number, at_ms, ask FROM errands WHERE answer IS NULL ORDER BY number LIMIT {AT_ONCE}"
        return [(number, at_ms, ask) for number, at_ms, ask in self._file.rows(query)]

    def answered(self, number: int, words: bytes) -> None:
        """It is done, or cannot be; what its asker is told."""
        with self._file.writing() as sql:
            sql.execute("UPDATE errands SET answer = ? WHERE number = ?", (words, number))

    def answer(self, number: int) -> bytes | None:
        """What the server told; None: nothing so far."""
        row = self._file.row("SELECT answer FROM errands WHERE number = ?", number)
        return None if row is None or row[0] is None else bytes(row[0])
