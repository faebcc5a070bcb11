"""What every rail of the simulated bank has in common: orders read, payments kept, documents
reported.

An `Order` is what one payment instruction asked for, with the full account number; it lives only
while a request is answered. A `Payment` is what the bank keeps: the last four characters of the
account, never the rest, so that the bank's files hold nobody's account number.
"""

from __future__ import annotations

import base64
import enum
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any


class State(enum.StrEnum):
    """Where a payment stands at the bank."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SETTLED = "settled"
    RETURNED = "returned"


class UnreadableSubmission(Exception):
    """The body is not in the rail's format at all: the client hears 400 and nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One payment as asked for. `refusal` is the code of the first rule it breaks, or empty."""

    reference: str
    payout_id: str
    amount: Decimal
    currency: str
    account: str = field(repr=False)
    wanted_on: date | None
    group: str  # The PmtInfId or batch number it stands under.
    position: str  # Its InstrId or trace number there.
    details: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One message or file. With a `refusal` it is refused whole, its orders unread."""

    key: str  # MsgId, or the file reference; empty when it could not be read.
    digest: str
    orders: Sequence[Order] = ()
    refusal: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallWish:
    """Money asked back. With a `refusal` the request itself is not in order."""

    key: str  # What makes it the same request when it comes again.
    digest: str
    reference: str = ""  # Of the payment, or
    payment_id: int = 0  # what the bank calls it.
    amount: Decimal | None = None  # None: the request names none.
    currency: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # What the answers will need.
    refusal: str = ""
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class Payment:
    """One payment the bank has decided on. `verdict` is the first answer and never changes."""

    id: int
    bank: str
    rail: str
    reference: str
    payout_id: str
    amount: Decimal
    currency: str
    account_last4: str
    bank_reference: str
    message_key: str
    group: str
    position: str
    details: Mapping[str, str]
    verdict: State
    code: str
    state: State
    settles_at: datetime | None  # None: it never will.
    return_code: str = ""  # It comes back with this code after it has settled.
    late_code: str = ""  # It is refused with this code at `late_at`, although accepted.
    pending_told: bool = False  # Of one that is settled but not posted: its bank has said so.
    late_at: float = 0.0  # Real time: a bank's second thoughts do not wait for its calendar.

    def to_json(self) -> dict[str, Any]:
        """Plain values for the journal."""
        return {
            "id": self.id,
            "bank": self.bank,
            "rail": self.rail,
            "reference": self.reference,
            "payout_id": self.payout_id,
            "amount": str(self.amount),
            "currency": self.currency,
            "last4": self.account_last4,
            "bank_reference": self.bank_reference,
            "message": self.message_key,
            "group": self.group,
            "position": self.position,
            "details": dict(self.details),
            "verdict": self.verdict.value,
            "code": self.code,
            "settles_at": self.settles_at.isoformat() if self.settles_at else None,
            "return_code": self.return_code,
            "late_code": self.late_code,
            "late_at": self.late_at,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Payment:
        """The payment as it was when the bank first decided on it."""
        return cls(
            id=raw["id"],
            bank=raw["bank"],
            rail=raw["rail"],
            reference=raw["reference"],
            payout_id=raw["payout_id"],
            amount=Decimal(raw["amount"]),
            currency=raw["currency"],
            account_last4=raw["last4"],
            bank_reference=raw["bank_reference"],
            message_key=raw["message"],
            group=raw["group"],
            position=raw["position"],
            details=raw["details"],
            verdict=State(raw["verdict"]),
            code=raw["code"],
            state=State(raw["verdict"]),
            settles_at=datetime.fromisoformat(raw["settles_at"]) if raw["settles_at"] else None,
            return_code=raw["return_code"],
            late_code=raw["late_code"],
            late_at=raw["late_at"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an answer: a payment as it stands in one message, which need not be its first."""

    payment: Payment
    group: str
    position: str
    shown_amount: Decimal  # Differs from the payment's own only under the fault `wrong_amount`.

    def refused(self) -> Line:
        """The line as it will be once its payment is refused late."""
        payment = replace(self.payment, state=State.REJECTED, code=self.payment.late_code)
        return replace(self, payment=payment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the journal."""
        return {"status": self.status, "type": self.content_type, "body": squeeze(self.body)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Reply:
        """The answer, byte for byte."""
        return cls(status=raw["status"], content_type=raw["type"], body=unsqueeze(raw["body"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One report in a bank's feed, kept compressed."""

    type: str
    squeezed: str = field(repr=False)

    @property
    def content(self) -> bytes:
        """The report's bytes."""
        return unsqueeze(self.squeezed)

    @classmethod
    def of(cls, kind: str, content: bytes) -> Document:
        """A report ready for the journal."""
        return cls(type=kind, squeezed=squeeze(content))


def squeeze(content: bytes) -> str:
    """Bytes as a short text: reports repeat themselves and compress about tenfold."""
    return base64.b64encode(zlib.compress(content, 1)).decode("ascii")


def unsqueeze(text: str) -> bytes:
    """The bytes that `squeeze` was given."""
    return zlib.decompress(base64.b64decode(text))


def money(amount: Decimal) -> str:
    """A decimal string with two decimals; an amount refused for having more keeps them."""
    rounded = f"{amount:.2f}"
    return rounded if Decimal(rounded) == amount else f"{amount:f}"


def as_uuid(text: str) -> str:
    """A payout's id with hyphens, or an empty text when there is none to be read."""
    if len(text.replace("-", "")) != 32:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
