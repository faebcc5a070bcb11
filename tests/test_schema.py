"""The tables, columns, indexes, views, functions and triggers, counted in the database itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payouts import (
    alert_rules,
    clock,
    creation,
    dispatch,
    doubt,
    inbound,
    lifecycle,
    reconciliation,
    states,
)
from payouts.models import Payout
from tests import database
from tests.database import run
from tests.world import World

pytestmark = pytest.mark.django_db
OURS = "NOT starts_with({0}, 'django') AND NOT starts_with({0}, 'auth_')"


def names(sql: str) -> list[str]:
    return [row[0] for row in run(sql)]


def test_the_specifications_query_prints_its_eight_names() -> None:
    found = names(
        "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'payout%' ORDER BY table_name;"
    )
    assert found == [
        "payout_alerts",
        "payout_audit_log",
        "payout_batch_items",
        "payout_batches",
        "payout_holds",
        "payout_retry_log",
        "payout_sla_rules",
        "payouts",
    ]


SPECIFIED = {  # column -> type as PostgreSQL names it; NUMERIC is one decimal wider than specified
    "id": "uuid", "external_id": "text", "origin_module": "text", "beneficiary_id": "uuid",
    "amount": "numeric(18,3)", "currency": "character varying(3)", "payout_method": "text", "priority": "text",
    "status": "text", "retry_count": "integer", "max_retries": "integer", "sla_target_settlement_date": "date",
    "sira_routing_score": "numeric(5,4)", "ledger_hold_id": "uuid",
}  # fmt: skip


def test_payouts_has_the_specified_columns_among_sixty_six() -> None:
    columns = dict(
        run(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'payouts'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    )
    assert {name: columns.get(name) for name in SPECIFIED} == SPECIFIED
    assert "tenant_id" in columns
    assert len(columns) == 66


def test_the_columns_that_the_specification_requires_are_not_null() -> None:
    nullable = names(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'payouts'::regclass AND attnum > 0 AND NOT attnotnull"
    )
    assert set(SPECIFIED) & set(nullable) == {"sira_routing_score"}


# --- indexes ------------------------------------------------------------------------------------------

# What is neither a primary key nor the guard of a rule: index -> the query it serves.
SERVES = {
    "accounts_by_last4": "the workbench finds payouts by the last four digits",
    "accounts_by_number": "who else is paid to this account (velocity, a person's search)",
    "accounts_of_beneficiary": "a beneficiary with its accounts",
    "bank_documents_unread": "inbound: the oldest document that nobody has read",
    "bank_evidence_of_payout": "the timeline of a payout",
    "bank_evidence_unmatched": "reconciliation: what a bank said about nothing of ours",
    "bank_recalls_of_payout": "the recalls of a payout, the last one first",
    "bank_recalls_to_ask": "recalls: which bank to ask next",
    "bank_transmissions_in_doubt": "doubt: whom to ask next",
    "bank_transmissions_leased": "doubt: whose worker did not come back",
    "bank_transmissions_of_bank": "the workbench: what a bank was told, newest first",
    "beneficiaries_of_tenant": "a merchant's beneficiaries, newest first",
    "ledger_accounts_of_tenant": "verify_book: a merchant's two accounts",
    "ledger_entries_of_account": "an account's entries in order; verify_book",
    "ledger_entries_of_transfer": "the legs of a transfer",
    "payee_checks_open": "payees: whose bank is still to be asked, longest waiting first",
    "payee_verifications_last": "what was said last of an account's holder",
    "payout_alerts_of_payout": "the alerts on a payout's page",
    "payout_alerts_open": "open alerts, newest first",
    "payout_audit_log_of_tenant": "a merchant's audit rows, newest first",
    "payout_batch_items_unfinished": "batches.follow: items that have not ended",
    "payout_batches_unfinished": "runs that are not finished",
    "payout_holds_expiring": "lifecycle: holds whose time is over",
    "payout_retry_log_bank_ref": "the workbench finds a payout by the bank's reference",
    "payout_retry_log_transmission": "the attempts of a transmission",
    "payout_sla_rules_by_route": "the rules of a route",
    "payouts_dead": "what waits for a person, longest first",
    "payouts_in_doubt": "what is in doubt, longest first",
    "payouts_late_open": "the workbench counts what is late and still open",
    "payouts_of_account": "the payouts to an account, newest first: the workbench's search by last four",
    "payouts_late": "metrics: promises ever broken, by rail",
    "payouts_of_batch": "the payouts of a run",
    "payouts_returned_of_batch": "batches.follow: what was paid and came back",
    "payouts_of_tenant": "a merchant's list, newest first",
    "payouts_processing": "what is at a bank just now, longest first",
    "payouts_ready": "dispatch: what is due at a bank, in order of service",
    "payouts_scheduled": "lifecycle: whose time has come",
    "payouts_settled_late": "alerts: what settled late between two looks",
    "payouts_to_approve": "what waits for a second person",
    "payouts_to_reconcile": "reconciliation: what no booking of a bank was matched with",
    "payouts_to_retry": "dispatch: what is to be tried again",
    "payouts_with_a_promise": "alerts: promises that were not kept",
    "routing_decisions_of_payout": "why a payout went that way",
}


def test_every_index_serves_a_named_query_or_guards_a_rule() -> None:
    indexes = run(
        "SELECT c.relname, i.indisunique FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        f" WHERE c.relnamespace = 'public'::regnamespace AND {OURS.format('i.indrelid::regclass::text')}"
    )
    assert {name for name, unique in indexes if not unique} == set(SERVES)
    assert (len(indexes), len(SERVES)) == (108, 43)


# --- views, functions, triggers -------------------------------------------------------------------------

VIEWS = [
    "v_payouts_by_status",
    "v_payouts_needing_attention",
    "v_payouts_ready_for_processing",
    "v_payouts_retry_queue",
    "v_payouts_sla_at_risk",
]


def test_there_are_five_views_and_each_shows_only_what_its_reader_may_see() -> None:
    found = run(
        "SELECT relname, reloptions FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
        " ORDER BY relname"
    )
    assert found == [(name, ["security_invoker=true"]) for name in VIEWS]


def test_there_are_eight_functions_beside_those_of_triggers() -> None:
    found = names(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        " AND prorettype <> 'trigger'::regtype ORDER BY 1"
    )
    assert found == [
        "app_platform()",
        "app_tenants()",
        "approval_content(uuid)",
        "draw_numbers(uuid,text,integer,bigint)",
        "make_roles()",
        "priority_rank(text)",
        "raise_walls()",
        "transition_allowed(text,text)",
    ]


def test_every_trigger_is_there_and_enabled() -> None:
    found = run(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
        " ORDER BY 1, 2"
    )
    assert found == [
        ("account_corrections", "append_only"),
        ("account_corrections", "by_hand"),
        ("audit_seals", "append_only"),
        ("audit_seals", "follows"),
        ("bank_connector_state", "by_hand"),
        ("bank_connectors", "by_hand"),
        ("bank_evidence", "append_only"),
        ("bank_letters", "append_only"),
        ("bank_recalls", "never_deleted"),
        ("bank_recalls", "recall_rules"),
        ("bank_transmissions", "never_deleted"),
        ("bank_transmissions", "transmission_rules"),
        ("beneficiaries", "by_hand"),
        ("beneficiary_accounts", "by_hand"),
        ("ledger_accounts", "append_only"),
        ("ledger_entries", "append_only"),
        ("ledger_entries", "balanced"),
        ("ledger_transfers", "append_only"),
        ("payee_checks", "never_deleted"),
        ("payee_verifications", "append_only"),
        ("payout_alerts", "by_hand"),
        ("payout_audit_log", "append_only"),
        ("payout_batch_items", "one_currency"),
        ("payout_batch_items", "stays"),
        ("payout_batches", "stays"),
        ("payout_holds", "equal_payouts"),
        ("payout_holds", "hold_rules"),
        ("payout_holds", "never_deleted"),
        ("payout_holds", "payout_follows"),
        ("payout_retry_log", "attempt_rules"),
        ("payout_retry_log", "ends_expiry"),
        ("payout_retry_log", "never_deleted"),
        ("payout_sla_rules", "by_hand"),
        ("payouts", "begins"),
        ("payouts", "by_hand"),
        ("payouts", "hold_follows"),
        ("payouts", "never_deleted"),
        ("payouts", "payout_rules"),
        ("routing_decisions", "append_only"),
        ("tenants", "by_hand"),
    ]


def test_a_rank_orders_priorities_and_cannot_be_written(sandbox: World) -> None:
    payout = sandbox.create(priority="instant")
    assert run("SELECT priority_rank, priority FROM payouts") == [(1, "instant")]
    ranks = run(
        "SELECT p, priority_rank(p) FROM unnest(ARRAY['priority', 'instant', 'standard', 'batch']) p"
    )
    assert ranks == [("priority", 0), ("instant", 1), ("standard", 2), ("batch", 3)]
    written = database.refusal(
        "UPDATE payouts SET priority_rank = 0 WHERE id = %(id)s", {"id": payout.id}
    )
    assert written is not None
    assert written.sqlstate == "428C9"  # generated_always


@pytest.mark.parametrize("view", ["v_payouts_ready_for_processing", "v_payouts_retry_queue"])
def test_a_queue_can_be_locked_row_by_row(sandbox: World, view: str) -> None:
    payout = sandbox.create()
    if view == "v_payouts_retry_queue":
        _fail(payout.id)
    locked = run(f"SELECT id FROM {view} ORDER BY priority_rank FOR UPDATE SKIP LOCKED")
    assert locked == [(payout.id,)]


def _fail(payout_id: UUID) -> None:
    for status in ("processing", "failed"):
        run(
            "UPDATE payouts SET status = %(status)s, next_retry_at = now() - interval '1 s' WHERE id = %(id)s",
            {"status": status, "id": payout_id},
        )


def test_each_view_reads_the_payouts_it_is_named_after(sandbox: World) -> None:
    ready, waiting, dead = sandbox.create(), sandbox.create(), sandbox.create()
    _fail(waiting.id)
    _fail(dead.id)
    run("UPDATE payouts SET status = 'dlq' WHERE id = %(id)s", {"id": dead.id})
    run("UPDATE payouts SET sla_violated = true WHERE id = %(id)s", {"id": dead.id})
    found = {
        view: set(names(f"SELECT id FROM {view}"))
        for view in VIEWS
        if view != "v_payouts_by_status"
    }
    assert found == {
        "v_payouts_ready_for_processing": {ready.id},
        "v_payouts_retry_queue": {waiting.id},
        "v_payouts_needing_attention": {dead.id},
        "v_payouts_sla_at_risk": {ready.id, waiting.id},
    }
    counted = run("SELECT status, payouts, amount FROM v_payouts_by_status ORDER BY status")
    assert counted == [("dlq", 1, 100), ("failed", 1, 100), ("pending", 1, 100)]


# --- the queries of the hot paths use their index ---------------------------------------------------------


def _bank(payout: Payout) -> Any:
    return next(line for line in dispatch.banks.lines() if line.id == payout.bank_connector_id)


def _look_up_keys(world: World, payout: Payout) -> None:
    request = world.request(external_id=str(uuid4()))
    creation.create_payouts([request], actor=world.merchant)


def _list(world: World, payout: Payout) -> None:
    list(Payout.objects.filter(tenant_id=world.tenant_id).order_by("-id")[:50])


def _late(world: World, payout: Payout) -> None:
    list(alert_rules.late_payouts(clock.now()))


def _claim(world: World, payout: Payout) -> None:
    dispatch.claim_due(_bank(payout))


HOT: dict[str, tuple[str, Callable[[World, Payout], object]]] = {
    # index -> how its query begins, and what runs it
    "payouts_ready": ("SELECT id, priority_rank, created_at FROM v_payouts_ready", _claim),
    "payouts_to_retry": ("SELECT id, priority_rank, created_at FROM v_payouts_retry", _claim),
    "payouts_scheduled": (
        "SELECT id FROM payouts WHERE status = 'scheduled'",
        lambda world, payout: lifecycle.release_scheduled(),
    ),
    "payout_holds_expiring": (
        "SELECT p.id FROM payouts p JOIN payout_holds h",
        lambda world, payout: lifecycle.expire_payouts(),
    ),
    "payouts_with_a_promise": ("UPDATE payouts SET sla_violated = true", _late),
    "payouts_settled_late": (
        "UPDATE payouts SET sla_violated = true, sla_violated_at = '",
        lambda world, payout: list(alert_rules._mark_settled_late(clock.now())),
    ),
    "payouts_dead": (
        "SELECT id, tenant_id, last_error_code FROM payouts WHERE status = 'dlq'",
        lambda world, payout: list(alert_rules.dead_payouts(clock.now())),
    ),
    "payouts_to_reconcile": (
        "\nSELECT p.id, bool_or(e.effect = 'mismatch') FROM payouts",
        lambda world, payout: reconciliation.match(),
    ),
    "payouts_of_tenant": ('SELECT "payouts"."id"', _list),
    "payouts_idempotency_key": ("SELECT p.tenant_id, p.external_id, p.id", _look_up_keys),
    "payout_retry_log_one_live_attempt": (
        "SELECT p.id, p.tenant_id, p.status, p.amount",
        lambda world, payout: states.lock_payouts([payout.id]),
    ),
    "payout_retry_log_transmission": (
        "SELECT a.id, p.id, a.reference",
        lambda world, payout: dispatch.outcomes.members_of(uuid4()),
    ),
    "bank_transmissions_leased": (
        "SELECT id, bank_connector_id, state FROM bank_transmissions",
        lambda world, payout: doubt.recover_expired(),
    ),
    "bank_transmissions_in_doubt": (
        "SELECT id, bank_connector_id, first_sent_at",
        lambda world, payout: doubt.resolve_in_doubt(),
    ),
    "bank_documents_unread": (
        "SELECT id, reads FROM bank_documents",
        lambda world, payout: inbound.read_waiting(),
    ),
    "ledger_balances_one_each": (
        "SELECT currency, available",
        lambda world, payout: world.balance(),
    ),
}


@pytest.mark.parametrize("index", HOT)
def test_the_query_uses_its_index(sandbox: World, index: str) -> None:
    payout = sandbox.create()
    start, act = HOT[index]
    with CaptureQueriesContext(connection) as captured:
        act(sandbox, payout)
    (query, *_) = [q["sql"] for q in captured.captured_queries if q["sql"].startswith(start)]
    # As in a new database: what earlier tests left in the statistics must not decide.
    ours = "relnamespace = 'public'::regnamespace"
    run(f"DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE {ours})")
    run(f"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE {ours} AND relkind IN ('r', 'i')")
    run("SET LOCAL enable_seqscan = off")
    if (
        index == "payouts_idempotency_key"
    ):  # Both begin with the merchant and cost the same on an empty table.
        run("DROP INDEX payouts_of_tenant")
    plan = "\n".join(row[0] for row in run("EXPLAIN " + query.replace("%", "%%")))
    assert re.search(rf"\b{index}\b", plan), plan
    assert "Seq Scan on payouts" not in plan
