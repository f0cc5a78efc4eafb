"""The page that dispatchers watch; `DIST` is where its built files stand (absent until the package is built)."""

from pathlib import Path

DIST: Path = Path(__file__).with_name("dist")
