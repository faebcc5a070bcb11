"""A rail of the simulated bank: how it reads, answers, settles and reports. A new rail is one
class here.

The desk and the book know payments; everything that differs from rail to rail is behind `Rail`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar

from connectors.bank_simulator import magic, scheme_clock, sepa, sepa_reports
from connectors.bank_simulator.ach_rail import AchRail
from connectors.bank_simulator.camt_recalls import CamtRecalls
from connectors.bank_simulator.fps_rail import FasterPaymentsRail
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.mpesa_rail import MpesaRail
from connectors.bank_simulator.pacs_rails import RtpRail, WireRail
from connectors.bank_simulator.payments import Document, Line, Order, Payment, Reply, Submission
from connectors.bank_simulator.rail import Incoming, Rail
from connectors.bank_simulator.sepa_reports import camt_id, xml_reply
from connectors.bank_simulator.wallet_rails import MtnRail, OrangeRail, WaveRail


class SepaRail(CamtRecalls):
    """SEPA credit transfer: pain.001 in, pain.002 and camt.054 out."""

    name: ClassVar[str] = "sepa"
    resource: ClassVar[str] = "payment-orders"
    banks: ClassVar[tuple[str, ...]] = ("default", "backup")
    duplicate_code: ClassVar[str] = "AM05"
    recall_calendar: ClassVar[str] = scheme_clock.TARGET

    instant: ClassVar[bool] = False
    checks_payees: ClassVar[str] = "vop"

    def read(self, request: Incoming, now: datetime) -> Submission:
        return sepa.read(request.body, now, instant=self.instant)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_iban(order.account, scheme=self.name)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return xml_reply(
            sepa_reports.status_report(
                key, lines, report_id=report_id, now=now, today=today, instant=self.instant
            )
        )

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return xml_reply(
            sepa_reports.group_refusal(key, code=code, detail=detail, report_id=report_id, now=now)
        )

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return scheme_clock.sepa_settlement(accepted_at, wanted_on)

    def returns_at(self, settled_at: datetime) -> datetime:
        return scheme_clock.sepa_return(settled_at)

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
        content = sepa_reports.notification(
            payments, report_id=camt_id(number, now), now=now, value_date=day, returned=True
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        report_id = f"LATE-{now:%Y%m%d}-{number:08d}"
        content = sepa_reports.status_report(
            key, lines, report_id=report_id, now=now, today=True, instant=self.instant
        )
        return Document.of(sepa_reports.PAIN_002, content)


class SepaInstantRail(SepaRail):
    """SEPA instant credit transfer: the same messages; settled before the answer is given."""

    name: ClassVar[str] = "sepa_instant"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    instant: ClassVar[bool] = True
    clock_s: ClassVar[float | None] = 7.0  # EPC004-16: the hard time-out between the banks.

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return accepted_at


RAILS: tuple[Rail, ...] = (
    SepaRail(),
    SepaInstantRail(),
    AchRail(),
    WireRail(),
    RtpRail(),
    FasterPaymentsRail(),
    MtnRail(),
    WaveRail(),
    OrangeRail(),
    MpesaRail(),
)
_BY_BANK: dict[str, Rail] = {f"{rail.name}/{bank}": rail for rail in RAILS for bank in rail.banks}


def rail_of(bank: str) -> Rail | None:
    """The rail of a bank such as "sepa/default", or None when there is no such bank."""
    return _BY_BANK.get(bank)
