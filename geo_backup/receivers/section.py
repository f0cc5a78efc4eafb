"""Section: one table of the configuration file, read strictly; what is wrong is named with its remedy."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from geo_backup.errors import BadValueError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Section:
    """The keys of `[receivers.NAME]`: ask for each by what it is, then say `done`. All raise BadValueError."""

    def __init__(self, name: str, said: object, folder: Path) -> None:
        self.name, self._folder = f"receivers.{name}", folder
        if not isinstance(said, dict):
            raise self.wrong(name, "is a section with keys of its own")
        self._said: dict[str, Any] = dict(said)
        self._asked: list[str] = []
        self._missing: list[BadValueError] = []

    def wrong(self, key: str, words: str) -> BadValueError:
        """The error of one key; `words` go on after its name."""
        return BadValueError("--config", self.name, f"[{self.name}] {key} {words}")

    def lacks(self, key: str, words: str) -> None:
        """A key is missing: `done` says so, unless another is misspelled. `words` go on after its name."""
        self._missing.append(self.wrong(key, words))

    def _take(self, key: str, default: Any) -> Any:
        self._asked.append(key)
        return self._said.pop(key, default)

    def port(self) -> int:
        """`port`, which every receiver that listens needs; 0: any free one."""
        value = self.whole("port", None, 0, 65_535)
        if value is None:
            self.lacks("port", "is missing: say where to listen, such as port = 5005")
        return value or 0

    def whole(self, key: str, default: int | None, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        value = self._take(key, default)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.wrong(key, f"is a whole number from {least:,} to {most:,}, not {value!r}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text of at most 1,000 characters."""
        value = self._take(key, default)
        if not isinstance(value, str) or len(value) > 1_000:
            raise self.wrong(key, "is a text in quotes")
        return value

    def flag(self, key: str) -> bool:
        """true or false; false where nothing is said."""
        value = self._take(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, f"is true or false, not {value!r}")
        return value

    def texts(self, key: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value) or len(value) > 1_000:
            raise self.wrong(key, 'is a list of texts, such as ["one", "two"]')
        return tuple(value)

    def tables(self, key: str, most: int) -> tuple[Section, ...]:
        """Tables of their own, `[[receivers.NAME.KEY]]` each."""
        value = self._take(key, [])
        name = f"{self.name.removeprefix('receivers.')}.{key}"
        if not isinstance(value, list) or len(value) > most:
            raise self.wrong(key, f"is at most {most} sections, [[receivers.{name}]] each")
        return tuple(Section(name, one, self._folder) for one in value)

    def numbers(self, key: str, least: int, most: int) -> frozenset[int]:
        """A list of whole numbers within bounds."""
        value = self._take(key, [])
        right = isinstance(value, list) and all(isinstance(one, int) and least <= one <= most for one in value)
        if not right:
            raise self.wrong(key, f"is a list of whole numbers from {least} to {most}")
        return frozenset(value)

    def allow(self) -> tuple[Network, ...]:
        """`allow`: the networks that may speak here; empty: this machine alone."""
        networks = []
        for one in self.texts("allow"):
            try:
                networks.append(ipaddress.ip_network(one))
            except ValueError:
                raise self.wrong("allow", f'names networks, such as ["10.8.0.0/16"], not {one!r}') from None
        return tuple(networks)

    def secret(self, key: str) -> str:
        """What the environment has under the name that stands here: a secret is not for a file that others read."""
        name = self.text(key)
        if name and name not in os.environ:
            raise self.wrong(key, f"names {name}, which the environment does not have: export {name}=...")
        return os.environ[name] if name else ""

    def file(self, key: str) -> Path | None:
        """A file, from the folder of the configuration on."""
        name = self.text(key)
        if name and not (self._folder / name).is_file():
            raise self.wrong(key, f"names {self._folder / name}, and there is no such file")
        return self._folder / name if name else None

    def done(self) -> None:
        """All keys have been asked for; another one is a mistake, and may be why one is missing."""
        if self._said:
            key, known = min(self._said), list(dict.fromkeys(self._asked))
            close = next(iter(get_close_matches(key, known, 1)), "")
            meant = f"did you mean `{close}`? " if close else ""
            words = f"[{self.name}] unknown key `{key}`: {meant}Those here are {', '.join(known)}"
            raise BadValueError("--config", self.name, words)
        if self._missing:
            raise self._missing[0]
