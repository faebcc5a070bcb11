"""Three mobile money operators of different character behind one rail name.

MTN: a token, `X-Reference-Id`, 202 and nothing more; the same reference again is 409. Wave: an answer
at once, and the first answer again under the same `Idempotency-Key`. Orange: a token, an answer at
once, and no memory: a repetition is another cash-in. Refusals for a wallet's sake come later at MTN
(as FAILED), at once at the others.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from connectors.bank_simulator import magic
from connectors.bank_simulator.magic import Magic
from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    Reply,
    State,
    Submission,
    UnreadableSubmission,
    as_uuid,
)
from connectors.bank_simulator.rail import Incoming, Rail, json_reply

TOKEN_SECONDS = 3600
MAX_WALLET = Decimal(2_000_000)
_WHOLE = re.compile(r"[1-9][0-9]{0,11}\Z")
_NUMBER = re.compile(r"\+?[1-9][0-9]{7,14}\Z")
_REPORTED = {
    State.SETTLED: "SUCCESSFUL",
    State.RETURNED: "REVERSED",
    State.REJECTED: "FAILED",
}


class WalletRail(Rail):
    """What the three have in common: settled in the moment of acceptance, in whole francs."""

    name: ClassVar[str] = "mobile_money"
    duplicate_code: ClassVar[str] = "DUPLICATE_REFERENCE"

    def settles_at(self, accepted_at: datetime, wanted_on: date) -> datetime:
        return accepted_at

    def returns_at(self, settled_at: datetime) -> datetime:
        return settled_at + timedelta(days=1)

    def settlement(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return _report(payments, State.SETTLED)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return _report(payments, State.RETURNED)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        refused = [line.payment for line in lines if line.payment.state is State.REJECTED]
        return _report(refused, State.REJECTED)

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return json_reply(409, {"code": code, "message": detail})


class MtnRail(WalletRail):
    """MTN MoMo disbursement, in two countries."""

    resource: ClassVar[str] = "disbursement/v1_0/transfer"
    banks: ClassVar[tuple[str, ...]] = ("mtn", "mtn-cameroon")
    default_code: ClassVar[str] = "PAYEE_NOT_FOUND"
    decides_later: ClassVar[bool] = True

    def side_door(self, request: Incoming) -> Reply | None:
        return _token(request, "disbursement/token")

    def admits(self, request: Incoming) -> bool:
        return _has_token(request)

    def read(self, request: Incoming, now: datetime) -> Submission:
        key = request.headers.get("x-reference-id", "")
        told = _json(request.body)
        payee = told.get("payee")
        if as_uuid(key) != key or not request.headers.get("x-target-environment"):
            raise UnreadableSubmission("X-Reference-Id or X-Target-Environment is missing")
        if not isinstance(payee, dict) or payee.get("partyIdType") != "MSISDN":
            raise UnreadableSubmission("payee must be an MSISDN")
        order = _order(
            reference=key,
            payout=_text(told, "payerMessage"),
            amount=_text(told, "amount"),
            currency=_text(told, "currency"),
            number=_text(payee, "partyId"),
        )
        return Submission(key=key, digest=_digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "mtn")

    def repeat(self, first: Reply) -> Reply:
        message = "Duplicated reference id. Creation of resource failed."
        return json_reply(409, {"code": "RESOURCE_ALREADY_EXIST", "message": message})

    def unknown(self) -> Reply:
        return json_reply(
            404, {"code": "RESOURCE_NOT_FOUND", "message": "Requested resource was not found."}
        )

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        if not today:
            return Reply(status=202, content_type="application/json", body=b"")
        line = lines[-1]
        payment = line.payment
        status = {State.ACCEPTED: "PENDING", State.REJECTED: "FAILED"}
        told: dict[str, Any] = {
            "externalId": payment.reference,
            "amount": _francs(line.shown_amount),
            "currency": payment.currency,
            "status": status.get(payment.state, "SUCCESSFUL"),
        }
        if payment.state is State.REJECTED:
            told["reason"] = {"code": payment.code, "message": payment.code}
        else:
            told["financialTransactionId"] = payment.bank_reference
        return json_reply(200, told)


class WaveRail(WalletRail):
    """Wave payouts."""

    resource: ClassVar[str] = "v1/payout"
    banks: ClassVar[tuple[str, ...]] = ("wave",)
    default_code: ClassVar[str] = "recipient-account-inactive"
    duplicate_code: ClassVar[str] = "idempotency-mismatch"

    def asked_for(self, request: Incoming) -> str | None:
        return _searched(request, "v1/payouts/search", "client_reference")

    def unknown(self) -> Reply:
        return json_reply(200, {"result": []})

    def read(self, request: Incoming, now: datetime) -> Submission:
        key, told = request.headers.get("idempotency-key", ""), _json(request.body)
        reference = _text(told, "client_reference")
        if not key or not 1 <= len(reference) <= 255:
            raise UnreadableSubmission("Idempotency-Key or client_reference is missing")
        if len(_text(told, "payment_reason")) > 40 or not _text(told, "name"):
            raise UnreadableSubmission("payment_reason is too long, or there is no name")
        order = _order(
            reference=reference,
            payout=_text(told, "payment_reason"),
            amount=_text(told, "receive_amount"),
            currency=_text(told, "currency"),
            number=_text(told, "mobile"),
        )
        return Submission(key=key, digest=_digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "wave")

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        told = [_wave(line, today=today) for line in lines]
        return json_reply(200, {"result": told} if today else told[0])


class OrangeRail(WalletRail):
    """Orange Money cash-in: the bank that forgets."""

    resource: ClassVar[str] = "api/eWallet/v1/cashins"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    default_code: ClassVar[str] = "2000"
    remembers: ClassVar[bool] = False

    def side_door(self, request: Incoming) -> Reply | None:
        return _token(request, "oauth/v1/token")

    def admits(self, request: Incoming) -> bool:
        return _has_token(request)

    def asked_for(self, request: Incoming) -> str | None:
        return _searched(request, "api/eWallet/v1/transactions", "reference")

    def unknown(self) -> Reply:
        return json_reply(200, {"transactions": []})

    def read(self, request: Incoming, now: datetime) -> Submission:
        told = _json(request.body)
        partner, customer = told.get("partner"), told.get("customer")
        amount, metadata = told.get("amount"), told.get("metadata")
        for part in (partner, customer, amount):
            if not isinstance(part, dict):
                raise UnreadableSubmission("partner, customer and amount must be objects")
        assert isinstance(partner, dict)
        assert isinstance(customer, dict)
        assert isinstance(amount, dict)
        reference = _text(told, "reference")
        if not _text(partner, "encryptedPinCode") or not reference:
            raise UnreadableSubmission("encryptedPinCode or reference is missing")
        value = amount.get("value")
        order = _order(
            reference=reference,
            payout=_text(metadata, "payout") if isinstance(metadata, dict) else "",
            amount=str(value) if isinstance(value, int) else "",
            currency=_text(amount, "unit"),
            number=_text(customer, "id"),
        )
        return Submission(key=reference, digest=_digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "orange")

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        told = [_orange(line, today=today) for line in lines]
        return json_reply(200, {"transactions": told} if today else told[0])


def _wave(line: Line, *, today: bool) -> dict[str, Any]:
    payment, state = line.payment, _state(line, today=today)
    status = {
        State.ACCEPTED: "succeeded" if payment.settles_at else "processing",
        State.REJECTED: "failed",
        State.RETURNED: "reversed",
    }
    told: dict[str, Any] = {
        "id": f"pt-{payment.id:011d}",
        "client_reference": payment.reference,
        "currency": payment.currency,
        "receive_amount": _francs(line.shown_amount),
        "status": status.get(state, "succeeded"),
    }
    if state is State.REJECTED:
        told["payout_error"] = {"error_code": payment.code, "error_message": payment.code}
    return told


def _orange(line: Line, *, today: bool) -> dict[str, Any]:
    payment, state = line.payment, _state(line, today=today)
    status = {
        State.ACCEPTED: "SUCCESS" if payment.settles_at else "PENDING",
        State.REJECTED: "FAILED",
    }
    told: dict[str, Any] = {
        "transactionId": f"CI{payment.id:012d}",
        "reference": payment.reference,
        "amount": {"value": int(line.shown_amount), "unit": payment.currency},
        "status": status.get(state, "SUCCESS"),
    }
    if state is State.REJECTED:
        told["code"] = payment.code
    return told


def _state(line: Line, *, today: bool) -> State:
    return line.payment.state if today else line.payment.verdict


def _report(payments: Sequence[Payment], state: State) -> Document:
    """What settled, failed or was reversed, as the operator's settlement report lists it."""
    transactions = []
    for payment in payments:
        told = {
            "reference": payment.reference,
            "id": payment.bank_reference,
            "status": _REPORTED[state],
            "amount": _francs(payment.amount),
            "currency": payment.currency,
        }
        code = payment.return_code if state is State.RETURNED else payment.code
        if state is not State.SETTLED:
            told["code"] = code or payment.late_code
        transactions.append(told)
    return Document.of("wallet.report", json.dumps({"transactions": transactions}).encode())


def _order(*, reference: str, payout: str, amount: str, currency: str, number: str) -> Order:
    if not _WHOLE.match(amount):
        raise UnreadableSubmission("the amount must be a whole number above 0")
    if not _NUMBER.match(number) or currency not in ("XOF", "XAF"):
        raise UnreadableSubmission("not a number or a currency of ours")
    return Order(
        reference=reference,
        payout_id=as_uuid(payout),
        amount=Decimal(amount),
        currency=currency,
        account=number,
        wanted_on=date.min,  # At once: there is no date to ask for.
        group="",
        position=reference,
        refusal="" if Decimal(amount) <= MAX_WALLET else "PAYEE_LIMIT_REACHED",
    )


def _token(request: Incoming, path: str) -> Reply | None:
    """A token for whoever knows the key, if a token is what was asked for."""
    if (request.method, request.path) != ("POST", path):
        return None
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        _user, _, key = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        key = ""
    if scheme != "Basic" or not hmac.compare_digest(key.encode(), request.api_key.encode()):
        return json_reply(401, {"code": "UNAUTHORIZED"})
    expires = int(time.time()) + TOKEN_SECONDS
    token = f"{expires}.{_seal(request.api_key, expires)}"
    return json_reply(
        200, {"access_token": token, "token_type": "access_token", "expires_in": TOKEN_SECONDS}
    )


def _has_token(request: Incoming) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expires, _, seal = token.partition(".")
    if scheme != "Bearer" or not expires.isdecimal() or int(expires) < time.time():
        return False
    return hmac.compare_digest(seal.encode(), _seal(request.api_key, int(expires)).encode())


def _seal(api_key: str, expires: int) -> str:
    return hmac.new(api_key.encode(), str(expires).encode(), hashlib.sha256).hexdigest()


def _searched(request: Incoming, path: str, name: str) -> str | None:
    asks = request.method == "GET" and request.path == path
    return request.query.get(name, "") or None if asks else None


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableSubmission("not JSON") from None
    if not isinstance(content, dict):
        raise UnreadableSubmission("not a JSON object")
    return content


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _francs(amount: Decimal) -> str:
    return f"{amount:f}"
