"""What other programs may send over HTTP, decoded strictly: ranges on every number, unknown fields refused."""

from __future__ import annotations

from geo_backup.wire.requests.aid import AidApproval, NewAgreement
from geo_backup.wire.requests.closures import NewClosure
from geo_backup.wire.requests.emergencies import Acknowledgement, EmergencyCall, EmergencyClear, NewWord
from geo_backup.wire.requests.incidents import (
    AssignmentPatch,
    BackupCall,
    IncidentPatch,
    NeedRow,
    NewAssignment,
    NewIncident,
    NewNote,
)
from geo_backup.wire.requests.messages import MessageAnswer, NewMessage
from geo_backup.wire.requests.pair import Promotion
from geo_backup.wire.requests.people import ScannedCode, SignIn
from geo_backup.wire.requests.plans import ByWhom, NewPlan, NewPost, PlanReason
from geo_backup.wire.requests.questions import EtasQuestion, ReplayControl
from geo_backup.wire.requests.request import Request, Time
from geo_backup.wire.requests.units import (
    CrewReport,
    DeviceOwner,
    MemberRow,
    Position,
    Positions,
    StatusChange,
    UnitBackup,
    UnitDescription,
)

__all__ = [
    "Promotion",
    "ScannedCode",
    "SignIn",
    "AidApproval",
    "NewAgreement",
    "NewClosure",
    "Acknowledgement",
    "EmergencyCall",
    "EmergencyClear",
    "NewWord",
    "AssignmentPatch",
    "BackupCall",
    "IncidentPatch",
    "NeedRow",
    "NewAssignment",
    "NewIncident",
    "NewNote",
    "MessageAnswer",
    "NewMessage",
    "ByWhom",
    "NewPlan",
    "NewPost",
    "PlanReason",
    "EtasQuestion",
    "ReplayControl",
    "CrewReport",
    "DeviceOwner",
    "MemberRow",
    "Position",
    "Positions",
    "StatusChange",
    "UnitBackup",
    "UnitDescription",
    "Request",
    "Time",
]
