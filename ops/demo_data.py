"""Two merchants with money, beneficiaries and banks to pay through: what a newcomer starts with.

Loading it again changes nothing. Sandbox only.
"""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User

from payouts import banks, beneficiaries, idempotency, lifecycle, schedules
from payouts.audit import engine
from payouts.models import BatchSchedule, Tenant

ACTOR = engine("demo")
TENANTS = {
    UUID("11111111-1111-4111-8111-111111111111"): "Teranga Market",
    UUID("22222222-2222-4222-8222-222222222222"): "Brixton Books",
}
MONEY = {
    "USD": "1000000",
    "EUR": "1000000",
    "GBP": "1000000",
    "XOF": "100000000",
    "KES": "10000000",
}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "iban": {"name": "Anna Schmidt", "country": "DE", "currency": "EUR",
             "details": {"iban": "DE89370400440532013000"}},
    "us_bank": {"name": "Grace Miller", "country": "US", "currency": "USD",
                "details": {"routing_number": "021000021", "account_number": "123456789012",
                            "account_type": "checking"}},
    "uk_bank": {"name": "Oliver Brown", "country": "GB", "currency": "GBP",
                "details": {"sort_code": "089999", "account_number": "66374958"}},
    "mobile_money": {"name": "Awa Diop", "country": "CI", "currency": "XOF",
                     "details": {"msisdn": "+2250700000001"}},
    "mpesa": {"name": "Wanjiru Kamau", "country": "KE", "currency": "KES", "type": "mobile_money",
              "details": {"msisdn": "+254700000001"}},
    "swift": {"name": "Jonas Weber", "country": "DE", "currency": "USD",
              "details": {"bic": "COBADEFFXXX", "account_number": "0532013000"}},
}  # fmt: skip
SEPA = {
    "debtor_name": "Molam Payments",
    "debtor_iban": "NL58HDNL0657267333",
    "debtor_bic": "HDNLNL2A",
}
ACH = {
    "bank": "default", "immediate_destination": "021000021", "immediate_destination_name": "FIRST SIMULATED BANK",
    # A day has 36 file modifiers for each origin; with a file every two seconds that takes 1,200 origins.
    "immediate_origin": "9000000000", "origin_count": 1200, "immediate_origin_name": "MOLAM PAYMENTS",
    "company_name": "MOLAM PAYMENTS", "company_id": "9000000000", "odfi_routing": "02100002",
    "cutoffs": [{"window": "*", "lead_minutes": 30}],
}  # fmt: skip
SPONSOR = {
    "bank": "default", "sender_routing": "021000021", "debtor_name": "Molam Payments",
    "debtor_account": "9000000000", "debtor_town": "New York", "debtor_country": "US",
}  # fmt: skip
CLEARING_BANK = {
    "debtor_name": "Molam Payments", "debtor_sort_code": "040004", "debtor_account": "12345678",
}  # fmt: skip
ORANGE = {"currency": "XOF", "countries": "CI", "partner_msisdn": "2250700000000"}
MTN = {"currency": "XOF", "countries": "CI,BJ", "target_environment": "mtnivorycoast"}
MTN_CAMEROON = {"currency": "XAF", "countries": "CM", "target_environment": "mtncameroon"}
MPESA = {"currency": "KES", "countries": "KE", "shortcode": "600997", "initiator": "molam"}
WAVE = {"currency": "XOF", "countries": "BF,CI,ML,SN"}
# Name, rail, driver, preference and options. At equal promise the plain rails come first: they cost least.
CONNECTIONS: tuple[tuple[str, str, str, int, dict[str, Any]], ...] = (
    ("default", "sepa", "sepa", 100, SEPA),
    ("backup", "sepa", "sepa", 200, SEPA),
    ("default", "sepa_instant", "sepa_instant", 300, SEPA),
    ("default", "ach", "ach", 100, ACH),
    ("default", "rtp", "rtp", 300, SPONSOR),
    ("default", "wire", "wire", 400, SPONSOR),
    ("default", "faster_payments", "faster_payments", 100, CLEARING_BANK),
    ("default", "mobile_money", "orange", 100, ORANGE),
    ("mtn", "mobile_money", "mtn", 100, MTN),
    ("mtn-cameroon", "mobile_money", "mtn", 100, MTN_CAMEROON),
    ("wave", "mobile_money", "wave", 100, WAVE),
    ("mpesa", "mobile_money", "mpesa", 100, MPESA),
)
LOGINS = {
    "admin": "treasury_ops",
    "finance": "finance_ops",
    "treasury": "treasury_ops",
    "billing": "billing_ops",
}
ADMINISTRATORS = frozenset({"admin"})


def load() -> dict[str, Any]:
    """Load everything that is missing. Returns ids and logins."""
    if not settings.SANDBOX:
        raise RuntimeError("demo data is for the sandbox")
    configure_banks()
    configure_schedules()
    tenants = {str(tenant_id): load_tenant(tenant_id, name) for tenant_id, name in TENANTS.items()}
    return {"tenants": tenants, "logins": load_logins(settings.DEMO_PASSWORD)}


def configure_banks() -> None:
    """One bank for each rail, and a second one for SEPA."""
    secrets = {
        "api_key": settings.BANK_API_KEY,
        "signing_key": _signing_key(settings.BANK_API_KEY),
        **_webhook_secrets(settings.BANK_API_KEY),
        "api_user": "molam",
        "client_id": "molam",
        "subscription_key": "sandbox",
        "encrypted_pin": "c2FuZGJveA==",
        "consumer_key": "molam",
        "security_credential": base64.b64encode(b"as RSA leaves it" * 16).decode(),
    }
    banks.configure(
        [
            banks.Connection(
                name=name,
                rail=rail,
                driver=driver,
                config={**config, "bank": name},
                credentials=secrets,
                preference=preference,
            )
            for name, rail, driver, preference, config in CONNECTIONS
        ]
    )


def configure_schedules() -> None:
    """Every afternoon, before the cut-offs of that day; the second merchant once a week. Edits are kept."""
    second = list(TENANTS)[1]
    for name, batch_type, cron, tenant_id in (
        ("daily", "daily_settlements", "30 16 * * *", None),
        ("weekly", "weekly_settlements", "30 16 * * 5", second),
    ):
        if not BatchSchedule.objects.filter(name=name).exists():
            plan = schedules.Plan(
                name=name, batch_type=batch_type, cron=cron, time_zone="Europe/Brussels", tenant_id=tenant_id
            )  # fmt: skip
            schedules.configure(plan, actor=ACTOR)


def _webhook_secrets(api_key: str) -> dict[str, str]:
    """What the simulated banks sign with, which they derive themselves; and what our own callbacks are named by."""
    seed = hashlib.sha256(b"faster_payments webhooks of " + api_key.encode()).digest()
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return {
        "webhook_key": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "webhook_secret": hashlib.sha256(b"wave webhooks of " + api_key.encode()).hexdigest(),
        "callback_secret": hashlib.sha256(b"callbacks " + settings.SECRET_KEY.encode()).hexdigest(),
    }


def _signing_key(api_key: str) -> str:
    """The key that signs Faster Payments; the simulated bank derives the other half of it itself."""
    seed = hashlib.sha256(b"faster_payments signature of " + api_key.encode()).digest()
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def load_tenant(tenant_id: UUID, name: str) -> dict[str, Any]:
    """A merchant with its deposits and one beneficiary per kind of account."""
    beneficiaries.ensure_tenants([tenant_id])
    Tenant.objects.filter(pk=tenant_id, name="").update(name=name)
    for currency, amount in MONEY.items():
        lifecycle.deposit(
            tenant_id=tenant_id,
            currency=currency,
            amount=Decimal(amount),
            reference=f"demo-{currency}",
            actor=ACTOR,
        )
    return {
        "name": name,
        "beneficiaries": {kind: _beneficiary(tenant_id, kind) for kind in ACCOUNTS},
    }


def _beneficiary(tenant_id: UUID, kind: str) -> dict[str, str]:
    account = ACCOUNTS[kind]
    wish = beneficiaries.NewBeneficiary(
        tenant_id=tenant_id,
        name=account["name"],
        beneficiary_type="user",
        country=account["country"],
        account_type=account.get("type", kind),
        currency=account["currency"],
        details=account["details"],
    )
    key = idempotency.KeyUse(
        tenant_id=tenant_id, route="demo", key=f"beneficiary-{kind}", fingerprint=b"demo"
    )
    beneficiary, _ = beneficiaries.create_beneficiary(wish, actor=ACTOR, key=key)
    return {
        "id": str(beneficiary.id),
        "account_id": str(beneficiary.accounts.all()[0].id),
        "currency": account["currency"],
    }


def load_logins(password: str) -> list[dict[str, str]]:
    """A person for each role of the workbench. The first is an administrator too: logins and groups."""
    missing = set(LOGINS) - set(
        User.objects.filter(username__in=LOGINS).values_list("username", flat=True)
    )
    hashed = make_password(password) if missing else ""  # Slow on purpose: once is enough.
    for name, role in LOGINS.items():
        defaults = {"is_staff": True, "is_superuser": name in ADMINISTRATORS, "password": hashed}
        user, _ = User.objects.get_or_create(username=name, defaults=defaults)
        group, _ = Group.objects.get_or_create(name=role)
        user.groups.set([group])
    return [{"username": name, "password": password, "role": _roles(name)} for name in LOGINS]


def _roles(name: str) -> str:
    return f"administrator, {LOGINS[name]}" if name in ADMINISTRATORS else LOGINS[name]
