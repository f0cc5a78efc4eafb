"""One running process: it puts events into the log, folds the log into the live map, keeps the open incidents ranked
and decided, and tells the viewers.

- `node`     the process and its tasks
- `bell`     waiting for something, but not for ever
- `counter`  large questions, one at a time
- `decider`  decisions: the first answer at once, the whole one as a fact in the log
"""

from geo_backup.node.bell import rung
from geo_backup.node.counter import Counter, in_steps
from geo_backup.node.decider import decide
from geo_backup.node.node import Node, Outcome, Viewer, whole_ranking

__all__ = ["Counter", "Node", "Outcome", "Viewer", "decide", "in_steps", "rung", "whole_ranking"]
