"""The laboratory: policies over recorded calls and drills, compared."""
