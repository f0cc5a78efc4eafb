"""Commands for a map's places: find one, name one, keep the agency's own, make the file of an older map's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geo_backup.cli import words
from geo_backup.cli.terminal import JsonOption, app, contents, demo_map, finite, say, show
from geo_backup.errors import BadValueError
from geo_backup.formats.own_places import read_own_places
from geo_backup.places import MOST_FOUND, Gazetteer, own
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
    lon: Annotated[float, typer.Argument(min=-180, max=180, callback=finite, help="Longitude in degrees.")],
    lat: Annotated[float, typer.Argument(min=-90, max=90, callback=finite, help="Latitude in degrees.")],
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


@places_app.command("add")
def add_places(
    file: Annotated[
        Path, typer.Argument(help="CSV (name,kind,lon,lat,address,hazard) or GeoJSON; - for standard input.")
    ],
    folder: FolderOption = None,
    kind: Annotated[str, typer.Option(help="Of places that do not say theirs: beat, premises, hydrant ...")] = "",
) -> None:
    """Add your own places: beats, premises with what to know before going in, hydrants.

    They stand beside the map: a build leaves them alone. A place with the id, or the kind and name, of a standing one
    takes its place. A row without lon and lat is looked up by its address, and taken where there is no doubt.

    Example: geo-backup places add premises.csv --map maps/porto --kind premises
    """
    where = folder or demo_map()
    table = read_own_places(contents("FILE", file), kind)
    gazetteer = Gazetteer(RoadNetwork.load(where))
    placed, refused = [], list(table.refused)
    for row in table.rows:
        also, lon, lat = row.also, row.lon, row.lat
        if row.address:
            also = (*also, row.address)
        if lon is None or lat is None:
            answer = gazetteer.find(row.address, limit=2)
            sure = not answer.ambiguous and answer.found and answer.found[0].matched == "exact"
            if not sure or answer.found[0].precision != "point" or answer.found[0].missing:
                refused.append((row.line, words.address_unsure(row.address, answer)))
                continue
            lon, lat = answer.found[0].lon, answer.found[0].lat
        placed.append(own.OwnPlace(row.place_id, row.kind, row.name, lon, lat, row.hazard, also, row.area))
    for line, why in sorted(refused):
        say.print(words.row_refused(line, why), markup=False, soft_wrap=True)
    if not placed:
        raise BadValueError("FILE", "empty", "no place was added")
    whole, replaced = own.added(own.read(where), own.with_ids(placed))
    own.save(where, whole)
    show(words.own_added(len(placed) - replaced, replaced, len(refused), len(whole)))


@places_app.command("list")
def list_places(
    folder: FolderOption = None,
    kind: Annotated[str, typer.Option(help="Of this kind alone.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Your own places on a map.

    Example: geo-backup places list --map maps/porto --kind premises
    """
    places = [place for place in own.read(folder or demo_map()) if kind in ("", place.kind)]
    if as_json:
        print(json.dumps([place._asdict() for place in places]))
    else:
        show(words.own_places(places))


@places_app.command("remove")
def remove_places(
    place_ids: Annotated[list[str] | None, typer.Argument(help="Ids, as `places list` shows them.")] = None,
    folder: FolderOption = None,
    kind: Annotated[str, typer.Option(help="All of this kind.")] = "",
) -> None:
    """Remove own places by their ids, or all of a kind.

    Example: geo-backup places remove hydrant:h-12 --map maps/porto
    """
    where, ids = folder or demo_map(), set(place_ids or ())
    if not ids and not kind:
        raise BadValueError("PLACE_IDS", "empty", "name ids, or a kind with --kind")
    standing = own.read(where)
    if unknown := ids - {place.place_id for place in standing}:
        raise BadValueError("PLACE_IDS", "unknown", f"there is no own place {', '.join(sorted(unknown))}")
    left = [place for place in standing if place.place_id not in ids and (not kind or place.kind != kind)]
    own.save(where, left)
    show(words.own_removed(len(standing) - len(left), len(left)))


def _near(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise BadValueError("--near", "type", "is lon,lat in degrees, such as 11.97,57.7") from None
    return lon, lat
