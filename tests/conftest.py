"""What holds for all tests."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from geo_backup import cli
from geo_backup.server import garbage
from tests.rounds import register
from tests.running import Command, Done, Failed, Server, ServerInThread
from tests.told import Told

register()
# a process of tests has many servers, and many maps that nobody needs any more, each with many files open
garbage.THRESHOLDS = gc.get_threshold()
COMPILE = "from geo_backup.roads import warm; warm.warm_{}()"


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the kernels before the workers start: each would compile all of them for itself."""
    config = session.config
    if not hasattr(config, "workerinput") and getattr(config.option, "numprocesses", None):
        halves = [subprocess.Popen([sys.executable, "-c", COMPILE.format(half)]) for half in ("search", "hierarchy")]
        for half in halves:
            half.wait()


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than there are processors: a third of a test's time it waits, for a timer or a process that starts."""
    return (yield) + 1


LONGEST_S = {
    "tests/browser/test_dashboard.py": 80,
    "tests/browser/test_safe_hands.py": 70,
    "tests/browser/test_signing_in.py": 40,
    "tests/cluster/test_town.py": 40,
    "tests/server/test_drawn_requests.py": 35,
    "tests/browser/test_units.py": 40,
    "tests/people/test_provider.py": 30,
    "tests/pair/test_two_machines.py": 25,
    "tests/test_examples.py": 20,
    "tests/server/test_access.py": 20,
    "tests/test_cli.py": 20,
}
"""How long the files take whose tests take longest. What is not named takes less than these."""


class Together(LoadScopeScheduling):
    """A file stays with one worker, since its tests share what they need. Half of the workers have a browser and take
    all of its tests, one file after another, since it is started once for them and more browsers starve each other.
    What takes longest begins first, or one worker would end long after the others."""

    def _split_scope(self, nodeid: str) -> str:
        return str(nodeid.partition("::")[0])

    def _assign_work_unit(self, node: WorkerController) -> None:
        browsers = [one for one, files in self.assigned_work.items() if any(map(_in_browser, files))]
        takes = node in browsers or len(browsers) < (len(self.nodes) + 1) // 2
        first = max(self.workqueue, key=lambda file: (_in_browser(file) == takes, LONGEST_S.get(file, 0)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def _in_browser(file: str) -> bool:
    return file.startswith("tests/browser/")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


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
        report.outcome, report.longrepr = "failed", f"{report.nodeid} was left out in CI: {reason}"
    return report


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process: its exit code, and what it printed. `given` is what it reads."""

    monkeypatch.setattr(cli, "_leave_threads", lambda code: None)  # it would end the process of all tests

    def command(*args: object, given: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["geo-backup", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Done(int(end.value.code or 0), out, err)

    return command


@pytest.fixture
def run(command: Command) -> Any:
    """Run a command in this process: its standard output, or `Failed` with its one line."""

    def run(*args: object) -> str:
        code, out, err = command(*args)
        if code:
            raise Failed(err or out)
        return out

    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB of its own, which can be filled; skipped where this user may mount none."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests of a file."""
    server = ServerInThread(tmp_path_factory.mktemp("server") / "log.sqlite").start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    """Asks that server, and holds every answer against what `/openapi.json` says of it."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        Told.of(client)
        yield client
