"""The rules in force, over HTTP: every number people argue about, and the adoption of others."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter

from geo_backup.events import RulesAdopted
from geo_backup.node import Node
from geo_backup.rules import Rules
from geo_backup.server.problems import bad_value
from geo_backup.server.writes import new_id, record


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    def standing() -> dict[str, Any]:
        rules = node.live_map.rules
        return {"rules_id": rules.rules_id, "rules": asdict(rules), "defaults": asdict(Rules())}

    @routes.get("/rules")
    async def rules() -> dict[str, Any]:
        """All rules in force by group, their id, and the defaults beside them. `geo_backup/rules.py` says what each
        means."""
        return standing()

    @routes.put("/rules")
    async def adopt(body: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """From now on these hold, the defaults with what is named here changed: {"backup": {"first_wave": 4}}. A fact
        in the log, so rankings and decisions before it stay what they were."""
        defaults = asdict(Rules())
        for group, changes in body.items():
            if group not in defaults:
                raise bad_value(f"/{group}", "unknown", f"is no group of rules; there are {', '.join(defaults)}")
            for name, value in changes.items():
                default = defaults[group].get(name)
                if default is None:
                    raise bad_value(
                        f"/{group}/{name}", "unknown", f"is no rule of {group}; there are {', '.join(defaults[group])}"
                    )
                if type(value) not in (int, type(default)) or not 0 <= value < float("inf"):
                    kind = "a whole number" if type(default) is int else "a number"
                    raise bad_value(f"/{group}/{name}", "range", f"is {kind}, 0 or more; {default} by default")
            try:
                replace(getattr(Rules(), group), **changes)
            except ValueError as error:
                raise bad_value(f"/{group}", "range", str(error)) from None
        await record(node, RulesAdopted(event_id=new_id("rules"), received_ms=node.clock.now_ms(), rules=body))
        return standing()

    return routes
