"""What a centre and a county start their machines with is what systemd reads, and what the commands take."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import httpx
import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

from geo_backup.cli import app
from geo_backup.settings import Config
from tests.asking import SOUTH, at, new_unit, report
from tests.cluster.servers import program
from tests.running import ROOT, ServerInThread

EXAMPLES = ROOT / "examples"
UNITS = sorted(EXAMPLES.glob("c*/*.service"))
OURS = [unit for unit in UNITS if "bin/geo-backup" in unit.read_text()]


@pytest.mark.parametrize("unit", OURS, ids=lambda unit: unit.stem)
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
    text = text.replace("/opt/nats/nats-server", "/bin/true").replace("User=nats", "User=root")
    assert {"[Unit]", "[Service]", "[Install]"} <= set(text.splitlines())
    copy = tmp_path / unit.name.replace("@", "@leader")
    copy.write_text(text)
    if shutil.which("systemd-analyze"):  # elsewhere its sections are all that can be looked at
        told = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
        assert unit.name.replace("@", "@leader") not in told.stderr, told.stderr


def test_the_servers_of_the_stream_take_their_file() -> None:
    command = [program(), "-c", EXAMPLES / "county" / "nats.conf", "-t"]
    known = {**os.environ, "GEO_BACKUP_NATS_PASSWORD": "a-secret"}
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=known)
    assert told.returncode == 0, told.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0, "not without a password"


def test_the_county_on_one_machine_is_what_compose_takes() -> None:
    file = EXAMPLES / "county" / "compose.yaml"
    commands = re.findall(r"geo-backup serve (.*?)\"", file.read_text(), re.DOTALL)
    taken = {option for one in typer.main.get_command(app).commands["serve"].params for option in one.opts}  # type: ignore[attr-defined]
    assert commands
    assert all(set(re.findall(r"--[a-z-]+", line)) <= taken for line in commands)
    compose = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*compose, "version"], check=False, capture_output=True).returncode == 0
    ):
        subprocess.run([*compose, "-f", file, "config", "--quiet"], check=True)


def test_the_county_keeps_what_its_file_says() -> None:
    assert Config.read(EXAMPLES / "county" / "county.toml").retention is not None


METRIC = re.compile(r"\b(?:geo_backup|process)_\w+")


def test_the_dashboard_reads_what_a_server_tells(tmp_path: Path) -> None:
    """Every metric and label of each panel, of a machine that has seen one of everything."""
    told = ServerInThread(tmp_path / "log.sqlite", paired=True).start()
    try:
        with httpx.Client(base_url=told.url, trust_env=False) as http:
            unit_id = new_unit(http, SOUTH)
            report(http, {"unit_id": unit_id, "lon": SOUTH[0], "lat": SOUTH[1], "fix_time": at(-3_600)})
            http.post("/v1/owntracks", content="nothing that anybody could use")
            http.get("/v1/units/nobody")
            families = list(text_string_to_metric_families(http.get("/metrics").text))
    finally:
        told.stop()
    there: dict[str, set[str]] = {}
    for sample in (sample for family in families for sample in family.samples):
        there.setdefault(sample.name, set()).update(sample.labels)
    dashboard = json.loads((EXAMPLES / "centre" / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    read = {name for expr in asked for name in METRIC.findall(expr)}
    assert read - set(there) == set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        for target in panel["targets"]:
            expr, legend = target["expr"], target["legendFormat"]
            labels = set().union(*(there[name] for name in METRIC.findall(expr))) | {"instance"}
            used = re.findall(r"(\w+)\s*=~?\s*\"", expr) + re.findall(r"\{\{(\w+)\}\}", legend)
            used += [name for by in re.findall(r"by \(([\w, ]+)\)", expr) for name in by.split(", ")]
            assert set(used) <= labels, expr
