"""A server of one's own: it has a log for as long as it is measured."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geo_backup.errors import GeoBackupError

START_S = 300.0
"""The first start on a machine compiles the kernels."""


@contextmanager
def own_server(map_folder: Path) -> Iterator[str]:
    """`geo-backup serve` in a process of its own, on a log in the folder for temporary files (TMPDIR): its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="geo_backup_load_") as folder, Path(folder, "said").open("w+") as said:
        where = ["--map", str(map_folder), "--log", f"{folder}/load.sqlite", "--port", str(port)]
        server = subprocess.Popen([sys.executable, "-m", "geo_backup", "serve", *where], stdout=said, stderr=said)
        try:
            until_s = time.monotonic() + START_S
            while not _ready(url):
                if server.poll() is not None or time.monotonic() > until_s:
                    said.seek(0)
                    raise GeoBackupError(f"the server to be measured did not start: {said.read().strip()}")
                time.sleep(0.05)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/readyz", timeout=2):
            return True
    except OSError:
        return False
