"""The rules in force, over HTTP: every number people argue about, and the adoption of others."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from geo_backup.errors import BadValueError
from geo_backup.events import RulesAdopted
from geo_backup.rules import AGENCY_GROUPS, GROUPS
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, routes_of
from geo_backup.server.problems import bad_value, may
from geo_backup.server.writes import new_id, record
from geo_backup.wire import documents
from geo_backup.wire.told import Told

Own = Annotated[str, Query(max_length=64)]

routes = routes_of("Rules")


@routes.get("/rules")
async def get_rules(node: TheNode, agency: Own = "", kind: Own = "") -> Told[documents.RulesInForce]:
    """All rules in force (for an agency or a kind of unit: as it has them) by group, their id, the defaults and the
    bounds beside them, and which agencies and kinds have rules of their own. `geo_backup/rules.py` says what each
    means."""
    return told(documents.rules(node.live_map.rules, agency, kind))


@routes.put("/rules", responses=may(409, 429))
async def adopt_rules(
    node: TheNode, body: dict[str, dict[str, Any]], agency: Own = "", kind: Own = ""
) -> Told[documents.RulesInForce]:
    """From now on these hold, the defaults with what is named here changed: {"backup": {"first_wave": 4}}; for an
    agency what it does otherwise than the rest, for a kind of unit its freshness, for a kind of unit
    or incident its timers. A fact in the log, so rankings
    and decisions before it stay what they were."""
    now = node.live_map.rules
    try:
        for group in body:
            if agency and group in GROUPS and group not in AGENCY_GROUPS:
                raise BadValueError(
                    f"/{group}", "whole_server", f"holds for all; an agency has its own {', '.join(AGENCY_GROUPS)}"
                )
        now.adopted(body, agency, kind)
    except BadValueError as error:
        raise bad_value(error.field, error.reason, str(error)) from None
    await record(
        node,
        RulesAdopted(event_id=new_id("rules"), received_ms=node.clock.now_ms(), rules=body, agency=agency, kind=kind),
    )
    return told(documents.rules(node.live_map.rules, agency, kind))
