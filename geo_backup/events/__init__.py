"""Every fact that may enter the log, in the past tense, with the range of each value.

An event is made once, never changed, and read for ever: a field may be added with a default, none renamed.
`event_id` names the fact (two with the same id are one fact), `received_ms` is when a node heard of it (UTC epoch),
`said_by` who said it. Positions carry no id: a fix is named by its unit, device, time and place.

These are the facts that change the live map. Those about the record itself, and who came to it, are in `custody`.
`fact` has what all of them share; the other modules one noun each, as in `live_map`.
"""

from __future__ import annotations

from collections.abc import Mapping

from geo_backup.events.emergencies import (
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyClearRefused,
    EmergencyDeclared,
)  # fmt: skip
from geo_backup.events.fact import (
    ACCURACY_M,
    ANY,
    BUFFER_M,
    COURSE_DEG,
    ID_PATTERN,
    LAT_DEG,
    LEVEL,
    LON_DEG,
    PRIORITY,
    SLOW_FACTOR,
    SPEED_MPS,
    TIME_MS,
    Addressed,
    AssignmentState,
    Event,
    Fix,
    Member,
    Mode,
    Need,
    Post,
    Source,
    TimerRule,
    UnitStatus,
    is_id,
)  # fmt: skip
from geo_backup.events.ground import (
    PACKED_MAX,
    BeatsAdopted,
    ClockTurned,
    ClosureAdded,
    ClosureLifted,
    DemandAdopted,
    DriveMeasured,
    NetworkAdopted,
    PaceLearned,
    RulesAdopted,
    SpeedsAdopted,
    speeds_id,
)  # fmt: skip
from geo_backup.events.incidents import (
    AssignmentChanged,
    BackupRecommended,
    BackupRequested,
    DecisionMade,
    IncidentChanged,
    IncidentClosed,
    IncidentNoted,
    IncidentOpened,
    IncidentReopened,
    MessageSeen,
    MessageSent,
    TimerAcknowledged,
    TimerRaised,
)  # fmt: skip
from geo_backup.events.plans import (
    AgreementEnded,
    AgreementMade,
    AidApproved,
    PlanActivated,
    PlanApproved,
    PlanCancelled,
    PlanMade,
)  # fmt: skip
from geo_backup.events.units import (
    CrewReported,
    DeviceAssigned,
    PositionReported,
    UnitRegistered,
    UnitRetired,
    UnitStatusChanged,
    WordSet,
)  # fmt: skip

__all__ = [
    "ID_PATTERN", "is_id", "LON_DEG", "LAT_DEG", "SPEED_MPS", "COURSE_DEG", "ACCURACY_M", "PRIORITY", "BUFFER_M",
    "SLOW_FACTOR", "LEVEL", "TIME_MS", "UnitStatus", "AssignmentState", "Source", "Mode", "TimerRule", "Addressed",
    "ANY", "Fix", "Need", "Member", "Post", "Event", "PositionReported", "UnitRegistered", "UnitStatusChanged",
    "CrewReported", "WordSet", "UnitRetired", "DeviceAssigned", "IncidentOpened", "IncidentChanged",
    "IncidentNoted", "IncidentClosed", "IncidentReopened", "BackupRequested", "BackupRecommended", "DecisionMade",
    "AssignmentChanged", "TimerRaised", "TimerAcknowledged", "MessageSent", "MessageSeen", "EmergencyDeclared",
    "EmergencyAcknowledged", "EmergencyCleared", "EmergencyClearRefused", "AgreementMade", "AgreementEnded",
    "AidApproved", "PlanMade", "PlanApproved", "PlanActivated", "PlanCancelled", "BeatsAdopted", "DemandAdopted",
    "ClosureAdded", "ClosureLifted", "ClockTurned", "NetworkAdopted", "SpeedsAdopted", "PACKED_MAX", "PaceLearned",
    "DriveMeasured", "speeds_id", "RulesAdopted", "KINDS",
]  # fmt: skip

KINDS: Mapping[str, type[Event]] = {
    name: one
    for name in __all__
    if name != "KINDS" and isinstance(one := globals()[name], type) and issubclass(one, Event) and one is not Event
}
"""Every kind that changes the live map, by the name it has in the log; `custody` has the others."""
