"""`./dev test` runs the tests, and what they say is its answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from payouts_project import checks
from payouts_project.processes import ROOT


@pytest.mark.parametrize(("claim", "status"), [("True", 0), ("False", 1)])
def test_the_check_runs_the_tests(tmp_path: Path, claim: str, status: int) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(f"def test_claim() -> None:\n    assert {claim}\n")
    command = checks.pytest_check(["-n0", "-p", "no:cacheprovider", str(file)], long=False).command
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert "1 passed" in done.stdout or status
