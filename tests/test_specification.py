"""Every statement of the Brique 84 specification has a place in the code and a test that shows it.

Beside the table itself: rows drawn by the commit are put to the proof. Their behaviour is disabled in a
copy of the sources, and the row's own test must then fail.
"""

from __future__ import annotations

import ast
import os
import random
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.copied_sources import ROOT, commit, copy_sources, made, run_in
from tests.specification import Row
from tests.specification.document import document
from tests.specification.table import DOCUMENTS, rows

DRAWN = 10
ROWS = {row.id: row for row in rows()}
CUT = [row for row in ROWS.values() if row.cut is not None]


def drawn() -> list[Row]:
    """Ten rows whose names differ from commit to commit, and not from machine to machine."""
    return random.Random(commit()).sample(CUT, min(DRAWN, len(CUT)))  # noqa: S311  (no secret)


def test_every_statement_has_one_row() -> None:
    ids = [row.id for row in rows()]
    wanted = [f"S{n}" for n in range(1, 129)]
    assert sorted(ids, key=lambda name: int(name[1:])) == wanted


def test_only_documents_are_shown_by_a_path_alone() -> None:
    assert {row.id for row in ROWS.values() if row.cut is None} == DOCUMENTS
    assert all((ROOT / ROWS[name].test).exists() for name in DOCUMENTS)


@pytest.mark.parametrize("row", CUT, ids=lambda row: row.id)
def test_a_row_names_a_test_and_a_behaviour_that_exist(row: Row) -> None:
    path, _, name = row.test.partition("::")
    functions = {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert name.partition("[")[0] in functions
    assert row.cut is not None
    source = (ROOT / row.cut.path).read_text()
    assert source.count(row.cut.old) == 1
    assert row.cut.old != row.cut.new
    if row.cut.path.endswith(".py"):
        ast.parse(source.replace(row.cut.old, row.cut.new))


def test_the_document_is_the_table() -> None:
    written = (ROOT / "docs/specification.md").read_text()
    assert written == document(rows()), "write it anew: python -m tests.specification.document"


# --- the proof --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all rows of a test process, so that what is not cut is compiled once."""
    return copy_sources(tmp_path_factory.mktemp("cut") / "sources")


@pytest.mark.parametrize("row", drawn(), ids=lambda row: row.id)
def test_a_drawn_row_fails_without_its_behaviour(row: Row, sources: Path) -> None:
    assert_fails_when_cut(row, sources)


@pytest.mark.long
@pytest.mark.parametrize("row", CUT, ids=lambda row: row.id)
def test_each_row_fails_without_its_behaviour(row: Row, sources: Path) -> None:
    assert_fails_when_cut(row, sources)


def assert_fails_when_cut(row: Row, sources: Path) -> None:
    """Run the row's test on sources without its behaviour: it must run, and fail."""
    assert row.cut is not None
    with made([row.cut], sources):
        done = run_test(row.test, sources)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, (
        f"{row.id}: {row.test} ended with {done.returncode} without {row.cut}\n{done.stdout[-3000:]}"
    )


def run_test(node: str, sources: Path) -> subprocess.CompletedProcess[str]:
    """One test on the servers of this run, in a database of its own."""
    url = urlsplit(os.environ["DATABASE_URL"])
    own = urlunsplit(url._replace(path=f"/cut_{os.getpid()}"))
    command = ("pytest", "-q", "-x", "-p", "no:cacheprovider", node)
    return run_in(sources, *command, timeout=170, DATABASE_URL=own)
