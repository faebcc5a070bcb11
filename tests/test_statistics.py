"""What routing learns: each statement of a bank counts once, whoever counts it and however often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from payouts import dispatch, evidence, statistics
from payouts.audit import engine
from payouts.evidence import Statement
from payouts.models import BankEvidence, Payout, RoutingCursor, RoutingStatistic
from payouts.statistics import Count, Seen
from tests.test_breaker import due_now
from tests.test_evidence import say
from tests.world import World

BANK, OTHER, LONELY = uuid4(), uuid4(), uuid4()
RAILS = {BANK: "sepa", OTHER: "sepa", LONELY: "ach"}


def counts(bank: UUID, institution: str, **seen: int) -> list[Count]:
    return [
        Count(bank_connector_id=bank, institution=place, measure=measure, bucket=0, seen=n)
        for place in {institution, ""}
        for measure, n in seen.items()
    ]


# --- what is believed -------------------------------------------------------------------------------


def test_without_experience_everybody_gets_the_same_credit() -> None:
    assert Seen.of([], rails=RAILS).success(BANK, "COBADEFF") == statistics.PRIOR


def test_a_new_institution_is_neither_zero_nor_one() -> None:
    seen = Seen.of(counts(BANK, "COBADEFF", success=0, failure=1), rails=RAILS)
    assert Decimal("0.5") < seen.success(BANK, "COBADEFF") < statistics.PRIOR
    seen = Seen.of(counts(BANK, "COBADEFF", success=1), rails=RAILS)
    assert statistics.PRIOR < seen.success(BANK, "COBADEFF") < 1


def test_experience_prevails_as_it_grows_and_reaches_others_by_rail() -> None:
    seen = Seen.of(counts(BANK, "COBADEFF", success=20, failure=180), rails=RAILS)
    assert seen.success(BANK, "COBADEFF") < Decimal("0.15")
    there, elsewhere, sister = (
        seen.success(BANK, "COBADEFF"),
        seen.success(BANK, "DEUTDEFF"),
        seen.success(OTHER, "DEUTDEFF"),
    )
    assert there < elsewhere < sister < seen.success(LONELY, "021000021") == statistics.PRIOR


def test_the_middle_of_what_was_seen_moves_the_prediction_once_it_is_enough() -> None:
    def late(n: int) -> Seen:
        step = len(statistics.LATENESS_EDGES_S) - 5  # One day late at most.
        count = Count(
            bank_connector_id=BANK, institution="", measure="lateness", bucket=step, seen=n
        )
        return Seen.of([count], rails=RAILS)

    assert late(statistics.ENOUGH - 1).lateness_s(BANK, "COBADEFF") == 0
    assert late(statistics.ENOUGH).lateness_s(BANK, "COBADEFF") == statistics.DAY


# --- the job ----------------------------------------------------------------------------------------


def totals() -> dict[str, int]:
    rows = RoutingStatistic.objects.filter(institution="").exclude(measure="lateness")
    return {row.measure: row.seen for row in rows}


def everything() -> list[tuple[Any, ...]]:
    fields = ("bank_connector_id", "institution", "measure", "bucket", "seen")
    return sorted(RoutingStatistic.objects.values_list(*fields))


def count_all() -> None:
    """Until everything is counted: other tests' transactions, in the same server, may still be open."""
    last = BankEvidence.objects.order_by("-id").values_list("id", flat=True)[0]
    deadline = time.monotonic() + 30
    while RoutingCursor.objects.filter(counted_to__gte=last).first() is None:
        assert time.monotonic() < deadline
        statistics.count_evidence()
        time.sleep(0.02)


def some_history(world: World) -> None:
    """Two settled, one refused by the bank's fault and then settled, one refused for its account."""
    world.bank.fault("reject", rail="sepa", code="AC04", count=1)
    world.create()
    dispatch.dispatch_due()
    world.bank.fault("reject", rail="sepa", code="ED05", count=1)
    first = world.create()
    dispatch.dispatch_due()
    due_now()
    others = [world.create() for _ in range(2)]
    dispatch.dispatch_due()
    for payout in (first, *others):
        say(world, payout, "settled")


def test_each_statement_counts_once_and_anew_to_the_same_numbers(real_sandbox: World) -> None:
    some_history(real_sandbox)
    count_all()
    statistics.count_evidence()
    assert totals() == {"success": 3, "failure": 1}
    before = everything()
    assert {row[1] for row in before} == {"", "COBADEFF"}
    statistics.forget()
    assert everything() == []
    count_all()
    assert everything() == before


def test_a_job_that_is_killed_halfway_and_two_at_once_count_nothing_twice(
    real_sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(real_sandbox)
    count = statistics._count

    def killed(low: int, high: int) -> int:
        count(low, high)
        raise KeyboardInterrupt

    monkeypatch.setattr(statistics, "_count", killed)
    with pytest.raises(KeyboardInterrupt):
        count_all()
    assert totals() == {}
    monkeypatch.setattr(statistics, "_count", count)
    _at_once(count_all, count_all)
    assert totals() == {"success": 3, "failure": 1}


def _at_once(*jobs: Callable[[], object]) -> None:
    def act(job: Callable[[], object]) -> None:
        try:
            job()
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)


def test_a_statement_that_is_committed_behind_the_cursor_is_counted(real_sandbox: World) -> None:
    """Ids are drawn before a commit: a smaller one may appear after a larger one was seen."""
    slow, fast = real_sandbox.create(), real_sandbox.create()
    dispatch.dispatch_due()
    drawn, go_on = threading.Event(), threading.Event()

    def say_slowly() -> None:
        with transaction.atomic():
            _say_refused(real_sandbox, slow)
            drawn.set()
            go_on.wait(20)

    thread = threading.Thread(target=_at_once, args=(say_slowly,))
    thread.start()
    assert drawn.wait(20)
    _say_refused(real_sandbox, fast)
    for _ in range(3):
        statistics.count_evidence()
    assert totals() == {}  # Nobody knows yet what comes below.
    go_on.set()
    thread.join(20)
    count_all()
    assert totals() == {"failure": 2}


def _say_refused(world: World, payout: Payout) -> None:
    """Like `say`, under a key that two at once do not share."""
    attempt = world.attempts(payout)[-1]
    statement = Statement(
        source="report", source_key=f"test:{payout.id}", position=0, kind="rejected", reaction="retry",
        bank_connector_id=attempt.bank_connector_id, reference=attempt.reference,
    )  # fmt: skip
    with transaction.atomic():
        evidence.record([statement], actor=engine("test"))


def test_time_is_measured_against_what_the_route_promised(real_sandbox: World) -> None:
    payout = real_sandbox.create()
    dispatch.dispatch_due()
    say(real_sandbox, payout, "settled")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payouts SET settled_at = sla_target_at - interval '7 hours' WHERE id = %s",
            [payout.id],
        )
    count_all()
    (row,) = RoutingStatistic.objects.filter(measure="lateness", institution="")
    assert statistics.LATENESS_EDGES_S[row.bucket - 1 : row.bucket + 1] == (-9 * 3600, -6 * 3600)


def test_what_was_seen_reaches_the_next_create(sandbox: World) -> None:
    first = sandbox.create()
    bank, step = first.bank_connector_id, statistics.LATENESS_EDGES_S.index(statistics.DAY)
    for institution in ("", "COBADEFF"):
        for measure, bucket, seen in (
            ("success", 0, 60),
            ("failure", 0, 0),
            ("lateness", step, 60),
        ):
            RoutingStatistic.objects.create(
                bank_connector_id=bank, institution=institution, measure=measure, bucket=bucket,
                seen=seen,
            )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bank_connectors SET enabled = false WHERE id <> %s", [bank])
    second = sandbox.create()
    assert first.sira_routing_score == statistics.PRIOR
    assert second.sira_routing_score is not None
    assert second.sira_routing_score > Decimal("0.99")
    assert first.predicted_settlement_at == first.sla_target_at
    assert second.predicted_settlement_at == second.sla_target_at + timedelta(days=1)


def test_the_cursor_starts_again_when_numbers_do(real_sandbox: World) -> None:
    """A restored copy of the database counts transactions from the beginning."""
    some_history(real_sandbox)
    statistics.count_evidence()
    RoutingCursor.objects.update(counted_to=0, pending_to=1, pending_xid=2**60)
    count_all()
    assert totals() == {"success": 3, "failure": 1}
    assert Payout.objects.filter(status="settled").count() == 3
