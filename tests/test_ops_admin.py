"""The workbench shows everything to those who may look, and nothing that is secret to anybody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import BinaryField
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ops import demo_data
from payouts import alerts, clock
from payouts.models import Beneficiary, Payout, PayoutAlert, PayoutAuditLog
from tests import world
from tests.workbench import PAYOUTS, TABLES, browsers, every_page, live, page_url, read
from tests.world import World

BINARIES = [
    (model, field)
    for model in TABLES
    for field in model._meta.concrete_fields
    if isinstance(field, BinaryField)
]
# In full, nowhere: the people to pay, and our own accounts at banks.
NUMBERS = (world.IBAN, world.US_ACCOUNT["account_number"], demo_data.SEPA["debtor_iban"])


@pytest.fixture
def boss(sandbox: World) -> Client:
    return browsers()["admin"]


@pytest.fixture
def lived(sandbox: World) -> World:
    return live(sandbox)


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
    for title in ("Timeline", "Hold", "Ledger", "Route", "Alerts"):
        assert f"<h2>{title}" in text
    for told in (
        "Before the bank",
        "Attempt 1 · default:sepa",
        "The bank has it",
        "123.45",
        attempt.reference,
        "captured",
        "default:sepa: ",
        "capture",
    ):
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
    for tile in (
        'href="/admin/payouts/payout/?status=settled"',
        "<strong>100.0 %</strong>",
        "1 settled of 1 ended",
        'href="/admin/payouts/payout/needs-a-person/"',
        'href="/admin/payouts/payout/?status=requires_approval"',
    ):
        assert tile in text, tile
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


# --- effort -------------------------------------------------------------------------------------------------


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        read(client, url)
    return len(captured)


@pytest.mark.long
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
    # Five about recalls; one for half a minute: which bank speaks which codes.
    with django_assert_max_num_queries(18):
        read(boss, page_url(payout))
    with django_assert_max_num_queries(9):
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
    assert "7.00" in text
