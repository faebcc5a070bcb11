"""Dates of real connections: which date an order gets, how long a try may wait, and what a bank's own hours change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from payouts import banks, clock, deadlines, retrying, routing, states
from payouts.backoff import RetryPolicy
from payouts.banks import BankLine, ConnectorMisconfigured
from payouts.models import Payout, PayoutSlaRule
from payouts.statistics import Seen
from tests.world import World

pytestmark = pytest.mark.django_db
TUESDAY_NINE_IN_NEW_YORK = datetime(2026, 11, 24, 14, tzinfo=UTC)


def line_of(rail: str, **config: Any) -> BankLine:
    found = next(line for line in banks.lines() if line.rail == rail and line.name == "default")
    return replace(found, config={**found.config, **config})


def test_a_file_dates_each_order_by_its_priority_and_amount(sandbox: World) -> None:
    wanted = [
        (Decimal(100), "standard"), (Decimal(100), "instant"), (Decimal(1_000_001), "instant"),
        (Decimal(100), "priority"), (Decimal(100), "batch"), (Decimal(1_000_000), "priority"),
    ]  # fmt: skip
    days = deadlines.execution_dates(line_of("ach"), TUESDAY_NINE_IN_NEW_YORK, wanted)
    assert days == [date(2026, 11, 24 + n) for n in (1, 0, 1, 0, 1, 0)]


def test_ten_thousand_dates_take_little(sandbox: World) -> None:
    wanted = [(Decimal(n), "priority") for n in range(1, 10_001)]
    started = clock.technical_now()
    assert (
        len(deadlines.execution_dates(line_of("ach"), TUESDAY_NINE_IN_NEW_YORK, wanted)) == 10_000
    )
    assert (clock.technical_now() - started).total_seconds() < 1


def test_a_banks_own_hours_move_the_date(sandbox: World) -> None:
    at_five = datetime(2026, 11, 24, 22, tzinfo=UTC)  # 17:00 in New York
    closes = [{"window": "Fedwire day", "lead_minutes": 105}]
    for config, day in (({}, 24), ({"cutoffs": closes}, 25)):
        plan = deadlines.plan(
            line_of("wire", **config), at_five, amount=Decimal(1), priority="standard"
        )
        assert plan.execution_date == date(2026, 11, day)


@pytest.mark.parametrize("cutoffs", ["17:00", [{"window": "nobody's"}], [{"lead_minutes": "60"}]])
def test_hours_that_cannot_be_read_take_the_connection_out_of_the_choice(
    sandbox: World, cutoffs: object
) -> None:
    line = line_of("sepa", cutoffs=cutoffs)
    choices = routing.Choices(
        lines=[line], rules=[], seen=Seen({}), failure_cost={}, now=TUESDAY_NINE_IN_NEW_YORK
    )
    wish = routing.Wish(
        payout_method="bank_transfer", account_type="iban", currency="EUR", amount=Decimal(1), country="DE",
        institution="COBADEFFXXX", priority="standard",
    )  # fmt: skip
    (candidate,) = choices.survey(wish)
    assert candidate.refused == "misconfigured"


def test_a_connection_that_offers_no_window_says_so(sandbox: World) -> None:
    line = line_of("sepa", cutoffs=[{"offered": False}])
    with pytest.raises(ConnectorMisconfigured):
        deadlines.plan(line, TUESDAY_NINE_IN_NEW_YORK, amount=Decimal(1), priority="standard")


@pytest.mark.parametrize(
    ("now", "most"),
    [
        # Brussels is an hour ahead; our bank closes at 16:00, and a minute is kept for the call.
        (datetime(2026, 11, 24, 14, 30, tzinfo=UTC), 30 * 60 - 60),
        (datetime(2026, 11, 24, 14, 58, tzinfo=UTC), 60),
        # Too late for today: until tomorrow's, which is further than the policy goes.
        (datetime(2026, 11, 24, 15, 0, tzinfo=UTC), 6 * 3600),
    ],
)
def test_no_try_waits_past_the_banks_own_deadline(
    sandbox: World, settings: Any, monkeypatch: pytest.MonkeyPatch, now: datetime, most: float
) -> None:
    PayoutSlaRule.objects.update(cutoff_time=None)  # Only the bank's own counts here.
    payout = sandbox.create()
    settings.RETRY_POLICIES = {"sepa": RetryPolicy(base_s=6 * 3600, factor=1, cap_s=6 * 3600)}
    monkeypatch.setattr(retrying.clock, "now", lambda: now)
    monkeypatch.setattr("payouts.backoff.random", lambda: 1.0)
    (locked,) = states.read_payouts([payout.id])
    assert retrying.wait_s(locked, 1, asked_s=None) == pytest.approx(most)
    assert Payout.objects.get(pk=payout.pk).rail == "sepa"
