"""`python -m geo_backup` is the command `geo-backup`."""

from geo_backup.cli import main

main()
