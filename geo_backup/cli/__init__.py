"""The command line: each command composes the parts and says what happens in words."""

from __future__ import annotations

import logging
import os
import sys

from rich.markup import escape

from geo_backup.cli import maps, readings, records, servers
from geo_backup.cli.terminal import app, demo_map, say
from geo_backup.errors import GeoBackupError

__all__ = ["app", "demo_map", "main", "maps", "readings", "records", "servers"]

# what a newcomer needs first stands first in the help
app.registered_commands.sort(key=lambda command: getattr(command.callback, "__module__", "") != servers.__name__)


def main() -> None:
    """Entry point: every failure is one clear line and a non-zero exit."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        app()
    except GeoBackupError as error:
        say.print(f"[bold red]geo-backup:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
