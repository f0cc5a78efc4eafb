"""Plot: how soon the first unit was on scene, a curve a policy, as an SVG of a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from geo_backup.lab.compare import Measured

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by everybody [Okabe, Ito 2008]
WIDTH_PX, HEIGHT_PX, LEFT_PX, TOP_PX, RIGHT_PX, BELOW_PX = 760, 420, 60, 40, 20, 50


def draw(measured: Mapping[str, Measured], title: str) -> str:
    """Share of calls (upwards) whose first and whose last unit had driven no longer than so many minutes."""
    most_ms = max(np.quantile(one.kth_ms, 0.99) for one in measured.values())
    minutes = max(1, int(np.ceil(most_ms / 60_000)))
    wide, high = WIDTH_PX - LEFT_PX - RIGHT_PX, HEIGHT_PX - TOP_PX - BELOW_PX

    def xy(ms: float, share: float) -> str:
        return f"{LEFT_PX + wide * ms / (minutes * 60_000):.1f} {TOP_PX + high * (1 - share):.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}">',
        '<rect width="100%" height="100%" fill="#fff"/><g font-family="sans-serif" font-size="13" fill="#222">',
        f'<text x="{LEFT_PX}" y="24">{escape(title)}: first unit (full line) and last (dashed)</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0):
        out.append(f'<path stroke="#ddd" d="M{xy(0, share)}L{xy(minutes * 60_000, share)}"/>')
        y = xy(0, share).split()[1]
        out.append(f'<text x="{LEFT_PX - 8}" y="{float(y) + 4:.0f}" text-anchor="end">{share:.0%}</text>')
    for minute in range(minutes + 1):
        x = xy(minute * 60_000, 0).split()[0]
        out.append(f'<text x="{x}" y="{HEIGHT_PX - BELOW_PX + 20}" text-anchor="middle">{minute}</text>')
    out.append(f'<text x="{LEFT_PX + wide / 2}" y="{HEIGHT_PX - 10}" text-anchor="middle">minutes of travel</text>')
    shares = np.linspace(0.0, 1.0, 201)
    for n, (name, one) in enumerate(measured.items()):
        colour = COLOURS[n % len(COLOURS)]
        for values, dash in ((one.first_ms, ""), (one.kth_ms, ' stroke-dasharray="5 4"')):
            at = np.minimum(np.quantile(values, shares), minutes * 60_000)
            line = "L".join(xy(ms, share) for ms, share in zip(at, shares, strict=True))
            out.append(f'<path fill="none" stroke="{colour}" stroke-width="1.8"{dash} d="M{line}"/>')
        y_px = HEIGHT_PX - BELOW_PX - 20 - 20 * n
        out.append(f'<path stroke="{colour}" stroke-width="4" d="M{WIDTH_PX - 120} {y_px - 4}h24"/>')
        out.append(f'<text x="{WIDTH_PX - 90}" y="{y_px}">{escape(name)}</text>')
    return "\n".join([*out, "</g></svg>\n"])
