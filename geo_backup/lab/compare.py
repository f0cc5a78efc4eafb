"""Comparison: policies over the same record, measured alike, and how far the simulation is from what was recorded.

Travel is wheels rolling to on scene. `first` is the unit on scene first, `kth` the last of those that the call took.
Differences to `road` have 95 % intervals by a paired bootstrap: calls are drawn anew, the same for both policies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from geo_backup.errors import BadValueError
from geo_backup.formats.calls import Call
from geo_backup.formats.stations import Station
from geo_backup.lab.ground import Ground, targets_of
from geo_backup.lab.policy import POLICIES
from geo_backup.lab.record import Record, sent_ms
from geo_backup.lab.shift import Outcome, run_shift
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import EdgeFlag, RoadNetwork, TurnFlag, WayClass

BASE = "road"
MOVING = "cover"
"""The policy that may move units up."""
DRAWS = 1_000
SETTLED_MS = 1_800_000
"""A unit that came free so long before is back at its station."""
TRAVEL_MS = (10_000, 3_600_000)
"""What is believed of a recorded travel time."""


@dataclass(frozen=True)
class Measured:
    """One policy, by call (columns of the calls that somebody reached) and in all."""

    first_ms: Array
    kth_ms: Array
    response_ms: Array
    """From the first unit sent in the record to the first unit on scene: waiting for a unit and turnout included."""
    cover_lost: Array
    queued: int
    moves: int


def prepare(
    network: RoadNetwork,
    calls: Sequence[Call],
    stations: Sequence[Station],
    pace: str,
    seed: int,
    progress: Callable[[str, float], None] = lambda what, done: None,
    fleet: Mapping[str, str] | None = None,
) -> tuple[Record, Ground, dict[str, int], dict[str, Any]]:
    """The record, the ground with its pace, what lies off the map, counted, and the check of simulated drives.

    `fleet`: see `Record.of`. `pace` is a number, or `fit` for the one at which the checked drives have the recorded
    median. Raises `BadValueError`.
    """
    try:
        factor = None if pace == "fit" else float(pace)
    except ValueError:
        factor = float("nan")
    if factor is not None and not 0.1 <= factor <= 10.0:
        raise BadValueError("--pace", "pace", f"--pace is a number from 0.1 to 10, or fit; not {pace!r}")
    posts = [(s, at) for s, at in zip(stations, targets_of(network, [s[1:] for s in stations]), strict=True) if at]
    found = targets_of(network, [(call.lon, call.lat) for call in calls], lambda done: progress("calls", done))
    kept = [(call, at) for call, at in zip(calls, found, strict=True) if at]
    record = Record.of([call for call, _ in kept], [station for station, _ in posts], seed, fleet)
    ground = Ground(network, [at for _, at in posts], [at for _, at in kept], lambda done: progress("drives", done))
    left_out = {
        "call off the map": len(calls) - len(kept),
        "station off the map": len(stations) - len(posts),
        "call that no station reaches": int((~ground.reached).sum()),
    }
    checked = check(record, ground)
    if factor is None and not checked["drives"]:
        raise BadValueError("--pace", "pace", "there are no recorded drives to fit the pace to; say a number")
    ground.slow_down(1.0 / checked["ratio_median"] if factor is None else factor)
    return record, ground, {why: count for why, count in left_out.items() if count}, check(record, ground)


def _lacks(network: RoadNetwork) -> str:
    """What a map's source did not say, in words."""
    fast = np.isin(network.way_class, (int(WayClass.MOTORWAY), int(WayClass.MOTORWAY_LINK)))[network.piece_way]
    there = network.piece_edges[~fast]
    one_way = (there < 0).any(axis=1) | ((network.edge_flags[there] & int(EdgeFlag.AGAINST_ONEWAY)) != 0).any(axis=1)
    lacking = {
        "one-ways": not one_way.any(),
        "speed limits": not (np.asarray(network.way_maxspeed_kmh) > 0).any(),
        "signals": not (np.asarray(network.turn_facts) & int(TurnFlag.SIGNALS)).any(),
    }
    return ", ".join(name for name, lacks in lacking.items() if lacks) or "nothing it is asked for"


def compare(
    record: Record,
    ground: Ground,
    policies: Sequence[str],
    move_up: bool,
    progress: Callable[[str, float], None] = lambda policy, done: None,
) -> dict[str, Measured]:
    """Run each policy over the record; with `move_up`, that which keeps cover also moves units into gaps."""
    out = {}
    for name in policies:
        moves = move_up and name == MOVING
        outcome = run_shift(record, ground, POLICIES[name], moves=moves, progress=partial(progress, name))
        out[name] = measure(record, outcome)
    return out


def measure(record: Record, outcome: Outcome) -> Measured:
    """Collect slots to calls. A slot that was cancelled in the record has no arrival, here neither."""
    began: dict[int, int] = {}
    for wave in record.waves:
        began.setdefault(wave.call, wave.at_ms)
    arrived: dict[int, list[tuple[int, int]]] = {}
    lost: dict[int, list[float]] = {}
    for number, slot in enumerate(record.slots):
        if outcome.unit[number] >= 0:
            lost.setdefault(slot.call, []).append(float(outcome.cover_lost[number]))
            if slot.arrives:
                mine = (int(outcome.arrival_ms[number]), int(outcome.travel_ms[number]))
                arrived.setdefault(slot.call, []).append(mine)
    calls = sorted(arrived)
    first = [min(arrived[call]) for call in calls]
    return Measured(
        np.array([travel for _, travel in first]),
        np.array([max(arrived[call])[1] for call in calls]),
        np.array([at - began[call] for call, (at, _) in zip(calls, first, strict=True)]),
        np.array([np.mean(lost[call]) for call in calls]),
        int(outcome.queued.sum()),
        outcome.moves,
    )


def _median_p90(ms: Array) -> dict[str, float]:
    """Nearest rank."""
    return {
        "median": round(float(np.quantile(ms, 0.5, method="inverted_cdf")) / 1_000, 1),
        "p90": round(float(np.quantile(ms, 0.9, method="inverted_cdf")) / 1_000, 1),
    }


def summary(measured: Mapping[str, Measured], seed: int) -> dict[str, Any]:
    """The numbers of each policy, as the command prints them."""
    out: dict[str, Any] = {}
    for name, one in measured.items():
        out[name] = {
            "calls": len(one.first_ms),
            "first_travel_s": _median_p90(one.first_ms),
            "kth_travel_s": _median_p90(one.kth_ms),
            "within_4_min": round(float(np.mean(one.first_ms <= 240_000)), 4),
            "within_8_min": round(float(np.mean(one.first_ms <= 480_000)), 4),
            "cover_lost": round(float(np.mean(one.cover_lost)), 5),
            "moves": one.moves,
            "queued": one.queued,
            "first_response_s": _median_p90(one.response_ms),
        }
        base = measured.get(BASE)
        if base is not None and base is not one and len(base.first_ms) == len(one.first_ms):
            out[name]["minus_road"] = difference(one, base, np.random.default_rng(seed))
    return out


def difference(one: Measured, base: Measured, draw: np.random.Generator) -> dict[str, list[float]]:
    """95 % intervals [low, high] of one policy minus another, calls drawn anew together (paired bootstrap)."""
    count = len(base.first_ms)
    rows = np.empty((DRAWS, 5))
    for k in range(DRAWS):
        drawn = draw.integers(0, count, count)
        a, b = one.first_ms[drawn] / 1_000, base.first_ms[drawn] / 1_000
        rows[k] = (
            a.mean() - b.mean(),
            np.quantile(a, 0.9) - np.quantile(b, 0.9),
            (one.kth_ms[drawn].mean() - base.kth_ms[drawn].mean()) / 1_000,
            np.mean(a <= 240.0) - np.mean(b <= 240.0),
            one.cover_lost[drawn].mean() - base.cover_lost[drawn].mean(),
        )
    low, high = np.quantile(rows, (0.025, 0.975), axis=0)
    names = ("first_travel_mean_s", "first_travel_p90_s", "kth_travel_mean_s", "within_4_min", "cover_lost")
    return {name: [round(float(a), 5), round(float(b), 5)] for name, a, b in zip(names, low, high, strict=True)}


def check(record: Record, ground: Ground) -> dict[str, Any]:
    """Simulated against recorded travel, of drives whose beginning is known well enough: the units that really went,
    sent with siren, whose station is `firm` and who had been free for half an hour, so stood at it."""
    row = {unit: n for n, unit in enumerate(record.units)}
    free_since: dict[str, int] = {}
    pairs = []
    drives = sorted(
        ((sent_ms(call, unit), number, unit) for number, call in enumerate(record.calls) for unit in call.units),
        key=lambda drive: drive[:2],
    )
    for dispatch_ms, number, unit in drives:
        n = row.get(unit.unit_id)
        rested = dispatch_ms - free_since.get(unit.unit_id, 0) >= SETTLED_MS
        free_since[unit.unit_id] = unit.available_ms or dispatch_ms
        if n is None or not record.firm[n] or not rested or record.calls[number].priority > 2:
            continue
        if unit.en_route_ms is not None and unit.on_scene_ms is not None:
            recorded_ms = unit.on_scene_ms - unit.en_route_ms
            simulated_ms = int(ground.out_ms[record.unit_home[n], number])
            if TRAVEL_MS[0] <= recorded_ms <= TRAVEL_MS[1] and simulated_ms < INF_MS:
                pairs.append((simulated_ms, recorded_ms))
    if not pairs:
        return {"drives": 0}
    simulated, recorded = np.array(pairs).T
    ratio = np.maximum(simulated, 1) / recorded
    varied = np.ptp(simulated) > 0 and np.ptp(recorded) > 0
    return {
        "drives": len(pairs),
        "simulated_s": _median_p90(simulated),
        "recorded_s": _median_p90(recorded),
        "network_lacks": _lacks(ground.network),
        "pace": round(ground.pace, 3),
        "ratio_median": round(float(np.median(ratio)), 3),
        "ratio_p10_p90": [round(float(q), 3) for q in np.quantile(ratio, (0.1, 0.9))],
        "correlation": round(float(np.corrcoef(simulated, recorded)[0, 1]), 3) if varied else None,
    }
