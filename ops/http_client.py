"""A merchant's and an operator's HTTP client, as small as can be: for the demo, which uses the front door only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON document that came with it."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Talks to one address under one identity (the sandbox's headers)."""

    base_url: str
    tenant_id: str = ""
    role: str = "merchant_admin"
    user_id: str = "33333333-3333-4333-8333-333333333333"

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """One request; refusals are answers, not exceptions. Raises OSError when nobody answers."""
        headers = {"X-User-Id": self.user_id, "X-User-Role": self.role}
        if self.tenant_id:
            headers["X-Tenant-Id"] = self.tenant_id
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if method == "POST" and path == "/api/payouts":
            headers["Idempotency-Key"] = key or str(uuid4())
        request = urllib.request.Request(  # noqa: S310  (our own address)
            self.base_url + path, data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310  (our own address)
                return Answer(answer.status, json.loads(answer.read() or b"null"))
        except urllib.error.HTTPError as refusal:
            return Answer(refusal.code, json.loads(refusal.read() or b"null"))

    def get_payout(self, payout_id: str) -> dict[str, Any]:
        payout: dict[str, Any] = self.call("GET", f"/api/payouts/{payout_id}").body["payout"]
        return payout
