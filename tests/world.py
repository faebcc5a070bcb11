"""A small world for tests: a bank, a merchant, people to pay; and the engine's own steps, called by hand."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from payouts import (
    batches,
    beneficiaries,
    clock,
    creation,
    dispatch,
    doubt,
    idempotency,
    inbound,
    lifecycle,
    poller,
    recalls,
)
from payouts.admission import PayoutRequest
from payouts.audit import Actor
from payouts.models import Payout, PayoutAttempt, PayoutSlaRule

BANK_KEY = "only-for-tests"
IBAN = "DE89370400440532013000"
US_ACCOUNT = {
    "routing_number": "021000021",
    "account_number": "123456789012",
    "account_type": "checking",
}

# A field that only this kind of account has, the kind, where it is and its currency.
KINDS = (
    ("iban", "iban", "DE", "EUR"),
    ("routing_number", "us_bank", "US", "USD"),
    ("sort_code", "uk_bank", "GB", "GBP"),
    ("msisdn", "mobile_money", "CI", "XOF"),
    ("bic", "swift", "DE", "USD"),
)


class Bank:
    """The simulator's control API, as anybody could use it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def fault(self, fault: str, **options: Any) -> None:
        self.call("POST", "/_sim/faults", {"fault": fault, **options})

    def faults(self) -> list[dict[str, Any]]:
        listed: Any = self.call("GET", "/_sim/faults")
        return listed if isinstance(listed, list) else listed["faults"]

    def heal(self) -> None:
        self.call("DELETE", "/_sim/faults")

    def advance(self, *, days: float = 0, seconds: float = 0) -> None:
        self.call("POST", "/_sim/clock", {"advance_seconds": days * 86400 + seconds})

    def records(self, payout_id: UUID | str) -> list[dict[str, Any]]:
        """What the bank booked, refused and returned for a payout."""
        return [r for r in self.call("GET", "/_sim/records") if r["payout_id"] == str(payout_id)]


@dataclass
class World:
    """A merchant with money and people to pay, and what the processes would do."""

    bank: Bank
    tenant_id: UUID
    merchant: Actor
    operator: Actor
    accounts: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)

    def request(self, kind: str = "iban", amount: str = "100.00", **changes: Any) -> PayoutRequest:
        beneficiary_id, account_id = self.accounts[kind]
        values: dict[str, Any] = {
            "tenant_id": self.tenant_id, "external_id": str(uuid4()), "fingerprint": b"one",
            "origin_module": "connect", "origin_entity_type": "merchant", "origin_entity_id": self.tenant_id,
            "beneficiary_type": "user", "beneficiary_id": beneficiary_id, "beneficiary_account_id": account_id,
            "amount": Decimal(amount), "currency": self.currencies.get(kind, "EUR"),
            "payout_method": "bank_transfer", "description": "Weekly settlement",
        }  # fmt: skip
        return PayoutRequest(**{**values, **changes})

    def create(self, kind: str = "iban", amount: str = "100.00", **changes: Any) -> Payout:
        result = creation.create_payouts(
            [self.request(kind, amount, **changes)], actor=self.merchant
        )[0]
        assert isinstance(result, creation.Created), result
        return Payout.objects.get(pk=result.payout_id)

    def pay_to(self, name: str, **details: str) -> None:
        """Add somebody to pay under a name of the test's own."""
        _, kind, country, currency = next(k for k in KINDS if k[0] in details)
        if details.get("msisdn", "").startswith("+254"):
            country, currency = "KE", "KES"
        wish = beneficiaries.NewBeneficiary(
            tenant_id=self.tenant_id, name="Anna Schmidt", beneficiary_type="user",
            country=country, account_type=kind, currency=currency, details=details,
        )  # fmt: skip
        made, _ = beneficiaries.create_beneficiary(wish, actor=self.merchant, key=None)
        self.accounts[name] = (made.id, made.accounts.all()[0].id)
        self.currencies[name] = currency

    def deposit(self, currency: str, amount: str = "10000") -> None:
        """Money in a currency that not every world has; once."""
        lifecycle.deposit(
            tenant_id=self.tenant_id, currency=currency, amount=Decimal(amount), reference=currency,
            actor=self.operator,
        )  # fmt: skip

    def work(self) -> None:
        """One round of everything that worker and poller do."""
        poller.follow_simulator_clock()
        batches.release_due()
        dispatch.dispatch_due()
        doubt.recover_expired()
        doubt.resolve_in_doubt()
        recalls.ask_due()
        inbound.poll_reports()

    def work_until(self, done: Callable[[], bool], *, seconds: float = 15) -> None:
        """Rounds until something is true."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "it did not come to pass"
            self.work()
            time.sleep(0.05)

    def status(self, payout: Payout) -> str:
        return Payout.objects.values_list("status", flat=True).get(pk=payout.pk)

    def reach(self, payout: Payout, *statuses: str, seconds: float = 15) -> Payout:
        """Work until the payout has one of these statuses."""
        self.work_until(lambda: self.status(payout) in statuses, seconds=seconds)
        return Payout.objects.get(pk=payout.pk)

    def settle(self, payout: Payout, *, seconds: float = 25) -> Payout:
        """Work, moving the bank's clock on, until the payout is settled."""
        self.reach(payout, "sent", "settled", seconds=seconds)
        self.let_days_pass(payout, until="settled")
        return Payout.objects.get(pk=payout.pk)

    def let_days_pass(self, payout: Payout, *, until: str, days: int = 10) -> None:
        """Work, and day after day again, until the payout has this status.

        The day of the order is worked off first: on a banking day it may settle at once, and a day
        later have come back.
        """
        for _ in range(days):
            for _round in range(3):
                self.work()
                if self.status(payout) == until:
                    return
            self.bank.advance(days=1)
        # Somebody may have died with the right to ask this bank.
        self.reach(payout, until, seconds=8)

    def _work_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.work()
            time.sleep(0.1)

    def attempts(self, payout: Payout) -> list[PayoutAttempt]:
        return list(PayoutAttempt.objects.filter(payout=payout).order_by("attempt_number"))

    def balance(self, currency: str = "EUR") -> tuple[Decimal, Decimal]:
        """Available and held."""
        from payouts import funds

        found = {b.currency: (b.available, b.held) for b in funds.balances(self.tenant_id)}
        return found.get(currency, (Decimal(0), Decimal(0)))


def build(bank: Bank) -> World:
    """Banks, service levels, a merchant with 10,000 in each currency, and one person to pay on each rail."""
    from ops import demo_data

    demo_data.configure_banks()
    poller.follow_simulator_clock()
    use_fresh_numbers()
    if (
        not PayoutSlaRule.objects.exists()
    ):  # Real commits are cleaned away with the migration's rows.
        PayoutSlaRule.objects.create(
            name="SEPA, EU", rail="sepa", country="EU", time_zone="Europe/Brussels", calendar="XECB",
            processing_days=0, settlement_days=1, base_fee=Decimal("0.15"),
        )  # fmt: skip
    tenant_id = uuid4()
    made = World(
        bank=bank,
        tenant_id=tenant_id,
        merchant=Actor(id=str(uuid4()), role="merchant_admin", tenant_id=tenant_id),
        operator=Actor(id=str(uuid4()), role="finance_ops", tenant_id=tenant_id),
    )
    for currency in ("EUR", "USD", "GBP", "XOF"):
        lifecycle.deposit(
            tenant_id=tenant_id,
            currency=currency,
            amount=Decimal(10_000),
            reference=currency,
            actor=made.operator,
        )
    made.pay_to("iban", iban=IBAN)
    made.pay_to("us_bank", **US_ACCOUNT)
    return made


_worlds = count(1)


def use_fresh_numbers() -> None:
    """The bank outlives a test and remembers every number; the test's database forgets what it drew."""
    n = next(_worlds)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bank_sequences (bank_connector_id, name, next_value)"
            " SELECT c.id, s.name, s.start FROM bank_connectors c CROSS JOIN ("
            "   VALUES ('reference', 100000000000000 + %(n)s * 1000), ('trace', %(n)s * 1000)"
            "   UNION ALL SELECT 'file:' || to_char(%(today)s::timestamptz AT TIME ZONE 'UTC'"
            "     + make_interval(days => day), 'YYYY-MM-DD'), %(n)s * 20 FROM generate_series(0, 40) day"
            " ) AS s (name, start)",
            {"n": n, "today": clock.now()},
        )


def key_use(tenant_id: UUID, key: str, meaning: bytes = b"one") -> idempotency.KeyUse:
    return idempotency.KeyUse(tenant_id=tenant_id, route="test", key=key, fingerprint=meaning)
