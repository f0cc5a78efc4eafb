"""Who may speak to a server: people, devices and programs, their secrets and sessions. They live beside the log, never
in it: what the log must keep for ever and what has to be forgotten are two things."""

from geo_backup.people.principal import ANYONE, ROLES, Principal, Role
from geo_backup.people.roster import Roster, roster_beside

__all__ = ["ANYONE", "ROLES", "Principal", "Role", "Roster", "roster_beside"]
