"""The bank's book: payments, messages, reports and the record, all of it a projection of the
journal.

`commit` writes an event to disk and only then applies it; a restart applies the same events in the
same order and therefore arrives at the same book. Callers hold `lock` around everything.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.bank_simulator.journal import Event, Journal
from connectors.bank_simulator.payments import Document, Line, Payment, Reply, State, money
from connectors.bank_simulator.rails import rail_of
from connectors.bank_simulator.scheme_clock import SchemeClock

POSTING = timedelta(seconds=1)  # Between two words about a payment that is not posted.

# When, which payment, and what: "settled", "returned" or one of NOTES.
Due = tuple[datetime, int, str]
NOTES = (
    "noticed",
    "pending",
    "recall_accepted",
    "recall_refused",
)  # Told by a report, and the payment's state stays as it is.


@dataclass(slots=True, kw_only=True)
class Message:
    """A message or file that was answered, what the answer was, and its payments."""

    digest: str
    reply: Reply
    lines: Sequence[tuple[int, str, str]]  # Payment id, group and position in this message.
    refused_whole: bool


@dataclass(slots=True)
class Feed:
    """One bank's reports. Ids are positions from 1; held ones have none yet."""

    published: list[Document] = field(default_factory=list)
    held: list[tuple[float, Document]] = field(default_factory=list)
    written: int = 0  # Reports ever made: numbers them inside their content.


class Book:
    """Everything the bank knows. Not safe without `lock`."""

    def __init__(self, journal: Journal) -> None:
        self.lock = threading.RLock()
        self.clock = SchemeClock()
        self.payments: dict[int, Payment] = {}
        self.messages: dict[tuple[str, str], Message] = {}
        self.by_reference: dict[tuple[str, str], int] = {}
        self.refused_once: set[str] = set()
        self.record: list[dict[str, Any]] = []
        self.feeds: dict[str, Feed] = defaultdict(Feed)
        self.due: dict[str, list[Due]] = defaultdict(list)
        self.late: list[tuple[float, int]] = []
        self.notes: dict[
            tuple[int, str], Mapping[str, str]
        ] = {}  # What is to be told of a payment.
        self.told: set[tuple[int, str]] = set()
        self.answers = 0
        self._journal = journal
        for event in journal.replay():
            self._apply(event)

    def commit(self, event: Event) -> None:
        """Write, then apply. When this returns the decision survives the death of the process."""
        event["at"] = self.clock.now().isoformat()
        self._journal.append(event)
        self._apply(event)

    def close(self) -> None:
        """Let go of the journal, so that another process may open it."""
        with self.lock:
            self._journal.close()

    def next_payment_id(self) -> int:
        """The id of the next payment to be booked."""
        return len(self.payments) + 1

    def lines_of(self, message: Message) -> list[Line]:
        """A message's payments as they stand today."""
        return [
            Line(
                payment=self.payments[payment_id],
                group=group,
                position=position,
                shown_amount=self.payments[payment_id].amount,
            )
            for payment_id, group, position in message.lines
        ]

    def _apply(self, event: Event) -> None:
        kind = event["event"]
        if kind == "answered":
            self._apply_answered(event)
        elif kind == "clock":
            self.clock.offset_seconds = event["offset_seconds"]
        elif kind == "recalled":
            self._apply_recalled(event)
        elif kind in NOTES:
            self.told.update((payment_id, kind) for payment_id in event["payments"])
            for payment_id in event["payments"] if kind == "pending" else ():
                self.payments[payment_id].pending_told = True
            self._publish(event)
        elif kind == "released":
            feed = self.feeds[event["bank"]]
            feed.published += [document for _, document in feed.held]
            feed.held.clear()
        else:
            self._apply_report(event, State.REJECTED if kind == "refused_late" else State(kind))

    def _apply_answered(self, event: Event) -> None:
        """A submission was decided: its new payments, and the answer a repeat will hear again."""
        self.answers += 1
        bank = event["bank"]
        self.refused_once.update(event["refused_once"])
        for raw in event["payments"]:
            payment = Payment.from_json(raw)
            self.payments[payment.id] = payment
            self.by_reference.setdefault((bank, payment.reference), payment.id)
            self._expect(payment, datetime.fromisoformat(event["at"]))
            if not payment.late_code:
                state = "rejected" if payment.verdict is State.REJECTED else "booked"
                self._write_record(payment, state, event["at"])
        if event["key"]:
            self.messages[bank, event["key"]] = Message(
                digest=event["digest"],
                reply=Reply.from_json(event["reply"]),
                lines=[(line[0], line[1], line[2]) for line in event["lines"]],
                refused_whole=event["refused_whole"],
            )

    def _expect(self, payment: Payment, booked_at: datetime) -> None:
        """Note what is still to happen to a payment by itself."""
        if "unposted" in payment.details:
            payment.return_code = payment.details["unposted"]
            self.notes[payment.id, "pending"] = {}
            for steps, kind in ((1, "pending"), (2, "returned")):
                due = (booked_at + steps * POSTING, payment.id, kind)
                heapq.heappush(self.due[payment.bank], due)
        elif payment.late_code:
            heapq.heappush(self.late, (payment.late_at, payment.id))
        elif payment.settles_at is not None:
            heapq.heappush(self.due[payment.bank], (payment.settles_at, payment.id, "settled"))

    def _apply_report(self, event: Event, state: State) -> None:
        """Payments moved on together and a report says so."""
        for payment_id in event["payments"]:
            payment = self.payments[payment_id]
            payment.state = state
            if state is State.REJECTED:
                payment.code = payment.late_code
                self._write_record(payment, "rejected", event["at"])
            elif state is State.RETURNED:
                self._write_record(payment, "returned", event["at"])
            else:
                self._expect_after(payment, datetime.fromisoformat(event["moment"]))
        self._publish(event)

    def _expect_after(self, payment: Payment, settled_at: datetime) -> None:
        """Note what follows when a payment has settled: its return, or a notice about its account."""
        rail = rail_of(payment.bank)
        assert rail is not None
        kind = ""
        if payment.return_code:
            kind = "returned"
        elif "notice" in payment.details:
            kind = "noticed"
            self.notes[payment.id, kind] = {"code": payment.details["notice"]}
        if kind:
            due = (rail.returns_at(settled_at), payment.id, kind)
            heapq.heappush(self.due[payment.bank], due)

    def _apply_recalled(self, event: Event) -> None:
        """Money was asked back: the answer a repeat will hear, and what the other bank will do."""
        self.answers += 1
        bank = event["bank"]
        self.messages[bank, event["key"]] = Message(
            digest=event["digest"],
            reply=Reply.from_json(event["reply"]),
            lines=[],
            refused_whole=True,
        )
        if not event["due"]:
            return
        payment, kind = self.payments[event["payment"]], event["kind"]
        if kind == "returned":
            payment.return_code = event["note"]["code"]
        else:
            self.notes[payment.id, kind] = event["note"]
        if event.get("says_yes"):
            self.notes[payment.id, "recall_accepted"] = event["note"]
            said = (datetime.fromisoformat(event["says_yes"]), payment.id, "recall_accepted")
            heapq.heappush(self.due[bank], said)
        if kind != "returned" or payment.state is State.SETTLED:
            due = (datetime.fromisoformat(event["due"]), payment.id, kind)
            heapq.heappush(self.due[bank], due)

    def _publish(self, event: Event) -> None:
        feed = self.feeds[event["bank"]]
        document = Document(type=event["document"]["type"], squeezed=event["document"]["content"])
        feed.written += 1
        if event["hold"]:
            feed.held.append((time.monotonic(), document))
            return
        feed.published += [document] * event["copies"]
        feed.published += [held for _, held in feed.held]
        feed.held.clear()

    def _write_record(self, payment: Payment, state: str, at: str) -> None:
        """A row of the record that `/_sim/records` shows; its sequence is its place."""
        self.record.append(
            {
                "seq": len(self.record) + 1,
                "rail": payment.rail,
                "reference": payment.reference,
                "payout_id": payment.payout_id,
                "amount": money(payment.amount),
                "currency": payment.currency,
                "account_last4": payment.account_last4,
                "state": state,
                "at": at,
            }
        )

    def take_due(self, bank: str, *, most: int) -> list[Due]:
        """What is due next at a bank and fits one report: one kind, one day, at most `most`."""
        now = self.clock.now()
        waiting = self.due[bank]
        group: list[Due] = []
        while waiting and waiting[0][0] <= now and len(group) < most:
            if group and not _same_report(group[0], waiting[0]):
                break
            item = heapq.heappop(waiting)
            if self._still_to_come(item):
                group.append(item)
        return group

    def put_back(self, bank: str, group: Sequence[Due]) -> None:
        """Undo `take_due` after a report could not be written."""
        for item in group:
            heapq.heappush(self.due[bank], item)

    def _still_to_come(self, item: Due) -> bool:
        """A replayed journal leaves behind on the list what has happened since."""
        if item[2] in NOTES:
            return (item[1], item[2]) not in self.told
        payment = self.payments[item[1]]
        unposted = "unposted" in payment.details  # Comes back without having arrived.
        before = State.ACCEPTED if item[2] == "settled" or unposted else State.SETTLED
        return payment.state is before

    def late_due(self) -> dict[tuple[str, str], list[int]]:
        """Payments to be refused now although accepted, by bank and message; due until done."""
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        while self.late and self.payments[self.late[0][1]].state is not State.ACCEPTED:
            heapq.heappop(self.late)
        for late_at, payment_id in self.late:
            payment = self.payments[payment_id]
            if late_at <= time.time() and payment.state is State.ACCEPTED:
                groups[payment.bank, payment.message_key].append(payment_id)
        return groups


def _same_report(first: Due, other: Due) -> bool:
    alone = first[2] == "pending"  # Such a report is about one message.
    return not alone and first[2] == other[2] and first[0].date() == other[0].date()
