"""Which column of somebody's table means what: a mapping of our names to the file's, as people write it."""

from __future__ import annotations

from geo_backup.errors import BadValueError


def columns_of(text: str) -> dict[str, str]:
    """The mapping that `time=Received DtTm,lon=X,lat=Y` says; whoever reads the table knows which names there are.

    Raises `BadValueError` for what is no mapping.
    """
    out: dict[str, str] = {}
    for part in text.split(","):
        ours, _, theirs = (piece.strip() for piece in part.partition("="))
        if not ours or not theirs:
            raise BadValueError(
                "--columns",
                "columns",
                f"--columns is a list such as time=Received,lon=x,lat=y; {part.strip()!r} is no name=column",
            )
        out[ours] = theirs
    return out
