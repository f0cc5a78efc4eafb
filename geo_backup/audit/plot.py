"""Plot: how good the times were that were told, as an SVG of a few lines: what intervals held, and errors by hour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from geo_backup.audit.etas import EtaReport

HELD, ERROR, BIAS = "#0072b2", "#d55e00", "#009e73"  # told apart by everybody [Okabe, Ito 2008]
WIDTH_PX, HEIGHT_PX, TOP_PX, SIDE_PX = 860, 412, 60, 300
LEFT_PX, SECOND_PX, SECOND_WIDE_PX = 70, 470, 370


def draw(found: EtaReport, title: str) -> str:
    """Left, of intervals said to hold a share of drives the share that they held; right, by hour of the day, how large
    errors were and how much too early or too late times were told."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}">',
        '<rect width="100%" height="100%" fill="#fff"/><g font-family="sans-serif" font-size="13" fill="#222">',
        f'<text x="{LEFT_PX}" y="24" font-size="15">{escape(title)}</text>',
        *_calibration(found),
        *_by_hour(found),
    ]
    return "\n".join([*out, "</g></svg>\n"])


def _calibration(found: EtaReport) -> list[str]:
    def x(share: float) -> float:
        return LEFT_PX + SIDE_PX * share

    def y(share: float) -> float:
        return TOP_PX + SIDE_PX * (1.0 - share)

    out = [f'<path stroke="#999" stroke-dasharray="5 4" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>']
    for tenth in range(0, 11, 2):
        share = tenth / 10
        out.append(f'<path stroke="#ddd" d="M{x(0)} {y(share):.1f}H{x(1)}"/>')
        out.append(f'<text x="{LEFT_PX - 8}" y="{y(share) + 4:.0f}" text-anchor="end">{share:.0%}</text>')
        out.append(f'<text x="{x(share):.0f}" y="{y(0) + 20}" text-anchor="middle">{share:.0%}</text>')
    said = "interval said to hold (across), drives it held (up)"
    out.append(f'<text x="{x(0.5)}" y="{y(0) + 38}" text-anchor="middle">{said}</text>')
    points = [(x(row["said"]), y(row["held"])) for row in found.calibration]
    return [*out, _line(points, HELD), *(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{HELD}"/>' for a, b in points)]


def _by_hour(found: EtaReport) -> list[str]:
    hours = {int(hour): row for hour, row in found.by["hour"].items()}
    least = min((row["bias_s"] for row in hours.values()), default=0.0)
    most = max((max(row["mae_s"], row["bias_s"]) for row in hours.values()), default=0.0)
    step = next((s for s in (10, 30, 60, 120, 300, 600) if (most - min(least, 0.0)) / s <= 8), 3_600)
    low, high = int(min(least, 0.0) // step) * step, max(int(-(-most // step)) * step, step)

    def x(hour: float) -> float:
        return SECOND_PX + SECOND_WIDE_PX * hour / 24

    def y(seconds: float) -> float:
        return TOP_PX + SIDE_PX * (high - seconds) / (high - low)

    out = []
    for seconds in range(low, high + 1, step):
        out.append(f'<path stroke="#{"999" if seconds == 0 else "ddd"}" d="M{x(0)} {y(seconds):.1f}H{x(24)}"/>')
        out.append(f'<text x="{SECOND_PX - 8}" y="{y(seconds) + 4:.0f}" text-anchor="end">{seconds} s</text>')
    for hour in range(0, 25, 3):
        out.append(f'<text x="{x(hour):.0f}" y="{TOP_PX + SIDE_PX + 20}" text-anchor="middle">{hour}</text>')
    for hour, row in hours.items():
        top, base = y(row["mae_s"]), y(0)
        out.append(
            f'<rect x="{x(hour + 0.15):.1f}" y="{top:.1f}" width="{x(0.7) - x(0):.1f}" height="{base - top:.1f}" '
            f'fill="{ERROR}" fill-opacity="0.5"><title>{hour}:00, {row["drives"]} drives</title></rect>'
        )
    out += [
        f'<circle cx="{x(hour + 0.5):.1f}" cy="{y(row["bias_s"]):.1f}" r="4" fill="{BIAS}"/>'
        for hour, row in hours.items()
    ]
    words = f"hour of the day, {found.timezone}: size of the error"
    out.append(f'<text x="{x(12)}" y="{TOP_PX + SIDE_PX + 38}" text-anchor="middle">{escape(words)} ')
    out.append(f'<tspan fill="{ERROR}">■</tspan>, told minus taken <tspan fill="{BIAS}">●</tspan></text>')
    return out


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    return f'<path fill="none" stroke="{colour}" stroke-width="1.8" d="M{path}"/>' if points else ""
