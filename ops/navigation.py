"""The sidebar and the saved views. A link is there for those who may look at what it leads to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy

from ops.counts import ATTENTION, IN_FLIGHT, Counts, counts
from ops.listing import Tab

PAYOUTS = "admin:payouts_payout_changelist"
GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("Set up", (
        ("Batch schedules", "calendar_month", "payouts.batchschedule"),
        ("Service levels", "timer", "payouts.payoutslarule"),
        ("Merchants", "storefront", "payouts.tenant"),
        ("Beneficiaries", "group", "payouts.beneficiary"),
        ("Their accounts", "credit_card", "payouts.beneficiaryaccount"),
    )),
    ("Bank traffic", (
        ("Attempts", "replay", "payouts.payoutattempt"),
        ("Transmissions", "upload_file", "payouts.banktransmission"),
        ("Documents", "description", "payouts.bankdocument"),
        ("Evidence", "fact_check", "payouts.bankevidence"),
        ("Routing decisions", "alt_route", "payouts.routingdecision"),
        ("Routing statistics", "query_stats", "payouts.routingstatistic"),
        ("Number sequences", "tag", "payouts.banksequence"),
    )),
    ("Ledger", (
        ("Holds", "lock", "payouts.payouthold"),
        ("Balances", "account_balance_wallet", "ledger.balance"),
        ("Accounts", "folder", "ledger.account"),
        ("Transfers", "swap_horiz", "ledger.transfer"),
        ("Entries", "receipt_long", "ledger.entry"),
    )),
    ("Records", (
        ("Batch items", "list", "payouts.payoutbatchitem"),
        ("Connector state", "monitor_heart", "payouts.bankconnectorstate"),
        ("Idempotency keys", "key", "payouts.idempotencykey"),
        ("Sandbox clock", "schedule", "payouts.sandboxclock"),
    )),
    ("Logins", (
        ("People", "person", "auth.user"),
        ("Groups", "badge", "auth.group"),
    )),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    groups = [
        {
            "title": title,
            "collapsible": True,
            "items": [_item(*item) for item in items if _may(request, item[2])],
        }
        for title, items in GROUPS
    ]
    return [{"items": _day(request)}, *(group for group in groups if group["items"])]


def _day(request: HttpRequest) -> list[dict[str, Any]]:
    """A day's work, with how much of it waits."""
    items = [{"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")}]
    if _may(request, "payouts.payout"):
        found, status = counts(request), request.GET.get("status")
        here = request.path == reverse(PAYOUTS)
        dead = reverse("admin:dead_letters")
        items += [
            _link("Payouts", "payments", reverse(PAYOUTS), active=request.path.startswith(reverse(PAYOUTS))
                  and request.path != dead and not (here and status == "requires_approval")),
            _link("Needs a person", "inbox", dead, active=request.path == dead,
                  badge=found.number("dlq"), variant="danger"),
            _link("Approvals", "how_to_reg", f"{reverse(PAYOUTS)}?status=requires_approval",
                  active=here and status == "requires_approval",
                  badge=found.number("requires_approval"), variant="warning"),
        ]  # fmt: skip
    if _may(request, "payouts.payoutalert"):
        url = reverse("admin:payouts_payoutalert_changelist")
        waiting = counts(request).alerts
        active = request.path.startswith(url)
        link = f"{url}?resolved__exact=0"
        items.append(
            _link("Alerts", "notifications", link, active=active, badge=waiting, variant="danger")
        )
    plain = (
        ("Banks", "account_balance", "payouts.bankconnector"),
        ("Batches", "event_repeat", "payouts.payoutbatch"),
        ("Audit log", "history", "payouts.payoutauditlog"),
    )
    return items + [_item(*item) for item in plain if _may(request, item[2])]


def _link(
    title: str, icon: str, link: str, *, active: bool, badge: int = 0, variant: str = ""
) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": title, "icon": icon, "link": link, "active": active}
    if badge:
        shown |= {"badge": str(badge), "badge_variant": variant}
    return shown


def _may(request: HttpRequest, label: str) -> bool:
    app, model = label.split(".")
    return request.user.has_perm(f"{app}.view_{model}")


def _item(title: str, icon: str, label: str) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{label.replace('.', '_')}_changelist")
    return {"title": title, "icon": icon, "link": link}


def payout_tabs(request: HttpRequest) -> list[Tab]:
    """The views that a day is spent in; counted where an index holds them."""
    found: Counts = counts(request)
    url, asked = reverse(PAYOUTS), request.GET
    views: tuple[tuple[str, dict[str, str], int | None, bool], ...] = (
        ("All", {}, None, False),
        ("Needs attention", {"attention": "person"}, found.number(*ATTENTION), False),
        ("In flight", {"status": ",".join(IN_FLIGHT)}, found.number(*IN_FLIGHT), False),
        ("Will retry", {"status": "failed"}, found.number("failed"), False),
        ("Needs a person", {"status": "dlq"}, found.number("dlq"), True),
        ("To approve", {"status": "requires_approval"}, found.number("requires_approval"), False),
        ("Late", {"attention": "late"}, found.late, True),
    )
    shown = {k: v for k, v in asked.items() if k in ("status", "attention")}
    return [
        Tab(
            title=title,
            url=reverse(PAYOUTS, query=query) if query else url,
            count=number,
            alarm=alarm,
            active=shown == query,
        )
        for title, query, number, alarm in views
    ]
