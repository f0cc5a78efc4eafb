"""What was: the log, looked up by unit, by incident and by time, beside the server that goes on writing it.

- `packed`    fixes of one unit and hour, as few bytes
- `index`     the file beside a log in which its units and incidents are looked up; made of the log alone
- `historian` keeps the index up with the log
- `track`     a unit's breadcrumbs, and what it did meanwhile
"""
