"""Fedwire and RTP at the simulated bank: pacs.008 and pacs.028 in, pacs.002, camt.054 and pacs.004 out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from connectors.bank_simulator import magic, pacs008, pacs_messages, scheme_clock, sepa_reports
from connectors.bank_simulator.camt_recalls import CamtRecalls
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import Document, Line, Order, Payment, Reply, Submission
from connectors.bank_simulator.rail import Incoming, json_reply
from connectors.bank_simulator.sepa_reports import camt_id, xml_reply


class PacsRail(CamtRecalls):
    """What the two have in common."""

    resource: ClassVar[str] = "credit-transfers"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    duplicate_code: ClassVar[str] = "DUPL"
    scheme: ClassVar[pacs008.Scheme]

    def read(self, request: Incoming, now: datetime) -> Submission:
        return pacs008.read(request.body, now, self.scheme)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_us_account(order.details["routing"], order.account, scheme=self.name)

    def asked_for(self, request: Incoming) -> str | None:
        if (request.method, request.path) != ("POST", "status-requests"):
            return None
        return pacs_messages.read_question(request.body)

    def in_flight(self) -> Reply:
        return json_reply(409, {"code": "IN_FLIGHT"})

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return xml_reply(
            pacs_messages.status_report(key, lines, report_id=report_id, now=now, today=today)
        )

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return xml_reply(
            pacs_messages.group_refusal(key, code=code, detail=detail, report_id=report_id, now=now)
        )

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = sepa_reports.notification(
            payments, report_id=camt_id(number, now), now=now, value_date=day, returned=False
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = pacs_messages.payment_return(
            payments,
            report_id=f"RTRN-{now:%Y%m%d}-{number:08d}",
            now=now,
            day=day,
            clearing_system=self.scheme.clearing_system,
        )
        return Document.of(pacs_messages.PACS_004, content)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        report_id = f"LATE-{now:%Y%m%d}-{number:08d}"
        content = pacs_messages.status_report(key, lines, report_id=report_id, now=now, today=True)
        return Document.of(pacs_messages.PACS_002, content)

    def note(
        self,
        kind: str,
        notes: Sequence[tuple[Payment, Mapping[str, str]]],
        *,
        number: int,
        now: datetime,
        day: date,
    ) -> Document:
        if kind != "pending":
            return super().note(kind, notes, number=number, now=now, day=day)
        ((payment, _),) = notes
        line = Line(
            payment=replace(payment, pending_told=True),
            group=payment.group,
            position=payment.position,
            shown_amount=payment.amount,
        )
        return self.late_refusal(payment.message_key, [line], number=number, now=now)


class WireRail(PacsRail):
    """Fedwire: settles at once while it is open, else when it opens."""

    name: ClassVar[str] = "wire"
    scheme: ClassVar[pacs008.Scheme] = pacs008.FEDWIRE

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return scheme_clock.fedwire_settlement(accepted_at, wanted_on)

    def returns_at(self, settled_at: datetime) -> datetime:
        return scheme_clock.fedwire_return(settled_at)


class RtpRail(PacsRail):
    """RTP: settled before the answer is given, every day."""

    name: ClassVar[str] = "rtp"
    scheme: ClassVar[pacs008.Scheme] = pacs008.RTP
    clock_s: ClassVar[float | None] = 15.0

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return accepted_at

    def returns_at(self, settled_at: datetime) -> datetime:
        return settled_at + timedelta(days=1)
