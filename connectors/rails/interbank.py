"""What wire and RTP share: one pacs.008 for each payment, answered by a pacs.002 in the same call.

We stand at a sponsor bank that passes pacs.008 through to the clearing system. A message has one
transaction. An UETR and a transaction id are derived from our reference, so that they are as stable
as it is. Settlement is told by camt.054 as well, what comes back by pacs.004. After a missing answer
the payment is asked about by pacs.028 (FedNow operating procedures; RTP and Fedwire alike): refused
while the scheme's clock still runs, and nothing is sent again before that.
"""

from __future__ import annotations

import abc
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

from connectors.abilities import RecallOrder
from connectors.accounts import canonical_details, is_valid_routing_number
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorMisconfigured,
    DrawnNumbers,
    FieldError,
    Health,
    InboundDocument,
    Outcome,
    PayoutInstruction,
    Prepared,
    Reaction,
    ReportPage,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.iso20022 import (
    Agent,
    CaseParty,
    InterbankTransfer,
    PostalAddress,
    StatusRequest,
    read_pacs002,
    write_pacs008,
    write_pacs028,
)
from connectors.formats.latin import sepa_text
from connectors.rails.bank_api import BankApi
from connectors.rails.checks import check_account, option, sort_out
from connectors.rails.iso_recalls import ask_back, cancellation_request, read_recall_report
from connectors.rails.iso_reports import answer_to_outcome, read_report
from connectors.schemes.reasons import ReasonTable

PACS_008 = "pacs.008.001.08"
_TRANSFERS = "/credit-transfers"
_QUESTIONS = "/status-requests"
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,35}", re.ASCII)


class InterbankConnector(abc.ABC):
    """One sponsor bank. Options: bank, sender_routing, debtor_name, debtor_account, debtor_town,
    debtor_country; credential api_key.
    """

    can: ClassVar[Capabilities]
    reasons: ClassVar[ReasonTable]
    clearing_system: ClassVar[str]
    local_instrument: ClassVar[str]

    def __init__(self, config: ConnectorConfig) -> None:
        self.config = config
        self._api = BankApi(
            config, rail=self.can.rail, refuses_before_booking=self.can.refuses_before_booking
        )

    def capabilities(self) -> Capabilities:
        """What the rail carries: US dollars, one payment in each message."""
        return self.can

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Check routing number or BIC, account number and name."""
        return check_account(account, self.can)

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Write one pacs.008.

        Raises ConnectorMisconfigured when the debtor is not configured, ConnectorError when there
        is more than one instruction.
        """
        good, errors = sort_out(
            instructions, self.can, reference=_REFERENCE, check=self.check_beneficiary
        )
        digest = hashlib.sha256(self.config.name.encode())
        for instruction in instructions:
            digest.update(f"\n{instruction.reference} {instruction.payout_id}".encode())
        message_id = self.message_id(numbers, digest.hexdigest().upper())
        body = b""
        for instruction in good:
            body = write_pacs008(self._build(instruction, numbers, message_id))
        return Prepared(
            reference=message_id, body=body, content_type="application/xml", errors=errors
        )

    @abc.abstractmethod
    def message_id(self, numbers: DrawnNumbers, digest: str) -> str:
        """The name of a message in the form of its scheme; `digest` tells databases apart."""

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored pacs.008 once. Raises ConnectorMisconfigured only."""
        answer = self._api.submit(
            _TRANSFERS, body=transmission.body, content_type=transmission.content_type
        )
        if isinstance(answer, Outcome):
            return answer
        return answer_to_outcome(answer, transmission, read=read_pacs002)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask for today's status by pacs.028. Raises ConnectorMisconfigured only.

        While the payment is in flight the scheme refuses the question: the outcome is unknown.
        """
        question = write_pacs028(self._question(transmission, asked_at=datetime.now(UTC)))
        answer = self._api.ask(_QUESTIONS, message=question)
        if isinstance(answer, Outcome):
            return answer
        return answer_to_outcome(answer, transmission, read=read_pacs002)

    def _question(self, transmission: Transmission, *, asked_at: datetime) -> StatusRequest:
        (reference,) = transmission.instruction_references
        draw = uuid4()  # Each question is a message of its own, with a name of its own.
        numbers = DrawnNumbers(file_number=draw.node, first_trace=1, created_at=asked_at)
        sponsor = Agent(routing_number=self.sender_routing())
        return StatusRequest(
            message_id=self.message_id(numbers, draw.hex.upper()),
            created_at=asked_at.replace(microsecond=0),
            sender=sponsor,
            receiver=sponsor,
            original_message_id=transmission.reference,
            original_message_name=PACS_008,
            original_instruction_id="",
            original_end_to_end_id=reference,
            original_transaction_id=reference,
            original_uetr=uetr_of(reference),
        )

    def recall(self, order: RecallOrder) -> Outcome:
        """Ask for the return of one payment by camt.056; the receiver's bank may refuse.

        Raises ConnectorMisconfigured when the sponsor bank is not configured, ConnectorError when
        the recall's reference does not fit the message.
        """
        sponsor = CaseParty(agent=Agent(routing_number=self.sender_routing()))
        request = cancellation_request(
            order,
            message_name=PACS_008,
            assigner=sponsor,
            assignee=sponsor,
            uetr=uetr_of(order.payment_reference),
        )
        return ask_back(self._api, request)

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch camt.054, pacs.004 and pacs.002 documents after `cursor`. Raises ConnectorError."""
        return self._api.fetch_reports(cursor)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a pacs.002, pacs.004, camt.029 or camt.05x. Raises UnreadableDocument."""
        if document.document_type.startswith("camt.029"):
            return read_recall_report(document)
        if not document.document_type.startswith(("pacs.002", "pacs.004", "camt.05")):
            raise UnreadableDocument("document_type_unknown", document.document_type[:40])
        return read_report(document)

    def reaction(self, code: str) -> Reaction:
        """What a reason code of this scheme leads to."""
        return self.reasons.reaction(code)

    def check_health(self) -> Health:
        """Ask the bank's health endpoint."""
        return self._api.check_health()

    def _build(
        self, instruction: PayoutInstruction, numbers: DrawnNumbers, message_id: str
    ) -> InterbankTransfer:
        account = instruction.account
        details = canonical_details(account.type, account.details, account.country).details
        sender = Agent(routing_number=self.sender_routing())
        creditor_agent = Agent(
            routing_number=details.get("routing_number", ""), bic=details.get("bic", "")
        )
        return InterbankTransfer(
            message_id=message_id,
            created_at=numbers.created_at.astimezone(UTC).replace(microsecond=0),
            settlement_date=instruction.execution_date,
            clearing_system=self.clearing_system,
            local_instrument=self.local_instrument,
            instruction_id=instruction.payout_id.hex,
            end_to_end_id=instruction.reference,
            transaction_id=instruction.reference,
            uetr=uetr_of(instruction.reference),
            amount=instruction.amount,
            currency=instruction.currency,
            sender=sender,
            # To a bank abroad the sponsor bank passes it on through its correspondent.
            receiver=sender if creditor_agent.bic else creditor_agent,
            debtor_name=self._text("debtor_name", 140),
            debtor_address=PostalAddress(
                town=self._text("debtor_town", 35),
                country=option(self.config, "debtor_country", r"[A-Z]{2}"),
            ),
            debtor_account=option(self.config, "debtor_account", r"[A-Za-z0-9]{1,34}"),
            creditor_name=sepa_text(account.holder_name, 140),
            creditor_account=details["account_number"],
            creditor_agent=creditor_agent,
            remittance=sepa_text(instruction.description, 140),
        )

    def sender_routing(self) -> str:
        """The sponsor bank's routing number. Raises ConnectorMisconfigured."""
        number = option(self.config, "sender_routing", r"[0-9]{9}")
        if not is_valid_routing_number(number):
            raise ConnectorMisconfigured("option_invalid", "sender_routing")
        return number

    def _text(self, name: str, width: int) -> str:
        text = sepa_text(option(self.config, name), width)
        if not text:
            raise ConnectorMisconfigured("option_invalid", name)
        return text


def uetr_of(reference: str) -> str:
    """The unique end-to-end transaction reference (a UUIDv4 in form) that belongs to our reference."""
    return str(UUID(bytes=hashlib.sha256(reference.encode()).digest()[:16], version=4))
