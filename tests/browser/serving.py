"""A command of the package that serves, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.browser.chromium import built
from tests.running import START_S, eventually, free_port


def serve(*arguments: str, log: Path, opens: Path | None = None) -> Iterator[str]:
    """Runs `geo-backup ... --port <free>` until the test is over; yields its URL. The address that it opens in the
    browser is written to `opens`."""
    built()
    port = free_port()
    command = [sys.executable, "-m", "geo_backup", *arguments, "--port", str(port)]
    env = {**os.environ}
    if opens is None:
        command.append("--no-browser")
    else:
        env["BROWSER"] = str(opens.with_suffix(".sh"))
        opens.with_suffix(".sh").write_text(f'#!/bin/sh\nprintf %s "$1" > {opens}.part && mv {opens}.part {opens}\n')
        opens.with_suffix(".sh").chmod(0o700)
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=env) as process:
        try:

            def answers() -> bool:
                if process.poll() is not None:
                    pytest.fail(f"{' '.join(command)} ended:\n{log.read_text()[-2000:]}")
                return ready(url)

            eventually(answers, " ".join(command), START_S)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
