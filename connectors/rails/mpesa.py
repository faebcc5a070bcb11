"""M-Pesa business payments (Daraja B2C): an acknowledgement at once, everything else by a call to us.

Source: Safaricom's Daraja API, B2C payment request v3, transaction status query, result codes. Amounts
are whole shillings. Our reference is the OriginatorConversationID; M-Pesa promises nothing about one that
comes twice, so nothing is ever sent again: what was not acknowledged is asked about, and the question is
answered by a call, too. A call to the QueueTimeOutURL says that M-Pesa was busy, not that it did not pay.
Results are not signed: each payment has addresses of its own with a token in them
(`webhooks.callback_url`), and what is called there is believed about that payment alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from connectors.abilities import WebhookMessage, WebhookRefused
from connectors.base import (
    Capabilities,
    ConnectorMisconfigured,
    Dedup,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import sepa_text
from connectors.http import HttpAnswer
from connectors.rails.bank_api import TokenDoor, json_text, read_json, unreadable_answer
from connectors.rails.checks import option
from connectors.rails.wallets import WalletConnector, objects
from connectors.rails.webhooks import callback_url, check_token
from connectors.schemes.reasons import MPESA, ReasonTable

ASKED = "asked"  # The question was taken; the answer will be called to us.
_PAYMENTS = "/mpesa/b2c/v3/paymentrequest"
_STATUS = "/mpesa/transactionstatus/v1/query"
_BAD_REQUEST = "400.002.02"
_SHORTCODE = r"[0-9]{5,7}"
# What a call is about; the last part of the document's type, and of the address.
_RESULT, _STATE, _TIMEOUT = "result", "state", "timeout"
_TYPE = "mpesa."
# Results that do not say that the payment failed: 1037 is M-Pesa's own time-out.
_UNDECIDED = frozenset({"1037"})
_STATES: Mapping[str, EventKind] = {
    "Completed": EventKind.SETTLED,
    "Failed": EventKind.REJECTED,
    "Declined": EventKind.REJECTED,
    "Cancelled": EventKind.REJECTED,
    "Expired": EventKind.REJECTED,
}


class MpesaConnector(WalletConnector):
    """M-Pesa in one country. Options besides: shortcode, initiator; credentials consumer_key, api_key
    (the consumer's secret), security_credential (`seal_password`), callback_secret (known to us alone).
    """

    driver: ClassVar[str] = "mpesa"
    operator: ClassVar[str] = "mpesa"
    reasons: ClassVar[ReasonTable] = MPESA
    dedup: ClassVar[Dedup] = Dedup.NONE
    calls_back: ClassVar[bool] = True

    def token_door(self) -> TokenDoor | None:
        """`/oauth/v1/generate` by client credentials; a token lasts an hour."""
        return TokenDoor(
            path="/oauth/v1/generate?grant_type=client_credentials",
            user="consumer_key",
            method="GET",
        )

    def _capabilities(self) -> Capabilities:
        option(
            self.config, "currency", r"[A-Z]{3}"
        )  # The other operators' usual one is none of M-Pesa's.
        return replace(super()._capabilities(), amount_step=Decimal(1))

    def order(self, instruction: PayoutInstruction, msisdn: str) -> Mapping[str, Any]:
        """A business payment from our short code into a wallet; the payout's id is its occasion."""
        reference = instruction.reference
        return {
            "OriginatorConversationID": reference,
            "InitiatorName": option(self.config, "initiator"),
            "SecurityCredential": self.credential("security_credential"),
            "CommandID": "BusinessPayment",
            "Amount": int(instruction.amount),
            "PartyA": option(self.config, "shortcode", _SHORTCODE),
            "PartyB": msisdn.removeprefix("+"),
            "Remarks": sepa_text(instruction.description, 100) or "PAYOUT",
            "QueueTimeOutURL": self._address(reference, _TIMEOUT),
            "ResultURL": self._address(reference, _RESULT),
            "Occassion": str(instruction.payout_id),  # The API's own spelling.
        }

    def submit(self, transmission: Transmission) -> Outcome:
        """Post the stored order once; an acknowledgement is all there is. ConnectorMisconfigured only."""
        answer = self.api.submit(
            _PAYMENTS, body=transmission.body, content_type=transmission.content_type
        )
        if isinstance(answer, Outcome):
            return _refused(answer)
        (reference,) = transmission.instruction_references
        return _acknowledged(answer, reference, kind=OutcomeKind.ACCEPTED)

    def inquire(self, transmission: Transmission) -> Outcome:
        """Have M-Pesa call us with the state of the payment: unknown until it does. Misconfigured only."""
        (reference,) = transmission.instruction_references
        question = {
            "Initiator": option(self.config, "initiator"),
            "SecurityCredential": self.credential("security_credential"),
            "CommandID": "TransactionStatusQuery",
            "OriginalConversationID": reference,
            "PartyA": option(self.config, "shortcode", _SHORTCODE),
            "IdentifierType": "4",
            "ResultURL": self._address(reference, _STATE),
            "QueueTimeOutURL": self._address(reference, _TIMEOUT),
            "Remarks": "STATUS",
            "Occasion": "",
        }
        answer = self.api.submit(
            _STATUS,
            body=json.dumps(question, separators=(",", ":")).encode(),
            content_type="application/json",
        )
        if isinstance(answer, Outcome):
            return replace(answer, kind=OutcomeKind.UNKNOWN)  # Of the question, not of the order.
        return _acknowledged(answer, "", kind=OutcomeKind.UNKNOWN)

    def read_webhook(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> WebhookMessage:
        """Prove the address, and that it speaks of its own payment. Raises WebhookRefused."""
        reference, what = check_token(self.config, query)
        if what not in (_RESULT, _STATE, _TIMEOUT):
            raise WebhookRefused("signature_invalid")
        try:
            about = _reference(_result(body), what)
        except UnreadableDocument:
            about = ""
        # A time-out repeats the request, in whatever shape; it decides nothing.
        if about != reference and what != _TIMEOUT:
            raise WebhookRefused("signature_invalid")
        document = InboundDocument(remote_id=reference, document_type=_TYPE + what, body=body)
        answer = json.dumps({"ResultCode": 0, "ResultDesc": "Accepted"}).encode()
        return WebhookMessage(document=document, answer=answer)

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a settlement report, or what M-Pesa called us with. Raises UnreadableDocument."""
        if not document.document_type.startswith(_TYPE):
            return super().parse_report(document)
        what = document.document_type.removeprefix(_TYPE)
        if what == _TIMEOUT:
            return []
        told = _result(document.body)
        event = _paid_or_not(told) if what == _RESULT else _state(told)
        return [] if event is None else [event]

    def _address(self, reference: str, what: str) -> str:
        address = callback_url(self.config, reference, what)
        if not address:  # M-Pesa takes no order without one.
            raise ConnectorMisconfigured("option_missing", "callback_url")
        return address


def seal_password(password: str, certificate: bytes) -> str:
    """An initiator's password for M-Pesa alone (its certificate in PEM): the security_credential.

    Done once, when a connection is set up: the padding is random, and one order must always give the
    same bytes. Raises ConnectorMisconfigured.
    """
    try:
        key = load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        raise ConnectorMisconfigured("credentials_invalid", "certificate") from None
    if not isinstance(key, RSAPublicKey):
        raise ConnectorMisconfigured("credentials_invalid", "certificate")
    return base64.b64encode(key.encrypt(password.encode(), PKCS1v15())).decode()


def _refused(outcome: Outcome) -> Outcome:
    """Daraja's own word for "this is no order" is as certain as any other."""
    if outcome.code != "http_400":
        return outcome
    try:
        code = json_text(read_json(outcome.document), "errorCode")
    except UnreadableDocument:
        return outcome
    known = code == _BAD_REQUEST
    return replace(outcome, kind=OutcomeKind.REJECTED, code=code) if known else outcome


def _acknowledged(answer: HttpAnswer, reference: str, *, kind: OutcomeKind) -> Outcome:
    """An acknowledgement: of an order (ACCEPTED), or of a question (UNKNOWN, and `reference` is "")."""
    try:
        told = read_json(answer.body)
        taken = json_text(told, "ResponseCode") == "0"
        ours = reference in ("", json_text(told, "OriginatorConversationID"))
        conversation = json_text(told, "ConversationID")
    except UnreadableDocument as error:
        return unreadable_answer(answer, "answer_unreadable", error.code)
    if not conversation:
        return unreadable_answer(answer, "answer_unreadable", "no ConversationID")
    if not ours:
        return unreadable_answer(answer, "answer_mismatch", "speaks of another payment")
    if not taken:
        return unreadable_answer(answer, "answer_refused", "ResponseCode is not 0")
    return Outcome(
        kind=kind,
        code=ASKED if kind is OutcomeKind.UNKNOWN else "",
        bank_reference=conversation if reference else "",
        document=answer.body if reference else b"",
        content_type=answer.headers.get("content-type", ""),
    )


def _result(body: bytes) -> Mapping[str, Any]:
    result = read_json(body).get("Result")
    if not isinstance(result, dict):
        raise UnreadableDocument("json_incomplete", "no Result")
    return result


def _parameters(result: Mapping[str, Any]) -> dict[str, Any]:
    """ResultParameters by name; none where the request failed."""
    held = result.get("ResultParameters")
    if not isinstance(held, dict):
        return {}
    listed = held.get("ResultParameter")
    if isinstance(listed, dict):  # A single one is no list at M-Pesa.
        listed = [listed]
    return {
        json_text(item, "Key"): item.get("Value")
        for item in objects({"ResultParameter": listed}, "ResultParameter")
    }


def _reference(result: Mapping[str, Any], what: str) -> str:
    """Ours: a question's result names that of the payment among its parameters."""
    if what == _STATE:
        asked = _parameters(result).get("OriginatorConversationID")
        if isinstance(asked, str) and asked:
            return asked
    return json_text(result, "OriginatorConversationID")


def _code(result: Mapping[str, Any]) -> str:
    code = result.get("ResultCode")
    if isinstance(code, bool) or not isinstance(code, int | str) or code == "":
        raise UnreadableDocument("json_incomplete", "ResultCode is missing")
    return str(code)


def _amount(value: Any) -> Decimal | None:
    whole = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return Decimal(value) if whole else None


def _paid_or_not(result: Mapping[str, Any]) -> StatusEvent | None:
    """The result of an order. None where M-Pesa does not know either."""
    code, told = _code(result), _parameters(result)
    if code in _UNDECIDED:
        return None
    return StatusEvent(
        kind=EventKind.SETTLED if code == "0" else EventKind.REJECTED,
        reference=_reference(result, _RESULT),
        code="" if code == "0" else code,
        detail="" if code == "0" else json_text(result, "ResultDesc"),
        amount=_amount(told.get("TransactionAmount")),
        currency="KES" if "TransactionAmount" in told else "",
        bank_reference=json_text(result, "TransactionID"),
    )


def _state(result: Mapping[str, Any]) -> StatusEvent | None:
    """How a payment stands. A question that failed says nothing about the payment."""
    told = _parameters(result)
    kind = _STATES.get(str(told.get("TransactionStatus", "")))
    if _code(result) != "0" or kind is None:
        return None
    return StatusEvent(
        kind=kind,
        reference=_reference(result, _STATE),
        code=str(told.get("ReasonCode") or "") if kind is EventKind.REJECTED else "",
        amount=_amount(told.get("Amount")),
        currency="KES" if "Amount" in told else "",
        bank_reference=str(told.get("ReceiptNo") or ""),
    )
