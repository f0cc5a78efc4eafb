"""Cartography: sources of roads (OpenStreetMap files, GeoJSON lines, OSMnx graphs, place names) become map folders."""
