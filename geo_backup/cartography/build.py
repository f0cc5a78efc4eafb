"""Build: a source of roads becomes a map folder, all or nothing, the same bytes every time."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geo_backup.cartography import graphs, lines, osm
from geo_backup.cartography.area import network_of
from geo_backup.cartography.assembly import Assembled, assemble
from geo_backup.cartography.edits import changes_alone
from geo_backup.cartography.places import facts_of
from geo_backup.cartography.restrictions import OUTCOMES
from geo_backup.cartography.ways import SET_ASIDE, Ways
from geo_backup.errors import MapError
from geo_backup.places.register import tables_of
from geo_backup.places.store import FILE, OWN_FILE
from geo_backup.places.store import write as write_places
from geo_backup.roads.network import FORMAT, EdgeFlag, RoadNetwork

Progress = Callable[[str, float], None]
"""Told the name of a stage and how far the build is, 0 to 1."""


@dataclass(frozen=True)
class BuildSummary:
    """Figures of one build. Kilometres are of pieces (both directions together), shares are 0 to 1."""

    name: str
    content_id: str
    ways: int
    junctions: int
    edges: int
    turns: int
    kilometres: float
    main_share: float
    """Share of legal directed edges in the largest strong component."""
    restrictions_applied: int
    """Turn restrictions over a junction, each counted under one of these seven; see `restrictions.OUTCOMES`."""
    restrictions_via_way: int
    restrictions_conditional: int
    """Applied as if their condition were always true."""
    restrictions_needless: int
    restrictions_exempt: int
    restrictions_malformed: int
    restrictions_unmatched: int
    twin_edges: int
    """Second edges that remember the road before, for restrictions over via ways."""
    maxspeed_share: float
    """Share of ways with a posted limit."""
    names_share: float
    reversible_ways: int
    closed_ways: int
    """By access, construction or as impassable."""
    odd_access_ways: int
    """Access is written in a word this program does not know: read like `private`."""
    gates: int
    """To be opened by who comes."""
    locked_barriers: int
    """Gates, bollards and other places that cars may not pass, opened for emergency vehicles alone."""
    blocking_barriers: int
    barriers_on_crossings: int
    """Drawn where three or more roads meet, so that nobody knows which they close: left out."""
    unknown_barriers: int
    """Of a kind this program does not know: left out."""
    limited_ways: int
    """Ways, or parts of ways, with a limit of height, width or, on bridges, weight."""
    limits_on_crossings: int
    """Of height or width, at a node where three or more roads meet: left out."""
    contraflow_edges: int
    set_aside: dict[str, int]
    """How much of the source was not taken as it stands, by reason (`ways.SET_ASIDE`); reasons that did not occur are
    left out."""
    tiles: str
    """`ok`, or why the map has no tiles."""
    streets: int
    """Streets with a name, in the map's places."""
    crossings: int
    """Of two streets."""
    house_numbers: int
    seconds: float
    peak_memory_mb: float
    folder_bytes: int


GRAPHML = ".graphml"
CHANGES = (".osc", ".osc.gz", ".osc.bz2")

NOT_STORED = ("name", "content_id", "seconds", "peak_memory_mb", "folder_bytes")
"""Fields of the summary that differ from build to build or stand elsewhere in `area.toml`."""


@dataclass(frozen=True)
class Credit:
    """How a map is named and credited; None is what its source says of itself."""

    name: str | None = None
    origin: str | None = None
    """How the source is named; by default as its file."""
    source_date: str | None = None
    licence: str | None = None
    attribution: str | None = None

    def beside(self, ways: Ways, path: Path) -> dict[str, str]:
        """These where they are given, else what a source says of itself."""
        return {
            "name": self.name or path.name.split(".")[0].replace("-", " ").replace("_", " ").title(),
            "source": self.origin or path.name,
            "source_date": self.source_date if self.source_date is not None else ways.source_date,
            "licence": self.licence if self.licence is not None else ways.licence or "not stated",
            "attribution": self.attribution if self.attribution is not None else ways.attribution,
        }


def build_map(
    source: str | Path,
    out: Path | str,
    *,
    credit: Credit | None = None,
    tiles: bool = True,
    water: Path | None = None,
    progress: Progress | None = None,
) -> BuildSummary:
    """Read `source` and write the map folder `out`.

    `credit` is what `area.toml` says of it, where the source says something else or nothing. `water` is a GeoJSON file
    of areas that the basemap draws as water, for sources that hold roads alone. An older map at `out` is replaced in
    one step when the new one is complete; nothing else is overwritten. Raises `MapError` with the remedy when the
    source cannot be used.
    """
    began = time.perf_counter()
    tell = progress or (lambda stage, share: None)
    out = Path(out)
    _check_target(out)
    ways, path = read_source(source, lambda share: tell("reading", 0.45 * share))
    tell("joining roads", 0.45)
    assembled = assemble_named(ways, path)
    network = network_of(assembled, **(credit or Credit()).beside(ways, path))
    summary = _summary(network, ways, assembled.counts)
    tell("naming places", 0.55)
    tables = tables_of(facts_of(path, network))
    summary |= {"streets": tables.streets, "crossings": len(tables.crossings), "house_numbers": len(tables.houses)}
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        work.chmod(0o755)
        tell("writing the network", 0.6)
        network.save(work)
        write_places(work / FILE, tables)
        said = "left out on request"
        if tiles:
            from geo_backup.cartography.basemap import write_basemap

            tell("drawing the basemap", 0.65)
            said = write_basemap(network, work / "basemap.pmtiles", path if ways.scenery else None, water)
        summary["tiles"] = said
        (work / "area.toml").write_text(area_toml(network, summary), encoding="utf-8", newline="\n")
        folder_bytes = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
        _swap(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    tell("done", 1.0)
    return BuildSummary(
        name=network.area.name,
        content_id=network.content_id,
        seconds=time.perf_counter() - began,
        peak_memory_mb=peak_memory_mb(),
        folder_bytes=folder_bytes,
        **summary,
    )


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def read_source(source: str | Path, progress: Callable[[float], None]) -> tuple[Ways, Path]:
    """Read any kind of source into ways; the path says what it was called."""
    path = Path(source)
    lower = path.name.lower()
    known = (*osm.ENDINGS, *lines.ENDINGS, GRAPHML)
    if not path.exists():
        if isinstance(source, str) and path.name == source and (not path.suffix or " " in source):
            return graphs.read_place(source), path
        raise MapError(f"{path} does not exist. Give the path of an .osm.pbf, .osm or .geojson file.")
    if path.is_dir():
        raise MapError(f"{path} is a folder. Give the path of an .osm.pbf, .osm or .geojson file.")
    if path.stat().st_size == 0:
        raise MapError(f"{path} is empty. Fetch it again.")
    if lower.endswith(osm.ENDINGS):
        return osm.read_osm(path, progress), path
    if lower.endswith(lines.ENDINGS):
        return lines.read_lines(path), path
    if lower.endswith(GRAPHML):
        return graphs.read_graphml(path), path
    if lower.endswith(CHANGES):
        raise changes_alone(path)
    raise MapError(f"{path} has an ending this program does not know. It reads {', '.join(known)}.")


def assemble_named(ways: Ways, path: Path) -> Assembled:
    """`assemble`, with the source named in the error."""
    try:
        return assemble(ways)
    except MapError as error:
        raise MapError(f"{path}: {error}") from None


def _check_target(out: Path) -> None:
    if out.is_file():
        raise MapError(f"{out} is a file. Give the path of a folder for the map.")
    if out.is_dir() and any(out.iterdir()) and not (out / "area.toml").is_file():
        raise MapError(f"{out} is a folder with something else in it. Give the path of a new folder, or of a map.")


def _swap(work: Path, out: Path) -> None:
    """Put the finished folder in place; an older map leaves in the same breath."""
    if not out.exists():
        work.rename(out)
        return
    if (out / "profiles").is_dir():  # written by people, not by a build
        shutil.copytree(out / "profiles", work / "profiles")
    if (out / OWN_FILE).is_file():
        shutil.copy2(out / OWN_FILE, work / OWN_FILE)
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        out.rename(old / "old")
        work.rename(out)
    finally:
        if not out.exists() and (old / "old").exists():
            (old / "old").rename(out)
        shutil.rmtree(old, ignore_errors=True)


def _summary(network: RoadNetwork, ways: Ways, counts: Counter[str]) -> dict[str, Any]:
    single = network.edge_flags & EdgeFlag.TWIN == 0
    legal = single & (network.edge_flags & EdgeFlag.LEGAL != 0)
    main = single & (network.edge_flags & EdgeFlag.MAIN != 0)
    return {
        "ways": len(network.way_id),
        "junctions": network.junctions,
        "edges": network.edges - len(network.twins),
        "turns": network.turns,
        "kilometres": round(float(network.piece_length_m.sum(dtype=np.float64)) / 1000.0, 1),
        "main_share": round(float(main.sum() / max(1, legal.sum())), 4),
        **{f"restrictions_{outcome}": counts[f"restrictions_{outcome}"] for outcome in OUTCOMES},
        "twin_edges": len(network.twins),
        "maxspeed_share": round(float((network.way_maxspeed_kmh.max(axis=1) > 0).mean()), 4),
        "names_share": round(float((network.way_name > 0).mean()), 4),
        "reversible_ways": ways.left_out["reversible"],
        "closed_ways": ways.left_out["closed"],
        "odd_access_ways": ways.left_out["odd_access"],
        **{
            key: counts[key]
            for key in ("gates", "locked_barriers", "blocking_barriers", "barriers_on_crossings", "unknown_barriers")
        },
        "limited_ways": int(np.count_nonzero(network.way_limits.any(axis=1))),
        "limits_on_crossings": counts["limits_on_crossings"],
        "contraflow_edges": counts["contraflow_edges"],
        "set_aside": {reason: many for reason in SET_ASIDE if (many := ways.left_out[reason] + counts[reason])},
    }


def area_toml(network: RoadNetwork, summary: dict[str, Any]) -> str:
    """Text of `area.toml`: what the map is and where it comes from."""
    rows = [f"format = {FORMAT}", f"content_id = {_toml(network.content_id)}", "", "[area]"]
    rows += [f"{key} = {_toml(value)}" for key, value in asdict(network.area).items() if key != "summary"]
    rows += ["", "[summary]"]
    rows += [f"{key} = {_toml(value)}" for key, value in summary.items() if key not in NOT_STORED]
    return "\n".join(rows) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        # a JSON string is a TOML basic string, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
