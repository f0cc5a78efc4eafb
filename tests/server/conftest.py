"""What tests of a running server share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.asking import new_incident


@pytest.fixture
def incident(http: httpx.Client) -> Iterator[str]:
    incident_id = new_incident(http)
    yield incident_id
    http.post(f"/v1/incidents/{incident_id}/close")
