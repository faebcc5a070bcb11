"""After a whole run: what the specification and the list of faults claim, and which tests that ran showed.

A test that failed fails the run by itself. One that did not run (no browser, no sample files) leaves what it
shows unshown: the summary says so, and with REQUIRE_ALL=1 the run fails. What waits for something that is
not built, and what only `./dev prove` shows, is said and fails nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest

from tests.reliability.table import proofs
from tests.specification.table import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a run must show: every one of `tests` ran and passed."""

    id: str
    tests: tuple[str, ...]
    waits: bool = False
    only_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """One list: what its statements are called, how many there are, and those that a test must show."""

    name: str
    what: str
    total: int
    claims: tuple[Claim, ...]


def lists() -> tuple[Claims, ...]:
    spec = [Claim(id=row.id, tests=(row.test,)) for row in rows() if row.cut is not None]
    faults = [
        Claim(id=p.id, tests=p.tests, waits=p.waits is not None, only_long=p.only_long)
        for p in proofs()
    ]
    return (
        Claims(name="specification", what="statements", total=len(rows()), claims=tuple(spec)),
        Claims(name="reliability", what="faults and inputs", total=127, claims=tuple(faults)),
    )


def unshown(
    claims: Iterable[Claim], passed: Iterable[str], ended_otherwise: Iterable[str]
) -> list[Claim]:
    """Claims with a test that did not pass. A test named without its parameter must have passed with all of them."""
    good, bad = _named(passed), _named(ended_otherwise)
    return [c for c in claims if not c.tests or not set(c.tests) <= good - bad]


def _named(nodes: Iterable[str]) -> set[str]:
    """Every name by which a claim may mean a node that ran: with its parameter and without."""
    exact = {node if node.endswith("]") else node.rpartition("@")[0] or node for node in nodes}
    return exact | {node.partition("[")[0] for node in exact}


def is_whole(config: pytest.Config) -> bool:
    options = config.option
    return not (options.file_or_dir or options.keyword or hasattr(config, "workerinput"))


def of_run(claims: Iterable[Claim], config: pytest.Config) -> list[Claim]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter else {}
    passed = [report.nodeid for report in stats.get("passed", ())]
    others = [r.nodeid for kind in ("failed", "error", "skipped") for r in stats.get(kind, ())]
    return unshown(claims, passed, others)


def owed(claims: Iterable[Claim], *, long: bool) -> list[Claim]:
    """What a run of this kind cannot leave unshown."""
    return [c for c in claims if not c.waits and (long or not c.only_long)]


def summary(listed: Claims, missing: Sequence[Claim], *, long: bool) -> str:
    """How much was shown, and what not: missing, waiting, or left to the long run."""
    debt = owed(missing, long=long)
    kinds = {
        "not shown": debt,
        "waiting": [c for c in missing if c.waits],
        "only in the long run": [c for c in missing if not c.waits and c not in debt],
    }
    said = "; ".join(
        f"{kind}: {', '.join(c.id for c in found)}" for kind, found in kinds.items() if found
    )
    line = f"{listed.name}: {listed.total - len(missing)} of {listed.total} {listed.what} shown by this run"
    return f"{line} ({said})" if said else line


def _is_long(config: pytest.Config) -> bool:
    return "not long" not in str(config.option.markexpr)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    strict = exitstatus == pytest.ExitCode.OK and os.environ.get("REQUIRE_ALL") == "1"
    if not strict or not is_whole(config):
        return
    if any(owed(of_run(listed.claims, config), long=_is_long(config)) for listed in lists()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if is_whole(config):
        for listed in lists():
            missing = of_run(listed.claims, config)
            terminalreporter.write_line(summary(listed, missing, long=_is_long(config)))
