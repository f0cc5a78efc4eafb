"""An operator finds a request in the server's log: by its id, in text and as JSON."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.node import Node
from geo_backup.server import lines
from geo_backup.server.app import create_app
from geo_backup.server.request_id import REQUEST_ID
from tests.asking import problem
from tests.node.test_node import running
from tests.running import GOTHENBURG, Failed, Server, ServerInThread

TOKEN = "a-token-of-a-whole-server"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is written as JSON, instead of what would be."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    levels = {log: log.level for log in (lines.requests, logging.getLogger("geo_backup.cli"))}
    root.handlers = [logging.StreamHandler(stream)]
    lines.write_as("json", lambda file: None)
    yield stream
    root.handlers = before
    for log, level in levels.items():
        log.setLevel(level)


def asked(tmp_path: Path, *headers: dict[str, str], path: str = "/v1/units/nobody") -> list[httpx.Response]:
    """What a node in this process answers to a question with each of these headers."""
    found: list[httpx.Response] = []

    async def story(node: Node) -> None:
        door = httpx.ASGITransport(create_app(node, token=TOKEN))
        token = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=door, base_url="http://localhost", headers=token) as http:
            for more in headers:
                found.append(await http.get(path, headers=more))

    running(story, tmp_path / "log.sqlite")
    return found


def test_an_id_is_taken_where_it_is_sane_and_made_where_not(tmp_path: Path) -> None:
    trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    given, traced, both, *rest = asked(
        tmp_path,
        {"X-Request-Id": "desk-7.41"},
        trace,
        {**trace, "X-Request-Id": "desk-8"},
        {},
        {"X-Request-Id": "x" * 65},
        {"X-Request-Id": '{"level": "ERROR"}\x1b[0m'},
        {"traceparent": "00-nonsense"},
    )
    assert [answer.headers["X-Request-Id"] for answer in (given, traced, both)] == ["desk-7.41", TRACE, "desk-8"]
    made = [answer.headers["X-Request-Id"] for answer in rest]
    assert len(set(made)) == 4
    for answer in (given, *rest):
        assert problem(answer, 404)["instance"] == answer.headers["X-Request-Id"]
        assert len(answer.headers["X-Request-Id"]) < 20


def test_each_request_is_one_line_of_json_with_who_asked_and_no_query(tmp_path: Path, written: io.StringIO) -> None:
    asked(tmp_path, {"X-Request-Id": "desk-7"}, path="/v1/units/nobody?ticket=secret")
    (line,) = [
        one for one in map(json.loads, written.getvalue().splitlines()) if one["logger"] == "geo_backup.requests"
    ]
    assert line.pop("time").endswith("Z")
    assert 0 < line.pop("ms") < 60_000
    assert line == {
        "level": "INFO",
        "logger": "geo_backup.requests",
        "message": "GET /v1/units/nobody 404",
        "request_id": "desk-7",
        "method": "GET",
        "path": "/v1/units/nobody",
        "status": 404,
        "who": "program:server",
    }


def test_what_nobody_expected_is_logged_with_its_id(tmp_path: Path, written: io.StringIO) -> None:
    server = ServerInThread(tmp_path / "log.sqlite").start()
    try:
        server.node.health.document = lambda: 1 / 0  # type: ignore[union-attr, method-assign]
        answer = httpx.get(f"{server.url}/healthz", headers={"X-Request-Id": "desk-9"}, trust_env=False)
    finally:
        server.stop()
    assert problem(answer, 500)["instance"] == answer.headers["X-Request-Id"] == "desk-9"
    written_of = [one for one in map(json.loads, written.getvalue().splitlines()) if one.get("request_id") == "desk-9"]
    failed, line = sorted(written_of, key=lambda one: one["level"])
    assert "ZeroDivisionError" in failed["error"]
    assert failed["level"] == "ERROR"
    assert (line["status"], line["path"]) == (500, "/healthz")


def test_text_names_the_request_at_its_first_line() -> None:
    try:
        raise ValueError("x")
    except ValueError:
        record = logging.makeLogRecord({"levelname": "ERROR", "msg": "it failed", "exc_info": sys.exc_info()})
    formatted = lines.Text()
    assert formatted.format(record).startswith("ERROR it failed\nTraceback")

    def in_a_request() -> str:
        REQUEST_ID.set("desk-9")
        return formatted.format(record)

    assert contextvars.copy_context().run(in_a_request).startswith("ERROR it failed [request desk-9]\nTraceback")


def test_all_that_a_server_says_is_json_where_that_is_asked_for(tmp_path: Path, run: Any) -> None:
    server = Server(tmp_path / "log.sqlite", more=("--log-format", "json")).start()
    assert httpx.get(f"{server.url}/v1/units/nobody", trust_env=False).status_code == 404
    assert server.stop() == 0
    said = [json.loads(line) for line in server.said().splitlines()]
    assert any("Open: nobody is configured" in one["message"] for one in said)
    assert [one["status"] for one in said if one.get("path") == "/v1/units/nobody"] == [404]
    with pytest.raises(Failed, match="--log-format is text or json, not 'xml'"):
        run("serve", "--map", GOTHENBURG, "--log", tmp_path / "other.sqlite", "--log-format", "xml")
