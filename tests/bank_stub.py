"""Instructions to pay, and a stub of a bank that gives canned answers over real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from connectors.base import (
    AccountDetails,
    ConnectorConfig,
    DrawnNumbers,
    PayoutInstruction,
    Prepared,
    Transmission,
)
from connectors.schemes.currencies import DECIMALS

IBAN = "DE89370400440532013000"
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "sepa": {
        "bank": "default",
        "debtor_name": "Molam Payouts SAS",
        "debtor_iban": "FR1420041010050500013M02606",
        "debtor_bic": "PSSTFRPPXXX",
    },
    "ach": {
        "bank": "default",
        "immediate_destination": "021000021",
        "immediate_destination_name": "Simulated Bank",
        "immediate_origin": "1234567890",
        "origin_count": 2,
        "immediate_origin_name": "Molam Payouts",
        "company_name": "Molam Payouts",
        "company_id": "1123456789",
        "odfi_routing": "02100002",
    },
}
SPONSOR = {
    "bank": "default",
    "sender_routing": "021000021",
    "debtor_name": "Molam Payouts",
    "debtor_account": "9876543210",
    "debtor_town": "New York",
    "debtor_country": "US",
}
OPTIONS = {
    **OPTIONS,
    "sepa_instant": OPTIONS["sepa"],
    "wire": SPONSOR,
    "rtp": SPONSOR,
    "faster_payments": {
        "bank": "default",
        "debtor_name": "Molam Payouts",
        "debtor_sort_code": "040004",
        "debtor_account": "12345678",
    },
    "mtn": {"bank": "mtn", "countries": "CI", "target_environment": "mtnivorycoast"},
    "wave": {"bank": "wave", "countries": "CI,SN"},
    "mpesa": {
        "bank": "mpesa",
        "currency": "KES",
        "countries": "KE",
        "shortcode": "600997",
        "initiator": "molam",
    },
    "orange": {"bank": "default", "partner_msisdn": "2250700000000"},
}
SIGNING_KEY = (
    Ed25519PrivateKey.from_private_bytes(bytes(32))
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
WEBHOOK_KEY = (
    Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1")
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
# What the driver's rail is called where it is not the driver's own name.
RAIL_OF = dict.fromkeys(("mtn", "wave", "orange", "mpesa"), "mobile_money")
WHOLE = ("mpesa",)  # They carry whole units only, whatever the currency has.
ASKS_BY_POST = ("mpesa",)  # The answer to a question comes by a call.
SEPA_ACCOUNT = {"type": "iban", "country": "DE", "currency": "EUR", "details": {"iban": IBAN}}


def wallet(msisdn: str, **more: str) -> dict[str, Any]:
    """A wallet in Côte d'Ivoire."""
    details = {"msisdn": msisdn, **more}
    return {"type": "mobile_money", "country": "CI", "currency": "XOF", "details": details}


US_ACCOUNT = {
    "type": "us_bank",
    "country": "US",
    "currency": "USD",
    "details": {
        "routing_number": "021000021",
        "account_number": "123456789012",
        "account_type": "checking",
    },
}
ACCOUNTS: Mapping[str, Mapping[str, Any]] = {
    "sepa": SEPA_ACCOUNT,
    "sepa_instant": SEPA_ACCOUNT,
    "ach": US_ACCOUNT,
    "wire": US_ACCOUNT,
    "rtp": US_ACCOUNT,
    "faster_payments": {
        "type": "uk_bank",
        "country": "GB",
        "currency": "GBP",
        "details": {"sort_code": "089999", "account_number": "66374958"},
    },
    "mtn": wallet("+2250500000001"),
    "wave": wallet("+2250700000001", operator="wave"),
    "orange": wallet("+2250700000001"),
    "mpesa": wallet("+254700000001") | {"country": "KE", "currency": "KES"},
}
NUMBERS = DrawnNumbers(
    file_number=0, first_trace=1, created_at=datetime(2026, 11, 24, 9, 30, 15, 999, tzinfo=UTC)
)
MONDAY = date(2026, 11, 30)


def config(driver: str, base_url: str = "http://127.0.0.1:1", **options: Any) -> ConnectorConfig:
    """A configured bank of a driver; `options` replace the usual ones (None removes one)."""
    merged = {**OPTIONS[driver], **options}
    return ConnectorConfig(
        name="default",
        rail=RAIL_OF.get(driver, driver),
        base_url=base_url,
        call_deadline_s=2.0,
        callback_url="https://pay.example/api/bank-events/default:mobile_money",
        options={name: value for name, value in merged.items() if value is not None},
        credentials={
            "api_key": "sandbox-bank-key",
            "signing_key": SIGNING_KEY,
            "api_user": "molam",
            "client_id": "molam",
            "subscription_key": "sandbox",
            "encrypted_pin": "c2FuZGJveA==",
            "consumer_key": "molam",
            "security_credential": "c2FuZGJveA==",
            "webhook_key": WEBHOOK_KEY,
            "webhook_secret": "known-to-wave-and-us",
            "callback_secret": "known-to-us",
        },
    )


def account(driver: str, **changes: Any) -> AccountDetails:
    """An account that the rail of `driver` can pay."""
    holder = {"holder_name": "Awa Ndiaye", "holder_type": "user"}
    return AccountDetails(**{**holder, **ACCOUNTS[driver], **changes})


def instruction(driver: str, number: int = 1, **changes: Any) -> PayoutInstruction:
    """The `number`th payout of a driver: 10.01, 10.02 and so on; 1001, 1002 where there are no decimals."""
    shapes = {"ach": f"{number:015d}", "mtn": str(UUID(int=number + 1000, version=4))}
    reference = shapes.get(driver, f"A{number:029d}")
    to = changes.pop("account", None) or account(driver)
    plain: dict[str, Any] = {
        "payout_id": UUID(int=number, version=4),
        "reference": reference,
        "amount": Decimal(1000 + number).scaleb(0 if driver in WHOLE else -DECIMALS[to.currency]),
        "currency": to.currency,
        "description": f"Invoice {number}",
        "execution_date": MONDAY,
    }
    return PayoutInstruction(account=to, **{**plain, **changes})


def transmission(prepared: Prepared, *references: str) -> Transmission:
    """What the engine stores of a prepared file."""
    return Transmission(
        reference=prepared.reference,
        body=prepared.body,
        content_type=prepared.content_type,
        instruction_references=references,
    )


@dataclass
class Canned:
    """An answer to give."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def canned_json(value: Any, status: int = 200, **headers: str) -> Canned:
    """A JSON answer."""
    return Canned(status=status, body=json.dumps(value).encode(), headers=headers)


@dataclass
class Asked:
    """A request that the stub was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class BankStub:
    """Gives the same answer to everything and remembers what it was asked."""

    answer: Canned
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


PAYEE_CHECKS = ("payee-verifications", "confirmation-of-payee", "verify_recipient", "accountholder")


@contextlib.contextmanager
def bank_stub(answer: Canned, *, about_payees: bool = False) -> Iterator[BankStub]:
    """Run a stub on a free port for the length of a `with` block.

    It is asked for tokens and, unless that is what a test is about, whose account it is without remembering it.
    """
    stub = BankStub(answer)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.rstrip("/").endswith(("/token", "grant_type=client_credentials")):
                self._send(canned_json({"access_token": "sandbox-bank-key", "expires_in": 3600}))
                return
            if not about_payees and any(part in self.path for part in PAYEE_CHECKS):
                self._send(Canned(status=404))
                return
            stub.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            self._send(stub.answer)

        def _send(self, answer: Canned) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _serve

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
