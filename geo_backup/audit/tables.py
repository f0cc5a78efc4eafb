"""Tables: what a report on responses looks like in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from geo_backup.audit.report import Group, ResponseReport, Segment
from geo_backup.wording import so_many

_HEADINGS = ("segment", "count", "median", "P90", "target", "within", "95 % interval", "left out")


def print_report(report: ResponseReport) -> None:
    """All responses, then each group, with what was left out."""
    when = f"requests from {report.first_request} to {report.last_request}" if report.first_request else "no request"
    print(f"{so_many(report.events, 'event')}, {when}")
    _print_group("all", report.all, report.target_share)
    for key, group in report.groups.items():
        _print_group(f"{report.by} {key}", group, report.target_share)
    print("times in s; median and P90 by nearest rank: those of segments do not add up to those of the whole")


def _print_group(title: str, group: Group, target_share: float) -> None:
    table = Table(title=escape(f"{title}: {group.responses:,} response{'s' * (group.responses != 1)}"))
    for heading in _HEADINGS:
        table.add_column(heading)
    for name, segment in group.segments.items():
        table.add_row(name, *_cells(segment, target_share))
    for k, segments in group.kth.items():
        table.add_section()
        for name, segment in segments.items():
            table.add_row(f"unit {k} {name}", *_cells(segment, target_share))
    Console().print(table)
    if group.excluded:
        print(f"left out: {_counts(group.excluded)}")
    if group.arrivals_by_avl:
        print(f"arrivals seen from positions, declared by nobody: {group.arrivals_by_avl:,}")
    eta, overrides = group.eta, group.overrides
    if eta.bias_s is not None and eta.mae_s is not None and eta.p90_abs_s is not None:
        print(
            f"ETA, {eta.count:,} arrivals: bias {eta.bias_s:+.0f} s (positive: late), mean error {eta.mae_s:.0f} s, "
            f"P90 {eta.p90_abs_s:.0f} s, as a share of the ETA {eta.median_abs_share:.1%} in the median and "
            f"{eta.p90_abs_share:.1%} at P90, {eta.within_80_share:.0%} inside the 80 % interval"
        )
    if eta.excluded:
        print(f"ETA, left out: {_counts(eta.excluded)}")
    print(
        f"sent {overrides.sent:,}, on a decision {overrides.on_a_decision:,}, "
        f"of these not recommended {overrides.not_recommended:,}"
        + (f" ({_counts(overrides.reasons)})" if overrides.reasons else "")
    )


def _cells(segment: Segment, target_share: float) -> tuple[str, ...]:
    share, interval = "", ""
    if segment.within_share is not None and segment.interval is not None:
        colour = "green" if segment.within_share >= target_share else "red"
        share = f"[{colour}]{segment.within_share:.1%}[/]"
        interval = f"{segment.interval[0]:.1%} .. {segment.interval[1]:.1%}"
    return (
        f"{segment.count:,}",
        "" if segment.median_s is None else f"{segment.median_s:.0f}",
        "" if segment.p90_s is None else f"{segment.p90_s:.0f}",
        " / ".join(f"{target:g}" for target in segment.targets_s),
        share,
        interval,
        _counts(segment.excluded),
    )


def _counts(of: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in of.items())
