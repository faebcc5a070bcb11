"""Processes that die or stop in the middle: of a create, of telling a bank, of writing down what it said."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from payouts import alerts, dispatch, doubt, evidence, funds, inbound, outcomes
from payouts.models import BankDocument, BankTransmission, Payout, PayoutAlert, PayoutHold
from tests.api_client import merchant, payout_body, snapshot
from tests.crashes import after, at_commit_of, before, blocked, process, stops, wait_until
from tests.test_api_races import _and_close
from tests.test_attacks import due_now
from tests.test_dispatch import booked, expire_leases, sepa
from tests.world import World


def creating(world: World, body: Any) -> Any:
    return lambda: merchant(world).post("/api/payouts", body, key="k")


@pytest.fixture(autouse=True)
def _everything_is_loaded(real_sandbox: World) -> None:
    """A forked process should not have to import half of the engine first."""
    assert merchant(real_sandbox).get("/api/ledger/balances").status == 200


def test_F01_killed_before_the_commit_a_create_left_nothing(real_sandbox: World) -> None:
    body, empty = payout_body(real_sandbox), snapshot()
    last_step = partial(at_commit_of, funds, "place_holds", committed=False)
    with process(creating(real_sandbox, body), last_step) as victim:
        assert victim.was_killed()
    assert snapshot() == empty
    assert merchant(real_sandbox).post("/api/payouts", body, key="k").status == 201


def test_F02_killed_after_the_commit_a_create_is_found_by_its_key(real_sandbox: World) -> None:
    body = payout_body(real_sandbox)
    last_step = partial(at_commit_of, funds, "place_holds", committed=True)
    with process(creating(real_sandbox, body), last_step) as victim:
        assert victim.was_killed()
    payout = Payout.objects.get()
    again = merchant(real_sandbox).post("/api/payouts", body, key="k")
    assert (again.status, again.body["payout"]["id"]) == (200, str(payout.id))
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)
    assert real_sandbox.balance() == (Decimal(9900), Decimal(100))


def test_F07_whoever_waits_behind_a_request_that_is_killed_becomes_the_first(
    real_sandbox: World,
) -> None:
    body = payout_body(real_sandbox)
    ask = creating(real_sandbox, body)
    inside = partial(before, funds, "place_holds", stops)
    with process(ask, inside) as victim, ThreadPoolExecutor(1) as pool:
        assert victim.has_stopped()
        second = pool.submit(_and_close, ask)
        wait_until(blocked)
        victim.kill()
        assert second.result(20).status == 201
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)


# --- The connection that breaks at the commit ---------------------------------------------------------

COMMIT = b"COMMIT\x00"


@contextmanager
def cut_at_commit(*, passed_on: bool) -> Iterator[int]:
    """Stands before PostgreSQL and cuts a connection at its COMMIT, before or after the server has done it."""
    params = connection.settings_dict
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = door.accept()
        server = socket.create_connection((params["HOST"], int(params["PORT"])))
        with client, server, suppress(OSError):
            _carry(client, server, passed_on=passed_on)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with door:
        yield door.getsockname()[1]
    thread.join(10)


def _carry(client: socket.socket, server: socket.socket, *, passed_on: bool) -> None:
    committing = False
    while True:
        for source in select.select([client, server], [], [])[0]:
            data = source.recv(65536)
            if not data or (committing and source is server):
                return  # What the server has done, nobody hears.
            if source is client and COMMIT in data:
                committing = True
                if not passed_on:
                    return
            (server if source is client else client).sendall(data)


@pytest.mark.parametrize(("passed_on", "payouts", "again"), [(False, 0, 201), (True, 1, 200)])
def test_F03_cut_at_the_commit_a_create_is_neither_made_nor_failed(
    real_sandbox: World, passed_on: bool, payouts: int, again: int
) -> None:
    body = payout_body(real_sandbox)
    with cut_at_commit(passed_on=passed_on) as port, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(_through, port, creating(real_sandbox, body)).result(30)
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert Payout.objects.count() == payouts
    second = merchant(real_sandbox).post("/api/payouts", body, key="k")
    assert second.status == again
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)
    assert real_sandbox.balance() == (Decimal(9900), Decimal(100))


def _through(port: int, ask: Any) -> Any:
    """Ask with a connection of the thread's own that goes through a door; the first COMMIT is T0's."""
    mine = connections["default"]
    mine.settings_dict = mine.settings_dict | {"HOST": "127.0.0.1", "PORT": str(port)}
    try:
        return ask()
    finally:
        connections.close_all()


# Where a worker is lost: the step, and what an attempt of the payout may have reached the bank with.
STEPS = {
    "claimed": partial(before, dispatch, "prepare"),
    "stored": partial(before, dispatch, "begin_call"),
    "about to send": partial(before, dispatch, "call"),
    "booked": partial(after, dispatch, "call"),
    "answer not committed": partial(at_commit_of, evidence, "record", committed=False),
    "answer committed": partial(at_commit_of, evidence, "record", committed=True),
}


def _short_leases(settings: Any) -> None:
    settings.CALL_DEADLINE_S, settings.LEASE_S = 0.5, 1.2


def test_F11_F12_F13_a_worker_killed_at_any_step_leads_to_one_booking(
    real_sandbox: World, settings: Any
) -> None:
    _short_leases(settings)
    payouts, references = [], []
    for step in STEPS.values():
        payout = real_sandbox.create()
        with process(dispatch.dispatch_due, step) as victim:
            assert victim.was_killed()
        payouts.append(payout)
        references.append(real_sandbox.attempts(payout)[0].reference)
    told = [len(booked(real_sandbox, payout)) for payout in payouts]
    assert told == [0, 0, 0, 1, 1, 1]
    # Nobody may take them while a lease lasts; then a doubt is asked about, and what never left is sent.
    assert real_sandbox.status(payouts[0]) == "processing"
    for payout in payouts:
        real_sandbox.reach(payout, "sent", "settled")
    found = [[r["reference"] for r in booked(real_sandbox, payout)] for payout in payouts]
    assert found == [[reference] for reference in references]


def test_F11_a_bank_that_recognises_no_repetition_is_never_told_twice(
    real_sandbox: World, settings: Any
) -> None:
    _short_leases(settings)
    settings.INQUIRY_HORIZON_S = 0.5
    real_sandbox.pay_to("wallet", msisdn="+2250700000001")
    payout = real_sandbox.create("wallet", "1000", payout_method="mobile_money")
    with process(dispatch.dispatch_due, STEPS["about to send"]) as victim:
        assert victim.was_killed()
    parked = real_sandbox.reach(payout, "dlq")
    assert parked.last_error_code == "outcome_unknown"
    assert PayoutHold.objects.get(payout=payout).status == "active"
    assert BankTransmission.objects.get().sends == 1
    assert booked(real_sandbox, payout) == []


def test_F14_a_worker_stopped_beyond_its_lease_sends_nothing_new(
    real_sandbox: World, settings: Any
) -> None:
    _short_leases(settings)
    late, too_late = real_sandbox.create(), None
    sending, resending = (partial(before, dispatch, n, stops) for n in ("call", "begin_call"))
    with process(dispatch.dispatch_due, sending) as one:
        assert one.has_stopped()
        too_late = real_sandbox.create()
        with process(dispatch.dispatch_due, resending) as other:
            assert other.has_stopped()
            for payout in (late, too_late):
                real_sandbox.reach(payout, "sent", "settled")
            before_that = _sends()
            assert (one.goes_on(), other.goes_on()) == (0, 0)
    # The first one sent what it was about to send: the bank knew it, and what it said was recorded.
    assert _sends() == before_that
    for payout in (late, too_late):
        assert len(booked(real_sandbox, payout)) == 1
        assert real_sandbox.status(payout) in ("sent", "settled")
        assert len(real_sandbox.attempts(payout)) == 1


def _sends() -> list[int]:
    return sorted(BankTransmission.objects.values_list("sends", flat=True))


# --- What kills whoever touches it ----------------------------------------------------------------------


def test_F52_what_kills_every_worker_reaches_a_person_and_the_others_are_paid(
    real_sandbox: World, settings: Any
) -> None:
    settings.WORKER_BATCH_SIZE = 1
    poison = real_sandbox.create()
    tries = 0
    while real_sandbox.status(poison) != "dlq":
        tries += 1
        assert tries <= 8, "the tries are not counted, or for too long"
        with process(dispatch.dispatch_due, STEPS["claimed"]) as victim:
            assert victim.was_killed()
        expire_leases()
        doubt.recover_expired()
        due_now()
    assert tries == 8
    assert PayoutHold.objects.get(payout=poison).status == "active"
    good = real_sandbox.create()
    dispatch.dispatch_due()
    assert real_sandbox.status(good) == "sent"
    assert booked(real_sandbox, poison) == []


def test_F52_a_document_that_kills_every_reader_is_put_aside_and_the_next_is_read(
    real_sandbox: World,
) -> None:
    bank = sepa()
    with transaction.atomic():
        for n in range(2):
            outcomes.store_document(bank, b"%d" % n, document_type="x", remote_id=str(n))
    for _ in range(inbound.READS_MAX):
        with process(inbound.read_waiting, partial(before, inbound, "_read")) as victim:
            assert victim.was_killed()
    assert BankDocument.objects.filter(read_at=None).count() == 2
    inbound.read_waiting()
    killer, good = BankDocument.objects.order_by("received_at")
    assert killer.error.startswith("reader_lost")
    assert (killer.reads, good.reads) == (inbound.READS_MAX + 1, 1)
    assert good.read_at is not None
    alerts.sweep("unreadable_document")
    told = PayoutAlert.objects.filter(alert_type="unreadable_document")
    assert {alert.message.partition(":")[0] for alert in told} == {"x"}
    assert told.count() == 2  # The killer, and the other one, which is no document of this bank.
