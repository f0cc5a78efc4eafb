"""What all commands share: the applications they belong to, options that recur, what they read and how they show it."""

from __future__ import annotations

import math
import sys
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
LOG_HELP = "Event log: a file, or a URL such as sqlite:///var/log.sqlite"
"""A URL is a str to typer: as a Path it would lose a slash."""
LogArgument = Annotated[str, typer.Argument(help=LOG_HELP)]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="TCP port; 0 takes any free one.")]
NoBrowserOption = Annotated[bool, typer.Option("--no-browser", help="Do not open the page in a browser.")]
ColumnsOption = Annotated[
    str | None, typer.Option(help="CSV columns, such as unit_id=vehicle,time=ts,lon=x,lat=y,speed_mps=v")
]
TimezoneOption = Annotated[str | None, typer.Option(help="IANA zone of CSV times without offset.")]
CertificateOption = Annotated[Path | None, typer.Option(help="Certificate in PEM; taken again when it changes.")]
KeyOption = Annotated[Path | None, typer.Option(help="Its key.")]
ProxyOption = Annotated[
    list[str] | None, typer.Option(help="Address or network of a proxy whose X-Forwarded-For and -Proto hold.")
]
UrlOption = Annotated[
    str, typer.Option("--url", help="Where the other machine of a pair finds this one (pair/README.md).")
]
AsynchronousOption = Annotated[
    bool, typer.Option("--asynchronous", help="Acknowledge what is written before the standby has it.")
]
WitnessOption = Annotated[
    str, typer.Option("--witness", help="URL of the `geo-backup witness` that says who leads, by itself.")
]
LogFormatOption = Annotated[
    str, typer.Option(help="How the server writes of itself: text, or json, with a line for each request.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def finite(value: float) -> float:
    """A number of the command line. `nan` is within every range."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number that counts")
    return value


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


def write_log_as(form: str) -> None:
    """What is logged, and what `say` says, in a form of `server.lines`."""
    from geo_backup.server.lines import write_as

    def say_to(file: Any) -> None:
        say.file, say.width = file, 10_000

    write_as(form, say_to)


def show(*said: str | Table) -> None:
    """Print lines and tables on standard output."""
    for one in said:
        if isinstance(one, str):
            print(one)
        else:
            Console().print(one)


def contents(option: str, path: Path | str) -> bytes:
    """A file that the user named, or standard input for `-`. Raises `BadValueError` when it cannot be read."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    except OSError as error:
        raise BadValueError(option, "file", f"{path} cannot be read: {error.strerror or error}") from None


def lines(option: str, path: Path | str) -> list[str]:
    """The lines of a text in UTF-8; as `contents`."""
    try:
        return contents(option, path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadValueError(option, "file", f"{path} cannot be read: {error}") from None
