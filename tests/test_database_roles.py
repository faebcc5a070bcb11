"""Raw SQL as the application's own roles: every rule refuses them as it refuses the owner.

The cases are those of test_database_rules, run as `payouts_web` and as `payouts_worker` with every wall between
tenants open, so that what refuses is the rule itself, or a right that the role was never given.
"""

from __future__ import annotations

import pytest

from payouts import invariants, tenancy
from tests import database
from tests.api_client import acting_as
from tests.database import Copy, Refusal, Rows, contents, foreign_keys, one, raised_by, refusal, run
from tests.test_database_rules import CASES, Case
from tests.test_row_security import APPEND_ONLY, WEB, WORKER

rows = database.rows
DENIED, NOT_NULL = "42501", "23502"
ROLES = (WEB, WORKER)
BEFORE = ("seal_follows",)  # Triggers that look at a row before its columns are.
OURS = "relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname !~ '^(django|auth)_'"


def expected(case: Case, role: str) -> Refusal:
    """The rule itself, unless the role lacks the right to try."""
    verb, *words = (
        ["INSERT", "INTO", case.statement.table]
        if isinstance(case.statement, Copy)
        else case.statement.split()
    )
    table = words[0] if verb in ("UPDATE", "TRUNCATE") else words[1]
    never = verb in ("DELETE", "TRUNCATE") or (verb == "UPDATE" and table in APPEND_ONLY)
    # The web keeps documents of banks and never changes one.
    never |= (verb, table, role) == ("UPDATE", "bank_documents", WEB)
    if never or (role == WEB and table in ("audit_seals", "account_corrections")):
        return Refusal(DENIED, "")
    return Refusal(case.sqlstate, raised_by(case.rule))


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_every_rule_refuses_the_role_and_nothing_changes(rows: Rows, role: str) -> None:
    due = [(str(case), expected(case, role)) for case in CASES]
    before = contents()
    with acting_as(role), tenancy.within(tenancy.PLATFORM):
        found = [(str(case), refusal(case.statement, rows)) for case in CASES]
        keys = {
            name: refusal(f"UPDATE {table} SET {column} = gen_random_uuid()", rows)
            for name, table, column in foreign_keys()
        }
    assert [pair for pair in zip(found, due, strict=True) if pair[0] != pair[1]] == []
    assert len(keys) == 10
    assert [name for name, said in keys.items() if said is None] == []
    assert contents() == before


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
def test_no_column_that_must_be_filled_is_left_empty_and_no_key_is_used_twice(
    rows: Rows, role: str
) -> None:
    """Primary keys and NOT NULL, from the catalogue: the rest of what pg_constraint knows."""
    columns = _columns()
    filled = {table for table in columns if one(f"SELECT EXISTS (SELECT FROM {table})")}
    assert len(filled) >= 20
    passed = []
    with acting_as(role), tenancy.within(tenancy.PLATFORM):
        for table, required in columns.items():
            for column in required:
                said = refusal(_without(table, column, required, filled), rows, late=False)
                if said is None or (
                    said.sqlstate not in (NOT_NULL, DENIED) and said.rule not in BEFORE
                ):
                    passed.append((table, column, said))
            if table in filled:
                everything = ", ".join(f'"{name}"' for name in required)
                twice = f"INSERT INTO {table} ({everything}) OVERRIDING SYSTEM VALUE SELECT {everything} FROM {table}"
                said = refusal(twice, rows, late=False)
                if said is None or said.sqlstate[:2] not in ("23", "42"):
                    passed.append((table, "", said))
    assert passed == []


def _columns() -> dict[str, list[str]]:
    """The required columns of every table of ours."""
    found: dict[str, list[str]] = {}
    for table, column in run(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        f" WHERE {OURS} AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped AND a.attgenerated = ''"
        " ORDER BY 1, a.attnum"
    ):
        found.setdefault(table, []).append(column)
    return found


def _without(table: str, column: str, required: list[str], filled: set[str]) -> str:
    """A row copied with one column empty; where there is no row, that column alone."""
    if table not in filled:
        return f'INSERT INTO {table} ("{column}") OVERRIDING SYSTEM VALUE VALUES (NULL)'
    names = ", ".join(f'"{name}"' for name in required)
    values = ", ".join("NULL" if name == column else f'"{name}"' for name in required)
    which = "WHERE status = 'pending'" if table == "payouts" else ""
    return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {table} {which} LIMIT 1"


@pytest.mark.django_db
def test_there_is_no_kind_of_constraint_without_a_case() -> None:
    """c, u and triggers: CASES, which test_database_rules holds complete. f, n and p: from the catalogue, above."""
    kinds = run(
        f"SELECT DISTINCT k.contype::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE {OURS}"
    )
    assert {row[0] for row in kinds} <= {"c", "u", "t", "f", "n", "p"}


# --- what no rule can refuse ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_hold_that_moves_no_money_is_seen_where_no_rule_refuses_it(rows: Rows) -> None:
    """Refusing it would cost every create; the invariants see it within their minute."""
    with acting_as(WORKER):
        hold = Copy("payout_holds", "hold", {"id": "%(bare_hold)s", "payout_id": "%(bare)s"})
        assert refusal(hold, rows) is None
    (verdict,) = invariants.ask(["holds_are_booked"])
    assert verdict.broken == (f"hold {rows['bare_hold']}",)


@pytest.mark.django_db
def test_evidence_and_audit_rows_of_ones_own_making_move_nothing(rows: Rows) -> None:
    """Whoever may write what banks and people said can invent it; neither moves a payout or its money."""
    before = run("SELECT id, status FROM payouts ORDER BY id")
    with acting_as(WEB), tenancy.within(tenancy.PLATFORM):
        run(
            "INSERT INTO bank_evidence (source, source_key, position, bank_connector_id, reference, kind, code, detail,"
            " currency, bank_reference, reaction, effect) SELECT source, 'forged', 0, bank_connector_id, reference,"
            " 'settled', '', '', '', '', '', 'moved' FROM bank_evidence WHERE id = %(evidence)s",
            rows,
        )
        run(
            "INSERT INTO payout_audit_log (sequence, action, from_status, to_status, actor, actor_role, reason, data,"
            " request_id) VALUES (0, 'x', '', '', 'somebody else', 'finance_ops', '', '{}', '')"
        )
    assert run("SELECT id, status FROM payouts ORDER BY id") == before
