"""One running process: it puts events into the log, folds the log into the live map, keeps the open incidents ranked
and decided, and tells the viewers.

- `node`     the process and its tasks
- `bell`     waiting for something, but not for ever
- `decider`  decisions: the first answer at once, the whole one as a fact in the log
- `health`   what is wrong with the process, as named conditions
- `unrecorded`  emergencies that alarm before the log has them
- `timekeeper`  says what is wrong with the clock
"""

from geo_backup.node.bell import rung
from geo_backup.node.decider import decide
from geo_backup.node.node import ALARM_WITHIN_S, Node, Outcome, Viewer

__all__ = ["ALARM_WITHIN_S", "Node", "Outcome", "Viewer", "decide", "rung"]
