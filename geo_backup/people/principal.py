"""Who is speaking: a person, a device or a program of an agency, and in which roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Role = Literal[
    "device",
    "field_unit",
    "viewer",
    "dispatcher",
    "supervisor",
    "aid_partner",
    "analyst",
    "auditor",
    "admin",
    "standby",
]
ROLES: tuple[Role, ...] = get_args(Role)
CENTRE = "*"
"""The agency of those who serve all agencies of a centre."""
PHONE = "phone-"
"""How the sessions of officers' phones are named: they are kept as people's are, and end with the shift."""
Kind = Literal["person", "device", "program", "anyone"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who speaks, as a token or a session says it and never as a request's body does.

    `units` are those that a device or a field unit speaks for. `session` names the token or session that was shown: it
    is no secret. `until_ms` is when it ends (UTC epoch), None: not by itself; whose session was
    prolonged is the same principal.
    """

    kind: Kind
    id: str
    agency: str = ""
    roles: frozenset[Role] = frozenset()
    units: frozenset[str] = frozenset()
    name: str = ""
    session: str = ""
    until_ms: int | None = field(default=None, compare=False)

    @property
    def said_by(self) -> str:
        """How facts name it: `person:lind`, `device:AVL-17`, `program:cad`."""
        return f"{self.kind}:{self.id}"


ANYONE = Principal("anyone", "", CENTRE, frozenset(ROLES))
"""Whoever reaches a server on loopback for which nobody is configured: everything is open to them, and the log does
not know who they were."""
