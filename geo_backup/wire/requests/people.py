"""Signing in, as it is sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from geo_backup.wire.requests.request import Request


class SignIn(Request):
    """A person with password and one-time code; or whoever has a token."""

    person_id: Annotated[str, Field(max_length=64)] = ""
    password: Annotated[str, Field(max_length=1_024)] = ""
    code: Annotated[str, Field(max_length=16)] = ""
    token: Annotated[str, Field(max_length=16_384)] = ""


class ScannedCode(Request):
    """The code that an officer's phone has scanned at a desk."""

    code: Annotated[str, Field(min_length=1, max_length=64)]
