"""Every fault F01 to F62 and every bad input B01 to B70 has a row, and the row's tests exist.

That they ran and passed is said at the end of a whole run (`tests/verdict.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.reliability import Proof, Waits
from tests.reliability.table import IDS, proofs
from tests.verdict import Claim, Claims, owed, summary, unshown

ROOT = Path(__file__).resolve().parent.parent
ROWS = {row.id: row for row in proofs()}
ONLY_LONG = {"F39", "F40", "F48"}  # A full disk, a moved clock.


def test_every_fault_and_input_has_one_row() -> None:
    assert [row.id for row in proofs()] == list(IDS)
    assert len(IDS) == 129


def test_a_row_says_what_it_shows_and_how_or_what_it_waits_for() -> None:
    for row in proofs():
        assert bool(row.tests) != (row.waits is not None), row.id
        assert row.says or row.waits, row.id
        assert len(set(row.tests)) == len(row.tests), row.id


def test_no_fault_waits_and_only_a_few_are_left_to_the_long_run() -> None:
    assert [r.id for r in proofs() if r.waits and r.id.startswith("F")] == []
    assert {r.id for r in proofs() if r.only_long} == ONLY_LONG


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def absent(row: Proof) -> list[str]:
    """Tests that a row names and that are not there."""
    wanted = [(node, *node.partition("[")[0].split("::")) for node in row.tests]
    return [
        node
        for node, path, name in wanted
        if not (ROOT / path).is_file() or name not in functions(path)
    ]


@pytest.mark.parametrize("row", proofs(), ids=lambda row: row.id)
def test_the_tests_of_a_row_exist(row: Proof, request: pytest.FixtureRequest) -> None:
    assert absent(row) == []
    collected = {item.nodeid.partition("@")[0] for item in request.session.items}
    names = collected | {node.partition("[")[0] for node in collected}
    files = {node.partition("::")[0] for node in collected}
    # A whole run collects every file; whoever asks for one test gets the names only.
    whole = [] if row.only_long else [t for t in row.tests if t.partition("::")[0] in files]
    if request.config.option.file_or_dir or request.config.option.keyword:
        whole = []
    assert [node for node in whole if node not in names] == []


def exists(waits: Waits) -> bool:
    path, _, text = waits.path.partition("::")
    file = ROOT / path
    return file.exists() and (not text or text in file.read_text())


def test_what_a_row_waits_for_is_not_there_yet() -> None:
    for row, waits in ((r, r.waits) for r in proofs() if r.waits):
        assert (ROOT / waits.path.partition("::")[0]).parent.is_dir()
        assert not exists(waits), f"{row.id}: {waits.what} is there now; name the test"


# --- the rules themselves -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("tests/test_reliability.py", True),
        ("tests/test_reliability.py::def exists", True),
        ("tests/test_reliability.py::" + "no" + "where", False),
        ("tests/absent.py", False),
        ("tests/absent.py::x", False),
    ],
)
def test_one_sees_whether_what_a_row_waits_for_is_there(path: str, there: bool) -> None:
    assert exists(Waits(what="", path=path)) is there


def test_a_name_that_is_no_test_is_seen() -> None:
    here = "tests/test_reliability.py"
    good = (f"{here}::test_a_name_that_is_no_test_is_seen", f"{here}::absent[B07]")
    bad = (f"{here}::test_gone", "tests/test_gone.py::test_x")
    assert absent(Proof(id="F01", says="", tests=(*good, *bad))) == list(bad)


T = "tests/a.py::test_x"


@pytest.mark.parametrize(
    ("tests", "passed", "otherwise", "shown"),
    [
        ((T,), [T], [], True),
        ((T,), [f"{T}[one]@engine", f"{T}[two]", f"{T}[a@b]"], [], True),
        ((T,), [f"{T}@engine"], [], True),
        ((T,), [f"{T}[one]"], [f"{T}[two]"], False),
        ((T,), [], [T], False),
        ((T,), [], [], False),
        ((T,), [f"{T}y"], [], False),
        ((f"{T}[one]",), [f"{T}[one]"], [f"{T}[two]"], True),
        ((f"{T}[one]",), [f"{T}[one]@engine"], [], True),
        ((f"{T}[one]",), [f"{T}[two]"], [], False),
        ((T, f"{T}y"), [T], [], False),
        ((), [T], [], False),
    ],
)
def test_a_claim_is_shown_by_tests_that_ran_and_passed(
    tests: tuple[str, ...], passed: list[str], otherwise: list[str], shown: bool
) -> None:
    claim = Claim(id="F01", tests=tests)
    assert unshown([claim], passed, otherwise) == ([] if shown else [claim])


@pytest.fixture
def claim() -> Callable[..., Claim]:
    return lambda name, **how: Claim(id=name, tests=(T,), **how)


def test_a_run_owes_neither_what_waits_nor_what_takes_long(claim: Callable[..., Claim]) -> None:
    plain, waits, long = claim("F01"), claim("F29", waits=True), claim("F39", only_long=True)
    assert owed([plain, waits, long], long=False) == [plain]
    assert owed([plain, waits, long], long=True) == [plain, long]


def test_the_summary_says_what_is_missing_and_why(claim: Callable[..., Claim]) -> None:
    missing = [claim("F01"), claim("F29", waits=True), claim("F39", only_long=True)]
    listed = Claims(name="faults", what="of them", total=10, claims=tuple(missing))
    assert summary(listed, [], long=True) == "faults: 10 of 10 of them shown by this run"
    assert summary(listed, missing, long=False) == (
        "faults: 7 of 10 of them shown by this run"
        " (not shown: F01; waiting: F29; only in the long run: F39)"
    )
