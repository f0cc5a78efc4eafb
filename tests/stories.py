"""Events for tests: generated ones of every kind, and short words for telling a timeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import strategies as st

from geo_backup import events as ev
from geo_backup.events import Event, Fix, Member, Need, PositionReported, Post
from geo_backup.live_map import Delta, LiveMap, apply
from geo_backup.roads.pace import Lesson
from geo_backup.wire.facts import KINDS

T0 = 1_700_000_000_000

_IDS = st.sampled_from(["P1", "P2", "P3", "i1", "i2", "c1"])
_MS = st.integers(T0, T0 + 300_000)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_RULES = st.dictionaries(
    st.sampled_from(["fix", "arrival", "limit", "weather"]),
    st.dictionaries(
        st.sampled_from(["jump_mps", "jump_fixes", "kept", "for_ms", "units"]),
        st.integers(0, 100) | st.floats(0, 100) | st.just("many"),
        max_size=2,
    ),
    max_size=2,
)
_FIXES = st.builds(
    Fix,
    st.integers(T0, T0 + 300_000),
    st.sampled_from([11.97, 11.9701, 11.9702, 12.3]),
    st.sampled_from([57.70, 57.7001, 58.0]),
    st.none() | st.sampled_from([0.0, 0.5, 12.0]),
    st.none() | st.just(90.0),
    st.none() | st.sampled_from([5.0, 900.0]),
)


_LESSONS = [
    Lesson(*(np.array(column, np.int64) for column in columns)).packed()
    for columns in ([[], [], []], [[8, 1 << 32], [90_000, 60_000], [60_000, 60_000]])
]


def _values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name == "plan_id" and hint is str:
        return st.sampled_from(["e1", "e2"])
    if name.endswith("_id") or name == "replaces":
        return _IDS if hint is str else st.none() | _IDS
    if name == "packed":
        return st.sampled_from(_LESSONS) | st.text(max_size=8)
    if name == "rules":
        return _RULES
    if name in ("geometry", "beats"):
        return st.dictionaries(st.text(max_size=5), _JSON, max_size=3)
    if hint is Fix:
        return _FIXES
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if type(None) in get_args(hint):
        inner = [arg for arg in get_args(hint) if arg is not type(None)]
        return st.none() | _values(name, inner[0])
    if hint is int:
        return _MS if name.endswith("_ms") else st.integers(0, 9)
    if hint is float:
        return st.floats(-180, 180)
    if hint is bool:
        return st.booleans()
    if hint is str:
        return st.text(max_size=8)
    if hint == tuple[float, float]:
        return st.tuples(st.floats(-180, 180), st.floats(-90, 90))
    if hint == tuple[float, float, float, float]:
        return st.tuples(*[st.floats(-180, 180)] * 4)
    if hint == tuple[str, ...]:
        return st.lists(st.text(max_size=5), max_size=3).map(tuple)
    if hint == tuple[int, ...]:
        return st.lists(st.integers(-5, 5), max_size=3).map(tuple)
    if hint == tuple[Need, ...]:
        need = st.builds(
            Need,
            st.text(max_size=5),
            st.integers(1, 5),
            st.sampled_from(["must", "want"]),
            _values("", tuple[str, ...]),
        )
        return st.lists(need, max_size=3).map(tuple)
    if hint == tuple[Member, ...]:
        return st.lists(st.builds(Member, _values("", tuple[str, ...]), st.text(max_size=3)), max_size=3).map(tuple)
    if hint == tuple[Post, ...]:
        post = st.builds(
            Post,
            _IDS,
            st.floats(-180, 180),
            st.floats(-90, 90),
            _values("", tuple[Need, ...]),
            st.none() | _MS,
            st.floats(0, 1e3),
        )
        return st.lists(post, max_size=3).map(tuple)
    if hint == tuple[tuple[str, int], ...]:
        return st.lists(st.tuples(_IDS, st.integers(0, 10**6)), max_size=3).map(tuple)
    if hint == tuple[tuple[str, str, int], ...]:
        return st.lists(st.tuples(_IDS, _IDS, st.integers(0, 10**6)), max_size=3).map(tuple)
    raise TypeError(f"no values for {name}: {hint}")


def event_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Well-typed events of one kind, over few ids, so that they meet each other."""
    hints = get_type_hints(kind)
    made = {}
    for f in fields(kind):
        values = _values(f.name, hints[f.name])
        if f.name == "event_id":
            values = st.just("") if kind is PositionReported else st.text(max_size=4)
        made[f.name] = values if f.default is MISSING else st.just(f.default) | values
    return st.builds(kind, **made)


def any_event() -> st.SearchStrategy[Event]:
    """Well-typed events of every kind."""
    return st.one_of([event_of(kind) for kind in KINDS.values()])


def any_story() -> st.SearchStrategy[list[Event]]:
    """A unit, an incident, and then anything."""
    start = [unit("P1"), unit("P2"), opened("i1")]
    return st.lists(any_event(), max_size=40).map(lambda rest: [*start, *rest])


def desk_story() -> st.SearchStrategy[list[Event]]:
    """What a desk thinks out beforehand, so much of it that plans are made, approved, begun, cancelled and made anew,
    and beats and demand change under them; and now and then anything."""
    plans = [event_of(kind) for kind in (ev.PlanMade, ev.PlanApproved, ev.PlanActivated, ev.PlanCancelled)]
    # demand has an id that is made of it: any other is refused
    demand = st.builds(
        lambda ms, packed: ev.DemandAdopted(received_ms=ms, packed=packed, demand_id=ev.speeds_id(packed)),
        _MS,
        st.text(max_size=8),
    )
    facts = st.one_of(*plans, event_of(ev.BeatsAdopted), demand, any_event())
    return st.lists(facts, min_size=10, max_size=40).map(lambda rest: [unit("P1"), opened("i1"), *rest])


def fold(story: Iterable[Event], live_map: LiveMap | None = None) -> LiveMap:
    """The live map after a story."""
    live_map = live_map if live_map is not None else LiveMap()
    for event in story:
        apply(live_map, live_map.seq + 1, event)
    return live_map


def tell(live_map: LiveMap, *story: Event) -> list[str | None]:
    """Fold a story on and answer why each event was ignored, None where it was not."""
    return [told(live_map, event).ignored for event in story]


def told(live_map: LiveMap, event: Event) -> Delta:
    """Fold one event on."""
    return apply(live_map, live_map.seq + 1, event)


def unit(unit_id: str, s: float = 0.0) -> ev.UnitRegistered:
    """A patrol unit exists from second `s`."""
    return ev.UnitRegistered(received_ms=ms(s), unit_id=unit_id, callsign=unit_id, agency="police", kind="patrol")


def opened(incident_id: str, s: float = 0.0, **more: Any) -> ev.IncidentOpened:
    """An incident at 11.97, 57.70."""
    return ev.IncidentOpened(
        **{  # type: ignore[arg-type]
            "received_ms": ms(s),
            "incident_id": incident_id,
            "lon": 11.97,
            "lat": 57.70,
            "priority": 2,
            **more,
        }
    )


def ping(unit_id: str, s: float, north_m: float = 0.0, *, late_s: float = 0.2, **more: Any) -> PositionReported:
    """A fix of second `s`, so far north of 11.97, 57.70, received `late_s` after."""
    fix = Fix(ms(s), 11.97, 57.70 + north_m / 111_195.0, **more)
    return PositionReported(received_ms=ms(s + late_s), said_by="avl", unit_id=unit_id, fix=fix)


def part(incident_id: str, unit_id: str, state: ev.AssignmentState, s: float, **more: Any) -> ev.AssignmentChanged:
    """A unit's part in an incident becomes `state` at second `s`."""
    return ev.AssignmentChanged(
        received_ms=ms(s), incident_id=incident_id, unit_id=unit_id, state=state, at_ms=ms(s), **more
    )


def status(unit_id: str, value: ev.UnitStatus, s: float) -> ev.UnitStatusChanged:
    """A unit says its status at second `s`."""
    return ev.UnitStatusChanged(received_ms=ms(s), said_by="unit", unit_id=unit_id, status=value, at_ms=ms(s))


def ms(s: float) -> int:
    """Second `s` of the story in UTC epoch ms."""
    return T0 + round(s * 1000)
