"""What the simulated mobile money operators have in common: wallets, tokens, reports.

Settled in the moment of acceptance; amounts in whole units.
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

from connectors.bank_simulator.payments import (
    Document,
    Line,
    Order,
    Payment,
    Reply,
    State,
    UnreadableSubmission,
    as_uuid,
)
from connectors.bank_simulator.rail import Incoming, Rail, json_reply

TOKEN_SECONDS = 3600
_MOST = {"XOF": Decimal(2_000_000), "XAF": Decimal(2_000_000), "KES": Decimal(250_000)}
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
        return report(payments, State.SETTLED)

    def returned(
        self, payments: Sequence[Payment], *, number: int, now: datetime, day: date
    ) -> Document:
        return report(payments, State.RETURNED)

    def late_refusal(
        self, key: str, lines: Sequence[Line], *, number: int, now: datetime
    ) -> Document:
        refused = [line.payment for line in lines if line.payment.state is State.REJECTED]
        return report(refused, State.REJECTED)

    def refusal(self, key: str, *, code: str, detail: str, report_id: str, now: datetime) -> Reply:
        return json_reply(409, {"code": code, "message": detail})


def report(payments: Sequence[Payment], state: State) -> Document:
    """What settled, failed or was reversed, as the operator's settlement report lists it."""
    transactions = []
    for payment in payments:
        told = {
            "reference": payment.reference,
            "id": payment.bank_reference,
            "status": _REPORTED[state],
            "amount": plain(payment.amount),
            "currency": payment.currency,
        }
        code = payment.return_code if state is State.RETURNED else payment.code
        if state is not State.SETTLED:
            told["code"] = code or payment.late_code
        transactions.append(told)
    return Document.of("wallet.report", json.dumps({"transactions": transactions}).encode())


def wallet_order(
    *,
    reference: str,
    payout: str,
    amount: str,
    currency: str,
    number: str,
    details: Mapping[str, str] | None = None,
) -> Order:
    """One payment to a wallet. Raises UnreadableSubmission."""
    if not _WHOLE.match(amount):
        raise UnreadableSubmission("the amount must be a whole number above 0")
    if not _NUMBER.match(number) or currency not in _MOST:
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
        details=details or {},
        refusal="" if Decimal(amount) <= _MOST[currency] else "PAYEE_LIMIT_REACHED",
    )


def token_reply(request: Incoming, path: str, *, method: str = "POST") -> Reply | None:
    """A token for whoever knows the key, if a token is what was asked for."""
    if (request.method, request.path) != (method, path):
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


def has_token(request: Incoming) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expires, _, seal = token.partition(".")
    if scheme != "Bearer" or not expires.isdecimal() or int(expires) < time.time():
        return False
    return hmac.compare_digest(seal.encode(), _seal(request.api_key, int(expires)).encode())


def _seal(api_key: str, expires: int) -> str:
    return hmac.new(api_key.encode(), str(expires).encode(), hashlib.sha256).hexdigest()


def searched(request: Incoming, path: str, name: str) -> str | None:
    asks = request.method == "GET" and request.path == path
    return request.query.get(name, "") or None if asks else None


def read_json(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableSubmission("not JSON") from None
    if not isinstance(content, dict):
        raise UnreadableSubmission("not a JSON object")
    return content


def text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def plain(amount: Decimal) -> str:
    return f"{amount:f}"
