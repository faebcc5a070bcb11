"""The workbench as tests use it: a browser for each person, something in every table, every address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from ops import demo_data
from payouts import clock
from payouts.models import (
    AccountCorrection,
    BankConnector,
    BankRecall,
    BatchSchedule,
    IdempotencyKey,
    Payout,
    PayoutAlert,
    PayoutBatch,
    PayoutBatchItem,
    PayoutSlaRule,
    SandboxClock,
)
from tests.world import World

TABLES = [*apps.get_app_config("payouts").get_models(), *apps.get_app_config("ledger").get_models()]
RECORDS = [model for model in TABLES if model is not PayoutSlaRule]
PAYOUTS = "admin:payouts_payout_changelist"


def browser(user: User | None = None) -> Client:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise wants to see it
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def browsers() -> dict[str, Client]:
    """One for each person of the demo."""
    demo_data.load_logins("only-for-tests")
    return {name: browser(User.objects.get(username=name)) for name in demo_data.LOGINS}


def live(sandbox: World) -> World:
    """Something in every table: one payout settled, one due."""
    settled = sandbox.reach(sandbox.create(amount="123.45"), "sent", "settled")
    sandbox.bank.advance(days=6)  # Past a weekend and its bank holidays, in one step.
    settled = sandbox.reach(settled, "settled")
    sandbox.create("us_bank", "20.00")
    now = clock.now()
    BatchSchedule.objects.create(
        name="weekly", batch_type="weekly_settlements", cron="30 16 * * 5", time_zone="UTC", active_from=now
    )  # fmt: skip
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
    of_it = {"payout_id": settled.id, "tenant_id": settled.tenant_id, "attempt_id": settled.id}
    BankRecall.objects.create(
        reference="RC1", reason="fraud", state="refused", requested_by="x", requested_by_role="x",
        requested_at=now, bank_connector_id=settled.bank_connector_id, **of_it,
    )  # fmt: skip
    Payout.objects.filter(pk=settled.pk).update(recall_status="refused")
    AccountCorrection.objects.create(
        account_id=uuid4(), corrected_account_id=uuid4(), code="C01", content=b"x", **of_it
    )
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


def filled() -> list[type[Model]]:
    """The tables of records that `live` puts something into: most of them."""
    found = [model for model in RECORDS if model._default_manager.exists()]
    assert len(found) > len(RECORDS) * 3 / 4
    return found


def read(client: Client, url: str, **query: str) -> str:
    answer = client.get(url, query or None)
    assert answer.status_code == 200, f"{url} answered {answer.status_code}"
    return answer.content.decode()


def every_page() -> Iterator[str]:
    yield reverse("admin:index")
    for model in TABLES:
        yield list_url(model)
        # Every connector has settings of its own.
        rows = model._default_manager.order_by("-pk")
        yield from map(page_url, rows if model is BankConnector else rows[:1])


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
