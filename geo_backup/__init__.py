"""geo_backup: a live unit map that finds the backup that can be there first.

The names here are what other programs may import; each is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geo_backup.cartography.build import Credit, build_map
    from geo_backup.cartography.graphs import from_osmnx, to_networkx
    from geo_backup.client import Client
    from geo_backup.errors import GeoBackupError
    from geo_backup.roads.field import ArrivalField
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import PROFILES
    from geo_backup.roads.snap import snap_place, snap_units
    from geo_backup.roads.weights import weigh
    from geo_backup.rules import Rules

__version__ = "0.6.0"

__all__ = [
    "ArrivalField",
    "Client",
    "Credit",
    "GeoBackupError",
    "PROFILES",
    "RoadNetwork",
    "Rules",
    "__version__",
    "build_map",
    "from_osmnx",
    "snap_place",
    "snap_units",
    "to_networkx",
    "weigh",
]

_HOMES = {
    "ArrivalField": "roads.field",
    "Client": "client",
    "Credit": "cartography.build",
    "GeoBackupError": "errors",
    "PROFILES": "roads.profile",
    "RoadNetwork": "roads.network",
    "Rules": "rules",
    "build_map": "cartography.build",
    "from_osmnx": "cartography.graphs",
    "snap_place": "roads.snap",
    "snap_units": "roads.snap",
    "to_networkx": "cartography.graphs",
    "weigh": "roads.weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"geo_backup has no {name!r}")
    return getattr(import_module(f"geo_backup.{_HOMES[name]}"), name)
