"""The specification's table of roles, row by row: who may, and that nobody else may."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.urls import Resolver404, resolve

from tests.api_client import Api
from tests.test_api_roles import GOOD, ROLES, SECRET, B, F, M, S, T, attempt, noticed, signed
from tests.world import World

SAID = {
    "S75": ("payouts", "POST", {M, F, T}),
    "S76": ("payouts", "GET", {M, F, T, B}),
    "S77": ("payout-cancel", "POST", {F, T}),
    "S78": ("payout-retry", "POST", {F, T}),
    "S79": ("payouts-alerts", "GET", {F, T, B}),
    "S80": ("payouts-alert-resolve", "POST", {F, T}),
    "S81": ("connectors-health", "GET", {F, T, S}),
    "S82": ("payouts-stats", "GET", {M, F, T, B}),
    "S82, one payout": ("payout", "GET", {M, F, T, B}),
}


@pytest.mark.parametrize("said", sorted(SAID))
def test_a_row_of_the_specifications_table(sandbox: World, settings: Any, said: str) -> None:
    name, method, allowed = SAID[said]
    for role in ROLES:
        payout_id = noticed(sandbox)
        settings.GATEWAY_SECRET = SECRET if role == S else ""
        answer = attempt(sandbox, Api(sandbox.tenant_id, role), name, method, payout_id)
        settings.GATEWAY_SECRET = ""
        assert answer.status == (GOOD[name, method] if role in allowed else 403), role


def test_there_are_five_roles_and_nobody_with_another(db: None, settings: Any) -> None:
    """S83."""
    settings.GATEWAY_SECRET = SECRET
    seen = {}
    for role in (
        "merchant_admin",
        "finance_ops",
        "treasury_ops",
        "billing_ops",
        "system",
        "support",
    ):
        caller = Api(uuid4(), role)
        headers = caller.headers() | signed(caller)
        seen[role] = caller.send("GET", "/api/payouts", headers=headers).status
    assert seen == {M: 200, F: 200, T: 200, B: 200, S: 403, "support": 401}


def test_words_beside_an_id_are_addresses_of_their_own() -> None:
    """S74."""
    payout_id = str(uuid4())
    for path, name in {
        "stats/summary": "payouts-stats", "ops/alerts": "payouts-alerts", "connectors/health": "connectors-health",
        payout_id: "payout", payout_id.upper(): "payout", f"{payout_id}/cancel": "payout-cancel",
    }.items():  # fmt: skip
        assert resolve(f"/api/payouts/{path}").url_name == name
    for path in ("stats", "ops", "connectors", "1", payout_id.replace("-", ""), f"{payout_id}1"):
        with pytest.raises(Resolver404):
            resolve(f"/api/payouts/{path}")
