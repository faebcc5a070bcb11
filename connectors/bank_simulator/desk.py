"""The bank's desk: decides on submissions, answers inquiries, and does what falls due.

Every decision is one line in the journal, holding the payments, the answer and the record together:
there is no moment at which a payment is booked and its answer unknown, or the other way round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.bank_simulator.book import NOTES, Book, Message
from connectors.bank_simulator.faults import FaultBoard
from connectors.bank_simulator.flights import Flights
from connectors.bank_simulator.magic import Magic, Outcome
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    Reply,
    State,
    Submission,
)
from connectors.bank_simulator.postman import Postman
from connectors.bank_simulator.rail import Incoming, Rail, TakesRecalls
from connectors.bank_simulator.rails import rail_of
from connectors.bank_simulator.scheme_clock import value_date

log = logging.getLogger("bank_simulator")

LATE_REFUSAL_SECONDS = 2.0
DECIDED_SECONDS = 0.3
REPORT_SIZE = 1000
WRONG_BY = Decimal("1.00")


@dataclass(slots=True, kw_only=True)
class _Decision:
    """What is decided about a submission while its journal line is put together."""

    payments: list[Payment] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    refused_once: list[str] = field(default_factory=list)
    unanswered: bool = False
    forgetful: bool = False  # The fault `no_dedup` hit the whole message.


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to a submission, and whether a magic account wants it never to arrive."""

    reply: Reply
    unanswered: bool = False


class Desk:
    """Verbs of the bank. Each takes the book's lock for as long as it decides and writes."""

    def __init__(self, book: Book, faults: FaultBoard, postman: Postman) -> None:
        self.book = book
        self.faults = faults
        self.postman = postman
        self.flights = Flights()

    def receive(self, bank: str, rail: Rail, submission: Submission) -> Receipt:
        """Decide on a message or file; one that was seen before is answered as it was then."""
        with self.book.lock:
            known = self.book.messages.get((bank, submission.key)) if submission.key else None
            decision = _Decision()
            if known is not None:
                decision.forgetful = self._forgets(rail) and not known.refused_whole
                if not decision.forgetful:
                    return self._repeat(rail, submission, known)
            if submission.refusal:
                return self._refuse_whole(bank, rail, submission)
            for order in submission.orders:
                self._decide(decision, order, bank=bank, rail=rail, key=submission.key)
            reply = rail.answer(
                submission.key,
                self._mentioned(rail, decision.lines),
                report_id=self._answer_id(bank),
                now=self.book.clock.now(),
                today=False,
            )
            self._commit_answer(bank, submission, reply, decision)
            return Receipt(reply=reply, unanswered=decision.unanswered)

    def _mentioned(self, rail: Rail, lines: Sequence[Line]) -> list[Line]:
        """What an answer speaks of: all of a message's payments, unless a fault swallows some."""
        return [line for line in lines if not self.faults.take("unmentioned", rail.name)]

    def _forgets(self, rail: Rail) -> bool:
        """Whether this bank has just lost its memory of what it was sent, or never had one."""
        return not rail.remembers or self.faults.take("no_dedup", rail.name) is not None

    def _repeat(self, rail: Rail, submission: Submission, known: Message) -> Receipt:
        """The same bytes hear the same answer; other bytes under a used key are refused."""
        if known.digest == submission.digest:
            return Receipt(reply=rail.repeat(known.reply))
        detail = "used before with other content"
        reply = rail.refusal(
            submission.key,
            code=rail.duplicate_code,
            detail=detail,
            report_id=f"DUPL-{time.time_ns()}",
            now=self.book.clock.now(),
        )
        return Receipt(reply=reply)

    def _refuse_whole(self, bank: str, rail: Rail, submission: Submission) -> Receipt:
        reply = rail.refusal(
            submission.key,
            code=submission.refusal,
            detail=submission.detail,
            report_id=self._answer_id(bank),
            now=self.book.clock.now(),
        )
        if submission.key:
            self._commit_answer(bank, submission, reply, _Decision())
        return Receipt(reply=reply)

    def _answer_id(self, bank: str) -> str:
        return f"{bank.replace('/', '-').upper()}-{self.book.answers + 1:010d}"

    def _commit_answer(
        self, bank: str, submission: Submission, reply: Reply, decision: _Decision
    ) -> None:
        self.book.commit(
            {
                "event": "answered",
                "bank": bank,
                "key": submission.key,
                "digest": submission.digest,
                "refused_whole": bool(submission.refusal),
                "payments": [payment.to_json() for payment in decision.payments],
                "lines": [[line.payment.id, line.group, line.position] for line in decision.lines],
                "refused_once": decision.refused_once,
                "reply": reply.to_json(),
            }
        )

    def _decide(
        self, decision: _Decision, order: Order, *, bank: str, rail: Rail, key: str
    ) -> None:
        """Recognise a payment or decide on it, and put its line on the answer."""
        known_id = self.book.by_reference.get((bank, order.reference)) if order.reference else None
        if known_id is not None and not (decision.forgetful or self._forgets(rail)):
            payment = self.book.payments[known_id]
        else:
            payment = self._payment(decision, order, bank=bank, rail=rail, key=key)
            decision.payments.append(payment)
        wrong = self.faults.take("wrong_amount", rail.name)
        line = Line(
            payment=payment,
            group=order.group,
            position=order.position,
            shown_amount=payment.amount + (WRONG_BY if wrong else 0),
        )
        decision.lines.append(line)

    def _payment(
        self, decision: _Decision, order: Order, *, bank: str, rail: Rail, key: str
    ) -> Payment:
        """A new payment with its fate: what its account, the faults and the calendar make of it."""
        number = self.book.next_payment_id() + len(decision.payments)
        magic = rail.magic(order)
        refusal = order.refusal or self._refusal(decision, order, magic, rail)
        second_thoughts = ""
        if refusal and rail.decides_later and not order.refusal:
            refusal, second_thoughts = "", refusal
        accepted = not refusal
        outcome = magic.outcome if magic and accepted else None
        if magic and outcome is Outcome.REFUSED_LATE:
            second_thoughts = magic.code
        late = bool(second_thoughts)
        unposted = outcome is Outcome.UNPOSTED
        settles_at = None
        now = self.book.clock.now()
        wanted_on = rail.wanted_on(order, now)
        if accepted and not late and not unposted and wanted_on is not None:
            settles_at = rail.settles_at(now, wanted_on)
        decision.unanswered |= outcome is Outcome.UNANSWERED
        verdict = State.ACCEPTED if accepted else State.REJECTED
        return Payment(
            id=number,
            bank=bank,
            rail=rail.name,
            reference=order.reference,
            payout_id=order.payout_id,
            amount=order.amount,
            currency=order.currency,
            account_last4=order.account[-4:],
            bank_reference=f"{rail.name.upper()}{number:012d}",
            message_key=key,
            group=order.group,
            position=order.position,
            details={**order.details, **_remembered(magic, outcome)},
            verdict=verdict,
            code=refusal,
            state=verdict,
            settles_at=settles_at,
            return_code=self._return_code(magic, outcome, rail) if settles_at else "",
            late_code=second_thoughts,
            late_at=time.time() + self._patience(rail, outcome) if late else 0.0,
        )

    def _patience(self, rail: Rail, outcome: Outcome | None) -> float:
        """After how many seconds a refusal is told that the answer did not tell."""
        late = outcome is Outcome.REFUSED_LATE or not rail.decides_later
        return LATE_REFUSAL_SECONDS if late else DECIDED_SECONDS

    def _refusal(self, decision: _Decision, order: Order, magic: Magic | None, rail: Rail) -> str:
        """The code with which the account or a fault has a flawless payment refused, or nothing."""
        if magic and magic.outcome is Outcome.REFUSED:
            return magic.code
        if magic and magic.outcome is Outcome.REFUSED_ONCE and not self._tried(decision, order):
            decision.refused_once.append(order.payout_id)
            return magic.code
        fault = self.faults.take("reject", rail.name)
        return (fault.code or rail.default_code) if fault else ""

    def _tried(self, decision: _Decision, order: Order) -> bool:
        """Whether a payout to the account that refuses once has had its refusal."""
        tried = (self.book.refused_once, decision.refused_once)
        return any(order.payout_id in payout_ids for payout_ids in tried)

    def _return_code(self, magic: Magic | None, outcome: Outcome | None, rail: Rail) -> str:
        """The code with which a payment will come back after it has settled, or nothing."""
        if magic and outcome is Outcome.RETURNED:
            return magic.code
        fault = self.faults.take("return", rail.name)
        return (fault.code or rail.default_code) if fault else ""

    def inquire(self, bank: str, rail: Rail, key: str, request: Incoming) -> Reply | None:
        """A message's payments as they stand today, or None when it was never received."""
        with self.book.lock:
            message = self.book.messages.get((bank, key))
            if message is None and self.flights.has(bank, key):
                return rail.in_flight()
            if message is None or message.refused_whole:
                return message.reply if message else None
            lines = self.book.lines_of(message)
            self.postman.post(bank, rail, rail.answers_later(request, lines))
            return rail.answer(
                key,
                lines,
                report_id=f"STS-{time.time_ns()}",
                now=self.book.clock.now(),
                today=True,
            )

    def reports(self, bank: str, rail: Rail, after: int) -> Sequence[Document]:
        """The documents with an id above `after`; none while the fault `silent` is on."""
        with self.book.lock:
            documents = self.book.feeds[bank].published[after:]
        if documents and self.faults.take("silent", rail.name):
            return []
        return documents

    def records(self, since: int) -> list[dict[str, Any]]:
        """The rows of the record after a sequence number."""
        with self.book.lock:
            return self.book.record[max(since, 0) :]

    def advance(self, seconds: float) -> None:
        """Move the scheme's clock. It never goes back."""
        with self.book.lock:
            offset = self.book.clock.offset_seconds + seconds
            self.book.commit({"event": "clock", "offset_seconds": offset})

    def tell_first(self, bank: str, seconds: float) -> None:
        """Settle what can be settled, and have the customer told of it before going on."""
        self.run_due()
        self.postman.flush(bank, seconds)

    def run_due(self) -> None:
        """Do everything that is due by now, one report at a time, letting requests in between."""
        while self._refuse_late() or self._report_round():
            pass
        self._release_held()

    def _report_round(self) -> bool:
        """One report for each bank that has something due. False when none has."""
        reported = [self._report_next(bank) for bank in list(self.book.due)]
        return any(reported)

    def _report_next(self, bank: str) -> bool:
        """Settle or return what is due next at a bank, in one report. False when nothing is."""
        with self.book.lock:
            group = self.book.take_due(bank, most=REPORT_SIZE)
            if not group:
                return False
            moment, _, kind = group[0]
            payments = [self.book.payments[payment_id] for _, payment_id, _ in group]
            rail = _rail(bank)
            number = self.book.feeds[bank].written + 1
            try:
                document = self._report(rail, kind, payments, number=number, moment=moment)
                self._commit_report(kind, rail, document, payments=payments, moment=moment)
            except Exception:
                self.book.put_back(bank, group)
                raise
        return True

    def _report(
        self, rail: Rail, kind: str, payments: Sequence[Payment], *, number: int, moment: datetime
    ) -> Document:
        now, day = self.book.clock.now(), value_date(rail.name, moment)
        if kind in NOTES and isinstance(rail, TakesRecalls):
            notes = [(payment, self.book.notes[payment.id, kind]) for payment in payments]
            return rail.note(kind, notes, number=number, now=now, day=day)
        write = rail.settlement if kind == "settled" else rail.returned
        return write(payments, number=number, now=now, day=day)

    def _refuse_late(self) -> bool:
        """Refuse by report what was accepted before. False when nothing is due."""
        with self.book.lock:
            groups = self.book.late_due()
            for (bank, key), payment_ids in groups.items():
                payments = [self.book.payments[payment_id] for payment_id in payment_ids]
                rail = _rail(bank)
                lines = self.book.lines_of(self.book.messages[bank, key])
                number = self.book.feeds[bank].written + 1
                document = rail.late_refusal(
                    key, _as_refused(lines, payment_ids), number=number, now=self.book.clock.now()
                )
                moment = datetime.now(UTC)
                self._commit_report(
                    "refused_late", rail, document, payments=payments, moment=moment
                )
        return bool(groups)

    def _commit_report(
        self,
        kind: str,
        rail: Rail,
        document: Document,
        *,
        payments: Sequence[Payment],
        moment: datetime,
    ) -> None:
        bank = payments[0].bank
        held = bool(self.book.feeds[bank].held)
        hold = not held and self.faults.take("reordered_reports", rail.name) is not None
        copies = 2 if not hold and self.faults.take("duplicate_report", rail.name) else 1
        self.book.commit(
            {
                "event": kind,
                "bank": bank,
                "payments": [payment.id for payment in payments],
                "moment": moment.isoformat(),
                "document": {"type": document.type, "content": document.squeezed},
                "hold": hold,
                "copies": copies,
            }
        )
        if kind in NOTES:
            return
        state = State.REJECTED if kind == "refused_late" else State(kind)
        told = rail.notices(payments, state, now=self.book.clock.now())
        held_s = self.faults.seconds_of("reordered_reports", rail.name) if hold else None
        self.postman.post(bank, rail, told, copies=copies, held_s=held_s or 0.0)

    def _release_held(self) -> None:
        """A report held back comes out after a while, or as soon as the fault is healed."""
        with self.book.lock:
            for bank, feed in self.book.feeds.items():
                if not feed.held:
                    continue
                waited = time.monotonic() - feed.held[0][0]
                wanted = self.faults.seconds_of("reordered_reports", bank.partition("/")[0])
                if wanted is None or waited >= wanted:
                    self.book.commit({"event": "released", "bank": bank})


def _remembered(magic: Magic | None, outcome: Outcome | None) -> dict[str, str]:
    """What an account's fixed outcome will be needed for later: the account itself is not kept."""
    names = {Outcome.CORRECTED: "notice", Outcome.KEPT: "keeps", Outcome.UNPOSTED: "unposted"}
    return {names[outcome]: magic.code} if magic and outcome in names else {}


def _rail(bank: str) -> Rail:
    rail = rail_of(bank)
    assert rail is not None, bank
    return rail


def _as_refused(lines: Sequence[Line], payment_ids: Sequence[int]) -> list[Line]:
    """A message's lines as they will stand once these payments are refused."""
    return [line.refused() if line.payment.id in payment_ids else line for line in lines]
