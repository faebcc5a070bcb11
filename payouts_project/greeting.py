"""What a newcomer reads once everything runs: where to look, how to log in, how to pay somebody."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

SOMEBODY = "99999999-9999-4999-8999-999999999999"  # any UUID is a user in the sandbox


def greeting(environment: Mapping[str, str], demo: Mapping[str, Any]) -> Iterator[str]:
    """`demo` is what `manage.py load_demo --json` printed."""
    base = f"http://127.0.0.1:{environment['PORT']}"
    bank = f"http://127.0.0.1:{environment['BANK_SIMULATOR_PORT']}"
    yield ""
    yield f"  {'Workbench':<24}{base}/admin/"
    for login in demo.get("logins", ()):
        yield f"  {'':<24}{login['username']} / {login['password']}   ({login['role']})"
    yield f"  {'API documentation':<24}{base}/api/docs/"
    yield f"  {'What the bank was told':<24}{bank}/_sim/records"
    yield f"  {'State, logs, secrets':<24}{environment['STATE_DIR']}"
    if request := example_request(demo):
        yield "\n  Pay somebody (each second a new payout; within one, the same again):\n"
        yield curl(base, *request)
    yield ""


def example_request(demo: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]] | None:
    """Headers and body of a payout by the first merchant to its first American beneficiary."""
    for tenant_id, tenant in demo.get("tenants", {}).items():
        if payee := tenant["beneficiaries"].get("us_bank"):
            headers = {
                "X-User-Id": SOMEBODY,
                "X-Tenant-Id": tenant_id,
                "X-User-Role": "merchant_admin",
            }
            return headers, {
                "originModule": "connect",
                "originEntityType": "merchant",
                "originEntityId": tenant_id,
                "beneficiaryType": "user",
                "beneficiaryId": payee["id"],
                "beneficiaryAccountId": payee["account_id"],
                "amount": "1000.00",
                "currency": payee["currency"],
                "payoutMethod": "bank_transfer",
                "priority": "standard",
                "description": "Weekly settlement",
            }
    return None


def curl(base: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> str:
    """One line to paste. Its key holds the time, so that pasting it again is a new wish."""
    options = [
        f"-H {shlex.quote(f'{name}: {value}')}"
        for name, value in {"Content-Type": "application/json", **headers}.items()
    ]
    options.append('-H "Idempotency-Key: try-$(date +%s)"')
    options.append("-d " + shlex.quote(json.dumps(body)))
    return f"curl -s {base}/api/payouts {' '.join(options)}"
