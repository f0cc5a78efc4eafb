"""What a server says of itself, of paths that are none, and the page that it serves."""

from __future__ import annotations

import httpx

from tests.asking import problem


def test_health(http: httpx.Client) -> None:
    health = http.get("/healthz").json()
    assert (health["mode"], health["status"]) == ("live", "ok")
    assert {"seq", "software_version", "network_id", "rules_id", "epoch"} <= set(health)
    assert {"routine", "response", "foot"} <= set(health["profiles"])
    assert http.get("/readyz").status_code == 200
    metrics = http.get("/metrics").text
    for name in ("geo_backup_events_total", "geo_backup_units", "geo_backup_viewers", "geo_backup_ranking_seconds"):
        assert name in metrics
    problem(http.get("/v1/replay"), 409)


def test_unknown_paths_and_methods_are_problems(http: httpx.Client) -> None:
    problem(http.get("/v2/nothing"), 404)
    problem(http.post("/v1/nothing"), 404)
    answer = http.get("/v1/positions")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    problem(http.delete("/v1/incidents"), 405)


def test_the_page_and_its_tiles(http: httpx.Client) -> None:
    assert http.get("/").headers["content-type"].startswith("text/html")
    assert http.head("/").status_code in (200, 503)  # 503: the dashboard is not built
    whole = http.head("/tiles/basemap.pmtiles")
    assert (whole.status_code, whole.content) == (200, b"")
    part = http.get("/tiles/basemap.pmtiles", headers={"Range": "bytes=0-6"})
    assert (part.status_code, part.content) == (206, b"PMTiles")
    assert part.headers["content-range"] == f"bytes 0-6/{whole.headers['content-length']}"
