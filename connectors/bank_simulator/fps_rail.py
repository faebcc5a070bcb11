"""Faster Payments at a simulated clearing bank: a signed JSON request in, 202 out, events by report.

Modelled on a real clearing bank's interface: `X-Request-Id`, a signature over the body, several
credit transfers in one request, each accepted or refused on its own. In the sandbox both sides derive
the signing key from the key they share.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.bank_simulator import magic
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    RecallWish,
    Reply,
    State,
    Submission,
    UnreadableSubmission,
    as_uuid,
    money,
)
from connectors.bank_simulator.rail import Incoming, Notice, TakesRecalls, json_reply

MAX_AMOUNT = Decimal("1000000.00")
MAX_TRANSFERS = 1000
_AMOUNT = "the amount"  # Stands for it until it is written.
_ASSESSED = ("CB_", "PY01")  # What the bank refuses itself, before the scheme hears of it.
RETURN_REQUESTS = "v3/payments/fps/return-requests"
RETURN_REASONS = ("DUPL", "TECH", "FRAD", "CUST", "AM09", "AC03")
_STATUS = {
    State.ACCEPTED: "Accepted",
    State.REJECTED: "Rejected",
    State.SETTLED: "Settled",
    State.RETURNED: "Returned",
}


class FasterPaymentsRail(TakesRecalls):
    """One clearing bank."""

    name: ClassVar[str] = "faster_payments"
    resource: ClassVar[str] = "v3/payments/fps"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    duplicate_code: ClassVar[str] = "DUPLICATE_REQUEST"
    default_code: ClassVar[str] = "AC07"
    decides_later: ClassVar[bool] = True
    checks_payees: ClassVar[str] = "cop"
    says_yes: ClassVar[bool] = True
    recall_code: ClassVar[str] = "FOCR"
    recall_refusals: ClassVar[Mapping[str, str]] = {
        "unknown": "NOOR",
        "refused": "NOOR",
        "amount": "AM09",
        "returned": "ARDT",
        "late": "RETURN_REQUEST_TOO_LATE",
        "asked": "ARDT",
    }

    def admits(self, request: Incoming) -> bool:
        if request.method == "POST" and not _signed(request):
            return False
        return super().admits(request)

    def read(self, request: Incoming, now: datetime) -> Submission:
        key = request.headers.get("x-request-id", "")
        if not re.fullmatch(r"[!-~]{1,100}", key):
            raise UnreadableSubmission("X-Request-Id is missing")
        orders = [
            _order(instruction, transfer)
            for instruction in _objects(_json(request.body), "paymentInstructions")
            for transfer in _objects(instruction, "creditTransfers")
        ]
        references = [order.reference for order in orders]
        if not 1 <= len(orders) <= MAX_TRANSFERS or len(set(references)) != len(references):
            raise UnreadableSubmission("1 to 1000 transfers, each with a reference of its own")
        return Submission(key=key, digest=hashlib.sha256(request.body).hexdigest(), orders=orders)

    def magic(self, order: Order) -> Magic | None:
        return magic.for_uk_account(order.account)

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        told = [
            _told(
                line.payment,
                line.payment.state if today else line.payment.verdict,
                amount=line.shown_amount,
            )
            for line in lines
        ]
        return json_reply(200 if today else 202, {"requestId": key, "transactions": told})

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return json_reply(409, {"code": code, "detail": detail})

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return accepted_at

    def returns_at(self, settled_at: datetime) -> datetime:
        return settled_at + timedelta(days=1)

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return _events("TransactionSettled", payments, now=now, state=State.SETTLED)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return _events("TransactionReturned", payments, now=now, state=State.RETURNED)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        refused = [line.payment for line in lines if line.payment.state is State.REJECTED]
        return _events("TransactionRejected", refused, now=now, state=State.REJECTED)

    def notices(self, payments: Sequence[Payment], state: State, *, now: datetime) -> list[Notice]:
        return [Notice(body=_webhook(payment, state, now=now)) for payment in payments]

    def seal(self, body: bytes, *, at: float, api_key: str) -> tuple[bytes, Mapping[str, str]]:
        """The time of sending stands inside what is signed."""
        stamp = datetime.fromtimestamp(at, UTC).isoformat()
        sealed = f'{{"Timestamp": "{stamp}", '.encode() + body.removeprefix(b"{")
        seed = hashlib.sha256(b"faster_payments webhooks of " + api_key.encode()).digest()
        signature = Ed25519PrivateKey.from_private_bytes(seed).sign(sealed)
        return sealed, {"DigitalSignature": base64.b64encode(signature).decode()}

    def asks_back(self, request: Incoming) -> RecallWish | None:
        if (request.method, request.path) != ("POST", RETURN_REQUESTS):
            return None
        told = _json(request.body)
        key, amount = request.headers.get("x-request-id", ""), _at(told, "amount.instructedAmount")
        if not re.fullmatch(r"[!-~]{1,100}", key) or _at(told, "requestId") != key:
            raise UnreadableSubmission("X-Request-Id is missing, or the body names another")
        if _at(told, "reason.code") not in RETURN_REASONS:
            raise UnreadableSubmission("reason.code must be one of the scheme's")
        if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{2}", amount):
            raise UnreadableSubmission("instructedAmount must have two decimals")
        return RecallWish(
            key=key,
            digest=hashlib.sha256(request.body).hexdigest(),
            reference=_at(told, "originalEndToEndIdentification"),
            amount=Decimal(amount),
            currency=_at(told, "amount.currency"),
            details={"request": key},
        )

    def recall_answer(self, wish: RecallWish, *, refusal: str, detail: str, now: datetime) -> Reply:
        if refusal:
            status = 409 if refusal == self.duplicate_code else 400
            return json_reply(status, {"code": refusal, "detail": detail})
        return json_reply(202, {"requestId": wish.key})

    def recall_until(self, settled_at: datetime, wish: RecallWish) -> datetime:
        return settled_at + timedelta(days=90)

    def recalled_at(self, now: datetime) -> datetime:
        return now

    def note(
        self,
        kind: str,
        notes: Sequence[tuple[Payment, Mapping[str, str]]],
        *,
        number: int,
        now: datetime,
        day: date,
    ) -> Document:
        events = []
        for payment, note in notes:
            payload = _told(payment, payment.state, amount=payment.amount)
            payload |= {"requestId": note["request"]}
            if kind == "recall_refused":
                payload |= {"reasonCode": note["code"]}
            said = "Refused" if kind == "recall_refused" else "Accepted"
            events.append({"Type": f"ReturnRequest{said}", "Version": 1, "Payload": payload})
        return Document.of("fps.events", json.dumps({"events": events}).encode())


def _webhook(payment: Payment, state: State, *, now: datetime) -> bytes:
    """One message in the bank's own dialect, which differs from that of its API."""
    nonce = (
        int.from_bytes(hashlib.sha256(f"{payment.id} {state}".encode()).digest()[:4], "big") >> 1
    )
    code = payment.return_code if state is State.RETURNED else payment.code
    if state is State.REJECTED and code.startswith(_ASSESSED):
        failure = {"EndToEndId": payment.reference, "Reasons": [code]}
        payload: dict[str, Any] = {
            "MessageId": as_uuid(payment.payout_id), "PaymentMethodType": "Transfer", "AssessmentFailure": [failure],
        }  # fmt: skip
        return _envelope("PaymentMessageAssessmentFailed", 1, payload, nonce)
    payload = {
        "TransactionId": payment.bank_reference,
        "Status": "Rejected" if state is State.REJECTED else "Settled",
        "Scheme": "FasterPayments",
        "EndToEndTransactionId": payment.reference,
        "Amount": _AMOUNT,
        "CurrencyCode": payment.currency,
        "DebitCreditCode": "Credit" if state is State.RETURNED else "Debit",
        "IsReturn": state is State.RETURNED,
    }
    if state is not State.SETTLED:
        payload |= {"CancellationCode": code, "CancellationReason": "Told by the receiving bank"}
    if state is State.REJECTED:
        told = _envelope("TransactionRejected", 2, payload, nonce)
    else:
        payload |= {"TimestampSettled": now.isoformat()}
        told = _envelope("TransactionSettled", 6, payload, nonce)
    # A JSON number at that bank, and exact all the same.
    return told.replace(json.dumps(_AMOUNT).encode(), money(payment.amount).encode())


def _envelope(kind: str, version: int, payload: Mapping[str, Any], nonce: int) -> bytes:
    return json.dumps(
        {"Type": kind, "Version": version, "Payload": payload, "Nonce": nonce}
    ).encode()


def _signed(request: Incoming) -> bool:
    try:
        signature = base64.b64decode(request.headers.get("digitalsignature", ""), validate=True)
        _signing_key(request.api_key).public_key().verify(signature, request.body)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _signing_key(api_key: str) -> Ed25519PrivateKey:
    seed = hashlib.sha256(b"faster_payments signature of " + api_key.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def _events(kind: str, payments: Sequence[Payment], *, now: datetime, state: State) -> Document:
    events = []
    for payment in payments:
        payload = _told(payment, state, amount=payment.amount)
        if state is not State.REJECTED:
            payload["timestampSettled"] = now.isoformat()
        events.append({"Type": kind, "Version": 6, "Payload": payload, "Nonce": payment.id})
    return Document.of("fps.events", json.dumps({"events": events}).encode())


def _told(payment: Payment, state: State, *, amount: Decimal) -> dict[str, Any]:
    told = {
        "endToEndIdentification": payment.reference,
        "transactionId": payment.bank_reference,
        "scheme": "FasterPayments",
        "status": _STATUS[state],
        "amount": money(amount),
        "currencyCode": payment.currency,
    }
    code = payment.return_code if state is State.RETURNED else payment.code
    if code and state in (State.REJECTED, State.RETURNED):
        told["reasonCode"] = code
    return told


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableSubmission("not JSON") from None
    if not isinstance(content, dict):
        raise UnreadableSubmission("not a JSON object")
    return content


def _objects(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = content.get(name)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise UnreadableSubmission(f"{name} must be a list of objects")
    return listed


def _at(content: Mapping[str, Any], path: str) -> str:
    """The text at a dotted path, or an empty one."""
    value: Any = content
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _order(instruction: Mapping[str, Any], transfer: Mapping[str, Any]) -> Order:
    text = _at(transfer, "amount.instructedAmount")
    if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{2}", text):
        raise UnreadableSubmission("instructedAmount must have two decimals")
    reference = _at(transfer, "paymentIdentification.endToEndIdentification")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,35}", reference):
        raise UnreadableSubmission("endToEndIdentification must be 1 to 35 characters")
    payout = _at(transfer, "paymentIdentification.instructionIdentification")
    return Order(
        reference=reference,
        payout_id=as_uuid(payout),
        amount=Decimal(text),
        currency=_at(transfer, "amount.currency"),
        account=_at(transfer, "creditorAccount.identification.other.identification"),
        wanted_on=date.min,  # At once: there is no date to ask for.
        group="",
        position=payout,
        details={"debtor": _at(instruction, "debtorAccount.identification.other.identification")},
        refusal=_refusal(instruction, transfer, Decimal(text)),
    )


def _refusal(instruction: Mapping[str, Any], transfer: Mapping[str, Any], amount: Decimal) -> str:
    """The code of the first rule that a transfer breaks, or an empty text."""
    if _at(transfer, "amount.currency") != "GBP":
        return "AC09"
    if not 0 < amount <= MAX_AMOUNT:
        return "AM02"
    for where in (instruction, "debtorAccount"), (transfer, "creditorAccount"):
        content, name = where
        number = _at(content, f"{name}.identification.other.identification")
        scheme = _at(content, f"{name}.identification.other.schemeName.code")
        if scheme != "SortCodeAccountNumber" or not re.fullmatch(r"[0-9]{14}", number):
            return "AC03"
    if not 1 <= len(_at(transfer, "creditor.name").strip()) <= 140:
        return "CB_BeneficiaryNameMissing"
    path = "remittanceInformation.structured.creditorReferenceInformation.reference"
    return "" if 1 <= len(_at(transfer, path)) <= 18 else "CB_ReferenceMissing"
