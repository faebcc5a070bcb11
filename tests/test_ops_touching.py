"""Nothing of money can be touched at the workbench; service levels can, and each change is on record."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from payouts.models import BankConnector, Payout, PayoutAuditLog, PayoutHold, PayoutSlaRule
from tests.workbench import (
    PAYOUTS,
    RECORDS,
    browser,
    browsers,
    every_page,
    filled,
    fingerprint_of_money,
    list_url,
    live,
    one,
    page_url,
    read,
)
from tests.world import World


@pytest.fixture
def boss(sandbox: World) -> Client:
    return browsers()["admin"]


@pytest.fixture
def lived(sandbox: World) -> World:
    return live(sandbox)


# --- touching -----------------------------------------------------------------------------------------------


def test_nobody_adds_changes_or_deletes_a_record(lived: World) -> None:
    people = browsers()
    before = fingerprint_of_money()
    for name, client in people.items():
        for model in filled():
            row = one(model)
            add = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            values = {
                "status": "settled",
                "amount": "1",
                "_save": "1",
                "resolved": "on",
                "paused": "on",
            }
            action = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
            refused = {
                "add": client.post(add, values),
                "look at add": client.get(add),
                "change": client.post(page_url(row), values),
                "delete": client.post(page_url(row, "delete"), {"post": "yes"}),
                "look at delete": client.get(page_url(row, "delete")),
                "action": client.post(list_url(model), action),
            }
            for what, answer in refused.items():
                assert answer.status_code == 403, f"{name}: {what} {model._meta.label}"
    assert fingerprint_of_money() == before


def test_nobody_adds_to_a_table_that_is_still_empty(lived: World) -> None:
    """What needs no row is asked of every table, also of those that nothing has been written to."""
    empty = set(RECORDS) - set(filled())
    for name, client in browsers().items():
        for model in empty:
            add = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            assert client.get(add).status_code == 403, f"{name}: look at add {model._meta.label}"
            assert client.post(add, {"_save": "1"}).status_code == 403, (
                f"{name}: {model._meta.label}"
            )
        assert not any(model._default_manager.exists() for model in empty)


def test_no_record_page_offers_to_save_or_delete(boss: Client, lived: World) -> None:
    for model in filled():
        text = read(boss, page_url(one(model)))
        assert 'name="_save"' not in text
        assert "/delete/" not in text
        assert "/add/" not in read(boss, list_url(model)).split('id="changelist"')[1]


def test_billing_may_look_and_not_touch(lived: World) -> None:
    billing = browsers()["billing"]
    for url in every_page():
        read(billing, url)
    rule = one(PayoutSlaRule)
    before = fingerprint_of_money()
    assert billing.post(page_url(rule), {"name": "mine"}).status_code == 403
    assert billing.post(page_url(rule, "delete"), {"post": "yes"}).status_code == 403
    assert fingerprint_of_money() == before
    assert billing.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_a_page_shows_only_the_tables_that_its_reader_may_see(lived: World) -> None:
    reader = User.objects.create_user("reader", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_payout"))
    client = browser(reader)
    text = read(client, page_url(Payout.objects.get(status="settled")))
    assert "<h2>Ledger" not in text
    assert "<h2>Hold" not in text
    overview = read(client, reverse("admin:index"))
    assert "Connectors" not in overview
    assert "Open alerts" not in overview
    assert client.get(list_url(PayoutHold)).status_code == 403
    stranger = User.objects.create_user("stranger", password="x", is_staff=True)
    client.force_login(stranger)
    assert "123.45" not in read(client, reverse("admin:index"))
    assert client.get(reverse(PAYOUTS)).status_code == 403


def test_without_a_login_there_is_only_the_login_page(lived: World) -> None:
    nobody = browser()
    for url in every_page():
        answer = nobody.get(url)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


# --- service levels -----------------------------------------------------------------------------------------


def rule_form(**changes: str) -> dict[str, str]:
    values = {
        "name": "SEPA, EU", "bank_connector_id": "", "rail": "sepa", "country": "", "priority": "",
        "cutoff_time": "18:00", "time_zone": "Europe/Brussels", "calendar": "XECB", "weekend": "closed",
        "processing_days": "0", "settlement_days": "1", "target_seconds": "", "base_fee": "0.15", "percentage_fee": "0",
        "effective_from": "", "effective_until": "",
    }  # fmt: skip
    return {**values, **changes}


def audited() -> list[PayoutAuditLog]:
    return list(PayoutAuditLog.objects.filter(action__startswith="sla_rule.").order_by("id"))


def test_a_change_of_a_service_level_leaves_an_audit_row(boss: Client, sandbox: World) -> None:
    added = boss.post(reverse("admin:payouts_payoutslarule_add"), rule_form())
    assert added.status_code == 302
    rule = PayoutSlaRule.objects.order_by("created_at", "id").last()
    assert rule is not None
    assert (rule.rail, rule.country, rule.priority) == ("sepa", None, None)  # Empty means any.
    bank = BankConnector.objects.get(name="backup")
    changes = {"settlement_days": "2", "base_fee": "0.150", "bank_connector_id": str(bank.id)}
    changed = boss.post(page_url(rule), rule_form(**changes))
    assert changed.status_code == 302, changed.context["adminform"].form.errors
    rule.refresh_from_db()
    assert (rule.settlement_days, rule.bank_connector_id) == (2, bank.id)
    created, edited = audited()
    assert (created.action, edited.action) == ("sla_rule.created", "sla_rule.changed")
    assert (edited.actor, edited.actor_role) == ("user:admin", "treasury_ops")
    assert edited.data == {
        "sla_rule_id": str(rule.pk),
        "changed": {"settlement_days": [1, 2], "bank_connector_id": [None, str(bank.id)]},
    }
    assert "user:admin" in read(boss, list_url(PayoutAuditLog))


def test_saving_a_service_level_unchanged_leaves_no_trace(boss: Client, sandbox: World) -> None:
    boss.post(reverse("admin:payouts_payoutslarule_add"), rule_form())
    rule = PayoutSlaRule.objects.order_by("created_at", "id").last()
    assert rule is not None
    assert boss.post(page_url(rule), rule_form()).status_code == 302
    assert len(audited()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"rail": "pigeon"},
        {"country": "Germany"},
        {"country": "1€"},
        {"settlement_days": "-1"},
        {"base_fee": "-0.01"},
        {"target_seconds": "-5"},
        {"bank_connector_id": "00000000-0000-0000-0000-000000000000"},
        {"effective_from": "2026-01-02", "effective_until": "2026-01-02"},
        {"calendar": "MOON"},
        {"weekend": "sometimes"},
    ],
)
def test_a_service_level_that_makes_no_sense_is_refused(
    boss: Client, sandbox: World, wrong: dict[str, str]
) -> None:
    before = fingerprint_of_money()
    answer = boss.post(reverse("admin:payouts_payoutslarule_add"), rule_form(**wrong))
    assert answer.status_code == 200, "it was taken"
    assert fingerprint_of_money() == before


def test_a_service_level_is_never_deleted(boss: Client, sandbox: World) -> None:
    rule = one(PayoutSlaRule)
    assert boss.post(page_url(rule, "delete"), {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": str(rule.pk), "post": "yes"}
    boss.post(list_url(PayoutSlaRule), action)
    assert PayoutSlaRule.objects.filter(pk=rule.pk).exists()
