"""OSRM's HTTP API on the standing map, so that programs made for OSRM drive on our roads."""
