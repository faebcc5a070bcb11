"""Whose account it is, through the engine: asked when it is made and before it is first paid, and what follows."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from payouts import dispatch, lifecycle, payee_records, payees, tenancy
from payouts.models import PayeeVerification, Payout, PayoutAuditLog, Tenant
from tests.api_client import Api, acting_as
from tests.database import run
from tests.world import World

ORDINARY = {"iban": "DE89370400440532013000"}
SIMILAR = {"iban": "DE02370400440000000121"}
ANOTHERS = {"iban": "DE23370400440000000131"}
UNSAYABLE = {"iban": "DE44370400440000000141"}
SILENT = {"iban": "DE65370400440000000151"}
US = {"routing_number": "021000021", "account_number": "123456789012", "account_type": "checking"}


def said(world: World, name: str) -> list[tuple[str, str, str]]:
    """Occasion, verdict and code of everything that is known of an account, oldest first."""
    rows = PayeeVerification.objects.filter(account_id=world.accounts[name][1]).order_by("id")
    return [(row.occasion, row.verdict, row.code) for row in rows]


def asked(caplog: pytest.LogCaptureFixture) -> int:
    """How often the bank was asked whose account it is, as its own log tells."""
    return sum("payee-verifications" in record.getMessage() for record in caplog.records)


def grow_old(world: World, name: str) -> None:
    """What was said about an account was said days ago."""
    run("SET session_replication_role = replica")
    run(
        "UPDATE payee_verifications SET verified_at = verified_at - interval '3 days' WHERE account_id = %(id)s",
        {"id": world.accounts[name][1]},
    )
    run("SET session_replication_role = origin")


# --- when an account is made ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "verdict", "code"),
    [
        ({"iban": "DE89370400440532013000"}, "match", "MTCH"),
        (SIMILAR, "close_match", "CMTC"),
        (ANOTHERS, "no_match", "NMTC"),
        (UNSAYABLE, "not_possible", "NOAP"),
        ({"sort_code": "089999", "account_number": "66374958"}, "match", "MATCHED"),
        ({"sort_code": "089999", "account_number": "90002131"}, "no_match", "ANNM"),
        ({"msisdn": "+2250700000131", "operator": "wave"}, "no_match", "NO_MATCH"),
        ({"msisdn": "+2250500000111"}, "match", "MATCH"),
        ({"msisdn": "+2250700000001"}, "not_possible", "not_offered"),  # Orange.
        (US, "not_possible", "not_offered"),
    ],
)
def test_a_new_account_is_asked_about_in_the_background(
    sandbox: World, details: dict[str, str], verdict: str, code: str
) -> None:
    sandbox.pay_to("new", **details)
    assert said(sandbox, "new") == []
    assert payees.ask_waiting() >= 1
    assert said(sandbox, "new") == [("creation", verdict, code)]
    assert payees.ask_waiting() == 0
    assert len(said(sandbox, "new")) == 1


def test_the_answer_to_a_create_waits_for_no_bank(
    sandbox: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    api = Api(sandbox.tenant_id)
    body = {
        "name": "Anna Schmidt", "beneficiaryType": "user", "country": "DE",
        "account": {"type": "iban", "currency": "EUR", **SILENT},
    }  # fmt: skip
    made = api.post("/api/beneficiaries", body)
    assert made.status == 201
    assert asked(caplog) == 0
    (account,) = made.body["beneficiary"]["accounts"]
    assert account["verification"] == {
        "match": "pending", "code": "", "name": "", "accepted": False, "verified_at": None,
    }  # fmt: skip


def test_a_similar_name_is_shown_to_who_may_pay_it_and_stands_nowhere_in_clear(
    sandbox: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.pay_to("similar", **SIMILAR)
    payees.ask_waiting()
    path = f"/api/beneficiaries/{sandbox.accounts['similar'][0]}"
    names = {}
    for role in ("merchant_admin", "finance_ops", "treasury_ops", "billing_ops"):
        shown = Api(sandbox.tenant_id, role=role).get(path).body["beneficiary"]["accounts"][0]
        assert shown["verification"]["match"] == "close_match"
        names[role] = shown["verification"]["name"]
    assert names == {
        "merchant_admin": "Anna Schmitt", "finance_ops": "Anna Schmitt", "treasury_ops": "Anna Schmitt",
        "billing_ops": "",
    }  # fmt: skip
    assert "Schmitt" not in caplog.text
    for table in ("payee_verifications", "payee_checks", "payout_audit_log"):
        for (row,) in run(f"SELECT r::text FROM {table} r"):
            assert "Schmi" not in row


# --- before the first payment -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("details", "amount", "verdict"),
    [
        ({"iban": "DE89370400440532013000"}, "10.00", "match"),
        (SIMILAR, "10.00", "close_match"),
        (UNSAYABLE, "10.00", "not_possible"),
        ({"sort_code": "089999", "account_number": "90009121"}, "10.00", "close_match"),
        ({"sort_code": "089999", "account_number": "90005141"}, "10.00", "not_possible"),
        ({"msisdn": "+2250700000001", "operator": "wave"}, "1000", "match"),
        ({"msisdn": "+2250500000121"}, "1000", "close_match"),
    ],
)
def test_what_is_no_other_name_is_paid(
    sandbox: World, details: dict[str, str], amount: str, verdict: str
) -> None:
    sandbox.pay_to("new", **details)
    method = "mobile_money" if "msisdn" in details else "bank_transfer"
    payout = sandbox.create("new", amount, payout_method=method)
    sandbox.reach(payout, "sent", "settled")
    assert [row[:2] for row in said(sandbox, "new")] == [("first_use", verdict)]


@pytest.mark.parametrize(
    ("details", "amount"),
    [
        (ANOTHERS, "10.00"),
        ({"sort_code": "089999", "account_number": "90002131"}, "10.00"),
        ({"msisdn": "+2250700000131", "operator": "wave"}, "1000"),
        ({"msisdn": "+2250500000131"}, "1000"),
    ],
)
def test_another_name_keeps_the_payout_until_a_person_accepts_it(
    sandbox: World, details: dict[str, str], amount: str
) -> None:
    sandbox.pay_to("anothers", **details)
    method = "mobile_money" if "msisdn" in details else "bank_transfer"
    payout = sandbox.create("anothers", amount, payout_method=method)
    held = sandbox.reach(payout, "dlq")
    assert held.last_error_code == "payee_no_match"
    assert sandbox.bank.records(payout.pk) == []
    beneficiary_id, account_id = sandbox.accounts["anothers"]
    # A retry alone leads back here.
    lifecycle.retry_payouts([payout.pk], actor=sandbox.operator, reason="again", tenant_id=None)
    sandbox.work()
    assert sandbox.status(payout) == "dlq"
    operator = Api(sandbox.tenant_id, role="finance_ops")
    accepted = operator.post(
        f"/api/beneficiaries/{beneficiary_id}/accept-mismatch",
        {"accountId": str(account_id), "reason": "Known to the merchant"},
    )
    assert accepted.status == 200
    assert accepted.body["beneficiary"]["accounts"][0]["verification"]["accepted"] is True
    last = PayeeVerification.objects.filter(account_id=account_id).order_by("id").last()
    assert last is not None
    assert (last.occasion, last.actor, last.actor_role) == (
        "acceptance",
        operator.user_id,
        "finance_ops",
    )
    assert PayoutAuditLog.objects.filter(action="beneficiary.mismatch_accepted").count() == 1
    lifecycle.retry_payouts([payout.pk], actor=sandbox.operator, reason="accepted", tenant_id=None)
    sandbox.reach(payout, "sent", "settled")
    second = sandbox.create("anothers", amount, payout_method=method)
    sandbox.reach(second, "sent", "settled")


def test_an_account_is_asked_about_once_and_not_for_each_payout(
    sandbox: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sandbox.pay_to("new", **ORDINARY)
    for _ in range(3):
        sandbox.reach(sandbox.create("new", "5.00"), "sent", "settled")
    assert asked(caplog) == 1
    payees.ask_waiting()
    assert said(sandbox, "new") == [("first_use", "match", "MTCH")]


def test_what_was_heard_at_creation_lately_serves_the_first_use_and_old_news_does_not(
    sandbox: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("lately", "long_ago"):
        sandbox.pay_to(name, **ORDINARY)
    payees.ask_waiting()
    grow_old(sandbox, "long_ago")
    for name in ("lately", "long_ago"):
        sandbox.reach(sandbox.create(name, "5.00"), "sent", "settled")
    assert [row[0] for row in said(sandbox, "lately")] == ["creation"]
    assert [row[0] for row in said(sandbox, "long_ago")] == ["creation", "first_use"]


def test_a_bank_that_is_silent_is_not_possible_and_the_payment_goes_on(
    sandbox: World, settings: Any
) -> None:
    settings.PAYEE_CHECK_S = 0.3
    sandbox.pay_to("silent", **SILENT)
    payout = sandbox.create("silent", "10.00")
    began = time.monotonic()
    sandbox.reach(payout, "sent", "settled")
    assert time.monotonic() - began < 3
    assert said(sandbox, "silent") == [("first_use", "not_possible", "no_answer")]
    later = sandbox.create("silent", "10.00")
    began = time.monotonic()
    dispatch.dispatch_due()
    assert time.monotonic() - began < 0.3  # Nobody is asked again.
    sandbox.reach(later, "sent", "settled")


def test_silence_at_creation_is_asked_again_at_the_first_use(sandbox: World, settings: Any) -> None:
    settings.PAYEE_CHECK_S = 0.2
    sandbox.pay_to("silent", **SILENT)
    payees.ask_waiting()
    sandbox.reach(sandbox.create("silent", "10.00"), "sent", "settled")
    assert said(sandbox, "silent") == [
        ("creation", "not_possible", "no_answer"),
        ("first_use", "not_possible", "no_answer"),
    ]


def test_a_merchant_may_hold_what_is_similar_and_pay_what_is_not(sandbox: World) -> None:
    wish = {"close_match": "hold", "no_match": "pay", "not_possible": "hold", "match": "nonsense"}
    Tenant.objects.filter(pk=sandbox.tenant_id).update(settings={"payee_checks": wish})
    ends = {}
    for name, details in (
        ("similar", SIMILAR), ("anothers", ANOTHERS), ("unsayable", UNSAYABLE), ("own", ORDINARY),
    ):  # fmt: skip
        sandbox.pay_to(name, **details)
        payout = sandbox.reach(sandbox.create(name, "10.00"), "sent", "settled", "dlq")
        ends[name] = (payout.status == "dlq", payout.last_error_code)
    assert ends == {
        "similar": (True, "payee_close_match"), "anothers": (False, ""), "unsayable": (True, "payee_not_verified"),
        "own": (False, ""),
    }  # fmt: skip


def test_neighbours_of_a_payout_that_is_held_are_paid(sandbox: World) -> None:
    sandbox.pay_to("anothers", **ANOTHERS)
    payouts = [sandbox.create(name, "10.00") for name in ("iban", "anothers", "iban")]
    for payout in payouts:
        sandbox.reach(payout, "sent", "settled", "dlq")
    assert [sandbox.status(payout) == "dlq" for payout in payouts] == [False, True, False]


def test_two_workers_ask_once_about_an_account_that_both_pay(
    real_sandbox: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    real_sandbox.pay_to("new", **ORDINARY)
    payouts = [
        real_sandbox.create("new", "1.00", payout_method=m)
        for m in ("bank_transfer", "instant_transfer")
    ]
    lines = {payout.rail for payout in payouts}
    assert lines == {"sepa", "sepa_instant"}

    def verify(payout: Payout) -> None:
        try:
            bank = payees.banks.line(payout.bank_connector_id)
            payees.verify_before_first_use(bank, [payout.pk])
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as threads:
        for done in [threads.submit(verify, payouts[n % 2]) for n in range(8)]:
            done.result()
    assert asked(caplog) == 1
    assert said(real_sandbox, "new") == [("first_use", "match", "MTCH")]


def test_who_looked_before_the_answer_and_takes_after_it_asks_no_more(sandbox: World) -> None:
    sandbox.pay_to("new", **ORDINARY)
    account_id = sandbox.accounts["new"][1]
    assert payee_records.unchecked([account_id], fresh_s=60) == [account_id]
    payees.ask_waiting()
    assert payee_records.take([account_id], fresh_s=60, lease_s=60) == []
    assert run(
        "SELECT open, lease_until FROM payee_checks WHERE id = %(id)s", {"id": account_id}
    ) == [(False, None)]


def test_who_finds_an_account_taken_waits_for_no_longer_than_the_deadline(
    sandbox: World, settings: Any
) -> None:
    settings.PAYEE_CHECK_S = 0.2
    sandbox.pay_to("new", **ORDINARY)
    payout = sandbox.create("new", "1.00")
    assert payee_records.take_open(limit=10, lease_s=60)  # By a worker that dies.
    began = time.monotonic()
    dispatch.dispatch_due()
    assert time.monotonic() - began < 2
    sandbox.reach(payout, "sent", "settled")


# --- asked again, and by whom -------------------------------------------------------------------------


def test_a_person_may_ask_again(sandbox: World) -> None:
    sandbox.pay_to("own", **ORDINARY)
    payees.ask_waiting()
    told = Api(sandbox.tenant_id).post(f"/api/beneficiaries/{sandbox.accounts['own'][0]}/verify")
    assert told.status == 200
    assert told.body["beneficiary"]["accounts"][0]["verification"]["match"] == "match"
    assert [row[0] for row in said(sandbox, "own")] == ["creation", "recheck"]


def test_a_new_word_of_the_bank_ends_what_a_person_had_accepted(sandbox: World) -> None:
    sandbox.pay_to("anothers", **ANOTHERS)
    payees.ask_waiting()
    beneficiary_id, account_id = sandbox.accounts["anothers"]
    payees.accept_mismatch(
        beneficiary_id,
        account_id,
        tenant_id=sandbox.tenant_id,
        actor=sandbox.operator,
        reason="known",
    )
    assert payees.held([account_id]) == {}
    payees.recheck(beneficiary_id, tenant_id=sandbox.tenant_id, actor=sandbox.operator)
    assert payees.held([account_id]) == {account_id: "payee_no_match"}


def test_silence_does_not_take_back_what_a_bank_has_said(sandbox: World, settings: Any) -> None:
    sandbox.pay_to("anothers", **ANOTHERS)
    sandbox.pay_to("similar", **SIMILAR)
    payees.ask_waiting()
    settings.PAYEE_CHECK_S = 0.0  # Nobody answers as fast.
    shown = {}
    for name in ("anothers", "similar"):
        path = f"/api/beneficiaries/{sandbox.accounts[name][0]}/verify"
        told = Api(sandbox.tenant_id).post(path).body["beneficiary"]["accounts"][0]["verification"]
        assert said(sandbox, name)[-1] == ("recheck", "not_possible", "no_answer")
        shown[name] = (told["match"], told["name"])
    assert shown == {"anothers": ("no_match", ""), "similar": ("close_match", "Anna Schmitt")}
    payout = sandbox.reach(sandbox.create("anothers", "10.00"), "dlq")
    assert payout.last_error_code == "payee_no_match"
    _, account_id = sandbox.accounts["anothers"]
    payee_records.accept(account_id, actor=sandbox.operator, reason="known")
    assert said(sandbox, "anothers")[-1] == ("acceptance", "no_match", "NMTC")
    assert payees.held([account_id]) == {}


def test_there_is_nothing_to_accept_where_the_name_is_right(sandbox: World) -> None:
    sandbox.pay_to("own", **ORDINARY)
    beneficiary_id, account_id = sandbox.accounts["own"]
    operator = Api(sandbox.tenant_id, role="finance_ops")
    body = {"accountId": str(account_id), "reason": "x"}
    path = f"/api/beneficiaries/{beneficiary_id}/accept-mismatch"
    before = operator.post(path, body)
    payees.ask_waiting()
    after = operator.post(path, body)
    assert [(r.status, r.code) for r in (before, after)] == [(409, "not_acceptable")] * 2
    foreign = operator.post(path, body | {"accountId": str(UUID(int=7))})
    assert (foreign.status, foreign.code) == (404, "not_found")


def test_another_merchant_sees_nothing(sandbox: World) -> None:
    sandbox.pay_to("similar", **SIMILAR)
    payees.ask_waiting()
    other = UUID(int=9)
    for call in (
        Api(other).get(f"/api/beneficiaries/{sandbox.accounts['similar'][0]}"),
        Api(other).post(f"/api/beneficiaries/{sandbox.accounts['similar'][0]}/verify"),
    ):
        assert call.status == 404
    counts = (
        "SELECT (SELECT count(*) FROM payee_verifications), (SELECT count(*) FROM payee_checks)"
    )
    with acting_as("payouts_web"), tenancy.within(tenancy.of(other)):
        assert run(counts) == [(0, 0)]
    with acting_as("payouts_web"), tenancy.within(tenancy.of(sandbox.tenant_id)):
        assert run(counts) != [(0, 0)]
