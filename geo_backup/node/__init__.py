"""One running process: it puts events into the log, folds the log into the live map, keeps the open incidents ranked
and decided, and tells the viewers.

- `node`     the process: its life, events in, the fold, and what it is asked
- `process`  what its parts may ask of it
- `fields`   the standing fields, and the thread they are read in
- `agenda`   which incidents are to be ranked now
- `ranker`   rankings, kept and pushed
- `decider`  decisions: the first answer at once, the best one after it, both facts in the log
- `alarms`   officers' emergencies on their way into the log
- `unrecorded`  what they would make of the live map before the log has them
- `viewers`  who watches, and what they have not been told
- `counter`  large questions, one at a time
- `clock`    the one clock
- `timekeeper`  says what is wrong with it
- `health`   what is wrong with the process, as named conditions
- `bell`     waiting for something, but not for ever
"""

from geo_backup.node.alarms import ALARM_WITHIN_S
from geo_backup.node.bell import rung
from geo_backup.node.counter import Counter, in_steps
from geo_backup.node.node import Node
from geo_backup.node.process import Outcome
from geo_backup.node.ranker import whole_ranking
from geo_backup.node.viewers import Viewer

__all__ = ["ALARM_WITHIN_S", "Counter", "Node", "Outcome", "Viewer", "in_steps", "rung", "whole_ranking"]
