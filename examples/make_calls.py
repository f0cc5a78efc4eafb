"""Make simulated calls and stations for any map, for `geo-backup simulate`: more where there is more road, by the hour.

python examples/make_calls.py MAP_FOLDER OUT_FOLDER [--days 14] [--calls 240] [--stations 40] [--timezone Europe/Lisbon]

Nothing here was recorded, and the files say so in the calls' kind; nobody is said to have driven, so that there is
nothing to check drives against.
"""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from geo_backup import RoadNetwork
from geo_backup.geodesy import distance_m

BY_HOUR = np.array([5, 4, 3, 3, 2, 2, 3, 4, 5, 6, 6, 7, 7, 7, 7, 7, 7, 8, 8, 8, 7, 7, 6, 6]) / 135
MOTORWAYS = 4  # classes below this: nobody lives there
SHARES = [0.62, 0.25, 0.08, 0.05]  # of calls that take one unit, two, three, four

ask = argparse.ArgumentParser(description=__doc__)
ask.add_argument("map")
ask.add_argument("out", type=Path)
for name, default in (("days", 14), ("calls", 240), ("stations", 40), ("seed", 1)):
    ask.add_argument(f"--{name}", type=int, default=default, help="calls: a day" if name == "calls" else None)
ask.add_argument("--timezone", default="UTC")
given = ask.parse_args()
draw = np.random.default_rng(given.seed)
network = RoadNetwork.load(given.map)

# places: a random point of a random piece of road, long ones oftener; denser towards the middle, as a city is
middle = (np.asarray(network.piece_from), np.asarray(network.piece_to))
lon, lat = (np.asarray(v, float) / 1e7 for v in (network.junction_lon_e7, network.junction_lat_e7))
piece_lon, piece_lat = (axis[np.stack(middle)].mean(axis=0) for axis in (lon, lat))
from_middle_m = np.asarray(distance_m(piece_lon, piece_lat, np.median(piece_lon), np.median(piece_lat)))
weight = np.asarray(network.piece_length_m, float) * np.exp(-from_middle_m / 6_000.0)
weight[np.asarray(network.way_class)[network.piece_way] < MOTORWAYS] = 0.0


def places(count: int) -> np.ndarray:
    pieces = draw.choice(len(weight), count, p=weight / weight.sum())
    ends = np.stack([axis[np.stack((middle[0][pieces], middle[1][pieces]))] for axis in (lon, lat)], axis=2)
    part = draw.random((count, 1))
    return ends[0] * part + ends[1] * (1 - part)


# stations: of so many random places those farthest apart, so that every part of the city has one
pool = places(40 * given.stations)
chosen = [0]
far_m = np.full(len(pool), np.inf)
spread = np.exp(-np.asarray(distance_m(*pool.T, np.median(piece_lon), np.median(piece_lat))) / 8_000.0)
for _ in range(given.stations - 1):
    far_m = np.minimum(far_m, np.asarray(distance_m(*pool.T, *pool[chosen[-1]])))
    chosen.append(int(np.argmax(far_m * spread)))
stations = pool[chosen]

zone = ZoneInfo(given.timezone)
first = datetime(2026, 3, 2, tzinfo=zone)
rows = ["call_id,time,lon,lat,priority,kind,area,unit_id,unit_kind,dispatch,on_scene,available"]
number = 0
for hour in range(24 * given.days):
    for minute in sorted(draw.uniform(0, 60, draw.poisson(given.calls * BY_HOUR[hour % 24]))):
        number += 1
        at = (first.astimezone(UTC) + timedelta(hours=hour, minutes=float(minute))).replace(microsecond=0)
        (place,) = places(1)
        priority = int(draw.choice([1, 2, 3], p=[0.3, 0.4, 0.3]))
        metres = np.asarray(distance_m(*place, *stations.T))
        for k in np.argsort(metres)[: draw.choice([1, 2, 3, 4], p=SHARES)]:
            drive_s, kept_s = 120 + metres[k] / 10, draw.lognormal(7.4, 0.6)
            times = np.cumsum([45.0, drive_s, kept_s])
            stamps = [(at + timedelta(seconds=float(s))).strftime("%Y-%m-%dT%H:%M:%SZ") for s in (0.0, *times)]
            cells = (number, stamps[0], f"{place[0]:.6f}", f"{place[1]:.6f}", priority, "simulated", k + 1)
            rows.append(",".join(map(str, (*cells, f"U{k + 1}", "unit", *stamps[1:]))))

given.out.mkdir(parents=True, exist_ok=True)
(given.out / "calls.csv").write_text("\n".join(rows) + "\n")
(given.out / "stations.csv").write_text(
    "station,lon,lat\n" + "".join(f"{k + 1},{x:.6f},{y:.6f}\n" for k, (x, y) in enumerate(stations))
)
print(f"{number} simulated calls of {len(rows) - 1} units and {len(stations)} stations -> {given.out}")
