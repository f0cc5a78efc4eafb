"""Answers held against `/openapi.json`: the status is declared, the body is of its type, and holds nothing else."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

import httpx
import jsonschema

OPEN = {"Beat", "Beats"}
"""Documents that hold what their senders put into them."""
UNTOLD = {400, 405, 408, 413, 414, 429, 431, 500, 503}
"""Statuses of the door itself, or of a server in trouble: any request may meet them."""
BODY_MAX = 400_000
SAID: list[dict[str, Any]] = []
"""What the first server said; all are of one software and say the same (`test_openapi.py`)."""


class Told:
    """What one server says that it answers; `seen` are the operations and statuses that were held against it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = copy.deepcopy(spec)
        for name, schema in self.spec["components"]["schemas"].items():
            if name not in OPEN:
                _close(schema)
        self.seen: set[tuple[str, int]] = set()
        self._operations = [
            (method.upper(), re.compile(_pattern(path)), operation)
            for path, methods in self.spec["paths"].items()
            for method, operation in methods.items()
        ]
        self._validator = cache(self._made)

    @classmethod
    def of(cls, http: httpx.Client) -> Told:
        """What the server behind a client says; from now on every answer to the client is held against it."""
        if not SAID:
            SAID.append(http.get("/openapi.json").json())
        told = cls(SAID[0])

        def check(answer: httpx.Response) -> None:
            answer.read()
            told.check(answer)

        http.event_hooks = {"response": [check]}
        return told

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation that answers a request."""
        found = [one for verb, pattern, one in self._operations if verb == method and pattern.fullmatch(path)]
        return min(found, key=lambda one: len(one.get("parameters", ()))) if found else None

    def check(self, answer: httpx.Response) -> None:
        """Raise `AssertionError` for an answer that is not as it is told."""
        operation = self.operation(answer.request.method, answer.request.url.path)
        if operation is None:
            return
        name, status, responses = operation["operationId"], answer.status_code, operation["responses"]
        if status in UNTOLD and str(status) not in responses:
            return
        assert str(status) in responses, f"{name} does not say that it answers {status}: {answer.text[:200]}"
        self.seen.add((name, status))
        content = responses[str(status)].get("content")
        if content is None:
            assert answer.content == b"", f"{name} {status} says that it has no body"
            return
        media = answer.headers["content-type"].split(";")[0]
        assert media in content, f"{name} {status} answers {media}, and says {list(content)}"
        if media.endswith("json") and len(answer.content) < BODY_MAX:
            wrong = next(self._validator(name, status, media).iter_errors(answer.json()), None)
            assert wrong is None, f"{name} {status} at {wrong.json_path}: {wrong.message[:300]}"  # type: ignore[union-attr]

    def _made(self, name: str, status: int, media: str) -> jsonschema.Draft202012Validator:
        operation = next(one for _, _, one in self._operations if one["operationId"] == name)
        schema = operation["responses"][str(status)]["content"][media]["schema"]
        return jsonschema.Draft202012Validator({**schema, "components": self.spec["components"]})


def _pattern(path: str) -> str:
    return re.sub(r"\\\{\w+\\\}", "[^/]+" if "coordinates" not in path else ".+", re.escape(path))


def _close(schema: Any) -> None:
    """Nothing that is not declared."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)
