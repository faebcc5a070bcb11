"""The OpenAPI document: what is said about each address. Views carry these as decorators."""

from payouts.api.schema import security
from payouts.api.schema.operations import (
    accepts_a_mismatch,
    approves,
    cancels,
    creates_a_beneficiary,
    creates_a_payout,
    creates_many,
    deposits,
    lists_alerts,
    lists_payouts,
    quotes,
    recalls,
    resolves_an_alert,
    retries,
    shows_a_beneficiary,
    shows_a_payout,
    shows_a_timeline,
    shows_balances,
    shows_health,
    shows_statistics,
    verifies_a_payee,
)

__all__ = [
    "accepts_a_mismatch",
    "approves",
    "cancels",
    "creates_a_beneficiary",
    "creates_a_payout",
    "creates_many",
    "deposits",
    "lists_alerts",
    "lists_payouts",
    "quotes",
    "recalls",
    "resolves_an_alert",
    "retries",
    "security",  # Imported because importing it makes the schemes known.
    "shows_a_beneficiary",
    "shows_a_payout",
    "shows_a_timeline",
    "shows_balances",
    "shows_health",
    "shows_statistics",
    "verifies_a_payee",
]
