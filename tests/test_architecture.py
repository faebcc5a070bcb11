"""The rules of the house hold in the code, and each of them catches what it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from django.db import connection

from payouts import rotation
from payouts.models import Status
from payouts.states import TRANSITIONS
from tests import code_reading as reading
from tests import house_rules as rules
from tests.code_reading import PACKAGES, Tree

ROOT = Path(__file__).resolve().parent.parent
CODE = reading.read_tree(ROOT, *PACKAGES)
TESTS = reading.read_tree(ROOT, "tests")
MODELS = {path: source for path, source in CODE.items() if "/models" in path}
Rule = Callable[[Tree], list[str]]


@pytest.mark.parametrize(
    "rule",
    [
        rules.foreign_writers,
        rules.foreign_locks,
        rules.lifted_rules,
        rules.celery_elsewhere,
        rules.names_upward,
        rules.frameworks_in_connectors,
        rules.too_long,
        rules.vague_names,
        rules.unfinished,
        rules.floats,
        rules.other_clocks,
    ],
)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    assert rule(CODE) == []


@pytest.mark.parametrize("rule", [rules.too_long, rules.vague_names, rules.unfinished])
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    assert rule(TESTS) == []


# --- each rule catches what it is for ---------------------------------------------------------------

STATUS = [
    'cursor.execute("UPDATE payouts SET status = %s WHERE id = %s", [to, id])',
    'cursor.execute("UPDATE payouts SET version = 2," " status = \'sent\'")',
    "cursor.execute(\"update  public.payouts as p\\n set (updated_at, status) = (now(), 'sent')\")",
    'cursor.execute(\'UPDATE ONLY "payouts" SET "status" = 1\')',
    'cursor.execute("UPDATE payouts SET updated_at = now()" + f", {column} = 1")',
    'cursor.execute("WITH x AS (UPDATE payouts SET status = 1 RETURNING id) SELECT * FROM x")',
    'TABLE = "payouts"\ncursor.execute("UPDATE " + TABLE + " SET status = 1")',
    'TABLE = "payouts"\ncursor.execute(f"UPDATE {TABLE} SET status = 1")',
    'cursor.execute("UPDATE {} SET status = 1".format("payouts"))',
    'cursor.execute("UPDATE %s SET status = 1" % "payouts")',
    'cursor.execute(" ".join(["UPDATE", "payouts", "SET status = 1"]))',
    'for table in ("tenants", "payouts"):\n    cursor.execute(f"UPDATE {table} SET status = 1")',
    'for table in ("tenants", *others):\n    cursor.execute(f"UPDATE {table} SET x = 1")',
    'def f(table):\n    cursor.execute(f"UPDATE {table} SET x = 1")\ntable = "tenants"',
    'cursor.execute("UPDATE " + ("tenants" if a else "payouts") + " SET status = 1")',
    "payout.status = to",
    "case.payout.status += to",
    'setattr(payout, "status", to)',
    "Payout.objects.filter(pk=1).update(status=to)",
    "from payouts.models import Payout as P\nP.objects.update(status=to)",
    "found = Payout.objects.filter(pk=1)\nfound.order_by('id').update(status=to)",
    "queryset.update(status=to)",
    "queryset.update(**changes)",
    'Payout.objects.bulk_update(rows, ["status"])',
    "payout.save()",
    'apps.get_model("payouts", "Payout").objects.update(status=to)',
]
INSERTS = [
    ('bulk.insert("payouts", TYPES, rows)', 1),
    ('bulk.insert_returning_ids("payout_holds", TYPES, rows, conflict="")', 1),
    ("bulk.insert(table, TYPES, rows)", 1),
    ('cursor.execute("INSERT INTO payout_audit_log (id) VALUES (1)")', 1),
    ('cursor.execute("COPY payouts (id) FROM STDIN")', 1),
    ('cursor.execute("INSERT INTO bank_evidence SELECT 1")', 1),
    ('cursor.execute("INSERT INTO ledger_entries DEFAULT VALUES")', 1),
    (
        'cursor.execute("MERGE INTO payouts p USING x ON x.id = p.id WHEN MATCHED THEN UPDATE SET status = 1")',
        2,
    ),
    ("Payout(id=1)", 1),
    ("PayoutHold.objects.create(id=1)", 1),
    ("models.PayoutAuditLog.objects.bulk_create(rows)", 1),
    ("PayoutAttempt.objects.update_or_create(id=1)", 2),
    ('bulk.insert("payout_retry_log", TYPES, rows)', 1),
]
CHANGES = [
    'cursor.execute("UPDATE payout_holds SET expires_at = NULL")',
    "cursor.execute(\"UPDATE payout_retry_log SET state = 'accepted'\")",
    "attempt.state = 'accepted'",
    'cursor.execute("UPDATE ledger_balances SET available = 0")',
    'cursor.execute("UPDATE ledger_entries SET amount = 0")',
    'cursor.execute("UPDATE bank_evidence SET effect = 1")',
    'cursor.execute("UPDATE payout_audit_log SET reason = 1")',
    'cursor.execute("DELETE FROM payouts")',
    'cursor.execute("TRUNCATE TABLE payout_audit_log")',
    "PayoutHold.objects.filter(pk=1).delete()",
]
IMPORTS = "from payouts.models import Payout, PayoutAttempt, PayoutAuditLog, PayoutHold\n"


def planted(rule: Rule, path: str, source: str) -> list[str]:
    """What a rule says of one more module; the models beside it are its own."""
    found = rule({**MODELS, path: source})
    assert all(line.startswith(path) for line in found), found
    return found


@pytest.mark.parametrize("source", STATUS)
def test_a_status_written_elsewhere_is_seen(source: str) -> None:
    assert len(planted(rules.foreign_writers, "ops/planted.py", IMPORTS + source)) == 1


def test_the_module_that_owns_the_status_may_write_it() -> None:
    for source in STATUS[:6]:
        assert planted(rules.foreign_writers, "payouts/states.py", source) == []


@pytest.mark.parametrize(("source", "count"), INSERTS)
def test_a_row_inserted_elsewhere_is_seen(source: str, count: int) -> None:
    assert len(planted(rules.foreign_writers, "payouts/planted.py", IMPORTS + source)) == count


@pytest.mark.parametrize("source", CHANGES)
def test_a_change_that_nobody_or_another_may_make_is_seen(source: str) -> None:
    assert len(planted(rules.foreign_writers, "payouts/planted.py", IMPORTS + source)) == 1


def test_dispatch_may_take_an_attempt_up_again_and_say_nothing_else_of_its_state() -> None:
    for state, seen in (("intent", 0), ("accepted", 1)):
        source = f"cursor.execute(\"UPDATE payout_retry_log SET state = '{state}', sends = 1 WHERE id = 1\")"
        assert len(planted(rules.foreign_writers, "payouts/dispatch.py", source)) == seen


@pytest.mark.parametrize(
    "source",
    [
        'cursor.execute("UPDATE payouts SET next_retry_at = %s, version = version + 1 WHERE status = %s")',
        'cursor.execute("SELECT id FROM payouts WHERE status = 1 FOR UPDATE")',
        '"""Says UPDATE payouts SET status = 1 in prose."""',
        'cursor.execute("INSERT INTO payout_alerts (id) VALUES (1)")',
        "known.update({1: 2})",
        "rows.insert(0, row)",
        "cache.delete(name)",
        "BeneficiaryAccount.objects.create(id=1)",
    ],
)
def test_what_is_allowed_is_not_called_a_violation(source: str) -> None:
    assert planted(rules.foreign_writers, "payouts/planted.py", IMPORTS + source) == []


def test_key_rotation_reaches_no_table_that_others_own() -> None:
    assert {table for table, _ in rotation.SEALED} == {
        "bank_connectors", "bank_documents", "bank_transmissions", "beneficiary_accounts", "payee_checks",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (
            rules.foreign_locks,
            "payouts/api/x.py",
            'cursor.execute("SELECT 1 FOR UPDATE SKIP LOCKED")',
        ),
        (
            rules.foreign_locks,
            "payouts/clock.py",
            'x = "SELECT 1" + (" for no key update" if a else "")',
        ),
        (rules.foreign_locks, "ops/x.py", "Payout.objects.select_for_update()"),
        (
            rules.lifted_rules,
            "payouts/x.py",
            'cursor.execute("ALTER TABLE payouts DISABLE TRIGGER ALL")',
        ),
        (rules.lifted_rules, "ledger/x.py", "x = 'SET session_replication_role = replica'"),
        (
            rules.celery_elsewhere,
            "payouts/dispatch.py",
            "def f():\n    from celery import shared_task",
        ),
        (rules.celery_elsewhere, "payouts/lifecycle.py", "tasks.dispatch_due.delay()"),
        (rules.celery_elsewhere, "ops/x.py", "task.apply_async(countdown=1)"),
        (rules.celery_elsewhere, "payouts/doorbell.py", 'app.send_task("payouts.tasks.x")'),
        (rules.names_upward, "ledger/x.py", 'ForeignKey("payouts.Payout")'),
        (rules.names_upward, "ledger/x.py", 'apps.get_model("payouts", "Payout")'),
        (rules.names_upward, "payouts/x.py", 'call("ops.demo_data")'),
        (rules.names_upward, "payouts/x.py", 'include("payouts_project.urls")'),
        (rules.names_upward, "connectors/x.py", 'import_module("ledger")'),
        (rules.frameworks_in_connectors, "connectors/x.py", "from django.db import models"),
        (rules.frameworks_in_connectors, "connectors/x.py", "def f():\n    import celery.app"),
        (rules.frameworks_in_connectors, "connectors/x.py", 'importlib.import_module("django.db")'),
        (rules.too_long, "payouts/x.py", "def f():\n" + "    x = 1\n" * 60),
        (rules.too_long, "payouts/x.py", "x = 1\n" * 401),
        (rules.vague_names, "payouts/utils.py", ""),
        (rules.vague_names, "payouts/common/x.py", ""),
        (rules.vague_names, "payouts/date_helpers.py", ""),
        (rules.vague_names, "payouts/migrations/0009_auto_20260101.py", ""),
        (rules.unfinished, "payouts/x.py", "x = 1  # " + "TO" + "DO: more"),
        (rules.unfinished, "payouts/x.py", '"""' + "FIX" + 'ME"""'),
        (rules.unfinished, "payouts/x.py", "def f():\n    raise NotImplementedError"),
        (rules.floats, "payouts/x.py", "float(amount)"),
        (rules.floats, "payouts/x.py", "models.FloatField()"),
        (rules.floats, "payouts/views.py", "float(hours)"),
        (rules.floats, "payouts/backoff.py", "x = 1"),
        (rules.floats, "ledger/x.py", "Decimal(0.1)"),
        (rules.other_clocks, "payouts/x.py", "datetime.now(UTC)"),
        (rules.other_clocks, "payouts/x.py", "timezone.now()"),
        (rules.other_clocks, "payouts/x.py", "datetime.date.today()"),
        (rules.other_clocks, "payouts/x.py", "time.time()"),
    ],
)
def test_a_planted_violation_is_seen(rule: Rule, path: str, source: str) -> None:
    assert len(planted(rule, path, source)) == 1


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (rules.too_long, "payouts/x.py", "def f():\n" + "    x = 1\n" * 59),
        (rules.too_long, "payouts/x.py", "x = 1\n" * 400),
        (rules.other_clocks, "payouts/x.py", "time.monotonic() + clock.now()"),
        (rules.floats, "payouts/x.py", 'Decimal("0.1") + Decimal(1)'),
        (rules.names_upward, "payouts/x.py", 'ForeignKey("payouts.Payout")'),
        (rules.vague_names, "payouts/score.py", ""),
    ],
)
def test_the_limit_itself_is_allowed(rule: Rule, path: str, source: str) -> None:
    assert planted(rule, path, source) == []


def test_every_exception_is_still_needed() -> None:
    for path in rules.TELLERS:
        assert rules.other_clocks({f"elsewhere/{path}": CODE[path]}) != [], path
    for path in rules.LOCKERS:
        assert rules.foreign_locks({f"elsewhere/{path}": CODE[path]}) != [], path
    for path in rules.UNNAMED:
        writes = reading.all_writes({**MODELS, path: CODE[path]}, [path])
        assert any(write.table == reading.UNKNOWN and write.verb != "assign" for write in writes), (
            path
        )
    assert rules.FLOATS.keys() <= CODE.keys()


# --- documents ------------------------------------------------------------------------------------------


def test_every_path_that_the_readme_names_is_there() -> None:
    assert rules.missing_paths((ROOT / "README.md").read_text(), rules.exists_below(ROOT)) == []


def test_a_path_that_is_not_there_is_seen() -> None:
    text = (
        "Run `./dev up`, read `payouts/states.py`, `payouts/{creation,gone}.py`, [x](tests/nothing.py)"
        " or `connectors/rails/<name>.py`; call `POST /api/payouts/{id}/cancel`, `payouts/migrations/*.py`,"
        " http://127.0.0.1/ops/x.py and `absent.toml`."
    )
    found = rules.missing_paths(text, rules.exists_below(ROOT))
    assert found == ["absent.toml", "payouts/gone.py", "tests/nothing.py"]


# --- imports --------------------------------------------------------------------------------------------


def lint_imports(folder: Path) -> str:
    command = [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_the_import_contracts_hold() -> None:
    said = lint_imports(ROOT)
    assert re.findall(r"Contracts: .*", said) == ["Contracts: 11 kept, 0 broken."], said


FORBIDDEN_IMPORTS = {  # module -> what it may not import, and the contract that says so
    "ledger/apps.py": ("payouts.money", "Direction"),
    "payouts/money.py": ("payouts.states", "Inside payouts"),
    "payouts/poller.py": ("payouts.tasks", "Inside payouts"),
    "payouts/unplaced.py": ("payouts.errors", "Inside payouts"),
    "connectors/accounts.py": ("django.db", "connectors is plain Python"),
    "connectors/rails/ach.py": ("connectors.rails.sepa", "Rails do not know each other"),
    "connectors/http.py": ("connectors.rails.ach", "Rails are reached through the registry"),
    "payouts/alerts.py": ("ledger.models", "Ledger tables"),
    "payouts/lifecycle.py": ("ledger.book", "One door to the ledger"),
    "payouts/dispatch.py": ("connectors.base", "One door to the banks"),
    "payouts/doorbell.py": ("celery", "Celery"),
    "connectors/bank_simulator/book.py": (
        "connectors.formats.latin",
        "The bank simulator shares no code",
    ),
    "payouts_project/wsgi.py": (
        "connectors.bank_simulator.book",
        "Nothing imports the bank simulator",
    ),
}


def test_each_import_contract_catches_a_planted_import(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, (module, _) in FORBIDDEN_IMPORTS.items():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n\ndef planted():\n    import {module}\n")
    said = lint_imports(tmp_path)
    assert "Contracts: 0 kept, 11 broken." in said
    details = said.partition("Broken contracts")[2]
    for path, (module, contract) in FORBIDDEN_IMPORTS.items():
        importer = path.removesuffix(".py").replace("/", ".")
        seen = f"{importer} -> {module}" in details or "payouts.unplaced" in details
        assert contract in details, contract
        assert seen, f"{importer} -> {module}"


# --- the table of transitions -----------------------------------------------------------------------------

BY_HAND = """
    requires_approval  pending scheduled cancelled
    scheduled          pending cancelled
    pending            processing cancelled
    processing         sent settled in_doubt failed dlq rejected returned
    in_doubt           sent settled failed rejected returned processing dlq
    sent               settled returned rejected failed dlq
    failed             processing dlq cancelled
    dlq                pending cancelled sent settled rejected returned
    settled            returned
    rejected
    cancelled
    returned
"""
WANTED = {line.split()[0]: set(line.split()[1:]) for line in BY_HAND.strip().splitlines()}


def test_python_has_the_table_of_transitions() -> None:
    assert {name: set(to) for name, to in TRANSITIONS.items()} == WANTED


@pytest.mark.django_db
def test_the_database_has_the_table_of_transitions() -> None:
    pairs = list(product(Status.values, repeat=2))
    assert len(pairs) == 144
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT old, new FROM unnest(%s::text[], %s::text[]) AS p (old, new)"
            " WHERE transition_allowed(old, new)",
            [[old for old, _ in pairs], [new for _, new in pairs]],
        )
        assert set(cursor.fetchall()) == {(old, new) for old in WANTED for new in WANTED[old]}
