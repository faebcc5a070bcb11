"""The database in the way: killed sessions, deadlocks, held locks, no connection left; and readers with a cursor."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import OperationalError, connection, connections, transaction

from payouts import contention, creation, dispatch, evidence, funds, inbound
from payouts.errors import PayoutError
from payouts.models import BankDocument, BankEvidence, Payout, PayoutAuditLog, PayoutHold
from tests.api_client import Reply, merchant, operator, payout_body, snapshot
from tests.code_reading import PACKAGES, read_tree
from tests.crashes import at_commit_of, blocked, process, wait_until
from tests.test_api_races import _and_close, at_once
from tests.test_dispatch import booked
from tests.test_evidence import say
from tests.test_reliability import ROOT
from tests.world import World


def kill_sessions() -> None:
    """End every other session of this database, as an administrator would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def killed_at(name: str, module: Any) -> Callable[..., Any]:
    """The function, whose session is ended by somebody else when it is called for the first time."""
    known, done = getattr(module, name), threading.Event()

    def call(*args: Any, **kwargs: Any) -> Any:
        if not done.is_set():
            done.set()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(_and_close, kill_sessions).result(10)
        return known(*args, **kwargs)

    return call


def test_F38_a_killed_session_is_a_503_and_an_answer_of_a_bank_is_written_down_all_the_same(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, before = payout_body(real_sandbox), snapshot()
    ask = partial(merchant(real_sandbox).post, "/api/payouts", body, key="k")
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(funds, "place_holds", killed_at("place_holds", funds))
        answer = pool.submit(_and_close, ask).result(30)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    connection.close()
    assert snapshot() == before
    assert ask().status == 201
    payout = Payout.objects.get()
    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(evidence, "record", killed_at("record", evidence))
        pool.submit(_and_close, dispatch.dispatch_due).result(30)
    connection.close()
    assert real_sandbox.status(payout) == "sent"
    assert len(booked(real_sandbox, payout)) == 1


# --- in each other's way ------------------------------------------------------------------------------


def _create_against_a_twin(world: World) -> list[Any]:
    """One list that cannot be paid for in full holds the balance and needs a key; its twin has the key and waits
    for the balance.
    """
    small, large = world.request(external_id="k"), world.request(amount="20000.00")
    holding, known = threading.Event(), funds.covered

    def covered(covers: Any) -> Any:
        verdicts = known(covers)
        holding.set()  # From here on the balance is ours: the twin takes the key and waits for it.
        wait_until(blocked)
        return verdicts

    def twin() -> Any:
        assert holding.wait(20)
        return creation.create_payouts([small], actor=world.merchant)[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(funds, "covered", covered)
        both = lambda: creation.create_payouts([small, large], actor=world.merchant)[0]  # noqa: E731
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(_and_close, act) for act in (both, twin)]
            return [future.exception(30) or future.result() for future in futures]


def test_F41_of_two_creates_that_wait_for_each_other_both_get_their_answer(
    real_sandbox: World,
) -> None:
    found = _create_against_a_twin(real_sandbox)
    assert {type(result) for result in found} == {creation.Created, creation.Replayed}
    assert (Payout.objects.count(), PayoutHold.objects.count()) == (1, 1)
    assert real_sandbox.balance() == (Decimal(9900), Decimal(100))


def test_F41_without_another_try_one_of_them_is_sent_away(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contention, "TRIES", 1)
    refused = [f for f in _create_against_a_twin(real_sandbox) if isinstance(f, PayoutError)]
    assert [error.code for error in refused] == ["service_unavailable"]


def test_F41_three_tries_and_only_for_what_may_succeed_again() -> None:
    for state, tries in (("40P01", 3), ("40001", 3), ("57P01", 1), ("55P03", 1)):
        calls: list[str] = []

        def act(state: str = state, calls: list[str] = calls) -> None:
            calls.append(state)
            cause = type("Cause", (Exception,), {"sqlstate": state})()
            raise OperationalError from cause

        with pytest.raises(OperationalError):
            contention.again(act)
        assert len(calls) == tries


def test_F41_no_call_to_a_bank_is_ever_inside_what_is_tried_again() -> None:
    users = [p for p, text in read_tree(ROOT, *PACKAGES).items() if "contention.again" in text]
    assert users == [
        "payouts/creation.py"
    ]  # Routing and everything else that asks comes before it.


def test_F42_a_balance_that_is_locked_for_long_is_said_and_leaves_nothing(
    real_sandbox: World, settings: Any
) -> None:
    settings.LOCK_TIMEOUT_MS = 200
    body, before = payout_body(real_sandbox), snapshot()
    ask = partial(merchant(real_sandbox).post, "/api/payouts", body, key="k")
    with transaction.atomic(), connection.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT FROM ledger_balances FOR UPDATE")
        started = time.monotonic()
        answer = pool.submit(_and_close, ask).result(30)
        took = time.monotonic() - started
    assert answer.status in (409, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert took < 3
    assert snapshot() == before
    assert ask().status == 201


@pytest.fixture
def no_connection_left(real_sandbox: World) -> Iterator[dict[str, str]]:
    """A role whose connections are all taken."""
    _sql("CREATE ROLE crowded LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    yield {"USER": "crowded", "PASSWORD": "x"}
    _sql("DROP ROLE crowded")


def _sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_F43_without_a_connection_left_everybody_is_told_at_once(
    real_sandbox: World, no_connection_left: dict[str, str]
) -> None:
    body = payout_body(real_sandbox)

    def ask() -> tuple[Reply, Reply]:
        mine = connections["default"]
        mine.settings_dict = mine.settings_dict | no_connection_left
        caller = merchant(real_sandbox)
        return caller.post("/api/payouts", body, key="k"), caller.get("/readyz")

    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        answer, ready = pool.submit(_and_close, ask).result(30)
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert ready.status == 503
    assert ready.body["checks"]["database"] == "does not answer"
    assert time.monotonic() - started < 5
    assert Payout.objects.count() == 0


def test_F44_there_is_one_database_and_nothing_reads_from_another() -> None:
    assert list(configured.DATABASES) == ["default"]
    assert configured.DATABASE_ROUTERS == []
    elsewhere = re.compile(r"\.using\(|\busing=|connections\[|db_manager\(|target_session_attrs")
    sources = read_tree(ROOT, *PACKAGES).items()
    found = [p for p, text in sources if "/migrations/" not in p and elsewhere.search(text)]
    assert found == []


# --- twice --------------------------------------------------------------------------------------------


def test_F55_two_operators_who_retry_at_once_have_one_effect(real_sandbox: World) -> None:
    payout = real_sandbox.create()
    dispatch.dispatch_due()
    say(real_sandbox, payout, "rejected", reaction="repair", code="AC01")
    assert real_sandbox.status(payout) == "dlq"
    path = f"/api/payouts/{payout.id}/retry"
    clicks = [partial(operator(real_sandbox).post, path, {"reason": "x"}) for _ in range(6)]
    replies: list[Reply] = at_once(clicks)
    assert {r.status for r in replies} <= {200, 409}
    assert 200 in {r.status for r in replies}
    moved = PayoutAuditLog.objects.filter(
        payout_id=payout.id, to_status="pending", from_status="dlq"
    )
    assert moved.count() == 1
    assert real_sandbox.status(payout) == "pending"


def test_F61_reports_that_were_fetched_and_not_noted_are_fetched_again_without_effect(
    real_sandbox: World,
) -> None:
    """There is no outbox: the audit row is the event. What is fetched twice is kept once."""
    payout = real_sandbox.create()
    dispatch.dispatch_due()
    fetched = partial(at_commit_of, inbound.outcomes, "store_document", committed=False)
    stored = partial(at_commit_of, inbound.outcomes, "store_document", committed=True)
    wait_until(lambda: _polls(fetched))
    assert BankDocument.objects.filter(read_at=None).count() == 0
    wait_until(lambda: _polls(stored))
    real_sandbox.settle(payout)
    keys = BankEvidence.objects.filter(source="report").values_list("source_key", "position")
    assert len(set(keys)) == len(keys)
    assert BankDocument.objects.filter(remote_id__startswith="answer").count() <= 2


def _polls(dying: Any) -> bool:
    """Whether a process that polls for reports found one, and died of it."""
    with process(inbound.poll_reports, dying) as victim:
        return victim.was_killed()


# Who reads by "id > the last one", and why nothing that is committed late is passed over.
CURSORS = {
    "payouts/measures.py": "up to where every writer of the time has ended, by transaction numbers",
    "payouts/statistics.py": "up to where every writer of the time has ended, by transaction numbers",
    "payouts/rotation.py": "passes over a table again until nothing is left",
    "payouts/seals.py": "seals rows of transactions that have ended",
}


def test_F62_whoever_reads_by_a_rising_number_knows_of_those_who_commit_late() -> None:
    cursor = re.compile(
        r"\b(id|sequence|seq|upto)\s*>\s*(%|coalesce|\(SELECT|CAST|s\.)|__gt=(last|after)"
    )
    found = {
        p for p, text in read_tree(ROOT, "payouts", "ops").items()
        if cursor.search(text) and "/migrations/" not in p
    }  # fmt: skip
    assert found <= set(CURSORS)
    assert {"payouts/measures.py", "payouts/statistics.py"} <= found
