"""The registry of formats: every row reads the sample that its module shows, and one more row is all a format takes."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from geo_backup.errors import TrackError
from geo_backup.formats.recordings import FORMATS, Format, format_of, known, read
from geo_backup.formats.tracks import Hints
from tests.running import ROOT


def sample(row: Format) -> str:
    """What is indented in the docstring of a format's module."""
    shown = [line for line in (row.reader.__doc__ or "").splitlines() if line.startswith("    ")]
    return textwrap.dedent("\n".join(shown))


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_row_reads_the_sample_that_its_module_shows(row: Format) -> None:
    assert list(inspect.signature(row.reader.read).parameters) == ["text", "name", "hints"]
    text = sample(row)
    assert format_of(text, "unnamed") == row, "it is told by its content alone"
    found = read(text, "unnamed", Hints())
    assert [len(track.fixes) for track in found] == [1]
    assert found.summary() == ""


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_an_ending_says_what_the_content_does_not(row: Format) -> None:
    for suffix in row.suffixes:
        assert format_of("?", f"day{suffix.upper()}") == row
        with pytest.raises(TrackError, match="day"):
            read("?", f"day{suffix}", Hints())


def test_no_two_rows_share_an_ending() -> None:
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize("name", ["TAIP", "NMEA"])
def test_a_table_that_quotes_a_sentence_is_a_table(name: str) -> None:
    row = next(row for row in FORMATS if row.name == name)
    text = f"unit_id,time,lon,lat,raw\nA,1795435200,11.9,57.7,{sample(row).splitlines()[0]}\n"
    assert format_of(text, "day.log") == row
    for suffix in (".csv", ".tsv"):
        found = format_of(text, f"day{suffix}")
        assert found is not None
        assert found.name == "CSV"


def test_what_is_in_no_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(TrackError, match=r"day\.bin is no recording .*CoT, GPX, .*or a log of geo_backup"):
        read("\x00\x01", "day.bin", Hints())


NEW = """
import sys, types
from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.formats import recordings
from geo_backup.formats.tracks import Collector

def read(text, name, hints):
    found = Collector(name)
    found.add("A", "", Fix(1_795_435_200_000, 11.9, 57.7), name)
    return found.recording()

sys.modules["geo_backup.formats.pigeon"] = types.SimpleNamespace(looks=lambda start: start.startswith("coo"), read=read)
recordings.FORMATS = (recordings.Format("Pigeon", (".coo",)), *recordings.FORMATS)

from typer.testing import CliRunner
from geo_backup import cli
from geo_backup.replay.timeline import read_tracks

assert [track.unit_id for track in read_tracks(sys.argv[1])] == ["A"]
try:
    read_tracks(sys.argv[2])
except TrackError as refused:
    assert "Pigeon" in str(refused), refused
else:
    raise AssertionError("nobody reads this")
print(CliRunner().invoke(cli.app, ["replay", "--help"], env={"COLUMNS": "300"}).output)
"""


def test_a_new_format_is_one_file_and_one_row(tmp_path: Path) -> None:
    """With both, `replay` reads it, its help names it, and so does the refusal of what nobody reads."""
    (there := tmp_path / "there").write_text("coo")
    (noise := tmp_path / "noise").write_text("?")
    command = [sys.executable, "-c", NEW, str(there), str(noise)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Pigeon, {known()}" in " ".join(done.stdout.split())
