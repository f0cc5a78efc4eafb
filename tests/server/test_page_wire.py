"""The page reads what the server sends: each property that its TypeScript names is one of the server's documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from geo_backup.wire import documents
from tests.running import ROOT, Server

SOURCE = ROOT / "geo_backup" / "dashboard" / "src"
Schema = dict[str, Any]

FED = {
    "Unit": documents.Unit,
    "Area": documents.Area,
    "FreshnessLimits": documents.FreshnessLimits,
    "Condition": documents.Condition,
    "ReplayClock": documents.ReplayState,
    "Incident": documents.Incident,
    "Ranking": documents.Ranking,
    "Closure": documents.Closure,
    "Timer": documents.Timer,
}
"""What the feed tells, by the name of the page's type."""
SENT = ("IncidentPatch", "NewAssignment", "NewClosure", "NewIncident", "NewNote", "NewPlan")
"""Bodies, which the server names as the page does."""


# ---- as much of TypeScript as wire.ts is written in


@dataclass
class Type:
    """A type: its own properties (name to whether it may be missing, and type), or what it is made of."""

    name: str = ""
    properties: dict[str, tuple[bool, Type]] = field(default_factory=dict)
    parts: list[Type] = field(default_factory=list)
    """Of a union or intersection (`|`), arguments of a generic, the element of an array (`[]`)."""


class Parser:
    """Reads declarations; a word that it does not know stops it."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        self.tokens = re.findall(r'"[^"]*"|\w+|[^\s\w]', text)
        self.at = 0

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, token: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at] == token
        self.at += found
        return found

    def need(self, token: str) -> None:
        assert self.take(token), f"{token} expected before {' '.join(self.tokens[self.at : self.at + 8])}"

    def declarations(self) -> Iterator[tuple[str, Type]]:
        while self.at < len(self.tokens):
            if self.next() == "import":
                while not self.take(";"):
                    self.at += 1
                continue
            kind, name = self.next(), self.next()
            if self.take("<"):
                self.at += 2  # the parameter of a generic and `>`
            if kind == "type":
                self.need("=")
                yield name, self.type()
                self.need(";")
            else:
                above = [self.type()] if self.take("extends") else []
                yield name, Type("|", parts=[*above, self.object()])

    def object(self) -> Type:
        self.need("{")
        out = Type("{}")
        while not self.take("}"):
            name, optional = self.next(), self.take("?")
            self.need(":")
            out.properties[name] = (optional, self.type())
            if not (self.take(";") or self.take(",")):
                self.need("}")
                break
        return out

    def type(self) -> Type:
        self.take("|")
        parts = [self.one()]
        while self.take("|") or self.take("&"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else Type("|", parts=parts)

    def one(self) -> Type:
        if self.tokens[self.at] == "{":
            found = self.object()
        elif self.take("("):
            found = self.type()
            self.need(")")
        elif self.take("["):
            found = Type("tuple", parts=[self.type()])
            while self.take(","):
                found.parts.append(self.type())
            self.need("]")
        else:
            found = Type(self.next())
            if self.take("<"):
                found.parts = [self.type()]
                while self.take(","):
                    found.parts.append(self.type())
                self.need(">")
        while self.take("["):
            self.need("]")
            found = Type("[]", parts=[found])
        return found


# ---- what a type reads that a document does not hold


@dataclass
class Reading:
    """The page's types, held against the server's schemas."""

    types: dict[str, Type]
    definitions: Schema

    def plain(self, schema: Schema) -> list[Schema]:
        """The alternatives of a schema, with references followed."""
        if "$ref" in schema:
            return self.plain(self.definitions[schema["$ref"].rsplit("/", 1)[1]])
        inner = [one for key in ("anyOf", "oneOf", "allOf") for one in schema.get(key, ())]
        return [found for one in inner for found in self.plain(one)] if inner else [schema]

    def missing(self, read: Type, schema: Schema, where: str) -> Iterator[str]:
        """Each property that is read and never sent, and each that is counted on and may be left out."""
        there = self.plain(schema)
        if read.name in ("Feature", "FeatureCollection"):
            rows = Type("{}", {"properties": (False, read.parts[1]), "geometry": (False, Type("Geometry"))})
            whole = rows if read.name == "Feature" else Type("{}", {"features": (False, Type("[]", parts=[rows]))})
            yield from self.missing(whole, schema, where)
        elif read.name == "[]":
            items = [one["items"] for one in there if "items" in one]
            for one in items:
                yield from self.missing(read.parts[0], one, where)
        elif read.name == "Record":
            for one in there:
                if isinstance(one.get("additionalProperties"), dict):
                    yield from self.missing(read.parts[1], one["additionalProperties"], where)
        elif read.name in self.types:
            yield from self.missing(self.types[read.name], schema, where)
        elif read.name == "|":
            for part in read.parts:
                yield from self.missing(part, schema, where)
        for name, (optional, inner) in read.properties.items():
            holders = [one for one in there if name in one.get("properties", {})]
            if not holders:
                yield f"{where}.{name} is never sent"
            elif not optional and not any(name in one.get("required", ()) for one in holders):
                yield f"{where}.{name} may be left out"
            for one in holders:
                yield from self.missing(inner, one["properties"][name], f"{where}.{name}")


@pytest.fixture(scope="module")
def spec(server: Server) -> Schema:
    found: Schema = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    return found


@pytest.fixture(scope="module")
def types() -> dict[str, Type]:
    return dict(Parser((SOURCE / "wire.ts").read_text(encoding="utf-8")).declarations())


def requests() -> list[tuple[str, str, str]]:
    """Method, path and type of the answer of every request of the page; `{}` in a path stands for any part of it."""
    text = (SOURCE / "api.ts").read_text(encoding="utf-8")
    begins = dict(re.findall(r"const (\w+) = \(\w+: string\) => `([^`]*)`", text))
    found = []
    for answer, method, path in re.findall(r'request<(.+?)>\("([A-Z]+)", (`[^`]*`|"[^"]*"|\w+\(\w+\))', text):
        for name, begin in begins.items():
            path = re.sub(rf"\$\{{{name}\(\w+\)\}}|^{name}\(\w+\)$", lambda _, begin=begin: begin, path)
        found.append((method, re.sub(r"\$\{[^}]*\}", "{}", path.strip('`"').split("?")[0]), answer))
    assert len(found) == len(re.findall(r"\brequest<(?!T>)", text)), "a request that this test does not understand"
    return found


@pytest.mark.parametrize(("method", "path", "answer"), requests())
def test_an_answer_holds_all_that_the_page_reads_of_it(
    method: str, path: str, answer: str, types: dict[str, Type], spec: Schema
) -> None:
    pattern = re.compile(re.escape(path).replace(r"\{\}", r"[^/]+"))
    ways = [way for place, way in spec["paths"].items() if pattern.fullmatch(place)]
    operations = [way[method.lower()] for way in ways if method.lower() in way]
    assert operations, f"no {method} {path}"
    reading = Reading(types, spec["components"]["schemas"])
    for operation in operations:
        content = next(one for status, one in operation["responses"].items() if status.startswith("2"))
        schema = content.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            assert list(reading.missing(Parser(answer).type(), schema, answer)) == []


@pytest.mark.parametrize("name", FED)
def test_the_feed_holds_all_that_the_page_reads_of_it(name: str, types: dict[str, Type]) -> None:
    schema = TypeAdapter(FED[name]).json_schema()
    assert list(Reading(types, schema.get("$defs", {})).missing(types[name], schema, name)) == []


@pytest.mark.parametrize("name", SENT)
def test_a_body_holds_nothing_that_the_server_refuses(name: str, types: dict[str, Type], spec: Schema) -> None:
    schemas = spec["components"]["schemas"]
    told = list(Reading(types, schemas).missing(types[name], schemas[name], name))
    assert [line for line in told if line.endswith("never sent")] == []


def test_what_the_server_never_sends_is_found() -> None:
    text = "export interface A extends B { a: C[]; b?: string | null }\nexport interface B { up: { in: number } }\n"
    types = dict(Parser(text + "export type C = { deep: 1 } | null;").declarations())
    inner = {"properties": {"shallow": {}}, "required": ["shallow"]}
    sent: Schema = {"properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/C"}}, "b": {}, "up": {}}}
    told = list(Reading(types, {"C": inner}).missing(types["A"], sent, "A"))
    assert told == ["A.up may be left out", "A.up.in is never sent", "A.a may be left out", "A.a.deep is never sent"]
