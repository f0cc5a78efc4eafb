"""Intake: what every hearing of one server shares."""

from __future__ import annotations

from typing import NamedTuple

from geo_backup.node import Node
from geo_backup.server.adoption import Adoption
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.sources import Sources


class Intake(NamedTuple):
    """Where what is heard goes, and where what cannot be used is kept."""

    node: Node
    adoption: Adoption | None
    quarantine: Quarantine
    sources: Sources
