"""Versions of an incident over HTTP: `ETag` says which one is told, `If-Match` which one a change was made on.

Two desks may change one incident at once. Edits of different fields go together; where both want the same field, the
second is told what stands in it now, since when, and by whom.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from geo_backup.events import IncidentChanged
from geo_backup.live_map import Incident
from geo_backup.live_map.incidents import overtaken
from geo_backup.server.answers import told
from geo_backup.server.problems import Problem, bad_value
from geo_backup.wire import documents
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=64,
        description='The version that the change was made on, as `ETag` told it: `"7"`. 412 where somebody gave the '
        "same field another value since.",
    ),
]
_ONE = re.compile(r'(?:W/)?"([0-9]{1,15})"').fullmatch


def told_incident(incident: Incident, status: int = 200, recorded: bool = True) -> Told[documents.Incident]:
    """An incident as the answer, with its version."""
    answer = told(documents.incident(incident, recorded), status)
    answer.headers["ETag"] = f'"{incident.version}"'
    return answer


def version_of(if_match: str | None) -> int | None:
    """The version that a header names; None where there is none, or any will do. 422 for anything else."""
    if if_match is None or if_match.strip() == "*":
        return None
    named = _ONE(if_match.strip())
    if named is None:
        raise bad_value("/If-Match", "version", 'is one version as ETag tells it, such as "7", or *')
    return int(named[1])


def changed_meanwhile(incident: Incident, event: IncidentChanged) -> Problem:
    """412 for a change of fields that another change came before."""
    errors: list[dict[str, object]] = []
    for name in overtaken(incident, event):
        edit, value = incident.edits[name], getattr(incident, name)
        at = to_text(edit.at_ms)
        message = f"{edit.said_by} made it {value!r} at {at}, after version {event.as_of_version}"
        errors.append(
            {
                "field": f"/{name}",
                "reason": "changed_meanwhile",
                "message": message,
                "value": value,
                "by": edit.said_by,
                "at": at,
            }
        )
    if errors:
        names = ", ".join(str(error["field"])[1:] for error in errors)
        words = f"changed meanwhile: {names}; look at what stands, and send it again with If-Match of version "
    else:
        words = "nobody here was told the version that If-Match names; read the incident, and use its version "
        errors = [{"field": "/If-Match", "reason": "unknown_version", "message": words.strip()}]
    return Problem(412, f"{words}{incident.version}", errors, {"ETag": f'"{incident.version}"'})
