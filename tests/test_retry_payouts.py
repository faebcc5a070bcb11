"""`manage.py retry_payouts`: many at a time, by the verb, with a reason."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payouts.models import Payout, PayoutAttempt, PayoutAuditLog
from tests.world import World


def dead(world: World, count: int = 1) -> list[Payout]:
    """Payouts that a bank refused until their retries were used up."""
    made = [world.create(amount=f"{n + 1}.00") for n in range(count)]
    world.bank.fault("reject", rail="sepa", code="ED05")
    world.work_until(lambda: {world.status(p) for p in made} == {"dlq"}, seconds=30)
    world.bank.heal()
    return made


def run(*options: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    code = 0
    try:
        call_command("retry_payouts", "--json", *options, stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(out.getvalue())


def test_the_dead_are_retried_with_a_new_budget_and_a_reason(sandbox: World) -> None:
    payouts = dead(sandbox, 2)
    assert run("--dry-run") == (0, {"would_retry": 2, "refused": {}})
    assert {sandbox.status(p) for p in payouts} == {"dlq"}
    assert run("--reason", "the bank is back", "--actor", "lena") == (
        0, {"retried": 2, "refused": {}},
    )  # fmt: skip
    for payout in payouts:
        fresh = Payout.objects.get(pk=payout.pk)
        assert (fresh.status, fresh.max_retries - fresh.retry_count) == ("pending", 3)
        row = PayoutAuditLog.objects.filter(payout_id=payout.pk).latest("id")
        assert (row.actor, row.reason) == ("command:lena", "the bank is back")
    sandbox.settle(payouts[0])
    numbers = [
        a.attempt_number for a in PayoutAttempt.objects.filter(payout=payouts[0]).order_by("id")
    ]
    assert numbers == [1, 2, 3, 4, 5]  # Four tries, and one more by hand: numbers keep rising.


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--code", "ED05"], 2), (["--code", "AC04"], 0), (["--rail", "ach"], 0), (["--limit", "1"], 1),
        (["--connector", "default:sepa"], 2), (["--since", "2100-01-01T00:00:00+00:00"], 0),
        (["--status", "failed"], 0), (["--tenant", "00000000-0000-4000-8000-000000000000"], 0),
    ],
)  # fmt: skip
def test_filters_narrow(sandbox: World, options: list[str], count: int) -> None:
    Payout.objects.count()
    dead(sandbox, 2)
    assert run("--dry-run", *options)[1] == {"would_retry": count, "refused": {}}


@pytest.mark.parametrize(
    "options",
    [
        [], ["--reason", " "], ["--reason", "x", "--connector", "nobody:sepa"],
        ["--reason", "x", "--since", "yesterday"], ["--reason", "x", "--limit", "-1"],
    ],
)  # fmt: skip
def test_what_cannot_be_understood_changes_nothing(db: None, options: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("retry_payouts", *options)
    assert refused.value.returncode == 2
