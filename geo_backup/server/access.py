"""Who may do what: the one table of roles, and of what each route and each topic of the feed asks for.

A route without a row here stops the server from being made, so that nothing is ever open for want of a thought.
`ACCESS.md` beside this file shows the table as people read it; a test holds the two together.

A grant has a reach. `all`: whatever one sees (see `sight`), of one's own agency where it changes something. `own`: the
units that one speaks for, and what these are on.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from geo_backup.live_map import LiveMap
from geo_backup.people import ROLES, Principal, Role
from geo_backup.people.principal import CENTRE
from geo_backup.people.sight import Sight

Right = Literal[
    "look",
    "look_ahead",
    "look_around",
    "look_back",
    "drive_times",
    "report",
    "press",
    "take",
    "answer",
    "respond",
    "dispatch",
    "close_roads",
    "traffic",
    "clear",
    "empty_beat",
    "lead",
    "fleet",
    "setup",
    "steer",
    "read_log",
    "measure",
    "promote",
    "stand_in",
]
Reach = Literal["all", "own"]
IN_BODIES: Mapping[str, str] = MappingProxyType(
    {"clear": "`clear_emergency` as a supervisor", "empty_beat": "`assign_unit` of such a unit"}
)
"""What rights open that depends on what a request says."""
ON_LINES: Mapping[str, str] = MappingProxyType({"stand_in": "the websocket `/v1/pair/line`"})
"""What rights open that is no operation."""
Refused = tuple[int, str, list[dict[str, str]]]
"""Status, words, and errors as problem documents have them."""
NOT_SIGNED_IN = (
    "say who you are: sign in on the page, or send a token as `Authorization: Bearer ...` "
    "(`geo-backup tokens issue` makes one)"
)


class Words(NamedTuple):
    """A right as people read it."""

    what: str


RIGHTS: Mapping[Right, Words] = MappingProxyType(
    {
        "look": Words("see units, incidents, emergencies and rankings"),
        "look_ahead": Words("see decisions, cover, staging and plans"),
        "look_around": Words(
            "find and name places, see closures, traffic, pace, rules, beats, run cards and agreements"
        ),
        "look_back": Words(
            "see tracks of units, what happened in incidents, the map as it was, and the hand-over of a shift"
        ),
        "drive_times": Words("ask for ETAs and routes between places"),
        "report": Words("report positions"),
        "press": Words("declare an officer's emergency"),
        "respond": Words("set a unit's status, crew and progress, end its emergency with its word"),
        "answer": Words("say that a unit has been shown a message, or knows it"),
        "take": Words("acknowledge an emergency or a timer"),
        "dispatch": Words("open, change and close incidents, ask for backup, send units, make and begin plans"),
        "close_roads": Words("close roads and open them again"),
        "traffic": Words("load and clear measured speeds"),
        "clear": Words("end another's emergency, with a reason"),
        "empty_beat": Words("send the last free unit of a beat to a call of priority 3 or lower"),
        "lead": Words("approve plans and mutual aid"),
        "fleet": Words("register, hide and retire units, set their words"),
        "setup": Words("change rules, beats, demand and agreements"),
        "steer": Words("play, pause and seek a replay"),
        "read_log": Words("read the log: without tracks; for an analyst late, and under other names"),
        "measure": Words("read the metrics"),
        "promote": Words("have the other machine of a pair lead"),
        "stand_in": Words("copy the whole log, who may speak here included, and stand in for this server"),
    }
)

_LOOKING: Mapping[Right, Reach] = dict.fromkeys(("look", "look_ahead", "look_around", "drive_times"), "all")
_DESK: Mapping[Right, Reach] = {
    **_LOOKING,
    **dict.fromkeys(
        ("report", "press", "respond", "answer", "take", "dispatch", "close_roads", "traffic", "steer", "look_back"),
        "all",
    ),
}
GRANTS: Mapping[Role, Mapping[Right, Reach]] = MappingProxyType(
    {
        "device": {"report": "own", "press": "own", "answer": "own"},
        "field_unit": {
            "report": "own",
            "press": "own",
            "respond": "own",
            "answer": "own",
            "look": "own",
            "look_back": "own",
            "look_around": "all",
            "drive_times": "all",
        },
        "viewer": _LOOKING,
        "dispatcher": _DESK,
        "supervisor": {
            **_DESK,
            **dict.fromkeys(("clear", "empty_beat", "lead", "fleet", "setup", "measure", "promote"), "all"),
        },
        "aid_partner": {"look": "all", "look_around": "all", "drive_times": "all"},
        "analyst": {"look_around": "all", "drive_times": "all", "read_log": "all"},
        "auditor": {"look_around": "all", "read_log": "all"},
        "admin": {"measure": "all", "promote": "all"},
        "standby": {"stand_in": "all"},
    }
)

OPERATIONS: Mapping[str, Right | None] = MappingProxyType(
    {
        # nobody need say who they are
        "get_page": None,
        "get_unit_page": None,
        "get_unit_manifest": None,
        "get_unit_worker": None,
        "open_unit_page": None,
        "get_docs": None,
        "get_health": None,
        "get_readiness": None,
        "sign_in": None,
        "sign_out": None,
        "get_session": None,
        "stay_signed_in": None,
        "make_ticket": None,
        "begin_oidc": None,
        "end_oidc": None,
        # what there is to see
        "list_units": "look",
        "get_unit": "look",
        "get_unit_reach": "look",
        "list_incidents": "look",
        "get_incident": "look",
        "list_emergencies": "look",
        "list_timers": "look",
        "list_messages": "look",
        "get_ranking": "look",
        "get_route": "look",
        "get_reach": "look",
        "get_replay": "look",
        "get_decision": "look_ahead",
        "get_cover": "look_ahead",
        "list_moves": "look_ahead",
        "find_staging": "look_ahead",
        "list_plans": "look_ahead",
        "get_plan": "look_ahead",
        "get_track": "look_back",
        "get_timeline": "look_back",
        "get_past": "look_back",
        "get_handover": "look_back",
        "get_basemap": "look_around",
        "list_closures": "look_around",
        "get_closed_roads": "look_around",
        "find_roads_near": "look_around",
        "find_places": "look_around",
        "name_place": "look_around",
        "get_traffic": "look_around",
        "get_pace": "look_around",
        "get_rules": "look_around",
        "get_beats": "look_around",
        "list_run_cards": "look_around",
        "list_agreements": "look_around",
        "ask_etas": "drive_times",
        "osrm_table": "drive_times",
        "osrm_route": "drive_times",
        "osrm_nearest": "drive_times",
        "osrm_table_body": "drive_times",
        "osrm_beyond": "drive_times",
        "osrm_route_body": "drive_times",
        # what the field says
        "report_positions": "report",
        "take_cot_event": "report",
        "take_osmand": "report",
        "take_osmand_query": "report",
        "take_owntracks": "report",
        "take_traccar": "report",
        "list_quarantine": "measure",
        "list_devices": "fleet",
        "assign_device": "fleet",
        "forget_device": "fleet",
        "declare_emergency": "press",
        "set_status": "respond",
        "set_crew": "respond",
        "move_assignment": "respond",
        "clear_emergency": "respond",
        "acknowledge_message": "answer",
        "call_backup": "respond",
        # what a desk does
        "acknowledge_emergency": "take",
        "acknowledge_timer": "take",
        "send_message": "dispatch",
        "open_incident": "dispatch",
        "change_incident": "dispatch",
        "note_incident": "dispatch",
        "close_incident": "dispatch",
        "reopen_incident": "dispatch",
        "assign_unit": "dispatch",
        "ask_for_backup": "dispatch",
        "make_page_code": "dispatch",
        "list_phones": "dispatch",
        "end_phones": "dispatch",
        "add_closure": "close_roads",
        "lift_closure": "close_roads",
        "adopt_traffic": "traffic",
        "clear_traffic": "traffic",
        "steer_replay": "steer",
        # what a supervisor answers for
        "make_plan": "dispatch",
        "approve_plan": "lead",
        "activate_plan": "dispatch",
        "cancel_plan": "dispatch",
        "approve_aid": "lead",
        "register_unit": "fleet",
        "retire_unit": "fleet",
        "set_word": "fleet",
        "adopt_rules": "setup",
        "adopt_beats": "setup",
        "adopt_demand": "setup",
        "make_agreement": "setup",
        "end_agreement": "setup",
        # what is kept
        "read_log": "read_log",
        "get_metrics": "measure",
        "get_pair": "measure",
        "get_nodes": "measure",
        "promote": "promote",
    }
)
"""What each operation asks for; None: nothing."""

FOR_ALL_AGENCIES = frozenset(
    {
        "adopt_beats",
        "adopt_demand",
        "adopt_traffic",
        "clear_traffic",
        "steer_replay",
        "read_log",
        "get_metrics",
        "promote",
    }
)
"""What they change or tell is of every agency: they are for those who serve the whole centre."""
BY_AGENCY = frozenset({"get_cover", "list_moves"})
"""What they tell is by agency: whoever serves one is told of that."""
OF_ONE_AGENCY = frozenset({"adopt_rules", "open_incident", "register_unit", "retire_unit", "set_word", "set_status",
                           "set_crew", "make_page_code", "list_phones", "end_phones", "call_backup",
                           "clear_emergency", "change_incident", "note_incident", "close_incident",
                           "reopen_incident", "make_agreement", "end_agreement",
                           "approve_aid", "make_plan", "approve_plan", "activate_plan", "cancel_plan"})  # fmt: skip
"""What they change belongs to an agency: whoever serves another one may not."""

RECORDED: frozenset[Right] = frozenset({"look", "look_ahead"})
"""Whoever reads by these is named in the log: they show where units are."""

TOPICS: Mapping[str, Right] = MappingProxyType(
    {
        "units": "look",
        "positions": "look",
        "incidents": "look",
        "rankings": "look",
        "closures": "look_around",
        "timers": "look",
        "messages": "look",
    }
)
"""What each topic of the feed asks for."""


def reach(who: Principal, right: Right | None) -> Reach | None:
    """How far somebody's right goes by the widest of their roles; None: they do not have it."""
    return "all" if right is None else _widest(who.roles, right)


@lru_cache(maxsize=4_096)  # it is asked with every request, and the roles of a centre are few
def _widest(roles: frozenset[Role], right: Right) -> Reach | None:
    found = {GRANTS[role].get(right) for role in roles}
    return "all" if "all" in found else "own" if "own" in found else None


def units_of(who: Principal, right: Right) -> frozenset[str] | None:
    """The units that somebody's right is bound to; None: to none."""
    return None if reach(who, right) == "all" else who.units


def speaks_for_all(who: Principal, right: Right, live_map: LiveMap) -> bool:
    """Whether somebody may say this of every unit, so that none need be looked at."""
    if who.kind == "anyone":
        return True
    return reach(who, right) == "all" and who.agency == CENTRE and Sight.of(who).whole(live_map)


def speaks_for(who: Principal, right: Right, live_map: LiveMap, unit_id: str) -> bool:
    """Whether somebody may say this of a unit: it is one of theirs, of the agency they serve, or nobody's yet. A unit
    that they must not know of is not."""
    if reach(who, right) == "own":
        return unit_id in who.units
    unit = live_map.units.get(unit_id)
    if unit is None or who.kind == "anyone":
        return True
    sight = Sight.of(who)
    return sight.unit(live_map, unit) is not None and who.agency in (CENTRE, unit.agency)


def who_may(right: Right) -> list[Role]:
    """The roles that have a right."""
    return [role for role in ROLES if right in GRANTS[role]]


def refusal_of(who: Principal | None, right: Right | None) -> Refused | None:
    """Why somebody may not ask for what needs a right: status, words, and errors as problem documents have them."""
    if right is None or (who is not None and reach(who, right) is not None):
        return None
    if who is None:
        return 401, NOT_SIGNED_IN, [{"field": "", "reason": "not_signed_in", "message": NOT_SIGNED_IN}]
    may = " or ".join(who_may(right)).replace("_", " ")
    are = ", ".join(sorted(who.roles)).replace("_", " ") or "without a role"
    words = f"to {RIGHTS[right].what} is for {'an' if may[0] in 'aeiou' else 'a'} {may}; you are {are}"
    return 403, words, [{"field": "", "reason": "not_your_right", "message": words}]


def topics_of(who: Principal) -> frozenset[str]:
    """The topics of the feed that somebody may follow."""
    return frozenset(topic for topic, right in TOPICS.items() if reach(who, right) is not None)


def table() -> str:
    """The rights of each role as a table in Markdown, as `ACCESS.md` has it."""
    head = ["", *(role.replace("_", " ") for role in ROLES)]
    rows = [head, ["---"] * len(head)]
    marks = {"all": "yes", "own": "own", None: ""}
    for right, words in RIGHTS.items():
        rows.append([words.what, *(marks[GRANTS[role].get(right)] for role in ROLES)])
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in rows)


def operations() -> str:
    """What each right opens, as a table in Markdown."""
    rows = ["| right | opens |", "| --- | --- |"]
    for right, words in RIGHTS.items():
        names = [f"`{name}`" for name, asked in OPERATIONS.items() if asked == right]
        names += [f"the feed's `{topic}`" for topic, asked in TOPICS.items() if asked == right]
        rows.append(f"| {words.what} | {', '.join(names) or {**IN_BODIES, **ON_LINES}[right]} |")
    free = ", ".join(f"`{name}`" for name, asked in OPERATIONS.items() if asked is None)
    return "\n".join([*rows, f"| for everybody | {free} |"])
