"""Commands for a map's places: find one, name one, make the file of an older map's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geo_backup.cli import words
from geo_backup.cli.terminal import JsonOption, app, demo_map, say, show
from geo_backup.errors import BadValueError
from geo_backup.places import MOST_FOUND, Gazetteer
from geo_backup.roads.network import RoadNetwork

places_app = typer.Typer(help="Find places on a map, and keep your own.", no_args_is_help=True)
app.add_typer(places_app, name="places")

FolderOption = Annotated[Path | None, typer.Option("--map", help="Map folder; default: the demo's.")]
NearOption = Annotated[str, typer.Option(help="lon,lat: of places of one name the nearest comes first.")]


@places_app.command("find")
def find_places(
    text: Annotated[str, typer.Argument(help="An address, a crossing, a name, an exit, coordinates.")],
    folder: FolderOption = None,
    near: NearOption = "",
    limit: Annotated[int, typer.Option(min=1, max=MOST_FOUND, help="At most so many.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Find a place by its words, without a network.

    Example: geo-backup places find "kungsg x östra hamng" --map maps/gothenburg
    """
    gazetteer = Gazetteer(RoadNetwork.load(folder or demo_map()))
    answer = gazetteer.find(text, _near(near), limit)
    if as_json:
        print(json.dumps({**answer._asdict(), "found": [one._asdict() for one in answer.found]}))
        return
    if gazetteer.refusal:
        say.print(gazetteer.refusal)
    show(words.found(text, answer))


@places_app.command("name")
def name_place(
    lon: Annotated[float, typer.Argument(min=-180, max=180, help="Longitude in degrees.")],
    lat: Annotated[float, typer.Argument(min=-90, max=90, help="Latitude in degrees.")],
    folder: FolderOption = None,
) -> None:
    """What a place is called.

    Example: geo-backup places name 11.9697 57.7041 --map maps/gothenburg
    """
    show(Gazetteer(RoadNetwork.load(folder or demo_map())).name(lon, lat).text)


@places_app.command("build")
def build_places(folder: Annotated[Path, typer.Argument(help="Map folder.")]) -> None:
    """Make the places of a map that was built without: its streets and crossings, from its own roads.

    Whoever has the map's source builds the map again instead: that has house numbers and names, too.

    Example: geo-backup places build maps/gothenburg
    """
    from geo_backup.places.from_network import build

    tables = build(folder)
    show(words.places_built(folder, tables.streets, len(tables.crossings)))


def _near(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise BadValueError("--near", "type", "is lon,lat in degrees, such as 11.97,57.7") from None
    return lon, lat
