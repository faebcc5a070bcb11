"""Recalls at banks that speak ISO 20022: camt.056 in, camt.029 out.

EPC125-05 (SCT rulebook): a recall for a duplicate or a technical problem within 10 banking business
days, for anything else within 13 months. Fedwire and RTP set no last day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar

from connectors.bank_simulator import camt056, scheme_clock
from connectors.bank_simulator.payments import Document, Payment, RecallWish, Reply
from connectors.bank_simulator.rail import Incoming, TakesRecalls
from connectors.bank_simulator.sepa_reports import xml_reply

URGENT_DAYS = 10  # Banking days after execution.
OTHER_DAYS = 13 * 31  # Thirteen months, and not a day less.


class CamtRecalls(TakesRecalls):
    """What such rails have in common. `recall_calendar` "" sets no last day."""

    recall_calendar: ClassVar[str] = ""
    recall_code: ClassVar[str] = "FOCR"
    says_yes: ClassVar[bool] = True
    recall_refusals: ClassVar[Mapping[str, str]] = {
        "unknown": "NOOR",
        "refused": "NOOR",
        "amount": "NOOR",
        "returned": "ARDT",
        "late": "TOO_LATE",
        "asked": "ARDT",
    }

    def asks_back(self, request: Incoming) -> RecallWish | None:
        if (request.method, request.path) != ("POST", "recalls"):
            return None
        return camt056.read(request.body)

    def recall_answer(self, wish: RecallWish, *, refusal: str, detail: str, now: datetime) -> Reply:
        told = camt056.Told(
            names={**wish.details, "reference": wish.reference},
            status="RJCR" if refusal else "PDCR",
            code=refusal,
            detail=detail,
        )
        report_id = f"RCL-{now:%Y%m%d}-{wish.digest[:16].upper()}"
        return xml_reply(camt056.write([told], report_id=report_id, now=now))

    def recall_until(self, settled_at: datetime, wish: RecallWish) -> datetime:
        if not self.recall_calendar:
            return datetime.max.replace(tzinfo=settled_at.tzinfo)
        if wish.details.get("reason") not in camt056.URGENT_REASONS:
            return settled_at + timedelta(days=OTHER_DAYS)
        last = scheme_clock.value_date(self.name, settled_at)
        for _ in range(URGENT_DAYS):
            last = scheme_clock.next_banking_day(self.recall_calendar, last)
        return scheme_clock.end_of_day(self.name, last)

    def recalled_at(self, now: datetime) -> datetime:
        return now  # A receiver's bank that makes up its mind at once.

    def note(
        self,
        kind: str,
        notes: Sequence[tuple[Payment, Mapping[str, str]]],
        *,
        number: int,
        now: datetime,
        day: date,
    ) -> Document:
        refused = kind == "recall_refused"
        told = [
            camt056.Told(
                names={
                    **note,
                    "reference": payment.reference,
                    "amount": camt056.money(payment.amount),
                    "currency": payment.currency,
                },
                status="RJCR" if refused else "ACCR",
                code=note["code"] if refused else "",
                detail="",
            )
            for payment, note in notes
        ]
        report_id = f"RSLV-{now:%Y%m%d}-{number:08d}"
        content = camt056.write(told, report_id=report_id, now=now)
        return Document.of(camt056.ANSWER, content)
