"""What people do at the workbench: a dialog, a reason, one verb; refused in words; and nothing by a GET."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from ops.acting import ActingAdmin
from ops.actions import Action
from payouts import lifecycle, recalls
from payouts.models import BankRecall, BeneficiaryAccount, Payout, PayoutAuditLog
from tests.test_evidence import say
from tests.workbench import browser, browsers, fingerprint_of_money, live, one, page_url, read
from tests.world import World

REASON = "The bank confirmed the account"
ACTIONS = [
    (model, action)
    for model, page in admin.site._registry.items()
    if isinstance(page, ActingAdmin)
    for action in page.acts
]


@pytest.fixture
def people(sandbox: World) -> dict[str, Client]:
    return browsers()


def act_url(model: type[Model], name: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_act", args=[name])


def act(client: Client, name: str, *rows: Any, reason: str = REASON) -> Any:
    ids = ",".join(str(row.pk) for row in rows)
    url = act_url(type(rows[0]), name)
    return client.post(url, {"ids": ids, "reason": reason}, follow=True)


def dead(world: World, amount: str = "50.00", **changes: Any) -> Payout:
    """The bank refuses it with a code that a person has to look at."""
    world.bank.fault("reject", code="BE01", rail="sepa", count=1)
    return world.reach(world.create(amount=amount, **changes), "dlq")


def last_row(payout: Payout) -> PayoutAuditLog:
    return PayoutAuditLog.objects.filter(payout_id=payout.pk).latest("sequence")


# --- all actions ------------------------------------------------------------------------------------------


def test_there_are_actions_and_none_of_any_other_kind() -> None:
    assert {action.name for _, action in ACTIONS} >= {"retry", "cancel", "approve"}
    for model, page in admin.site._registry.items():
        for name in ("actions_list", "actions_row", "actions_detail", "actions_submit_line"):
            assert not getattr(page, name, ()), f"{model.__name__}: Unfold would run it on a GET"


@pytest.mark.parametrize(("model", "action"), ACTIONS, ids=[a.name for _, a in ACTIONS])
def test_an_action_needs_a_post_a_reason_and_a_role(
    sandbox: World, model: type[Model], action: Action
) -> None:
    live(sandbox)
    people = browsers()
    row, url = one(model), act_url(model, action.name)
    before = fingerprint_of_money()
    for name, client in people.items():
        asked = client.get(url, {"ids": str(row.pk)})
        allowed = name != "billing"
        assert asked.status_code == (200 if allowed else 403), name
        assert client.put(url).status_code == (405 if allowed else 403)
        good = {"ids": str(row.pk), "reason": REASON}
        if not allowed:
            assert client.post(url, good).status_code == 403
        for wrong in ({"reason": ""}, {"reason": "because"}, {"reason": " " * 40}, {"ids": "1"},
                      {"reason": "Paid to DE89 3704 0044 0532 0130 00 instead"}):  # fmt: skip
            answer = client.post(url, {**good, **wrong})
            assert answer.status_code in ((200, 404) if allowed else (403,)), wrong
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="finance"))
    assert strict.post(url, {"ids": str(row.pk), "reason": REASON}).status_code == 403
    assert browser().post(url, {"ids": str(row.pk), "reason": REASON}).status_code == 302
    assert fingerprint_of_money() == before


def test_only_finance_and_treasury_act_and_no_superuser_by_being_one(sandbox: World) -> None:
    payout = dead(sandbox)
    boss = User.objects.create_superuser("boss", password="x")
    client = browser(boss)
    assert "data-dialog" not in read(client, page_url(payout))
    assert act(client, "retry", payout).status_code == 403
    assert sandbox.status(payout) == "dlq"
    boss.groups.add(Group.objects.get(name="finance_ops"))
    assert 'data-dialog="act-retry"' in read(client, page_url(payout))


@pytest.mark.parametrize("role", ["merchant_admin", "system"])
def test_the_roles_of_the_api_have_no_workbench(sandbox: World, role: str) -> None:
    outsider = User.objects.create_user("outsider", password="only-for-tests", is_staff=True)
    client = browser()
    assert client.login(username="outsider", password="only-for-tests")
    assert client.get(reverse("admin:index")).status_code == 200
    outsider.groups.add(Group.objects.get(name=role))
    assert client.get(reverse("admin:index")).status_code == 302
    assert not Client().login(username="outsider", password="only-for-tests")


# --- payouts ---------------------------------------------------------------------------------------------


def test_an_operator_retries_a_dead_payout_with_a_reason(
    people: dict[str, Client], sandbox: World
) -> None:
    payout = dead(sandbox)
    page = read(people["finance"], page_url(payout))
    assert 'data-dialog="act-retry"' in page
    assert 'data-dialog="act-approve"' not in page
    assert 'data-dialog="act-retry"' not in read(people["billing"], page_url(payout))
    answer = act(people["finance"], "retry", payout)
    assert "Retried: due now." in answer.content.decode()
    row = last_row(payout)
    assert (row.to_status, row.actor, row.actor_role, row.reason) == (
        "pending", "user:finance", "finance_ops", REASON,
    )  # fmt: skip


def test_giving_up_gives_the_money_back(people: dict[str, Client], sandbox: World) -> None:
    before = sandbox.balance()
    payout = dead(sandbox)
    answer = act(people["treasury"], "cancel", payout)
    assert "the merchant has the money back" in answer.content.decode()
    assert sandbox.balance() == before
    row = last_row(payout)
    assert (row.to_status, row.actor, row.reason) == ("cancelled", "user:treasury", REASON)


def test_above_the_limit_two_people_give_up_and_the_page_says_who_asked(
    people: dict[str, Client], sandbox: World, settings: Any
) -> None:
    settings.APPROVAL_LIMITS = {"*": 5}
    payout = sandbox.create(amount="10.00")
    assert "Unless somebody does, it is cancelled at" in read(people["finance"], page_url(payout))
    act(people["treasury"], "approve", payout)
    sandbox.bank.fault("reject", code="BE01", rail="sepa", count=1)
    sandbox.reach(payout, "dlq")
    answer = act(people["finance"], "cancel", payout).content.decode()
    assert "another person must ask for it, too" in answer
    assert "user:finance" in read(people["treasury"], page_url(payout))
    assert (
        "the merchant has the money back"
        in act(people["treasury"], "cancel", payout).content.decode()
    )
    assert last_row(payout).data == {"asked_by": "user:finance"}


def test_a_refused_verb_says_its_code_in_words_and_changes_nothing(
    people: dict[str, Client], sandbox: World
) -> None:
    payout = sandbox.create()
    before = fingerprint_of_money()
    for name, code, words in (
        ("retry", "not_retryable", "It cannot be retried in this state"),
        ("approve", "not_approvable", "It does not wait for approval"),
    ):
        text = act(people["finance"], name, payout).content.decode()
        assert code in text
        assert words in text
    assert fingerprint_of_money() == before


def test_nobody_approves_what_they_created(people: dict[str, Client], sandbox: World) -> None:
    lifecycle.deposit(
        tenant_id=sandbox.tenant_id, currency="EUR", amount=lifecycle.Decimal(50_000),
        reference="more", actor=sandbox.operator,
    )  # fmt: skip
    payout = sandbox.create(amount="10000.01")
    assert payout.status == "requires_approval"
    # Whoever asked for it at the API signs in here under the same identity.
    asker = User.objects.create_user(payout.created_by, password="x", is_staff=True)
    asker.groups.add(Group.objects.get(name="finance_ops"))
    client = browser(asker)
    assert 'data-dialog="act-approve"' not in read(client, page_url(payout))
    assert "self_approval_forbidden" in act(client, "approve", payout).content.decode()
    assert sandbox.status(payout) == "requires_approval"
    assert 'data-dialog="act-approve"' in read(people["finance"], page_url(payout))
    act(people["finance"], "approve", payout)
    row = last_row(payout)
    assert (row.to_status, row.actor, row.reason) == ("pending", "user:finance", REASON)


def test_what_has_changed_since_it_was_looked_at_is_not_approved(
    people: dict[str, Client], sandbox: World
) -> None:
    lifecycle.deposit(
        tenant_id=sandbox.tenant_id, currency="EUR", amount=lifecycle.Decimal(50_000),
        reference="more", actor=sandbox.operator,
    )  # fmt: skip
    payout = sandbox.create(amount="10000.02")
    page = read(people["finance"], page_url(payout))
    confirmation = read(people["finance"], f"{act_url(Payout, 'approve')}?ids={payout.pk}")
    told = [re.findall(r'name="seen" value="(\w+)"', text) for text in (page, confirmation)]
    assert told[0] == told[1]  # The dialog and the page of its own say the same.
    (seen,) = told[0]
    form = {"ids": str(payout.pk), "reason": REASON}
    url = act_url(Payout, "approve")
    refused = people["finance"].post(url, {**form, "seen": "0" * len(seen)}, follow=True)
    assert "stale_version" in refused.content.decode()
    odd = people["finance"].post(url, {**form, "seen": f"{seen},{seen}"}, follow=True)
    assert odd.status_code == 200
    assert sandbox.status(payout) == "requires_approval"
    people["finance"].post(url, {**form, "seen": seen}, follow=True)
    assert sandbox.status(payout) == "pending"


def test_an_operator_accepts_the_name_that_a_bank_denies(
    people: dict[str, Client], sandbox: World
) -> None:
    sandbox.pay_to("another", iban="DE23370400440000000131")
    held = sandbox.reach(sandbox.create("another", "10.00"), "dlq")
    account = BeneficiaryAccount.objects.get(pk=sandbox.accounts["another"][1])
    mine = BeneficiaryAccount.objects.get(pk=sandbox.accounts["iban"][1])
    act(people["billing"], "accept-name", account)
    assert "not_acceptable" in act(people["finance"], "accept-name", mine).content.decode()
    assert 'data-dialog="act-accept-name"' in read(people["finance"], page_url(account))
    told = act(people["finance"], "accept-name", account).content.decode()
    assert "whatever its bank says" in told
    assert 'data-dialog="act-accept-name"' not in read(people["finance"], page_url(account))
    act(people["finance"], "retry", held)
    sandbox.reach(held, "sent", "settled")
    said = PayoutAuditLog.objects.get(action="beneficiary.mismatch_accepted")
    assert (said.actor, said.reason) == ("user:finance", REASON)


def test_many_are_retried_at_once_and_the_others_named(
    people: dict[str, Client], sandbox: World
) -> None:
    gone = [dead(sandbox, "50.00"), dead(sandbox, "25.50")]
    waiting = sandbox.create(amount="7.00")
    client, url = people["finance"], act_url(Payout, "retry")
    page = read(client, url, ids=",".join(str(p.pk) for p in [*gone, waiting]))
    for told in ("Retry 2 payouts", "75.50", "not_retryable", "It cannot be retried in this state"):
        assert told in page, told
    # All that match a filter: the ids are what was counted, whatever else matches by then.
    page = read(client, url, matching="status__exact=dlq")
    assert str(gone[0].pk) in page.split('name="ids"')[1].split(">")[0]
    answer = act(client, "retry", *gone, waiting)
    text = answer.content.decode()
    assert "Retried: 2 payouts" in text
    assert "not_retryable" in text
    assert [sandbox.status(p) for p in [*gone, waiting]] == ["pending"] * 3
    # A column that no filter names cannot be felt through either.
    assert client.get(url, {"matching": "request_fingerprint__gt=1"}).status_code == 400
    assert client.get(url, {"ids": "1,2"}).status_code == 404
    assert client.get(act_url(Payout, "explode")).status_code == 404


# --- recall -------------------------------------------------------------------------------------------


def test_a_payout_is_recalled_with_a_reason_that_the_bank_is_told(sandbox: World) -> None:
    people = browsers()
    sandbox.pay_to("wave", msisdn="+2250700000501", operator="wave")
    payout = sandbox.reach(
        sandbox.create("wave", amount="1000", payout_method="mobile_money"), "settled"
    )
    page = read(people["finance"], page_url(payout))
    assert act_url(Payout, "recall") in page
    assert act_url(Payout, "recall") not in read(people["billing"], page_url(payout))
    unclear = act(people["finance"], "recall", payout, reason="It was a mistake")
    assert "Begin with Duplicate" in unclear.content.decode()
    assert not BankRecall.objects.exists()
    done = act(people["finance"], "recall", payout, reason="Fraud: the merchant reports it")
    assert "Recalled: the bank is asked for the money." in done.content.decode()
    assert last_row(payout).action == "payout.recall_requested"
    recalls.ask_due()
    page = read(people["finance"], page_url(payout))
    for word in (
        "Recall: not given back.",
        "insufficient-funds",
        "The bank does not give the money back",
    ):
        assert word in page
    again = act(people["finance"], "recall", sandbox.create("us_bank"), reason="Fraud: reported")
    assert "not_recallable" in again.content.decode()


def test_a_corrected_account_says_what_is_paid_instead(sandbox: World, settings: Any) -> None:
    settings.FILE_WINDOW_SECONDS = 0
    payout = sandbox.reach(sandbox.create("us_bank"), "sent")
    say(sandbox, payout, "correction", code="C01", corrected={"account_number": "998877665544"})
    page = read(browsers()["finance"], page_url(payout.beneficiary))
    assert "C01" in page
    assert "paid instead" in page
    assert "…5544" in page
    assert "998877665544" not in page
