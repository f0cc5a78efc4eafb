"""The rules in force, over HTTP: every number people argue about, and the adoption of others."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated, Any

from fastapi import APIRouter, Query

from geo_backup.errors import BadValueError
from geo_backup.events import RulesAdopted
from geo_backup.node import Node
from geo_backup.rules import AGENCY_GROUPS, Rules, bounds
from geo_backup.server.problems import bad_value
from geo_backup.server.writes import new_id, record

Agency = Annotated[str, Query(max_length=64)]


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    def standing(agency: str) -> dict[str, Any]:
        rules = node.live_map.rules
        groups = asdict(rules.of(agency))
        del groups["agencies"]
        usual = Rules()
        names = {group: fields(getattr(usual, group)) for group in groups}
        return {
            "rules_id": rules.rules_id,
            "rules": groups,
            "defaults": {group: asdict(getattr(usual, group)) for group in groups},
            "bounds": {group: {rule.name: bounds(rule) for rule in rules} for group, rules in names.items()},
            "agencies": sorted(rules.agencies),
        }

    @routes.get("/rules")
    async def rules(agency: Agency = "") -> dict[str, Any]:
        """All rules in force (for an agency: as it has them) by group, their id, the defaults and the bounds beside
        them, and which agencies have rules of their own. `geo_backup/rules.py` says what each means."""
        return standing(agency)

    @routes.put("/rules")
    async def adopt(body: dict[str, dict[str, Any]], agency: Agency = "") -> dict[str, Any]:
        """From now on these hold, the defaults with what is named here changed: {"backup": {"first_wave": 4}}; for an
        agency what it does otherwise than the rest. A fact in the log, so rankings and decisions before it stay what
        they were."""
        now = node.live_map.rules
        try:
            for group in body:
                if agency and group in asdict(now) and group not in AGENCY_GROUPS:
                    raise BadValueError(
                        f"/{group}", "whole_server", f"holds for all; an agency has its own {', '.join(AGENCY_GROUPS)}"
                    )
            (now if agency else Rules()).changed(body)
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        await record(
            node, RulesAdopted(event_id=new_id("rules"), received_ms=node.clock.now_ms(), rules=body, agency=agency)
        )
        return standing(agency)

    return routes
