"""Told and taken: the types of what a handler answers with and of a body that it reads for itself.

A handler says them in its own signature, where mypy holds it to them and `/openapi.json` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from starlette.responses import Response

Document = TypeVar("Document", bound=Mapping[str, object] | Sequence[object])


class Told(Response, Generic[Document]):
    """JSON of a document, encoded already."""

    media_type = "application/json"


class Taken(NamedTuple):
    """What the body of a request is, where the handler reads the bytes: `Annotated[bytes, ..., Taken(Positions)]`."""

    type: type
    media_type: str = "application/json"
