"""Finding payouts by what people hold: an id or its start, a key, a reference, the last four of an account.

Each way is served by an index of its own, and all of them together are one statement. An OR over them would
read every payout there is.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

MOST = 200  # For each way; more than anybody reads.
BY_TEXT = (
    # Unique within a merchant: one look-up for each merchant.
    "SELECT p.id FROM tenants t JOIN payouts p ON p.tenant_id = t.id AND p.external_id = %(term)s",
    # Ours, unique within a bank; the bank's own.
    "SELECT a.payout_id FROM bank_connectors c JOIN payout_retry_log a"
    " ON a.bank_connector_id = c.id AND a.reference = %(term)s",
    "SELECT a.payout_id FROM payout_retry_log a WHERE a.bank_reference = %(term)s AND a.bank_reference <> ''",
)
BY_LAST4 = (
    "SELECT found.id FROM (SELECT id FROM beneficiary_accounts WHERE last4 = %(term)s LIMIT %(most)s) account,"
    " LATERAL (SELECT p.id FROM payouts p WHERE p.beneficiary_account_id = account.id"
    " ORDER BY p.id DESC LIMIT %(most)s) found"
)
BY_START = "SELECT id FROM payouts WHERE id BETWEEN %(low)s AND %(high)s"


def payout_ids(term: str) -> list[UUID]:
    """The payouts that this may mean."""
    values: dict[str, Any] = {"term": term, "most": MOST}
    ways = list(BY_TEXT)
    if len(term) == 4:
        ways.append(BY_LAST4)
    if between := ids_that_begin(term):
        low, high = between
        ways.append(BY_START)
        values |= {"low": low, "high": high}
    parts = [f"(SELECT id FROM ({way}) AS way (id) LIMIT %(most)s)" for way in ways]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(parts), values)
        return [row[0] for row in cursor.fetchall()]


def ids_that_begin(term: str) -> tuple[UUID, UUID] | None:
    """The lowest and highest id that begins like this; a range is served by the primary key."""
    digits = term.replace("-", "").lower()
    if not 8 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
