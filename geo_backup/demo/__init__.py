"""Invented traffic for the demo and the load tests: vehicles that drive the network and obey their assignments."""
