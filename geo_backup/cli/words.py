"""What the commands say to a person, and how a number is shown to one: another language is another file like this.

Nothing is printed here. What goes to a program (`--json`) has no words, and a refusal is worded where it is decided.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.markup import escape
from rich.table import Table

from geo_backup.wording import so_many

if TYPE_CHECKING:
    from geo_backup.audit.etas import EtaReport
    from geo_backup.audit.verify import Report
    from geo_backup.client import World
    from geo_backup.places import Answer
    from geo_backup.places.own import OwnPlace

# ---- what a bar says of long work

BUILDING = "reading"
COMPILING = "Compiling for this machine, once"
DRIVE_TIMES = "drive times"
EXPORTING = "writing"
MATCHING = "finding the roads that were driven"
LEARNING = "learning, drive by drive"
VERIFYING = "verify"
READING = "reading the log"
BROKER_FLOOR = "the bare broker"
STARTING = "starting a server"


def loading(url: str) -> str:
    return f"load on {url}"


def replaying(url: str) -> str:
    return f"replay to {url}"


# ---- values


def minutes(seconds: float | None) -> str:
    """Minutes and seconds; nothing for an unknown time."""
    return "" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def exported(file: str, total: int) -> str:
    """What was exported."""
    if not total:
        return f"{file}: no fix of these units in this time; nothing but the head was written"
    return f"{file}: {total:,} {'fix' if total == 1 else 'fixes'}"


def rows(title: str, values: Mapping[str, Any]) -> Table:
    """A table of names and values."""
    table = Table(title=title, show_header=False)
    for name, value in values.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), text)
    return table


# ---- what drives teach


def drives_taken(drives: int, others: int, seconds: float) -> str:
    left = f"; {so_many(others, 'track')} left out: too few fixes, off the roads, leaps, ahead of now" if others else ""
    return f"{so_many(drives, 'drive')}, {seconds / 3600:,.1f} hours on the way{left}"


def foretold(levels: Mapping[str, Mapping[str, Any]]) -> Table:
    """How well drives would have been foretold, level by level."""
    table = Table(
        "by", "drives", "median error %", "mean error s", "bias s", "P90 of error s", "within the 80 %", "under the P90"
    )
    for name, row in levels.items():
        if row["drives"]:
            table.add_row(
                name, f"{row['drives']:,}", f"{row['median_ape']:.1f}", f"{row['mae_s']:.0f}", f"{row['bias_s']:+.0f}",
                f"{row['p90_abs_s']:.0f}", f"{row['coverage_80']:.0%}", f"{row['share_under_p90']:.0%}",
            )  # fmt: skip
    return table


def learned(said: Sequence[Mapping[str, Any]]) -> Table:
    """How many times slower than the profile says, and by what evidence."""
    table = Table("", "times slower than the profile says", "evidence s")
    for row in said:
        table.add_row(f"{row['level']}: {row['of']}", f"{row['times']:.2f}", f"{row['evidence_s']:,}")
    return table


def model_written(path: Path) -> str:
    return f"learned: {path}"


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


AREAS_SHOWN = 12
GROUP_WORDS = {"trust": "spread", "told": "time of the"}
BAR = 40


def etas_of(found: EtaReport) -> str:
    """Which times a report is of."""
    if not found.all["drives"]:
        return "no time that was told can be held against an arrival"
    days = sorted({str(time)[:10] for time in (found.first, found.last)})
    return f"{so_many(found.all['drives'], 'drive')}, {' to '.join(days)}"


def etas(found: EtaReport) -> Iterator[str | Table]:
    """How good the times were that were told, for a terminal of 80 columns."""
    yield f"{so_many(found.events, 'event')}; {etas_of(found)}; hours of {found.timezone}"
    if found.all["drives"]:
        yield _etas_by(found)
        yield _held(found)
        yield "errors are told minus taken: with a bias below 0 units came later than told"
    if found.left_out:
        yield "left out: " + ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in found.left_out.items())


def _etas_by(found: EtaReport) -> Table:
    table = Table(padding=(0, 1, 0, 0))
    for name in ("", "drives", "median\nerror %", "mean\nerror s", "bias\ns", "P90 of\nerror s", "in the\n80 %",
                 "under\nP90"):  # fmt: skip
        table.add_column(name, justify="right" if name else "left", overflow="fold")

    def add(name: str, row: Mapping[str, Any]) -> None:
        table.add_row(
            escape(name), f"{row['drives']:,}", f"{row['median_ape']:.1f}", f"{row['mae_s']:.0f}",
            f"{row['bias_s']:+.0f}", f"{row['p90_abs_s']:.0f}", f"{row['coverage_80']:.0%}",
            f"{row['share_under_p90']:.0%}",
        )  # fmt: skip

    add("all", found.all)
    for group, by in found.by.items():
        table.add_section()
        shown = list(by.items())[: AREAS_SHOWN if group == "area" else None]
        for name, row in shown:
            add(f"{GROUP_WORDS.get(group, group)} {name}", row)
        if len(shown) < len(by):
            table.add_row(f"{len(by) - len(shown):,} more areas", "")
    return table


def _held(found: EtaReport) -> Table:
    """What intervals held, as bars; `|` is where each should end."""
    table = Table("said to\nhold", "held", "", padding=(0, 1, 0, 0))
    for row in found.calibration:
        bar = list("█" * round(BAR * row["held"]) + " " * BAR)[: BAR + 1]
        bar[round(BAR * row["said"])] = "|"
        table.add_row(f"{row['said']:.0%}", f"{row['held']:.0%}", "".join(bar))
    return table


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
    return f"[bold green]{url}[/]  {what}{'' if mode in what else f' ({mode})'}. Ctrl-C ends it."


def open_manner(why: str) -> str:
    return f"[yellow]Open:[/] {why}."


def simulated(units: int) -> str:
    return f"{units} simulated units"


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


def quarantine(found: Mapping[str, Any]) -> Iterator[str]:
    """The messages that were set aside, the newest first, those alike together; what strangers sent steers no
    terminal."""

    def shown(text: str) -> str:
        return "".join(one if one.isprintable() else " " for one in text)

    rows = found["quarantine"]
    if not rows:
        yield "nothing was set aside: every message of a tracker could be used"
        return
    yield f"the last {len(rows):,} of {so_many(found['total'], 'message')} that nobody could use"
    alike: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        alike.setdefault((row["way"], row["device"], row["reason"]), []).append(row)
    for (way, device, reason), those in alike.items():
        times = "" if len(those) == 1 else f", {len(those)} times"
        yield f"\n{those[0]['at_time'][:19]}Z  {way}  {shown(device) or '(without a name)'}{times}"
        yield f"  {shown(reason)}"
        yield f"  {shown(those[0]['message'][:160])}"


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


def handover(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """The hand-over of a shift as one reads it out, by the clock of the map, in lines of at most `width` letters."""
    for text in _handed_over(found):
        indent = " " * (len(text) - len(text.lstrip()))
        plain = "".join(letter if letter.isprintable() else " " for letter in text)  # a note steers no terminal
        yield textwrap.fill(
            plain, width, subsequent_indent=f"{indent}    ", break_long_words=False, break_on_hyphens=False
        )


def _handed_over(found: Mapping[str, Any]) -> Iterator[str]:
    zone = ZoneInfo(found["timezone"])
    now = datetime.fromisoformat(found["as_of_time"]).astimezone(zone)

    def clock(time: str) -> str:
        at = datetime.fromisoformat(time).astimezone(zone)
        return f"{at:%H:%M}" if at.date() == now.date() else f"{at.day} {at:%b %H:%M}"

    shared = Counter(one["callsign"] for one in found["units"])
    calls = {
        one["unit_id"]: one["callsign"] if shared[one["callsign"]] == 1 else f"{one['callsign']} ({one['unit_id']})"
        for one in found["units"]
    }
    sent = {one["unit_id"]: one["state"] for one in found["promised"] if not one["exercise"]}
    titles = {one["incident_id"]: _title(one, calls) for one in (*found["incidents"], *found["finished"])}

    def call(unit_id: str) -> str:
        return calls.get(unit_id, unit_id)

    def on(incident_id: str) -> str:
        return titles.get(incident_id, incident_id)

    shift = f"the shift since {clock(found['since_time'])}"
    yield f"Hand-over, {now:%A} {now.day} {now:%B %H:%M} ({found['timezone']}); {shift}"
    yield ""
    yield f"OPEN INCIDENTS: {len(found['incidents'])}"
    promised = {(one["incident_id"], one["unit_id"]): one["promised_time"] for one in found["promised"]}
    for one in found["incidents"]:
        level = f", alarm {one['level']}" if one["level"] > 1 else ""
        yield f"  P{one['priority']} {on(one['incident_id'])}, since {clock(one['opened_time'])}{level}"
        for part in one["assignments"]:
            if part["state"] in ("cleared", "cancelled"):
                continue
            by = promised.get((one["incident_id"], part["unit_id"]))
            there = f", to be there {clock(by)}" if by else ""
            yield f"    {call(part['unit_id'])}: {_code(part['state'])} {clock(part['at'])}{there}"
        if not any(part["state"] not in ("cleared", "cancelled") for part in one["assignments"]):
            yield "    nobody is on it"
        for note in ({"text": one["note"]}, *one["notes"]):
            said = f"{clock(note['at'])} {note['by'].removeprefix('person:')}: " if "at" in note else ""
            if note["text"]:
                yield f"    {said}{' '.join(note['text'].split())}"
    yield ""
    yield f"OVERDUE: {len(found['timers'])}"
    for one in found["timers"]:
        seen = one["acknowledged"]
        who = call(one["unit_id"]) if one["unit_id"] else "somebody"
        what = _MISSED[one["rule"]].format(unit=who, since=clock(one["since"]))
        about = f"; {on(one['incident_id'])}" if one["incident_id"] else ""
        yield f"  {what}{about}" + (f" (seen to by {seen['by']} {clock(seen['at'])})" if seen else "")
    yield ""
    yield f"CLOSED ROADS: {len(found['closures'])}"
    for one in found["closures"]:
        what = ", ".join(part for part in (one["reason"], *one["streets"][:3]) if part) or "a road without a name"
        until = f", until {clock(one['valid_to'])}" if one["valid_to"] else ""
        yield f"  {what}{until}{', sirens pass' if one['applies_to'] == 'routine' else ''}"
    yield ""
    yield f"PLANS: {len(found['plans'])}"
    for one in found["plans"]:
        yield f"  {one['name']}: {one['state']}, there by {clock(one['arrive_by'])}, until {clock(one['ends'])}"
    yield ""
    yield f"UNITS: {len(found['units'])}"
    for one in sorted(found["units"], key=lambda unit: (unit["incident_id"] is None, unit["status"], unit["callsign"])):
        where = one["place"] or ("" if one["lon"] is None else f"{one['lat']:.5f}, {one['lon']:.5f}")
        old = {"live": "", "delayed": ""}.get(one["freshness"], f" ({_seen(one, clock)})")
        work = f" for {on(one['incident_id'])}" if one["incident_id"] else ""
        place = f"; {where}" if where else ""
        doing = sent.get(one["unit_id"], one["status"]) if one["status"] in AT_HAND else one["status"]
        yield f"  {call(one['unit_id'])}: {_code(doing)} since {clock(one['status_time'])}{work}{place}{old}"
    yield ""
    yield f"ENDED IN THE SHIFT: {len(found['finished'])}{' or more' * found['finished_more']}"
    for one in found["finished"]:
        ended = f", ended {clock(one['closed_time'])}" if one["closed_time"] else ""
        yield f"  P{one['priority']} {on(one['incident_id'])}, {clock(one['opened_time'])}{ended}"


AT_HAND = ("available", "on_station", "returning")
"""What a unit says of itself while it could be sent; once it is sent, that counts."""
_MISSED = {
    "acknowledge": "{unit} was sent {since} and has not answered",
    "late": "{unit} was sent {since} and should be there",
    "welfare": "{unit} is on scene without a word since {since}",
    "unattended": "nobody is there since {since}",
    "message": "{unit} has not answered an urgent message of {since}",
}


def _code(code: str) -> str:
    return code.replace("_", " ")


def _seen(unit: Mapping[str, Any], clock: Callable[[str], str]) -> str:
    return "never seen" if unit["fix_time"] is None else f"last seen {clock(unit['fix_time'])}"


def _title(incident: Mapping[str, Any], calls: Mapping[str, str]) -> str:
    """What an incident is and where, in few words."""
    where = incident["place"] or (f"{incident['lat']:.5f}, {incident['lon']:.5f}" if incident["place_known"] else "")
    what = "OFFICER IN DANGER" if incident["emergency"] is not None else incident["kind"]
    asks = calls.get(incident["for_unit_id"] or "", "")
    drill = "EXERCISE" if incident["exercise"] else ""
    return ", ".join(part for part in (drill, what, asks, where) if part) or incident["incident_id"]


def not_learned(error: str) -> str:
    """A file of what was learned cannot be used."""
    return f"Arrival times are not learned from it: {error}"


def learned_before(profile: str, seconds: float, drives: int) -> str:
    """What lies beside the map."""
    return (
        f"Recorded drives have taught times by {profile} ({seconds / 3600:,.1f} hours of driving, "
        f"{so_many(drives, 'drive')}): a log that knows nothing of it begins with that."
    )


def copying(url: str) -> str:
    return f"Copying the log of {url}"


def joining(address: object) -> str:
    return f"Joining {address}"


def change_on_leader(leader: str) -> str:
    return f"This log is shared: {leader} leads, and what is changed elsewhere is overwritten. Change people there."


def joined(address: object, replicas: int, nodes: list[str]) -> str:
    servers = f"{replicas} NATS servers" if replicas > 1 else "one NATS server alone"
    return f"Log {address}, on {servers}; nodes: {', '.join(nodes)}"


def set_apart(path: Path) -> str:
    return f"The former log lies in {path}; `geo-backup export` and `geo-backup log` read it."


def leads(found: Mapping[str, Any]) -> str:
    return f"{found['name']} leads, term {found['term']}, from event {found['seq']:,} on."


def witnesses(url: str) -> str:
    return f"Witness at {url}. Both machines take --witness {url}. Ctrl-C ends it."


def unacknowledged(why: str) -> str:
    return f"{why}; nobody was told that they are recorded."
