"""Money asked back: what a bank says to it at once, and what the receiver's bank does with it later.

Whether a recall can be passed on is decided here, for every rail alike; formats, codes and time limits
are the rail's. What is passed on ends in a return, or in a report that the money is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from connectors.bank_simulator.book import Book
from connectors.bank_simulator.faults import FaultBoard
from connectors.bank_simulator.payments import Payment, RecallWish, Reply, State
from connectors.bank_simulator.rail import TakesRecalls

SILENT = "SILENT"  # Who has the money is asked, and never answers.

# Why a recall goes no further. A rail names each in its own code.
WHY_NOT: Mapping[str, str] = {
    "unknown": "there is no such payment",
    "refused": "the payment was refused",
    "amount": "the payment is of another amount",
    "returned": "the money is back, or on its way",
    "late": "too long ago",
    "asked": "it was asked for before",
    "kept": "who has it does not give it back",
}


def receive(
    book: Book, faults: FaultBoard, *, bank: str, rail: TakesRecalls, wish: RecallWish
) -> Reply:
    """Answer a recall; one that was seen before is answered as it was then."""
    with book.lock:
        key = f"recall:{wish.key}"
        known = book.messages.get((bank, key))
        if known is not None and known.digest == wish.digest:
            return known.reply
        now = book.clock.now()
        if known is not None:
            detail = "used before with other content"
            return rail.recall_answer(wish, refusal=rail.duplicate_code, detail=detail, now=now)
        if wish.refusal:
            return rail.recall_answer(wish, refusal=wish.refusal, detail=wish.detail, now=now)
        payment = _payment(book, bank, wish)
        why_not = _why_not(book, rail, wish, payment, now)
        keeps = _keeps(faults, rail, payment)
        if keeps and not why_not:
            why_not = "kept"
        code, detail = rail.recall_refusals.get(why_not, ""), WHY_NOT.get(why_not, "")
        if why_not == "kept" and code:  # Where the answer says so at once.
            code = keeps
        reply = rail.recall_answer(wish, refusal=code, detail=detail, now=now)
        event = {"event": "recalled", "bank": bank, "key": key, "digest": wish.digest}
        book.commit(
            {**event, "reply": reply.to_json(), **_fate(rail, wish, payment, code, keeps, now)}
        )
        return reply


def _payment(book: Book, bank: str, wish: RecallWish) -> Payment | None:
    payment_id = wish.payment_id or book.by_reference.get((bank, wish.reference), 0)
    payment = book.payments.get(payment_id)
    return payment if payment is not None and payment.bank == bank else None


def _keeps(faults: FaultBoard, rail: TakesRecalls, payment: Payment | None) -> str:
    """The code with which who has the money keeps it, or nothing."""
    if payment is None or payment.state is State.RETURNED:
        return ""
    fault = faults.take("refuse_recall", rail.name)
    return payment.details.get("keeps", "") or ((fault.code or rail.kept_code) if fault else "")


def _why_not(
    book: Book, rail: TakesRecalls, wish: RecallWish, payment: Payment | None, now: datetime
) -> str:
    if payment is None:
        return "unknown"
    if payment.state is State.REJECTED or payment.late_code:
        return "refused"
    named = (wish.amount, wish.currency)
    if wish.amount is not None and named != (payment.amount, payment.currency):
        return "amount"
    if payment.state is State.RETURNED or payment.return_code:
        return "returned"
    if (payment.id, "recall_refused") in book.notes:
        return "asked"
    settled_at = payment.settles_at or now
    return "late" if now > rail.recall_until(settled_at, wish) else ""


def _fate(
    rail: TakesRecalls,
    wish: RecallWish,
    payment: Payment | None,
    refusal: str,
    keeps: str,
    now: datetime,
) -> dict[str, object]:
    """What the receiver's bank will do with it, and when. Nothing with what was refused here."""
    if refusal or payment is None or payment.state is State.RETURNED:
        return {"payment": None, "kind": "", "due": "", "note": {}}
    settled_at = payment.settles_at or now
    return {
        "payment": payment.id,
        "says_yes": now.isoformat() if rail.says_yes and not keeps else "",
        "kind": "recall_refused" if keeps else "returned",
        "due": "" if keeps == SILENT else rail.recalled_at(max(now, settled_at)).isoformat(),
        "note": {"code": keeps or rail.recall_code, **wish.details},
    }
