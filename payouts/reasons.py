"""Why a payout does not move, in words: a short list of codes for merchants that stays, whatever a bank says.

Operators read what a bank wrote and what usually helps. A merchant decides by the short list, so a code that
nobody listed is told as `bank_problem`, never passed on. The rows are in connectors/schemes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from payouts import banks

REMEMBERED_S = 30.0  # A connection that gets another driver is rare, and only words depend on it.
_ways: dict[UUID, tuple[str, str]] = {}
_read_at = 0.0


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable code and a sentence. Both are empty when nothing is wrong."""

    code: str
    text: str


def explain(code: str, *, bank: UUID) -> Reason:
    """A merchant's reason for a code that this bank, or the engine, gave."""
    if not code:
        return Reason("", "")
    row = find(code, bank=bank)
    return Reason(row.merchant_code, row.merchant)


def find(code: str, *, bank: UUID) -> banks.CodeReason:
    """The whole row of a code, as it means with this bank's driver on its rail."""
    driver, rail = _way_of(bank)
    return banks.find_reason(code, driver=driver, rail=rail)


def _way_of(bank: UUID) -> tuple[str, str]:
    """Driver and rail of a connection; both empty for one that nobody knows."""
    global _ways, _read_at  # noqa: PLW0603  (a page of payouts asks for the same few connections)
    if bank not in _ways or time.monotonic() - _read_at > REMEMBERED_S:
        _ways, _read_at = _read_ways(), time.monotonic()
    return _ways.get(bank, ("", ""))


def _read_ways() -> dict[UUID, tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, driver, rail FROM bank_connectors")
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
