"""Load: a running server under so many pings, incidents and viewers, and how long a ping takes to everybody's screen.

What drives it are processes of their own, so that the server is timed and not they: `sender` posts the positions of
simulated units, `viewers` holds the desks, `conductor` sets the scene, watches the server's own figures and clears up.
"""

from geo_backup.load.conductor import measure
from geo_backup.load.figures import Load
from geo_backup.load.floor import floor
from geo_backup.load.own import own_server

__all__ = ["Load", "floor", "measure", "own_server"]
