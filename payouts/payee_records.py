"""The rows of payee checks: who is to be asked about, who is asking, and what was said.

An account has one row of `payee_checks`: whether somebody is to be asked and is being asked (a lease), and,
sealed, the name that a similar account has. What was said stays in `payee_verifications`, row after row; the
last one holds, silence only where nothing else was ever said. Names stand in neither log nor audit.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import bulk, crypto
from payouts.audit import Actor

TABLE, COLUMN = "payee_checks", "name"
NO_ANSWER = "no_answer"
NOT_OFFERED = "not_offered"  # No bank connection of ours can ask about such an account.
UNREADABLE = "account_unreadable"
# Codes of ours: nobody was heard. They take nothing back that a bank has said, or whoever asks again while
# the bank is away would free what is held.
SILENCE = [NO_ANSWER, NOT_OFFERED, UNREADABLE]
_LAST = " ORDER BY code = ANY(%s), id DESC LIMIT 1"
TYPES = {
    "id": "uuid", "tenant_id": "uuid", "account_id": "uuid", "bank_connector_id": "uuid", "occasion": "text",
    "verdict": "text", "code": "text", "asked_name": "bytea", "actor": "text", "actor_role": "text",
    "reason": "text",
}  # fmt: skip
# A first use is checked once, unless a person has decided; what was said lately, by whoever answered, counts too.
_SETTLED = (
    "EXISTS (SELECT FROM payee_verifications v WHERE v.account_id = {0} AND (v.occasion IN"
    " ('first_use', 'acceptance') OR (v.code <> %(no_answer)s AND v.verified_at >"
    " clock_timestamp() - make_interval(secs => %(fresh_s)s))))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An account whose check is ours to make until the lease ends."""

    account_id: UUID
    occasion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a check of an account said. `name` is what a similar account is called."""

    account_id: UUID
    occasion: str
    bank_connector_id: UUID | None
    verdict: str
    code: str
    asked_name: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of an account's holder. `verdict` "" and `pending`: its bank is being asked."""

    account_id: UUID
    verdict: str
    code: str
    accepted_by: str
    verified_at: datetime | None
    pending: bool
    sealed_name: bytes | None
    policy: dict[str, Any]

    @property
    def name(self) -> str:
        """What a similar account is called; "" where it is not told or does not open any more."""
        if self.verdict != "close_match" or self.sealed_name is None:
            return ""
        try:
            plain = crypto.open_sealed(
                self.sealed_name, table=TABLE, column=COLUMN, row=self.account_id
            )
        except crypto.CannotOpen:
            return ""
        return plain.decode()


def open_check(account_id: UUID, *, tenant_id: UUID) -> None:
    """Note, in the transaction that makes an account, that it is to be checked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payee_checks (id, tenant_id, occasion) VALUES (%s, %s, 'creation')",
            [account_id, tenant_id],
        )


def unchecked(account_ids: Iterable[UUID], *, fresh_s: float) -> list[UUID]:
    """The accounts that must be checked before they are paid for the first time."""
    ids = sorted(set(account_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id FROM unnest(%(ids)s::uuid[]) AS w (id) WHERE NOT "
            + _SETTLED.format("w.id"),
            {"ids": ids, "no_answer": NO_ANSWER, "fresh_s": fresh_s},
        )
        return [row[0] for row in cursor.fetchall()]


def take(account_ids: Collection[UUID], *, fresh_s: float, lease_s: float) -> list[Taken]:
    """Take checks for a first use. What others are making or have just made is left out."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payee_checks AS c (id, tenant_id, occasion, lease_until)"
            " SELECT a.id, a.tenant_id, 'first_use', clock_timestamp() + make_interval(secs => %(lease_s)s)"
            " FROM beneficiary_accounts a WHERE a.id = ANY(%(ids)s) ORDER BY a.id"
            " ON CONFLICT (id) DO UPDATE SET occasion = 'first_use', open = true,"
            " lease_until = excluded.lease_until"
            " WHERE c.lease_until IS NULL OR c.lease_until < clock_timestamp() RETURNING id",
            {"ids": sorted(account_ids), "lease_s": lease_s},
        )
        ours = [row[0] for row in cursor.fetchall()]
        # Again, now that nobody else can take them: somebody may have been faster.
        still = set(unchecked(ours, fresh_s=fresh_s))
        cursor.execute(
            "UPDATE payee_checks SET open = false, lease_until = NULL WHERE id = ANY(%s)",
            [[account_id for account_id in ours if account_id not in still]],
        )
    return [Taken(account_id=one, occasion="first_use") for one in ours if one in still]


def take_open(*, limit: int, lease_s: float) -> list[Taken]:
    """Take checks that wait, oldest first; what others have taken is passed over."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payee_checks SET lease_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE id IN (SELECT id FROM payee_checks WHERE open AND (lease_until IS NULL"
            " OR lease_until < clock_timestamp()) ORDER BY created_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)"
            " RETURNING id, occasion",
            [lease_s, limit],
        )
        return [Taken(account_id=row[0], occasion=row[1]) for row in cursor.fetchall()]


def is_any_open() -> bool:
    """Whether somebody is to be asked whom nobody asks."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM payee_checks WHERE open AND (lease_until IS NULL"
            " OR lease_until < clock_timestamp()))"
        )
        found: bool = cursor.fetchone()[0]
        return found


def record(answers: Sequence[Answer], *, actor: Actor, reason: str = "") -> None:
    """Store what was said and end the checks, in the open transaction."""
    assert connection.in_atomic_block, "what was said and the end of a check are one"  # noqa: S101
    tenants = _tenants_of([answer.account_id for answer in answers])
    rows = [
        {
            "id": uuid7(), "tenant_id": tenants[a.account_id], "account_id": a.account_id,
            "bank_connector_id": a.bank_connector_id, "occasion": a.occasion, "verdict": a.verdict, "code": a.code,
            "asked_name": crypto.blind_index(a.asked_name), "actor": actor.id, "actor_role": actor.role,
            "reason": reason,
        }
        for a in answers
    ]  # fmt: skip
    bulk.insert("payee_verifications", TYPES, rows)
    ended = [
        {
            "id": a.account_id, "tenant_id": tenants[a.account_id], "open": False, "occasion": a.occasion,
            "name": _sealed(a),
        }
        for a in sorted(answers, key=lambda answer: answer.account_id)
    ]  # fmt: skip
    bulk.insert(
        "payee_checks",
        {"id": "uuid", "tenant_id": "uuid", "open": "boolean", "occasion": "text", "name": "bytea"},
        ended,
        suffix="ON CONFLICT (id) DO UPDATE SET open = false, lease_until = NULL, occasion = excluded.occasion,"
        " name = coalesce(excluded.name, payee_checks.name)",
    )


def _sealed(answer: Answer) -> bytes | None:
    if not answer.name:
        return None
    return crypto.seal(answer.name.encode(), table=TABLE, column=COLUMN, row=answer.account_id)


def accept(account_id: UUID, *, actor: Actor, reason: str) -> Standing | None:
    """Write down that a person accepts what was said last, whatever it was. None when nothing was."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payee_verifications (id, tenant_id, account_id, bank_connector_id, occasion, verdict,"
            " code, asked_name, actor, actor_role, reason) SELECT %s, tenant_id, account_id, bank_connector_id,"
            " 'acceptance', verdict, code, asked_name, %s, %s, %s FROM payee_verifications"
            " WHERE account_id = %s" + _LAST,
            [uuid7(), actor.id, actor.role, reason, account_id, SILENCE],
        )
    return standing([account_id]).get(account_id)


def standing(account_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """What is known of the holders of these accounts; nothing of those that nobody ever asked about."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, coalesce(v.verdict, ''), coalesce(v.code, ''),"
            " CASE WHEN v.occasion = 'acceptance' THEN v.actor ELSE '' END, v.verified_at, c.open, c.name,"
            " coalesce(t.settings -> 'payee_checks', '{}')::text"
            " FROM payee_checks c JOIN tenants t ON t.id = c.tenant_id LEFT JOIN LATERAL ("
            " SELECT * FROM payee_verifications p WHERE p.account_id = c.id" + _LAST + ") v ON true"
            " WHERE c.id = ANY(%s)",
            [SILENCE, list(account_ids)],
        )
        return {row[0]: _standing(row) for row in cursor.fetchall()}


def _standing(row: tuple[Any, ...]) -> Standing:
    policy = json.loads(row[7])
    return Standing(
        account_id=row[0], verdict=row[1], code=row[2], accepted_by=row[3], verified_at=row[4], pending=row[5],
        sealed_name=None if row[6] is None else bytes(row[6]), policy=policy if isinstance(policy, dict) else {},
    )  # fmt: skip


def _tenants_of(account_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, tenant_id FROM beneficiary_accounts WHERE id = ANY(%s)", [list(account_ids)]
        )
        return dict(cursor.fetchall())
