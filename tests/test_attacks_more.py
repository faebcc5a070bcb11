"""More sequences that once booked money in the wrong place, counted wrong, or hid a second payment."""

from __future__ import annotations

import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from payouts import batches, dispatch, evidence, failover, reconciliation, statistics
from payouts.audit import engine
from payouts.evidence import Statement
from payouts.models import BankEvidence, PayoutAttempt, PayoutBatch, RoutingDecision
from tests import test_reconciliation, test_statistics
from tests.batch_runs import configured, waiting
from tests.test_breaker import due_now
from tests.test_failover import connector, down, open_breaker  # noqa: F401  (down is a fixture)
from tests.world import World


def say_of(attempt: PayoutAttempt, kind: str, **more: Any) -> dict[str, int]:
    """A bank's statement about one attempt, whichever is the payout's last."""
    statement = Statement(
        source="report", source_key=f"more:{BankEvidence.objects.count()}", position=0,
        bank_connector_id=attempt.bank_connector_id, reference=attempt.reference, kind=kind, **more,
    )  # fmt: skip
    with transaction.atomic():
        return evidence.record([statement], actor=engine("test"))


def clearing(name: str) -> Decimal:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(e.amount), 0) FROM ledger_entries e JOIN ledger_accounts a"
            " ON a.id = e.account_id WHERE a.name = %s",
            [f"clearing:{name}"],
        )
        found: Decimal = cursor.fetchone()[0]
        return found


@pytest.mark.parametrize("told", [["settled"], ["accepted", "settled"]])
def test_a_bank_that_has_it_after_all_is_the_one_whose_money_left(
    down: World,  # noqa: F811
    told: list[str],
) -> None:
    """Believed unsent, given to the backup, and then the first bank says that it paid."""
    payout = down.create()
    dispatch.dispatch_due()
    open_breaker()
    due_now()
    assert failover.reroute_due() == 1
    assert connector(payout) == "backup:sepa"
    (attempt,) = down.attempts(payout)
    for kind in told:
        assert say_of(attempt, kind) == {"moved": 1, "replayed": 0}
    assert (down.status(payout), connector(payout)) == ("settled", "default:sepa")
    assert (clearing("default"), clearing("backup")) == (Decimal(100), Decimal(0))


def test_the_more_specific_schedule_collects_first_when_two_fire_together(sandbox: World) -> None:
    configured("daily")
    configured("weekly", tenant_id=sandbox.tenant_id)
    payout = waiting(sandbox)
    batches.release_due()
    batch = PayoutBatch.objects.get()
    payout.refresh_from_db()
    assert (batch.batch_name, batch.tenant_id) == ("weekly", sandbox.tenant_id)
    assert payout.batch_id == batch.id


def test_run_by_hand_a_schedule_leaves_to_the_more_specific_one_what_waits_for_it(
    sandbox: World,
) -> None:
    configured("daily")
    configured("weekly", tenant_id=sandbox.tenant_id)
    payout = waiting(sandbox)
    assert batches.run_batches("daily", at=None, actor=sandbox.operator) == []
    payout.refresh_from_db()
    assert PayoutBatch.objects.get(id=payout.batch_id).batch_name == "weekly"


def test_a_statement_that_books_one_payment_twice_does_not_match(
    sandbox: World, tmp_path: Path
) -> None:
    payout = test_reconciliation.settled_without_amount(sandbox)
    reference = sandbox.attempts(payout)[0].reference
    file = tmp_path / "statement.xml"
    file.write_bytes(test_reconciliation.statement((reference, "100.00"), (reference, "100.00")))
    code, told = test_reconciliation.run(file)
    assert (code, told["counts"]) == (1, {"matched": 1, "different": 1, "unmatched": 0})


def test_the_booking_of_a_contradiction_reconciles_nothing(sandbox: World) -> None:
    """A bank books what it had refused, while another attempt settles: that is a second payment."""
    sandbox.bank.fault("reject", rail="sepa", code="ED05", count=1)
    payout = sandbox.create()
    dispatch.dispatch_due()
    due_now()
    dispatch.dispatch_due()
    refused, paid = sandbox.attempts(payout)
    assert (refused.state, paid.state) == ("rejected", "accepted")
    assert say_of(refused, "settled", amount=Decimal(100), currency="EUR")["contradiction"] == 1
    say_of(paid, "settled")
    assert sandbox.status(payout) == "settled"
    assert reconciliation.match() == 0
    say_of(paid, "settled", amount=Decimal(100), currency="EUR")
    assert reconciliation.match() == 1


def test_what_was_just_given_another_bank_is_not_moved_on_by_a_second_look(
    down: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two workers looked at the same moment; the second one's list is old when it gets the locks."""
    payout = down.create()
    open_breaker()
    seen = failover._stranded(200)
    assert failover.reroute_due() == 1
    run("UPDATE bank_connector_state SET breaker = 'closed', breaker_open_until = NULL")
    monkeypatch.setattr(failover, "_stranded", lambda _limit: seen)
    assert failover.reroute_due() == 0
    assert connector(payout) == "backup:sepa"
    assert RoutingDecision.objects.filter(payout_id=payout.id).count() == 2


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_what_slips_in_while_the_counter_looks_is_counted(real_sandbox: World) -> None:
    """A larger id is committed, a smaller one still open, between two statements of the counting job."""
    slow, fast = real_sandbox.create(), real_sandbox.create()
    dispatch.dispatch_due()
    drawn, go_on = threading.Event(), threading.Event()

    def say_slowly() -> None:
        with transaction.atomic():
            test_statistics._say_refused(real_sandbox, slow)
            drawn.set()
            go_on.wait(20)

    thread = threading.Thread(target=test_statistics._at_once, args=(say_slowly,))

    def between(execute: Any, sql: Any, *rest: Any) -> Any:
        if "max(id)" in sql and not drawn.is_set():
            thread.start()
            assert drawn.wait(20)
            test_statistics._at_once(lambda: test_statistics._say_refused(real_sandbox, fast))
        return execute(sql, *rest)

    with connection.execute_wrapper(between):
        statistics.count_evidence()
    assert drawn.is_set()
    for _ in range(3):
        statistics.count_evidence()
    assert test_statistics.totals() == {}
    go_on.set()
    thread.join(20)
    test_statistics.count_all()
    assert test_statistics.totals() == {"failure": 2}
