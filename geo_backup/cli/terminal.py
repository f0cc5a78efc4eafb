"""What all commands share: the applications they belong to, options that recur, progress and tables."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from geo_backup.errors import BadValueError, MapError

app = typer.Typer(
    name="geo-backup",
    help="A live unit map that finds the backup that can be there first.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
map_app = typer.Typer(help="Make and look at maps.", no_args_is_help=True)
app.add_typer(map_app, name="map")
report_app = typer.Typer(help="What a log says of the work that was done.", no_args_is_help=True)
app.add_typer(report_app, name="report")
audit_app = typer.Typer(help="Whether a log is what was written.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
log_app = typer.Typer(help="Keep a log: back it up, restore it, repair it, purge what is old.", no_args_is_help=True)
app.add_typer(log_app, name="log")
say = Console(stderr=True, highlight=False)

MapOption = Annotated[Path, typer.Option("--map", help="Map folder, made by `geo-backup map build`.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def demo_map() -> Path:
    """The map of Gothenburg that comes with the package (in a checkout: under maps/)."""
    inside = Path(str(resources.files("geo_backup"))) / "maps" / "gothenburg"
    beside = Path(__file__).resolve().parent.parent.parent / "maps" / "gothenburg"
    for folder in (inside, beside):
        if (folder / "area.toml").exists():
            return folder
    raise MapError("the demo's map is missing from this installation; install the package again")


def progress_bar() -> Progress:
    """A bar for long work, on the error stream; it goes away when the work is done."""
    return Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=say, transient=True)


def print_rows(title: str, rows: dict[str, Any]) -> None:
    """A table of names and values."""
    table = Table(title=title, show_header=False)
    for name, value in rows.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), text)
    Console().print(table)


def mapping_of(text: str) -> dict[str, str]:
    """`name=column,...` as it is said to --columns."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(middle and name and column for name, middle, column in pairs):
        raise BadValueError("--columns", "columns", "--columns is a list such as unit_id=vehicle,time=ts,lon=x,lat=y")
    return {name.strip(): column.strip() for name, _, column in pairs}
