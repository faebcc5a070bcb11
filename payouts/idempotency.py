"""Keys and fingerprints: the same request twice is one request.

The key of a create is a column of the payout, unique for ever. Keys of other POSTs are rows of
`idempotency_keys`, written in the transaction of the verb they belong to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

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
    return hashlib.sha256(text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")  # 1000, 1000.0 and 1000.00 are the same money.
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    source = getattr(value, "source", None)  # A JSON number that kept its source text.
    return source if source is not None else value


def claim(use: KeyUse | None, *, resource_id: UUID) -> UUID | None:
    """Bind a key to a resource. Returns None when it is new, else the resource it was bound to before.

    Raises PayoutError idempotency_key_reused when it was bound to another request. A twin that is still
    running is waited for until the lock time-out.
    """
    if use is None:
        return None
    assert connection.in_atomic_block, "a key is claimed inside the verb it belongs to"  # noqa: S101
    with connection.cursor() as cursor:
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
