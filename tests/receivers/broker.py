"""A real Mosquitto on a port of its own."""

from __future__ import annotations

import gc
import json
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt import publish

from tests.running import eventually

WHERE = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


@dataclass
class Broker:
    """Start it again after `stop` and it has the same port; it keeps nothing on the disk."""

    port: int
    more: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = shutil.which("mosquitto") or next(
            (f"{at}/mosquitto" for at in WHERE if Path(at, "mosquitto").exists()), ""
        )
        if not program:
            pytest.skip("there is no mosquitto here")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nlog_type none\n{self.more}\n")
            config.flush()
            # the client of the tests waits by select(), which takes no descriptor beyond 1,023, and calls for ever
            # then: maps of tests that are over are open until somebody looks for them
            gc.collect()
            self.process = subprocess.Popen([program, "-c", config.name])
            eventually(self._answers, "the broker")
            assert self.process.poll() is None, "another program answers there"

    def _answers(self) -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def says(self, topic: str, document: object, *, retain: bool = False) -> None:
        """Publish a message that is handed over at least once."""
        payload = json.dumps(document) if document is not None else b""
        assert self.process is not None
        assert self.process.poll() is None, "the broker is gone, and would be called for ever"
        with socket.socket() as next_one:
            assert next_one.fileno() < 1_000, "select() takes no such descriptor: the broker would be called for ever"
        publish.single(topic, payload, 1, retain, "127.0.0.1", self.port)
