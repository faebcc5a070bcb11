"""No role of the application lifts a rule, takes a right that it was not given, or becomes another role."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.database import one, run
from tests.test_row_security import DENIED, WEB, WORKER

ROLES = (WEB, WORKER)
OURS = "relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '^(django|auth)_'"


@pytest.fixture(scope="module")
def logins(
    django_db_setup: None, django_db_blocker: Any
) -> Iterator[dict[str, psycopg.Connection[Any]]]:
    """A login for each role, as production would make them, and a connection of each."""
    with django_db_blocker.unblock():
        given = connection.get_connection_params()
    target = {k: given[k] for k in ("dbname", "host", "port", "user", "password") if k in given}
    owner = psycopg.connect(**target, autocommit=True)
    opened = {}
    for role in ROLES:
        name = f"{role}_login_{os.getpid()}"  # Roles belong to the cluster, which parallel tests share.
        owner.execute(f"DROP ROLE IF EXISTS {name}")
        owner.execute(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'x'")
        owner.execute(f"GRANT {role} TO {name}")
        options = f"-c role={role} -c app.scope=platform -c lock_timeout=2s"
        opened[role] = psycopg.connect(**target | {"user": name, "password": "x"}, options=options)
    yield opened
    for role, session in opened.items():
        session.close()
        owner.execute(f"DROP ROLE {role}_login_{os.getpid()}")
    owner.close()


def _ways_around() -> list[str]:
    """For everything that the database knows of our tables: how it could be taken away."""
    tables = [row[0] for row in run(f"SELECT relname FROM pg_class WHERE {OURS}")]
    triggers = run("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")
    constraints = run(
        f"SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE {OURS}"
        " AND k.contype <> 't'"
    )
    indexes = run(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique"
        " AND c.relnamespace = 'public'::regnamespace"
    )
    functions = run(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    per_table = (
        "ALTER TABLE {0} DISABLE TRIGGER ALL", "ALTER TABLE {0} NO FORCE ROW LEVEL SECURITY", "DROP TABLE {0} CASCADE",
        "ALTER TABLE {0} OWNER TO CURRENT_USER", "TRUNCATE {0} CASCADE",
        "CREATE TRIGGER x BEFORE INSERT ON {0} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE x AS ON INSERT TO {0} DO INSTEAD NOTHING", "CREATE POLICY x ON {0} USING (true)",
    )  # fmt: skip
    return [
        *(way.format(table) for table in tables for way in per_table),
        *(f"ALTER TABLE {table} DISABLE TRIGGER {name}" for table, name in triggers),
        *(f"DROP TRIGGER {name} ON {table}" for table, name in triggers),
        *(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"' for table, name in constraints),
        *(f'DROP INDEX "{row[0]}" CASCADE' for row in indexes),
        *(f"DROP FUNCTION {row[0]} CASCADE" for row in functions),
        *(f"ALTER FUNCTION {row[0]} SECURITY INVOKER" for row in functions),
    ]


WAYS_OUT = (
    "SET session_replication_role = replica", "SET ROLE {owner}", "SET SESSION AUTHORIZATION {owner}",
    "SET ROLE {other}", "GRANT {owner} TO CURRENT_USER", "GRANT {other} TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER SUPERUSER", "ALTER ROLE CURRENT_USER BYPASSRLS", "CREATE ROLE another SUPERUSER",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TABLE mine (id int)",
    "CREATE OR REPLACE FUNCTION transition_allowed(came_from text, goes_to text) RETURNS boolean LANGUAGE sql"
    " AS 'SELECT true'", "CREATE EXTENSION dblink", "SET row_security = off; SELECT FROM payouts",
    "SELECT raise_walls()", "SELECT make_roles()", "UPDATE pg_class SET relhastriggers = false",
    "DELETE FROM pg_trigger", "SELECT setval('payout_audit_log_id_seq', 1)",
    "ALTER SEQUENCE payout_audit_log_id_seq RESTART", "COPY payouts FROM PROGRAM 'true'",
    "ALTER SCHEMA public RENAME TO x", "ALTER DATABASE {database} SET session_replication_role = replica",
    "DROP OWNED BY {owner}", "REASSIGN OWNED BY {owner} TO CURRENT_USER",
)  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_no_role_lifts_a_rule_or_becomes_another(
    logins: dict[str, psycopg.Connection[Any]], role: str
) -> None:
    named = {
        "owner": one("SELECT tableowner FROM pg_tables WHERE tablename = 'payouts'"),
        "other": WORKER if role == WEB else WEB,
        "database": connection.settings_dict["NAME"],
    }
    ways = [*_ways_around(), *(way.format(**named) for way in WAYS_OUT)]
    assert len(ways) > 600
    session, passed = logins[role], []
    for way in ways:
        try:
            session.execute(way)
            passed.append((way, "passed"))
        except psycopg.Error as error:
            if error.sqlstate != DENIED:
                passed.append((way, f"{error.sqlstate} {error}"))
        session.rollback()
    assert passed == []
