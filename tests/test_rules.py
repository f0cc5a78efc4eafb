"""Every rule has bounds and a reader."""

from __future__ import annotations

import ast
from dataclasses import fields

import pytest

from geo_backup.errors import BadValueError
from geo_backup.rules import GROUPS, Rules, bounds
from tests.running import ROOT

RULES = Rules()
ALL = [
    (group, rule) for group in GROUPS
    for rule in fields(getattr(RULES, group))
]  # fmt: skip
NAMES = [f"{group}.{rule.name}" for group, rule in ALL]


def test_something_reads_every_rule() -> None:
    package = ROOT / "geo_backup"
    sources = [p for p in package.rglob("*.py") if "node_modules" not in p.parts and p != package / "rules.py"]
    read = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert [name for name, (_, rule) in zip(NAMES, ALL, strict=True) if rule.name not in read] == []


@pytest.mark.parametrize(("group", "rule"), ALL, ids=NAMES)
def test_every_rule_has_bounds_about_its_default(group: str, rule: object) -> None:
    name, (least, most) = rule.name, bounds(rule)  # type: ignore[attr-defined,arg-type]
    usual = getattr(getattr(RULES, group), name)
    assert 0 <= least <= usual <= most
    assert least < most
    for value in (least, most):
        assert getattr(getattr(RULES.changed({group: {name: value}}), group), name) == value
    for value in (least - 1, most * 1.01 + 1, float("nan"), 1e300):
        with pytest.raises(BadValueError, match="usually") as refusal:
            RULES.changed({group: {name: value}})
        assert refusal.value.field == f"/{group}/{name}"
