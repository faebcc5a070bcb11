"""The ACH rail of the simulated bank, an ODFI: NACHA files in, acknowledgements and NACHA files out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar

from connectors.bank_simulator import ach, ach_reports, magic, scheme_clock
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    RecallWish,
    Reply,
    Submission,
)
from connectors.bank_simulator.rail import Incoming, TakesRecalls


class AchRail(TakesRecalls):
    """ACH credits: NACHA files in, JSON acknowledgements and NACHA return files out."""

    name: ClassVar[str] = "ach"
    resource: ClassVar[str] = "files"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    duplicate_code: ClassVar[str] = "DUPLICATE_FILE"
    default_code: ClassVar[str] = "R04"
    recall_code: ClassVar[str] = "R06"  # Returned at the request of the originator's bank.
    recall_refusals: ClassVar[Mapping[str, str]] = {
        "unknown": "ENTRY_UNKNOWN",
        "refused": "ENTRY_REFUSED",
        "amount": "AMOUNT_DIFFERS",
        "returned": "ENTRY_RETURNED",
        "late": "TOO_LATE",
        "asked": "REVERSED_BEFORE",
    }

    def read(self, request: Incoming, now: datetime) -> Submission:
        return ach.read(request.body, now)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_us_account(order.details["rdfi"], order.account)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return _json(ach_reports.acknowledgement(key, lines, today=today))

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return _json(ach_reports.file_refusal(key, code=code, detail=detail))

    def wanted_on(self, order: Order, now: datetime) -> date | None:
        """Today means same-day; what is above its cap is taken for tomorrow, as a bank does."""
        today = now.astimezone(scheme_clock.NEW_YORK).date()
        if order.wanted_on == today and order.amount > scheme_clock.SAME_DAY_CAP:
            return today + timedelta(days=1)
        return order.wanted_on

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return scheme_clock.ach_settlement(accepted_at, wanted_on)

    def returns_at(self, settled_at: datetime) -> datetime:
        return scheme_clock.ach_return(settled_at)

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return Document.of("ach.settlement", ach_reports.settlement(payments, settled_on=day))

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = ach_reports.return_file(payments, now=now, returned_on=day, number=number)
        return Document.of("ach.return", content)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        return Document.of("ach.ack", ach_reports.acknowledgement(key, lines, today=True))

    def asks_back(self, request: Incoming) -> RecallWish | None:
        if (request.method, request.path) != ("POST", "reversals"):
            return None
        return ach.read_reversal(request.body)

    def recall_answer(self, wish: RecallWish, *, refusal: str, detail: str, now: datetime) -> Reply:
        return _json(ach_reports.reversal_answer(wish, refusal=refusal, detail=detail))

    def recall_until(self, settled_at: datetime, wish: RecallWish) -> datetime:
        return scheme_clock.ach_reversal_until(settled_at)

    def note(
        self,
        kind: str,
        notes: Sequence[tuple[Payment, Mapping[str, str]]],
        *,
        number: int,
        now: datetime,
        day: date,
    ) -> Document:
        write = ach_reports.notice_file if kind == "noticed" else ach_reports.kept_file
        content = write(notes, now=now, returned_on=day, number=number)
        return Document.of("ach.noc" if kind == "noticed" else "ach.return", content)


def _json(body: bytes) -> Reply:
    return Reply(status=200, content_type="application/json", body=body)
