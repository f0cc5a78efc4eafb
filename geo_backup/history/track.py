"""A unit's track: where its receiver was and when, and what the unit did meanwhile.

A track says what is known today of a time, late fixes among it; what was known then is asked of the past (`past`).
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from geo_backup.eventlog.reading import Reader
from geo_backup.events import Event, Fix
from geo_backup.geodesy import distance_m
from geo_backup.history.index import GROUND, Lookup
from geo_backup.history.packed import unpack
from geo_backup.live_map import GENERATION, LiveMap, Unit, apply
from geo_backup.live_map.extent import Extent, null_island
from geo_backup.live_map.fences import cross
from geo_backup.rules import FixRules

FIXES_MAX = 20_000
FACTS_MAX = 2_000
GROUND_MAX = 2_000
"""So many beats and closures, the newest, are looked at for what a track crosses."""


class Crossing(NamedTuple):
    """A unit entered or left a beat or a closure, `beat:ID` or `closure:ID`."""

    area: str
    entered: bool
    at_ms: int


class Track(NamedTuple):
    """Fixes in the order of their times, when each was received, and facts about the unit in that time."""

    fixes: list[Fix]
    received_ms: list[int]
    left_out: dict[str, int]
    """Fixes that say nothing of where it was, by reason: duplicate, null_island, future, inaccurate, jump."""
    next_ms: int | None
    """Where to go on; None: this is all."""
    facts: list[tuple[int, Event]]
    crossings: list[Crossing]


def track(
    reader: Reader, lookup: Lookup, unit_id: str, from_ms: int, to_ms: int, rules: FixRules, extent: Extent | None
) -> Track:
    """What the log has of a unit between two times (UTC epoch ms, both counted in), of `FIXES_MAX` fixes at most."""
    indexed = lookup.reached("fixes")
    hours = lookup.fixes(unit_id, from_ms, to_ms)
    fixes, received_ms = unpack(hours)
    late = reader.fixes_after(unit_id, indexed, from_ms, to_ms)
    if late:
        both = sorted([*zip(fixes, received_ms, strict=True), *((one.fix, one.received_ms) for one in late)])
        fixes, received_ms = [fix for fix, _ in both], [ms for _, ms in both]
    found = _sifted(fixes, received_ms, from_ms, to_ms, rules, extent)
    seqs = lookup.facts(f"unit {unit_id}", FACTS_MAX, reader.seq_at(from_ms - 1), reader.seq_at(to_ms))
    until = reader.seq_at(to_ms)
    ground = sorted(seq for kind in GROUND for seq in lookup.facts(f"kind {kind.__name__}", GROUND_MAX, until=until))
    return found._replace(facts=reader.facts_at(seqs), crossings=_crossings(reader.facts_at(ground), found))


def _sifted(
    fixes: list[Fix], received_ms: list[int], from_ms: int, to_ms: int, rules: FixRules, extent: Extent | None
) -> Track:
    kept: list[Fix] = []
    heard: list[int] = []
    left_out: Counter[str] = Counter()
    next_ms = None
    for n, fix in enumerate(fixes):
        if not from_ms <= fix.fix_ms <= to_ms:
            continue
        before = kept[-1] if kept else None
        why = _why_not(fix, received_ms[n], before, fixes[n + 1] if n + 1 < len(fixes) else None, rules, extent)
        if why is not None:
            left_out[why] += 1
            continue
        if len(kept) == FIXES_MAX:
            next_ms = fix.fix_ms
            break
        kept.append(fix)
        heard.append(received_ms[n])
    return Track(kept, heard, dict(sorted(left_out.items())), next_ms, [], [])


def _crossings(ground: list[tuple[int, Event]], found: Track) -> list[Crossing]:
    """What the fixes enter and leave of the beats and closures that stood then. In which they begin is no crossing."""
    if not ground:
        return []
    live_map, unit = LiveMap(generation=GENERATION), Unit("", "", "", "")
    live_map.units[""] = unit
    crossings: list[Crossing] = []
    rest = deque(ground)
    order = sorted(zip(found.received_ms, found.fixes, strict=True), key=lambda one: one[0])
    newest_ms, begun = 0, 0
    for heard_ms, fix in order:
        while rest and rest[0][1].received_ms <= heard_ms:
            apply(live_map, *rest.popleft())
        if fix.fix_ms <= newest_ms:  # late: it says nothing
            continue
        newest_ms = fix.fix_ms
        before = set(unit.inside)
        if cross(live_map, unit, fix, heard_ms) and begun >= 2:
            now = dict(zip(unit.inside, unit.inside_ms, strict=True))
            crossings += [Crossing(name, True, now[name]) for name in sorted(now.keys() - before)]
            crossings += [Crossing(name, False, fix.fix_ms) for name in sorted(before - now.keys())]
        begun += 1
    return crossings


def _why_not(
    fix: Fix, received_ms: int, before: Fix | None, after: Fix | None, rules: FixRules, extent: Extent | None
) -> str | None:
    if before is not None and fix.fix_ms == before.fix_ms:
        return "duplicate"
    if null_island(extent, fix.lon, fix.lat):
        return "null_island"
    if fix.fix_ms > received_ms + rules.future_ms:
        return "future"
    if fix.accuracy_m is not None and fix.accuracy_m > rules.accuracy_max_m:
        return "inaccurate"
    # alone between two that agree with each other
    if before is not None and after is not None and _leaps(before, fix, rules) and _leaps(fix, after, rules):
        return "jump" if not _leaps(before, after, rules) else None
    return None


def _leaps(one: Fix, other: Fix, rules: FixRules) -> bool:
    seconds = max(other.fix_ms - one.fix_ms, 1_000) / 1000.0
    # a degree is 111 km: most steps are told apart without any trigonometry
    if max(abs(other.lon - one.lon), abs(other.lat - one.lat)) * 111_195.0 < 0.5 * rules.jump_mps * seconds:
        return False
    return float(distance_m(one.lon, one.lat, other.lon, other.lat)) / seconds > rules.jump_mps
