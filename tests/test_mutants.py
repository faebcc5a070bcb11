"""The proof tells wrong engines from a right one: each mutant is caught, by name, within a minute."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS, Mutant
from tests.copied_sources import ROOT, commit, copy_sources, made, run_in

DRAWN = 2
LIMIT_S = 60.0
WANTED = (
    "new_reference", "timeout_is_failure", "not_found_is_believed", "call_in_transaction", "two_live_attempts",
    "idempotency_in_redis", "lost_lease_loses_evidence", "hold_expires_in_flight",
)  # fmt: skip
pytestmark = pytest.mark.xdist_group("engine")  # One engine under load at a time.


def drawn() -> list[Mutant]:
    """Two whose names differ from commit to commit, and not from machine to machine."""
    return random.Random(commit()).sample(MUTANTS, DRAWN)


def chaos(sources: Path, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A run that ends with the first violation. Its own end is far behind the limit that tests look at."""
    run = ("tests.chaos", "--json", "--stop-at-first", "--state", str(state))
    return run_in(sources, *run, *options, timeout=5 * LIMIT_S)


def test_each_way_to_be_wrong_is_among_them() -> None:
    assert set(WANTED) <= {mutant.name for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_made(mutant: Mutant) -> None:
    """Its cuts stand where they say, once, and what remains is Python."""
    texts: dict[str, str] = {}
    for cut in mutant.cuts:
        text = texts.get(cut.path) or (ROOT / cut.path).read_text()
        assert text.count(cut.old) == 1, f"{cut.path}: {cut.old}"
        texts[cut.path] = text.replace(cut.old, cut.new)
    for text in texts.values():
        ast.parse(text)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all mutants of a test process, so that what is not cut is compiled once."""
    return copy_sources(tmp_path_factory.mktemp("mutants") / "sources")


@pytest.mark.processes
@pytest.mark.parametrize("mutant", drawn(), ids=lambda mutant: mutant.name)
def test_a_drawn_mutant_is_caught(mutant: Mutant, sources: Path, tmp_path: Path) -> None:
    """Other tests run beside it: how long it takes is looked at where none do."""
    catch(mutant, sources, tmp_path)


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught_within_a_minute(
    mutant: Mutant, sources: Path, tmp_path: Path
) -> None:
    took = catch(mutant, sources, tmp_path)
    assert took < LIMIT_S, f"{mutant.name} was caught after {took:.0f} s"


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.parametrize("options", sorted({mutant.options for mutant in MUTANTS}), ids=" ".join)
def test_the_engine_as_it_is_passes_with_the_same_options(
    options: tuple[str, ...], sources: Path, tmp_path: Path
) -> None:
    done = chaos(sources, tmp_path / "state", *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def catch(mutant: Mutant, sources: Path, place: Path) -> float:
    """Run it until it is caught for what it is wrong about. Returns how many seconds that took, start included."""
    began = time.monotonic()
    with made(mutant.cuts, sources):
        done = chaos(sources, place / "state", *mutant.options)
    took = time.monotonic() - began
    assert done.returncode == 1, f"{mutant.name} was not caught\n{done.stdout}{done.stderr[-3000:]}"
    report = json.loads(done.stdout)
    found = {violation["invariant"] for violation in report["violations"]}
    assert found & set(mutant.caught_by), f"{mutant.name} was taken for something else: {report}"
    assert report["activity"]["bookings"] > 0, "it pays nobody: that is not what it is wrong about"
    return took
