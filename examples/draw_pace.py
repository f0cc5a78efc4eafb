"""Draws what was learned of a city by the hour: how many times slower than the profile says, as a bar an hour.

geo-backup learn TRACKS --map DIR --json | python examples/draw_pace.py > pace.svg

A bar is as broad as an hour and as dark as it is well founded; an hour of which nothing is known has none.
"""

from __future__ import annotations

import json
import sys
from typing import Any

WIDE, HIGH, LEFT, TOP = 900, 300, 50, 30
MOST = 2.0
"""Times slower at the top of the picture."""
SURE_S = 60_000.0
"""An hour with so many seconds of evidence is as dark as can be."""


def y_of(times: float) -> float:
    return TOP + (HIGH - 2 * TOP) * (1.0 - min(times, MOST) / MOST)


def picture(learned: list[dict[str, Any]]) -> str:
    """The hours among the rows of `geo-backup learn --json` as SVG."""
    step = (WIDE - LEFT - 10) / 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDE}" height="{HIGH}" fill="#fff"/>',
    ]
    for row in learned:
        if row["level"] != "hour":
            continue
        hour, top = int(row["of"].split(":")[0]), y_of(row["times"])
        sure = 0.25 + 0.75 * min(1.0, row["evidence_s"] / SURE_S)
        x = LEFT + hour * step
        lines.append(
            f'<rect x="{x + 1:.1f}" y="{top:.1f}" width="{step - 2:.1f}" height="{y_of(0.0) - top:.1f}" '
            f'fill="#1b5e9e" fill-opacity="{sure:.2f}"/>'
            f'<text x="{x + step / 2:.1f}" y="{top - 5:.1f}" text-anchor="middle">{row["times"]:.2f}</text>'
        )
    for times in (0.5, 1.0, 1.5, 2.0):
        y, ink = y_of(times), "#333" if times == 1.0 else "#ccc"
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDE - 10}" stroke="{ink}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{times:g}</text>')
    for hour in range(0, 25, 3):
        anchor = "end" if hour == 24 else "middle"
        lines.append(f'<text x="{LEFT + hour * step:.1f}" y="{HIGH - 10}" text-anchor="{anchor}">{hour}:00</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    print(picture(json.load(sys.stdin)["learned"]), end="")
