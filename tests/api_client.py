"""The API as a program uses it: bytes in, through every middleware, JSON out; and a count of all that exists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client

from payouts import dispatch
from payouts.models import Payout, PayoutAlert
from tests.world import World

# What a refusal must leave as it was. Tenants are made on first use and are nobody's money.
EVERYTHING = (
    "payouts", "payout_holds", "payout_retry_log", "payout_audit_log", "payout_alerts", "idempotency_keys",
    "ledger_transfers", "ledger_entries", "ledger_accounts", "beneficiaries", "beneficiary_accounts",
    "routing_decisions",
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer, read."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass
class Api:
    """A caller with an identity. `tenant_id` None names no merchant."""

    tenant_id: UUID | None
    role: str = "merchant_admin"
    user_id: str = field(default_factory=lambda: str(uuid4()))

    def headers(self) -> dict[str, str]:
        named = {"X-Tenant-Id": str(self.tenant_id)} if self.tenant_id else {}
        return {"X-User-Id": self.user_id, "X-User-Role": self.role, **named}

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Reply:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.send("POST", path, b"" if body is None else body, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        identity: bool = True,
    ) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = (self.headers() if identity else {}) | (headers or {})
        return send(method, path, raw, content_type=content_type, headers=sent)


def send(
    method: str, path: str, raw: bytes = b"", *, content_type: str, headers: dict[str, str]
) -> Reply:
    """One request through the whole Django stack, with the rights of the web. What breaks inside breaks the test."""
    with acting_as("payouts_web"):
        answer = _client().generic(method, path, raw, content_type, headers=headers)
    content = answer.getvalue()
    kind = answer.headers.get("Content-Type", "")
    return Reply(
        answer.status_code,
        json.loads(content) if "json" in kind and content else content,
        answer.headers,
    )


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """In the database, as one of the engine's processes: tests themselves are above all walls."""
    _become(f"SET ROLE {role}")
    try:
        yield
    finally:
        _become("RESET ROLE")


def _become(sql: str) -> None:
    # A test may have no database, or have taken it away.
    with suppress(DatabaseError, RuntimeError), connection.cursor() as cursor:
        cursor.execute(sql)


def about(name: str, payout_id: str) -> str:
    """What an address is about: the payout, its alert, who is paid (and "account"); or an id that nobody has."""
    payout = Payout.objects.filter(pk=payout_id or None).first()
    if name == "account":
        return str(payout.beneficiary_account_id if payout else uuid4())
    if name.startswith("beneficiary"):
        return str(payout.beneficiary_id if payout else payout_id)
    alert = PayoutAlert.objects.filter(payout_id=payout_id).first() if "alert" in name else None
    return str(alert.pk if alert else payout_id)


@lru_cache(maxsize=1)
def _client() -> Client:
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise wants to see it
    return Client()


def snapshot() -> dict[str, Any]:
    """Every count and every balance, status and hold: equal before and after when nothing happened."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in EVERYTHING:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = cursor.fetchone()[0]
        for name, sql in {
            "balances": "SELECT tenant_id, currency, available, held FROM ledger_balances",
            "statuses": "SELECT id, status, version, retry_count, next_retry_at, cancel_requested_at FROM payouts",
            "holds": "SELECT id, status FROM payout_holds",
        }.items():
            cursor.execute(sql + " ORDER BY 1, 2")
            found[name] = cursor.fetchall()
    return found


def merchant(world: World) -> Api:
    return Api(world.tenant_id, user_id=world.merchant.id)


def operator(world: World, role: str = "finance_ops") -> Api:
    return Api(world.tenant_id, role, user_id=world.operator.id)


def payout_body(world: World, kind: str = "iban", **changes: Any) -> dict[str, Any]:
    """The specification's example with ids that exist. A change to `...` leaves the field out."""
    beneficiary_id, account_id = world.accounts[kind]
    body: dict[str, Any] = {
        "originModule": "connect",
        "originEntityType": "merchant",
        "originEntityId": str(world.tenant_id),
        "beneficiaryType": "user",
        "beneficiaryId": str(beneficiary_id),
        "beneficiaryAccountId": str(account_id),
        "amount": "100.00",
        "currency": "USD" if kind == "us_bank" else "EUR",
        "payoutMethod": "bank_transfer",
        "priority": "standard",
        "description": "Weekly settlement",
        "metadata": {"invoice_id": "inv-123"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def create(world: World, *, key: str | None = None, **changes: Any) -> str:
    """A payout made through the API; its id."""
    made = merchant(world).post(
        "/api/payouts", payout_body(world, **changes), key=key or str(uuid4())
    )
    assert made.status == 201, made.body
    return str(made.body["payout"]["id"])


def raise_alert(tenant_id: UUID | None, **values: Any) -> PayoutAlert:
    """An alert as a rule raises it; `sla_violation` unless told."""
    shown = {"alert_type": "sla_violation", "severity": "high", "message": "Late"} | values
    return PayoutAlert.objects.create(tenant_id=tenant_id, dedupe_key=str(uuid4()), **shown)


def sepa_claim() -> dispatch.Claim | None:
    from payouts import banks

    line = next(b for b in banks.lines() if (b.name, b.rail) == ("default", "sepa"))
    return dispatch.claim_due(line)


# --- How a payout gets into each of its states, by the real engine against the real simulator ---------


def in_state(world: World, state: str, settings: Any) -> Payout:
    """A payout driven into a state of DESIGN's table; `dlq live` is one whose outcome nobody knows."""
    return _WAYS[state](world, settings)


def _approval(world: World, settings: Any) -> Payout:
    settings.APPROVAL_LIMITS = {"*": 50}
    return world.create()


def _scheduled(world: World, _: Any) -> Payout:
    from datetime import timedelta

    from payouts import clock

    return world.create(scheduled_at=clock.now() + timedelta(days=2))


def _processing(world: World, _: Any) -> Payout:
    payout = world.create()
    assert sepa_claim() is not None
    return payout


def _faulty(fault: str, **options: Any) -> Any:
    def drive(world: World, _: Any) -> Payout:
        world.bank.fault(fault, rail="sepa", count=1, **options)
        payout = world.create()
        dispatch.dispatch_due()
        world.bank.heal()
        return payout

    return drive


def _reported(code: str, *statuses: str) -> Any:
    def drive(world: World, _: Any) -> Payout:
        world.bank.fault("reject", rail="sepa", code=code, count=1)
        payout = world.create()
        return world.reach(payout, *statuses)

    return drive


def _sent(world: World, _: Any) -> Payout:
    payout = world.create()
    dispatch.dispatch_due()
    return payout


def _dead_in_doubt(world: World, settings: Any) -> Payout:
    settings.INQUIRY_HORIZON_S = 0
    payout: Payout = _faulty("cut")(world, settings)
    settings.BANK_URL = "http://127.0.0.1:1"
    return world.reach(payout, "dlq")


def _cancelled(world: World, _: Any) -> Payout:
    from payouts import lifecycle

    payout = world.create()
    lifecycle.cancel_payouts([payout.id], actor=world.operator, reason="x", tenant_id=None)
    return payout


def _returned(world: World, _: Any) -> Payout:
    world.bank.fault("return", rail="sepa", code="AC04", count=1)
    payout = world.settle(world.create())
    world.let_days_pass(payout, until="returned")
    return payout


_WAYS: dict[str, Any] = {
    "requires_approval": _approval,
    "scheduled": _scheduled,
    "pending": lambda world, _: world.create(),
    "processing": _processing,
    "in_doubt": _faulty("cut"),
    "sent": _sent,
    "failed": _faulty("busy"),
    "dlq": _reported("BE01", "dlq"),
    "dlq live": _dead_in_doubt,
    "settled": lambda world, _: world.settle(world.create()),
    "rejected": _reported("AC04", "rejected"),
    "cancelled": _cancelled,
    "returned": _returned,
}
STATES = tuple(_WAYS)
