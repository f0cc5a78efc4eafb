"""Commands that work on recorded tracks."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.markup import escape

from geo_backup.cli import words
from geo_backup.cli.errands import looks
from geo_backup.cli.terminal import ColumnsOption, JsonOption, MapOption, TimezoneOption, app, progress_bar, say, show
from geo_backup.errors import BadValueError
from geo_backup.formats.recordings import known

if TYPE_CHECKING:
    from geo_backup.events import Fix
    from geo_backup.formats.tracks import Track
    from geo_backup.roads.drives import Driven
    from geo_backup.roads.network import RoadNetwork

COLUMNS = (
    *("unit_id", "fix_time", "lon", "lat", "edge", "osm_way", "matched_lon", "matched_lat", "course_deg", "distance_m"),
)
GEOJSON = (".geojson", ".json")


@app.command()
def match(
    files: Annotated[list[Path], typer.Argument(help=f"Recorded tracks: {known()}.")],
    map_folder: MapOption,
    lag: Annotated[
        str, typer.Option(help="Seconds of later fixes that may tell the road: 0 as on a live map, 60, or all.")
    ] = "all",
    out: Annotated[
        Path | None, typer.Option(help="File to write: .geojson has a line for each drive, all else is CSV.")
    ] = None,
    columns: ColumnsOption = None,
    timezone: TimezoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """On which road each fix of recorded tracks was, and what was driven between them.

    One CSV row a fix, on standard output without --out; columns from `edge` on are empty where it is off the road.
    Where fixes are more than three minutes apart, or no road leads from one to the next, the drive ends and another
    begins. --json prints the figures in JSON, with the rows when there is no --out.

    Example: geo-backup match trips.csv --map maps/porto --out drives.geojson
    """
    lag_ms = _lag_ms(lag)
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise BadValueError("--out", "file", f"--out {out}: no file can be written there, its folder must exist")
    from geo_backup.roads.drives import match_fixes
    from geo_backup.roads.network import RoadNetwork
    from geo_backup.rules import SnapRules

    network, rules = RoadNetwork.load(map_folder), SnapRules()
    tracks = recorded(files, columns, timezone)
    stretches = [(track.unit_id, part) for track in tracks for part in track.segments]
    figures = dict.fromkeys(("units", "fixes", "on_road", "off_road", "drives"), 0) | {"driven_km": 0.0}
    figures["units"] = len({unit_id for unit_id, _ in stretches})
    features: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    lines = out is not None and out.suffix.lower() in GEOJSON
    with _opened(out) as file, progress_bar() as progress:
        bar = progress.add_task(words.MATCHING, total=sum(len(fixes) for _, fixes in stretches))
        table = csv.writer(file, lineterminator="\n")
        if not lines and not (as_json and out is None):
            table.writerow(COLUMNS)
        for unit_id, fixes in stretches:
            driven = match_fixes(network, fixes, rules, lag_ms)
            drives = list(_features(network, unit_id, fixes, driven))
            on = int((driven.edge >= 0).sum())
            figures["fixes"] += len(fixes)
            figures["on_road"] += on
            figures["off_road"] += len(fixes) - on
            figures["drives"] += len(drives)
            figures["driven_km"] += sum(one["properties"]["distance_m"] for one in drives) / 1e3
            if lines:
                features += drives
            elif as_json and out is None:
                rows += (dict(zip(COLUMNS, row, strict=True)) for row in _rows(network, unit_id, fixes, driven))
            else:
                table.writerows(_rows(network, unit_id, fixes, driven))
            progress.advance(bar, len(fixes))
        if lines:
            json.dump({"type": "FeatureCollection", "features": features}, file)
    figures["driven_km"] = round(figures["driven_km"], 3)
    if not figures["on_road"]:
        say.print(f"[yellow]{escape(words.none_on_road(network.area.name))}[/]", soft_wrap=True)
    if as_json:
        print(json.dumps(figures | ({} if out else {"rows": rows})))
    elif out is not None:
        show(words.rows(str(out), figures))


def recorded(files: Iterable[Path], columns: str | None, timezone: str | None) -> list[Track]:
    """The tracks of some files; says what was left out of each. Who reads a log looks back, and that is on record."""
    from geo_backup.formats.columns import columns_of
    from geo_backup.formats.tracks import Hints
    from geo_backup.replay.timeline import is_log, read_tracks

    hints = Hints(columns=columns_of(columns) if columns else None, timezone=timezone)
    tracks: list[Track] = []
    for path in files:
        found = read_tracks(path, hints)
        if is_log(path):
            looks(path, "replay", "tracks")
        if summary := found.summary():
            say.print(f"[yellow]{escape(path.name)}:[/] {escape(summary)}", soft_wrap=True)
        tracks.extend(found)
    return tracks


def _lag_ms(lag: str) -> int | None:
    if lag == "all":
        return None
    if not lag.isdecimal() or int(lag) > 86_400:
        raise BadValueError("--lag", "lag", f"--lag is 0, a number of seconds such as 60, or all, not {lag!r}")
    return 1_000 * int(lag)


def _opened(out: Path | None) -> Any:
    if out is None:
        return nullcontext(sys.stdout)
    try:
        file: TextIO = out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise BadValueError("--out", "file", f"--out {out} cannot be written: {error.strerror or error}") from None
    return file


def _rows(network: RoadNetwork, unit_id: str, fixes: tuple[Fix, ...], driven: Driven) -> Iterator[tuple[Any, ...]]:
    """The rows of a track, None where a fix is off the road."""
    from geo_backup.wire.times import to_text

    ways = network.way_id[network.edge_way[driven.edge]].tolist()
    columns = (driven.edge, driven.lon, driven.lat, driven.course_deg, driven.distance_m)
    for fix, way, edge, lon, lat, course, metres in zip(fixes, ways, *(v.tolist() for v in columns), strict=True):
        road = (
            (edge, way, round(lon, 7), round(lat, 7), round(course, 1), round(metres, 1)) if edge >= 0 else [None] * 6
        )
        yield (unit_id, to_text(fix.fix_ms), fix.lon, fix.lat, *road)


def _features(network: RoadNetwork, unit_id: str, fixes: tuple[Fix, ...], driven: Driven) -> Iterator[dict[str, Any]]:
    """A GeoJSON line for each drive; one that stood is none."""
    from geo_backup.wire.times import to_text

    for first, last in driven.drives():
        line = driven.line(network, first, last)
        if len(line) < 2:
            continue
        parts = slice(driven.start[first], driven.start[last])
        share = (driven.part_to[parts] - driven.part_from[parts]) / 65_536
        metres = float((network.edge_length_m[driven.part_edge[parts]] * share).sum())
        yield {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": line.round(7).tolist()},
            "properties": {
                "unit_id": unit_id,
                "start_time": to_text(fixes[first].fix_ms),
                "end_time": to_text(fixes[last].fix_ms),
                "fixes": last - first + 1,
                "distance_m": round(metres, 1),
            },
        }
