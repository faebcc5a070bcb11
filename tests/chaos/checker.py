"""The independent checker: reads the bank's own record, the clients' log and the database, and nothing else.

It shares no code with the engine: what the statuses, accounts and ways are is written down here a second
time. At any instant it asks what must hold at any instant; at rest, everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import bank_rules, book_rules, client_rules, clients_log
from tests.chaos.clients_log import Call
from tests.chaos.facts import Violation, gather

__all__ = ["Violation", "check", "judge"]


def check(
    *,
    records: list[dict[str, Any]],
    log: Path,
    dsn: str,
    drained: bool,
    nobody_died: bool = False,
) -> list[Violation]:
    """Everything that is broken. `records` was read before this call: see `facts` for why that matters.

    `nobody_died`: no process or server was killed and no connection to the database was cut.
    """
    before = clients_log.read(log)
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # The first statement takes the snapshot; what the log holds after it may be newer.
        connection.execute("SELECT count(*) FROM payouts")
        after = clients_log.read(log)
        found = judge(
            connection,
            records=records,
            before=before,
            after=after,
            drained=drained,
            nobody_died=nobody_died,
        )
        connection.rollback()
    return found


def judge(
    connection: psycopg.Connection[Any],
    *,
    records: Sequence[dict[str, Any]],
    before: Sequence[Call],
    after: Sequence[Call],
    drained: bool,
    nobody_died: bool = False,
) -> list[Violation]:
    """The same on an open transaction, whose snapshot lies between the two readings of the log."""
    facts = gather(connection, records=records, before=before, after=after, drained=drained)
    return [
        *book_rules.broken(connection, drained=drained),
        *(book_rules.unheard(connection) if drained and nobody_died else ()),
        *bank_rules.broken(facts),
        *client_rules.broken(facts),
    ]
