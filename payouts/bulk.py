"""One statement for many rows: inserting a thousand costs little more than inserting one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def insert(
    table: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, suffix: str = ""
) -> list[tuple[Any, ...]]:
    """INSERT rows by arrays. `types` maps each column to its PostgreSQL type; `suffix` may end in RETURNING.

    Table, columns and suffix come from code, never from a request. JSON values are given as JSON text.
    """
    if not rows:
        return []
    columns = ", ".join(types)
    arrays = ", ".join(f"%s::{kind}[]" for kind in types.values())
    sql = f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {suffix}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [[row[column] for row in rows] for column in types])
        return cursor.fetchall() if cursor.description else []


def insert_returning_ids(
    table: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, conflict: str
) -> set[Any]:
    """INSERT rows, skip those that meet `conflict`, and return the ids of those that were written."""
    suffix = f"ON CONFLICT {conflict} DO NOTHING RETURNING id"
    return {row[0] for row in insert(table, types, rows, suffix=suffix)}
