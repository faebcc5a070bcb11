"""A payout's page: what happens next, how far it is, and what was decided, held, booked and routed.

One query for each section. What happened, in order, is `timeline`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from ledger.models import Entry
from ops import bank_words, looks
from ops.counts import OPEN
from ops.pages import Section, pair
from payouts import reasons
from payouts.models import BankRecall, Payout, PayoutAlert, PayoutHold, RoutingDecision

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


def headline(payout: Any) -> SafeString:
    return format_html(
        '<p class="ops-head"><span class="ops-sum">{}</span> {} {}</p>'
        '<p>to <strong>{}</strong> · {} …{} · {} by {} · for {}</p><p class="ops-next">{}</p>',
        looks.amount(payout.amount, payout.currency),
        looks.badge(payout.status, payout.get_status_display()),
        looks.badge("late") if payout.sla_violated and payout.status in OPEN else "",
        payout.beneficiary.name,
        payout.beneficiary_account.type,
        payout.beneficiary_account.last4,
        payout.rail,
        payout.connector or "",
        payout.tenant or looks.short(payout.tenant_id),
        next_words(payout),
    )


def next_words(payout: Payout) -> SafeString:
    """What happens next, by itself or by a person, with the time where there is one."""
    more: object = ""
    if payout.status == "failed" and payout.next_retry_at:
        tries = f"{payout.retry_count} of {payout.max_retries}"
        more = format_html("Retry {} at {}.", tries, looks.when(payout.next_retry_at))
        if (
            reasons.find(payout.last_error_code, bank=payout.bank_connector_id).reaction
            == "fund_first"
        ):
            helps = bank_words.remedy(payout.last_error_code, bank=payout.bank_connector_id)
            at = looks.when(payout.next_retry_at)
            more = format_html("It is sent again at {}. <strong>{}</strong>", at, helps)
    elif payout.status == "scheduled" and payout.scheduled_at:
        more = format_html("It goes at {}.", looks.when(payout.scheduled_at))
    elif payout.status == "requires_approval" and payout.hold.expires_at:
        more = format_html(
            "Unless somebody does, it is cancelled at {}.", looks.when(payout.hold.expires_at)
        )
    elif payout.status in ("sent", "pending", "processing"):
        more = format_html("Promised for {}.", looks.when(payout.sla_target_settlement_date))
    elif payout.status == "dlq":
        more = told_code(payout, payout.last_error_code)
        helps = bank_words.remedy(payout.last_error_code, bank=payout.bank_connector_id)
        more = format_html("{} <strong>{}</strong>", more, helps)
        if payout.give_up_requested_by:
            asked = looks.code(payout.give_up_requested_by)
            more = format_html("{} {} asked to give it up: another person must, too.", more, asked)
    elif payout.status == "settled" and payout.settlement_final_at:
        more = format_html("It may come back until {}.", looks.when(payout.settlement_final_at))
    elif payout.status in ("rejected", "returned"):
        more = told_code(payout, payout.return_code or payout.last_error_code)
    if payout.recall_status not in ("none", "returned"):
        more = format_html("{} Recall: {}.", more, payout.get_recall_status_display())
    if payout.cancel_requested_at and payout.status in OPEN:
        more = format_html(
            "{} Its cancellation was asked for: it follows if the bank refuses it.", more
        )
    return format_html("<strong>Next:</strong> {} {}", NEXT[payout.status], more)


def told_code(payout: Payout, code: str) -> SafeString:
    """A code with its words; the bank's own words where we have none."""
    if not code and not payout.last_error:
        return format_html("{}", "")
    words = bank_words.meaning(code, bank=payout.bank_connector_id) or payout.last_error
    return format_html('<span class="ops-code">{}</span> {}.', code or "no code", words.rstrip("."))


def why(payout: Payout) -> str:
    """Under the status in a list: the last error of what is not well."""
    if payout.status not in ("failed", "dlq", "in_doubt", "rejected", "returned"):
        return ""
    code = payout.return_code or payout.last_error_code
    words = bank_words.meaning(code, bank=payout.bank_connector_id) or payout.last_error
    return f"{code} {words}".strip()


def promise(payout: Payout, now: datetime) -> SafeString:
    """The service level as a person counts: due in, late by, kept."""
    target = payout.sla_target_at
    if payout.status not in OPEN:
        kept = payout.status == "settled" and not payout.sla_violated
        return (
            looks.badge("on time", "kept")
            if kept
            else looks.badge("late")
            if payout.sla_violated
            else looks.NOTHING
        )
    if payout.sla_violated or target < now:
        return pair(looks.badge("late"), f"by {timesince(target, now, depth=1)}")
    return format_html(
        '<span title="{} UTC">due in {}</span>',
        f"{target:%Y-%m-%d %H:%M}",
        timesince(now, target, depth=1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of the way: `state` is done, here, bad or ahead."""

    title: str
    at: datetime | None
    state: str


def steps(payout: Payout) -> list[Step]:
    """How far it is. Where it ended badly, or waits for a person, that is the last step."""
    way: list[tuple[str, datetime | None]] = [("Created", payout.created_at)]
    if payout.approved_at or payout.status == "requires_approval":
        way.append(("Approved", payout.approved_at))
    way += [
        ("Bank is told", payout.processing_started_at),
        ("Bank has it", payout.sent_at),
        ("Settled", payout.settled_at),
    ]
    ended = {
        "rejected": payout.rejected_at, "cancelled": payout.cancelled_at, "returned": payout.returned_at,
        "dlq": payout.updated_at, "failed": payout.failed_at, "in_doubt": payout.updated_at,
    }  # fmt: skip
    if payout.status in ended:
        reached = [step for step in way if step[1]]
        found = [Step(title=title, at=at, state="done") for title, at in reached]
        label = str(payout.get_status_display()).capitalize()
        return [*found, Step(title=label, at=ended[payout.status], state="bad")]
    last = max(n for n, (_, at) in enumerate(way) if at)
    here = len(way) if payout.status == "settled" else last
    states = ["done" if n < here else "here" if n == here else "ahead" for n in range(len(way))]
    return [
        Step(title=title, at=at, state=state)
        for (title, at), state in zip(way, states, strict=True)
    ]


def sections(payout: Payout) -> Iterator[Section]:
    yield _hold(payout)
    if payout.recall_status != "none":
        yield _recalls(payout)
    yield _ledger(payout)
    yield _routing(payout)
    yield _alerts(payout)


def _hold(payout: Payout) -> Section:
    return Section(
        title="Hold",
        model=PayoutHold,
        headers=("hold", "amount", "status", "held", "resolved", "expires"),
        rows=[
            (
                looks.reference("ledger_hold_id", h.id),
                looks.amount(h.hold_amount, h.currency),
                looks.badge(h.status, h.get_status_display()),
                looks.moment(h.created_at),
                looks.moment(h.resolved_at),
                looks.moment(h.expires_at),
            )
            for h in [payout.hold]
        ],
    )


def _recalls(payout: Payout) -> Section:
    recalls = BankRecall.objects.filter(payout_id=payout.id).order_by("id")
    return Section(
        title="Recall",
        model=BankRecall,
        headers=("asked for", "reference", "why", "state", "bank asked", "answered"),
        rows=[
            (
                pair(looks.moment(r.created_at), r.requested_by),
                looks.code(r.reference),
                pair(r.reason.replace("_", " "), r.detail),
                pair(looks.badge(r.state, r.get_state_display()), r.code),
                pair(looks.moment(r.asked_at), f"{r.asks} times" if r.asks > 1 else ""),
                looks.moment(r.answered_at),
            )
            for r in recalls
        ],
    )


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
        headers=("decided", "why", "considered"),
        rows=[
            (
                looks.when(d.decided_at),
                pair(looks.reference("routing_decision_id", d.id, d.reason), _foretold(d)),
                candidates(d.candidates),
            )
            for d in decisions
        ],
    )


def _foretold(decision: RoutingDecision) -> str:
    told = [f"by {decision.source}"]
    if decision.score is not None:
        told.append(f"success {decision.score:.1%}")
    if decision.predicted_settlement_at:
        told.append(f"there by {decision.predicted_settlement_at:%Y-%m-%d %H:%M}")
    return " · ".join(told)


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
    """Each connection that was looked at: why not, or what it costs and how well it does."""
    lines = ((c.get("connector", "?"), _judged(c)) for c in considered)
    return format_html_join("", '<div>{} <span class="ops-muted">{}</span></div>', lines)


def _judged(candidate: dict[str, Any]) -> str:
    if candidate.get("refused"):
        return str(candidate["refused"]).replace("_", " ")
    told = [
        f"{name} {candidate[name]}" for name in ("cost", "success", "score") if candidate.get(name)
    ]
    return " · ".join(told) or "able"


def resolution(alert: PayoutAlert) -> SafeString:
    if not alert.resolved:
        return looks.badge("late", "open")
    who = f"{alert.resolved_by}: {alert.resolution}".strip(": ")
    return format_html('{}<span class="ops-second">{}</span>', looks.badge("resolved"), who)
