"""geo_backup: a live unit map that finds the backup that can be there first."""

from __future__ import annotations

__version__ = "0.1.0"
