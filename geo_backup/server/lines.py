"""What a server writes of itself, a line at a time: text for people, or JSON objects for a collector of logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any, Literal, get_args

import orjson

from geo_backup.errors import BadValueError
from geo_backup.server.request_id import REQUEST_ID
from geo_backup.server.request_id import log_ as requests
from geo_backup.wire.times import to_text

Format = Literal["text", "json"]


class Text(logging.Formatter):
    """Level and words, and the id of the request where one is under way."""

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback beneath."""
        whole = f"{record.levelname} {super().format(record)}"
        first, *rest = whole.split("\n")
        request_id = REQUEST_ID.get()
        return "\n".join([f"{first} [request {request_id}]" if request_id else first, *rest])


class Json(logging.Formatter):
    """`time`, `level`, `logger`, `message`; `request_id` where a request is under way, with `method`, `path`, `status`,
    `ms` and `who` once it is answered; `error`, a traceback, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as one line."""
        line: dict[str, Any] = {
            "time": to_text(round(record.created * 1_000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        line |= getattr(record, "request", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class Said(io.TextIOBase):
    """A terminal whose lines become records: what a start says to people is told to a collector too."""

    def __init__(self) -> None:
        self._log, self._rest = logging.getLogger("geo_backup.cli"), ""

    def write(self, text: str) -> int:
        """Take words; each line that is whole is a record."""
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            if line.strip():
                self._log.info("%s", line.strip())
        return len(text)


def write_as(form: str, say_to: Callable[[io.TextIOBase], None]) -> None:
    """From now on all that is logged is written so; as JSON, each request and what is said to people is too. Raises
    `BadValueError` for a form that there is not."""
    if form not in get_args(Format):
        raise BadValueError("--log-format", "form", f"--log-format is text or json, not {form!r}")
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Json() if form == "json" else Text())
    if form == "json":
        for log in (requests, logging.getLogger("geo_backup.cli")):
            log.setLevel(logging.INFO)
        say_to(Said())
