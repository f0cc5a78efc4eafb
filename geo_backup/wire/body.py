"""A request's JSON, strictly read: no member twice, since two readers would take different ones."""

from __future__ import annotations

import json
from typing import Any

import jiter
from fastapi import Request


def parse(body: bytes | str) -> Any:
    """The value of a JSON text. Raises `json.JSONDecodeError` for what is no JSON (NaN is none), is nested too deep for
    any reader, or has a member twice."""
    body = body.encode() if isinstance(body, str) else body
    try:
        return jiter.from_json(body, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from None


class StrictRequest(Request):
    """A request whose JSON is strictly read. What a field's own range or type refuses is let through, so that the field
    is named: NaN, half a character."""

    async def json(self) -> Any:
        """The body's value."""
        if not hasattr(self, "_json"):
            self._json = json.loads(await self.body(), object_pairs_hook=_once)
        return self._json


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise json.JSONDecodeError(f"{twice!r:.60} stands twice in one object", "", 0)
    return value
