"""What documents show."""

from __future__ import annotations

from tests.specification import Cut, Row

ROWS = [
    Row("S1", "Brique 84, payouts engine and scheduling", "README.md", "README.md"),
    Row("S84", "encryption at rest is the database host's", "docs/operations.md", "docs/operations.md"),
    Row(
        "S91",
        "unit tests run by one command",
        "payouts_project/checks.py",
        "tests/test_checks.py::test_the_check_runs_the_tests",
        Cut(
            path="payouts_project/checks.py",
            old="return Check(name, (sys.executable, \"-m\", \"pytest\", *parallel, *everything, *arguments))",
            new="return Check(name, (sys.executable, \"-c\", \"\"))",
        ),
    ),
    Row("S128", "where to look for help", "docs/runbook.md, README.md", "docs/runbook.md"),
    Row("S127", "counts of lines and objects (no targets)", "tests/test_schema.py", "README.md"),
]  # fmt: skip
