"""What is written about the program holds: names, versions, docstrings, the README's commands."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typer

import geo_backup
from geo_backup import cli
from tests.running import ROOT

PACKAGE = ROOT / "geo_backup"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "node_modules" not in path.parts)
README = ROOT / "README.md"


def test_every_name_the_package_offers_is_there() -> None:
    for name in geo_backup.__all__:
        assert getattr(geo_backup, name) is not None
    with pytest.raises(AttributeError):
        geo_backup.nothing  # noqa: B018


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert geo_backup.__version__ == project["version"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "a module begins with what it is"


def commands() -> dict[str, set[str]]:
    """Every command of the CLI with its options."""
    found: dict[str, set[str]] = {}
    group = typer.main.get_command(cli.app)
    pending = [("", group)]
    while pending:
        prefix, command = pending.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            found[prefix.strip()] = {option for param in command.params for option in param.opts} | {"--help"}
        else:
            pending += [(f"{prefix} {name}", child) for name, child in inner.items()]
    return found


def test_the_readme_speaks_of_commands_that_exist() -> None:
    assert README.exists()
    text = README.read_text(encoding="utf-8")
    known, seen = commands(), set()
    for line in re.findall(r"geo-backup ([a-z][^`#\n]*)", text):
        words = line.split()
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
        assert name is not None, f"README: geo-backup {line}"
        seen.add(name)
        options = {option.split("=")[0] for option in words if option.startswith("--")}
        assert options <= known[name], f"README: geo-backup {line}"
    assert {"demo", "serve", "map build"} <= seen


def test_the_readme_speaks_of_files_that_exist() -> None:
    text = README.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    examples = re.findall(r"`(?:python )?(examples/[\w./]+|geo_backup/[\w./]+|maps/gothenburg)`", text)
    for name in (*links, *examples):
        assert (ROOT / name).exists(), f"README: {name}"


def test_modules_load() -> None:
    for name in ("cli", "node", "client", "server.app", "settings"):
        import_module(f"geo_backup.{name}")


def test_every_promise_names_tests_that_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "geo_backup" / "node" / "PROMISES.md").read_text()))
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    conformance = (ROOT / "tests" / "conformance" / "event_log.py").read_text()
    assert named - there - set(re.findall(r"def (test_\w+)", conformance)) == set()
