"""SEPA Credit Transfer and SEPA Instant through a bank: pain.001 out, pain.002 and camt.054 back.

Sources: EPC125-05 and EPC004-16 (rulebooks), EPC132-08 and EPC122-16 (customer-to-bank guidelines),
the bank's own HTTP interface. A MsgId sent again with the same bytes is answered as the first time,
and so is an EndToEndId inside another message; we claim that for 30 days, after which banks no
longer look. An instant payment carries the local instrument INST and a moment instead of a day; its
bank answers within the scheme's ten seconds with what became of it, and a missing answer is asked
about, never taken for a refusal.

A recall (camt.056) may be asked for a duplicate or a technical problem within 10 banking business
days, for fraud and on the customer's own request within 13 months; the receiver's bank answers
within 15 banking days and may refuse (EPC125-05 and EPC004-16, "Recall" and "Request for Recall by
the Originator"). Banks that take camt.055 from customers want another envelope for the same facts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from itertools import groupby
from typing import ClassVar

from connectors.abilities import PayeeVerification, RecallOrder
from connectors.accounts import canonical_details, parse_bic, parse_iban
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorMisconfigured,
    Dedup,
    DrawnNumbers,
    FieldError,
    Finality,
    Health,
    InboundDocument,
    Outcome,
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
from connectors.formats.iso20022 import (
    Agent,
    CaseParty,
    CreditTransfer,
    CreditTransferInitiation,
    PaymentInformation,
    write_pain001,
)
from connectors.formats.latin import sepa_text
from connectors.rails.bank_api import BankApi
from connectors.rails.checks import check_account, option, sort_out
from connectors.rails.iso_recalls import ask_back, cancellation_request, read_recall_report
from connectors.rails.iso_reports import answer_to_outcome, read_report
from connectors.rails.payee_checks import ask_vop
from connectors.schemes.limits import SEPA_COUNTRIES, current_limits
from connectors.schemes.reasons import ISO_SCT, ISO_SCT_INST, ReasonTable
from connectors.schemes.recalls import SEPA_RECALL_DAYS, SEPA_RECALL_MONTHS

_ORDERS = "/payment-orders"
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,35}", re.ASCII)
_LIMITS = current_limits("sepa")

_CAPABILITIES = Capabilities(
    rail="sepa",
    account_types=frozenset({"iban"}),
    currencies=frozenset({"EUR"}),
    countries=SEPA_COUNTRIES,
    min_amount=_LIMITS.min_amount,
    max_amount=_LIMITS.max_amount,
    style=TransmissionStyle.MESSAGE,
    max_instructions=1000,
    transmissions_per_day=None,
    reference=ReferenceShape(kind="random", length=30),
    dedup=Dedup.WINDOW,
    dedup_window=timedelta(days=30),
    can_inquire=True,
    refuses_before_booking=frozenset({429, 503}),
    finality=Finality.FINAL,
    can_recall=True,
    recall_days=SEPA_RECALL_DAYS,
    recall_months=SEPA_RECALL_MONTHS,
    verifies_payee=True,
    calendar=_LIMITS.calendar,
)
_INSTANT_LIMITS = current_limits("sepa_instant")
_INSTANT_CAPABILITIES = replace(
    _CAPABILITIES,
    rail="sepa_instant",
    max_amount=_INSTANT_LIMITS.max_amount,
    answers_within=timedelta(seconds=10),
    max_instructions=100,  # Each of them is answered for within the same ten seconds.
    calendar=_INSTANT_LIMITS.calendar,
)


class SepaConnector:
    """One bank on SEPA. Options: bank, debtor_name, debtor_iban, debtor_bic; credential api_key."""

    driver: ClassVar[str] = "sepa"
    _can: ClassVar[Capabilities] = _CAPABILITIES
    _reasons: ClassVar[ReasonTable] = ISO_SCT
    _local_instrument: ClassVar[str] = ""

    def __init__(self, config: ConnectorConfig) -> None:
        self._config = config
        self._api = BankApi(
            config,
            rail=self._can.rail,
            refuses_before_booking=self._can.refuses_before_booking,
        )

    def capabilities(self) -> Capabilities:
        """What SEPA carries: EUR to IBANs of the SEPA zone, 0.01 to 999,999,999.99."""
        return self._can

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Check the IBAN, its BIC, the name and that the country belongs to the SEPA zone."""
        errors = check_account(account, self._can)
        iban = parse_iban(account.details.get("iban", "")) if not errors else None
        if iban is not None and iban.country_code not in SEPA_COUNTRIES:
            detail = "this country is not in the SEPA zone"
            errors.append(FieldError(field="iban", code="country_unsupported", detail=detail))
        return errors

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Write one pain.001 with a PmtInf per execution date.

        Raises ConnectorMisconfigured when the debtor is not configured, ConnectorError when the
        list is too long or repeats a payout or a reference.
        """
        good, errors = sort_out(
            instructions, self._can, reference=_REFERENCE, check=self.check_beneficiary
        )
        message = self._build(good, numbers)
        return Prepared(
            reference=message.message_id,
            body=write_pain001(message) if good else b"",
            content_type="application/xml",
            errors=errors,
        )

    def verify_payee(self, account: AccountDetails) -> PayeeVerification:
        """Ask the payee's bank by Verification of Payee. Raises ConnectorError."""
        return ask_vop(self._api, account)

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored pain.001 once. Raises ConnectorMisconfigured only."""
        answer = self._api.submit(
            _ORDERS, body=transmission.body, content_type=transmission.content_type
        )
        return answer if isinstance(answer, Outcome) else answer_to_outcome(answer, transmission)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask for today's statuses by our MsgId. Raises ConnectorMisconfigured only."""
        answer = self._api.inquire(_ORDERS, transmission.reference)
        return answer if isinstance(answer, Outcome) else answer_to_outcome(answer, transmission)

    def recall(self, order: RecallOrder) -> Outcome:
        """Ask for one payment back by camt.056, through our bank.

        Raises ConnectorMisconfigured when the debtor is not configured, ConnectorError when the
        recall's reference does not fit the message.
        """
        name, _, bic = self._debtor()
        request = cancellation_request(
            order,
            message_name="pain.001.001.09",
            assigner=CaseParty(name=name),
            assignee=CaseParty(agent=Agent(bic=bic)),
        )
        return ask_back(self._api, request)

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch camt.054 and pain.002 documents after `cursor`. Raises ConnectorError."""
        return self._api.fetch_reports(cursor)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a pain.002, camt.029, camt.052, camt.053 or camt.054. Raises UnreadableDocument."""
        if document.document_type.startswith("camt.029"):
            return read_recall_report(document)
        if not document.document_type.startswith(("pain.002", "camt.05")):
            raise UnreadableDocument("document_type_unknown", document.document_type[:40])
        return read_report(document)

    def reaction(self, code: str) -> Reaction:
        """What a reason code of this scheme leads to."""
        return self._reasons.reaction(code)

    def check_health(self) -> Health:
        """Ask the bank's health endpoint."""
        return self._api.check_health()

    def _build(
        self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers
    ) -> CreditTransferInitiation:
        name, iban, bic = self._debtor()
        message_id = self._message_id(instructions, numbers)
        ordered = sorted(instructions, key=lambda instruction: instruction.execution_date)
        blocks = groupby(ordered, key=lambda instruction: instruction.execution_date)
        created_at = numbers.created_at.astimezone(UTC).replace(microsecond=0)
        return CreditTransferInitiation(
            message_id=message_id,
            created_at=created_at,
            initiating_party=name,
            payments=tuple(
                PaymentInformation(
                    payment_information_id=f"{message_id}-{number}",
                    execution_date=day,
                    execution_moment=created_at if self._local_instrument else None,
                    debtor_name=name,
                    debtor_iban=iban,
                    debtor_bic=bic,
                    service_level="SEPA",
                    local_instrument=self._local_instrument,
                    transfers=tuple(_transfer(instruction) for instruction in block),
                )
                for number, (day, block) in enumerate(blocks, start=1)
            ),
        )

    def _debtor(self) -> tuple[str, str, str]:
        """Our name, IBAN and BIC. Raises ConnectorMisconfigured, naming what is wrong."""
        name = sepa_text(option(self._config, "debtor_name"), 70)
        iban = parse_iban(option(self._config, "debtor_iban"))
        bic = parse_bic(option(self._config, "debtor_bic"))
        wanted = (("debtor_name", name), ("debtor_iban", iban), ("debtor_bic", bic))
        for field_name, value in wanted:
            if not value:
                raise ConnectorMisconfigured("option_invalid", field_name)
        return name, str(iban), str(bic)

    def _message_id(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> str:
        # Date and number are unique while our database lives; the digest keeps them apart from what
        # a bank remembers of an earlier database (a restored backup, a new sandbox).
        digest = hashlib.sha256(self._config.name.encode())
        for instruction in instructions:
            digest.update(f"\n{instruction.reference} {instruction.payout_id}".encode())
        day = numbers.created_at.astimezone(UTC).strftime("%Y%m%d")
        return f"{day}{numbers.file_number:06d}{digest.hexdigest()[:14].upper()}"


class SepaInstantConnector(SepaConnector):
    """One bank on SEPA Instant: the same messages and options, at any hour, answered in seconds."""

    driver: ClassVar[str] = "sepa_instant"
    _can: ClassVar[Capabilities] = _INSTANT_CAPABILITIES
    _reasons: ClassVar[ReasonTable] = ISO_SCT_INST
    _local_instrument: ClassVar[str] = "INST"


def _transfer(instruction: PayoutInstruction) -> CreditTransfer:
    account = instruction.account
    details = canonical_details(account.type, account.details, account.country).details
    return CreditTransfer(
        instruction_id=instruction.payout_id.hex,
        end_to_end_id=instruction.reference,
        amount=instruction.amount,
        currency=instruction.currency,
        # No address: since 14 November 2026 one must name a town, which we do not know.
        creditor_name=sepa_text(account.holder_name, 70),
        creditor_iban=details["iban"],
        creditor_bic=details.get("bic", ""),
        remittance=sepa_text(instruction.description, 140),
    )
