"""The process in which moments of the past are folded, beside the server: it is asked on its standard input, and
answers on its standard output, in pickles that this program alone writes and reads."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from typing import Any, BinaryIO, NamedTuple

from geo_backup.errors import BadValueError, LogError
from geo_backup.history.folding import Folding, parts

LENGTH_BYTES = 8


class Refused(NamedTuple):
    """Why there is no answer; without a field it is the log's fault."""

    field: str
    reason: str
    message: str


def framed(value: Any) -> bytes:
    """A value with its length before it."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def read_framed(file: BinaryIO) -> Any:
    """The next value; EOFError at the end."""
    head = file.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        raise EOFError
    return pickle.loads(file.read(int.from_bytes(head, "big")))


def main() -> None:
    """Answer until nobody asks any more."""
    gc.disable()  # a fold makes no circles
    if sys.platform != "win32":
        os.nice(5)
    folding, asked, answers = Folding(), sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            path, at_ms = read_framed(asked)
        except EOFError:
            return
        try:
            for part in parts(folding.at(path, at_ms)):
                answers.write(framed(part))
        except BadValueError as error:
            answers.write(framed(Refused(error.field, error.reason, str(error))))
        except LogError as error:
            answers.write(framed(Refused("", "", str(error))))
        answers.flush()
