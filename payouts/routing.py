"""Which bank connection a payout takes. First form: what can carry it, in the order the operators prefer.

A decision is a value with its candidates and reason; `creation` stores it in `routing_decisions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from payouts.banks import BankLine

# What a merchant may ask for, and the rails that may serve it.
METHODS: dict[str, frozenset[str]] = {
    "bank_transfer": frozenset({"ach", "sepa", "faster_payments", "wire", "rtp", "sepa_instant"}),
    "wire": frozenset({"wire"}),
    "instant_transfer": frozenset({"rtp", "sepa_instant", "faster_payments"}),
    "mobile_money": frozenset({"mobile_money"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What must be carried: where to, how much, how."""

    payout_method: str
    account_type: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A chosen connection and why it was chosen."""

    bank: BankLine
    reason: str
    candidates: list[dict[str, Any]]


def choose(wishes: Sequence[Wish], *, lines: Sequence[BankLine], on: date) -> list[Route | None]:
    """Choose for each wish, in order; None where no connection can carry it."""
    return [_choose_one(wish, lines, on) for wish in wishes]


def _choose_one(wish: Wish, lines: Sequence[BankLine], on: date) -> Route | None:
    candidates = [
        {"connector": bank.key, "refused": _obstacle(bank, wish, on)}
        for bank in lines
        if bank.rail in METHODS[wish.payout_method]
    ]
    able = [bank for bank in lines if {"connector": bank.key, "refused": ""} in candidates]
    if not able:
        return None
    # A paused bank still takes payouts when nothing else can: they wait until it is resumed.
    ready = [bank for bank in able if not bank.paused]
    chosen = min(ready or able, key=lambda bank: (bank.preference, bank.key))
    reason = "preferred" if ready else "paused, and nothing else carries it"
    return Route(bank=chosen, reason=f"{chosen.key}: {reason}", candidates=candidates)


def _obstacle(bank: BankLine, wish: Wish, on: date) -> str:
    """Why a connection cannot carry a wish; "" when it can."""
    try:
        able = bank.capabilities
        low, high = bank.limits()
    except Exception as error:  # noqa: BLE001  (a bank that cannot be built must not stop the others)
        return f"misconfigured: {type(error).__name__}"
    if not bank.in_service(on):
        return "not in service"
    if wish.account_type not in able.account_types:
        return "cannot pay this kind of account"
    if wish.currency not in able.currencies:
        return "not in this currency"
    if not low <= wish.amount <= high:
        return f"only from {low} to {high}"
    return ""
