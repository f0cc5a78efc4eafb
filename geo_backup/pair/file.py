"""What a machine of a pair must remember by itself, beside its log: its name, and who the other one is."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from geo_backup.errors import LogError


@dataclass(frozen=True)
class Memory:
    """The file `LOG.pair`; a log that never had a second machine has none."""

    path: Path
    name: str
    """This machine's name: nobody else's in the pair."""
    other: str = ""
    """The other one's ..."""
    other_url: str = ""
    """... and where it is found."""
    given: int = 0
    """The term that was handed to the other machine, until it is known that it began."""
    alone: bool = False
    """It has acknowledged something as the one who leads that the other machine may not have."""

    @staticmethod
    def of(log: Path) -> Memory:
        """Read it, or begin one with a name of its own. Raises LogError for a file that cannot be read."""
        path = log.with_name(log.name + ".pair")
        if not path.exists():
            return Memory(path, f"{socket.gethostname()[:48]}-{secrets.token_hex(3)}")
        try:
            return Memory(path, **orjson.loads(path.read_bytes()))
        except (OSError, TypeError, orjson.JSONDecodeError) as error:
            words = "which machine of the pair this is cannot be known; delete it only if no other machine has this log"
            raise LogError(f"{path} cannot be read ({error}): {words}") from None

    def keep(self, **changes: str | int | bool) -> Memory:
        """It with these changes, on the disk."""
        new = replace(self, **changes)  # type: ignore[arg-type]
        if new == self:
            return self
        draft = self.path.with_name(self.path.name + ".new")
        kept = {name: value for name, value in asdict(new).items() if name != "path"}
        with draft.open("wb") as file:
            file.write(orjson.dumps(kept))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        return new
