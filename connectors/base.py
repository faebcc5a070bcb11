"""What every bank connector speaks: instructions in, bytes out, outcomes and status events back.

A connector is a stateless translator between a payout instruction and one bank's format. It holds no
table, opens no transaction and decides nothing: whether to send, to ask again or to give up is the
engine's business. Three verbs touch the network (`submit`, `inquire`, `fetch_reports`, plus
`check_health`); everything else is pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Protocol
from uuid import UUID


class ConnectorError(Exception):
    """A connector cannot do what it was asked. `code` is stable, `detail` is safe to log."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class ConnectorMisconfigured(ConnectorError):
    """Credentials, certificates or options are wrong: no payout can be blamed for it."""


class UnreadableDocument(ConnectorError):
    """A document from a bank is not what its type says: it is kept, and a person must look at it."""


class OutcomeKind(enum.StrEnum):
    """What a call to a bank told us about the transmission as a whole."""

    ACCEPTED = "accepted"  # The bank has it.
    REJECTED = "rejected"  # The bank refused it for good, with a listed business code.
    NOT_SENT = "not_sent"  # Certain: not one byte of the order can have been booked.
    UNKNOWN = "unknown"  # We cannot tell. Ask under the same reference; never send a new one.
    NOT_FOUND = (
        "not_found"  # Answer of an inquiry only. Proves nothing while a request may be in flight.
    )


class EventKind(enum.StrEnum):
    """What a bank said about one payment.

    The first four stand in rising order of finality (rejected and accepted are rivals). The others
    stand beside the payment's status and change none: a correction of the account (the payment went
    through), and the answer to a recall (money that comes back is a RETURNED of its own).
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SETTLED = "settled"
    RETURNED = "returned"
    CORRECTION = "correction"
    RECALL_ACCEPTED = "recall_accepted"
    RECALL_REFUSED = "recall_refused"


class Reaction(enum.StrEnum):
    """What a refusal leads to. Code tables in `connectors.schemes` map (rail, code) to one of these."""

    RETRY = "retry"  # Same rail, later.
    RETRY_OTHER_RAIL = "retry_other_rail"
    FUND_FIRST = "fund_first"  # Our account at the bank lacks money: same rail, once there is some.
    REPAIR = "repair"  # A person must correct something: dead-letter queue.
    REFUSE = "refuse"  # For good: the merchant has the money back.


class TransmissionStyle(enum.StrEnum):
    """How instructions travel: in messages sent at once, or in files collected over a window."""

    MESSAGE = "message"
    FILE = "file"


class Finality(enum.StrEnum):
    """What `settled` means on a rail."""

    FINAL = "final"  # The money is the receiver's: only its bank can send it back.
    PROVISIONAL = "provisional"  # Inferred until the return window closes (`provisional_days`).
    REVERSIBLE = "reversible"  # The operator may take it back on its own account for a while.


class Dedup(enum.StrEnum):
    """How far a bank recognises a repeated transmission under the same references."""

    NONE = "none"
    WINDOW = "window"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDetails:
    """Where the money goes, decrypted. Never log one: `repr` shows the last four characters only."""

    type: str  # iban | us_bank | uk_bank | mobile_money | swift
    holder_name: str
    holder_type: str  # "user" (a person), "merchant" or "business"
    country: str  # ISO 3166-1 alpha-2
    currency: str  # ISO 4217
    details: Mapping[str, str] = field(repr=False)
    # iban: iban, bic? · us_bank: routing_number, account_number, account_type (checking|savings) ·
    # uk_bank: sort_code, account_number · mobile_money: msisdn, operator? · swift: bic, account_number


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutInstruction:
    """One payment to make. `amount` is exact, in units of `currency`; `reference` is ours and final."""

    payout_id: UUID
    reference: str
    amount: Decimal
    currency: str
    account: AccountDetails
    description: str
    execution_date: date  # Requested execution (SEPA) or effective entry (ACH) date, a banking day.


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnNumbers:
    """Numbers drawn from sequences before the bytes are built, so that building is deterministic."""

    file_number: int  # 0, 1, 2 … for this connector and `created_at`'s date.
    first_trace: int  # The first of as many consecutive numbers as there are instructions.
    created_at: datetime  # Business time, aware, UTC.


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """Why an account or an instruction cannot go out on this rail."""

    field: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Bytes ready to be stored and sent. `errors` names the instructions left out, by reference."""

    reference: str  # The bank-side name of this file or message, unique for the connector.
    body: bytes = field(repr=False)  # Empty when every instruction was left out.
    content_type: str
    errors: Mapping[str, FieldError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """A stored file or message, exactly as it was or will be sent."""

    reference: str
    body: bytes = field(repr=False)
    content_type: str
    instruction_references: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One statement of a bank. Either `reference` (one payment) or only `transmission_reference` (a whole file)."""

    kind: EventKind
    reference: str = ""
    transmission_reference: str = ""
    code: str = ""
    detail: str = ""
    amount: Decimal | None = None
    currency: str = ""
    value_date: date | None = None
    bank_reference: str = ""
    occurred_at: datetime | None = None
    # CORRECTION only: what the receiving bank corrected, by the names of `AccountDetails.details`
    # (and "holder_name"). A full account number: never to be logged.
    corrected: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to `submit` or `inquire`.

    `events` speak about single payments. When `partial` is true, a payment that `events` does not
    mention is unknown; otherwise `kind` holds for it. `retry_after_s` is what the bank asked for.
    """

    kind: OutcomeKind
    code: str = ""
    detail: str = ""
    events: Sequence[StatusEvent] = ()
    partial: bool = False
    bank_reference: str = ""
    document: bytes = field(
        default=b"", repr=False
    )  # The answer as received, to be kept as evidence.
    content_type: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundDocument:
    """A report fetched from a bank, not yet read."""

    remote_id: str
    document_type: str  # The bank's own name of it, e.g. "camt.054.001.08", "ach.return"
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPage:
    """Documents after a cursor, in the bank's order, and the cursor to ask with next."""

    documents: Sequence[InboundDocument]
    cursor: str
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a bank answers, how fast (seconds), and what it said."""

    healthy: bool
    message: str = ""
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceShape:
    """How references for this connector look: random text, a UUIDv4, or digits from a sequence."""

    kind: str  # "random" | "uuid4" | "sequence"
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a connector can do. Claims here are held against the bank by the contract suite."""

    rail: str
    account_types: frozenset[str]
    currencies: frozenset[str]
    institutions: frozenset[str] | None = None  # None: any bank, any operator.
    countries: frozenset[str] | None = None  # Where accounts may be held; None: anywhere.
    min_amount: Decimal
    max_amount: Decimal
    amount_step: Decimal | None = None  # Amounts are whole multiples of it; None: as the currency.
    style: TransmissionStyle
    max_instructions: int
    transmissions_per_day: int | None  # Of one connector; None means no limit.
    reference: ReferenceShape
    dedup: Dedup
    dedup_window: timedelta | None
    can_inquire: bool
    # HTTP statuses that this bank says before it books anything (so they are `not_sent`, not `unknown`).
    refuses_before_booking: frozenset[int] = frozenset()
    finality: Finality = Finality.FINAL
    provisional_days: int = 0  # Banking days after settlement within which a return is normal.
    can_recall: bool = False  # The connector has `abilities.Recalls`.
    recall_days: int = 0  # Banking days after settlement within which a recall may be asked for.
    # Calendar months instead, by the recall's reason, where a scheme leaves more time for it.
    recall_months: Mapping[str, int] = field(default_factory=dict)
    verifies_payee: bool = False  # The connector has `abilities.VerifiesPayees`.
    sends_webhooks: bool = False  # The connector has `abilities.ReadsWebhooks`.
    answers_within: timedelta | None = None  # An instant scheme's own clock, send to answer.
    calendar: str = ""  # Name in the `holidays` package: XFED, XECB; "" means every day.


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """One configured bank: a row of `bank_connectors`, with its secrets opened."""

    name: str
    rail: str
    base_url: str
    call_deadline_s: float
    callback_url: str = ""  # Where the bank may tell us something; "" where it cannot reach us.
    options: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class Connector(Protocol):
    """One bank on one rail. Built per use from its configuration; keeps nothing between calls."""

    driver: ClassVar[str]

    def __init__(self, config: ConnectorConfig) -> None: ...

    def capabilities(self) -> Capabilities: ...

    def check_beneficiary(self, account: AccountDetails) -> list[FieldError]:
        """Say offline what stands against paying this account on this rail (empty: nothing)."""
        ...

    def prepare(self, instructions: Sequence[PayoutInstruction], numbers: DrawnNumbers) -> Prepared:
        """Build the bytes. Pure and deterministic; what cannot be written is left out and named."""
        ...

    def submit(self, transmission: Transmission) -> Outcome:
        """Send stored bytes once, within the total deadline. Whatever bank or network do is an outcome."""
        ...

    def inquire(self, transmission: Transmission) -> Outcome:
        """Ask the bank what became of a transmission, by our references."""
        ...

    def fetch_reports(self, cursor: str) -> ReportPage:
        """Fetch documents after `cursor` ("" from the beginning). Raises ConnectorError: no answer."""
        ...

    def parse_report(self, document: InboundDocument) -> list[StatusEvent]:
        """Read a document. Raises UnreadableDocument."""
        ...

    def reaction(self, code: str) -> Reaction:
        """What a refusal or return with this code leads to; an unlisted code needs a person (REPAIR)."""
        ...

    def check_health(self) -> Health: ...
