"""The live map and its rankings as the JSON documents that the contract promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import shapely
from shapely.geometry import mapping

from geo_backup import __version__
from geo_backup.backup.advice import MoveUp, Waiting
from geo_backup.backup.city import CityNow
from geo_backup.backup.plan import Schedule
from geo_backup.backup.ranking import Candidate, Ranking
from geo_backup.backup.run_card import RunCard
from geo_backup.events import AgreementMade, Need, SpeedsAdopted
from geo_backup.live_map import Closure, Emergency, Incident, LiveMap, Plan, Recommendation, Unit
from geo_backup.live_map.freshness import at_post, freshness, limits_ms
from geo_backup.roads.closures import Cut
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pieces import Near, Pieces
from geo_backup.rules import FreshnessRules, Rules
from geo_backup.wire.times import to_text

Document = dict[str, Any]

STREETS_NAMED = 5

NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


def unit(unit: Unit) -> Document:
    """A unit in the feed: everything but its position."""
    return {
        "unit_id": unit.unit_id,
        "callsign": unit.callsign,
        "agency": unit.agency,
        "kind": unit.kind,
        "capabilities": list(unit.capabilities),
        "home": list(unit.home) if unit.home is not None else None,
        "status": unit.status,
        "source": unit.source,
        "incident_id": unit.incident_id,
        "emergency_id": unit.emergency_id,
        "off_map": unit.off_map,
        "calls": unit.calls,
        "crew": None if unit.crew is None else [{"capabilities": list(m.capabilities)} for m in unit.crew],
        "shift_ends": None if unit.shift_ends_ms is None else to_text(unit.shift_ends_ms),
        "rest_until": None if unit.rest_until_ms is None else to_text(unit.rest_until_ms),
    }


def position(unit: Unit) -> list[Any] | None:
    """[lon, lat, speed_mps, course_deg, fix_ms, parked] of the feed."""
    fix = unit.fix
    return None if fix is None else [fix.lon, fix.lat, fix.speed_mps, fix.course_deg, fix.fix_ms, int(unit.parked)]


def freshness_limits(rules: Rules) -> Document:
    """For a viewer: the ages in ms beyond which a position is no longer live, delayed, stale; by kind of unit where
    they are others than for the rest."""

    def limits(of: FreshnessRules) -> Document:
        return {"moving_ms": list(limits_ms(of, False)), "parked_ms": list(limits_ms(of, True))}

    kinds = {kind: limits(rules.of_kind(kind).freshness) for kind in sorted(rules.kinds)}
    return {**limits(rules.freshness), "kinds": kinds}


def unit_feature(live_map: LiveMap, unit_: Unit, now_ms: int) -> Document:
    """A unit as a GeoJSON feature: the fix as reported, never the snapped place."""
    fix = unit_.fix
    age_ms, rules = now_ms - unit_.order_ms, live_map.rules.of_kind(unit_.kind).freshness
    without = "live" if at_post(fix is not None, unit_.home, unit_.status) else "lost"
    return {
        "type": "Feature",
        "id": unit_.unit_id,
        "geometry": None if fix is None else {"type": "Point", "coordinates": [fix.lon, fix.lat]},
        "properties": {
            **unit(unit_),
            "fix_time": None if fix is None else to_text(fix.fix_ms),
            "age_s": None if fix is None else max(age_ms, 0) / 1000,
            "speed_mps": None if fix is None else fix.speed_mps,
            "course_deg": None if fix is None else fix.course_deg,
            "accuracy_m": None if fix is None else fix.accuracy_m,
            "freshness": without if fix is None else freshness(age_ms, unit_.parked, rules),
        },
    }


def incident(incident: Incident, recorded: bool = True) -> Document:
    """An incident with the units on it and the history of each assignment; `recorded` is false while part of what it
    says, an emergency or a press of it, is not in the log yet."""
    return {
        "incident_id": incident.incident_id,
        "recorded": recorded,
        "lon": incident.lon,
        "lat": incident.lat,
        "priority": incident.priority,
        "kind": incident.kind,
        "note": incident.note,
        "profile": incident.profile,
        "for_unit_id": incident.for_unit_id,
        "pinned": incident.pinned,
        "exercise": incident.exercise,
        "opened_time": to_text(incident.opened_ms),
        "closed_time": None if incident.closed_ms is None else to_text(incident.closed_ms),
        "state": "open" if incident.open else "closed",
        "agency": incident.agency,
        "level": incident.level,
        "plan_id": incident.plan_id,
        "requirement": needs(incident.requirement),
        "mode": incident.mode,
        "several": incident.several,
        "arrive_by": None if incident.arrive_by_ms is None else to_text(incident.arrive_by_ms),
        "run_card": incident.run_card,
        "aid_approved": list(incident.approved),
        "emergency": None if incident.emergency is None else emergency(incident.emergency),
        "recommended": None if incident.recommended is None else recommended(incident.recommended),
        "assignments": [
            {
                "unit_id": part.unit_id,
                "state": part.state,
                "at": to_text(part.at_ms),
                "source": part.said_by,
                "reason": part.reason,
                "decision_id": part.decision_id,
                "history": [{"state": s, "at": to_text(at), "source": by} for s, at, by in part.history],
            }
            for part in incident.assignments.values()
        ],
    }


def needs(requirement: Sequence[Need]) -> list[Document]:
    """What is asked for."""
    return [
        {"capability": n.capability, "count": n.count, "need": n.need, "substitutes": list(n.substitutes)}
        | ({"staged": True} if n.staged else {})
        for n in requirement
    ]


def emergency(emergency: Emergency) -> Document:
    """The alarm of an officer's emergency: consoles sound while `alarms`."""
    return {
        "alarms": emergency.alarms,
        "stands": emergency.stands,
        "placed_by": emergency.placed_by,
        "presses": emergency.presses,
        "sources": list(emergency.sources),
        "pressed_time": to_text(emergency.pressed_ms),
        "acknowledged": [{"by": who, "at": to_text(at)} for who, at in emergency.acknowledged],
        "cleared_time": None if emergency.cleared_ms is None else to_text(emergency.cleared_ms),
        "cleared_by": emergency.cleared_by,
    }


def recommended(recommended: Recommendation) -> Document:
    """The newest recommendation in short; `GET /v1/decisions/{id}` has all of it."""
    return {
        "decision_id": recommended.decision_id,
        "stage": "first" if recommended.quick else "refined",
        "as_of_time": to_text(recommended.as_of_ms),
        "mode": recommended.mode,
        "units": [{"unit_id": unit_id, "eta_s": eta_ms / 1000} for unit_id, eta_ms in recommended.chosen],
        "swaps": [
            {"unit_id": unit_id, "replaces": replaces, "gain_s": gain_ms / 1000}
            for unit_id, replaces, gain_ms in recommended.swaps
        ],
        "proven": recommended.proven,
    }


def closure(closure: Closure, cut: Cut) -> Document:
    """A closure as it was added, with what it does to the roads: how many directed edges it closes or slows, and how
    many more lie in its shape on `levels_in_shape` that are not meant."""
    added = closure.added
    return {
        "closure_id": closure.closure_id,
        "geometry": added.geometry,
        "buffer_m": added.buffer_m,
        "levels": list(added.layers) or added.levels,
        "reason": added.reason,
        "valid_from": None if added.valid_from_ms is None else to_text(added.valid_from_ms),
        "valid_to": None if added.valid_to_ms is None else to_text(added.valid_to_ms),
        "applies_to": added.applies_to,
        "slow_factor": added.slow_factor,
        "edges": len(cut.edges),
        "edges_spared": cut.spared,
        "levels_in_shape": list(cut.levels),
        "streets": list(cut.streets[:STREETS_NAMED]),
        "added_time": to_text(added.received_ms),
        "source": added.said_by,
    }


def road(network: RoadNetwork, near: Near) -> Document:
    """A piece of road near a place: the edges that drive along it, and how it looks from above."""
    pieces = Pieces.of(network)
    edges = pieces.edges(np.array([near.piece]))
    return {
        "edges": edges.tolist(),
        "name": network.edge_name(int(edges[0])) if len(edges) else "",
        "level": int(pieces.level[near.piece]),
        "length_m": round(float(network.piece_length_m[near.piece]), 1),
        "distance_m": round(near.distance_m, 1),
        "geometry": {"type": "LineString", "coordinates": pieces.outline(np.array([near.piece]))[0]},
    }


def traffic(speeds: SpeedsAdopted | None) -> Document | None:
    """What is known of the measured speeds that hold."""
    if speeds is None:
        return None
    return {
        "speeds_id": speeds.speeds_id,
        "loaded_time": to_text(speeds.received_ms),
        "rows": speeds.rows,
        "rows_matched": speeds.rows_matched,
        "edges": speeds.edges,
        "edges_closed": speeds.edges_closed,
    }


def ranking(
    ranking: Ranking, limit: int, *, frame: bool = False, cut_off: Mapping[str, Sequence[str]] = NOBODY
) -> Document:
    """A ranking with its first `limit` candidates; in a frame the excluded are counted, else listed, with the closures
    that bar the way of those that are `cut_off`."""
    excluded: Document = (
        {"excluded_counts": ranking.excluded_counts()}
        if frame
        else {
            "excluded": [
                {"unit_id": unit_id, "reason": reason}
                | ({"closure_ids": list(cut_off[unit_id])} if unit_id in cut_off else {})
                for unit_id, reason in ranking.excluded()
            ]
        }
    )
    return {
        "incident_id": ranking.incident.incident_id,
        "as_of_seq": ranking.as_of_seq,
        "as_of_time": to_text(ranking.as_of_ms),
        "network_id": ranking.network_id,
        "weights_id": ranking.weights_id,
        "rules_id": ranking.rules_id,
        "software_version": __version__,
        "warnings": list(ranking.warnings),
        "candidates": [_candidate(row, ranking.as_of_ms) for row in ranking.candidates(limit)],
        "candidates_total": ranking.total,
        "assigned": [
            {"unit_id": unit_id, "state": state, "eta_s": None if eta is None else eta / 1000}
            for unit_id, state, eta in ranking.assigned()
        ],
        **excluded,
    }


def _candidate(row: Candidate, as_of_ms: int) -> Document:
    return {
        "unit_id": row.unit_id,
        "eta_s": row.eta_ms / 1000,
        "parts": {
            "turnout_s": row.turnout_ms / 1000,
            "clear_s": row.clear_ms / 1000,
            **({"first_leg_s": row.first_leg_ms / 1000} if row.first_leg_ms else {}),  # few units are off the road
            "drive_s": row.drive_ms / 1000,
            "last_leg_s": row.last_leg_ms / 1000,
        },
        "arrival_time": to_text(as_of_ms + row.eta_ms),
        "distance_m": round(row.distance_m),
        "status": row.status,
        "freshness": row.freshness,
        "warnings": list(row.warnings),
    }


def moved_enough(before: Document | None, after: Document) -> bool:
    """Whether a viewer should hear of a ranking again: order, membership, reasons, or an ETA by a second or more."""
    if before is None:
        return True
    for key in ("candidates_total", "excluded_counts", "warnings", "weights_id"):
        if before[key] != after[key]:
            return True
    for key in ("candidates", "assigned"):
        if [row["unit_id"] for row in before[key]] != [row["unit_id"] for row in after[key]]:
            return True
        for old, new in zip(before[key], after[key], strict=True):
            if old.get("state") != new.get("state") or (old["eta_s"] is None) != (new["eta_s"] is None):
                return True
            if old["eta_s"] is not None and abs(old["eta_s"] - new["eta_s"]) >= 1.0:
                return True
    return False


def reach(minutes: Sequence[float], shapes: Sequence[shapely.Geometry]) -> Document:
    """Areas as a GeoJSON FeatureCollection, one for each number of minutes; empty where there are none."""
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": mapping(shape), "properties": {"minutes": value}}
            for value, shape in zip(minutes, shapes, strict=bool(shapes))
        ],
    }


def cover(now: CityNow, ids: Sequence[str], as_of_ms: int, agency: str = "") -> Document:
    """The cover of the city at a moment, by an agency's units or all: over all, by beat and by place of demand; and
    what it loses by each unit."""
    city, measured = now.city, now.cover(agency)
    double = measured.double_standard()
    free = [np.flatnonzero(measured.free & (now.unit_beat == b)).tolist() for b in range(len(city.beats.beats))]
    share = (measured.weights / max(float(measured.weights.sum()), 1e-12)).tolist()
    places = zip(city.kept.tolist(), share, measured.count.tolist(), strict=True)
    dear = [row for row in np.flatnonzero(measured.free).tolist() if now.prices[row] > 0 or now.last_of(row)]
    return {
        "as_of_time": to_text(as_of_ms),
        "target_s": measured.rules.target_ms / 1000,
        "busy_fraction": measured.rules.busy_fraction,
        "demand_id": city.demand_id,
        "agency": agency,
        "free_units": int(measured.free.sum()),
        "cover": measured.value(),
        "reliable": measured.reliable(),
        "double": {
            "within_r2": double.within_r2,
            "within_r1": double.within_r1,
            "twice_within_r1": double.twice_within_r1,
            "met": double.met,
        },
        "beats": [
            {
                "beat_id": beat.beat_id,
                "free": len(free[b]),
                "floor": beat.floor_at(now.hour, measured.rules),
                "cover": measured.value(city.place_beat == b),
                "last_unit": ids[free[b][0]] if len(free[b]) == 1 else None,
            }
            for b, beat in enumerate(city.beats.beats)
        ],
        "units": [
            {
                "unit_id": ids[row],
                "cover_lost": round(float(now.prices[row]), 6),
                "price_words": now.words(row),
            }
            for row in dear
        ],
        "places": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "Point",
                        "coordinates": [float(city.demand.lon[j]), float(city.demand.lat[j])],
                    },
                    "properties": {"demand": round(part, 6), "units": count},
                }
                for j, part, count in places
            ],
        },
    }


def move_up(move: MoveUp) -> Document:
    """One move, in numbers and words."""
    return {
        "unit_id": move.unit_id,
        "lon": move.lon,
        "lat": move.lat,
        "gain": round(move.gain, 6),
        "drive_s": move.drive_ms / 1000,
        "words": f"{move.unit_id}: {move.drive_ms / 60_000:.0f} min of driving win {move.gain:.1%} of cover",
    }


def staging(places: Sequence[Waiting]) -> Document:
    """Places to wait, as GeoJSON points."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]},
                "properties": {"eta_s": place.eta_ms / 1000, "bearing_deg": round(place.bearing_deg)},
            }
            for place in places
        ],
    }


def agreement(agreement: AgreementMade) -> Document:
    """Who helps whom, and how far."""
    return {
        "agreement_id": agreement.agreement_id,
        "lender": agreement.lender,
        "borrower": agreement.borrower,
        "aid": agreement.aid,
        "kinds": list(agreement.kinds),
        "max_share": agreement.max_share,
        "hours": list(agreement.hours),
        "positions": agreement.positions,
    }


def run_card(card: RunCard) -> Document:
    """A run card with all that each alarm level asks for."""
    return {
        "name": card.name,
        "about": card.about,
        "kinds": list(card.kinds),
        "mode": card.mode,
        "several": card.several,
        "staged": list(card.staged),
        "levels": [{"level": n + 1, "needs": needs(card.needs(n + 1))} for n in range(len(card.alarms))],
    }


def plan(plan: Plan, schedule: Schedule | None = None) -> Document:
    """A plan as it was made and where it stands; with a schedule who leaves when, and what the city pays by hour."""
    made = plan.made
    document: Document = {
        "plan_id": made.plan_id,
        "name": made.name,
        "kind": made.kind,
        "state": plan.state,
        "approved_by": plan.approved_by,
        "arrive_by": to_text(made.arrive_by_ms),
        "ends": to_text(made.ends_ms),
        "priority": made.priority,
        "several": made.several,
        "agency": made.agency,
        "note": made.note,
        "exercise": made.exercise,
        "posts": [
            {
                "post_id": post.post_id,
                "lon": post.lon,
                "lat": post.lat,
                "needs": needs(post.needs),
                "arrive_by": to_text(post.arrive_by_ms or made.arrive_by_ms),
            }
            for post in made.posts
        ],
    }
    if schedule is None:
        return document
    return document | {
        "schedule": [
            {
                "post_id": place.post_id,
                "unit_id": place.unit_id,
                "fills": list(place.fills),
                "turnout_s": place.turnout_ms / 1000,
                "eta_s": place.drive_ms / 1000,
                "p90_s": place.p90_ms / 1000,
                "leave_time": to_text(place.leave_ms),
                "arrive_by": to_text(place.arrive_by_ms),
                "late": place.late,
            }
            for place in schedule.places
        ],
        "unmet": [{"post_id": post_id, **needs([need])[0]} for post_id, need in schedule.unmet],
        "off_map": list(schedule.off_map),
        "proven": schedule.proven,
        "cover_by_hour": [
            {"hour": to_text(hour.hour_ms), "cover": hour.cover, "cover_without": hour.cover_without}
            for hour in schedule.hours
        ],
    }
