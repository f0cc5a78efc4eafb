"""The text of a file that somebody else wrote, whatever its encoding; what cannot be decoded becomes U+FFFD."""

from __future__ import annotations

import codecs
import re

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, the longer ones first, and the codecs that take them away."""

_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]*)["']""").match


def decoded(data: bytes) -> str:
    """By its byte order mark, else by zeros that only UTF-16 has, else by what an XML declaration says, else UTF-8."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if len(data) > 1 and 0 in data[:2] and data[:2] != b"\0\0":
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le", errors="replace")
    said = _DECLARED(data[:200].lstrip())
    if said is not None:
        try:
            encoding = codecs.lookup(said[1].decode("ascii")).name
            if "<?".encode(encoding) == b"<?":  # else the declaration is not true: it could not have been read
                return data.decode(encoding, errors="replace")
        except (LookupError, ValueError):
            pass
    return data.decode("utf-8", errors="replace")
