"""Re-encrypting everything under the ring's first key, in small committed steps that can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from payouts import audit, crypto
from payouts.audit import Actor

BATCH = 200
# Table, column, and the column that names the row in the associated data.
SEALED: tuple[tuple[str, str], ...] = (
    ("beneficiary_accounts", "details"),
    ("bank_connectors", "credentials"),
    ("bank_transmissions", "body"),
    ("bank_documents", "body"),
    ("payee_checks", "name"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one table's column is: rows seen, rows sealed anew."""

    table: str
    column: str
    seen: int
    resealed: int


def count_sealed() -> int:
    """How many sealed values there are."""
    total = 0
    with connection.cursor() as cursor:
        for table, column in SEALED:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL")
            total += cursor.fetchone()[0]
    return total


def rotate(*, actor: Actor, dry_run: bool = False) -> Iterator[Progress]:
    """Seal every value anew that is not under the first key; yields after each committed batch.

    With `dry_run` values are opened and counted, and nothing is written. Raises crypto.CannotOpen.
    """
    for table, column in SEALED:
        last: UUID | None = None
        while True:
            with transaction.atomic(durable=True):
                rows = _next_rows(table, column, last)
                if not rows:
                    break
                old = [
                    (row, value)
                    for row, value in rows
                    if crypto.key_id(value) != crypto.ring().primary
                ]
                if old and not dry_run:
                    audit.by_verb()
                for row, value in old:
                    plain = crypto.open_sealed(value, table=table, column=column, row=row)
                    if not dry_run:
                        _store(
                            table,
                            column,
                            row,
                            crypto.seal(plain, table=table, column=column, row=row),
                        )
                if old and not dry_run:
                    data = {"table": table, "rows": len(old), "key": crypto.ring().primary}
                    audit.record([audit.AuditRow(action="keys.rotated", data=data)], actor=actor)
            last = rows[-1][0]
            yield Progress(table=table, column=column, seen=len(rows), resealed=len(old))


def _next_rows(table: str, column: str, last: UUID | None) -> list[tuple[UUID, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL AND (%s::uuid IS NULL OR id > %s)"
            f" ORDER BY id LIMIT {BATCH} FOR NO KEY UPDATE",
            [last, last],
        )
        return [(row[0], bytes(row[1])) for row in cursor.fetchall()]


def _store(table: str, column: str, row: UUID, sealed: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [sealed, row])
