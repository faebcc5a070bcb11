"""Makes plain `pytest` work in a checkout: brings both servers along and sets what settings need.

Loaded by `-p` in pyproject.toml, so that it acts before pytest-django reads the settings. The
controller of a parallel run starts the servers once; its workers inherit the URLs.

* DATABASE_URL and REDIS_URL, where set, are used instead; the role needs CREATEDB.
* FIXTURES_DIR (default ../shared/fixtures) holds sample files. Where it is absent some tests do
  not run, and the summary says how many; REQUIRE_FIXTURES=1 makes that fail.
* REQUIRE_ALL=1: a skipped test fails the run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id

from payouts_project import embedded, sandbox

ROOT = Path(__file__).resolve().parent.parent
FIXTURES_DIR = Path(os.environ.get("FIXTURES_DIR") or ROOT.parent / "shared" / "fixtures")
NO_FIXTURES = "fixtures folder absent"  # how tests that read sample files say why they skip


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, args: list[str]
) -> Generator[None, object, object]:
    """A wrapper runs before every plain implementation, pytest-django's too."""
    if "PYTEST_XDIST_WORKER" not in os.environ and not {"-h", "--help", "--version"} & set(args):
        stack = contextlib.ExitStack()
        early_config.add_cleanup(stack.close)
        state, urls = stack.enter_context(embedded.temporary("payouts-tests-", durable=False))
        for name, value in {**sandbox.test_environment(state), **urls}.items():
            os.environ.setdefault(name, value)
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one group stay in one process: pytest-xdist writes the group where pytest 9.2 no longer reads it."""
    for item in items:
        grouped = item.__dict__.get("_nodeid")
        if grouped and hasattr(item, "_id"):
            item._id = coerce_node_id(grouped)


def _skips(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return list(reporter.stats.get("skipped", ())) if reporter else []


def _without_fixtures(config: pytest.Config) -> int:
    return sum(NO_FIXTURES in str(report.longrepr) for report in _skips(config))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Decided by whoever collects all reports; a worker of a parallel run leaves it to it."""
    if hasattr(session.config, "workerinput") or exitstatus != pytest.ExitCode.OK:
        return
    strict = os.environ.get("REQUIRE_ALL") == "1" and _skips(session.config)
    absent = os.environ.get("REQUIRE_FIXTURES") == "1" and not FIXTURES_DIR.is_dir()
    if strict or absent:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if count := _without_fixtures(config):
        terminalreporter.write_line(
            f"{count} tests did not run: {FIXTURES_DIR} is not there (FIXTURES_DIR)", yellow=True
        )
    if os.environ.get("REQUIRE_FIXTURES") == "1" and not FIXTURES_DIR.is_dir():
        terminalreporter.write_line("fixtures are required: the run fails", red=True)
    if os.environ.get("REQUIRE_ALL") == "1" and _skips(config):
        terminalreporter.write_line("every test is required: skips fail the run", red=True)
