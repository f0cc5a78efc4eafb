"""Whom to send: from what is asked to a ranking of every unit."""
