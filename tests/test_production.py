"""Outside the sandbox: what a start refuses, and that nothing is said in the clear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

OUTSIDE = {
    "SANDBOX": "0", "TRUST_GATEWAY_HEADERS": "0", "ALLOWED_HOSTS": "payouts.example",
    "BANK_URL": "https://bank.example",
}  # fmt: skip
READ_SETTINGS = "from django.conf import settings; settings.DEBUG"
ASK = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
def ask(path, **more):
    answer = Client().get(path, HTTP_HOST="payouts.example", **more)
    return [answer.status_code, answer.headers.get("Location"), answer.headers.get("Strict-Transport-Security")]
print(json.dumps({
    "plain": ask("/api/payouts"),
    "behind the proxy": ask("/api/payouts", HTTP_X_FORWARDED_PROTO="https"),
    "proxy took it in the clear": ask("/api/payouts", HTTP_X_FORWARDED_PROTO="http"),
    "from within": ask("/healthz"),
    "workbench": ask("/admin/"),
    "documents": ask("/api/schema/", HTTP_X_FORWARDED_PROTO="https"),
    "metrics": ask("/metrics", HTTP_X_FORWARDED_PROTO="https"),
    "cookies": [settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY],
}))
"""


def start(script: str, **environment: str) -> tuple[int, str]:
    """A process with these settings; what it said last."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**given, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout if done.returncode == 0 else done.stderr).splitlines()
    return done.returncode, said[-1] if said else ""


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SANDBOX": "0", "TRUST_GATEWAY_HEADERS": "1"}, "GATEWAY_SECRET"),
        ({"MOLAM_ID_ISSUER": "x"}, "MOLAM_ID_AUDIENCE"),
        ({"MOLAM_ID_ALGORITHMS": "RS256,HS256"}, "MOLAM_ID_ALGORITHMS"),
        ({"MOLAM_ID_ALGORITHMS": "none"}, "MOLAM_ID_ALGORITHMS"),
        ({**OUTSIDE, "MOLAM_ID_ISSUER": "x", "MOLAM_ID_AUDIENCE": "y", "MOLAM_ID_JWKS_URL": "http://id.example/keys"},
         "MOLAM_ID_JWKS_URL"),
    ],
)  # fmt: skip
def test_a_start_that_would_believe_anybody_is_refused(
    environment: dict[str, str], named: str
) -> None:
    status, said = start(READ_SETTINGS, **environment)
    assert status == 1
    assert named in said


@pytest.mark.parametrize("name", ["BANK_URL", "BANK_URL_SEPA"])
def test_a_bank_is_spoken_to_over_https_only(name: str) -> None:
    """S87."""
    status, said = start(READ_SETTINGS, **{**OUTSIDE, name: "http://bank.example"})
    assert status == 1
    assert f"{name} must begin with https://" in said


def test_outside_the_sandbox_everything_is_said_over_tls() -> None:
    """S86."""
    status, said = start(ASK, **OUTSIDE, TLS_PROXY_HEADER="X-Forwarded-Proto")
    assert status == 0, said
    found: dict[str, Any] = json.loads(said)
    year = "max-age=31536000; includeSubDomains"
    elsewhere = [301, "https://payouts.example/api/payouts", None]
    assert found == {
        "plain": elsewhere,
        "behind the proxy": [401, None, year],
        "proxy took it in the clear": elsewhere,
        "from within": [200, None, None],
        "workbench": [301, "https://payouts.example/admin/", None],
        "documents": [403, None, year],  # open in the sandbox only
        "metrics": [401, None, year],
        "cookies": [True, True, True],
    }


def test_a_header_that_nobody_named_proves_no_tls() -> None:
    script = "from django.conf import settings; print(settings.SECURE_PROXY_SSL_HEADER)"
    assert start(script, **OUTSIDE) == (0, "None")
