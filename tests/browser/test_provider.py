"""Signing in by an identity provider of another site, in a real Chromium, which holds cookies to their rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geo_backup.outbound import Outbound
from geo_backup.people import Roster
from geo_backup.people.provider import Provider
from geo_backup.server.speaker import COOKIE
from tests.people.running_provider import RunningProvider
from tests.people.test_provider import settings_of
from tests.running import ServerInThread, free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_browser_comes_back_signed_in(tmp_path: Path, browser: Any, bare: Path) -> None:
    """The provider is at 127.0.0.1 and the page at localhost: to a browser these are two sites."""
    port = free_port()
    page_url = f"http://localhost:{port}"
    idp = RunningProvider(f"{page_url}/v1/session/oidc/done").start()
    provider = Provider(settings_of(idp, page_url), Outbound([f"127.0.0.1:{idp.port}"]))
    roster = Roster(tmp_path / "people.sqlite")
    server = ServerInThread(
        tmp_path / "log.sqlite", port=port, roster=roster, provider=provider, map_folder=bare
    ).start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{page_url}/v1/session/oidc")
        page.fill("input[name=login]", "lind")
        with page.expect_request(f"{page_url}/", timeout=20_000) as asked:
            page.click("button")
        assert COOKIE in asked.value.all_headers()["cookie"], "the page's own request shows the session"
        page.wait_for_url(f"{page_url}/")
        session = page.evaluate("() => fetch('/v1/session').then((answer) => answer.json())")
        assert session["speaker"]["name"] == "Eva Lind"
        assert [cookie["name"] for cookie in context.cookies(page_url)] == [COOKIE]
    finally:
        context.close()
        server.stop()
        idp.stop()
