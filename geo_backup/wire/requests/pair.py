"""What is asked of a machine of a pair."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from geo_backup.wire.requests.request import Request


class Promotion(Request):
    """Which of two machines is to lead: the one that is asked."""

    force: Annotated[
        bool, Field(description="Lead even if the machine that led does not answer; what only it has is lost.")
    ] = False
