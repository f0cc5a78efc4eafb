"""A dataclass as JSON and back exactly as its annotations say: only what differs from the default is written, and
nothing that the annotations do not allow is read or written.

Checked both ways by the same functions, so that what was written can be read. Numbers are finite, `1` is no `true`,
`"1"` no `1`; a whole number is welcome where a float stands and becomes one; -0.0 becomes 0.0, so that equal values
have equal bytes.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from geo_backup.errors import BadValueError, LogError

INT_MAX = 2**63 - 1
DEEPEST = 32
"""Levels of nesting in an open mapping (a GeoJSON geometry has five)."""

Convert = Callable[[Any, str], Any]
"""(value, path) -> value in the other form; LogError names the path."""


class Codec(NamedTuple):
    """How one annotated type is written (`encode`) and read (`decode`)."""

    encode: Convert
    decode: Convert


def wrong(path: str, expected: str, value: Any) -> LogError:
    """The error of a value that is not what its field says."""
    shown = repr(value)
    return LogError(f"{path}: expected {expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


@cache
def codec(hint: Any) -> Codec:
    """The codec of a type: scalars, Literal, X | None, tuples, dicts by text, NamedTuples, dataclasses, and what packs
    itself into text (`packed`, `unpacked`).

    Raises TypeError for a type that has no one JSON form.
    """
    origin, args = get_origin(hint), get_args(hint)
    if hint in _SCALARS:
        return Codec(_SCALARS[hint], _SCALARS[hint])
    if hint in (Any, object):
        return Codec(_open_mostly, _open_mostly)
    if origin is Literal:
        return _literal(args)
    if origin in (Union, types.UnionType):
        return _optional(args)
    if origin is tuple:
        return _tuple(args)
    if origin in (Mapping, dict) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return _mapping(args)
    if isinstance(hint, type) and hasattr(hint, "unpacked"):
        return _packed(hint)
    if isinstance(hint, type) and issubclass(hint, tuple):
        named: Any = hint
        return _object(named, named._fields, named._field_defaults, {})
    if isinstance(hint, type) and is_dataclass(hint):
        names = tuple(f.name for f in fields(hint) if not f.metadata.get("derived"))
        defaults = {f.name: f.default for f in fields(hint) if f.default is not MISSING}
        factories = {f.name: f.default_factory for f in fields(hint) if f.default_factory is not MISSING}
        return _object(hint, names, defaults, factories)
    raise TypeError(f"no JSON form for {hint!r}")


def _text(value: Any, path: str) -> str:
    if type(value) is not str:
        raise wrong(path, "text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong(path, "text without lone surrogates", value) from None
    return value


def _int(value: Any, path: str) -> int:
    if type(value) is not int or not -INT_MAX <= value <= INT_MAX:
        raise wrong(path, "a whole number of at most 63 bits", value)
    return value


def _float(value: Any, path: str) -> float:
    if (type(value) is not float and type(value) is not int) or not -1e300 < value < 1e300:
        raise wrong(path, "a finite number", value)
    return value + 0.0


def _bool(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise wrong(path, "true or false", value)
    return value


def _none(value: Any, path: str) -> None:
    if value is not None:
        raise wrong(path, "null", value)


_SCALARS: dict[Any, Convert] = {str: _text, int: _int, float: _float, bool: _bool, type(None): _none}


def _open(value: Any, path: str, depth: int = 0) -> Any:
    """Any JSON value, with tuples as lists."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is str:
        return _text(value, path)
    if kind is int:
        return _int(value, path)
    if kind is float:
        if not math.isfinite(value):
            raise wrong(path, "a finite number", value)
        return value
    if depth >= DEEPEST:
        raise LogError(f"{path}: nested more than {DEEPEST} deep")
    if isinstance(value, list | tuple):
        return [_open(item, f"{path}/{i}", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_text(name, path): _open(item, f"{path}/{name}", depth + 1) for name, item in value.items()}
    raise wrong(path, "a JSON value", value)


class _OddError(Exception):
    """Not a JSON value, wherever it is."""


def _open_mostly(value: Any, path: str) -> Any:
    """The same, in a tenth of the time: a path is put together only for what is wrong. Beats have a million numbers."""
    try:
        return _quick(value, 0)
    except (_OddError, LogError):
        return _open(value, path)


def _quick(value: Any, depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is int and -INT_MAX <= value <= INT_MAX:
        return value
    if kind is str:
        return _text(value, "")
    if depth < DEEPEST and (kind is list or kind is tuple):
        isfinite = math.isfinite
        return [item if type(item) is float and isfinite(item) else _quick(item, depth + 1) for item in value]
    if depth < DEEPEST and isinstance(value, Mapping):
        return {_text(name, ""): _quick(item, depth + 1) for name, item in value.items()}
    raise _OddError


def _packed(kind: Any) -> Codec:
    """Many numbers as one text, which the type makes itself."""

    def decode(value: Any, path: str) -> Any:
        try:
            return kind.unpacked(_text(value, path))
        except BadValueError:
            raise wrong(path, f"a packed {kind.__name__}", value) from None

    def encode(value: Any, path: str) -> str:
        if type(value) is not kind:
            raise wrong(path, kind.__name__, value)
        return str(value.packed())

    return Codec(encode, decode)


def _literal(allowed: tuple[Any, ...]) -> Codec:
    known = frozenset(allowed)

    def convert(value: Any, path: str) -> Any:
        if type(value) is not str or value not in known:
            raise wrong(path, " | ".join(map(str, allowed)), value)
        return value

    return Codec(convert, convert)


def _optional(args: tuple[Any, ...]) -> Codec:
    inner = [arg for arg in args if arg is not type(None)]
    if len(inner) != 1 or len(args) != 2:
        raise TypeError(f"no one JSON form for {args!r}")
    encode, decode = codec(inner[0])
    return Codec(
        lambda value, path: None if value is None else encode(value, path),
        lambda value, path: None if value is None else decode(value, path),
    )


def _tuple(args: tuple[Any, ...]) -> Codec:
    if len(args) == 2 and args[1] is Ellipsis:
        each = codec(args[0])

        def encode_all(value: Any, path: str) -> list[Any]:
            if not isinstance(value, tuple | list):
                raise wrong(path, "a list", value)
            return [each.encode(item, f"{path}/{i}") for i, item in enumerate(value)]

        def decode_all(value: Any, path: str) -> tuple[Any, ...]:
            if type(value) is not list:
                raise wrong(path, "a list", value)
            return tuple([each.decode(item, f"{path}/{i}") for i, item in enumerate(value)])

        return Codec(encode_all, decode_all)
    parts = [codec(arg) for arg in args]

    def encode(value: Any, path: str) -> list[Any]:
        if not isinstance(value, tuple | list) or len(value) != len(parts):
            raise wrong(path, f"a list of {len(parts)}", value)
        return [part.encode(item, f"{path}/{i}") for i, (part, item) in enumerate(zip(parts, value, strict=True))]

    def decode(value: Any, path: str) -> tuple[Any, ...]:
        if type(value) is not list or len(value) != len(parts):
            raise wrong(path, f"a list of {len(parts)}", value)
        items = enumerate(zip(parts, value, strict=True))
        return tuple([part.decode(item, f"{path}/{i}") for i, (part, item) in items])

    return Codec(encode, decode)


def _mapping(args: tuple[Any, ...]) -> Codec:
    """Order is kept: the order in which incidents were opened is part of the truth."""
    if args[0] is not str:
        raise TypeError("only text names a member of a JSON object")
    each = codec(args[1])

    def through(convert: Convert) -> Convert:
        def convert_all(value: Any, path: str) -> dict[str, Any]:
            if not isinstance(value, Mapping):
                raise wrong(path, "an object", value)
            return {_text(name, path): convert(item, f"{path}/{name}") for name, item in value.items()}

        return convert_all

    return Codec(through(each.encode), through(each.decode))


def _object(kind: Any, names: tuple[str, ...], defaults: Mapping[str, Any], factories: Mapping[str, Any]) -> Codec:
    hints = get_type_hints(kind)
    standing = {**defaults, **{name: make() for name, make in factories.items()}}
    nothing = object()
    writers = [(name, codec(hints[name]).encode, standing.get(name, nothing)) for name in names]
    readers = {name: codec(hints[name]).decode for name in names}
    required = frozenset(names) - standing.keys()

    def encode(value: Any, path: str) -> dict[str, Any]:
        if type(value) is not kind:
            raise wrong(path or kind.__name__, kind.__name__, value)
        out: dict[str, Any] = {}
        for name, write, default in writers:
            item = getattr(value, name)
            # written first and compared after: `True == 1` must not pass for a default unchecked
            written = write(item, f"{path}/{name}")
            if item != default:
                out[name] = written
        return out

    def decode(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise wrong(path or kind.__name__, "an object", value)
        found: dict[str, Any] = {}
        for name, item in value.items():
            read = readers.get(name)
            if read is None:
                raise LogError(f"{path}/{name}: {kind.__name__} has no such field")
            found[name] = read(item, f"{path}/{name}")
        if not required <= found.keys():
            missing = sorted(required - found.keys())[0]
            raise LogError(f"{path}/{missing}: missing in {kind.__name__}")
        return kind(**found)

    return Codec(encode, decode)
