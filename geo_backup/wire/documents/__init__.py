"""Everything that is told, as the contract promises it: one noun a file, its types and what makes them.

The types are what mypy holds the server to and what `/openapi.json` publishes.
"""

from __future__ import annotations

from geo_backup.backup.readings import Etas
from geo_backup.wire.documents.aid import Agreement, AgreementList, agreement
from geo_backup.wire.documents.closures import ClosedRoads, Closure, ClosureList, Road, RoadsNear, closure, road
from geo_backup.wire.documents.cover import (
    Beats,
    BeatsAdopted,
    Cover,
    DemandAdopted,
    Moves,
    cover,
    move_up,
)
from geo_backup.wire.documents.handover import Handover, on_duty, promises
from geo_backup.wire.documents.history import Moment, Snapshot, Timeline, Track, moments, track
from geo_backup.wire.documents.incidents import (
    EmergencyList,
    Incident,
    IncidentList,
    Need,
    Pressed,
    emergency,
    incident,
    needs,
    recommended,
)
from geo_backup.wire.documents.messages import Message, MessageList, message
from geo_backup.wire.documents.pace import PaceList, paces
from geo_backup.wire.documents.pair import Pair
from geo_backup.wire.documents.people import LogPage, PageCode, PhoneList, Session, Speaker, Ticket
from geo_backup.wire.documents.places import PlaceName, Places, found_places, place_name
from geo_backup.wire.documents.plans import Plan, PlanList, plan
from geo_backup.wire.documents.rankings import Ranking, moved_enough, ranking
from geo_backup.wire.documents.run_cards import RunCard, RunCardList, run_card
from geo_backup.wire.documents.server import (
    Area,
    Condition,
    CotTaken,
    FieldError,
    Health,
    Problem,
    QuarantineList,
    Readiness,
    ReplayState,
    RulesInForce,
    rules,
)
from geo_backup.wire.documents.timers import Timer, TimerList, timer
from geo_backup.wire.documents.traffic import Traffic, traffic
from geo_backup.wire.documents.units import (
    Device,
    DeviceList,
    FreshnessLimits,
    IgnoredRow,
    NotDeclared,
    PositionsTaken,
    RefusedRow,
    Unit,
    UnitCollection,
    UnitFeature,
    UnknownField,
    freshness_limits,
    position,
    unit,
    unit_feature,
)
from geo_backup.wire.documents.ways import Reach, Route, Staging, reach, route, staging

__all__ = [
    "Pair",
    "Handover",
    "on_duty",
    "promises",
    "Moment",
    "Snapshot",
    "Timeline",
    "Track",
    "moments",
    "track",
    "LogPage",
    "PageCode",
    "PhoneList",
    "Session",
    "Speaker",
    "Ticket",
    "Agreement",
    "AgreementList",
    "agreement",
    "ClosedRoads",
    "Closure",
    "ClosureList",
    "Road",
    "RoadsNear",
    "closure",
    "road",
    "Beats",
    "BeatsAdopted",
    "Cover",
    "DemandAdopted",
    "Moves",
    "cover",
    "move_up",
    "EmergencyList",
    "Incident",
    "IncidentList",
    "Need",
    "Pressed",
    "emergency",
    "incident",
    "needs",
    "recommended",
    "PaceList",
    "paces",
    "PlaceName",
    "Places",
    "found_places",
    "place_name",
    "Plan",
    "PlanList",
    "plan",
    "Ranking",
    "moved_enough",
    "ranking",
    "RunCard",
    "RunCardList",
    "run_card",
    "Area",
    "Condition",
    "CotTaken",
    "QuarantineList",
    "FieldError",
    "Health",
    "Problem",
    "Readiness",
    "ReplayState",
    "RulesInForce",
    "rules",
    "Message",
    "MessageList",
    "message",
    "Timer",
    "TimerList",
    "timer",
    "Traffic",
    "traffic",
    "FreshnessLimits",
    "IgnoredRow",
    "NotDeclared",
    "PositionsTaken",
    "RefusedRow",
    "Unit",
    "UnitCollection",
    "Device",
    "DeviceList",
    "UnitFeature",
    "UnknownField",
    "freshness_limits",
    "position",
    "unit",
    "unit_feature",
    "Etas",
    "Reach",
    "Route",
    "Staging",
    "reach",
    "route",
    "staging",
]
