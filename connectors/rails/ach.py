"""ACH credits through an originating bank (ODFI): NACHA files out, answers and returns back.

Sources: NACHA Operating Rules 2026 (appendix two and three), the bank's own HTTP interface. A file
is known by creation date, file id modifier and immediate origin: a day has 36 modifiers for each
origin number, so a busy connector owns several consecutive origins. The bank claims to recognise a
repeated file, and a repeated individual id in another file, for 30 days.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from typing import ClassVar

from connectors.abilities import RecallOrder
from connectors.accounts import is_valid_routing_number
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorError,
    ConnectorMisconfigured,
    Dedup,
    DrawnNumbers,
    FieldError,
    Finality,
    Health,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Prepared,
    Reaction,
    ReferenceShape,
    ReportPage,
    StatusEvent,
    Transmission,
    TransmissionStyle,
    UnreadableDocument,
)
from connectors.formats.latin import nacha_text
from connectors.formats.nacha import (
    MODIFIERS,
    FileHeader,
    NachaFile,
    read_nacha,
    write_nacha,
)
from connectors.rails.ach_files import (
    Originator,
    batches,
    find_payment,
    is_whole_payment,
    reversal,
)
from connectors.rails.ach_reports import answer_to_outcome, read_report, read_reversal_answer
from connectors.rails.bank_api import BankApi
from connectors.rails.checks import check_account, option, sort_out
from connectors.schemes.cutoffs import windows_for
from connectors.schemes.limits import current_limits
from connectors.schemes.reasons import ACH

_FILES = "/files"
_REVERSALS = "/reversals"
_CONTENT_TYPE = "text/plain; charset=us-ascii"
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,15}", re.ASCII)
_LIMITS = current_limits("ach")
_MAX_FILE_TOTAL = Decimal("9999999999.99")  # Twelve digits of cents in records 8 and 9.

_CAPABILITIES = Capabilities(
    rail="ach",
    account_types=frozenset({"us_bank"}),
    currencies=frozenset({"USD"}),
    min_amount=_LIMITS.min_amount,
    max_amount=_LIMITS.max_amount,
    style=TransmissionStyle.FILE,
    max_instructions=10_000,
    transmissions_per_day=len(MODIFIERS),
    reference=ReferenceShape(kind="sequence", length=15),
    dedup=Dedup.WINDOW,
    dedup_window=timedelta(days=30),
    can_inquire=True,
    refuses_before_booking=frozenset({429, 503}),
    # Nobody says "paid": settled means that the day came and no return did. Returns come for two days.
    finality=Finality.PROVISIONAL,
    provisional_days=2,
    can_recall=True,
    recall_days=5,
    calendar=_LIMITS.calendar,
)


class AchConnector:
    """One ODFI. Credential: api_key. Options: bank, immediate_destination (its routing number),
    immediate_destination_name, immediate_origin (10 digits, the first of origin_count, default 1),
    immediate_origin_name, company_name, company_id, odfi_routing (8 digits), entry_description
    (default PAYOUT), cutoffs (which same-day windows the bank offers, and its leads: see
    schemes.cutoffs), ctx (default false: texts of companies that are too long for one addenda go out
    whole, as CTX).
    """

    driver: ClassVar[str] = "ach"

    def __init__(self, config: ConnectorConfig) -> None:
        self._config = config
        self._origins = int(option(config, "origin_count", r"[0-9]{1,4}", default="1"))
        if self._origins < 1:
            raise ConnectorMisconfigured("option_invalid", "origin_count")
        self._api = BankApi(
            config,
            rail="ach",
            refuses_before_booking=_CAPABILITIES.refuses_before_booking,
        )

    def capabilities(self) -> Capabilities:
        """What ACH carries: USD to US accounts, 0.01 to 99,999,999.99 each, 36 files per origin."""
        return replace(_CAPABILITIES, transmissions_per_day=len(MODIFIERS) * self._origins)

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Check routing number, account number and type, and the name."""
        return check_account(account, _CAPABILITIES)

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Write one NACHA file: a PPD batch for persons and a CCD batch for companies per date.

        What is to be executed today goes same-day where a window takes its amount and is still open
        at `numbers.created_at`; else it is dated the next banking day.

        Raises ConnectorMisconfigured when the originator is not configured; ConnectorError when the
        day's file names are used up, or the list is too long or repeats a payout or a reference.
        """
        good, errors = sort_out(
            instructions, _CAPABILITIES, reference=_REFERENCE, check=self.check_beneficiary
        )
        good = _within_file_total(good, errors)
        header = self._header(numbers)
        file = NachaFile(header=header, batches=tuple(batches(good, numbers, self._originator())))
        return Prepared(
            reference=header.file_reference,
            body=write_nacha(file) if good else b"",
            content_type=_CONTENT_TYPE,
            errors=errors,
        )

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored file once. Raises ConnectorMisconfigured only."""
        answer = self._api.submit(
            _FILES, body=transmission.body, content_type=transmission.content_type
        )
        return answer if isinstance(answer, Outcome) else answer_to_outcome(answer, transmission)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask for today's acknowledgement by our file's reference. ConnectorMisconfigured only."""
        answer = self._api.inquire(_FILES, transmission.reference)
        return answer if isinstance(answer, Outcome) else answer_to_outcome(answer, transmission)

    def recall(self, order: RecallOrder) -> Outcome:
        """Send the entry that reverses a payment. Raises ConnectorMisconfigured only.

        There is no message at ACH that asks: a reversing debit is a file like any other. Nothing is
        stored for it beforehand, so it is built here, only from the order and the payment's stored
        file: the same order makes the same bytes, which the bank recognises by their trace. ACCEPTED:
        the bank has the reversal. The money comes back as a return (R06), or the receiver's bank
        returns the reversal (`RECALL_REFUSED`).
        """
        try:
            file = read_nacha(order.transmission.body)
        except UnreadableDocument as error:
            return Outcome(kind=OutcomeKind.REJECTED, code="payment_unreadable", detail=error.code)
        found = find_payment(file, order.payment_reference)
        if found is None or not is_whole_payment(found[1], order):
            detail = "the stored file holds no such payment of this amount"
            return Outcome(kind=OutcomeKind.REJECTED, code="payment_unknown", detail=detail)
        body = write_nacha(reversal(file, *found, order))
        answer = self._api.submit(_REVERSALS, body=body, content_type=_CONTENT_TYPE)
        if isinstance(answer, Outcome):
            return answer
        return read_reversal_answer(answer, order.payment_reference)

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch acknowledgements, settlements, returns and notices after `cursor`. Raises ConnectorError."""
        return self._api.fetch_reports(cursor)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read ach.ack, ach.settlement, ach.return or ach.noc. Raises UnreadableDocument."""
        return read_report(document)

    def reaction(self, code: str) -> Reaction:
        """What an ACH return or refusal code leads to."""
        return ACH.reaction(code)

    def check_health(self) -> Health:
        """Ask the bank's health endpoint."""
        return self._api.check_health()

    def _header(self, numbers: DrawnNumbers) -> FileHeader:
        turn, modifier = divmod(numbers.file_number, len(MODIFIERS))
        if not 0 <= turn < self._origins:
            raise ConnectorError("file_numbers_exhausted", "no file name is left for this day")
        origin = int(option(self._config, "immediate_origin", r"[0-9]{10}")) + turn
        destination = option(self._config, "immediate_destination", r"[0-9]{9}")
        if not is_valid_routing_number(destination):
            raise ConnectorMisconfigured("option_invalid", "immediate_destination")
        created = numbers.created_at.astimezone(UTC)
        return FileHeader(
            immediate_destination=destination,
            immediate_origin=f"{origin:010d}",
            created_on=created.date(),
            created_at_time=f"{created:%H%M}",
            modifier=MODIFIERS[modifier],
            destination_name=self._name("immediate_destination_name", 23),
            origin_name=self._name("immediate_origin_name", 23),
        )

    def _originator(self) -> Originator:
        config = self._config
        description = nacha_text(option(config, "entry_description", default="PAYOUT"), 10)
        try:
            windows = windows_for("ach", config.options.get("cutoffs", ()))
        except ValueError as error:
            raise ConnectorMisconfigured("option_invalid", "cutoffs") from error
        return Originator(
            company_name=self._name("company_name", 16),
            company_id=self._name("company_id", 10),
            description=description,
            odfi=option(config, "odfi_routing", r"[0-9]{8}"),
            windows=windows,
            long_texts=_switch(config, "ctx"),
        )

    def _name(self, name: str, width: int) -> str:
        text = nacha_text(option(self._config, name), width)
        if not text:
            raise ConnectorMisconfigured("option_invalid", name)
        return text


def _switch(config: ConnectorConfig, name: str) -> bool:
    """An option that is on or off (true or false in JSON); off by default."""
    return option(config, name, r"[Tt]rue|[Ff]alse", default="false").lower() == "true"


def _within_file_total(
    instructions: Sequence[PayoutInstruction], errors: dict[str, FieldError]
) -> list[PayoutInstruction]:
    """Leave out what the twelve digits of the control records cannot sum."""
    kept: list[PayoutInstruction] = []
    total = Decimal(0)
    for instruction in instructions:
        if total + instruction.amount > _MAX_FILE_TOTAL:
            detail = "the file's total would not fit its control record"
            errors[instruction.reference] = FieldError(
                field="amount", code="file_total_exceeded", detail=detail
            )
            continue
        total += instruction.amount
        kept.append(instruction)
    return kept
