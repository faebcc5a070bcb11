"""Keys and fingerprints: the same request twice is one request.

The key of a create is a column of the payout, unique for ever. Keys of other POSTs are rows of
`idempotency_keys`, written in the transaction of the verb they belong to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection

from payouts import crypto
from payouts.errors import PayoutError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A key as used by one request: where, by whom, for what."""

    tenant_id: UUID
    route: str
    key: str
    fingerprint: bytes


def fingerprint(route: str, values: dict[str, Any]) -> bytes:
    """A hash over a validated request: amounts as numbers, absent = None = "", order of keys ignored."""
    meaning = {
        name: _plain(value) for name, value in values.items() if value not in (None, "", {}, [])
    }
    text = json.dumps([route, meaning], sort_keys=True, separators=(",", ":"), default=str)
    return crypto.blind_index(text)  # Keyed: a plain hash of a short number could be undone.


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _digits(value)  # 1000, 1000.0 and 1000.00 are the same money.
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        # A JSON number that kept its source text; marked with what no text holds: "1" is not 1.
        return "\x00" + _digits(Decimal(getattr(value, "source", None) or str(value)))
    return value


def _digits(number: Decimal) -> str:
    if not number:
        return "0"  # 0e-999999999 is one as well, and written out it would fill the memory.
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def claim(use: KeyUse | None, *, resource_id: UUID) -> UUID | None:
    """Bind a key to a resource. Returns None when it is new, else the resource it was bound to before.

    Raises PayoutError idempotency_key_reused when it was bound to another request. A twin that is still
    running is waited for until the lock time-out.
    """
    if use is None:
        return None
    assert connection.in_atomic_block, "a key is claimed inside the verb it belongs to"  # noqa: S101
    try:
        return _claim(use, resource_id)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "55P03":  # lock_not_available
            raise PayoutError("idempotency_in_progress", retry_after_s=1) from error
        raise


def _claim(use: KeyUse, resource_id: UUID) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true)", [f"{settings.LOCK_TIMEOUT_MS}ms"]
        )
        cursor.execute(
            "INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, resource_id)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant_id, route, key) DO NOTHING RETURNING id",
            [use.tenant_id, use.route, use.key, use.fingerprint, resource_id],
        )
        if cursor.fetchone() is not None:
            return None
        cursor.execute(
            "SELECT fingerprint, resource_id FROM idempotency_keys"
            " WHERE tenant_id = %s AND route = %s AND key = %s",
            [use.tenant_id, use.route, use.key],
        )
        known, bound_to = cursor.fetchone()
    if bytes(known) != use.fingerprint:
        raise PayoutError("idempotency_key_reused")
    return UUID(str(bound_to))
