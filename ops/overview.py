"""The first page: how many payouts are where, how much money that is, and what waits for a person.

Four statements, whatever the number of payouts; each part only for those who may look at its table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ops import looks
from ops.pages import Section, may_view, pair
from ops.records import connector_badge
from payouts.models import BankConnector, Payout, PayoutAlert, Status

ATTENTION_ROWS = 20
ALERT_ROWS = 10
# The columns of the money table: where money is, seen by whoever answers for it.
PLACES: Mapping[str, tuple[Status, ...]] = {
    "waiting": (Status.REQUIRES_APPROVAL, Status.SCHEDULED, Status.PENDING, Status.FAILED),
    "at the bank": (Status.PROCESSING, Status.SENT, Status.IN_DOUBT),
    "needs a person": (Status.DLQ,),
    "settled": (Status.SETTLED,),
    "given back": (Status.REJECTED, Status.CANCELLED, Status.RETURNED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """So many payouts in a status, and the list of them."""

    title: str
    count: int
    url: str
    tone: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """UNFOLD's DASHBOARD_CALLBACK."""
    tiles: list[Tile] = []
    sections: list[Section] = []
    if may_view(request, Payout):
        sums = by_status()
        tiles = [_tile(status, sums) for status in Status]
        sections += [_attention(), _money(sums)]
    if may_view(request, BankConnector):
        sections.append(_connectors())
    if may_view(request, PayoutAlert):
        sections.append(_alerts())
    return {**context, "title": "Overview", "tiles": tiles, "sections": sections}


Sums = Mapping[tuple[str, str], tuple[int, Decimal]]


def by_status() -> Sums:
    """(status, currency) -> how many and how much. Amounts of two currencies are never added."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, currency, sum(payouts)::bigint, sum(amount) FROM v_payouts_by_status GROUP BY 1, 2"
        )
        return {(status, currency): (n, total) for status, currency, n, total in cursor.fetchall()}


def payouts_url(**filters: str) -> str:
    return reverse("admin:payouts_payout_changelist", query=filters or None)


def _tile(status: Status, sums: Sums) -> Tile:
    count = sum(n for (s, _), (n, _) in sums.items() if s == status)
    return Tile(
        title=str(status.label),
        count=count,
        url=payouts_url(status__exact=status.value),
        # A colour only where there is something to look at.
        tone=looks.TONE_OF.get(status.value, "plain") if count else "none",
    )


def _money(sums: Sums) -> Section:
    totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for (status, currency), (_, total) in sums.items():
        place = next(name for name, statuses in PLACES.items() if status in statuses)
        totals[currency][place] += total
    return Section(
        title="Money by currency",
        model=Payout,
        headers=("currency", *PLACES),
        right=tuple(PLACES),
        rows=[
            (
                _list_link(currency, currency=currency),
                *(_sum(totals[currency][place], currency, place) for place in PLACES),
            )
            for currency in sorted(totals)
        ],
        empty="No payouts yet",
    )


def _sum(total: Decimal, currency: str, place: str) -> SafeString:
    if not total:
        return looks.NO_MONEY
    statuses = ",".join(PLACES[place])
    return _list_link(looks.digits(total, currency), currency=currency, status__in=statuses)


def _list_link(text: str, **filters: str) -> SafeString:
    url = payouts_url(**filters)
    return format_html('<a class="ops-link ops-money" href="{}">{}</a>', url, text)


def _attention() -> Section:
    """Those that wait for a person longest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, v.status, v.amount, v.currency, v.rail, v.last_error_code, v.last_error,"
            " v.attempt_number, v.attempt_state, v.reference, v.updated_at, t.name"
            " FROM v_payouts_needing_attention v LEFT JOIN tenants t ON t.id = v.tenant_id"
            " ORDER BY v.updated_at, v.id LIMIT %s",
            [ATTENTION_ROWS],
        )
        found = cursor.fetchall()
    labels = dict(Status.choices)
    return Section(
        title="Needs attention",
        model=Payout,
        headers=("payout", "amount", "status", "rail", "why", "last attempt", "since"),
        rows=[
            (
                pair(looks.reference("payout_id", key), tenant or ""),
                looks.amount(amount, currency),
                looks.badge(status, labels[status]),
                rail,
                pair(code or looks.NOTHING, message),
                _attempt(number, reference, state),
                looks.when(since),
            )
            for (key, status, amount, currency, rail, code, message, number, state, reference, since,
                 tenant) in found
        ],
        empty="Nothing waits for a person",
        note=f"The {ATTENTION_ROWS} that wait longest." if len(found) == ATTENTION_ROWS else "",
    )  # fmt: skip


def _attempt(number: int | None, reference: str, state: str) -> SafeString:
    if number is None:
        return looks.NOTHING
    return format_html("{} {}", looks.code(reference), looks.badge(state))


def _connectors() -> Section:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.name, c.rail, c.enabled, s.paused, s.paused_reason, s.healthy, s.health_message,"
            " s.checked_at FROM bank_connectors c LEFT JOIN bank_connector_state s"
            " ON s.bank_connector_id = c.id ORDER BY c.rail, c.preference, c.name"
        )
        found = cursor.fetchall()
    return Section(
        title="Connectors",
        model=BankConnector,
        headers=("connector", "state", "why", "checked"),
        rows=[
            (
                looks.reference("bank_connector_id", key, f"{name}:{rail}"),
                _state(enabled, paused, healthy),
                reason or message or looks.NOTHING,
                looks.when(checked_at),
            )
            for key, name, rail, enabled, paused, reason, healthy, message, checked_at in found
        ],
        empty="No bank is configured",
    )


def _state(enabled: bool, paused: bool | None, healthy: bool | None) -> SafeString:
    if not enabled:
        return looks.badge("disabled")
    if healthy is None:  # No worker has looked at it yet.
        return looks.badge("new", "not used yet")
    return connector_badge(bool(paused), healthy)


def _alerts() -> Section:
    found = PayoutAlert.objects.filter(resolved=False).order_by("-created_at")[: ALERT_ROWS + 1]
    alerts = list(found)
    url = reverse("admin:payouts_payoutalert_changelist", query={"resolved__exact": "0"})
    more = format_html('<a class="ops-link" href="{}">All open alerts</a>', url)
    return Section(
        title="Open alerts",
        model=PayoutAlert,
        headers=("alert", "severity", "message", "raised"),
        rows=[
            (
                looks.link("payouts_payoutalert", a.pk, a.alert_type),
                looks.badge(a.severity),
                a.message,
                looks.when(a.created_at),
            )
            for a in alerts[:ALERT_ROWS]
        ],
        empty="No open alerts",
        note=more if len(alerts) > ALERT_ROWS else "",
    )
