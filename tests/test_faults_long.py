"""Full disks, clocks that are wrong, two real beats: as root, on small file systems of the tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from ledger import book
from payouts import creation, dispatch, doubt, tasks
from payouts.errors import PayoutError
from payouts.models import BankTransmission, Payout
from tests.api_client import merchant, payout_body, snapshot
from tests.crashes import before, process
from tests.test_dispatch import booked
from tests.test_reliability import ROOT
from tests.world import World

pytestmark = pytest.mark.long


@contextmanager
def small_disk(*, size: str) -> Iterator[Path]:
    """A file system that anybody can reach and that is full soon."""
    if os.geteuid() != 0:
        pytest.skip("a file system is mounted by root only")
    place = Path(tempfile.mkdtemp(prefix="payouts-small-disk-"))
    place.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is left on the disk for the length of a block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    yield
    ballast.unlink()


def sql(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


# --- F39 ------------------------------------------------------------------------------------------------


@contextmanager
def payouts_on(disk: Path) -> Iterator[None]:
    """The table of payouts lies on a disk of its own."""
    owner = Path(sql("SHOW data_directory")[0][0]).stat()
    home = disk / "tablespace"
    home.mkdir()
    os.chown(home, owner.st_uid, owner.st_gid)
    sql(f"CREATE TABLESPACE small LOCATION '{home}'")
    sql("ALTER TABLE payouts SET TABLESPACE small")
    try:
        yield
    finally:
        sql("ALTER TABLE payouts SET TABLESPACE pg_default")
        sql("DROP TABLESPACE small")


def test_F39_a_full_disk_stops_nothing_halfway_and_is_survived(real_sandbox: World) -> None:
    body = payout_body(real_sandbox, amount="1")
    api = merchant(real_sandbox)
    with small_disk(size="4m") as disk, payouts_on(disk):
        waiting = real_sandbox.create(amount="1.00")
        with filled(disk):
            answers = [api.post("/api/payouts", body, key=f"full {n}") for n in range(60)]
            refused = [n for n, answer in enumerate(answers) if answer.status != 201]
            assert refused, "the disk was not full"
            assert {answers[n].status for n in refused} == {503}
            assert all(answers[n].headers["Retry-After"] for n in refused)
            there = snapshot()
            with pytest.raises(PayoutError, match="service_unavailable|does not answer"):
                creation.create_payouts(
                    [real_sandbox.request(amount="1.00") for _ in range(100)],
                    actor=real_sandbox.merchant,
                )
            assert snapshot() == there
        again = [api.post("/api/payouts", body, key=f"full {n}").status for n in refused]
        assert set(again) == {201}
        real_sandbox.reach(waiting, "sent", "settled")
        assert book.verify_book() == []
        assert Payout.objects.count() == 61


# --- F40 ------------------------------------------------------------------------------------------------


def test_F40_a_full_disk_for_files_stops_no_payout_and_leaves_no_half_file(
    real_sandbox: World, settings: Any
) -> None:
    with small_disk(size="64k") as disk:
        settings.STATE_DIR = disk / "state"
        export = disk / "audit.jsonl"
        payout = real_sandbox.create()
        dispatch.dispatch_due()
        with filled(disk):
            with pytest.raises(OSError, match="No space left"):
                tasks.note_worker()  # A worker that cannot leave its number works all the same.
            other = real_sandbox.create()
            dispatch.dispatch_due()
            assert real_sandbox.status(other) == "sent"
            with pytest.raises((CommandError, OSError, SystemExit)):
                call_command("seal_audit", output=export, now=True)
            assert not export.exists() or export.read_bytes() == b""
        call_command("seal_audit", output=export, now=True)
        lines = export.read_text().splitlines()
        assert lines
        assert all(line.startswith("{") and line.endswith("}") for line in lines)
        assert len(set(lines)) == len(lines)
        assert real_sandbox.status(payout) in ("sent", "settled")


COUNTS = """
import django; django.setup()
from payouts import metrics
for n in range({series}):
    metrics.start_at_zero([(f"bank-{{n}}", "sepa")])
{full}
for n in range({series}):
    metrics.start_at_zero([(f"other-{{n}}", "sepa")])
metrics.worker_failed("poller")
print("alive")
"""
FILL = """
import os
with open(os.environ["PROMETHEUS_MULTIPROC_DIR"] + "/ballast", "wb", buffering=0) as file:
    try:
        while True: file.write(bytes(4096))
    except OSError: pass
"""


@pytest.mark.parametrize(("series", "full"), [(1, ""), (60, FILL)])
def test_F40_a_process_that_counts_survives_a_full_disk(series: int, full: str) -> None:
    """Full when it starts, and full while it counts on."""
    with small_disk(size="1500k") as disk, nullcontext() if full else filled(disk):
        script = COUNTS.format(series=series, full=full)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(disk)}, cwd=ROOT,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr[-500:]


# --- F48 ------------------------------------------------------------------------------------------------


def moved(days: int) -> None:
    """From here on this process has a wrong clock; how time passes is the same."""
    time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True).start()


@pytest.mark.parametrize("days", [1, -1])
def test_F48_a_worker_whose_clock_is_wrong_works_as_any_other(
    real_sandbox: World, settings: Any, days: int
) -> None:
    settings.CALL_DEADLINE_S, settings.LEASE_S = 0.5, 2
    wrong = partial(moved, days)
    payout = real_sandbox.create()
    with process(dispatch.dispatch_due, wrong) as worker:
        assert os.waitstatus_to_exitcode(worker.wait()) == 0
    assert real_sandbox.status(payout) == "sent"
    # A lease that others hold lasts as long as they were given it, and no longer.
    lost = real_sandbox.create()
    with process(dispatch.dispatch_due, partial(before, dispatch, "call")) as victim:
        assert victim.was_killed()
    with process(doubt.recover_expired, wrong) as worker:
        worker.wait()
    assert real_sandbox.status(lost) == "processing"
    time.sleep(2.1)
    with process(doubt.recover_expired, wrong) as worker:
        worker.wait()
    assert real_sandbox.status(lost) == "in_doubt"
    with process(doubt.resolve_in_doubt, wrong) as worker:
        worker.wait()
    real_sandbox.reach(lost, "sent", "settled")
    # What is due again is due by the database's clock.
    real_sandbox.bank.fault("busy", rail="sepa", count=1)
    retried = real_sandbox.create()
    with process(dispatch.dispatch_due, wrong) as worker:
        worker.wait()
    real_sandbox.reach(retried, "sent", "settled")
    for paid in (payout, lost, retried):
        assert len(booked(real_sandbox, paid)) == 1
    assert BankTransmission.objects.filter(state="in_doubt").count() == 0
