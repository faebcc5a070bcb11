"""Who did what, to which payout, why: one row in the transaction of the change itself.

Rows hold ids, states, codes and reasons; never a name, an account number or a secret. A reason is what a
person typed: what looks like an account number or an e-mail address in it is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

from payouts import bulk


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts. `tenant_id` is None for a platform role that acts across tenants."""

    id: str
    role: str
    tenant_id: UUID | None = None
    request_id: str = ""

    @property
    def is_merchant(self) -> bool:
        return self.role == "merchant_admin"


def engine(part: str) -> Actor:
    """The engine itself, e.g. engine("dispatch")."""
    return Actor(id=f"engine:{part}", role="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row to be. `sequence` rises by one within a payout; 0 for rows about no payout."""

    action: str
    payout_id: UUID | None = None
    tenant_id: UUID | None = None
    sequence: int = 0
    from_status: str = ""
    to_status: str = ""
    reason: str = ""
    data: dict[str, Any] = field(default_factory=dict)


# An IBAN, written in groups or not; eight digits or more; an e-mail address.
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.IGNORECASE)
DIGITS = re.compile(r"(?<![\w-])\+?\d(?: ?\d){7,}(?![\w-])")
ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
LEFT_OUT = "[left out]"


def without_personal_data(text: str) -> str:
    """A reason as it may be kept. Identifiers of ours (UUIDs, codes of banks) stay."""
    text = ADDRESS.sub(LEFT_OUT, text)
    text = IBAN.sub(lambda m: LEFT_OUT if sum(c.isdigit() for c in m[0]) >= 8 else m[0], text)
    return DIGITS.sub(LEFT_OUT, text)


TYPES = {
    "payout_id": "uuid", "tenant_id": "uuid", "sequence": "int", "action": "text", "from_status": "text",
    "to_status": "text", "actor": "text", "actor_role": "text", "reason": "text", "data": "jsonb",
    "request_id": "text",
}  # fmt: skip


def by_verb() -> None:
    """What this transaction changes is recorded by a verb: the triggers that catch SQL by hand stay silent.

    For tables that have such a trigger (migrations 0012 and 0019). A payout's status is told by another, which
    knows a verb by the sequence that it raises.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.verb', 'on', true)")


def record(rows: Sequence[AuditRow], *, actor: Actor) -> None:
    """Write audit rows into the open transaction."""
    assert connection.in_atomic_block, "an audit row is written with what it records"  # noqa: S101
    bulk.insert(
        "payout_audit_log",
        TYPES,
        [
            {
                "payout_id": row.payout_id,
                "tenant_id": row.tenant_id,
                "sequence": row.sequence,
                "action": row.action,
                "from_status": row.from_status,
                "to_status": row.to_status,
                "actor": actor.id,
                "actor_role": actor.role,
                "reason": without_personal_data(row.reason),
                "data": json.dumps(row.data),
                "request_id": actor.request_id,
            }
            for row in rows
        ],
    )
