"""What a centre starts its machines with is what systemd reads, and what the commands take."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import typer

from geo_backup.cli import app
from tests.running import ROOT

CENTRE = ROOT / "examples" / "centre"
UNITS = sorted(CENTRE.glob("*.service"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_starts_a_command_with_options_that_it_has(unit: Path) -> None:
    commands = typer.main.get_command(app)
    assert isinstance(commands, click.Group) or hasattr(commands, "commands")
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    name = re.findall(r"bin/geo-backup (\S+)", line)[0]
    for named in ("serve", "follow") if name == "$ROLE" else (name,):
        taken = {option for parameter in commands.commands[named].params for option in parameter.opts}  # type: ignore[attr-defined]
        assert set(re.findall(r"--[a-z-]+", line)) <= taken


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_is_one_that_systemd_takes(unit: Path, tmp_path: Path) -> None:
    text = (
        unit.read_text().replace("/opt/geo_backup/bin/geo-backup", "/bin/true").replace("User=geo_backup", "User=root")
    )
    assert {"[Unit]", "[Service]", "[Install]"} <= set(text.splitlines())
    copy = tmp_path / unit.name.replace("@", "@leader")
    copy.write_text(text)
    if shutil.which("systemd-analyze"):  # elsewhere its sections are all that can be looked at
        told = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
        assert unit.name.replace("@", "@leader") not in told.stderr, told.stderr
