"""What `./dev` and the tests put into the environment, so that settings need no default secret.

Settings read the names; here are their sandbox values: secrets made once per state directory, and
timings short enough to watch. A name that is already set always wins.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes, token_hex, token_urlsafe

from payouts_project import leash

SETTINGS = "payouts_project.settings"

# One process tree on one machine, with the bank next door.
TIMINGS = {
    "CALL_DEADLINE_S": "4",
    "LEASE_S": "10",
    "RETRY_BASE_S": "1",
    "RETRY_FACTOR": "2",
    "RETRY_CAP_S": "10",
    "INQUIRY_FIRST_S": "1",
    "REPORT_POLL_S": "1",
    "FILE_WINDOW_SECONDS": "2",
    "ALERT_SWEEP_S": "5",
    "SLA_SWEEP_S": "5",
    "INVARIANTS_S": "60",
}
SANDBOX = {
    "SANDBOX": "1",
    "TRUST_GATEWAY_HEADERS": "1",
    "DEBUG": "0",
    "DJANGO_SETTINGS_MODULE": SETTINGS,
    "PYTHONUNBUFFERED": "1",
    **TIMINGS,
}


def _key() -> str:
    return base64.b64encode(token_bytes(32)).decode("ascii")


_MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: token_urlsafe(50),
    "ENCRYPTION_KEYS": lambda: f"k1:{_key()}",
    "BLIND_INDEX_KEY": _key,
    "DEMO_PASSWORD": lambda: token_urlsafe(9),
    "BANK_SIMULATOR_API_KEY": lambda: token_hex(16),
    # Hexadecimal, because they become parts of URLs that people paste without quotes.
    "DATABASE_PASSWORD": lambda: token_hex(16),
    "VALKEY_PASSWORD": lambda: token_hex(16),
}
# The servers' passwords travel inside their URLs.
SHARED_SECRETS = tuple(
    name for name in _MAKERS if not name.endswith(("DATABASE_PASSWORD", "VALKEY_PASSWORD"))
)


def load_secrets(state: Path) -> dict[str, str]:
    """The state directory's secrets; whatever is missing is made now and kept."""
    path = state / "secrets.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: make() for name, make in _MAKERS.items() if name not in known}
    if missing:
        leash.write_private(path, json.dumps(known | missing, indent=2) + "\n")
    return known | missing


def child_environment(
    secrets: Mapping[str, str], own: Mapping[str, str], given: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """A whole environment for a process of ours; what the user has set stays as it is."""
    shared = {name: secrets[name] for name in SHARED_SECRETS}
    return {**SANDBOX, **shared, **own, **given}


def test_environment(state: Path) -> dict[str, str]:
    """For tests and for tools that load settings: fixed secrets, waiting times near nothing."""
    return {
        **SANDBOX,
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "ENCRYPTION_KEYS": "k1:" + base64.b64encode(b"1" * 32).decode("ascii"),
        "BLIND_INDEX_KEY": base64.b64encode(b"2" * 32).decode("ascii"),
        "DEMO_PASSWORD": "only-for-tests",
        "BANK_SIMULATOR_API_KEY": "only-for-tests",
        "STATE_DIR": str(state),
        "CALL_DEADLINE_S": "1",
        "LEASE_S": "3",
        "RETRY_BASE_S": "0.1",
        "RETRY_CAP_S": "1",
        "FUND_RETRY_S": "0.2",
        "INQUIRY_FIRST_S": "0.1",
        "REPORT_POLL_S": "0.1",
        "FILE_WINDOW_SECONDS": "0.1",
        "WORKER_POLL_INTERVAL_MS": "100",
        "BREAKER_PAUSE_S": "0.2",
        "BREAKER_PAUSE_MAX_S": "1",
    }
