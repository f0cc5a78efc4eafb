"""Receivers: trackers that speak otherwise than by HTTP. Each listens, or dials, beside the server, and is off unless
it is configured; what it hears goes through an `Inlet` to where trackers' messages go whichever way they come."""
