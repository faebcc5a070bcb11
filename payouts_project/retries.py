"""How each rail is tried again, from the environment: a wrong policy stops the start with its name."""

from __future__ import annotations

import os

from django.core.exceptions import ImproperlyConfigured

from payouts.backoff import RetryPolicy

RAILS = ("ach", "rtp", "wire", "sepa", "sepa_instant", "faster_payments", "mobile_money")
INSTANT_RAILS = ("rtp", "sepa_instant", "faster_payments", "mobile_money")
Policy = tuple[float, float, float, int]


def policies(*, default: Policy, instant: Policy) -> dict[str, RetryPolicy]:
    """How each rail is tried again: base, factor, cap and limit, from RETRY_POLICY_<RAIL> or as given."""
    found = {}
    for rail in RAILS:
        name = f"RETRY_POLICY_{rail.upper()}"
        base, factor, cap, limit = instant if rail in INSTANT_RAILS else default
        if raw := os.environ.get(name, ""):
            base, factor, cap, limit = _policy(name, raw)
        found[rail] = RetryPolicy(base_s=base, factor=factor, cap_s=cap, limit=limit)
    return found


def _policy(name: str, raw: str) -> Policy:
    wrong = ImproperlyConfigured(
        f"{name} must be base,factor,cap,limit such as 5,2,300,3, not {raw!r}"
    )
    try:
        base, factor, cap, limit = (float(part) for part in raw.split(","))
    except ValueError:
        raise wrong from None
    if not (0 < base <= cap < float("inf") and 1 <= factor < 100 and 0 <= limit <= 100):
        raise wrong
    if limit != int(limit):
        raise wrong
    return base, factor, cap, int(limit)
