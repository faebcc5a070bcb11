"""M-Pesa business payments: an acknowledgement at once, the result by a call to the address in the order.

Nothing of a result is signed; whoever asks for the state of a payment is acknowledged, too, and called back.
M-Pesa remembers no OriginatorConversationID: the same order again is another payment.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from connectors.bank_simulator import magic
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Line,
    Order,
    Payment,
    Reply,
    State,
    Submission,
    UnreadableSubmission,
)
from connectors.bank_simulator.rail import Incoming, Notice, json_reply
from connectors.bank_simulator.wallets import (
    WalletRail,
    digest,
    has_token,
    read_json,
    text,
    token_reply,
    wallet_order,
)

QUERY = "mpesa/transactionstatus/v1/query"
COMMANDS = ("BusinessPayment", "SalaryPayment", "PromotionPayment")
_STATUS = {State.SETTLED: "Completed", State.REJECTED: "Failed", State.RETURNED: "Reversed"}


class MpesaRail(WalletRail):
    """M-Pesa in Kenya."""

    resource: ClassVar[str] = "mpesa/b2c/v3/paymentrequest"
    banks: ClassVar[tuple[str, ...]] = ("mpesa",)
    default_code: ClassVar[str] = "2040"
    decides_later: ClassVar[bool] = True
    remembers: ClassVar[bool] = False

    def side_door(self, request: Incoming) -> Reply | None:
        return token_reply(request, "oauth/v1/generate", method="GET")

    def admits(self, request: Incoming) -> bool:
        return has_token(request)

    def asked_for(self, request: Incoming) -> str | None:
        if (request.method, request.path) != ("POST", QUERY):
            return None
        try:
            return text(read_json(request.body), "OriginalConversationID") or "nothing"
        except UnreadableSubmission:
            return "nothing"

    def unknown(self) -> Reply:
        """What became of the question is told later, if ever."""
        return _acknowledged("", "")

    def read(self, request: Incoming, now: datetime) -> Submission:
        told = read_json(request.body)
        key, amount = text(told, "OriginatorConversationID"), told.get("Amount")
        if not 1 <= len(key) <= 100 or text(told, "CommandID") not in COMMANDS:
            raise UnreadableSubmission("OriginatorConversationID or CommandID is missing")
        _check_credential(text(told, "SecurityCredential"))
        if not text(told, "InitiatorName") or not text(told, "PartyA").isdecimal():
            raise UnreadableSubmission("InitiatorName or PartyA is missing")
        addresses = {"result": text(told, "ResultURL"), "timeout": text(told, "QueueTimeOutURL")}
        if not all(address.startswith("http") for address in addresses.values()):
            raise UnreadableSubmission("ResultURL or QueueTimeOutURL is missing")
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 10:
            raise UnreadableSubmission("Amount must be at least 10 whole shillings")
        order = wallet_order(
            reference=key,
            payout=text(told, "Occassion"),
            amount=str(amount),
            currency="KES",
            number=text(told, "PartyB"),
            details=addresses,
        )
        return Submission(key=key, digest=digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "mpesa")

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        return _acknowledged(key, report_id)

    def notices(self, payments: Sequence[Payment], state: State, *, now: datetime) -> list[Notice]:
        """The result of an order; of a reversal nobody is told."""
        return [
            Notice(body=_result(payment, state), url=payment.details["result"], tries=1)
            for payment in payments
            if state is not State.RETURNED
        ]

    def answers_later(self, request: Incoming, lines: Sequence[Line]) -> list[Notice]:
        """The state of a payment, to the address in the question."""
        url = text(read_json(request.body), "ResultURL")
        return [Notice(body=_state(line.payment), url=url, tries=1) for line in lines[-1:]]


def _check_credential(text_: str) -> None:
    """An initiator's password, encrypted by RSA: 128 bytes at least."""
    try:
        sealed = base64.b64decode(text_, validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    if len(sealed) < 128:
        raise UnreadableSubmission("SecurityCredential is not encrypted")


def _acknowledged(key: str, conversation: str) -> Reply:
    return json_reply(
        200,
        {
            "ConversationID": f"AG_{conversation}",
            "OriginatorConversationID": key,
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        },
    )


def _receipt(payment: Payment) -> str:
    return hashlib.sha256(f"receipt {payment.id}".encode()).hexdigest()[:10].upper()


def _result(payment: Payment, state: State) -> bytes:
    """What became of an order."""
    paid = state is State.SETTLED
    parameters = {
        "TransactionAmount": int(payment.amount),
        "TransactionReceipt": _receipt(payment),
        "B2CRecipientIsRegisteredCustomer": "Y",
    }
    code: int | str = 0 if paid else payment.code
    return _told(payment, code, parameters if paid else {})


def _state(payment: Payment) -> bytes:
    """How a payment stands: the question succeeded, whatever became of the payment."""
    parameters = {
        "OriginatorConversationID": payment.reference,
        "TransactionStatus": _STATUS.get(payment.state, "Pending"),
        "Amount": int(payment.amount),
        "ReceiptNo": _receipt(payment),
        "ReasonCode": payment.code,
    }
    return _told(payment, 0, parameters)


def _told(payment: Payment, code: int | str, parameters: Mapping[str, Any]) -> bytes:
    result: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": int(code) if str(code).isdecimal() else code,
        "ResultDesc": "The service request is processed successfully." if not code else "Failed",
        "OriginatorConversationID": payment.reference,
        "ConversationID": f"AG_{payment.id:012d}",
        "TransactionID": _receipt(payment),
    }
    if parameters:
        listed = [{"Key": name, "Value": value} for name, value in parameters.items()]
        result["ResultParameters"] = {"ResultParameter": listed}
    return json.dumps({"Result": result}).encode()
