"""Run cards over HTTP."""

from __future__ import annotations

from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, routes_of
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Backup")


@routes.get("/run_cards")
async def list_run_cards(node: TheNode) -> Told[documents.RunCardList]:
    """What to send by kind of incident and alarm level; ask by name with `run_card`."""
    return told({"run_cards": [documents.run_card(card) for card in node.run_cards.values()]})
