"""Rows of the list of bad inputs that need more than one wrong value: accounts, currencies, rails, old keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection

from payouts.models import BeneficiaryAccount, Payout
from tests.api_client import Api, create, merchant, operator, payout_body, snapshot
from tests.test_api_input import assert_refused, raw_body
from tests.world import IBAN, World


def pay_to(world: World, country: str, **account: str) -> dict[str, Any]:
    """A beneficiary made through the API; the two fields that name it in a payout."""
    body = {
        "name": "Anna Schmidt",
        "beneficiaryType": "user",
        "country": country,
        "account": account,
    }
    made = merchant(world).post("/api/beneficiaries", body)
    assert made.status == 201, made.body
    person = made.body["beneficiary"]
    return {"beneficiaryId": person["id"], "beneficiaryAccountId": person["accounts"][0]["id"]}


def deposit(world: World, currency: str, literal: str) -> Any:
    body = b'{"tenantId": "%s", "currency": "%s", "reference": "%s", "amount": %s}' % tuple(
        part.encode() for part in (str(world.tenant_id), currency, str(uuid4()), literal)
    )
    return operator(world, "treasury_ops").send("POST", "/api/ledger/deposits", body)


def refused(world: World, status: int, code: str, **changes: Any) -> None:
    before = snapshot()
    answer = merchant(world).post("/api/payouts", payout_body(world, **changes), key="k")
    assert_refused(answer, status, code, before)


def test_three_decimals_are_right_where_the_currency_has_three(sandbox: World) -> None:
    """B09: as money in; as a payout it gets as far as its rail, and no bank here carries dinars."""
    person = pay_to(sandbox, "DE", type="swift", currency="TND", bic="COBADEFF", accountNumber="1")
    before = snapshot()
    assert_refused(deposit(sandbox, "TND", "1.0005"), 422, "amount_precision", before)
    assert deposit(sandbox, "TND", "1.005").status == 201
    assert sandbox.balance("TND") == (Decimal("1.005"), Decimal(0))
    refused(sandbox, 422, "amount_precision", **person, currency="TND", amount="1.0005")
    refused(sandbox, 422, "rail_unsupported", **person, currency="TND", amount="1.005")


def test_a_number_that_floats_change_arrives_exactly(sandbox: World) -> None:
    """B10: as money in; as a payout it is above what the rail carries, and refused."""
    made = deposit(sandbox, "EUR", "99999999999999.99")
    assert (made.status, made.body["deposit"]["amount"]) == (201, "99999999999999.99")
    assert sandbox.balance() == (Decimal("99999999999999.99") + 10_000, Decimal(0))
    before = snapshot()
    answer = merchant(sandbox).send(
        "POST",
        "/api/payouts",
        raw_body(sandbox, amount="99999999999999.99"),
        headers={"Idempotency-Key": "k"},
    )
    assert_refused(answer, 422, "rail_unsupported", before)


def test_there_is_no_exchange(sandbox: World) -> None:
    """B21: neither to the account's currency, nor from a balance in another one."""
    refused(sandbox, 422, "currency_mismatch", currency="USD")
    poor = Api(uuid4())
    body = {"tenantId": str(poor.tenant_id), "amount": "500", "currency": "USD", "reference": "r"}
    assert Api(poor.tenant_id, "treasury_ops").post("/api/ledger/deposits", body).status == 201
    account = {"type": "iban", "currency": "EUR", "iban": IBAN}
    wish = {"name": "A", "beneficiaryType": "user", "country": "DE", "account": account}
    person = poor.post("/api/beneficiaries", wish).body["beneficiary"]
    before = snapshot()
    order = payout_body(
        sandbox,
        originEntityId=str(poor.tenant_id),
        beneficiaryId=person["id"],
        beneficiaryAccountId=person["accounts"][0]["id"],
    )
    answer = poor.post("/api/payouts", order, key="k")
    assert_refused(answer, 422, "insufficient_funds", before)


def test_a_currency_that_no_rail_carries_is_refused(sandbox: World) -> None:
    """B22: an IBAN is paid by SEPA, and SEPA carries euros."""
    person = pay_to(sandbox, "DE", type="iban", currency="USD", iban=IBAN)
    refused(
        sandbox, 422, "rail_unsupported", **person, currency="USD", payoutMethod="instant_transfer"
    )


def test_a_country_that_no_rail_reaches_is_refused(sandbox: World) -> None:
    """B63."""
    person = pay_to(
        sandbox, "BR", type="iban", currency="EUR", iban="BR1500000000000010932840814P2"
    )
    refused(sandbox, 422, "rail_unsupported", **person, payoutMethod="instant_transfer")


@pytest.mark.parametrize("days", [1, 30, 730])
def test_a_key_never_ages(real_sandbox: World, days: int) -> None:
    """B50: the cache has forgotten it, the database has not."""
    payout_id = create(real_sandbox, key="k")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE payouts SET created_at = created_at - make_interval(days => %s)", [days]
        )
        cursor.execute("SET session_replication_role = origin")
    cache.clear()
    before = snapshot()
    again = merchant(real_sandbox).post("/api/payouts", payout_body(real_sandbox), key="k")
    assert (again.status, again.body["payout"]["id"]) == (200, payout_id)
    assert snapshot() == before


def test_ids_are_read_in_either_case(sandbox: World) -> None:
    """B57: what else is refused stands in the tables of texts and addresses."""
    beneficiary, account = (str(name).upper() for name in sandbox.accounts["iban"])
    payout_id = create(sandbox, beneficiaryId=beneficiary, beneficiaryAccountId=account)
    assert str(Payout.objects.get(pk=payout_id).beneficiary_id) == beneficiary.lower()
    assert merchant(sandbox).get(f"/api/payouts/{payout_id.upper()}").status == 200


def test_an_account_of_nobody_here_and_one_that_is_closed_are_not_paid(sandbox: World) -> None:
    """B58."""
    stranger = Api(uuid4())
    body = {
        "name": "A",
        "beneficiaryType": "user",
        "country": "DE",
        "account": {"type": "iban", "currency": "EUR", "iban": IBAN},
    }
    theirs = stranger.post("/api/beneficiaries", body).body["beneficiary"]
    for account in (theirs["accounts"][0]["id"], str(uuid4())):
        refused(sandbox, 404, "beneficiary_not_found", beneficiaryAccountId=account)
    for status in ("unverified", "deleted"):
        BeneficiaryAccount.objects.filter(pk=sandbox.accounts["iban"][1]).update(status=status)
        refused(sandbox, 422, "beneficiary_not_payable")


def test_an_account_of_another_beneficiary_is_not_paid(sandbox: World) -> None:
    """B59."""
    other = pay_to(sandbox, "DE", type="iban", currency="EUR", iban=IBAN)
    refused(sandbox, 422, "beneficiary_mismatch", beneficiaryId=other["beneficiaryId"])


def test_an_iban_is_kept_in_one_form(sandbox: World) -> None:
    """B61."""
    ways = (IBAN, IBAN.lower(), "de89 3704 0044 0532 0130 00", " DE89 370400440532013000 ")
    made = [pay_to(sandbox, "DE", type="iban", currency="EUR", iban=way) for way in ways]
    ids = [person["beneficiaryAccountId"] for person in made]
    kept = BeneficiaryAccount.objects.filter(pk__in=ids).values_list(
        "blind_index", "last4", "institution"
    )
    assert len(kept) == len(ways)
    assert len({(bytes(index), last4, bank) for index, last4, bank in kept}) == 1


@pytest.mark.parametrize(
    "msisdn",
    [
        "+221771234", "+22177123456789", "+2217712345a", "+\u0662\u0662\u0661771234567", "+221338210000",
        "+22507000000", "+221884123456", "+221800123456", "+12025550123",
    ],
)  # fmt: skip
def test_a_number_that_can_have_no_wallet_is_refused(sandbox: World, msisdn: str) -> None:
    """B67: wrong length, letters, other digits, a landline, the old form, premium, free, no wallet country."""
    before = snapshot()
    account = {"type": "mobile_money", "currency": "XOF", "msisdn": msisdn}
    body = {"name": "A", "beneficiaryType": "user", "country": "SN", "account": account}
    answer = merchant(sandbox).post("/api/beneficiaries", body)
    assert_refused(answer, 422, "account_invalid", before)
    assert answer.body["param"] == "account.msisdn"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("x" * 141, "validation_error"), ("x" * 1000, "validation_error"), ("", "validation_error"),
        ("a\nb", "invalid_text"), ("a\rb", "invalid_text"), ("\tx", "invalid_text"), ("a\x00b", "invalid_text"),
        ("a\ud800", "invalid_text"),
    ],
    ids=["141", "1000", "empty", "newline", "return", "tab", "NUL", "surrogate"],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(sandbox: World, name: str, code: str) -> None:
    """B68, B69: too long, or with characters that end a line somewhere."""
    before = snapshot()
    account = {"type": "iban", "currency": "EUR", "iban": IBAN}
    body = {"name": name, "beneficiaryType": "user", "country": "DE", "account": account}
    answer = merchant(sandbox).post("/api/beneficiaries", body)
    assert_refused(answer, 422, code, before)
