"""The sidebar. A link is there for those who may look at what it leads to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("Payouts", (
        ("Payouts", "payments", "payouts.payout"),
        ("Alerts", "notifications", "payouts.payoutalert"),
        ("Batches", "event_repeat", "payouts.payoutbatch"),
        ("Batch items", "list", "payouts.payoutbatchitem"),
        ("Holds", "lock", "payouts.payouthold"),
        ("Audit log", "history", "payouts.payoutauditlog"),
    )),
    ("Banks", (
        ("Connectors", "account_balance", "payouts.bankconnector"),
        ("Connector state", "monitor_heart", "payouts.bankconnectorstate"),
        ("Attempts", "replay", "payouts.payoutattempt"),
        ("Transmissions", "upload_file", "payouts.banktransmission"),
        ("Documents", "description", "payouts.bankdocument"),
        ("Evidence", "fact_check", "payouts.bankevidence"),
        ("Number sequences", "tag", "payouts.banksequence"),
    )),
    ("Ledger", (
        ("Balances", "account_balance_wallet", "ledger.balance"),
        ("Accounts", "folder", "ledger.account"),
        ("Transfers", "swap_horiz", "ledger.transfer"),
        ("Entries", "receipt_long", "ledger.entry"),
    )),
    ("Who", (
        ("Merchants", "storefront", "payouts.tenant"),
        ("Beneficiaries", "group", "payouts.beneficiary"),
        ("Their accounts", "credit_card", "payouts.beneficiaryaccount"),
    )),
    ("Rules", (
        ("Batch schedules", "calendar_month", "payouts.batchschedule"),
        ("Service levels", "timer", "payouts.payoutslarule"),
        ("Routing decisions", "alt_route", "payouts.routingdecision"),
        ("Idempotency keys", "key", "payouts.idempotencykey"),
        ("Sandbox clock", "schedule", "payouts.sandboxclock"),
    )),
    ("Logins", (
        ("People", "person", "auth.user"),
        ("Groups", "badge", "auth.group"),
    )),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse_lazy("admin:index")}
    groups = [
        {
            "title": title,
            "collapsible": title not in ("Payouts", "Banks"),
            "items": [_item(*item) for item in items if _may(request, item[2])],
        }
        for title, items in GROUPS
    ]
    return [{"items": [overview]}, *(group for group in groups if group["items"])]


def _may(request: HttpRequest, label: str) -> bool:
    app, model = label.split(".")
    return request.user.has_perm(f"{app}.view_{model}")


def _item(title: str, icon: str, label: str) -> dict[str, Any]:
    link = reverse_lazy(f"admin:{label.replace('.', '_')}_changelist")
    return {"title": title, "icon": icon, "link": link}
