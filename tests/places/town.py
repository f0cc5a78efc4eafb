"""A town drawn by hand for what is found and named in it: streets of several languages, houses, a motorway."""

from __future__ import annotations

from pathlib import Path

from geo_backup.places import Gazetteer
from geo_backup.roads.network import RoadNetwork
from tests.cartography.drawing import Drawing
from tests.roads.tiny import from_local_m

NODES = {
    "a": (0.0, 0.0), "b": (2.0, 0.0), "c": (4.0, 0.0), "d": (6.0, 0.0),  # Rua Formosa
    "e": (2.0, 3.0), "f": (2.0, 6.0), "g": (4.0, 3.0), "h": (6.0, 3.0), "k": (6.0, 6.0),
    "i": (8.0, 0.0), "j": (8.0, 3.0),  # meets nothing
    "l": (20.0, 0.0), "m": (22.0, 0.0), "n": (60.0, 0.0), "o": (62.0, 0.0),  # one name in two towns
    "p": (0.0, 10.0), "q": (5.0, 10.0), "r": (10.0, 10.0), "s": (5.0, 9.0),  # the motorway
    "A": (1.0, 0.1), "B": (3.0, 0.1), "C": (1.0, -0.1), "D": (2.1, 1.0), "E": (2.1, 2.0),  # houses
    "T": (21.0, 1.0), "U": (61.0, 1.0), "H": (5.0, 5.0), "P": (10.0, 9.9),
    "v": (3.0, 3.2), "w": (3.6, 3.2), "x": (3.6, 3.8), "y": (3.0, 3.8),  # a building with a door
    "R": (8.0, 6.0), "S": (9.0, 7.0), "V": (10.0, 6.0), "W": (9.0, 5.0), "X": (12.0, 6.0),  # a roundabout
}  # fmt: skip


def place(x: float, y: float) -> tuple[float, float]:
    """Degrees of a place of the drawing."""
    lon, lat = from_local_m(x * 100.0, y * 100.0, 10.0, 50.0)
    return float(lon), float(lat)


def drawn() -> Drawing:
    """Its ways and houses."""
    town = Drawing(dict(NODES))
    town.way("abcd", name="Rua Formosa", alt_name="Rua da Beleza", old_name="Rua Velha")
    town.way("bef", name="Rua de Santa Catarina")
    town.way("cg", name="Avenida dos Aliados", highway="primary", ref="EN 12")
    town.way("eg", name="Rua 25 de Abril")
    town.way("dh", name="Hauptstraße")
    town.way("hk", name="O'Donnell Street")
    town.way("gh", name="Professor-Łukasz-Weg")
    town.way("ij", name="Lindenallee")
    town.way("lm", name="Rua da Igreja")
    town.way("no", name="Rua da Igreja")
    town.way("pqr", highway="motorway", ref="A 28", oneway="yes")
    town.way("qs", highway="motorway_link")
    town.way("sk", highway="unclassified")
    town.way("RSVWR", junction="roundabout")
    town.way("kR", name="East Fayette Street")
    town.way("VX", name="Улица Ленина", name__en="Lenin Street")
    for node, tags in {
        "A": {"addr:housenumber": "12", "addr:street": "Rua Formosa", "addr:city": "Vila"},
        "B": {"addr:housenumber": "20", "addr:street": "Rua Formosa"},
        "C": {"addr:housenumber": "13A", "addr:street": "Rua Formosa"},
        "D": {"addr:housenumber": "2", "addr:street": "Rua de Santa Catarina"},
        "E": {"addr:housenumber": "10", "addr:street": "Rua de Santa Catarina"},
        "T": {"place": "town", "name": "Norte"},
        "U": {"place": "town", "name": "Sul"},
        "H": {"amenity": "hospital", "name": "Hospital de São João"},
        "P": {"highway": "milestone", "distance": "12.4", "ref": "A 28"},
        "q": {"highway": "motorway_junction", "ref": "5", "name": "Centro"},
        "w": {"entrance": "main"},
    }.items():
        town.node_tags[node] = tags
    town.ways.append(("DE", {"addr:interpolation": "even"}))
    town.ways.append(
        ("vwxyv", {"building": "yes", "addr:housenumber": "7", "addr:street": "Rua 25 de Abril", "name": "Câmara"})
    )
    return town


def gazetteer(folder: Path) -> Gazetteer:
    """The town, built in a folder."""
    network, _ = drawn().build(folder)
    return Gazetteer(network)


def reopened(folder: Path) -> Gazetteer:
    """The same map opened again."""
    return Gazetteer(RoadNetwork.load(folder / "map"))
