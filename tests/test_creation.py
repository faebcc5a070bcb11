"""T0 for lists: each request its own result, money held exactly, and nothing of a refused one left behind."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ledger import book
from payouts import creation
from payouts.models import Payout, PayoutAuditLog, PayoutHold
from tests.world import World


def codes(results: list[creation.Result]) -> list[str]:
    return [r.error.code if isinstance(r, creation.Refused) else type(r).__name__ for r in results]


def test_a_refused_request_never_spoils_its_neighbours(sandbox: World) -> None:
    requests = [
        sandbox.request(amount="100"),
        sandbox.request(amount="1.005"),
        sandbox.request(amount="9950"),  # More than what is left.
        sandbox.request(amount="9900"),
        sandbox.request("us_bank", amount="50"),
        sandbox.request(payout_method="carrier_pigeon"),
    ]
    results = creation.create_payouts(requests, actor=sandbox.merchant)
    assert codes(results) == [
        "Created", "amount_precision", "insufficient_funds", "Created", "Created", "payout_method_unsupported",
    ]  # fmt: skip
    assert (
        Payout.objects.count()
        == PayoutHold.objects.count()
        == PayoutAuditLog.objects.filter(action="payout.created").count()
        == 3
    )
    assert sandbox.balance() == (Decimal(0), Decimal(10_000))
    assert book.verify_book() == []


def test_a_key_twice_in_one_list_is_one_payout(sandbox: World) -> None:
    first = sandbox.request(external_id="k")
    other = sandbox.request(external_id="k", fingerprint=b"other")
    assert codes(creation.create_payouts([first, first, other], actor=sandbox.merchant)) == [
        "Created", "Replayed", "idempotency_key_reused",
    ]  # fmt: skip
    assert Payout.objects.count() == 1


def test_a_replay_writes_nothing(sandbox: World) -> None:
    request = sandbox.request()
    creation.create_payouts([request], actor=sandbox.merchant)
    before = sandbox.balance(), PayoutAuditLog.objects.count()
    assert codes(creation.create_payouts([request], actor=sandbox.merchant)) == ["Replayed"]
    assert (sandbox.balance(), PayoutAuditLog.objects.count()) == before


def test_a_replay_without_money_left_is_still_a_replay(sandbox: World) -> None:
    everything = sandbox.request(amount="10000")
    results = creation.create_payouts([everything], actor=sandbox.merchant)
    again = [sandbox.request(amount="1"), everything]
    assert codes(results) == ["Created"]
    assert codes(creation.create_payouts(again, actor=sandbox.merchant)) == [
        "insufficient_funds",
        "Replayed",
    ]


def test_a_thousand_at_once_are_a_thousand_payouts(sandbox: World) -> None:
    requests = [sandbox.request(amount="2.50") for _ in range(1000)]
    results = creation.create_payouts(requests, actor=sandbox.merchant)
    assert codes(results) == ["Created"] * 1000
    assert sandbox.balance() == (Decimal(7500), Decimal(2500))
    assert (
        [Payout.objects.get(pk=r.payout_id).external_id for r in results[:3]]
        == [  # type: ignore[union-attr]
            r.external_id for r in requests[:3]
        ]
    )


@pytest.mark.parametrize(
    ("amount", "status"), [("10000.00", "pending"), ("10000.01", "requires_approval")]
)
def test_above_the_limit_a_second_person_must_approve(
    sandbox: World, amount: str, status: str
) -> None:
    from payouts import lifecycle

    lifecycle.deposit(
        tenant_id=sandbox.tenant_id,
        currency="EUR",
        amount=Decimal(50_000),
        reference="more",
        actor=sandbox.operator,
    )
    assert sandbox.create(amount=amount).status == status


def test_a_payout_without_a_route_is_refused(sandbox: World) -> None:
    result = creation.create_payouts(
        [sandbox.request(payout_method="wire")], actor=sandbox.merchant
    )
    assert codes(result) == ["rail_unsupported"]
    assert not Payout.objects.exists()
