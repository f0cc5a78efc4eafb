"""A live map as canonical bytes: equal folds have equal bytes, and a fold may begin at them instead of at the start.

Units, incidents and closures stand in the order in which the fold made them, which is part of the truth; so two maps
are the same map exactly if their bytes are.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import islice
from typing import Any, cast

import orjson

from geo_backup.errors import LogError
from geo_backup.live_map import LiveMap
from geo_backup.wire.strict import codec

FORMAT = 1
PIECE = 50
"""Units (incidents, ...) that are written at once."""
UNPACKED_MAX = 1 << 29
"""Bytes of a live map: many times those of the largest fleet."""
_CODEC, _EMPTY = codec(LiveMap), LiveMap()


def dump(live_map: LiveMap) -> bytes:
    """The map as compact JSON (UTF-8); values at their default are left out."""
    return b"".join(_pieces(live_map))


def pack(live_map: LiveMap, rest: Callable[[], None] = lambda: None) -> bytes:
    """The same in a fifth of the room, as a log keeps it. After each piece it rests, which lets other threads go on."""
    packer = zlib.compressobj(1)
    packed = []
    for piece in _pieces(live_map):
        packed.append(packer.compress(piece))
        rest()
    return b"".join([*packed, packer.flush()])


def _pieces(live_map: LiveMap) -> Iterator[bytes]:
    """The JSON in pieces: one call for all of a large fleet would keep every other thread waiting."""
    yield orjson.dumps({"format": FORMAT})[:-1]
    for name in (each.name for each in fields(live_map)):
        value = getattr(live_map, name)
        before = b',"%b":' % name.encode()
        if type(value) is not dict or len(value) <= PIECE:
            yield from (before + orjson.dumps(written) for written in _written(name, value))
            continue
        items, bracket = iter(value.items()), b"{"
        while part := dict(islice(items, PIECE)):
            yield from (before + bracket + orjson.dumps(written)[1:-1] for written in _written(name, part))
            before, bracket = b"", b","
        yield b"}"
    yield b"}"


def _written(name: str, value: Any) -> list[Any]:
    """One field of a map as JSON has it; nothing if it is at its default."""
    encoded = _CODEC.encode(replace(_EMPTY, **{name: value}), "")
    return [encoded[name]] if name in encoded else []


def unpacked(data: bytes) -> bytes:
    """What `dump` wrote, of what either wrote. Raises zlib.error for what neither did, or for what is larger than any
    live map: a few bytes may unpack to all the memory there is."""
    if data[:1] == b"{":
        return data
    opened = zlib.decompressobj()
    found = opened.decompress(data, UNPACKED_MAX)
    if not opened.eof:
        raise zlib.error("it is cut off, or unpacks to more than a live map holds")
    return found


def parse(data: bytes) -> LiveMap:
    """The map that `dump` or `pack` wrote. LogError if it is none, or of another format: fold the log from its start
    instead."""
    try:
        value: Any = orjson.loads(unpacked(data))
    except (orjson.JSONDecodeError, zlib.error) as error:
        raise LogError(f"not a checkpoint ({error})") from None
    if type(value) is not dict or value.pop("format", None) != FORMAT:
        raise LogError(f"not a checkpoint of format {FORMAT}")
    return cast("LiveMap", _CODEC.decode(value, ""))


def digest(live_map: LiveMap) -> str:
    """SHA-256 of `dump`, in hex: the name of this exact state."""
    return hashlib.sha256(dump(live_map)).hexdigest()
