"""The second wall between tenants: what the database itself shows, and takes, when the code above it errs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, NotSupportedError, connection, transaction
from django.test import Client

from payouts import tenancy
from payouts.api import views
from payouts.models import Payout
from payouts_project import environment
from tests import world as worlds
from tests.api_client import Api, acting_as, create
from tests.database import one, run
from tests.world import World

DENIED = "42501"  # SQLSTATE: insufficient_privilege, of a right as of a policy
WEB, WORKER = "payouts_web", "payouts_worker"
APPEND_ONLY = {
    "payout_audit_log", "bank_evidence", "bank_letters", "routing_decisions", "audit_seals", "account_corrections",
    "payee_verifications", "ledger_accounts", "ledger_transfers", "ledger_entries",
}  # fmt: skip
KEPT = {"audit_seals", "bank_documents", "bank_transmissions"}  # never deleted, and of no tenant
WITHOUT_TENANT_ID = {"tenants", "ledger_entries"}  # walled by their id, and through their transfer


def with_tenant_id() -> set[str]:
    return {
        row[0]
        for row in run(
            "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attname = 'tenant_id'"
            " AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        )
    }


def walled() -> set[str]:
    """Tables whose wall stands: forced, and one policy for each of the three roles."""
    return {
        row[0]
        for row in run(
            "SELECT c.relname FROM pg_class c WHERE c.relrowsecurity AND c.relforcerowsecurity"
            " AND (SELECT array_agg(p.polname::text ORDER BY p.polname::text) FROM pg_policy p"
            "      WHERE p.polrelid = c.oid) @> ARRAY['owner', 'web', 'worker']"
        )
    }


def refused(sql: str, params: Any = None) -> str:
    """The SQLSTATE of a refusal; "" when it passes (and is undone)."""
    try:
        with transaction.atomic():
            run(sql, params)
            transaction.set_rollback(True)
    except DatabaseError as error:
        cause: Any = error.__cause__
        return str(cause.sqlstate)
    return ""


def count(table: str) -> int:
    return int(one(f"SELECT count(*) FROM {table}"))


# --- Where the wall stands ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_table_with_a_tenant_is_walled() -> None:
    """I19."""
    assert walled() == with_tenant_id() | WITHOUT_TENANT_ID
    run("CREATE TABLE planted (tenant_id uuid)")
    assert walled() == (with_tenant_id() | WITHOUT_TENANT_ID) - {"planted"}
    run("SELECT raise_walls()")
    assert "planted" in walled()


@pytest.mark.django_db
def test_no_migration_forgot_to_raise_the_walls_after_it() -> None:
    def walls() -> Any:
        return run(
            "SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p', 'v') ORDER BY 1"
        ) + run(
            "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies"
            " ORDER BY 1, 2"
        )

    before = walls()
    run("SELECT raise_walls()")
    assert walls() == before


@pytest.mark.django_db
def test_the_roles_are_above_nothing() -> None:
    """I20."""
    for role in (WEB, WORKER):
        assert run(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = %s",
            [role],
        ) == [(False,) * 5]
        assert (
            one("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = %s", [role]) == 0
        )
        with acting_as(role):
            for sql in (
                "CREATE TABLE mine (id int)", "ALTER TABLE payouts DISABLE ROW LEVEL SECURITY", "SELECT raise_walls()",
                "SELECT make_roles()", "ALTER TABLE payout_audit_log DISABLE TRIGGER append_only",
                "SET session_replication_role = replica", "CREATE ROLE other",
            ):  # fmt: skip
                assert refused(sql) == DENIED, sql


@pytest.mark.django_db
@pytest.mark.parametrize("role", [WEB, WORKER])
def test_what_is_written_once_stays_as_it_was_whoever_tries(role: str) -> None:
    found = run("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'append_only'")
    assert {row[0] for row in found} == APPEND_ONLY
    with acting_as(role):
        for table, key in (dict.fromkeys(APPEND_ONLY, "id") | {"audit_seals": "number"}).items():
            assert refused(f"UPDATE {table} SET {key} = {key}") == DENIED, table
        for table in with_tenant_id() | WITHOUT_TENANT_ID | KEPT:
            assert refused(f"DELETE FROM {table}") == DENIED, table
            assert refused(f"TRUNCATE {table} CASCADE") == DENIED, table


@pytest.mark.django_db
def test_what_the_walls_let_a_trigger_see_is_everything() -> None:
    """Rules that look at other rows run with the owner's eyes."""
    found = run(
        "SELECT proname, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND (prosecdef OR"
        r" prorettype = 'trigger'::regtype AND prosrc ~ '(FROM|JOIN) (payout|ledger_|bank_evidence)\w* ')"
    )
    hold = "payout_hold_follows hold_payout_follows holds_equal_payouts hold_rules"
    more = "payout_rules attempt_ends_expiry batch_item_rules audit_by_hand"
    assert dict(found) == dict.fromkeys([*hold.split(), *more.split()], True)


# --- What it shows ------------------------------------------------------------------------------------


@pytest.fixture
def two(sandbox: World, monkeypatch: pytest.MonkeyPatch) -> tuple[World, World]:
    """Two merchants, each with a payout, and rows that are nobody's."""
    monkeypatch.setattr(worlds, "use_fresh_numbers", lambda: None)  # They are fresh.
    other = worlds.build(sandbox.bank)
    for world in (sandbox, other):
        create(world)
    run("INSERT INTO payout_audit_log (tenant_id, sequence, action, from_status, to_status, actor, actor_role, reason,"
        " data, request_id) VALUES (NULL, 0, 'x', '', '', 'x', 'x', '', '{}', '')")  # fmt: skip
    return sandbox, other


FILLED = (
    "payouts", "payout_holds", "payout_audit_log", "routing_decisions", "beneficiaries", "beneficiary_accounts",
    "tenants", "ledger_accounts", "ledger_transfers", "ledger_entries", "ledger_balances",
)  # fmt: skip


def counts() -> dict[str, int]:
    return {table: count(table) for table in FILLED}


def test_a_merchants_rows_and_nobody_elses(two: tuple[World, World]) -> None:
    """R28: without a scope, none."""
    everything = counts()
    nobodys = {
        t: one(f"SELECT count(*) FROM {t} WHERE tenant_id IS NULL") if t in with_tenant_id() else 0
        for t in FILLED
    }
    assert nobodys["payout_audit_log"]
    assert nobodys["ledger_accounts"]
    assert all(n >= 2 for n in everything.values()), everything
    with acting_as(WEB):
        assert set(counts().values()) == {0}
        seen = []
        for world in two:
            with tenancy.within(tenancy.of(world.tenant_id)):
                seen.append(counts())
                assert one("SELECT array_agg(DISTINCT tenant_id) FROM payouts") == [world.tenant_id]
        assert all(0 < seen[0][table] < everything[table] for table in FILLED), seen
        both = tenancy.Scope(frozenset(world.tenant_id for world in two))
        with tenancy.within(both):
            assert counts() == {t: n - nobodys[t] for t, n in everything.items()}
        with tenancy.within(tenancy.PLATFORM):
            assert counts() == everything
        assert set(counts().values()) == {0}
    with acting_as(WORKER):
        assert counts() == everything


def test_views_show_no_more_than_their_tables(two: tuple[World, World]) -> None:
    """R58."""
    views_of = [row[0] for row in run("SELECT viewname FROM pg_views WHERE schemaname = 'public'")]
    assert len(views_of) >= 5
    with acting_as(WEB):
        for view in views_of:
            assert count(view) == 0, view
        with tenancy.within(tenancy.of(two[0].tenant_id)):
            assert count("v_payouts_ready_for_processing") == 1
        with tenancy.within(tenancy.PLATFORM):
            assert count("v_payouts_ready_for_processing") == 2


def test_nothing_is_written_into_another_merchants_rows(two: tuple[World, World]) -> None:
    mine, theirs = (world.tenant_id for world in two)
    tenant = "INSERT INTO tenants (id, name, status, settings, version) VALUES (%s, '', 'active', '{}', 1)"
    key = (
        "INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint, resource_id)"
        " VALUES (%s, 'x', gen_random_uuid(), '', gen_random_uuid())"
    )
    account = "INSERT INTO ledger_accounts (id, name, currency, tenant_id) VALUES (gen_random_uuid(), 'x', 'EUR', %s)"
    with acting_as(WEB):
        for sql in (tenant, key):
            assert refused(sql, [uuid4()]) == DENIED
        with tenancy.within(tenancy.of(mine)):
            assert refused(key, [mine]) == ""
            assert refused(account, [mine]) == refused(account, [None]) == ""
            for sql in (key, account):
                assert refused(sql, [theirs]) == DENIED
            moved = "UPDATE beneficiaries SET tenant_id = %s"
            assert refused(moved, [theirs]) == DENIED
            run("UPDATE payouts SET description = 'mine'")
            run("UPDATE ledger_balances SET held = held")
    said = dict(run("SELECT tenant_id, description FROM payouts"))
    assert said == {mine: "mine", theirs: "Weekly settlement"}


# --- Through the API and the workbench ----------------------------------------------------------------


def test_a_forgotten_filter_shows_nothing_of_another_merchant(
    two: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S67: the second wall holds when the first one is taken out on purpose."""
    mine, theirs = two
    foreign = str(Payout.objects.get(tenant_id=theirs.tenant_id).id)
    own = str(Payout.objects.get(tenant_id=mine.tenant_id).id)
    monkeypatch.setattr(views, "visible", lambda request: Payout.objects.all())
    caller = Api(mine.tenant_id)
    listed = caller.get("/api/payouts").body
    assert ([p["id"] for p in listed["payouts"]], listed["total"]) == ([own], 1)
    assert caller.get(f"/api/payouts/{own}").status == 200
    answer = caller.get(f"/api/payouts/{foreign}")
    assert (answer.status, answer.code) == (404, "not_found")
    for operator in (Api(mine.tenant_id, "finance_ops"), Api(uuid4(), "treasury_ops")):
        assert foreign not in str(operator.get("/api/payouts").body)
    assert Api(None, "finance_ops").get("/api/payouts").body["total"] == 2


def test_R26_nothing_stays_on_a_connection_that_is_used_again(real_sandbox: World) -> None:
    """Real commits: what SET would leave behind, SET LOCAL does not."""
    payout_id = create(real_sandbox)
    with acting_as(WEB):
        backend = one("SELECT pg_backend_pid()")
        client = Client()
        headers = Api(real_sandbox.tenant_id).headers()
        assert client.get(f"/api/payouts/{payout_id}", headers=headers).status_code == 200
        assert one("SELECT pg_backend_pid()") == backend
        assert count("payouts") == 0
        assert one("SELECT coalesce(current_setting('app.tenants', true), '')") == ""
        with tenancy.within(tenancy.PLATFORM):
            assert count("payouts") == 1
        assert count("payouts") == 0
        with transaction.atomic(), tenancy.within(tenancy.PLATFORM):
            assert count("payouts") == 1
        with transaction.atomic():
            assert count("payouts") == 0


@pytest.mark.django_db
def test_a_scope_holds_for_a_transaction_and_its_savepoints() -> None:
    one_tenant, another = tenancy.of(uuid4()), tenancy.of(uuid4())

    def told() -> tuple[str, str]:
        return run(
            "SELECT current_setting('app.tenants', true), current_setting('app.scope', true)"
        )[0]

    def text(scope: tenancy.Scope) -> tuple[str, str]:
        return "{" + str(next(iter(scope.tenants))) + "}", ""

    with tenancy.within(one_tenant):
        assert told() == text(one_tenant)
        with transaction.atomic():
            with tenancy.within(another):
                assert told() == text(another)
            transaction.set_rollback(True)
        assert told() == text(one_tenant)
        with transaction.atomic():
            with tenancy.within(tenancy.PLATFORM):
                assert told() == ("", "platform")
            transaction.set_rollback(True)
        assert told() == text(one_tenant)
        with (
            tenancy.within(another),
            pytest.raises(NotSupportedError),
            connection.cursor() as cursor,
        ):
            cursor.executemany("SELECT %s", [[1], [2]])
    assert told() == ("", "")


def test_the_workbench_shows_staff_the_platform_and_nobody_else(
    two: tuple[World, World], django_user_model: Any
) -> None:
    root = django_user_model.objects.create_superuser("root")
    plain = django_user_model.objects.create_user("plain")
    foreign = str(Payout.objects.get(tenant_id=two[1].tenant_id).id)
    path = f"/admin/payouts/payout/{foreign}/change/"
    client = Client()
    with acting_as(WEB):
        client.force_login(root)
        assert foreign in client.get(path).content.decode()
        client.force_login(plain)
        assert client.get(path).status_code == 302
        assert client.get(f"/api/payouts/{foreign}").status_code == 401


def test_what_is_streamed_to_staff_is_read_in_their_scope() -> None:
    seen: list[tenancy.Scope] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(2):
            seen.append(tenancy.current())
            yield b"x"

    assert list(tenancy._each_within(tenancy.PLATFORM, pieces())) == [b"x", b"x"]
    assert seen == [tenancy.PLATFORM] * 2
    assert tenancy.current() == tenancy.NOBODY


# --- How a process gets its role ----------------------------------------------------------------------


def test_a_role_is_asked_for_with_the_connection() -> None:
    url = "postgresql://a:b@h/d"
    assert "options" not in environment.database(url)["OPTIONS"]  # type: ignore[operator]
    asked: Any = environment.database(url + "?options=-c%20jit%3Doff", role="web")["OPTIONS"]
    assert asked["options"] == "-c jit=off -c role=payouts_web"
    with pytest.raises(environment.ImproperlyConfigured, match="DATABASE_ROLE"):
        environment.database(url, role="owner")


@pytest.fixture
def login(transactional_db: None) -> Iterator[str]:
    """A login that is a member of both roles and owns nothing, as production would make one."""
    name = f"payouts_test_login_{os.getpid()}"  # Roles belong to the cluster, which parallel tests share.
    run(f"DROP ROLE IF EXISTS {name}")
    run(f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'x'")
    run(f"GRANT payouts_web, payouts_worker TO {name}")
    yield name
    run(f"DROP ROLE {name}")


OUTSIDE = {"SANDBOX": "0", "TRUST_GATEWAY_HEADERS": "0", "ALLOWED_HOSTS": "x"}
STARTS = {
    "web": [sys.executable, "-c", "import payouts_project.wsgi"],
    "poller": [sys.executable, "manage.py", "run_poller"],
    "worker": [sys.executable, "-c", "from payouts_project import celery as c; c.stand_behind_the_wall()"],
}  # fmt: skip


def start(name: str, *, user: str = "", password: str = "", **given: str) -> tuple[int, str]:
    known = connection.settings_dict
    login = f"{user or known['USER']}:{password or known['PASSWORD']}"
    url = f"postgresql://{login}@{known['HOST']}:{known['PORT']}/{known['NAME']}"
    env = {**os.environ, **OUTSIDE, "DATABASE_URL": url, "BANK_URL": "https://x", **given}
    done = subprocess.run(STARTS[name], env=env, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", sorted(STARTS))
def test_R59_outside_the_sandbox_nothing_serves_as_the_owner(login: str, name: str) -> None:
    role = "web" if name == "web" else "worker"
    status, said = start(name, DATABASE_ROLE=role)
    assert status != 0
    assert "must not own the tables" in said
    if name != "poller":  # which would go on
        status, said = start(name, user=login, password="x", DATABASE_ROLE=role)
        assert status == 0, said


def test_without_its_wall_a_table_is_not_served(login: str) -> None:
    run("ALTER TABLE payouts NO FORCE ROW LEVEL SECURITY")
    try:
        status, said = start("web", user=login, password="x", DATABASE_ROLE="web")
        assert status != 0
        assert "row-level security" in said
    finally:
        run("ALTER TABLE payouts FORCE ROW LEVEL SECURITY")
