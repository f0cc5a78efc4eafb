"""One running process: it puts events into the log, folds the log into the live map, keeps the open incidents ranked
and decided, and tells the viewers.

- `node`     the process and its tasks
- `bell`     waiting for something, but not for ever
- `counter`  large questions, one at a time
- `decider`  decisions: the first answer at once, the best one after it, both facts in the log
- `process`  what these may ask of the node
- `health`   what is wrong with the process, as named conditions
- `unrecorded`  emergencies that alarm before the log has them
- `timekeeper`  says what is wrong with the clock
"""

from geo_backup.node.bell import rung
from geo_backup.node.counter import Counter, in_steps
from geo_backup.node.node import ALARM_WITHIN_S, Node, Outcome, Viewer, whole_ranking

__all__ = ["ALARM_WITHIN_S", "Counter", "Node", "Outcome", "Viewer", "in_steps", "rung", "whole_ranking"]
