"""A payout from its creation to its end: what was decided, held, tried, said by the bank and booked.

One query for each section; the engine's own order, oldest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ledger.models import Entry
from ops import looks
from ops.pages import SECTION_ROWS, Section, leading, pair
from payouts.models import (
    BankEvidence,
    Payout,
    PayoutAlert,
    PayoutAttempt,
    PayoutAuditLog,
    PayoutHold,
    RoutingDecision,
)

# What a person should know about a status, in one line.
NEXT = {
    "requires_approval": "A second person has to approve it.",
    "scheduled": "It waits for its time.",
    "pending": "It is due: the next free worker takes it.",
    "processing": "A worker is telling the bank.",
    "in_doubt": "The bank may have it or not. It is asked under our reference; nothing is sent anew until it answers.",
    "sent": "The bank has it. It settles when the bank reports so.",
    "failed": "It did not go through and is tried again.",
    "dlq": "A person has to act. The money is still held.",
    "settled": "The money has arrived.",
    "rejected": "Refused for good. The merchant has the money back.",
    "cancelled": "Cancelled. The merchant has the money back.",
    "returned": "It came back from the bank. The merchant has the money back.",
}


def headline(payout: Payout) -> SafeString:
    return format_html(
        '<span class="ops-sum">{}</span> <span>to {} by {}</span> {} <span class="ops-muted">{}{}</span>',
        looks.amount(payout.amount, payout.currency),
        payout.beneficiary.name,
        payout.rail,
        looks.badge(payout.status, payout.get_status_display()),
        NEXT[payout.status],
        f" Next: {payout.next_retry_at:%H:%M:%S} UTC." if payout.next_retry_at else "",
    )


def sections(payout: Payout) -> Iterator[Section]:
    yield _hold(payout)
    yield _attempts(payout)
    yield _audit(payout)
    yield _evidence(payout)
    yield _ledger(payout)
    yield _routing(payout)
    yield _alerts(payout)


def _hold(payout: Payout) -> Section:
    holds = PayoutHold.objects.filter(payout=payout)
    return Section(
        title="Hold",
        model=PayoutHold,
        headers=("hold", "amount", "status", "held", "resolved", "expires"),
        rows=[
            (
                looks.reference("ledger_hold_id", h.id),
                looks.amount(h.hold_amount, h.currency),
                looks.badge(h.status, h.get_status_display()),
                looks.when(h.created_at),
                looks.when(h.resolved_at),
                looks.when(h.expires_at),
            )
            for h in holds
        ],
    )


def _attempts(payout: Payout) -> Section:
    tries = PayoutAttempt.objects.filter(payout=payout).order_by("attempt_number")
    return Section(
        title="Attempts",
        model=PayoutAttempt,
        headers=("#", "connector", "our reference", "state", "sends", "error", "bank reference", "begun", "changed"),
        right=(),
        rows=[
            (
                looks.reference("attempt_id", a.id, a.attempt_number),
                f"{a.connector} · {a.rail}",
                looks.reference("transmission_id", a.transmission_id, looks.code(a.reference)),
                looks.badge(a.state, a.get_state_display()),
                a.sends,
                error(a.error_code, a.error_message),
                looks.code(a.bank_reference) if a.bank_reference else looks.NOTHING,
                looks.when(a.created_at),
                looks.when(a.updated_at),
            )
            for a in tries
        ],
        empty="No bank was told yet",
    )  # fmt: skip


def _audit(payout: Payout) -> Section:
    rows = PayoutAuditLog.objects.filter(payout_id=payout.id).order_by("sequence", "id")
    shown, note = leading(rows[: SECTION_ROWS + 1])
    return Section(
        title="What happened",
        model=PayoutAuditLog,
        headers=("#", "when", "action", "from", "to", "who", "why"),
        rows=[
            (
                row.sequence,
                looks.when(row.created_at),
                looks.link("payouts_payoutauditlog", row.pk, row.action),
                looks.badge(row.from_status) if row.from_status else looks.NOTHING,
                looks.badge(row.to_status) if row.to_status else looks.NOTHING,
                pair(row.actor, row.actor_role),
                row.reason or looks.NOTHING,
            )
            for row in shown
        ],
        note=note,
    )


def _evidence(payout: Payout) -> Section:
    rows = BankEvidence.objects.filter(payout_id=payout.id).order_by("id")
    shown, note = leading(rows[: SECTION_ROWS + 1])
    return Section(
        title="What the bank said",
        model=BankEvidence,
        headers=("when", "source", "kind", "code", "amount", "value date", "reference", "effect", "detail"),
        rows=[
            (
                looks.when(e.recorded_at),
                looks.link("payouts_bankevidence", e.pk, e.source),
                looks.badge(e.kind),
                e.code or looks.NOTHING,
                looks.amount(e.amount, e.currency),
                looks.when(e.value_date),
                looks.code(e.bank_reference or e.reference),
                looks.badge(e.effect, e.effect.replace("_", " ")),
                e.detail or looks.NOTHING,
            )
            for e in shown
        ],
        note=note,
        empty="Nothing yet",
    )  # fmt: skip


def _ledger(payout: Payout) -> Section:
    legs = Entry.objects.filter(transfer__payout_id=payout.id).select_related("transfer", "account")
    return Section(
        title="Ledger",
        model=Entry,
        headers=("when", "transfer", "account", "amount"),
        rows=[
            (
                looks.when(leg.transfer.created_at),
                looks.reference("transfer_id", leg.transfer_id, looks.badge(leg.transfer.kind)),
                looks.reference("account_id", leg.account_id, looks.code(leg.account.name)),
                looks.amount(leg.amount, leg.currency),
            )
            for leg in legs.order_by("id")
        ],
    )


def _routing(payout: Payout) -> Section:
    decisions = RoutingDecision.objects.filter(payout_id=payout.id).order_by("decided_at", "id")
    return Section(
        title="Route",
        model=RoutingDecision,
        headers=("decided", "rail", "reason", "considered"),
        rows=[
            (
                looks.when(d.decided_at),
                looks.reference("routing_decision_id", d.id, d.rail),
                d.reason,
                candidates(d.candidates),
            )
            for d in decisions
        ],
    )


def _alerts(payout: Payout) -> Section:
    alerts = PayoutAlert.objects.filter(payout_id=payout.id).order_by("created_at", "id")
    return Section(
        title="Alerts",
        model=PayoutAlert,
        headers=("raised", "alert", "severity", "message", "state"),
        rows=[
            (
                looks.when(a.created_at),
                looks.link("payouts_payoutalert", a.pk, a.alert_type),
                looks.badge(a.severity),
                a.message,
                resolution(a),
            )
            for a in alerts
        ],
    )


def error(code: str, message: str) -> SafeString:
    if not code and not message:
        return looks.NOTHING
    return format_html('{}<span class="ops-second">{}</span>', code, message)


def candidates(considered: list[dict[str, Any]]) -> SafeString:
    """Each connection that was looked at, and why it could not carry the payout."""
    lines = ((c.get("connector", "?"), c.get("refused") or "able") for c in considered)
    return format_html_join("", '<div>{} <span class="ops-muted">{}</span></div>', lines)


def resolution(alert: PayoutAlert) -> SafeString:
    if not alert.resolved:
        return looks.badge("late", "open")
    who = f"{alert.resolved_by}: {alert.resolution}".strip(": ")
    return format_html('{}<span class="ops-second">{}</span>', looks.badge("resolved"), who)
