"""Two machines and one log: one of them leads and writes it, the other has all of it and takes over. See README.md."""

from geo_backup.pair.file import Memory
from geo_backup.pair.log import PairedLog
from geo_backup.pair.terms import Term

__all__ = ["Memory", "PairedLog", "Term"]
