"""`./dev test`: everything that must hold before a change is done, in one run with one answer.

The tests use both cores; the checks that only read the code run one after another beside them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from payouts_project import embedded, leash, sandbox
from payouts_project.processes import ROOT
from payouts_project.progress import Progress

BIN = Path(sys.executable).parent
TEST_PROCESSES = 2
# What some tests use beside Python packages: program -> Debian package. A test says so when it is absent.
DEBIAN_PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "chromium": "chromium"}
APT_SECONDS = 240


@dataclass
class Check:
    name: str
    command: tuple[str, ...]
    status: int | None = None
    seconds: float = 0.0
    said: str = ""

    def line(self) -> str:
        return f"  {'✓' if self.status == 0 else '✗'} {self.name:<22}{self.seconds:6.1f} s"


def reading_checks() -> list[Check]:
    """What needs no running system, quickest first."""
    python = sys.executable
    migrations = ("makemigrations", "--check", "--dry-run")
    return [
        Check("ruff", (str(BIN / "ruff"), "check", ".")),
        Check("formatting", (str(BIN / "ruff"), "format", "--check", ".")),
        Check("import contracts", (str(BIN / "lint-imports"),)),
        Check("migrations complete", (python, "manage.py", *migrations)),
        Check("types", (python, "-m", "mypy")),
    ]


def pytest_check(arguments: list[str], *, long: bool) -> Check:
    # The tests that share one running engine stay together, and begin first.
    spread = ("-n", str(TEST_PROCESSES), "--dist", "loadgroup")
    parallel = () if any(a.startswith("-n") for a in arguments) else spread
    everything = ("-m", "") if long else ()
    name = "tests, long ones too" if long else "tests"
    return Check(name, (sys.executable, "-m", "pytest", *parallel, *everything, *arguments))


def test(arguments: list[str]) -> int:
    return _check_all(arguments, long=False)


def prove(arguments: list[str]) -> int:
    return _check_all(arguments, long=True)


def _check_all(arguments: list[str], *, long: bool) -> int:
    """All checks; 0 when all of them passed. Arguments are pytest's, but for --require-fixtures."""
    progress = Progress()
    os.environ.pop("SETUP_SECONDS", None)
    started = time.monotonic()
    given = dict(os.environ)
    if "--require-fixtures" in arguments:
        arguments = [a for a in arguments if a != "--require-fixtures"]
        given["REQUIRE_FIXTURES"] = "1"
    _install_missing(progress)
    tests = pytest_check(arguments, long=long)
    with embedded.temporary("payouts-tests-", durable=False) as (state, urls):
        environment = {**sandbox.test_environment(state), **urls, **given}
        checks = _run(reading_checks(), tests, environment)
    for check in checks:
        if check.status != 0 and check.said.strip():
            progress.line(f"\n--- {check.name}\n{check.said.rstrip()}")
    progress.line("\nChecks", "bold")
    for check in checks:
        progress.line(check.line(), "green" if check.status == 0 else "red")
    failed = [check.name for check in checks if check.status != 0]
    verdict = f"✗ failed: {', '.join(failed)}" if failed else "✓ all passed"
    progress.line(f"{verdict}, {time.monotonic() - started:.1f} s", "red" if failed else "green")
    return 1 if failed else 0


def _install_missing(progress: Progress) -> None:
    """As root on Debian, fetch the programs that tests use. Without a network the tests go on without them."""
    missing = sorted({p for name, p in DEBIAN_PACKAGES.items() if shutil.which(name) is None})
    if not missing or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    started = time.monotonic()
    progress.line(f"  … apt-get install {' '.join(missing)}", "dim")
    done = _apt("update") and _apt("install", "-y", "--no-install-recommends", *missing)
    progress.done("programs for tests", time.monotonic() - started, mark="✓" if done else "!",
                  style="green" if done else "yellow")  # fmt: skip


def _apt(*arguments: str) -> bool:
    command = [
        "apt-get",
        "-qq",
        "-o",
        "Acquire::Retries=1",
        "-o",
        "Acquire::http::Timeout=10",
        *arguments,
    ]
    # In runlevel 1 Debian installs a service without starting it.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=APT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _run(reading: list[Check], tests: Check, environment: Mapping[str, str]) -> list[Check]:
    """The tests speak for themselves; the others are quiet until one fails."""
    running = _Running(tests, environment, shown=True)
    try:
        for check in reading:
            beside = _Running(check, environment, shown=False)
            try:
                beside.finish()
            finally:
                beside.end()
        running.finish()
    finally:
        running.end()
    return [*reading, tests]


class _Running:
    def __init__(self, check: Check, environment: Mapping[str, str], *, shown: bool) -> None:
        self.check = check
        self.shown = shown
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            check.command,
            env=dict(environment),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=leash.die_with_parent(signal.SIGTERM),
        )

    def finish(self) -> None:
        self.check.said = self.process.communicate()[0] or ""
        self.check.status = self.process.returncode
        self.check.seconds = time.monotonic() - self.started

    def end(self) -> None:
        """Nothing to do after `finish`; after Ctrl-C the tests still put their things away."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
