"""A file beside the log that holds room on the disk, so that an emergency can be written when all else is full."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVE_BYTES = 8 << 20
"""Some five hundred commits of emergencies: each takes about four pages of the log."""


class Reserve:
    """Room that is held by a file of `size` bytes; 0 holds none. Not safe between threads: the log's writer has it."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self.held = size == 0
        """Whether the room is there for an emergency; False once it was let go of, until it is taken again."""

    def take(self) -> bool:
        """Hold the room, if the disk has it; whether it is held now."""
        if self.held:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(descriptor).st_size < self._size:
                    _fill(descriptor, self._size)
            finally:
                os.close(descriptor)
        except OSError:
            self._empty()
        else:
            self.held = True
        return self.held

    def release(self) -> bool:
        """Let go of the room; whether there was any."""
        if not self.held or self._size == 0:
            return False
        self.held = False
        return self._empty()

    def _empty(self) -> bool:
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)
            return True
        return False


def _fill(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    block = bytes(1 << 16)
    os.lseek(descriptor, 0, os.SEEK_SET)
    while size > 0:
        size -= os.write(descriptor, block[:size])
    os.fsync(descriptor)
