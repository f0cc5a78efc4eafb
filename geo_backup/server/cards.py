"""Run cards over HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from geo_backup.node import Node
from geo_backup.wire import documents


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/run_cards")
    async def run_cards() -> dict[str, Any]:
        """What to send by kind of incident and alarm level; ask by name with `run_card`."""
        return {"run_cards": [documents.run_card(card) for card in node.run_cards.values()]}

    return routes
