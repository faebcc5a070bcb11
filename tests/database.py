"""Raw SQL for tests of the database's own rules: who refuses a statement, and what happens without the rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from payouts import banks, dispatch, evidence, seals
from payouts.audit import engine
from payouts.evidence import Statement as Said
from tests.world import Bank, World, build

Params = Mapping[str, Any]
Rows = dict[str, Any]
RULED = (
    "payouts", "payout_holds", "payout_retry_log", "payout_audit_log", "bank_evidence", "bank_transmissions",
    "account_corrections", "bank_letters", "bank_recalls", "payee_checks", "payee_verifications",
    "routing_decisions", "audit_seals", "ledger_accounts", "ledger_transfers", "ledger_entries",
    "ledger_balances",
)  # fmt: skip
UNIQUE, CHECK, FOREIGN_KEY, RESTRICT = "23505", "23514", "23503", "23001"  # SQLSTATE


def run(sql: str, params: Params | None = None) -> list[tuple[Any, ...]]:
    """Run SQL. Returns the rows, if there are any."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def one(sql: str, params: Params | None = None) -> Any:
    return run(sql, params)[0][0]


@dataclass(frozen=True)
class Copy:
    """A row copied under a new id (and key), with columns changed to SQL expressions."""

    table: str
    source: str  # the name of the parameter that holds the id of the row
    changes: Mapping[str, str] = field(default_factory=dict)

    def sql(self) -> str:
        found = run(
            "SELECT column_name, is_identity, is_generated FROM information_schema.columns"
            " WHERE table_name = %(table)s ORDER BY ordinal_position",
            {"table": self.table},
        )
        copied = [row[0] for row in found if row[1:] == ("NO", "NEVER")]
        values = {name: f'"{name}"' for name in copied}
        fresh = {"id": "gen_random_uuid()", "external_id": "gen_random_uuid()::text"}
        values |= {name: value for name, value in fresh.items() if name in values} | self.changes
        columns = ", ".join(f'"{name}"' for name in values)
        chosen = ", ".join(values.values())
        return f"INSERT INTO {self.table} ({columns}) SELECT {chosen} FROM {self.table} WHERE id = %({self.source})s"


Statement = str | Copy


def text(statement: Statement) -> str:
    return statement.sql() if isinstance(statement, Copy) else statement


@dataclass(frozen=True)
class Refusal:
    """An SQLSTATE, and the constraint or the trigger's function that raised it."""

    sqlstate: str
    rule: str


def refusal(statement: Statement, params: Params, *, late: bool = True) -> Refusal | None:
    """Who refuses a statement; None when it passes (and stays). `late`: what is deferred is checked too."""
    try:
        with transaction.atomic():
            run(text(statement), params)
            if late:
                settle_constraints()
    except DatabaseError as error:
        cause: Any = error.__cause__
        function = re.search(r"PL/pgSQL function (\w+)\(", cause.diag.context or "")
        return Refusal(
            cause.sqlstate, cause.diag.constraint_name or (function[1] if function else "")
        )
    return None


def settle_constraints() -> None:
    """Check what is waiting to be checked: afterwards tables may be altered in this transaction."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET CONSTRAINTS ALL DEFERRED")


def lift(*rules: str) -> None:
    """Take rules away, for this transaction: "table.trigger", a constraint or an index."""
    settle_constraints()
    for rule in rules:
        table, dot, trigger = rule.partition(".")
        if dot:
            run(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        elif owner := run(
            "SELECT conrelid::regclass FROM pg_constraint WHERE conname = %(rule)s", {"rule": rule}
        ):
            run(f"ALTER TABLE {owner[0][0]} DROP CONSTRAINT {rule} CASCADE")
        else:
            run(f"DROP INDEX {rule}")


def raised_by(rule: str) -> str:
    """What a refusal names for a rule: a constraint or an index itself, a trigger by its function."""
    table, dot, trigger = rule.partition(".")
    if not dot:
        return rule
    return str(
        one(
            "SELECT p.proname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = %(table)s::regclass AND t.tgname = %(trigger)s",
            {"table": table, "trigger": trigger},
        )
    )


def contents() -> list[Any]:
    """A digest of every row of the tables that have rules."""
    return [
        one(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
        for table in RULED
    ]


def rules_of_the_database() -> set[str]:
    """Every check, trigger, unique constraint and unique index of our tables, as `lift` names them."""
    constraints = run(
        "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u') AND connamespace = 'public'::regnamespace"
        " AND conrelid::regclass::text !~ '^(django|auth)'"
    )
    indexes = run(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indisunique AND NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace"
        " AND i.indrelid::regclass::text !~ '^(django|auth)'"
    )
    triggers = run(
        "SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    return {row[0] for row in constraints + indexes + triggers}


def foreign_keys() -> list[tuple[str, str, str]]:
    """Name, table and first column of every foreign key of our tables."""
    return [
        (name, table, column)
        for name, table, column in run(
            "SELECT k.conname, k.conrelid::regclass::text, a.attname FROM pg_constraint k"
            " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
            " WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace"
            " AND k.conrelid::regclass::text !~ '^(django|auth)' ORDER BY 1"
        )
    ]


# --- rows ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[Rows]:
    """A row of everything that has a rule, made once: each test (marked django_db) works in a savepoint of its own."""
    outer: Any = transaction.atomic()
    outer._from_testcase = (
        True  # As Django's own TestCase marks it: verbs are durable, but in here.
    )
    with django_db_blocker.unblock(), outer:
        yield _build(build(Bank(0)))  # No bank is called.
        transaction.set_rollback(True)


def _build(sandbox: World) -> Rows:
    """`busy` has a live attempt, `payout` is pending, `bare` has no hold."""
    busy = sandbox.create(amount="30.00")
    bank = next(line for line in banks.lines() if line.id == busy.bank_connector_id)
    claim = dispatch.claim_due(bank)
    assert claim is not None
    plain = sandbox.create(amount="20.00")
    found = {
        "tenant": sandbox.tenant_id, "other": uuid4(), "busy": busy.id, "payout": plain.id,
        "hold": plain.ledger_hold_id, "bare": uuid4(), "bare_hold": uuid4(), "bank": bank.id,
        "transmission": claim.transmission_id, "creator": sandbox.merchant.id,
        "attempt": one("SELECT id FROM payout_retry_log WHERE payout_id = %(id)s", {"id": busy.id}),
        "available": one("SELECT id FROM ledger_accounts WHERE name LIKE %(n)s AND currency = 'EUR'",
                         {"n": f"merchant:{sandbox.tenant_id}%"}),
        "pending": one("SELECT id FROM ledger_accounts WHERE name LIKE %(n)s AND currency = 'EUR'",
                       {"n": f"%pending:{sandbox.tenant_id}"}),
        "dollars": one("SELECT id FROM ledger_accounts WHERE name LIKE %(n)s AND currency = 'USD'",
                       {"n": f"merchant:{sandbox.tenant_id}%"}),
        "transfer": one("SELECT id FROM ledger_transfers WHERE payout_id = %(id)s", {"id": plain.id}),
        "deposit": one("SELECT id FROM ledger_transfers WHERE tenant_id = %(id)s AND reference = 'EUR'",
                       {"id": sandbox.tenant_id}),
        "audit": one("SELECT id FROM payout_audit_log WHERE payout_id = %(id)s", {"id": plain.id}),
        "sequence": one("SELECT min(id) FROM bank_sequences"),
        "document": uuid4(), "letter": uuid4(), "verification": uuid4(),
        "recall": uuid4(), "correction": uuid4(), "batch": uuid4(), "dollar_batch": uuid4(), "item": uuid4(),
    }  # fmt: skip
    _add_the_rest(found)
    settle_constraints()
    return found


def _add_the_rest(found: Rows) -> None:
    bare = {"id": "%(bare)s", "ledger_hold_id": "%(bare_hold)s"}
    run(Copy("payouts", "payout", bare).sql(), found)
    statement = Said(
        source="report", source_key="test", position=0, bank_connector_id=found["bank"],
        reference="nobody's", kind="accepted",
    )  # fmt: skip
    evidence.record([statement], actor=engine("test"))
    found["evidence"] = one("SELECT id FROM bank_evidence WHERE source_key = 'test'")
    run(
        "INSERT INTO bank_documents (id, bank_connector_id, remote_id, document_type, sha256, body, error, event_count)"
        " VALUES (%(document)s, %(bank)s, '', 'x', 'x', 'x', '', 0);"
        "INSERT INTO payout_batches (id, batch_name, batch_type, currency, schedule_cron, time_zone, scheduled_at,"
        " status, total_payouts, total_amount) VALUES (%(batch)s, 'b', 'x', 'EUR', '', 'UTC', now(), 'open', 0, 0),"
        " (%(dollar_batch)s, 'b', 'x', 'USD', '', 'UTC', now(), 'open', 0, 0);"
        "INSERT INTO payout_batch_items (id, batch_id, payout_id, tenant_id, position, status, error_code,"
        " error_message) VALUES (%(item)s, %(batch)s, %(payout)s, %(tenant)s, 1, 'waiting', '', '')",
        found,
    )
    run(
        "INSERT INTO bank_letters (id, tenant_id, payout_id, attempt_id, says, document, reason, stated_by,"
        " stated_by_role) VALUES (%(letter)s, %(tenant)s, %(busy)s, %(attempt)s, 'settled', 'd', '', 'me', 'x')",
        found,
    )
    run(
        "INSERT INTO bank_recalls (id, tenant_id, payout_id, attempt_id, bank_connector_id, reference, reason, detail,"
        " state, requested_by, requested_by_role, requested_at) VALUES (%(recall)s, %(tenant)s, %(busy)s,"
        " %(attempt)s, %(bank)s, 'RC', 'fraud', '', 'requested', 'me', 'x', now());"
        "INSERT INTO account_corrections (id, tenant_id, account_id, corrected_account_id, payout_id, attempt_id,"
        " code, content) VALUES (%(correction)s, %(tenant)s, gen_random_uuid(), gen_random_uuid(), %(busy)s,"
        " %(attempt)s, 'C01', 'x');"
        "INSERT INTO payee_verifications (id, tenant_id, account_id, occasion, verdict, code, asked_name, actor,"
        " actor_role, reason) VALUES (%(verification)s, %(tenant)s, gen_random_uuid(), 'creation', 'match', 'MTCH',"
        " 'x', 'engine', 'system', '');"
        "INSERT INTO payee_checks (id, tenant_id, occasion) VALUES (%(verification)s, %(tenant)s, 'creation')",
        found,
    )
    run("UPDATE bank_transmissions SET reference = 'ours' WHERE id = %(transmission)s", found)
    seals.seal()
