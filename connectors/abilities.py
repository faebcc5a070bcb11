"""What only some connectors can do: ask for money back, check a payee's name, read a bank's webhook.

Each is a protocol of its own. A connector that has one says so in its `Capabilities` (`can_recall`,
`verifies_payee`, `sends_webhooks`), and the contract suite holds the claim against the bank.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from connectors.base import AccountDetails, InboundDocument, Outcome, Transmission


class RecallReason(enum.StrEnum):
    """Why money is asked back. Schemes have codes of their own for each."""

    DUPLICATE = "duplicate"
    TECHNICAL = "technical"  # A technical problem sent it by mistake.
    FRAUD = "fraud"
    CUSTOMER = "customer"  # The merchant asks for it.
    WRONG_AMOUNT = "wrong_amount"
    WRONG_ACCOUNT = "wrong_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallOrder:
    """A payment to ask back, as it was sent. `reference` is the recall's own, unique and final.

    `amount` is exact, in units of `currency`: the whole payment, partial recalls do not exist here.
    """

    reference: str
    payment_reference: str
    transmission: Transmission
    bank_reference: str
    amount: Decimal
    currency: str
    reason: RecallReason
    detail: str
    created_at: datetime  # Business time, aware, UTC.


class PayeeMatch(enum.StrEnum):
    """What the payee's bank or operator says to the name that we were given."""

    MATCH = "match"
    CLOSE_MATCH = "close_match"  # `name` of the verification is what the account is called.
    NO_MATCH = "no_match"
    NOT_POSSIBLE = "not_possible"  # Not reachable, opted out, unknown account: see `code`.


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeVerification:
    """The answer to a check of a payee. `code` is the scheme's own (MTCH, CMTC, ANNM, …)."""

    match: PayeeMatch
    code: str
    name: str = ""  # CLOSE_MATCH only. Personal data: never to be logged.


class WebhookRefused(Exception):
    """A webhook that is not proved to come from the bank. `code` is stable; nothing was read.

    Codes: `signature_missing`, `signature_invalid`, `timestamp_invalid`, `timestamp_too_old`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMessage:
    """A webhook proved genuine: the document to keep, and what the bank expects to hear back."""

    document: InboundDocument
    answer: bytes = field(default=b"", repr=False)
    answer_content_type: str = "application/json"
    answer_headers: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Recalls(Protocol):
    """Asks for money back."""

    def recall(self, order: RecallOrder) -> Outcome:
        """Ask once. ACCEPTED: the bank passed the request on (the money is not back yet, unless
        `events` has its RETURNED); REJECTED: it cannot be asked for; UNKNOWN: ask again under the
        same reference. In a RECALL_ACCEPTED or RECALL_REFUSED event `reference` is the payment's
        and `transmission_reference` the recall's, "" where the bank does not repeat it."""
        ...


@runtime_checkable
class VerifiesPayees(Protocol):
    """Checks whether a name belongs to an account before money goes there."""

    def verify_payee(self, account: AccountDetails) -> PayeeVerification:
        """Ask now. Raises ConnectorError when nobody answers."""
        ...


@runtime_checkable
class ReadsWebhooks(Protocol):
    """Takes what a bank sends on its own. What is read goes through `parse_report` like a report."""

    def read_webhook(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: datetime
    ) -> WebhookMessage:
        """Prove that the bank sent it. `headers` by lower-case name, `query` what followed the `?` of
        the address that the bank was given, `now` real time. Raises WebhookRefused; ConnectorError
        when our own secrets are missing, so that the bank tries again later.
        """
        ...
