"""Whom to send: from what is asked to the set that goes. In the order of reading:

- `view`, `fleet`             units and incidents as a decision sees them: frozen rows, and the units as columns
- `driving`      the weights of a profile at a time, under closures and traffic
- `standing`, `readings`      the arrival fields, kept right while everything moves, and what they say of the units
- `requirement`  what is asked, and which units fill it
- `reasons`, `admission`      why a unit cannot be sent; which busy units may be taken, which agencies may help
- `ranking`      every unit's time to one incident, or why it cannot go
- `cover`, `demand`, `city`   where calls come from, how well free units cover them, what each unit's leaving costs
- `choice`       whom to send to all open requests together, and which of two choices is better
- `greedy`, `exact`           a choice at once, and the best one
- `question`, `answer`        what is to be decided, and the answer that is told and recorded
- `swap`, `odds`, `staging`, `advice`, `plan`, `run_card`   offers, spreads, places to wait, move-ups, plans, cards
"""
