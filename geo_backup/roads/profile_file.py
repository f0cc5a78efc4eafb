"""ProfileFile: a TOML file of tables, checked key by key against the dataclass they fill, and what it extends.

The dataclass is the form: each of its fields is a table, whose keys are the fields of another dataclass or the members
of an enumeration (`per`). Every number has a range there, so nothing that can be read can break a search.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from geo_backup.errors import ProfileError

is_name = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch
"""What a profile is called: its file's name without `.toml`."""

EXTENDS, ALL = "extends", "all"
"""The key that names the file to begin from, and the key that stands for every member of a table not named in it."""


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


def read_tables(path: Path, form: type[Any], built_in: Path) -> dict[str, Any]:
    """Fields of `form` from a TOML file and what it extends: the file of that name beside it, else in `built_in`.

    Raises `ProfileError` that names the file, the key and the remedy.
    """
    if not is_name(path.stem) or path.suffix != ".toml":
        raise ProfileError(
            f"{path}: a profile is called by its file; name it in lower case letters, digits, - and _, ending in .toml"
        )
    values = _merged(path, form, built_in, ())
    hints, out = get_type_hints(form), {}
    for table in _tables(form):
        said, valid = values.get(table.name, {}), _keys(table, hints[table.name])
        missing = [key for key in valid if key not in said]
        if missing:
            raise ProfileError(
                f"{path}: {table.name}.{missing[0]} is missing; say it, or begin from a whole profile with "
                f'{EXTENDS} = "routine"'
            )
        members = table.metadata.get("members")
        out[table.name] = (
            hints[table.name](**said)
            if members is None
            else MappingProxyType({member: said[member.name.lower()] for member in members})
        )
    return {**out, "about": values["about"], "name": path.stem}


def _merged(path: Path, form: type[Any], built_in: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Checked values by table and key, those of the extended file beneath those of this one."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"{path} is not valid TOML: {error}") from None
    above = (*above, path.resolve())
    values: dict[str, Any] = {}
    if (base := text.pop(EXTENDS, None)) is not None:
        values = _merged(_extended(base, path, built_in, above), form, built_in, above)
    about = text.pop("about", None)
    if not isinstance(about, str) or not about.strip():
        raise ProfileError(f'{path}: about is missing; say in words who drives like this: about = "..."')
    hints, tables = get_type_hints(form), {table.name: table for table in _tables(form)}
    for name, said in text.items():
        if name not in tables:
            raise ProfileError(f"{path}: {name} is no key of a profile; {_nearest(name, (EXTENDS, 'about', *tables))}")
        if not isinstance(said, Mapping):
            raise ProfileError(f"{path}: {name} is a table; write [{name}] and its keys beneath")
        valid = _keys(tables[name], hints[name])
        each = "members" in tables[name].metadata
        into = values.setdefault(name, {})
        if each and ALL in said:
            into.update(dict.fromkeys(valid, _checked(f"{path}: {name}.{ALL}", said[ALL], valid[next(iter(valid))])))
        for key, value in said.items():
            if key in valid:
                into[key] = _checked(f"{path}: {name}.{key}", value, valid[key])
            elif not (each and key == ALL):
                raise ProfileError(f"{path}: {name}.{key} is no key of a profile; {_nearest(key, (*valid,))}")
    return {**values, "about": about}


def _extended(base: Any, path: Path, built_in: Path, above: tuple[Path, ...]) -> Path:
    if not isinstance(base, str) or not is_name(base):
        raise ProfileError(f'{path}: {EXTENDS} names a profile, such as {EXTENDS} = "response"')
    # a file may extend the built-in one whose name it takes
    for found in (path.with_name(f"{base}.toml"), built_in / f"{base}.toml"):
        if found.is_file() and found.resolve() not in above:
            return found
    if path.with_name(f"{base}.toml").resolve() in above:
        raise ProfileError(f"{path}: {EXTENDS} = {base!r} leads round in a circle; begin from routine or response")
    names = sorted({other.stem for folder in (path.parent, built_in) for other in folder.glob("*.toml")} - {path.stem})
    raise ProfileError(f"{path}: {EXTENDS} = {base!r}: there is no such profile; {_nearest(base, names)}")


def _tables(form: type[Any]) -> tuple[Field[Any], ...]:
    return tuple(entry for entry in fields(form) if entry.name not in ("name", "about"))


def _keys(table: Field[Any], hint: Any) -> dict[str, Range | None]:
    """Keys of a table with their ranges; None = true or false."""
    members: type[IntEnum] | None = table.metadata.get("members")
    if members is not None:
        return {member.name.lower(): table.metadata["range"] for member in members}
    return {entry.name: entry.metadata.get("range") for entry in fields(hint)}


def _checked(where: str, value: Any, allowed: Range | None) -> Any:
    if allowed is None:
        if type(value) is not bool:
            raise ProfileError(f"{where} is true or false, not {value!r}")
        return value
    numbers = value if allowed.values and isinstance(value, list) else [value]
    if len(numbers) != max(allowed.values, 1) or (allowed.values and numbers is not value):
        raise ProfileError(f"{where} is {allowed}, not {value!r}")
    for one in numbers:
        if type(one) not in (int, float) or not allowed.low <= one <= allowed.high:  # nan is in no range
            raise ProfileError(f"{where} is {allowed}, not {one!r}")
    return tuple(float(one) for one in numbers) if allowed.values else float(value)


def _nearest(wrong: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong.lower(), valid, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(valid)}"
