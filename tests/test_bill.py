"""The bill of materials in the wheel names all that others wrote in it, with the hash of each, and what it needs."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from geo_backup.dashboard import bill
from tests.running import ROOT

IMPORT = re.compile(r"""^\s*import (?!type )[^;"']*["'](@?\w[\w-]*(?:/[\w.-]+)?)""", re.MULTILINE)
"""Of types nothing is left in the page."""


def test_what_the_page_is_bundled_from_is_in_the_bill(tmp_path: Path) -> None:
    document = json.loads(bill.write(tmp_path).read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert (tmp_path / bill.NAME).read_bytes() == bill.write(tmp_path).read_bytes()
    bundled = {one["name"]: one for one in document["components"] if one["purl"].startswith("pkg:npm/")}
    for one in bundled.values():
        assert one["version"]
        assert one["licenses"]
        assert len(one["hashes"][0]["content"]) == 128, "SHA-512 in hex"
    sources = (ROOT / "geo_backup" / "dashboard" / "src").rglob("*")
    texts = [path.read_text() for path in sources if path.suffix in (".ts", ".svelte") and ".test." not in path.name]
    imported = {name for text in texts for name in IMPORT.findall(text)}
    roots = {name if name.startswith("@") else name.split("/")[0] for name in imported}
    assert {"svelte", "maplibre-gl", "pmtiles", "d3-contour"} <= roots
    assert roots - set(bundled) == set(), "a package of the page stands among the devDependencies of package.json"
    assert "vite" not in bundled


def test_what_the_wheel_asks_for_is_in_the_bill() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    document = bill.bill()
    needed = {one["name"] for one in document["components"] if one["purl"].startswith("pkg:pypi/")}
    assert len(needed) == len(project["dependencies"])
    assert {"numpy", "uvicorn", "PyJWT", "freestiler"} <= needed
    assert document["metadata"]["component"]["version"] == project["version"]
    assert len({one["bom-ref"] for one in document["components"]}) == len(document["components"])
