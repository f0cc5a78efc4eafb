"""Depth: which field of a JSON text is nested deeper than any of ours, found without a stack."""

from __future__ import annotations

import re

DEEPEST = 64
"""Brackets within each other; a GeoJSON FeatureCollection of MultiPolygons has ten."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:]', re.DOTALL)


def too_deep(text: bytes) -> str | None:
    """JSON pointer of the first field whose value goes deeper than `DEEPEST`, as far as its names go; None when none
    does."""
    names: list[str] = []
    """The name, or empty for a list, of each open bracket."""
    word, name = b"", ""
    for token in _TOKEN.finditer(text):
        here = token[0]
        if here == b":":
            name = word[1:-1].decode("utf-8", "replace")[:60]
        elif here in (b"[", b"{"):
            names.append(name)
            name = ""
            if len(names) > DEEPEST:
                return "/" + "/".join(part for part in names if part)
        elif here in (b"]", b"}"):
            del names[-1:]
            name = ""
        else:
            word = here
    return None
