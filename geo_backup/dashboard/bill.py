"""The bill of materials of a wheel (CycloneDX, PEP 770): what others wrote that is in it, and what it needs beside it.

The page is bundled from packages of npm, which `package-lock.json` names with their hashes. Packages of Python are not
in the wheel; what it asks an installer for stands here as its `pyproject.toml` says it.
"""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).resolve().parent / "package-lock.json"
NAME = "geo-backup.cdx.json"


def bill(root: Path = ROOT, lock: Path = LOCK) -> dict[str, Any]:
    """The document. The same sources make the same one: it holds no time and no number of its own."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    bundled = [_bundled(path, package) for path, package in packages.items() if path and not _builds_only(package)]
    purl = f"pkg:pypi/{project['name']}@{project['version']}"
    itself = {"type": "application", "name": project["name"], "version": project["version"], "purl": purl}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**itself, "bom-ref": purl, "licenses": [_licence(project["license"])]}},
        "components": [*bundled, *map(_needed, project["dependencies"])],
    }


def write(folder: Path) -> Path:
    """Write it into a folder; the file."""
    path = folder / NAME
    path.write_text(json.dumps(bill(), indent=1) + "\n", encoding="utf-8")
    return path


def _builds_only(package: dict[str, Any]) -> bool:
    """Whether a package makes the page and leaves nothing of itself in it."""
    return bool(package.get("dev") or package.get("devOptional") or package.get("optional"))


def _bundled(path: str, package: dict[str, Any]) -> dict[str, Any]:
    name, version = path.rpartition("node_modules/")[2], package["version"]
    purl = f"pkg:npm/{quote(name)}@{version}"
    kind, _, digest = package["integrity"].partition("-")
    hashed = {"alg": kind.upper().replace("SHA", "SHA-"), "content": base64.b64decode(digest).hex()}
    component = {
        "type": "library",
        "bom-ref": path,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": "required",
    }
    licences = [_licence(package["license"])] if "license" in package else []
    return {**component, "licenses": licences, "hashes": [hashed]}


def _needed(requirement: str) -> dict[str, Any]:
    asked, _, where = (part.strip() for part in requirement.partition(";"))
    name = asked
    for mark in "[<>=!~ ":
        name = name.partition(mark)[0]
    properties = [{"name": "python:requirement", "value": requirement}]
    scope = "optional" if where else "required"
    purl = f"pkg:pypi/{name.lower()}"
    return {"type": "library", "bom-ref": purl, "name": name, "purl": purl, "scope": scope, "properties": properties}


def _licence(said: str) -> dict[str, Any]:
    """One of SPDX, or an expression of several."""
    if any(word in said for word in (" OR ", " AND ", " WITH ", "(")):
        return {"expression": said}
    return {"license": {"id": said}}
