"""Replay recorded tracks (these are simulated) and ask in the middle of them: who would have been there first?

    python examples/replay_tracks.py [TRACKS] [MAP_FOLDER]

The same on a map, with play, pause and jump: geo-backup replay examples/tracks/simulated.csv --map maps/gothenburg
"""

import sys

from geo_backup import RoadNetwork
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import IncidentOpened
from geo_backup.live_map import LiveMap, apply
from geo_backup.replay.player import Player
from geo_backup.replay.timeline import read_tracks
from geo_backup.wire.times import to_text

player = Player(read_tracks(sys.argv[1] if len(sys.argv) > 1 else "examples/tracks/simulated.csv"))
network = RoadNetwork.load(sys.argv[2] if len(sys.argv) > 2 else "maps/gothenburg")
middle_ms = (player.start_ms + player.end_ms) // 2

# the live map is a fold of what happened: units, their positions, a call for help
call = IncidentOpened(event_id="call", received_ms=middle_ms, incident_id="call", lon=11.9668, lat=57.7072, priority=1)
live_map = LiveMap()
for seq, event in enumerate([*player.units(middle_ms), *player.due(middle_ms), call], start=1):
    apply(live_map, seq, event)

standing = Standing(network)
standing.update(view(live_map, middle_ms))
ranking = rank(standing, "call")
print(f"{to_text(middle_ms)}: {ranking.total} can go")
for candidate in ranking.candidates(5):
    print(f"{candidate.unit_id}  {candidate.eta_ms / 1000:.0f} s  {candidate.distance_m:.0f} m  {candidate.freshness}")
for unit_id, reason in ranking.excluded():
    print(f"{unit_id}  {reason}")
