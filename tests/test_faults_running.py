"""The running engine without its doorbell: the broker hangs or is wiped, a worker's child is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import redis

from tests.running_engine import ROOT, Running
from tests.test_processes import example, wait_for_row

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("engine")]


def pay(engine: Running, count: int = 3) -> list[str]:
    """Payouts that the engine accepted, and how fast it did."""
    found = []
    for _ in range(count):
        body = example(engine, "iban") | {"amount": "12.00"}
        started = time.monotonic()
        answer = engine.merchant.call("POST", "/api/payouts", body)
        assert answer.status == 201
        assert time.monotonic() - started < 5  # Nobody waits for a broker for long.
        found.append(answer.body["payout"]["id"])
    return found


def wait_told(engine: Running, payouts: list[str], *, seconds: float = 20) -> None:
    """Until a bank has answered for all of them."""
    sql = "SELECT count(*) FROM payouts WHERE id::text = ANY(%s) AND status IN ('sent', 'settled')"
    deadline = time.monotonic() + seconds
    while engine.query(sql, payouts) != [(len(payouts),)]:
        assert time.monotonic() < deadline, engine.query(
            "SELECT status, count(*) FROM payouts WHERE id::text = ANY(%s) GROUP BY 1", payouts
        )
        time.sleep(0.1)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process and its children stand still for the length of a block."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for member in family:
        os.kill(member.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for member in family:
            if member.is_running():
                os.kill(member.pid, signal.SIGCONT)


def broker(engine: Running) -> redis.Redis:
    lines = (engine.state / "env").read_text().splitlines()
    url = next(line for line in lines if line.startswith("REDIS_URL=")).partition("=")[2]
    return redis.Redis.from_url(url)


def test_F08_while_the_broker_hangs_payouts_are_accepted_and_told(engine: Running) -> None:
    with stopped(engine.pids()["valkey"]):
        wait_told(engine, pay(engine, 2), seconds=30)
    engine.wait_ready()


def test_F09_F10_what_was_rung_and_is_wiped_costs_one_poll(engine: Running) -> None:
    with stopped(engine.pids()["worker"]):
        payouts = pay(engine)
        waiting = broker(engine)
        deadline = time.monotonic() + 10
        # The first rings go to a worker that was waiting as it was stopped, and after a broker that
        # did not answer nobody rings for a second.
        while waiting.llen("payouts") == 0:
            assert time.monotonic() < deadline
            payouts += pay(engine, 1)
            time.sleep(0.2)
        waiting.flushall()
    wait_told(engine, payouts)


@contextmanager
def a_second_beat(engine: Running) -> Iterator[None]:
    """Started as the first one was."""
    first = psutil.Process(engine.pids()["beat"])
    with subprocess.Popen(first.cmdline(), env=first.environ(), cwd=ROOT) as second:
        try:
            yield
            assert second.poll() is None
        finally:
            second.kill()


def test_F45_two_real_beats_make_one_run_of_each_fire(engine: Running) -> None:
    before = engine.query("SELECT count(*) FROM payout_batches")[0][0]
    with a_second_beat(engine):
        body = example(engine, "iban") | {"amount": "13.00", "priority": "batch"}
        made = engine.merchant.call("POST", "/api/payouts", body).body["payout"]["id"]
        for _ in range(2):
            engine.bank.call("POST", "/_sim/clock", {"advance_seconds": 86_400})
            time.sleep(2.5)  # Both tick every second or so.
        wait_told(engine, [made])
    twice = "SELECT batch_name, currency, scheduled_at FROM payout_batches GROUP BY 1, 2, 3 HAVING count(*) > 1"
    assert engine.query(twice) == []
    assert engine.query("SELECT count(*) FROM payout_batches")[0][0] > before
    runs = "SELECT count(*) FROM payout_batch_items WHERE payout_id::text = %s"
    assert engine.query(runs, made) == [(1,)]


def test_F15_a_killed_child_of_a_worker_loses_nothing(engine: Running) -> None:
    """While it waits for a bank's answer. Its lease is ended by hand, so that nobody waits for it here."""
    engine.bank.call("POST", "/_sim/faults", {"fault": "late_answer", "count": 1, "seconds": 3})
    payouts = pay(engine, 1)
    wait_for_row(engine, "SELECT id FROM bank_transmissions WHERE state = 'sending'")
    for child in psutil.Process(engine.pids()["worker"]).children(recursive=True):
        child.kill()
    engine.bank.call("DELETE", "/_sim/faults")
    ended = "UPDATE bank_transmissions SET lease_until = now() WHERE state = 'sending' RETURNING id"
    engine.change(ended)
    wait_told(engine, [*payouts, *pay(engine, 1)])
    records = engine.bank.call("GET", "/_sim/records").body
    assert len([r for r in records if (r["payout_id"], r["state"]) == (payouts[0], "booked")]) == 1
