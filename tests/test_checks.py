"""`./dev test` runs the tests, and what they say is its answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from payouts_project import checks
from payouts_project.processes import ROOT
from tests.specification import Cut, Row
from tests.specification.verdict import unshown


@pytest.mark.parametrize(("claim", "status"), [("True", 0), ("False", 1)])
def test_the_check_runs_the_tests(tmp_path: Path, claim: str, status: int) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(f"def test_claim() -> None:\n    assert {claim}\n")
    command = checks.pytest_check(["-n0", "-p", "no:cacheprovider", str(file)], long=False).command
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert "1 passed" in done.stdout or status


@pytest.mark.parametrize(
    ("passed", "otherwise", "shown"),
    [
        (["tests/a.py::test_x"], [], True),
        (["tests/a.py::test_x[one]@engine", "tests/a.py::test_x[two]"], [], True),
        (["tests/a.py::test_x[one]"], ["tests/a.py::test_x[two]"], False),
        ([], ["tests/a.py::test_x"], False),
        ([], [], False),
        (["tests/a.py::test_xy"], [], False),
    ],
)
def test_a_statement_is_shown_by_a_test_that_ran_and_passed(
    passed: list[str], otherwise: list[str], shown: bool
) -> None:
    row = Row("S2", "says", "lives", "tests/a.py::test_x", Cut(path="a", old="b", new="c"))
    assert unshown([row], passed, otherwise) == ([] if shown else [row])
