"""The workbench: everything can be looked at by those who may, nothing of money can be touched by anybody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import BinaryField, Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ops import demo_data
from payouts import alerts, clock
from payouts.models import (
    BankConnector,
    Beneficiary,
    IdempotencyKey,
    Payout,
    PayoutAlert,
    PayoutAuditLog,
    PayoutBatch,
    PayoutBatchItem,
    PayoutHold,
    PayoutSlaRule,
    SandboxClock,
)
from tests import world
from tests.world import World

TABLES = [*apps.get_app_config("payouts").get_models(), *apps.get_app_config("ledger").get_models()]
RECORDS = [model for model in TABLES if model is not PayoutSlaRule]
BINARIES = [
    (model, field)
    for model in TABLES
    for field in model._meta.concrete_fields
    if isinstance(field, BinaryField)
]
# In full, nowhere: the people to pay, and our own accounts at banks.
NUMBERS = (world.IBAN, world.US_ACCOUNT["account_number"], demo_data.SEPA["debtor_iban"])
PAYOUTS = "admin:payouts_payout_changelist"
PAYOUT = "admin:payouts_payout_change"


@pytest.fixture(autouse=True)
def static_root(settings: Any) -> None:
    """Whitenoise looks for it when a client is made."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def logins(sandbox: World) -> dict[str, Client]:
    """A browser for each person of the demo."""
    demo_data.load_logins("only-for-tests")
    clients = {name: Client() for name in demo_data.LOGINS}
    for name, client in clients.items():
        client.force_login(User.objects.get(username=name))
    return clients


@pytest.fixture
def boss(logins: dict[str, Client]) -> Client:
    return logins["admin"]


@pytest.fixture
def lived(sandbox: World) -> World:
    """A world in which something is in every table: one payout settled, one due."""
    settled = sandbox.reach(sandbox.create(amount="123.45"), "sent", "settled")
    sandbox.bank.advance(days=6)  # Past a weekend and its bank holidays, in one step.
    settled = sandbox.reach(settled, "settled")
    sandbox.create("us_bank", "20.00")
    now = clock.now()
    batch = PayoutBatch.objects.create(
        batch_name="weekly", batch_type="weekly_settlements", currency="EUR", scheduled_at=now
    )
    PayoutBatchItem.objects.create(
        batch=batch, payout=settled, tenant_id=settled.tenant_id, position=1
    )
    PayoutAlert.objects.create(
        payout_id=settled.id, tenant_id=settled.tenant_id, alert_type="sla_violation", severity="high",
        message="Promised for <yesterday>", dedupe_key="one",
    )  # fmt: skip
    IdempotencyKey.objects.create(
        tenant_id=settled.tenant_id, route="demo", key="k", fingerprint=b"fingerprint-of-a-request"
    )
    SandboxClock.objects.get_or_create(pk=1)
    return sandbox


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row: Model, page: str = "change") -> str:
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=[row.pk])


def one(model: type[Model]) -> Model:
    row = model._default_manager.order_by("pk").last()
    assert row is not None, f"there is no {model._meta.label} to look at"
    return row


def read(client: Client, url: str, **query: str) -> str:
    answer = client.get(url, query or None)
    assert answer.status_code == 200, f"{url} answered {answer.status_code}"
    return answer.content.decode()


def every_page() -> Iterator[str]:
    yield reverse("admin:index")
    for model in TABLES:
        yield list_url(model)
        yield page_url(one(model))


def fingerprint_of_money() -> list[Any]:
    """Every row of every table but sessions and logins, as the database has it."""
    found = []
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(
                f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {model._meta.db_table} t"
            )
            found.append((model._meta.db_table, cursor.fetchone()))
    return found


# --- looking ------------------------------------------------------------------------------------------------


def secrets() -> set[str]:
    """Account numbers, and whatever is encrypted or only compared, as a page could spell them."""
    found = set(NUMBERS)
    for model, field in BINARIES:
        for value in model._default_manager.values_list(field.name, flat=True):
            if value and len(value) >= 16:
                found |= {bytes(value).hex(), str(bytes(value))[2:-1]}
    return found


def test_every_table_has_a_list_and_a_page_and_none_tells_a_secret(
    boss: Client, lived: World
) -> None:
    hidden = secrets()
    assert len(hidden) > 10
    # What is not fetched cannot be shown either.
    columns = {f'"{model._meta.db_table}"."{field.column}"' for model, field in BINARIES}
    for url in every_page():
        with CaptureQueriesContext(connection) as asked:
            text = read(boss, url)
        assert [s[:12] for s in hidden if s in text] == [], url
        assert [c for c in columns for q in asked.captured_queries if c in q["sql"]] == [], url


def test_a_payout_can_be_followed_from_its_creation_to_its_settlement(
    boss: Client, lived: World
) -> None:
    payout = Payout.objects.get(status="settled")
    attempt = lived.attempts(payout)[0]
    text = read(boss, page_url(payout))
    story = PayoutAuditLog.objects.filter(payout_id=payout.id).order_by("sequence")
    assert story.count() >= 4
    places = [text.index(f">{row.action}</a>") for row in story]
    assert places == sorted(places), "the audit trail is out of order"
    for title in ("Hold", "Attempts", "What the bank said", "Ledger", "Route", "Alerts"):
        assert f"<h2>{title}" in text
    for told in ("123.45", attempt.reference, "captured", "default:sepa: preferred", "capture"):
        assert told in text, told


def test_what_people_write_is_escaped(boss: Client, lived: World) -> None:
    Beneficiary.objects.update(name="<script>alert(1)</script>")
    for url in every_page():
        text = read(boss, url)
        assert "<script>alert" not in text
        assert "<yesterday>" not in text
    assert "&lt;script&gt;alert" in read(boss, reverse(PAYOUTS))


def test_the_overview_counts_and_leads_to_the_lists(boss: Client, lived: World) -> None:
    text = read(boss, reverse("admin:index"))
    assert (
        'class="ops-tile ops-tile-good" href="/admin/payouts/payout/?status__exact=settled"' in text
    )
    assert "<strong>1</strong> <span>settled</span>" in text
    assert "123.45" in text
    assert "default:sepa" in text
    assert "Promised for &lt;yesterday&gt;" in text
    assert "sandbox" in text


def test_the_overview_shows_what_waits_for_a_person(boss: Client, sandbox: World) -> None:
    waiting = [sandbox.create(amount="0.01", external_id=f"w{n}") for n in range(3)]
    assert "Nothing waits for a person" in read(boss, reverse("admin:index"))
    with connection.cursor() as cursor:
        for status in ("processing", "dlq"):
            cursor.execute("UPDATE payouts SET status = %s WHERE id = %s", [status, waiting[0].pk])
    alerts.sweep("dlq")
    text = read(boss, reverse("admin:index"))
    assert str(waiting[0].pk) in text
    assert str(waiting[1].pk) not in text
    assert "Needs a person: no code" in text


# --- finding ------------------------------------------------------------------------------------------------


def test_a_payout_is_found_by_everything_that_people_hold(boss: Client, lived: World) -> None:
    payout = Payout.objects.get(status="settled")
    account = payout.beneficiary_account
    attempt = lived.attempts(payout)[0]
    other = Payout.objects.exclude(pk=payout.pk).get()
    terms = {
        "id": str(payout.pk),
        "start of the id": str(payout.pk)[:13],
        "key": payout.external_id,
        "our reference": attempt.reference,
        "last four": account.last4,
        "with spaces": f" {attempt.reference} ",
    }
    if payout.bank_reference:
        terms["the bank's reference"] = payout.bank_reference
    for name, term in terms.items():
        text = read(boss, reverse(PAYOUTS), q=term)
        assert page_url(payout) in text, name
        # Ids made in the same minute share their start.
        assert name == "start of the id" or page_url(other) not in text, name


@pytest.mark.parametrize(
    "term",
    ["no such thing", "%", "'; --", "deadbeef", "9" * 40, "c23f14a0-ed72-4119-910c-9e49e8e676c1"],
)
def test_a_search_for_nothing_finds_nothing(boss: Client, sandbox: World, term: str) -> None:
    payout = sandbox.create()
    assert page_url(payout) not in read(boss, reverse(PAYOUTS), q=term)


def test_lists_are_filtered_by_what_the_tiles_and_filters_say(boss: Client, lived: World) -> None:
    settled = Payout.objects.get(status="settled")
    other = Payout.objects.exclude(pk=settled.pk).get()
    for query in (
        {"status__exact": "settled"},
        {"status__in": "settled,returned"},
        {"rail": "sepa"},
        {"currency": "EUR", "priority__exact": "standard"},
        {"rail": "sepa", "sla_violated__exact": "0"},
    ):
        text = read(boss, reverse(PAYOUTS), **query)
        assert page_url(settled) in text, query
        assert page_url(other) not in text, query


# --- touching -----------------------------------------------------------------------------------------------


def test_nobody_adds_changes_or_deletes_a_record(logins: dict[str, Client], lived: World) -> None:
    before = fingerprint_of_money()
    for name, client in logins.items():
        for model in RECORDS:
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


def test_no_record_page_offers_to_save_or_delete(boss: Client, lived: World) -> None:
    for model in RECORDS:
        text = read(boss, page_url(one(model)))
        assert 'name="_save"' not in text
        assert "/delete/" not in text
        assert "/add/" not in read(boss, list_url(model)).split('id="changelist"')[1]


def test_billing_may_look_and_not_touch(logins: dict[str, Client], lived: World) -> None:
    billing = logins["billing"]
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
    client = Client()
    client.force_login(reader)
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
    for url in every_page():
        answer = Client().get(url)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


# --- service levels -----------------------------------------------------------------------------------------


def rule_form(**changes: str) -> dict[str, str]:
    values = {
        "name": "SEPA, EU", "bank_connector_id": "", "rail": "sepa", "country": "", "priority": "",
        "cutoff_time": "18:00", "time_zone": "Europe/Brussels", "calendar": "XECB", "processing_days": "0",
        "settlement_days": "1", "target_seconds": "", "base_fee": "0.15", "percentage_fee": "0",
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
    assert (edited.actor, edited.actor_role) == ("user:admin", "administrator")
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


# --- effort -------------------------------------------------------------------------------------------------


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        read(client, url)
    return len(captured)


def test_no_page_asks_more_when_there_is_more(boss: Client, lived: World) -> None:
    urls = list(every_page())
    before = {url: queries(boss, url) for url in urls}
    for _ in range(12):
        lived.create(amount="1.00")
    for n in range(5):
        PayoutAlert.objects.create(
            alert_type="dlq", severity="high", message="m", dedupe_key=f"more{n}",
            payout_id=Payout.objects.order_by("-id")[n].pk, tenant_id=lived.tenant_id,
        )  # fmt: skip
    after = {url: queries(boss, url) for url in urls}
    assert {url: n for url, n in after.items() if n > before[url]} == {}
    assert max(after.values()) <= 20


def test_the_list_and_the_page_of_payouts_take_few_queries(
    boss: Client, lived: World, django_assert_max_num_queries: Any
) -> None:
    payout = Payout.objects.get(status="settled")
    with django_assert_max_num_queries(8):
        read(boss, reverse(PAYOUTS))
    with django_assert_max_num_queries(12):
        read(boss, page_url(payout))
    with django_assert_max_num_queries(8):
        read(boss, reverse("admin:index"))


def test_lists_are_short_and_never_shown_whole(boss: Client, sandbox: World) -> None:
    for n in range(28):
        sandbox.create(amount="1.00", external_id=f"key-{n:02}")
    for query in ({}, {"all": ""}):
        text = read(boss, reverse(PAYOUTS), **query)
        assert text.count('class="data-row') == 25
    assert read(boss, reverse(PAYOUTS), p="2").count('class="data-row') == 3


def test_every_registered_page_keeps_its_lists_short() -> None:
    for model in TABLES:
        page = admin.site._registry[model]
        assert (page.list_per_page, page.show_full_result_count) == (25, False), model


def test_late_payouts_say_so(boss: Client, sandbox: World) -> None:
    payout = sandbox.create(amount="7.00")
    Payout.objects.filter(pk=payout.pk).update(
        sla_violated=True, sla_violated_at=clock.now() - timedelta(days=1)
    )
    text = read(boss, reverse(PAYOUTS), sla_violated__exact="1")
    assert page_url(payout) in text
    assert ">late</span>" in text
    assert str(Decimal("7.00")) in text
