"""Three mobile money operators of different character behind one rail name.

MTN: a token, `X-Reference-Id`, 202 and nothing more; the same reference again is 409. Wave: an answer
at once, and the first answer again under the same `Idempotency-Key`. Orange: a token, an answer at
once, and no memory: a repetition is another cash-in. Refusals for a wallet's sake come later at MTN
(as FAILED), at once at the others.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    RecallWish,
    Reply,
    State,
    Submission,
    UnreadableSubmission,
    as_uuid,
)
from connectors.bank_simulator.rail import Incoming, Notice, TakesRecalls, json_reply
from connectors.bank_simulator.wallets import (
    WalletRail,
    digest,
    has_token,
    plain,
    read_json,
    searched,
    text,
    token_reply,
    wallet_order,
)

_REVERSAL = re.compile(r"v1/payout/pt-([0-9]{1,15})/reverse\Z")


class MtnRail(WalletRail):
    """MTN MoMo disbursement, in two countries."""

    resource: ClassVar[str] = "disbursement/v1_0/transfer"
    banks: ClassVar[tuple[str, ...]] = ("mtn", "mtn-cameroon")
    default_code: ClassVar[str] = "PAYEE_NOT_FOUND"
    decides_later: ClassVar[bool] = True
    checks_payees: ClassVar[str] = "mtn"

    def side_door(self, request: Incoming) -> Reply | None:
        return token_reply(request, "disbursement/token")

    def admits(self, request: Incoming) -> bool:
        return has_token(request)

    def read(self, request: Incoming, now: datetime) -> Submission:
        key = request.headers.get("x-reference-id", "")
        told = read_json(request.body)
        payee = told.get("payee")
        if as_uuid(key) != key or not request.headers.get("x-target-environment"):
            raise UnreadableSubmission("X-Reference-Id or X-Target-Environment is missing")
        if not isinstance(payee, dict) or payee.get("partyIdType") != "MSISDN":
            raise UnreadableSubmission("payee must be an MSISDN")
        order = wallet_order(
            reference=key,
            payout=text(told, "payerMessage"),
            amount=text(told, "amount"),
            currency=text(told, "currency"),
            number=text(payee, "partyId"),
            details={"callback": request.headers.get("x-callback-url", "")},
        )
        return Submission(key=key, digest=digest(request.body), orders=[order])

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
        return json_reply(200, _mtn(line.payment, line.payment.state, amount=line.shown_amount))

    def notices(self, payments: Sequence[Payment], state: State, *, now: datetime) -> list[Notice]:
        """Told once to the address that came with the order, signed by nothing; reversals never."""
        return [
            Notice(
                body=json.dumps(_mtn(payment, state, amount=payment.amount)).encode(),
                url=payment.details["callback"],
                method="PUT",
                tries=1,
            )
            for payment in payments
            if payment.details.get("callback") and state is not State.RETURNED
        ]


class WaveRail(WalletRail, TakesRecalls):
    """Wave payouts."""

    resource: ClassVar[str] = "v1/payout"
    banks: ClassVar[tuple[str, ...]] = ("wave",)
    default_code: ClassVar[str] = "recipient-account-inactive"
    duplicate_code: ClassVar[str] = "idempotency-mismatch"
    checks_payees: ClassVar[str] = "wave"
    recall_code: ClassVar[str] = "REVERSED"
    kept_code: ClassVar[str] = "insufficient-funds"
    # What is back already is answered like what goes back now.
    recall_refusals: ClassVar[Mapping[str, str]] = {
        "unknown": "not-found",
        "refused": "payout-reversal-not-possible",
        "late": "payout-reversal-time-limit-exceeded",
        "kept": "insufficient-funds",
    }

    def asks_back(self, request: Incoming) -> RecallWish | None:
        named = _REVERSAL.match(request.path)
        if request.method != "POST" or named is None:
            return None
        key = request.headers.get("idempotency-key", "") or request.path
        return RecallWish(key=key, digest=request.path, payment_id=int(named[1]))

    def recall_answer(self, wish: RecallWish, *, refusal: str, detail: str, now: datetime) -> Reply:
        """Nothing is said where the money is back."""
        if refusal:
            status = {"not-found": 404, self.duplicate_code: 409}.get(refusal, 400)
            return json_reply(status, {"code": refusal, "message": detail})
        return Reply(status=200, content_type="application/json", body=b"")

    def recall_until(self, settled_at: datetime, wish: RecallWish) -> datetime:
        return settled_at + timedelta(days=3)

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
        raise LookupError(f"Wave has no report of {kind}")

    def asked_for(self, request: Incoming) -> str | None:
        return searched(request, "v1/payouts/search", "client_reference")

    def unknown(self) -> Reply:
        return json_reply(200, {"result": []})

    def read(self, request: Incoming, now: datetime) -> Submission:
        key, told = request.headers.get("idempotency-key", ""), read_json(request.body)
        reference = text(told, "client_reference")
        if not key or not 1 <= len(reference) <= 255:
            raise UnreadableSubmission("Idempotency-Key or client_reference is missing")
        if len(text(told, "payment_reason")) > 40 or not text(told, "name"):
            raise UnreadableSubmission("payment_reason is too long, or there is no name")
        order = wallet_order(
            reference=reference,
            payout=text(told, "payment_reason"),
            amount=text(told, "receive_amount"),
            currency=text(told, "currency"),
            number=text(told, "mobile"),
        )
        return Submission(key=key, digest=digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "wave")

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        told = [_wave(line, today=today) for line in lines]
        return json_reply(200, {"result": told} if today else told[0])

    def notices(self, payments: Sequence[Payment], state: State, *, now: datetime) -> list[Notice]:
        return [Notice(body=_wave_webhook(payment, state)) for payment in payments]

    def seal(self, body: bytes, *, at: float, api_key: str) -> tuple[bytes, Mapping[str, str]]:
        secret = hashlib.sha256(b"wave webhooks of " + api_key.encode()).hexdigest()
        stamp = str(int(at))
        digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).hexdigest()
        return body, {"Wave-Signature": f"t={stamp},v1={digest}"}


class OrangeRail(WalletRail):
    """Orange Money cash-in: the bank that forgets."""

    resource: ClassVar[str] = "api/eWallet/v1/cashins"
    banks: ClassVar[tuple[str, ...]] = ("default",)
    default_code: ClassVar[str] = "2000"
    remembers: ClassVar[bool] = False

    def side_door(self, request: Incoming) -> Reply | None:
        return token_reply(request, "oauth/v1/token")

    def admits(self, request: Incoming) -> bool:
        return has_token(request)

    def asked_for(self, request: Incoming) -> str | None:
        return searched(request, "api/eWallet/v1/transactions", "reference")

    def unknown(self) -> Reply:
        return json_reply(200, {"transactions": []})

    def read(self, request: Incoming, now: datetime) -> Submission:
        told = read_json(request.body)
        partner, customer = told.get("partner"), told.get("customer")
        amount, metadata = told.get("amount"), told.get("metadata")
        for part in (partner, customer, amount):
            if not isinstance(part, dict):
                raise UnreadableSubmission("partner, customer and amount must be objects")
        assert isinstance(partner, dict)
        assert isinstance(customer, dict)
        assert isinstance(amount, dict)
        reference = text(told, "reference")
        if not text(partner, "encryptedPinCode") or not reference:
            raise UnreadableSubmission("encryptedPinCode or reference is missing")
        value = amount.get("value")
        order = wallet_order(
            reference=reference,
            payout=text(metadata, "payout") if isinstance(metadata, dict) else "",
            amount=str(value) if isinstance(value, int) else "",
            currency=text(amount, "unit"),
            number=text(customer, "id"),
        )
        return Submission(key=reference, digest=digest(request.body), orders=[order])

    def magic(self, order: Order) -> Magic | None:
        return magic.for_wallet(order.account, "orange")

    def answer(
        self, key: str, lines: Sequence[Line], *, report_id: str, now: datetime, today: bool
    ) -> Reply:
        told = [_orange(line, today=today) for line in lines]
        return json_reply(200, {"transactions": told} if today else told[0])


def _mtn(payment: Payment, state: State, *, amount: Decimal) -> dict[str, Any]:
    status = {State.ACCEPTED: "PENDING", State.REJECTED: "FAILED"}
    told: dict[str, Any] = {
        "externalId": payment.reference,
        "amount": plain(amount),
        "currency": payment.currency,
        "status": status.get(state, "SUCCESSFUL"),
    }
    if state is State.REJECTED:
        told["reason"] = {"code": payment.code, "message": payment.code}
    else:
        told["financialTransactionId"] = payment.bank_reference
    return told


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
        "receive_amount": plain(line.shown_amount),
        "status": status.get(state, "succeeded"),
    }
    if state is State.REJECTED:
        told["payout_error"] = {"error_code": payment.code, "error_message": payment.code}
    return told


def _wave_webhook(payment: Payment, state: State) -> bytes:
    line = Line(
        payment=replace(payment, state=state),
        group=payment.group,
        position=payment.position,
        shown_amount=payment.amount,
    )
    told = _wave(line, today=True)
    event = {
        "id": f"EV_{payment.id:011d}{state.value[0].upper()}",
        "type": f"payout.{told['status']}",
        "data": told,
    }
    return json.dumps(event).encode()


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
