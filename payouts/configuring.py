"""Making bank connections known: rows of bank_connectors, their secrets sealed, each change in the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from payouts import audit, crypto
from payouts.audit import Actor, engine

CONFIGURED = engine("configure")  # Unless a person did.


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A bank connection as somebody wants it: what `configure` makes known."""

    name: str
    rail: str
    driver: str
    config: Mapping[str, object]
    credentials: Mapping[str, str]
    preference: int = 100


def configure(wanted: Sequence[Connection], *, actor: Actor = CONFIGURED) -> list[UUID]:
    """Make bank connections known; one that is known keeps its id and gets the new settings. Ids in order."""
    ways = [[c.name for c in wanted], [c.rail for c in wanted]]
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        audit.by_verb()
        cursor.execute(
            "INSERT INTO bank_connectors (id, name, rail, driver, config, credentials, preference, enabled)"
            " SELECT w.id, w.name, w.rail, '', '{}', '', 100, true"
            " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS w (id, name, rail)"
            " ON CONFLICT (name, rail) DO NOTHING RETURNING id",
            [[uuid7() for _ in wanted], *ways],
        )
        fresh = {row[0] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT c.name, c.rail, c.id FROM bank_connectors c"
            " JOIN unnest(%s::text[], %s::text[]) AS w (name, rail) USING (name, rail)",
            ways,
        )
        known = {(name, rail): row_id for name, rail, row_id in cursor.fetchall()}
        ids: list[UUID] = [known[c.name, c.rail] for c in wanted]
        cursor.execute(
            "UPDATE bank_connectors c SET driver = w.driver, config = w.config::jsonb, credentials = w.credentials,"
            " preference = w.preference FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[],"
            " %s::smallint[]) AS w (id, driver, config, credentials, preference) WHERE c.id = w.id",
            [
                ids, [c.driver for c in wanted], [json.dumps(c.config) for c in wanted],
                [_sealed(c, row_id) for c, row_id in zip(wanted, ids, strict=True)],
                [c.preference for c in wanted],
            ],
        )  # fmt: skip
        audit.record(
            [_told(c, fresh=row_id in fresh) for c, row_id in zip(wanted, ids, strict=True)],
            actor=actor,
        )
    return ids


def _sealed(wanted: Connection, row_id: UUID) -> bytes:
    secret = json.dumps(dict(wanted.credentials)).encode()
    return crypto.seal(secret, table="bank_connectors", column="credentials", row=row_id)


def _told(wanted: Connection, *, fresh: bool) -> audit.AuditRow:
    data = {"connector": f"{wanted.name}:{wanted.rail}", "driver": wanted.driver}
    return audit.AuditRow(
        action="connector.created" if fresh else "connector.configured",
        data={**data, "settings": sorted(wanted.config)},
    )
