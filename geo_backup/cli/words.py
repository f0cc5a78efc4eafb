"""What the commands say to a person, and how a number is shown to one: another language is another file like this.

Nothing is printed here. What goes to a program (`--json`) has no words, and a refusal is worded where it is decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from geo_backup.wording import so_many

if TYPE_CHECKING:
    from geo_backup.audit.verify import Report
    from geo_backup.client import World
    from geo_backup.places import Answer
    from geo_backup.places.own import OwnPlace

# ---- what a bar says of long work

BUILDING = "reading"
COMPILING = "Compiling for this machine, once"
DRIVE_TIMES = "drive times"
MATCHING = "match"
VERIFYING = "verify"


def replaying(url: str) -> str:
    return f"replay to {url}"


# ---- values


def minutes(seconds: float | None) -> str:
    """Minutes and seconds; nothing for an unknown time."""
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def rows(title: str, values: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    table = Table(title=title, show_header=False)
    for name, value in values.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), text)
    return table


# ---- maps


def none_on_road(area: str) -> str:
    return f"no fix is on a road of the map of {area}: is it the map of where the tracks were recorded?"


def built(name: str, out: Path) -> str:
    return f"{name} -> {out}"


def places_built(folder: Path, streets: int, crossings: int) -> str:
    return f"{folder}: {streets:,} streets and {crossings:,} crossings; its roads have no house numbers"


def address_unsure(address: str, answer: Answer) -> str:
    """Why a place was not put where its address is."""
    if not answer.found:
        return f"{address!r} was not found on this map; give lon and lat"
    nearest = answer.found[0].name
    return f"{address!r} is not surely {nearest!r} on this map; give lon and lat"


def row_refused(line: int, why: str) -> str:
    return f"line {line}: {why}"


def own_added(new: int, replaced: int, refused: int, now: int) -> str:
    left_out = f", {refused:,} left out" if refused else ""
    return f"{new:,} places added, {replaced:,} replaced{left_out}; {now:,} own places on this map"


def own_removed(gone: int, left: int) -> str:
    return f"{gone:,} own places removed, {left:,} left"


def own_places(places: Sequence[OwnPlace]) -> Table | str:
    """The agency's own places."""
    if not places:
        return "no own places on this map; `geo-backup places add FILE` adds some"
    table = Table("id", "kind", "name", "lon", "lat", "hazard")
    for one in places:
        table.add_row(*(escape(text) for text in (one.place_id, one.kind, one.name)), f"{one.lon:.5f}",
                      f"{one.lat:.5f}", escape(one.hazard))  # fmt: skip
    return table


MATCHES = {"exact": "", "close": "a letter differs", "part": "not understood: "}
MISSING = {
    "": "",
    "house_number": "this house number is not on the map: its street",
    "house_numbers": "the map has no house numbers here: the street",
    "crossing": "they do not meet: where they come nearest",
    "exit": "no such exit on this map",
    "post": "no such kilometre post on this map: the road",
}
PRECISIONS = {"point": "", "between": "worked out", "near": "the nearest that is known", "street": "", "area": ""}


def found(text: str, answer: Answer) -> Table | str:
    """What was found, for a person."""
    if not answer.found:
        return f"nothing found for {text!r}"
    table = Table("place", "town", "lon", "lat", "but", title="several may be meant" if answer.ambiguous else None)
    for one in answer.found:
        doubt = (MATCHES[one.matched] + " ".join(one.unknown_words), MISSING[one.missing], PRECISIONS[one.precision])
        name = one.name + "".join(f" ({more})" for more in (one.also, one.beside) if more)
        told = [f"[bold red]{escape(one.hazard)}[/]"] if one.hazard else []
        table.add_row(
            escape(name), escape(one.town), f"{one.lon:.5f}", f"{one.lat:.5f}",
            "; ".join([*told, *(escape(part) for part in doubt if part)]),
        )  # fmt: skip
    return table


def set_aside(counts: Mapping[str, int] | None) -> str:
    """What a build did not take as it stands in the source, and why."""
    from geo_backup.cartography.ways import SET_ASIDE

    if counts is None:
        return "not counted when this map was built"
    return "; ".join(f"{count:,} {SET_ASIDE.get(reason, reason)}" for reason, count in counts.items()) or "nothing"


def checked(tiles: bool) -> str:
    return "the arrays are as they were built" + (", every tile can be read" if tiles else "")


def traffic_files(matched: bool) -> str:
    if matched:
        return "can be matched"
    return "cannot be matched: no OpenStreetMap node ids, as only .osm.pbf and .osm sources have them"


# ---- logs


def verified(report: Report) -> Iterator[str]:
    skipped = f", {report.skipped} of another version left out" if report.skipped else ""
    purged = f", {report.purged} were made from positions that are purged" if report.purged else ""
    events, rankings = so_many(report.events, "event"), so_many(report.rankings, "recorded ranking")
    rest = f"{so_many(report.decisions, 'decision')} and {so_many(report.checkpoints, 'checkpoint')}"
    yield f"{events}, {rankings}, {rest} compared{skipped}{purged}"
    yield from (f"WRONG: {line}" for line in report.wrong)
    yield f"{'DIFFERENT' if report.wrong else 'equal'}; live map {report.digest[:16]}"


def chained(words: str) -> str:
    return f"chain: {words} (`geo-backup audit verify` says more)"


def worked_out_again(same: bool) -> str:
    return "Worked out again from its inputs: " + ("the same to the last digit." if same else "DIFFERENT.")


# ---- calls

NOBODY_SENT = "incident to which nobody was sent"


def calls_of(area: str, calls: int) -> str:
    return f"{area}, {calls:,} calls"


def held_back(past: int, later: int, places: int, cell_m: float) -> str:
    return f"{past:,} past calls, {later:,} held back, {places:,} places of {cell_m} m"


def forecast(scores: Mapping[str, Mapping[str, float]]) -> Table:
    """Accuracy indices by the share of the area that is forecast highest."""
    table = Table("share of area", "forecast by hour", "map of all hours", "map by hour")
    for share, one in scores.items():
        table.add_row(share, *(f"{one[name]:.2f}" for name in ("forecast", "count_map", "count_map_by_hour")))
    return table


def left_out(why: str, count: int) -> str:
    return f"left out, {why}: {count:,}"


def taught(calls: int, demand_id: str) -> str:
    return f"the server expects calls as these {calls:,} were: {demand_id}"


# ---- servers


def making_ready(area: str, edges: int) -> str:
    return f"{area}: {edges:,} directed edges. Making ready (the first start compiles) ..."


def ready(url: str, what: str, mode: str) -> str:
    return f"[bold green]{url}[/]  {what} ({mode}). Ctrl-C ends it."


def open_manner(why: str) -> str:
    return f"[yellow]Open:[/] {why}."


def simulated(units: int) -> str:
    return f"{units} simulated patrol units"


def replayed(tracks: int, speed: float) -> str:
    return f"{tracks} recorded tracks at {speed:g} x"


def played(path: Path, speed: float) -> str:
    """Of a log that is played."""
    return f"{path.name} is played, {speed:g} times as fast as it was; what was is not changed"


def kept_in(log: str) -> str:
    return f"log {log}"


def traffic(loaded: Mapping[str, Any] | None) -> str:
    """Which measured speeds hold now."""
    if loaded is None:
        return "no measured speeds hold any more"
    return (
        f"{loaded['rows_matched']:,} of {loaded['rows']:,} rows lie on {loaded['edges']:,} directed edges, "
        f"{loaded['edges_closed']:,} of them closed; they hold since {loaded['loaded_time']}"
    )


def world(now: World) -> Table:
    """Open incidents, who is on them, and who reaches them first."""
    link = now.mode if now.connected else "LINK LOST, coming back"
    table = Table(title=f"{now.area.get('name', '')}  {link}  seq {now.seq}  {so_many(len(now.units), 'unit')}")
    for heading in ("incident", "P", "on it", "first", "ETA", "next"):
        table.add_column(heading)
    for incident_id, incident in now.incidents.items():
        ranking = now.rankings.get(incident_id, {"candidates": [], "assigned": []})
        best = [f"{row['unit_id']} {minutes(row['eta_s'])}" for row in ranking["candidates"][:4]]
        on_it = ", ".join(
            f"{row['unit_id']} {row['state']} {minutes(row['eta_s'])}".rstrip() for row in ranking["assigned"]
        )
        name, _, eta = best[0].partition(" ") if best else ("nobody", "", "")
        table.add_row(incident_id, str(incident["priority"]), on_it, name, eta, ", ".join(best[1:]))
    return table


def handover(found: Mapping[str, Any]) -> Iterator[str | Table]:
    """The hand-over of a shift, as one reads it out."""
    yield f"hand-over as of {found['as_of_time']}, of the shift since {found['since_time']}"
    incidents = Table(title="open incidents")
    for heading in ("incident", "priority", "kind", "place", "opened", "units"):
        incidents.add_column(heading)
    for one in found["incidents"]:
        on_it = [f"{part['unit_id']} {part['state']}" for part in one["assignments"]]
        place = one["place"] or f"{one['lat']:.5f}, {one['lon']:.5f}"
        drill = " (exercise)" if one["exercise"] else ""
        cells = (one["incident_id"] + drill, str(one["priority"]), one["kind"], place, one["opened_time"])
        incidents.add_row(*map(escape, (*cells, ", ".join(on_it) or "nobody")))
    yield incidents
    units = Table(title="units")
    for heading in ("unit", "agency", "status", "since", "incident", "where", "position"):
        units.add_column(heading)
    for one in found["units"]:
        where = "unknown" if one["lon"] is None else f"{one['lat']:.5f}, {one['lon']:.5f}"
        cells = (one["callsign"], one["agency"], one["status"], one["status_time"], one["incident_id"] or "")
        units.add_row(*map(escape, (*cells, where, one["freshness"])))
    yield units
    for one in found["promised"]:
        yield f"promised: {one['unit_id']} to {one['incident_id']} by {one['promised_time'] or 'nobody knows when'}"
    for one in found["closures"]:
        yield f"closed: {one['closure_id']} {one['reason']} {', '.join(one['streets'])}".rstrip()
    for one in found["plans"]:
        yield f"plan: {one['name']}, {one['state']}"
    for one in found["timers"]:
        seen = f", seen to by {one['acknowledged']['by']}" if one["acknowledged"] else ""
        yield f"missed: {one['rule']} {one['unit_id'] or ''} of {one['incident_id']} since {one['due_time']}{seen}"
    yield f"ended in the shift: {len(found['finished']):,}{' or more' * found['finished_more']}"
