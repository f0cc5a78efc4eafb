"""`/openapi.json`: every operation is typed, in words, and a client made of it does the main job without a warning."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import jsonschema
import pytest

from geo_backup.server.app import ROOMS
from geo_backup.server.given import Typed
from geo_backup.wire.glossary import GLOSSARY
from tests.running import ROOT, Server, ServerInThread

CONTRACT = ROOT / "geo_backup" / "wire" / "CONTRACT.md"
NORTH, SOUTH = [11.9560, 57.7215], [11.9680, 57.7060]
Spec = dict[str, Any]


@pytest.fixture(scope="module")
def spec(server: Server) -> Spec:
    found: Spec = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    return found


def operations(spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def within(value: Any) -> Iterator[Spec]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from within(part)


def test_every_operation_is_typed_and_told_in_words(spec: Spec) -> None:
    names = [operation["operationId"] for _, _, operation in operations(spec)]
    assert len(names) == len(set(names)) > 60
    for method, path, operation in operations(spec):
        name = f"{method} {path}"
        assert operation["tags"][0] in {tag["name"] for tag in spec["tags"]}, name
        assert operation.get("summary"), name
        assert operation.get("description"), name
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{name} {parameter['name']}"
        for status, answer in operation["responses"].items():
            if status == "204":
                assert "content" not in answer, name
            elif status.startswith("2"):
                ((media, content),) = answer["content"].items()
                known = {"$ref", "anyOf"} & {*content["schema"], *content["schema"].get("items", ())}
                assert known if media == "application/json" else content["schema"]["type"] == "string", name
            elif path.startswith("/v1/") or path == "/readyz":
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), name
        if "requestBody" in operation:
            assert all(content["schema"] for content in operation["requestBody"]["content"].values()), name


def test_no_reference_dangles_and_nothing_of_the_framework_is_left(spec: Spec) -> None:
    for part in within(spec):
        reference = part.get("$ref")
        if isinstance(reference, str):
            assert reference.startswith("#/components/schemas/"), reference
            assert reference.rsplit("/", 1)[1] in spec["components"]["schemas"], reference
    assert not {"HTTPValidationError", "ValidationError"} & set(spec["components"]["schemas"])
    body = spec["paths"]["/v1/positions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Positions"}
    assert spec["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert {} in spec["security"], "a server on loopback may have no token"
    assert spec["paths"]["/healthz"]["get"]["security"] == []
    assert "/v1/feed" in spec["info"]["description"]


def test_every_name_is_in_the_glossary_and_every_example_is_one(spec: Spec) -> None:
    used = set[str]()
    for schema, body in spec["components"]["schemas"].items():
        assert body.get("description"), schema
        for name, value in body.get("properties", {}).items():
            assert value.get("description"), f"{schema}.{name} has no words: say them in wire/glossary.py"
            used |= {name, f"{schema}.{name}"}
            for example in value.get("examples", ()):
                whole = {**value, "components": spec["components"]}
                wrong = next(jsonschema.Draft202012Validator(whole).iter_errors(example), None)
                assert wrong is None, f"{schema}.{name}: {example!r}: {wrong}"
    used |= {parameter["name"] for _, _, one in operations(spec) for parameter in one.get("parameters", ())}
    assert set(GLOSSARY) - used == set(), "words that nothing reads"


def test_every_server_says_the_same(spec: Spec, guarded: Server, tmp_path: Path) -> None:
    replays = ServerInThread(tmp_path / "log.sqlite", ("--clock", "replay")).start()
    try:
        for server in (guarded, replays):
            assert httpx.get(f"{server.url}/openapi.json", trust_env=False).json() == spec
    finally:
        replays.stop()


def test_a_route_says_its_types() -> None:
    """A new route without them fails here, or above where its answer has no schema."""
    for room in ROOMS:
        for route in room.routes.routes:
            if getattr(route, "include_in_schema", False) and "OSRM" not in getattr(route, "tags", ()):
                assert isinstance(route, Typed), route


def test_the_contract_names_every_route_and_every_route_is_named(spec: Spec) -> None:
    def plain(path: str) -> str:
        return re.sub(r"\{[\w:]+\}", "{}", path.split("?")[0])

    text = " ".join(CONTRACT.read_text(encoding="utf-8").split())
    named = {
        (method, plain(path)) for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.]*[\w}])", text)
    }
    have = {(method, plain(path)) for method, path, _ in operations(spec)}
    assert named - have == set(), "named, but not there"
    assert have - named == set(), "there, but not named"


def test_the_pages_of_the_interface_need_no_network(server: Server) -> None:
    page = httpx.get(f"{server.url}/docs", trust_env=False)
    assert page.status_code == 200
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(sources) == 4
    for source in sources:
        assert source.startswith("/docs/"), source
        assert httpx.get(f"{server.url}{source}", trust_env=False).status_code == 200


@pytest.fixture(scope="module")
def client(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A client that somebody else's generator makes."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "openapi.json").write_text(json.dumps(spec))
    # the generator reads only JSON bodies and bytes: whoever uses it says that CSV and XML are bytes
    overrides = {"text/csv": "application/octet-stream", "application/xml": "application/octet-stream"}
    settings = {"content_type_overrides": overrides, "post_hooks": []}
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    told = subprocess.run(
        [*command, "--path", "openapi.json", "--config", "settings.json", "--output-path", "geo_backup_made"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "arning" not in told.stdout + told.stderr, told.stdout
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module("geo_backup_made")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith("geo_backup_made")]:
            del sys.modules[name]


def test_a_made_client_does_the_main_job(server: Server, client: ModuleType) -> None:
    """A unit is registered and reports itself, an incident is opened and ranked, backup asked for, the unit sent."""

    def ask(name: str, *path: str, **given: Any) -> Any:
        module = importlib.import_module(f"geo_backup_made.api.{name}")
        answer = module.sync_detailed(*path, client=http, **given)
        assert answer.status_code < 300, answer.content
        return answer.parsed

    m = importlib.import_module("geo_backup_made.models")
    http = client.Client(base_url=server.url, httpx_args={"trust_env": False}, raise_on_unexpected_status=True)
    for unit_id, place in (("near", SOUTH), ("far", NORTH)):
        description = m.UnitDescription(callsign=unit_id, agency="police", kind="patrol", capabilities=[])
        assert ask("units.register_unit", unit_id, body=description).status == "available"
        here = m.Position(unit_id=unit_id, fix_time=datetime.now(UTC), lon=place[0], lat=place[1])
        taken = ask("units.report_positions", body=m.Positions(positions=[here]))
        assert (taken.accepted, taken.refused, taken.ignored) == (1, [], [])
    incident = ask("incidents.open_incident", body=m.NewIncident(priority=1, lon=SOUTH[0], lat=SOUTH[1]))
    ranking = ask("incidents.get_ranking", incident.incident_id)
    assert [row.unit_id for row in ranking.candidates] == ["near", "far"]
    assert ranking.candidates[0].parts.drive_s <= ranking.candidates[1].parts.drive_s
    told = ask("backup.ask_for_backup", incident.incident_id, body=m.BackupCall(mode="immediate", units=1))
    (sent,) = told.units
    assert sent.unit_id == "near"
    assignment = m.NewAssignment(unit_id="near", decision_id=told.decision_id)
    assert ask("incidents.assign_unit", incident.incident_id, body=assignment).assignments[0].state == "assigned"
    assert ask("backup.get_decision", told.decision_id).chosen_by_human[0].unit_id == "near"
    closed = ask("incidents.close_incident", incident.incident_id)
    assert closed.state == "closed"
    unit = ask("units.get_unit", "near")
    assert unit.properties.incident_id is None
    refused = importlib.import_module("geo_backup_made.api.units.get_unit").sync("nobody", client=http)
    assert (type(refused).__name__, refused.status) == ("Problem", 404)
