"""After a whole run: which statements of the specification were shown by tests that ran and passed in it.

A test that failed fails the run by itself. One that did not run (no browser, no sample files) leaves its
statement unshown: the summary says so, and with REQUIRE_ALL=1 the run fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.specification import Row
from tests.specification.table import rows


def unshown(
    table: Iterable[Row], passed: Iterable[str], ended_otherwise: Iterable[str]
) -> list[Row]:
    """Rows whose test did not pass: a test with parameters counts when all of them did."""
    good = {_plain(node) for node in passed}
    bad = {_plain(node) for node in ended_otherwise}
    return [r for r in table if r.cut is not None and _plain(r.test) not in good - bad]


def _plain(node: str) -> str:
    """Without parameters, and without the group that a parallel run writes behind a name."""
    return node.partition("[")[0].partition("@")[0]


def is_whole(config: pytest.Config) -> bool:
    options = config.option
    return not (options.file_or_dir or options.keyword or hasattr(config, "workerinput"))


def of_run(config: pytest.Config) -> list[Row]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    passed = [report.nodeid for report in stats.get("passed", ())]
    others = [r.nodeid for kind in ("failed", "error", "skipped") for r in stats.get(kind, ())]
    return unshown(rows(), passed, others)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    strict = exitstatus == pytest.ExitCode.OK and os.environ.get("REQUIRE_ALL") == "1"
    if strict and is_whole(session.config) and of_run(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if is_whole(config):
        missing = of_run(config)
        names = ", ".join(row.id for row in missing)
        line = f"specification: {len(rows()) - len(missing)} of 128 statements shown by this run"
        terminalreporter.write_line(f"{line}{'; not shown: ' + names if names else ''}")
