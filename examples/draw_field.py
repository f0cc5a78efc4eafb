"""Draw the field of arrival times around an incident as an SVG: every road in the colour of how soon help is there.

python examples/draw_field.py [MAP_FOLDER] > field.svg
"""

import sys

import numpy as np

from geo_backup import PROFILES, ArrivalField, RoadNetwork, Rules, snap_place, weigh

LON, LAT, HALF_M, SIZE_PX = 11.9668, 57.7072, 3_500.0, 900
BANDS = [(60, "#0d0887"), (120, "#5b02a3"), (180, "#9a179b"), (240, "#cb4678"), (300, "#ed7953"), (420, "#fdb32f")]
LATER = "#d9d9d9"

network = RoadNetwork.load(sys.argv[1] if len(sys.argv) > 1 else "maps/gothenburg")
field = ArrivalField.build(weigh(network, PROFILES["response"]), snap_place(network, LON, LAT, Rules().snap))
east_m, north_m = network.metres_per_deg
paths: dict[str, list[str]] = {LATER: []} | {colour: [] for _, colour in reversed(BANDS)}
for forward, backward in network.piece_edges.tolist():
    edges = [edge for edge in (forward, backward) if edge >= 0]
    x, y = (network.edge_line(edges[0]) - (LON, LAT)).T * np.array([[east_m], [north_m]])
    if np.abs(x).max() > HALF_M or np.abs(y).max() > HALF_M:
        continue
    seconds = min(int(field.at_end_ms[edge]) for edge in edges) / 1000
    colour = next((colour for limit, colour in BANDS if seconds <= limit), LATER)
    px, py = (x / HALF_M + 1) * SIZE_PX / 2, (1 - y / HALF_M) * SIZE_PX / 2
    paths[colour].append("M" + "L".join(f"{a:.0f} {b:.0f}" for a, b in zip(px, py, strict=True)))

print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE_PX} {SIZE_PX}" fill="none" stroke-linecap="round">')
print(f'<rect width="{SIZE_PX}" height="{SIZE_PX}" fill="#fff"/>')
for colour, pieces in paths.items():
    print(f'<path stroke="{colour}" stroke-width="2" d="{"".join(pieces)}"/>')
print(f'<circle cx="{SIZE_PX / 2}" cy="{SIZE_PX / 2}" r="9" fill="#000" stroke="#fff" stroke-width="3"/>')
print(
    '<g font-family="sans-serif" font-size="16" fill="#222"><rect x="12" y="12" width="150" height="190" fill="#fffd"/>'
)
for row, (limit, colour) in enumerate([*BANDS, (0, LATER)]):
    words = f"within {limit / 60:g} min" if limit else "later"
    y_px = 40 + 24 * row
    print(f'<path d="M24 {y_px - 5}h24" stroke="{colour}" stroke-width="5"/><text x="58" y="{y_px}">{words}</text>')
print('</g><text x="888" y="888" text-anchor="end" font-family="sans-serif" font-size="12" fill="#444">')
print(f"{network.area.attribution}</text></svg>")
