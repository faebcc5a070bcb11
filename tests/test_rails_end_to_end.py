"""Every rail through the real engine and the real bank simulator: paid, refused, and told exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from payouts import banks
from payouts.models import Payout
from tests.world import World

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, kw_only=True)
class Rail:
    """How a rail is reached, and accounts at it whose outcome is fixed."""

    method: str
    connector: str
    good: dict[str, str]
    refused: dict[str, str]
    code: str
    amount: str = "100.00"


def us(number: str) -> dict[str, str]:
    return {"routing_number": "021000021", "account_number": number, "account_type": "checking"}


RAILS = {
    "sepa_instant": Rail(
        method="instant_transfer",
        connector="default:sepa_instant",
        good={"iban": "DE89370400440532013000"},
        refused={"iban": "DE08370400440000000401"},
        code="AC04",
    ),
    "wire": Rail(
        method="wire",
        connector="default:wire",
        good=us("123456789012"),
        refused=us("900000000401"),
        code="AC04",
    ),
    "rtp": Rail(
        method="instant_transfer",
        connector="default:rtp",
        good=us("123456789012"),
        refused=us("900000000401"),
        code="AC04",
    ),
    "faster_payments": Rail(
        method="bank_transfer",
        connector="default:faster_payments",
        good={"sort_code": "089999", "account_number": "66374958"},
        refused={"sort_code": "089999", "account_number": "90004401"},
        code="AC07",
    ),
    "orange": Rail(
        method="mobile_money",
        connector="default:mobile_money",
        good={"msisdn": "+2250700000001"},
        refused={"msisdn": "+2250700000401"},
        code="2001",
        amount="1000",
    ),
    "mtn": Rail(
        method="mobile_money",
        connector="mtn:mobile_money",
        good={"msisdn": "+2250500000001"},
        refused={"msisdn": "+2250500000401"},
        code="PAYEE_NOT_ALLOWED_TO_RECEIVE",
        amount="1000",
    ),
    "mpesa": Rail(
        method="mobile_money",
        connector="mpesa:mobile_money",
        good={"msisdn": "+254700000001"},
        refused={"msisdn": "+254700000401"},
        code="8006",
        amount="1000",
    ),
    "wave": Rail(
        method="mobile_money",
        connector="wave:mobile_money",
        good={"msisdn": "+221770000001", "operator": "wave"},
        refused={"msisdn": "+221770000401", "operator": "wave"},
        code="recipient-account-blocked",
        amount="1000",
    ),
}
every_rail = pytest.mark.parametrize("name", RAILS)


def pay(world: World, name: str, details: dict[str, str], **changes: Any) -> Payout:
    rail = RAILS[name]
    world.pay_to("whom", **details)
    if world.currencies["whom"] not in ("EUR", "USD", "GBP", "XOF"):
        world.deposit(world.currencies["whom"])
    payout = world.create("whom", rail.amount, payout_method=rail.method, **changes)
    assert banks.line(payout.bank_connector_id).key == rail.connector
    return payout


def booked(world: World, payout: Payout) -> list[tuple[str, str]]:
    return [(row["reference"], row["state"]) for row in world.bank.records(payout.id)]


@every_rail
def test_a_payout_is_booked_once_and_settles(sandbox: World, name: str) -> None:
    payout = sandbox.settle(pay(sandbox, name, RAILS[name].good))
    (attempt,) = sandbox.attempts(payout)
    (row,) = sandbox.bank.records(payout.id)
    assert (row["rail"], row["reference"], row["state"]) == (
        payout.rail,
        attempt.reference,
        "booked",
    )
    assert (Decimal(row["amount"]), row["currency"]) == (payout.amount, payout.currency)
    assert sandbox.balance(payout.currency)[1] == 0


@every_rail
def test_a_refused_payout_gives_the_money_back(sandbox: World, name: str) -> None:
    payout = pay(sandbox, name, RAILS[name].refused)
    before = sandbox.balance(payout.currency)
    payout = sandbox.reach(payout, "rejected")
    assert payout.last_error_code == RAILS[name].code
    assert [state for _, state in booked(sandbox, payout)] == ["rejected"]
    assert sandbox.balance(payout.currency) == (before[0] + payout.amount, 0)


@every_rail
def test_an_answer_that_is_lost_after_the_booking_leads_to_one_booking(
    sandbox: World, name: str
) -> None:
    sandbox.bank.fault("cut", rail=RAILS[name].connector.partition(":")[2], count=1)
    payout = pay(sandbox, name, RAILS[name].good)
    sandbox.work()
    payout = sandbox.settle(payout)
    (attempt,) = sandbox.attempts(payout)
    assert booked(sandbox, payout) == [(attempt.reference, "booked")]
    assert sandbox.bank.faults()[0]["hits"] == 1
