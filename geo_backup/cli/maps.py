"""Commands that make and look at maps."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from geo_backup.cli import words
from geo_backup.cli.terminal import JsonOption, map_app, progress_bar, show


@map_app.command("build")
def map_build(
    source: Annotated[str, typer.Argument(help=".osm.pbf, .osm[.gz|.bz2], GeoJSON lines, OSMnx .graphml, or a place.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    name: Annotated[str | None, typer.Option(help="Name of the area; default: from the source.")] = None,
    source_date: Annotated[str | None, typer.Option(help="Date of the data, when the source does not say.")] = None,
    origin: Annotated[str | None, typer.Option(help="Where the data came from, in words.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data; default: ODbL 1.0.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Shown on the map; default: OpenStreetMap.")] = None,
    water: Annotated[
        Path | None, typer.Option(help="GeoJSON areas to draw as water, for sources that hold roads alone.")
    ] = None,
    no_tiles: Annotated[bool, typer.Option("--no-tiles", help="Leave out the drawn basemap.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a map folder of your own city.

    Example: geo-backup map build porto.osm.pbf --out maps/porto
    """
    from geo_backup.cartography.build import Credit, build_map

    with progress_bar() as progress:
        bar = progress.add_task(words.BUILDING, total=1.0)
        summary = build_map(
            source,
            out,
            credit=Credit(name, origin, source_date, licence, attribution),
            tiles=not no_tiles,
            water=water,
            progress=lambda stage, done: progress.update(bar, description=stage, completed=done),
        )
    rows = asdict(summary)
    if as_json:
        print(json.dumps(rows))
    else:
        show(words.rows(words.built(summary.name, out), rows | {"set_aside": words.set_aside(summary.set_aside)}))


@map_app.command("info")
def map_info(
    folder: Annotated[Path, typer.Argument(help="Map folder.")],
    check: Annotated[bool, typer.Option("--check", help="Read every tile of the basemap, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What a map folder holds, where it comes from, what it lacks, and whether it is as it was built.

    Example: geo-backup map info maps/gothenburg
    """
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import profiles_of

    started = time.perf_counter()
    network = RoadNetwork.load(folder)
    opened_ms = 1_000 * (time.perf_counter() - started)
    network.verify()
    if check and (folder / "basemap.pmtiles").exists():
        from geo_backup.cartography.tiles import check_tiles

        check_tiles(folder / "basemap.pmtiles")
    profiles = list(profiles_of(network))
    rows = {
        **asdict(network.area),
        "content_id": network.content_id,
        "checked": words.checked(check),
        "junctions": network.junctions,
        "directed_edges": network.edges - len(network.twins),
        "turns": network.turns,
        "profiles": profiles if as_json else ", ".join(profiles),
        "traffic_files": words.traffic_files(network.vertex_node is not None),
        "opened_ms": round(opened_ms, 1),
    }
    rows.update(rows.pop("summary"))
    if as_json:
        print(json.dumps(rows))
    else:
        show(words.rows(str(folder), rows | {"set_aside": words.set_aside(rows.get("set_aside"))}))
