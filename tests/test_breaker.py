"""Banks are watched, paused and left alone: health, pauses and the breaker that all workers share."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from payouts import alerts, banks, breaker, dispatch, doubt
from payouts.banks import Outcome, OutcomeKind
from payouts.bankstate import BankHealth, Refused, Switched
from payouts.models import Payout, PayoutAlert, PayoutAttempt, PayoutAuditLog, PayoutHold
from tests.test_dispatch import booked, sepa
from tests.world import World

NOWHERE = "http://127.0.0.1:1"


def health(key: str = "default:sepa") -> BankHealth:
    return next(found for found in banks.health_report() if found.key == key)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def due_now() -> None:
    run("UPDATE payouts SET next_retry_at = clock_timestamp() WHERE status = 'failed'")


def pause_is_over() -> None:
    run(
        "UPDATE bank_connector_state SET breaker_open_until = clock_timestamp() WHERE breaker = 'open'"
    )


def said(action: str) -> list[str]:
    rows = PayoutAuditLog.objects.filter(action=action)
    return [row.data["bank_connector_id"] for row in rows]


@pytest.fixture
def alone(sandbox: World) -> World:
    """A world where nothing but `default` carries SEPA, so that nobody else takes what it cannot."""
    run("UPDATE bank_connectors SET enabled = false WHERE rail LIKE 'sepa%' AND name <> 'default'")
    run("UPDATE bank_connectors SET enabled = false WHERE rail = 'sepa_instant'")
    return sandbox


# --- health -------------------------------------------------------------------------------------------


def test_health_is_what_was_seen_last_and_names_what_is_wrong(
    sandbox: World, settings: Any
) -> None:
    banks.check_banks()
    assert (health().healthy, health().message) == (True, "ok")
    settings.BANK_URLS = {"sepa_default": NOWHERE}
    assert health().healthy  # Nobody asked a bank for this.
    banks.check_banks()
    assert (health().healthy, health().message) == (False, "Connection refused")
    assert health("backup:sepa").healthy


def test_a_bank_that_says_nothing_is_a_connection_timeout(sandbox: World, settings: Any) -> None:
    import socket

    settings.HEALTH_DEADLINE_S = 0.2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.BANK_URLS = {"sepa_default": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        banks.check_banks()
    assert (health().healthy, health().message) == (False, "Connection timeout")


def test_an_unhealthy_bank_raises_one_alert_that_resolves_itself(
    sandbox: World, settings: Any
) -> None:
    settings.BANK_URLS = {"sepa_default": NOWHERE}
    banks.check_banks()
    assert (alerts.sweep("connector_down"), alerts.sweep("connector_down")) == (1, 0)
    settings.BANK_URLS = {}
    banks.check_banks()
    alerts.sweep("connector_down")
    (alert,) = PayoutAlert.objects.filter(alert_type="connector_down")
    assert alert.message == "default:sepa is not healthy: Connection refused"
    assert alert.resolved


# --- pauses -------------------------------------------------------------------------------------------


def test_a_paused_bank_keeps_its_payouts_and_its_health(sandbox: World) -> None:
    payout = sandbox.create()
    banks.check_banks()
    bank, nobody = sepa().id, uuid4()
    said_first = banks.pause([bank, nobody], actor=sandbox.operator, reason="their request")
    again = banks.pause([bank], actor=sandbox.operator, reason="again")
    assert said_first[0] == Switched(bank, True, True)
    assert isinstance(said_first[1], Refused)
    assert said_first[1].error.code == "not_found"
    assert again == [Switched(bank, True, False)]
    dispatch.dispatch_due()
    assert (sandbox.status(payout), health().paused, health().healthy) == ("pending", True, True)
    assert health().paused_reason == "their request"
    banks.resume([bank], actor=sandbox.operator, reason="they are back")
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    assert said("connector.paused") == said("connector.resumed") == [str(bank)]


# --- the breaker --------------------------------------------------------------------------------------


def _fail(world: World, times: int) -> None:
    for _ in range(times):
        dispatch.dispatch_due()
        due_now()


def test_a_bank_that_keeps_failing_is_left_alone_and_tried_with_one(
    alone: World, settings: Any
) -> None:
    settings.BREAKER_FAILURES, settings.WORKER_BATCH_SIZE, settings.BREAKER_PAUSE_S = 3, 1, 60
    alone.bank.fault("busy", rail="sepa")
    first = alone.create()
    _fail(alone, 3)
    assert (health().breaker, health().healthy) == ("open", False)
    second = alone.create()
    _fail(alone, 2)
    assert (alone.attempts(first)[0].sends, alone.attempts(second)) == (3, [])
    assert (alone.status(second), PayoutHold.objects.get(payout=second).status) == (
        "pending",
        "active",
    )
    pause_is_over()
    assert (health().breaker, health().healthy) == ("half_open", True)
    assert dispatch.claim_due(sepa()) is not None
    assert dispatch.claim_due(sepa()) is None  # One at a time tries.
    assert said("connector.breaker_opened") == [str(sepa().id)]


def test_a_good_answer_closes_it_and_a_failed_try_waits_longer(alone: World, settings: Any) -> None:
    settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S, settings.BREAKER_PAUSE_MAX_S = 2, 30, 300
    alone.bank.fault("busy", rail="sepa", count=3)
    payout = alone.create()
    _fail(alone, 2)
    first = health().open_until
    pause_is_over()
    _fail(alone, 1)
    second = health().open_until
    assert first is not None
    assert second is not None
    assert (second - first).total_seconds() > 25  # A minute from now instead of half a one.
    pause_is_over()
    _fail(alone, 1)
    assert (health().breaker, alone.status(payout)) == ("closed", "sent")
    assert len(said("connector.breaker_closed")) == 1
    assert len(booked(alone, payout)) == 1


@pytest.mark.parametrize("good", [True, False])
def test_an_answer_to_a_call_from_before_it_opened_is_no_try(
    alone: World, settings: Any, good: bool
) -> None:
    settings.BREAKER_FAILURES, settings.BREAKER_PAUSE_S = 1, 30
    breaker.note_failure(sepa().id, reason="busy")
    pause_is_over()
    assert health().breaker == "half_open"
    until = health().open_until
    heard = Outcome(kind=OutcomeKind.ACCEPTED if good else OutcomeKind.UNKNOWN, code="late")
    banks.note_call(sepa(), heard, asked_s_ago=20.0)  # It was asked while the bank still failed.
    assert (health().breaker, health().open_until) == ("half_open", until)
    banks.note_call(sepa(), heard, asked_s_ago=0.0)
    assert health().breaker == ("closed" if good else "open")


def test_refusals_never_open_it(alone: World, settings: Any) -> None:
    settings.BREAKER_FAILURES = 2
    alone.bank.fault("reject", rail="sepa", code="AC04")
    for _ in range(3):
        alone.create()
        dispatch.dispatch_due()
    assert Payout.objects.filter(status="rejected").count() == 3
    assert health().breaker == "closed"


def test_a_good_answer_between_failures_starts_the_count_anew(alone: World, settings: Any) -> None:
    settings.BREAKER_FAILURES, settings.WORKER_BATCH_SIZE = 2, 1
    for _ in range(2):
        alone.bank.fault("busy", rail="sepa", count=1)
        alone.create()
        _fail(alone, 2)
    assert health().breaker == "closed"
    assert set(PayoutAttempt.objects.values_list("state", flat=True)) == {"accepted"}


def test_answers_that_never_come_open_it_and_asking_goes_on(alone: World, settings: Any) -> None:
    settings.BREAKER_FAILURES, settings.WORKER_BATCH_SIZE, settings.BREAKER_PAUSE_S = 2, 1, 60
    settings.CALL_DEADLINE_S = 0.3
    alone.bank.fault("late_answer", rail="sepa", count=2, seconds=0.6)
    payouts = [alone.create() for _ in range(3)]
    dispatch.dispatch_due()
    assert health().breaker == "open"
    assert sorted(alone.status(p) for p in payouts) == ["in_doubt", "in_doubt", "pending"]
    alone.bank.heal()
    alone.work_until(lambda: doubt.resolve_in_doubt() == 0 and _settled_doubts(payouts))
    assert len([p for p in payouts if booked(alone, p)]) == 2  # The third one was never sent.


def _settled_doubts(payouts: list[Payout]) -> bool:
    ids = [payout.id for payout in payouts]
    return not Payout.objects.filter(id__in=ids, status="in_doubt").exists()


def test_a_call_that_went_well_writes_nothing(alone: World) -> None:
    banks.check_banks()
    before = _row_version()
    alone.create()
    dispatch.dispatch_due()
    assert _row_version() == before
    breaker.note_failure(sepa().id, reason="x")
    assert _row_version() != before


def _row_version() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ctid FROM bank_connector_state WHERE bank_connector_id = %s", [sepa().id]
        )
        return cursor.fetchone()
