"""Admission: which busy units an urgent call may take, and which units of other agencies may come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from geo_backup.backup.fleet import CODE, UnitTable
from geo_backup.backup.reasons import REASON
from geo_backup.backup.view import IncidentRow
from geo_backup.events import AgreementMade
from geo_backup.live_map.freshness import STALE
from geo_backup.roads.kernel import Array


def victims(table: UnitTable, incident: IncidentRow, others: Mapping[str, IncidentRow]) -> tuple[dict[int, str], Array]:
    """Units that immediate backup may take from less urgent incidents: {row: their incident}, and bool[N]."""
    rules, victim = table.rules.of(incident.agency).backup, np.zeros(len(table.ids), np.bool_)
    taken_from: dict[int, str] = {}
    limits = {
        1: (rules.p1_takes_en_route_from, rules.p1_takes_on_scene_from),
        2: (rules.p2_takes_en_route_from, rules.p2_takes_on_scene_from),
    }.get(incident.priority)
    if incident.mode != "immediate" or limits is None or incident.apart:
        return taken_from, victim
    for row in np.flatnonzero(table.busy).tolist():
        unit = table.rows[table.ids[row]]
        other = others.get(unit.incident_id or "")
        if other is None or other.incident_id == incident.incident_id or unit.status in ("transporting", "busy"):
            continue
        if other.priority >= limits[unit.status == "on_scene"]:
            victim[row], taken_from[row] = True, other.incident_id
    return taken_from, victim


def admit(
    table: UnitTable,
    incident: IncidentRow,
    reason: Array,
    eta_ms: Array,
    fresh: Array,
    others: Mapping[str, IncidentRow],
    agreements: Sequence[AgreementMade],
) -> Array:
    """Keep out units of other agencies but where an agreement lets them in (writes `reason`); bool[N]: mutual aid.

    Immediate backup whose last unit of the first wave would take too long opens mutual aid at once.
    """
    rules = table.rules.of(incident.agency).backup
    agencies = np.array([table.rows[unit_id].agency for unit_id in table.ids], object)
    foreign = np.asarray(agencies != incident.agency, np.bool_)
    mutual, automatic = np.zeros(len(foreign), np.bool_), np.zeros(len(foreign), np.bool_)
    used = np.zeros(len(foreign), np.bool_)
    for agreement in agreements:
        if agreement.borrower != incident.agency:
            continue
        lent = np.asarray(agencies == agreement.lender, np.bool_)
        serving = int((lent & (table.status != CODE["out_of_service"])).sum())
        away = sum(
            (other := others.get(table.rows[table.ids[row]].incident_id or "")) is not None
            and other.agency == incident.agency
            for row in np.flatnonzero(lent & table.busy).tolist()
        )
        if agreement.kinds:
            kinds = (table.rows[unit_id].kind in agreement.kinds for unit_id in table.ids)
            lent &= np.fromiter(kinds, np.bool_, len(lent))
        if away >= int(agreement.max_share * serving):
            used |= lent
        elif agreement.aid == "automatic" or agreement.lender in incident.approved:
            automatic |= lent
        else:
            mutual |= lent
    own = np.sort(eta_ms[(reason == 0) & (~foreign | automatic) & (fresh < STALE)])
    wave = max(1, rules.first_wave)
    opened = incident.mode == "immediate" and (len(own) < wave or own[wave - 1] > rules.kth_eta_max_ms)
    free = reason == 0
    reason[free & foreign & ~automatic & ~mutual & ~used] = REASON["WRONG_AGENCY_OR_NO_AGREEMENT"]
    reason[free & foreign & used & ~automatic & ~mutual] = REASON["AID_SHARE_USED"]
    if not opened:
        reason[free & foreign & mutual & ~automatic] = REASON["NEEDS_APPROVAL"]
    return foreign & mutual & ~automatic
