"""Whom to send: from what is asked to the set that goes. In the order of reading:

- `requirement`  what is asked, and which units fill it
- `fleet`        units and incidents as a decision sees them
- `reasons`, `admission`      why a unit cannot be sent; which busy units may be taken, which agencies may help
- `ranking`      every unit's time to one incident, or why it cannot go
- `cover`, `demand`, `city`   where calls come from, how well free units cover them, what each unit's leaving costs
- `choice`       whom to send to all open requests together, and which of two choices is better
- `greedy`, `exact`           a choice at once, and the best one
- `answer`       the question, and the answer that is told and recorded
- `swap`, `odds`, `staging`, `advice`, `plan`, `run_card`   offers, spreads, places to wait, move-ups, plans, cards
- `standing`, `closures`      the arrival fields, kept right while everything moves
"""
