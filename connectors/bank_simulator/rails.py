"""A rail of the simulated bank: how it reads, answers, settles and reports. A new rail is one
class here.

The desk and the book know payments; everything that differs from rail to rail is behind `Rail`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import ClassVar, Protocol

from connectors.bank_simulator import ach, ach_reports, magic, scheme_clock, sepa, sepa_reports
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import Document, Line, Order, Payment, Reply, Submission


class Rail(Protocol):
    """What the desk asks of a rail. `report_id` is unique for a bank; `now` is the scheme's."""

    name: ClassVar[str]
    resource: ClassVar[str]  # The last part of the path that takes submissions.
    banks: ClassVar[tuple[str, ...]]
    duplicate_code: ClassVar[str]  # For a key that was used before with other content.

    def read(self, body: bytes, now: datetime) -> Submission:
        """Parse and check; raises UnreadableSubmission for what is not in the format at all."""
        ...

    def magic(self, order: Order) -> Magic | None:
        """The fixed outcome of the order's account, if it has one."""
        ...

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        """The acknowledgement of a submission: as first decided, or with today's statuses."""
        ...

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        """The refusal of a submission as a whole."""
        ...

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        """When an accepted payment settles."""
        ...

    def returns_at(self, settled_at: datetime) -> datetime:
        """When a settled payment comes back, if it does."""
        ...

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        """The report of what settled on a day."""
        ...

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        """The report of what came back on a day."""
        ...

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        """The report that some of a message's payments were refused after all."""
        ...


class SepaRail:
    """SEPA credit transfer: pain.001 in, pain.002 and camt.054 out."""

    name: ClassVar[str] = "sepa"
    resource: ClassVar[str] = "payment-orders"
    banks: ClassVar[tuple[str, ...]] = ("default", "backup")
    duplicate_code: ClassVar[str] = "AM05"

    def read(self, body: bytes, now: datetime) -> Submission:
        return sepa.read(body, now)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_iban(order.account)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return _xml(
            sepa_reports.status_report(key, lines, report_id=report_id, now=now, today=today)
        )

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return _xml(
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
            payments, report_id=_camt_id(number, now), now=now, value_date=day, returned=False
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        content = sepa_reports.notification(
            payments, report_id=_camt_id(number, now), now=now, value_date=day, returned=True
        )
        return Document.of(sepa_reports.CAMT_054, content)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        report_id = f"LATE-{now:%Y%m%d}-{number:08d}"
        content = sepa_reports.status_report(key, lines, report_id=report_id, now=now, today=True)
        return Document.of(sepa_reports.PAIN_002, content)


class AchRail:
    """ACH credits: NACHA files in, JSON acknowledgements and NACHA return files out."""

    name: ClassVar[str] = "ach"
    resource: ClassVar[str] = "files"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    duplicate_code: ClassVar[str] = "DUPLICATE_FILE"

    def read(self, body: bytes, now: datetime) -> Submission:
        return ach.read(body, now)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_us_account(order.details["rdfi"], order.account)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return _json(ach_reports.acknowledgement(key, lines, today=today))

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return _json(ach_reports.file_refusal(key, code=code, detail=detail))

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


def _camt_id(number: int, now: datetime) -> str:
    """At most 35 characters with the account's number behind it."""
    return f"CAMT-{now:%Y%m%d}-{number:08d}"


def _xml(body: bytes) -> Reply:
    return Reply(status=200, content_type="application/xml", body=body)


def _json(body: bytes) -> Reply:
    return Reply(status=200, content_type="application/json", body=body)


RAILS: dict[str, Rail] = {rail.name: rail for rail in (SepaRail(), AchRail())}
