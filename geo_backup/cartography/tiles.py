"""Tiles: whether a basemap can be read to its last tile."""

from __future__ import annotations

import zlib
from pathlib import Path

from geo_backup.errors import MapError

TILE_MAX = 32 << 20
"""Bytes of an unpacked tile: more than any browser would draw."""
GZIP = 31
"""zlib's `wbits` of a gzip file."""


def check_tiles(path: Path) -> int:
    """Unpack every tile and answer how many there are. Raises `MapError` where one cannot be read."""
    from pmtiles.reader import MmapSource, all_tiles

    count = 0
    try:
        with path.open("rb") as file:
            for _, data in all_tiles(MmapSource(file)):
                opened = zlib.decompressobj(wbits=GZIP)
                opened.decompress(data, TILE_MAX)
                if not opened.eof:
                    raise ValueError("a tile is cut off, or unpacks to more than one holds")
                count += 1
    except Exception as error:  # whatever the reader makes of bytes that mean nothing
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise MapError(f"{path} cannot be read to its end ({reason}). Build the map again, or copy it again.") from None
    return count
