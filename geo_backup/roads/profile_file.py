"""ProfileFile: a TOML file of tables, checked key by key against the dataclass they fill, and what it extends.

The dataclass is the form: each of its fields is a table, whose keys are the fields of another dataclass or the members
of an enumeration (`per`). Every number has a range there, so nothing that can be read can break a search.
"""

from __future__ import annotations

import difflib
import re
import reprlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from geo_backup.errors import ProfileError

is_name = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch
"""What a profile is called: its file's name without `.toml`."""

ALL = "all"
"""In a table by class or by turn: every member that is not named there."""


@dataclass(frozen=True)
class Range:
    """Lowest and highest value of a number; `values` > 0: of each number in a list of so many."""

    low: float
    high: float
    values: int = 0

    def __str__(self) -> str:
        span = f"{self.low:g} to {self.high:g}"
        return f"{self.values} numbers, each {span}" if self.values else f"a number, {span}"


def number(low: float, high: float) -> Any:
    """A key that holds a number from `low` to `high`."""
    return field(metadata={"range": Range(low, high)})


def per(members: type[IntEnum], low: float, high: float, values: int = 0) -> Any:
    """A table with one number (or a list of `values` numbers) for each member of an enumeration."""
    return field(metadata={"range": Range(low, high, values), "members": members})


@dataclass(frozen=True)
class Form:
    """One table of a profile: its keys with their ranges (None = true or false), and what it becomes."""

    keys: Mapping[str, Range | None]
    members: type[IntEnum] | None
    becomes: Any

    def filled(self, said: Mapping[str, Any]) -> Any:
        """The dataclass, or the mapping by member, with these values."""
        if self.members is None:
            return self.becomes(**said)
        return MappingProxyType({member: said[member.name.lower()] for member in self.members})


def forms_of(kind: type[Any]) -> dict[str, Form]:
    """The tables that fill a dataclass; its text fields are no tables."""
    hints, out = get_type_hints(kind), {}
    for table in fields(kind):
        members: type[IntEnum] | None = table.metadata.get("members")
        keys: dict[str, Range | None]
        if members is not None:
            keys = {member.name.lower(): table.metadata["range"] for member in members}
        elif hints[table.name] is str:
            continue
        else:
            keys = {key.name: key.metadata.get("range") for key in fields(hints[table.name])}
        out[table.name] = Form(keys, members, hints[table.name])
    return out


def read_tables(path: Path, forms: Mapping[str, Form], built_in: Path) -> dict[str, Any]:
    """Name, about and every table of a TOML file and what it extends: the file of that name beside it, else in
    `built_in`.

    Raises `ProfileError` that names the file, the key and the remedy.
    """
    if not is_name(path.stem) or path.suffix != ".toml":
        raise ProfileError(
            f"{path}: a profile is called by its file; name it in lower case letters, digits, - and _, ending in .toml"
        )
    about, said = _read(path, forms, built_in, ())
    for name, form in forms.items():
        for key in form.keys:
            if key not in said[name]:
                raise ProfileError(
                    f'{path}: {name}.{key} is missing; say it, or begin from a whole profile with extends = "routine"'
                )
    return {"name": path.stem, "about": about} | {name: form.filled(said[name]) for name, form in forms.items()}


def _read(
    path: Path, forms: Mapping[str, Form], built_in: Path, above: tuple[Path, ...]
) -> tuple[str, dict[str, dict[str, Any]]]:
    """What a file is about, and its checked values by table and key over those of the file that it extends."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"{path} is not valid TOML: {error}") from None
    about, base = text.pop("about", None), text.pop("extends", None)
    if not isinstance(about, str) or not about.strip():
        raise ProfileError(f'{path}: about is missing; say in words who drives like this: about = "..."')
    values: dict[str, dict[str, Any]] = {name: {} for name in forms}
    if base is not None:
        above = (*above, path.resolve())
        _, values = _read(_extended(base, path, built_in, above), forms, built_in, above)
    for name, said in text.items():
        if name not in forms:
            raise _unknown(path, name, name, ("about", "extends", *forms), forms)
        if not isinstance(said, dict):
            raise ProfileError(f"{path}: {name} is a table; write [{name}] and its keys beneath")
        form = forms[name]
        if form.members is not None and ALL in said:
            of_each = _checked(f"{path}: {name}.{ALL}", said.pop(ALL), next(iter(form.keys.values())))
            values[name] = dict.fromkeys(form.keys, of_each)
        for key, value in said.items():
            if key not in form.keys:
                raise _unknown(path, f"{name}.{key}", key, form.keys, forms)
            values[name][key] = _checked(f"{path}: {name}.{key}", value, form.keys[key])
    return about, values


def _extended(base: Any, path: Path, built_in: Path, above: tuple[Path, ...]) -> Path:
    if not isinstance(base, str) or not is_name(base):
        raise ProfileError(f'{path}: extends names a profile, such as extends = "response"')
    beside = path.with_name(f"{base}.toml")
    # a file may extend the built-in one whose name it takes
    for found in (beside, built_in / beside.name):
        if found.is_file() and found.resolve() not in above:
            return found
    if beside.resolve() in above:
        raise ProfileError(f"{path}: extends = {base!r} leads round in a circle; begin from routine or response")
    names = sorted({other.stem for folder in (path.parent, built_in) for other in folder.glob("*.toml")} - {path.stem})
    raise ProfileError(f"{path}: extends = {base!r}: there is no such profile; {_nearest(base, names)}")


def _checked(where: str, value: Any, allowed: Range | None) -> Any:
    if allowed is None:
        if type(value) is not bool:
            raise ProfileError(f"{where} is true or false, not {_shown(value)}")
        return value
    numbers = value if allowed.values else [value]
    if type(numbers) is not list or len(numbers) != max(allowed.values, 1):
        raise ProfileError(f"{where} is {allowed}, not {_shown(value)}")
    for one in numbers:
        if type(one) not in (int, float) or not allowed.low <= one <= allowed.high:  # nan is in no range
            raise ProfileError(f"{where} is {allowed}, not {_shown(one)}")
    return tuple(map(float, numbers)) if allowed.values else float(value)


def _shown(value: Any) -> str:
    # Python refuses to write out a whole number of thousands of digits
    return "a far greater one" if type(value) is int and value > 10**9 else reprlib.repr(value)


def _unknown(path: Path, where: str, key: str, valid: Iterable[str], forms: Mapping[str, Form]) -> ProfileError:
    homes = [name for name, form in forms.items() if form.members is None and key in form.keys]
    remedy = f"it belongs under [{homes[0]}]" if homes else _nearest(key, valid)
    return ProfileError(f"{path}: {where} is no key of a profile; {remedy}")


def _nearest(wrong: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong.lower(), list(valid), 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(valid)}"
