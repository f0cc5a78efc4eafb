"""Who is there first? One incident, five units, one field of arrival times.

python examples/rank_once.py [MAP_FOLDER]
"""

import sys

import numpy as np

from geo_backup import PROFILES, ArrivalField, RoadNetwork, Rules, snap_place, snap_units, weigh

network = RoadNetwork.load(sys.argv[1] if len(sys.argv) > 1 else "maps/gothenburg")
rules = Rules().snap

# the incident radiates its field: seconds from the end of every road edge, sirens on
target = snap_place(network, 11.9668, 57.7072, rules)
field = ArrivalField.build(weigh(network, PROFILES["response"]), target)

# a unit's ETA is the field's value where it stands; two of these are just across the river
units = ["P-1", "P-2", "P-3", "P-4", "P-5"]
lon = np.array([11.9560, 11.9450, 11.9800, 11.9300, 12.0100])
lat = np.array([57.7165, 57.7210, 57.7000, 57.6900, 57.7100])
unknown = np.full(5, np.nan)  # course and speed
points = snap_units(network, lon, lat, unknown, unknown, rules)
eta_ms, candidate = field.etas_ms(points)

for n in np.argsort(eta_ms, kind="stable"):
    way = field.route(int(points.edge[n, candidate[n]]), int(points.fraction[n, candidate[n]]))
    if way is None:
        print(f"{units[n]}  unreachable")
    else:
        print(f"{units[n]}  {eta_ms[n] / 1000:6.1f} s  {way.distance_m:6.0f} m  by {', '.join(way.streets[:3])}")
