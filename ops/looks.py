"""How one value looks on a page: badges, money, moments, links. Everything is escaped here, nothing is safe before."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Choices, Field, Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime

from payouts.money import EXPONENTS

Cell = Callable[[Any], Any]
NOTHING = format_html('<span class="ops-muted">{}</span>', "–")
NO_MONEY = format_html('<span class="ops-money ops-muted">{}</span>', "–")

# What a word means to a person, whatever it is the state of. Grey where nothing is said.
TONES = {
    "good": ("settled", "released", "accepted", "moved", "healthy", "answered", "active", "low", "on time", "noted"),
    "way": ("sent", "processing", "sending", "prepared", "intent", "running", "capture", "hold"),
    "wait": ("requires_approval", "in_doubt", "unknown", "unsent", "not_sent", "mismatch", "medium", "paused"),
    "retry": ("failed", "high", "late", "unmatched", "return"),
    "bad": ("dlq", "critical", "rejected", "contradiction", "unusable", "unhealthy", "error", "suspended"),
    "over": ("cancelled", "reversed", "returned", "resolved", "disabled"),
}  # fmt: skip
TONE_OF = {word: tone for tone, words in TONES.items() for word in words}

# Columns that hold the id of another page's record, and that page.
PAGES = {
    "payout_id": "payouts_payout",
    "tenant_id": "payouts_tenant",
    "bank_connector_id": "payouts_bankconnector",
    "routing_decision_id": "payouts_routingdecision",
    "sla_rule_id": "payouts_payoutslarule",
    "ledger_hold_id": "payouts_payouthold",
    "batch_id": "payouts_payoutbatch",
    "beneficiary_id": "payouts_beneficiary",
    "beneficiary_account_id": "payouts_beneficiaryaccount",
    "transmission_id": "payouts_banktransmission",
    "attempt_id": "payouts_payoutattempt",
    "ledger_transfer_id": "ledger_transfer",
    "transfer_id": "ledger_transfer",
    "account_id": "ledger_account",
}


def badge(word: str, text: str = "") -> SafeString:
    """A state in words, with a colour that never says more than the words do."""
    tone = TONE_OF.get(word, "plain")
    return format_html('<span class="ops-badge ops-{}">{}</span>', tone, text or word)


def digits(amount: Decimal, currency: str) -> str:
    """With the currency's own decimals, and all of those that are there where there are more."""
    least = EXPONENTS.get(currency, 2)
    places = max(least, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{places}f}"


def amount(value: Decimal | None, currency: str) -> SafeString:
    if value is None:
        return NO_MONEY
    return format_html(
        '<span class="ops-money">{} <span class="ops-muted">{}</span></span>',
        digits(value, currency),
        currency,
    )


def when(value: datetime | date | None) -> SafeString:
    """UTC, to the second, the same width everywhere."""
    if value is None:
        return NOTHING
    if not isinstance(value, datetime):
        return format_html('<span class="ops-when">{}</span>', value.isoformat())
    utc = localtime(value)
    return format_html(
        '<time class="ops-when" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        utc.strftime("%A %d %B %Y %H:%M:%S.%f"),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
    )


def age(value: datetime) -> SafeString:
    """How long ago, with the moment beside it for those who point at it."""
    utc = localtime(value)
    return format_html(
        '<time class="ops-when" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        timesince(value, depth=1),
    )


def moment(value: datetime | None) -> SafeString:
    """For lists: day and minute; the whole of it for those who point at it."""
    if value is None:
        return NOTHING
    utc = localtime(value)
    return format_html(
        '<time class="ops-when" datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        utc.strftime("%Y-%m-%d %H:%M:%S"),
        utc.strftime("%d %b %H:%M"),
    )


def short(value: UUID) -> str:
    """Start and end: the start of a UUIDv7 is its time, which neighbours share."""
    text = str(value)
    return f"{text[:8]}…{text[-4:]}"


def key(value: UUID) -> SafeString:
    return format_html('<span class="ops-code ops-whole" title="{}">{}</span>', value, short(value))


def code(value: object) -> SafeString:
    return format_html('<span class="ops-code">{}</span>', value)


def link(page: str, pk: object, text: object, *, title: object = "") -> SafeString:
    url = reverse(f"admin:{page}_change", args=[pk])
    return format_html('<a class="ops-link" href="{}" title="{}">{}</a>', url, title or pk, text)


def reference(column: str, value: UUID | None, text: object = "") -> SafeString:
    """An id, linked to its record's page where there is one."""
    if value is None:
        return NOTHING
    shown = text or key(value)
    page = PAGES.get(column)
    if page is None:
        return format_html('<span title="{}">{}</span>', value, shown)
    return link(page, value, shown)


# --- columns of a list --------------------------------------------------------------------------------


def _column(cell: Cell, name: str, title: str, order: str | None) -> Cell:
    """Django reads a column's heading, order and CSS name from attributes of its function."""
    described: Any = cell
    described.__name__ = name
    described.short_description = title
    if order:
        described.admin_order_field = order
    return cell


def badge_column(field: str, title: str = "") -> Cell:
    def cell(row: Any) -> SafeString:
        word = getattr(row, field)
        return badge(word, _label(row, field)) if word else NOTHING

    return _column(cell, field, title or field.replace("_", " "), field)


def money_column(field: str = "amount", currency: str = "currency", title: str = "") -> Cell:
    def cell(row: Any) -> SafeString:
        return amount(getattr(row, field), getattr(row, currency))

    return _column(cell, field, title or field.replace("_", " "), field)


def when_column(field: str, title: str = "") -> Cell:
    def cell(row: Any) -> SafeString:
        return when(getattr(row, field))

    return _column(cell, field, title or field.removesuffix("_at").replace("_", " "), field)


def id_column(field: str = "id", title: str = "") -> Cell:
    def cell(row: Any) -> SafeString:
        value = getattr(row, field)
        return key(value) if value else NOTHING

    return _column(cell, field, title or field, field)


def link_column(field: str, title: str = "", *, name: str = "") -> Cell:
    """A link to another record, under its annotated name where there is one."""

    def cell(row: Any) -> SafeString:
        return reference(field, getattr(row, field), getattr(row, name) if name else "")

    return _column(cell, field, title or field.removesuffix("_id").replace("_", " "), None)


def text_column(field: str, title: str = "", *, length: int = 80) -> Cell:
    def cell(row: Any) -> SafeString:
        value = str(getattr(row, field) or "")
        cut = value if len(value) <= length else value[: length - 1] + "…"
        return format_html('<span title="{}">{}</span>', value, cut) if value else NOTHING

    return _column(cell, field, title or field.replace("_", " "), field)


# --- facts on a record's page ---------------------------------------------------------------------------


def _label(row: Any, name: str) -> str:
    choices: Choices | None = row._meta.get_field(name).choices
    return str(getattr(row, f"get_{name}_display")()) if choices else ""


def fact(row: Model, field: Field[Any, Any]) -> SafeString | None:
    """A column's value for reading; None when there is nothing to read."""
    value = getattr(row, field.attname)
    if value is None or value in ("", {}, []):
        return None
    if isinstance(value, bool):
        return format_html("{}", "yes" if value else "no")
    if isinstance(value, UUID):
        whole = code(value)
        return reference(field.attname, value, whole) if field.attname in PAGES else whole
    if isinstance(value, datetime | date):
        return when(value)
    if isinstance(value, Decimal):
        currency = getattr(row, "currency", "")
        return amount(value, currency) if currency else format_html("{}", value.normalize())
    if isinstance(value, dict | list):
        return structure(value)
    if field.name in ("status", "state", "severity", "effect", "kind"):
        return badge(value, _label(row, field.name))
    return format_html("{}", _label(row, field.name) or value)


def structure(value: object) -> SafeString:
    return format_html('<pre class="ops-pre">{}</pre>', json.dumps(value, indent=1, default=str))


def without_account_numbers(config: dict[str, Any]) -> dict[str, Any]:
    """A connector's settings for reading: our own accounts at banks by their last four."""
    return {
        key: f"…{str(value)[-4:]}"
        if any(w in key for w in ("iban", "account", "msisdn"))
        else value
        for key, value in config.items()
    }
