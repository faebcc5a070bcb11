"""The first page: what waits for a person, how the banks are, and where the money is.

A tile is a link to the list that it counts, and red only for what a person can act on. Amounts of two
currencies are never added. Each part is read by one statement, and only for those who may look at its table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from ops import bank_words, looks
from ops.bank_pages import health_section
from ops.chart import Chart, stacked
from ops.counts import IN_FLIGHT, Counts, counts
from ops.pages import Section, may_view, pair
from payouts import clock
from payouts.models import BankConnector, Payout, PayoutAlert, Status

DAYS = 14
ATTENTION_ROWS = 8
ALERT_ROWS = 6
# The columns of the money table: where open money is, seen by whoever answers for it.
PLACES: Mapping[str, tuple[str, ...]] = {
    "waiting": ("requires_approval", "scheduled", "pending", "failed"),
    "at the bank": IN_FLIGHT,
    "needs a person": ("dlq",),
}


# By the ids, which begin with their time in milliseconds: the primary key serves it.
RECENT = """
SELECT clock_timestamp()::date, created_at::date, status, currency, count(*),
       count(*) FILTER (WHERE status IN ('settled', 'rejected', 'returned')
                        AND coalesce(returned_at, rejected_at, settled_at) > %(yesterday)s),
       coalesce(sum(amount) FILTER (WHERE status = 'settled' AND settled_at > %(yesterday)s), 0)
FROM payouts WHERE id >= (SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()
  - make_interval(days => %(days)s)) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid)
GROUP BY 2, 3, 4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number with its list. `tone` is bad where somebody can act on it."""

    title: str
    value: str
    note: str
    url: str
    tone: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The payouts of the last days, by day and by what became of them."""

    today: date  # of the database: ids and times of creation never run ahead
    days: Mapping[date, Mapping[str, int]]
    settled: Mapping[str, Decimal]  # in the last 24 hours, per currency
    good: int  # settled in the last 24 hours
    ended: int


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """UNFOLD's DASHBOARD_CALLBACK."""
    now = clock.now()
    shown: dict[str, Any] = {"title": "Overview", "updated": now, "sections": [], "aside": []}
    if may_view(request, Payout):
        found, recent = counts(request), _recent(now)
        shown["tiles"] = _tiles(found, recent)
        shown["chart"] = _chart(recent)
        shown["sections"] = [_attention(), _money(found, recent)]
    if may_view(request, BankConnector):
        shown["aside"].append(health_section())
    if may_view(request, PayoutAlert):
        shown["aside"].append(_alerts(counts(request).alerts))
    return {**context, **shown}


def payouts_url(**filters: str) -> str:
    return reverse("admin:payouts_payout_changelist", query=filters or None)


def _tiles(found: Counts, recent: Recent) -> list[Tile]:
    dead, approvals, late = found.number("dlq"), found.number("requires_approval"), found.late
    share = f"{100 * recent.good / recent.ended:.1f} %" if recent.ended else "–"
    flying = " · ".join(
        f"{found.number(status)} {Status(status).label}" for status in IN_FLIGHT if found.number(status)
    )  # fmt: skip
    return [
        Tile(title="Success, 24 h", value=share, url=payouts_url(status="settled"),
             note=f"{recent.good} settled of {recent.ended} ended" if recent.ended else "nothing has ended yet"),
        Tile(title="In flight", value=str(found.number(*IN_FLIGHT)), note=flying or "nothing at a bank",
             url=payouts_url(status=",".join(IN_FLIGHT))),
        Tile(title="Needs a person", value=str(dead), note=_oldest(found, "dlq"), tone="bad" if dead else "none",
             url=reverse("admin:dead_letters")),
        Tile(title="Late and open", value=str(late), note="past what was promised" if late else "every promise kept",
             tone="wait" if late else "none", url=payouts_url(attention="late")),
        Tile(title="Waiting for approval", value=str(approvals), note=_oldest(found, "requires_approval"),
             tone="wait" if approvals else "none", url=payouts_url(status="requires_approval")),
    ]  # fmt: skip


def _oldest(found: Counts, status: str) -> str:
    oldest = found.oldest(status)
    return f"oldest {timesince(oldest, depth=2)}" if oldest else "none waits"


def _recent(now: datetime) -> Recent:
    with connection.cursor() as cursor:
        cursor.execute(RECENT, {"yesterday": now - timedelta(hours=24), "days": DAYS})
        rows = cursor.fetchall()
    days: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    settled: dict[str, Decimal] = defaultdict(Decimal)
    good = ended = 0
    today = now.date()
    for today, day, status, currency, number, over, amount in rows:  # noqa: B007
        days[day][status] += number
        settled[currency] += amount
        ended += over
        good += over if status == "settled" else 0
    return Recent(today=today, days=days, settled=settled, good=good, ended=ended)


def _chart(recent: Recent) -> Chart:
    days = [recent.today - timedelta(days=n) for n in reversed(range(DAYS))]
    return stacked([(f"{day:%-d %b}", recent.days.get(day, {})) for day in days])


def _money(found: Counts, recent: Recent) -> Section:
    totals = {place: found.amounts(statuses) for place, statuses in PLACES.items()}
    currencies = sorted(
        {c for sums in totals.values() for c in sums} | {c for c, n in recent.settled.items() if n}
    )
    return Section(
        title="Money by currency",
        model=Payout,
        headers=("currency", *PLACES, "settled, 24 h"),
        right=(*PLACES, "settled, 24 h"),
        rows=[
            (
                _list_link(currency, currency=currency),
                *(_sum(totals[place].get(currency), currency, PLACES[place]) for place in PLACES),
                _sum(recent.settled.get(currency), currency, ("settled",)),
            )
            for currency in currencies
        ],
        empty="No money is on its way",
    )


def _sum(total: Decimal | None, currency: str, statuses: tuple[str, ...]) -> SafeString:
    if not total:
        return looks.NO_MONEY
    return _list_link(looks.digits(total, currency), currency=currency, status=",".join(statuses))


def _list_link(text: str, **filters: str) -> SafeString:
    url = payouts_url(**filters)
    return format_html('<a class="ops-link ops-money" href="{}">{}</a>', url, text)


def _attention() -> Section:
    """Those that wait for a person longest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, v.status, v.amount, v.currency, v.rail, v.last_error_code, v.last_error, v.updated_at,"
            " t.name, (SELECT p.bank_connector_id FROM payouts p WHERE p.id = v.id)"
            " FROM v_payouts_needing_attention v LEFT JOIN tenants t ON t.id = v.tenant_id"
            " ORDER BY v.updated_at, v.id LIMIT %s",
            [ATTENTION_ROWS],
        )
        found = cursor.fetchall()
    labels = dict(Status.choices)
    more = format_html(
        '<a class="ops-link" href="{}">All of them</a>', payouts_url(attention="person")
    )
    return Section(
        title="Needs attention",
        model=Payout,
        headers=("payout", "amount", "status", "why", "for"),
        rows=[
            (
                pair(looks.reference("payout_id", key), tenant or ""),
                looks.amount(amount, currency),
                looks.badge(status, labels[status]),
                pair(bank_words.meaning(code, bank=bank) or message or rail, code),
                looks.age(since),
            )
            for key, status, amount, currency, rail, code, message, since, tenant, bank in found
        ],
        empty="Nothing waits for a person",
        note=more if len(found) == ATTENTION_ROWS else "",
    )


def _alerts(number: int) -> Section:
    found = PayoutAlert.objects.filter(resolved=False).order_by("-created_at")[:ALERT_ROWS]
    url = reverse("admin:payouts_payoutalert_changelist", query={"resolved__exact": "0"})
    more = format_html('<a class="ops-link" href="{}">All {}</a>', url, number)
    return Section(
        title="Open alerts",
        model=PayoutAlert,
        headers=("severity", "alert", "raised"),
        rows=[
            (
                looks.badge(a.severity),
                pair(
                    looks.link("payouts_payoutalert", a.pk, a.alert_type.replace("_", " ")),
                    a.message,
                ),
                looks.age(a.created_at),
            )
            for a in found
        ],
        empty="No open alerts",
        note=more if number > ALERT_ROWS else "",
    )
