"""The only door to the connectors: configured banks, their numbers, what they can do and how they are asked.

Nothing here holds a transaction open while a bank is called; the callers see to it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection

from connectors import accounts, registry, sandbox
from connectors.abilities import (
    PayeeVerification,
    ReadsWebhooks,
    RecallOrder,
    RecallReason,
    Recalls,
    VerifiesPayees,
    WebhookMessage,
    WebhookRefused,
)
from connectors.accounts import AccountInvalid, CanonicalAccount
from connectors.base import (
    AccountDetails,
    Capabilities,
    Connector,
    ConnectorConfig,
    ConnectorError,
    ConnectorMisconfigured,
    DrawnNumbers,
    FieldError,
    Health,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Prepared,
    Reaction,
    ReportPage,
    StatusEvent,
    Transmission,
    UnreadableDocument,
)
from connectors.formats.latin import is_payable_name
from connectors.schemes import abilities, cutoffs
from connectors.schemes.abilities import hours_of
from connectors.schemes.limits import limits_on
from connectors.schemes.reasons import Reason as CodeReason
from connectors.schemes.reasons import find as find_reason
from connectors.schemes.reasons import is_duplicate
from payouts import bankstate, breaker, clock, crypto, metrics
from payouts.bankstate import (
    BankHealth,
    MaySend,
    health_report,
    may_send,
    note_broken,
    pause,
    resume,
)
from payouts.breaker import take_probe
from payouts.configuring import Connection, configure

__all__ = [
    "AccountDetails",
    "AccountInvalid",
    "BankHealth",
    "CanonicalAccount",
    "CodeReason",
    "Connection",
    "ConnectorError",
    "ConnectorMisconfigured",
    "FieldError",
    "InboundDocument",
    "MaySend",
    "Outcome",
    "OutcomeKind",
    "PayeeVerification",
    "PayoutInstruction",
    "Prepared",
    "Reaction",
    "ReadsWebhooks",
    "RecallOrder",
    "RecallReason",
    "StatusEvent",
    "Transmission",
    "UnreadableDocument",
    "WebhookMessage",
    "WebhookRefused",
    "configure",
    "find_reason",
    "health_report",
    "is_payable_name",
    "hours_of",
    "may_send",
    "note_broken",
    "pause",
    "resume",
    "take_probe",
]
# No 0/O, 1/I: references are read out over the telephone.
REFERENCE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, kw_only=True)
class BankLine:
    """A configured bank on one rail, ready to be used."""

    id: UUID
    name: str
    rail: str
    driver: str
    config: dict[str, object]
    sealed_credentials: bytes
    preference: int
    min_amount: Decimal | None
    max_amount: Decimal | None
    enabled: bool
    effective_from: date | None
    effective_until: date | None
    paused: bool
    breaker: str  # closed | open | half_open

    @property
    def key(self) -> str:
        return f"{self.name}:{self.rail}"

    @cached_property
    def connector(self) -> Connector:
        return self.build(deadline_s=settings.CALL_DEADLINE_S)

    def build(self, *, deadline_s: float) -> Connector:
        """The connector, with a time limit for each of its calls."""
        secret = crypto.open_sealed(
            self.sealed_credentials, table="bank_connectors", column="credentials", row=self.id
        )
        of_rail = settings.BANK_URLS.get(self.rail, settings.BANK_URL)
        built = registry.build(
            self.driver,
            ConnectorConfig(
                name=self.name,
                rail=self.rail,
                base_url=settings.BANK_URLS.get(f"{self.rail}_{self.name}", of_rail),
                call_deadline_s=deadline_s,
                callback_url=f"{settings.BANK_EVENTS_URL}/{self.key}"
                if settings.BANK_EVENTS_URL
                else "",
                options=self.config,
                credentials=json.loads(secret),
            ),
        )
        return cast(Connector, metrics.Metered(built, name=self.name, rail=self.rail))

    @cached_property
    def capabilities(self) -> Capabilities:
        return self.connector.capabilities()

    @cached_property
    def windows(self) -> tuple[cutoffs.Window, ...]:
        """When this connection takes payments: its rail's windows with its own leads. ConnectorMisconfigured."""
        try:
            return cutoffs.windows_for(self.rail, self.config.get("cutoffs", ()))
        except ValueError as error:
            raise ConnectorMisconfigured("option_invalid", "cutoffs") from error

    def in_service(self, on: date) -> bool:
        """Whether new payouts may be routed here on that day."""
        return (
            self.enabled
            and (self.effective_from is None or self.effective_from <= on)
            and (self.effective_until is None or on < self.effective_until)
        )

    @cached_property
    def abilities(self) -> list[abilities.Ability]:
        """What it carries where, past, present and to come."""
        return abilities.describe(self.capabilities, self.windows)

    def limits(self, on: date, *, currency: str, country: str = "") -> tuple[Decimal, Decimal]:
        """Smallest and largest amount on a day: the scheme's, narrowed by connector and configuration.

        Where the scheme's data says nothing of that currency and day, the connector's claim holds.
        """
        claimed = self.capabilities
        low, high = claimed.min_amount, claimed.max_amount
        operator = next(iter(claimed.institutions or ("",)))  # Who names one is one operator's.
        with suppress(KeyError):
            scheme = limits_on(self.rail, on, currency, operator=operator, country=country)
            low, high = max(low, scheme.min_amount), min(high, scheme.max_amount)
        return max(low, self.min_amount or low), min(high, self.max_amount or high)


SELECT_LINES = (
    "SELECT c.id, c.name, c.rail, c.driver, c.config, c.credentials, c.preference, c.min_amount, c.max_amount,"
    f" c.enabled, c.effective_from, c.effective_until, coalesce(s.paused, false), {breaker.STATE_SQL}"
    " FROM bank_connectors c LEFT JOIN bank_connector_state s ON s.bank_connector_id = c.id"
)


def lines() -> list[BankLine]:
    """Every configured bank, in order of preference."""
    return _read(SELECT_LINES + " ORDER BY c.preference, c.name, c.rail", [])


def line(connector_id: UUID) -> BankLine:
    """One configured bank. Raises LookupError."""
    found = _read(SELECT_LINES + " WHERE c.id = %s", [connector_id])
    if not found:
        raise LookupError(f"no bank connector {connector_id}")
    return found[0]


def line_of_key(key: str) -> BankLine:
    """The configured bank under `name:rail`; no rail has a colon in its name. Raises LookupError."""
    name, _, rail = key.rpartition(":")
    found = _read(SELECT_LINES + " WHERE c.name = %s AND c.rail = %s", [name, rail])
    if not found:
        raise LookupError("no such bank connector")
    return found[0]


def _read(sql: str, params: list[Any]) -> list[BankLine]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [
            BankLine(
                id=row[0], name=row[1], rail=row[2], driver=row[3],
                config=row[4] if isinstance(row[4], dict) else json.loads(row[4]),
                sealed_credentials=bytes(row[5]), preference=row[6], min_amount=row[7], max_amount=row[8],
                enabled=row[9], effective_from=row[10], effective_until=row[11], paused=row[12], breaker=row[13],
            )
            for row in cursor.fetchall()
        ]  # fmt: skip


def draw(connector_id: UUID, name: str, count: int, *, start: int = 0) -> int:
    """Draw consecutive numbers of a sequence and return the first. Gaps are harmless, repeats impossible."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT draw_numbers(%s, %s, %s, %s)", [connector_id, name, count, start])
        first: int = cursor.fetchone()[0]
        return first


def draw_references(bank: BankLine, count: int) -> list[str]:
    """New payment references in the shape this bank takes. Stored by the caller, never recomputed."""
    shape = bank.capabilities.reference
    if shape.kind == "uuid4":
        return [str(uuid4()) for _ in range(count)]
    if shape.kind == "sequence":
        # A sequence begins at the time of its first use, so that a new database does not repeat what a
        # bank remembers of an old one: seconds leave 5 of the 15 digits for payments.
        start = int(clock.technical_now().timestamp()) * 10 ** (shape.length - 10)
        first = draw(bank.id, "reference", count, start=start)
        return [f"{first + n + 1:0{shape.length}d}" for n in range(count)]
    return [
        "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(shape.length))
        for _ in range(count)
    ]


def recall(bank: BankLine, order: RecallOrder) -> Outcome:
    """Ask a bank that can recall for money back. Raises ConnectorMisconfigured before anything is sent."""
    return cast(Recalls, bank.connector).recall(order)


def transmissions_left(bank: BankLine, moment: datetime) -> bool:
    """Whether the rail takes another file today (a day has 36 file modifiers for each origin)."""
    per_day = bank.capabilities.transmissions_per_day
    if per_day is None:
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT next_value FROM bank_sequences"
            " WHERE bank_connector_id = %s AND name = %s), 0)",
            [bank.id, _file_sequence(moment)],
        )
        drawn: int = cursor.fetchone()[0]
        return drawn < per_day


def _file_sequence(moment: datetime) -> str:
    return f"file:{moment:%Y-%m-%d}"


def prepare(
    bank: BankLine, instructions: Sequence[PayoutInstruction], *, moment: datetime
) -> Prepared:
    """Draw the numbers and build the bytes. `moment` is business time. Raises ConnectorError."""
    numbers = DrawnNumbers(
        file_number=draw(bank.id, _file_sequence(moment), 1),
        first_trace=draw(bank.id, "trace", len(instructions)) + 1,
        created_at=moment,
    )
    return bank.connector.prepare(instructions, numbers)


def canonical_account(kind: str, raw: dict[str, str], country: str) -> CanonicalAccount:
    """Check and normalise account details. Raises connectors' AccountInvalid."""
    return accounts.canonical_details(kind, raw, country)


def verifier(bank: BankLine, *, deadline_s: float) -> Callable[[AccountDetails], PayeeVerification]:
    """What asks this bank whose account it is, for `deadline_s` at most; asked, it raises ConnectorError.

    Only of a bank whose capabilities say `verifies_payee`.
    """
    return cast(VerifiesPayees, bank.build(deadline_s=deadline_s)).verify_payee


def fetch_reports(bank: BankLine, cursor: str) -> ReportPage:
    """Ask a bank for documents after a cursor. Raises ConnectorError."""
    return bank.connector.fetch_reports(cursor)


def check_banks() -> int:
    """Ask every bank how it is, all at once, with nothing open, and store what was seen. Returns how many."""
    due = bankstate.take_checks()
    asked = [bank for bank in lines() if bank.id in due]
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="health") as threads:
        seen = list(threads.map(check_health, asked))
    for bank, health in zip(asked, seen, strict=True):
        bankstate.note_health(
            bank.id,
            healthy=health.healthy,
            code=health.message,
            latency_ms=round(health.latency_s * 1000),
        )
    return len(asked)


def check_health(bank: BankLine) -> Health:
    """Ask one bank how it is. A connection that cannot even be built is ill too."""
    deadline_s = min(settings.HEALTH_DEADLINE_S, settings.CALL_DEADLINE_S)
    try:
        return bank.build(deadline_s=deadline_s).check_health()
    except Exception as error:  # noqa: BLE001  (whatever is wrong with one bank is its health)
        return Health(healthy=False, message=type(error).__name__)


def note_call(bank: BankLine, outcome: Outcome, *, asked_s_ago: float) -> None:
    """Let the breaker learn from a call that told the bank something. A refusal is a good answer.

    "You sent that before" is neither: the bank works, and what became of the order must be asked.
    """
    if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED) or outcome.events:
        breaker.note_success(bank.id, asked_s_ago=asked_s_ago)
    elif not is_duplicate(outcome.code):
        breaker.note_failure(bank.id, reason=outcome.code, asked_s_ago=asked_s_ago)


def sandbox_clock_offset() -> float:
    """How far the bank simulator's clock runs ahead, in seconds. Raises ConnectorError."""
    return sandbox.fetch_clock_offset(settings.BANK_URL, 1.0)
