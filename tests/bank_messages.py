"""Messages that banks send by themselves, written and signed by hand as each bank would."""

from __future__ import annotations

import abc
import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from tests import world

SETTLED_AT = "2026-11-24T09:30:16.123+00:00"


@dataclass(frozen=True, kw_only=True)
class Message:
    """As it goes over the wire. `query` follows the `?` of the address."""

    body: bytes
    headers: dict[str, str]
    query: str = ""


class Sender(abc.ABC):
    """A bank that has something to say about payments under our references."""

    address: str  # name:rail
    pays: dict[str, str]  # Whom it pays, accepted and never settled while nobody asks for reports.
    amount: str
    method: str = "bank_transfer"
    refusal: str  # A code that means: for good.
    return_code: str
    signs: bool = True  # Signs time and body; else it calls an address that only it was told.
    # What it says about one payment in the wrong order, and how that ends.
    disorder: tuple[str, ...] = ("returned", "settled", "returned")

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("settled", "rejected", "returned") if self.signs else ("settled", "rejected")

    @abc.abstractmethod
    def told(self, kind: str, reference: str, *, number: int = 1) -> bytes:
        """What is said: kind is settled, rejected or returned. `number` makes it another message."""

    @abc.abstractmethod
    def proved(
        self, body: bytes, *, at: datetime | None = None, secret: bytes = world.BANK_KEY.encode()
    ) -> Message:
        """The same, proved with the bank's secret at a time (now)."""

    def message(self, kind: str, reference: str, **more: Any) -> Message:
        return self.proved(self.told(kind, reference, **more))


class FasterPayments(Sender):
    address = "default:faster_payments"
    pays = {"sort_code": "089999", "account_number": "66374958"}
    amount = "100.00"
    refusal = return_code = "AC07"

    def told(
        self, kind: str, reference: str, *, number: int = 1, at: datetime | None = None
    ) -> bytes:
        payload: dict[str, Any] = {
            "TransactionId": "073dca79-13b8-8bf2-b63b-148957caffe9", "Scheme": "FasterPayments",
            "EndToEndTransactionId": reference, "Amount": 100.00, "CurrencyCode": "GBP",
            "DebitCreditCode": "Debit", "IsReturn": False,
        }  # fmt: skip
        if kind == "rejected":
            payload |= {"Status": "Rejected", "CancellationCode": self.refusal}
        else:
            payload |= {"Status": "Settled", "TimestampSettled": SETTLED_AT}
        if kind == "returned":
            payload |= {
                "DebitCreditCode": "Credit", "IsReturn": True, "CancellationCode": self.refusal,
            }  # fmt: skip
        named = "TransactionRejected" if kind == "rejected" else "TransactionSettled"
        moment = (at or datetime.now(UTC)).isoformat()
        content = {"Type": named, "Version": 6, "Payload": payload, "Nonce": number}
        return json.dumps({"Timestamp": moment, **content}).encode()

    def proved(
        self, body: bytes, *, at: datetime | None = None, secret: bytes = world.BANK_KEY.encode()
    ) -> Message:
        if at is not None:  # The time stands in what is signed.
            body = json.dumps({**json.loads(body), "Timestamp": at.isoformat()}).encode()
        seed = hashlib.sha256(b"faster_payments webhooks of " + secret).digest()
        signature = Ed25519PrivateKey.from_private_bytes(seed).sign(body)
        return Message(
            body=body, headers={"DigitalSignature": base64.b64encode(signature).decode()}
        )


class Wave(Sender):
    address = "wave:mobile_money"
    pays = {"msisdn": "+221770000801", "operator": "wave"}
    amount = "1000"
    method = "mobile_money"
    refusal = "recipient-account-blocked"
    return_code = "REVERSED"

    def told(self, kind: str, reference: str, *, number: int = 1) -> bytes:
        words = {"settled": "succeeded", "rejected": "failed", "returned": "reversed"}
        data: dict[str, Any] = {
            "id": "pt-185sewgm8100t", "client_reference": reference, "currency": "XOF",
            "receive_amount": "1000", "status": words[kind],
        }  # fmt: skip
        if kind == "rejected":
            data["payout_error"] = {"error_code": self.refusal, "error_message": "Blocked"}
        return json.dumps(
            {"id": f"EV_{number}", "type": f"payout.{words[kind]}", "data": data}
        ).encode()

    def proved(
        self, body: bytes, *, at: datetime | None = None, secret: bytes = world.BANK_KEY.encode()
    ) -> Message:
        key = hashlib.sha256(b"wave webhooks of " + secret).hexdigest().encode()
        stamp = str(int((at or datetime.now(UTC)).timestamp()))
        digest = hmac.new(key, stamp.encode() + body, hashlib.sha256).hexdigest()
        return Message(body=body, headers={"Wave-Signature": f"t={stamp},v1={digest}"})


class Caller(Sender):
    """Signs nothing: it was given an address with a token for this one payment."""

    amount = "1000"
    method = "mobile_money"
    signs = False
    return_code = ""
    disorder = ("settled", "rejected", "settled")

    @abc.abstractmethod
    def about(self, body: bytes) -> str:
        """Our reference in a body."""

    def proved(
        self, body: bytes, *, at: datetime | None = None, secret: bytes = world.BANK_KEY.encode()
    ) -> Message:
        return self.to(self.about(body), body, secret=secret)

    def to(
        self, reference: str, body: bytes, *, what: str = "result", secret: bytes = b""
    ) -> Message:
        """Called at the address of one payment; with another secret it is nobody's."""
        ours = settings.SECRET_KEY.encode() if secret in (b"", world.BANK_KEY.encode()) else secret
        key = hashlib.sha256(b"callbacks " + ours).hexdigest().encode()
        digest = hmac.new(key, f"{what}\n{reference}".encode(), hashlib.sha256).hexdigest()
        query = urlencode({"ref": reference, "what": what, "token": digest[:40]})
        return Message(body=body, headers={}, query=query)


class Mtn(Caller):
    address = "mtn:mobile_money"
    pays = {"msisdn": "+2250500000001"}
    refusal = "PAYEE_NOT_FOUND"

    def about(self, body: bytes) -> str:
        return str(json.loads(body)["externalId"])

    def told(self, kind: str, reference: str, *, number: int = 1) -> bytes:
        content: dict[str, Any] = {
            "financialTransactionId": f"{number:010d}", "externalId": reference, "amount": "1000",
            "currency": "XOF", "payee": {"partyIdType": "MSISDN", "partyId": "2250500000001"},
            "payeeNote": "Weekly settlement", "status": "SUCCESSFUL",
        }  # fmt: skip
        if kind == "rejected":
            content |= {"status": "FAILED", "reason": self.refusal}
        return json.dumps(content).encode()


class Mpesa(Caller):
    address = "mpesa:mobile_money"
    pays = {"msisdn": "+254700000001"}
    refusal = "2040"

    def about(self, body: bytes) -> str:
        return str(json.loads(body)["Result"]["OriginatorConversationID"])

    def told(self, kind: str, reference: str, *, number: int = 1) -> bytes:
        result: dict[str, Any] = {
            "ResultType": 0, "ResultCode": 0, "ResultDesc": "The service request is processed successfully.",
            "OriginatorConversationID": reference, "ConversationID": f"AG_{number}",
            "TransactionID": "NLJ41HAY6Q",
        }  # fmt: skip
        if kind == "rejected":
            result |= {"ResultCode": int(self.refusal), "ResultDesc": "Not a customer"}
        else:
            items = {
                "TransactionAmount": 1000, "TransactionReceipt": "NLJ41HAY6Q",
                "ReceiverPartyPublicName": "254700000001 - Wanjiru Kamau",
                "TransactionCompletedDateTime": "24.11.2026 09:30:16",
            }  # fmt: skip
            listed = [{"Key": key, "Value": value} for key, value in items.items()]
            result["ResultParameters"] = {"ResultParameter": listed}
        return json.dumps({"Result": result}).encode()


MTN, MPESA = Mtn(), Mpesa()
SENDERS: dict[str, Sender] = {
    "faster_payments": FasterPayments(), "wave": Wave(), "mtn": MTN, "mpesa": MPESA,
}  # fmt: skip
