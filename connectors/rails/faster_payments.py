"""UK Faster Payments through a clearing bank's JSON API: 202 at once, what became of it by report.

Source: ClearBank's public API description (POST payments/fps v3) and its list of scheme rejection
codes with the bank's own advice; Pay.UK, Faster Payments limit of 7 February 2022. The body is signed
(`DigitalSignature`: RSA with SHA-256, or Ed25519). `X-Request-Id` is recognised for 24 hours and an
endToEndIdentification with it; a repetition must carry exactly the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.abilities import PayeeVerification, RecallOrder, RecallReason, WebhookMessage
from connectors.accounts import canonical_details
from connectors.base import (
    AccountDetails,
    Capabilities,
    ConnectorConfig,
    ConnectorMisconfigured,
    Dedup,
    DrawnNumbers,
    EventKind,
    FieldError,
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
from connectors.formats.latin import sepa_text
from connectors.http import HttpAnswer
from connectors.rails import fps_webhooks
from connectors.rails.bank_api import BankApi, json_amount, json_text, read_json, unreadable_answer
from connectors.rails.checks import check_account, option, sort_out
from connectors.rails.payee_checks import ask_cop
from connectors.schemes.limits import current_limits
from connectors.schemes.reasons import FASTER_PAYMENTS, is_duplicate

_PAYMENTS = "/v3/payments/fps"
_RETURN_REQUESTS = "/v3/payments/fps/return-requests"
# ISO 20022 ExternalCancellationReason1Code, as in a camt.056.
_RECALL_CODES: Mapping[RecallReason, str] = {
    RecallReason.DUPLICATE: "DUPL",
    RecallReason.TECHNICAL: "TECH",
    RecallReason.FRAUD: "FRAD",
    RecallReason.CUSTOMER: "CUST",
    RecallReason.WRONG_AMOUNT: "AM09",
    RecallReason.WRONG_ACCOUNT: "AC03",
}
_NOT_RECALLED = frozenset({"NOOR", "AM09", "ARDT", "RETURN_REQUEST_TOO_LATE"})
_REFERENCE = re.compile(r"[A-Za-z0-9]{1,35}", re.ASCII)
_LIMITS = current_limits("faster_payments")
_KINDS: Mapping[str, EventKind] = {
    "Accepted": EventKind.ACCEPTED,
    "Settled": EventKind.SETTLED,
    "Rejected": EventKind.REJECTED,
    "Returned": EventKind.RETURNED,
    "ReturnRequestAccepted": EventKind.RECALL_ACCEPTED,
    "ReturnRequestRefused": EventKind.RECALL_REFUSED,
}
_OF_RECALLS = (EventKind.RECALL_ACCEPTED, EventKind.RECALL_REFUSED)
_CAPABILITIES = Capabilities(
    rail="faster_payments",
    account_types=frozenset({"uk_bank"}),
    currencies=frozenset({"GBP"}),
    min_amount=_LIMITS.min_amount,
    max_amount=_LIMITS.max_amount,
    style=TransmissionStyle.MESSAGE,
    max_instructions=100,
    transmissions_per_day=None,
    reference=ReferenceShape(kind="random", length=30),
    dedup=Dedup.WINDOW,
    dedup_window=timedelta(hours=24),
    can_inquire=True,
    refuses_before_booking=frozenset({429, 503}),
    verifies_payee=True,
    sends_webhooks=True,
    can_recall=True,
    recall_days=90,
    calendar=_LIMITS.calendar,
)


class FasterPaymentsConnector:
    """One clearing bank. Options: bank, debtor_name, debtor_sort_code, debtor_account; credentials
    api_key, signing_key (our private key in PEM) and webhook_key (the bank's public key in PEM).
    """

    driver: ClassVar[str] = "faster_payments"

    def __init__(self, config: ConnectorConfig) -> None:
        self._config = config
        self._api = BankApi(
            config,
            rail="faster_payments",
            refuses_before_booking=_CAPABILITIES.refuses_before_booking,
        )

    def capabilities(self) -> Capabilities:
        """What Faster Payments carries: sterling to UK accounts, up to 1,000,000."""
        return _CAPABILITIES

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Check sort code, account number and name."""
        return check_account(account, _CAPABILITIES)

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Write one request. Raises ConnectorMisconfigured when the debtor is not configured,
        ConnectorError when the list is too long or repeats a payout or a reference.
        """
        good, errors = sort_out(
            instructions, _CAPABILITIES, reference=_REFERENCE, check=self.check_beneficiary
        )
        debtor = sepa_text(option(self._config, "debtor_name"), 35)
        if not debtor:
            raise ConnectorMisconfigured("option_invalid", "debtor_name")
        sort_code = option(self._config, "debtor_sort_code", r"[0-9]{6}")
        number = option(self._config, "debtor_account", r"[0-9]{8}")
        content = {
            "paymentInstructions": [
                {
                    "debtor": {"name": debtor},
                    "debtorAccount": _account(sort_code, number),
                    "creditTransfers": [_transfer(instruction) for instruction in good],
                }
            ]
        }
        return Prepared(
            reference=self._request_id(instructions, numbers),
            body=json.dumps(content, separators=(",", ":")).encode() if good else b"",
            content_type="application/json",
            errors=errors,
        )

    def verify_payee(self, account: AccountDetails) -> PayeeVerification:
        """Ask the payee's bank by Confirmation of Payee. Raises ConnectorError."""
        return ask_cop(self._api, account, self._sign)

    def submit(self, transmission: Transmission) -> Outcome:
        """Sign and post the stored request once. Raises ConnectorMisconfigured only."""
        answer = self._api.submit(
            _PAYMENTS,
            body=transmission.body,
            content_type=transmission.content_type,
            headers={
                "X-Request-Id": transmission.reference,
                "DigitalSignature": self._sign(transmission.body),
            },
        )
        return answer if isinstance(answer, Outcome) else _answer_to_outcome(answer, transmission)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask for today's statuses by our request id. Raises ConnectorMisconfigured only."""
        answer = self._api.inquire(_PAYMENTS, transmission.reference)
        return answer if isinstance(answer, Outcome) else _answer_to_outcome(answer, transmission)

    def recall(self, order: RecallOrder) -> Outcome:
        """Ask the clearing bank to ask the beneficiary's bank; both answer by report. Raises
        ConnectorMisconfigured only.
        """
        content = {
            "requestId": order.reference,
            "originalEndToEndIdentification": order.payment_reference,
            "originalTransactionId": order.bank_reference,
            "amount": {"instructedAmount": f"{order.amount:.2f}", "currency": order.currency},
            "reason": {
                "code": _RECALL_CODES[order.reason],
                "information": sepa_text(order.detail, 105),
            },
        }
        body = json.dumps(content, separators=(",", ":")).encode()
        answer = self._api.submit(
            _RETURN_REQUESTS,
            body=body,
            content_type="application/json",
            headers={"X-Request-Id": order.reference, "DigitalSignature": self._sign(body)},
            refusals=_NOT_RECALLED,
        )
        if isinstance(answer, Outcome):
            return answer
        try:
            ours = json_text(read_json(answer.body), "requestId") == order.reference
        except UnreadableDocument as error:
            return unreadable_answer(answer, "answer_unreadable", error.code)
        if not ours:
            return unreadable_answer(answer, "answer_mismatch", "speaks of another request")
        return Outcome(kind=OutcomeKind.ACCEPTED, document=answer.body)

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch what was settled, rejected or returned after `cursor`. Raises ConnectorError."""
        return self._api.fetch_reports(cursor)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a list of the bank's events, or one that it sent. Raises UnreadableDocument."""
        if document.document_type == fps_webhooks.WEBHOOK:
            return fps_webhooks.events(document.body)
        if document.document_type != "fps.events":
            raise UnreadableDocument("document_type_unknown", document.document_type[:40])
        return list(_events(read_json(document.body)))

    def read_webhook(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> WebhookMessage:
        """Prove the bank's signature and time. Raises WebhookRefused, ConnectorError."""
        return fps_webhooks.read(self._config, headers=headers, body=body, now=now, sign=self._sign)

    def reaction(self, code: str) -> Reaction:
        """What a rejection or return code leads to."""
        return FASTER_PAYMENTS.reaction(code)

    def check_health(self) -> Health:
        """Ask the bank's health endpoint."""
        return self._api.check_health()

    def _request_id(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> str:
        digest = hashlib.sha256(self._config.name.encode())
        for instruction in instructions:
            digest.update(f"\n{instruction.reference} {instruction.payout_id}".encode())
        day = numbers.created_at.astimezone(UTC)
        return f"{day:%Y%m%d}{numbers.file_number:06d}{digest.hexdigest()[:14].upper()}"

    def _sign(self, body: bytes) -> str:
        pem = self._config.credentials.get("signing_key", "")
        if not pem:
            raise ConnectorMisconfigured("credentials_missing", "signing_key")
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConnectorMisconfigured("credentials_invalid", "signing_key") from None
        if isinstance(key, RSAPrivateKey):
            return base64.b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()
        if isinstance(key, Ed25519PrivateKey):
            return base64.b64encode(key.sign(body)).decode()
        raise ConnectorMisconfigured("credentials_invalid", "signing_key")


def _account(sort_code: str, number: str) -> dict[str, Any]:
    scheme = {"code": "SortCodeAccountNumber"}
    return {
        "identification": {"other": {"identification": sort_code + number, "schemeName": scheme}}
    }


def _transfer(instruction: PayoutInstruction) -> dict[str, Any]:
    account = instruction.account
    details = canonical_details(account.type, account.details, account.country).details
    return {
        "paymentIdentification": {
            "instructionIdentification": instruction.payout_id.hex,
            "endToEndIdentification": instruction.reference,
        },
        "amount": {"instructedAmount": f"{instruction.amount:.2f}", "currency": "GBP"},
        "creditor": {"name": sepa_text(account.holder_name, 35)},
        "creditorAccount": _account(details["sort_code"], details["account_number"]),
        # The scheme carries 18 characters to the beneficiary's statement, no more.
        "remittanceInformation": {
            "structured": {
                "creditorReferenceInformation": {
                    "reference": sepa_text(instruction.description, 18) or "PAYOUT"
                }
            }
        },
    }


def _answer_to_outcome(answer: HttpAnswer, transmission: Transmission) -> Outcome:
    """Read a 2xx answer to a submission or an inquiry. Never raises."""
    try:
        told = read_json(answer.body)
        if json_text(told, "requestId") != transmission.reference:
            return unreadable_answer(answer, "answer_mismatch", "speaks of another request")
        transactions = _transactions(told)
        if not transactions:
            raise UnreadableDocument("json_incomplete", "no transactions")
        found = [
            _event(transaction, json_text(transaction, "status")) for transaction in transactions
        ]
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    ours = frozenset(transmission.instruction_references)
    events = [event for event in found if event is not None and event.reference in ours]
    all_refused = bool(events) and all(event.kind is EventKind.REJECTED for event in events)
    complete = {event.reference for event in events} == ours
    return Outcome(
        kind=OutcomeKind.REJECTED if all_refused and complete else OutcomeKind.ACCEPTED,
        events=events,
        partial=not complete,
        bank_reference=transmission.reference,
        document=answer.body,
        content_type=answer.headers.get("content-type", ""),
    )


def _events(report: Mapping[str, Any]) -> Iterator[StatusEvent]:
    listed = report.get("events")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UnreadableDocument("json_incomplete", "events is not a list of objects")
    for item in listed:
        payload = item.get("Payload")
        if not isinstance(payload, dict):
            raise UnreadableDocument("json_incomplete", "an event has no Payload")
        status = json_text(item, "Type").removeprefix("Transaction")
        event = _event(payload, status)
        if event is not None:
            yield event


def _transactions(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = told.get("transactions")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UnreadableDocument("json_incomplete", "transactions is not a list of objects")
    return listed


def _event(transaction: Mapping[str, Any], status: str) -> StatusEvent | None:
    """One transaction as an event; None for a status we do not know, or "there already"."""
    reference = json_text(transaction, "endToEndIdentification")
    if not reference:
        raise UnreadableDocument("json_incomplete", "a transaction has no endToEndIdentification")
    code = json_text(transaction, "reasonCode")
    kind = _KINDS.get(status)
    if kind is None or (kind is EventKind.REJECTED and is_duplicate(code)):
        return None
    settled_at = json_text(transaction, "timestampSettled")
    return StatusEvent(
        kind=kind,
        reference=reference,
        transmission_reference=json_text(transaction, "requestId") if kind in _OF_RECALLS else "",
        code=code,
        amount=json_amount(transaction, "amount"),
        currency=json_text(transaction, "currencyCode"),
        value_date=_moment(settled_at).date() if settled_at else None,
        bank_reference=json_text(transaction, "transactionId"),
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableDocument("json_incomplete", "timestampSettled is no moment") from None
