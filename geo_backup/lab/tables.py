"""Tables: what a comparison of policies and a drill's score look like in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from geo_backup.lab.drill import Score

_HEADINGS = ("policy", "calls", "first unit", "k-th unit", "4 min", "8 min", "cover\nlost", "moves", "queued")


def print_policies(answer: Mapping[str, Any]) -> None:
    """The table of `simulate`, how fast it was, how far it is from the record, and what was left out."""
    title = "Travel in s, median / P90; beneath: mean minus road, 95 % interval"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name, row in answer["policies"].items():
        minus = row.get("minus_road", {})
        table.add_row(
            name,
            f"{row['calls']:,}",
            f"{_median_p90(row['first_travel_s'])}\n{_interval(minus.get('first_travel_mean_s'))}",
            f"{_median_p90(row['kth_travel_s'])}\n{_interval(minus.get('kth_travel_mean_s'))}",
            f"{row['within_4_min']:.1%}",
            f"{row['within_8_min']:.1%}",
            f"{row['cover_lost']:.3%}",
            f"{row['moves']:,}",
            f"{row['queued']:,}",
        )
    Console().print(table)
    days, wall_s = answer["simulated_s"] / 86_400, answer["wall_s"]
    print(f"{days:.1f} days in {wall_s:.1f} s: {answer['simulated_s'] / max(wall_s, 0.01):,.0f} times real time")
    checked = answer["check"]
    if checked["drives"]:
        print(
            f"check, {checked['drives']:,} recorded drives from a station with siren: simulated "
            f"{_median_p90(checked['simulated_s'])} s, recorded {_median_p90(checked['recorded_s'])} s, median ratio "
            f"{checked['ratio_median']}, correlation {checked['correlation']}; pace {checked['pace']}"
        )
        print(f"the map lacks: {checked['network_lacks']}")
    for why, count in answer["left_out"].items():
        print(f"left out, {why}: {count:,}")


def print_score(score: Score) -> None:
    """The table of `drill`, choice by choice, and the sum."""
    table = Table(title=f"EXERCISE: {score.title}")
    for heading in ("at", "incident", "P", "sent", "best then", "regret", "notes"):
        table.add_column(heading)
    for choice in score.choices:
        notes = [*choice.notes, *([f"{choice.unfilled} not filled"] if choice.unfilled else [])]
        sent, best = _units(choice.chosen), _units(choice.best)
        cells = (_minutes(choice.at_s), choice.incident_id, str(choice.priority), sent, best)
        table.add_row(*cells, f"{choice.regret_s:.0f} s", "; ".join(notes))
    Console().print(table)
    cut_off = "" if score.proven else " (the best found: the search was cut off)"
    print(
        f"crew {score.crew_s:.0f} s, best in hindsight {score.best_s:.0f} s{cut_off}, regret {score.regret_s:.0f} s; "
        "seconds until each unit asked for is there, those of a priority half as much as of the one before"
    )


def _median_p90(of: Mapping[str, float]) -> str:
    return f"{of['median']:.0f} / {of['p90']:.0f}"


def _interval(of: list[float] | None) -> str:
    return "" if of is None else f"{of[0]:+.1f}..{of[1]:+.1f}"


def _units(after_s: Mapping[str, float]) -> str:
    return ", ".join(f"{unit} {_minutes(s)}" for unit, s in after_s.items()) or "nobody"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
