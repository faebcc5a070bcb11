"""What happened to a payout, in order, grouped by attempt: who did it, why, and what the bank said in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ops import bank_words, looks
from ops.pages import SECTION_ROWS
from payouts.models import BankEvidence, Payout, PayoutAttempt, PayoutAuditLog

# Actions in words. The action itself stands beside, as the audit log has it.
DONE = {
    "payout.created": "Created, money held",
    "payout.requires_approval": "Created, waits for a second person",
    "payout.scheduled": "Scheduled",
    "payout.pending": "Due",
    "payout.processing": "A worker took it",
    "payout.sent": "The bank has it",
    "payout.in_doubt": "In doubt: the bank is asked",
    "payout.failed": "Did not go through, will be tried again",
    "payout.dlq": "Waits for a person",
    "payout.settled": "Settled",
    "payout.rejected": "Refused for good, money given back",
    "payout.cancelled": "Cancelled, money given back",
    "payout.returned": "Came back, money given back",
    "payout.reconciled": "Matched with the bank's statement",
    "payout.retry_requested": "A person made it due at once",
    "payout.give_up_requested": "A person asked to give it up, another one must, too",
    "payout.attested": "A person stated what the bank has written",
    "payout.recall_requested": "A person asked for the money back",
    "payout.recall_asked": "The bank was asked for the money",
    "payout.recall_accepted": "The bank agreed to give the money back",
    "payout.recall_refused": "The bank does not give the money back",
    "payout.cancel_requested": "A person asked to cancel it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: datetime
    tone: str
    what: object
    who: str | SafeString
    detail: object = ""


@dataclass(slots=True, kw_only=True)
class Chapter:
    """The events of one attempt; the first chapter is what came before any."""

    title: str
    state: SafeString | str = ""
    reference: object = ""
    begins: datetime | None = None
    events: list[Event] = field(default_factory=list)


def chapters(payout: Payout) -> tuple[list[Chapter], str]:
    """In order, and a word when there is more than is shown."""
    tries = list(PayoutAttempt.objects.filter(payout=payout).order_by("attempt_number"))
    said = list(BankEvidence.objects.filter(payout_id=payout.id).order_by("id")[: SECTION_ROWS + 1])
    done = PayoutAuditLog.objects.filter(payout_id=payout.id).order_by("sequence", "id")
    rows = list(done[: SECTION_ROWS + 1])
    found = [Chapter(title="Before the bank"), *(_chapter(attempt) for attempt in tries)]
    places = {attempt.id: chapter for attempt, chapter in zip(tries, found[1:], strict=True)}
    for row in rows[:SECTION_ROWS]:
        _at_the_time(found, row.created_at).events.append(
            _action(row, bank=payout.bank_connector_id)
        )
    for statement in said[:SECTION_ROWS]:
        of_attempt = places.get(statement.attempt_id) if statement.attempt_id else None
        chapter = of_attempt or _at_the_time(found, statement.recorded_at)
        chapter.events.append(_statement(statement))
    for chapter in found:
        chapter.events.sort(key=lambda event: event.at)
    more = max(len(rows), len(said)) > SECTION_ROWS
    note = f"The first {SECTION_ROWS}; there are more." if more else ""
    return [chapter for chapter in found if chapter.events or chapter.begins], note


def _chapter(attempt: PayoutAttempt) -> Chapter:
    sends = f", sent {attempt.sends} times" if attempt.sends > 1 else ""
    reference = looks.reference(
        "transmission_id", attempt.transmission_id, looks.code(attempt.reference)
    )
    return Chapter(
        title=f"Attempt {attempt.attempt_number} · {attempt.connector}:{attempt.rail}{sends}",
        state=looks.badge(attempt.state, attempt.get_state_display()),
        reference=reference,
        begins=attempt.created_at,
    )


def _at_the_time(found: Iterable[Chapter], moment: datetime) -> Chapter:
    """The last attempt that had begun; its own first row is written in the same transaction."""
    begun = [chapter for chapter in found if chapter.begins is None or chapter.begins <= moment]
    return begun[-1]


def _action(row: PayoutAuditLog, *, bank: UUID) -> Event:
    words = DONE.get(row.action, row.action)
    what = format_html("{} {}", words, looks.link("payouts_payoutauditlog", row.pk, row.action))
    code = str(row.data.get("code", "")) if isinstance(row.data, dict) else ""
    explained = bank_words.meaning(code or row.reason, bank=bank)
    detail = " · ".join(part for part in (row.reason, explained) if part)
    return Event(
        at=row.created_at,
        tone=looks.TONE_OF.get(row.to_status, "plain"),
        what=what,
        who=_who(row.actor, row.actor_role),
        detail=detail,
    )


def _who(actor: str, role: str) -> SafeString:
    """An id of Molam's is long: its start says who acted on this page, its whole is there to be pointed at."""
    shown = f"{actor[:8]}…" if len(actor) == 36 else actor
    title = f"{actor} ({role})"
    known = "" if role in ("", "system") else f" · {role}"
    return format_html('<span title="{}">{}{}</span>', title, shown, known)


def _statement(said: BankEvidence) -> Event:
    words = bank_words.meaning(said.code, bank=said.bank_connector_id) or said.detail
    told = (
        format_html('<span class="ops-code">{}</span> {}', said.code, words) if said.code else words
    )
    what = format_html(
        "Bank: {} {}",
        looks.badge(said.kind, said.kind.replace("_", " ")),
        looks.link("payouts_bankevidence", said.pk, said.source),
    )
    reference = said.bank_reference
    amount = looks.amount(said.amount, said.currency) if said.amount is not None else ""
    return Event(
        at=said.recorded_at,
        tone=looks.TONE_OF.get(said.effect, looks.TONE_OF.get(said.kind, "plain")),
        what=what,
        who=said.effect.replace("_", " "),
        detail=format_html("{} {} {}", told, amount, looks.code(reference) if reference else ""),
    )
