"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

DATA = "GEO_BACKUP_DATA"
"""Recorded cities and days that are no part of this repository: the one thing that may be missing anywhere."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _nothing_left_out((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _nothing_left_out((yield))


def _nothing_left_out(report: Report) -> Report:
    """Where everything must hold, a test that was left out has not held."""
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if DATA not in reason:
            report.outcome, report.longrepr = "failed", f"{report.nodeid} was left out in CI: {reason}"
    return report
