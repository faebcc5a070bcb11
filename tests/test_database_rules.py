"""What holds even against raw SQL. Each rule refuses what it is for, and without the rule the same passes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests import database
from tests.database import (
    CHECK,
    FOREIGN_KEY,
    RESTRICT,
    UNIQUE,
    Copy,
    Refusal,
    Rows,
    contents,
    foreign_keys,
    lift,
    raised_by,
    refusal,
    rules_of_the_database,
    run,
)

pytestmark = pytest.mark.django_db
rows = database.rows


# --- every rule, one statement each -----------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A statement that a rule refuses. `also`: what would refuse it too, once the rule is gone."""

    rule: str
    sqlstate: str
    statement: str | Copy
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = (
            self.statement
            if isinstance(self.statement, str)
            else f"copy {dict(self.statement.changes)}"
        )
        return f"{self.rule}: {what[:60]}"


LEGS = "INSERT INTO ledger_entries (transfer_id, account_id, amount, currency) VALUES "
ALERT = "(gen_random_uuid(), 'x', 'high', '', 'twice', false, '', '')"
TRANSFER = "(gen_random_uuid(), %(tenant)s, %(payout)s, ''"
SETTLE = "UPDATE payouts SET status = 'processing' WHERE id = %(payout)s; UPDATE payouts SET settled_at = now(), "
SCHEDULE = "(gen_random_uuid(), 'twice', 'x', '', 'UTC', true, now())"
ITEM = (
    "INSERT INTO payout_batch_items (id, batch_id, payout_id, tenant_id, position, status, error_code, error_message)"
    " VALUES (gen_random_uuid(), {batch}, %(busy)s, {tenant}, 7, 'waiting', '', '')"
)
ONE_MORE = {"attempt_number": "2", "reference": "'another'"}
BARE = {"id": "%(bare_hold)s", "payout_id": "%(bare)s"}
EQUAL = ("payout_holds.equal_payouts",)


def _forbidden(table: str, trigger: str, *verbs: str, also: tuple[str, ...] = ()) -> list[Case]:
    """The verbs that a table refuses whatever the rows."""
    key = "number" if table == "audit_seals" else "id"
    statements = {
        "UPDATE": f"UPDATE {table} SET {key} = {key}",
        "DELETE": f"DELETE FROM {table} WHERE false",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }
    return [
        Case(f"{table}.{trigger}", RESTRICT, statements[v], also if v == "TRUNCATE" else ())
        for v in verbs
    ]


CHANGED = {
    "amount": "amount + 1", "currency": "'USD'", "tenant_id": "%(other)s", "external_id": "'another'",
    "id": "%(other)s", "ledger_hold_id": "%(other)s", "beneficiary_account_id": "%(other)s",
    "beneficiary_id": "%(other)s", "request_fingerprint": "'x'", "created_by": "'another'", "fee_currency": "'USD'",
    "above_limit": "true",
}  # fmt: skip
ROUTE_CHANGED = {"fee_amount": "fee_amount + 1", "bank_connector_id": "%(other)s", "rail": "'wire'"}
HOLD_CHANGED = {
    "hold_amount": "hold_amount + 1", "currency": "'USD'", "tenant_id": "%(other)s", "id": "%(other)s",
    "payout_id": "%(bare)s", "ledger_transfer_id": "%(other)s",
}  # fmt: skip
ATTEMPT_CHANGED = {
    "reference": "'another'", "attempt_number": "2", "payout_id": "%(payout)s", "bank_connector_id": "%(other)s",
    "id": "%(other)s", "tenant_id": "%(other)s",
}  # fmt: skip
HOLD_DIFFERS = {
    "hold_amount": "hold_amount + 1", "currency": "'USD'", "tenant_id": "%(other)s",
    "id": "%(other)s", "status": "'released', now()",
}  # fmt: skip
ALSO = {
    "beneficiary_account_id": ("payouts_beneficiary_account__ab8f9218_fk_beneficia",),
    "beneficiary_id": ("payouts_beneficiary_id_49d1f665_fk_beneficiaries_id",),
}
RECALL_CHANGED = {
    "payout_id": "%(payout)s", "tenant_id": "%(other)s", "attempt_id": "gen_random_uuid()", "reference": "'another'",
    "bank_connector_id": "gen_random_uuid()", "reason": "'technical'", "detail": "'another'",
    "requested_by": "'another'", "requested_at": "now() + interval '1 hour'", "id": "gen_random_uuid()",
}  # fmt: skip
TOLD = "UPDATE bank_transmissions SET {} WHERE id = %(transmission)s"
# What is told first, and what must not become of it. The transmission of `rows` has its reference and no bytes yet.
TRANSMISSION_CHANGED = (
    ("", "id = gen_random_uuid()"), ("", "bank_connector_id = gen_random_uuid()"), ("", "rail = 'wire'"),
    ("", "reference = 'another'"), ("", "reference = NULL"), ("body = 'x'", "body = NULL"),
    ("sha256 = 'x'", "sha256 = 'y'"), ("sha256 = 'x'", "sha256 = NULL"), ("sha256 = 'x'", "content_type = 'another'"),
    ("sha256 = 'x', body = 'x'", "sha256 = 'y', body = 'y'"),
)  # fmt: skip
FOLLOWS = ("payout_holds.payout_follows",)
NEVER = ("payout_holds.never_deleted", "payout_retry_log.never_deleted")
APPEND, EVERY = "append_only", ("UPDATE", "DELETE", "TRUNCATE")
CASES = [
    # What a payout pays never changes.
    *(Case("payouts.payout_rules", RESTRICT, f"UPDATE payouts SET {c} = {v} WHERE id = %(bare)s",
           ALSO.get(c, ())) for c, v in CHANGED.items()),
    *(Case("payouts.payout_rules", RESTRICT, f"UPDATE payouts SET {c} = {v} WHERE id = %(busy)s")
      for c, v in ROUTE_CHANGED.items()),
    *(Case("payout_holds.hold_rules", RESTRICT, f"UPDATE payout_holds SET {c} = {v} WHERE id = %(hold)s")
      for c, v in HOLD_CHANGED.items()),
    *(Case("payout_retry_log.attempt_rules", RESTRICT, f"UPDATE payout_retry_log SET {c} = {v} WHERE id = %(attempt)s")
      for c, v in ATTEMPT_CHANGED.items()),
    # A payout.
    Case("payouts_idempotency_key", UNIQUE, Copy("payouts", "payout", {"external_id": "external_id"})),
    Case("payouts_amount_above_zero", CHECK, Copy("payouts", "payout", {"amount": "0"})),
    Case("payouts_status_known", CHECK, Copy("payouts", "payout", {"status": "'lost'"})),
    Case("payouts_priority_known", CHECK, Copy("payouts", "payout", {"priority": "'urgent'"})),
    Case("payouts_settled_has_time", CHECK, "UPDATE payouts SET status = 'processing' WHERE id = %(payout)s;"
         "UPDATE payouts SET status = 'settled' WHERE id = %(payout)s", ("payouts.hold_follows",)),
    Case("payouts_approved_by_another", CHECK,
         "UPDATE payouts SET approved_by = %(creator)s WHERE id = %(payout)s"),
    Case("payouts_given_up_by_another", CHECK,
         "UPDATE payouts SET given_up_by = 'x', give_up_requested_by = 'x' WHERE id = %(payout)s"),
    *(Case("payouts.begins", CHECK, Copy("payouts", "payout", {"status": f"'{status}'"}))
      for status in ("processing", "sent", "failed", "dlq", "in_doubt", "rejected", "cancelled", "returned")),
    # Its hold.
    Case("payout_holds_payout_id_key", UNIQUE, Copy("payout_holds", "hold"), EQUAL),
    Case("payout_holds_amount_above_zero", CHECK, Copy("payout_holds", "hold", BARE | {"hold_amount": "0"}), EQUAL),
    Case("payout_holds_resolved_has_time", CHECK, "UPDATE payout_holds SET resolved_at = now() WHERE id = %(hold)s"),
    Case("payout_holds_resolved_has_time", CHECK, "UPDATE payout_holds SET status = 'released' WHERE id = %(hold)s",
         FOLLOWS),
    *(Case("payout_holds.equal_payouts", CHECK, Copy("payout_holds", "hold", BARE | {c: v}))
      for c, v in HOLD_DIFFERS.items() if c != "status"),
    Case("payout_holds.equal_payouts", CHECK,
         Copy("payout_holds", "hold", BARE | {"status": "'released'", "resolved_at": "now()"})),
    *(Case("payouts.hold_follows", CHECK, SETTLE + f"status = '{status}' WHERE id = %(payout)s")
      for status in ("settled", "rejected", "returned")),
    Case("payouts.hold_follows", CHECK, "UPDATE payouts SET status = 'cancelled' WHERE id = %(payout)s"),
    Case("payouts.hold_follows", CHECK,
         "UPDATE payouts SET status = 'cancelled' WHERE id = %(payout)s;"
         "UPDATE payout_holds SET status = 'released', resolved_at = now() WHERE id = %(hold)s", FOLLOWS),
    *(Case("payout_holds.payout_follows", CHECK,
           f"UPDATE payout_holds SET status = '{status}', resolved_at = now() WHERE id = %(hold)s")
      for status in ("released", "reversed")),
    Case("payout_holds.payout_follows", CHECK,
         "UPDATE payouts SET status = 'cancelled' WHERE id = %(payout)s;"
         "UPDATE payout_holds SET status = 'reversed', resolved_at = now() WHERE id = %(hold)s"),
    Case("payout_holds.payout_follows", CHECK,
         "INSERT INTO ledger_transfers (id, kind, tenant_id, payout_id, reference) VALUES"
         " (gen_random_uuid(), 'reversal', %(tenant)s, %(payout)s, '');"
         "UPDATE payouts SET status = 'cancelled' WHERE id = %(payout)s;"
         "UPDATE payout_holds SET status = 'reversed', resolved_at = now() WHERE id = %(hold)s"),
    # Its attempts.
    Case("payout_retry_log_one_live_attempt", UNIQUE, Copy("payout_retry_log", "attempt", ONE_MORE)),
    Case("payout_retry_log_number", UNIQUE,
         Copy("payout_retry_log", "attempt", {"state": "'rejected'", "reference": "'another'"})),
    Case("payout_retry_log_reference", UNIQUE,
         Copy("payout_retry_log", "attempt", {"state": "'rejected'", "attempt_number": "2"})),
    Case("payout_retry_log_state_known", CHECK, Copy("payout_retry_log", "attempt", ONE_MORE | {"state": "'lost'"})),
    # The book.
    Case("ledger_entries.balanced", CHECK, LEGS + "(%(transfer)s, %(available)s, -5, 'EUR')"),
    Case("ledger_entries.balanced", CHECK,
         LEGS + "(%(transfer)s, %(available)s, -5, 'EUR'), (%(transfer)s, %(pending)s, 4.999, 'EUR')"),
    Case("ledger_entries.balanced", CHECK,
         LEGS + "(%(transfer)s, %(available)s, -5, 'EUR'), (%(transfer)s, %(dollars)s, 5, 'USD')"),
    Case("ledger_entries.balanced", CHECK,
         LEGS + "(%(transfer)s, %(available)s, -5, 'EUR'), (%(deposit)s, %(pending)s, 5, 'EUR')"),
    Case("ledger_entries_amount_not_zero", CHECK,
         LEGS + "(%(transfer)s, %(available)s, 0, 'EUR'), (%(transfer)s, %(pending)s, 0, 'EUR')"),
    Case("ledger_entries_account_in_its_currency", FOREIGN_KEY,
         LEGS + "(%(transfer)s, %(available)s, -5, 'EUR'), (%(transfer)s, %(dollars)s, 5, 'EUR')"),
    Case("ledger_balances_available_not_negative", CHECK, "UPDATE ledger_balances SET available = -0.001"),
    Case("ledger_balances_held_not_negative", CHECK, "UPDATE ledger_balances SET held = -0.001"),
    Case("ledger_balances_one_each", UNIQUE, "INSERT INTO ledger_balances (tenant_id, currency, available, held)"
         " VALUES (%(tenant)s, 'EUR', 0, 0)"),
    Case("ledger_accounts_name_currency", UNIQUE, Copy("ledger_accounts", "available")),
    Case("ledger_transfers_once_per_payout", UNIQUE, Copy("ledger_transfers", "transfer")),
    Case("ledger_transfers_deposit_reference", UNIQUE, Copy("ledger_transfers", "deposit")),
    Case("ledger_transfers_hold_resolved_once", UNIQUE, "INSERT INTO ledger_transfers (id, tenant_id, payout_id,"
         f" reference, kind) VALUES {TRANSFER}, 'capture'), {TRANSFER}, 'reversal')"),
    # Records, banks, runs, keys.
    Case("payout_audit_log_sequence", UNIQUE, Copy("payout_audit_log", "audit")),
    Case("payout_audit_log_has_actor", CHECK, Copy("payout_audit_log", "audit", {"actor": "''", "sequence": "9"})),
    *(Case("audit_seals.follows", CHECK, "INSERT INTO audit_seals (number, upto, members, previous, hash)"
           f" SELECT number + {n}, upto + {n}, '', {previous}, '' FROM audit_seals")
      for n, previous in ((2, "hash"), (1, "sha256('x')"))),
    Case("payout_alerts_open_once", UNIQUE, "INSERT INTO payout_alerts (id, alert_type, severity, message,"
         f" dedupe_key, resolved, resolved_by, resolution) VALUES {ALERT}, {ALERT}"),
    Case("bank_letters_once_each", UNIQUE, Copy("bank_letters", "letter")),
    Case("bank_letters_says", CHECK, Copy("bank_letters", "letter", {"says": "'perhaps'", "stated_by": "'you'"})),
    Case("bank_letters_by_somebody", CHECK, Copy("bank_letters", "letter", {"stated_by": "''"})),
    Case("bank_letters_by_somebody", CHECK, Copy("bank_letters", "letter", {"document": "''", "stated_by": "'you'"})),
    # What is asked back, and what banks correct.
    *(Case("payouts_recall_status", CHECK, f"UPDATE payouts SET recall_status = '{status}' WHERE id = %(payout)s")
      for status in ("returned", "lost")),
    Case("bank_recalls_reference", UNIQUE, Copy("bank_recalls", "recall", {"payout_id": "%(payout)s"})),
    Case("bank_recalls_one_open", UNIQUE, Copy("bank_recalls", "recall", {"reference": "'another'"})),
    Case("bank_recalls_state_known", CHECK,
         Copy("bank_recalls", "recall", {"reference": "'another'", "state": "'lost'"})),
    *(Case("bank_recalls.recall_rules", RESTRICT, f"UPDATE bank_recalls SET {c} = {v} WHERE id = %(recall)s")
      for c, v in RECALL_CHANGED.items()),
    Case("bank_recalls.recall_rules", CHECK, "UPDATE bank_recalls SET state = 'refused' WHERE id = %(recall)s;"
         "UPDATE bank_recalls SET state = 'sent' WHERE id = %(recall)s"),
    Case("bank_recalls.recall_rules", CHECK, "UPDATE bank_recalls SET state = 'sent' WHERE id = %(recall)s;"
         "UPDATE bank_recalls SET state = 'unknown' WHERE id = %(recall)s"),
    Case("bank_recalls.recall_rules", CHECK, "UPDATE bank_recalls SET state = 'returned' WHERE id = %(recall)s;"
         "UPDATE bank_recalls SET state = 'accepted' WHERE id = %(recall)s"),
    *_forbidden("bank_recalls", "never_deleted", "DELETE", "TRUNCATE"),
    Case("account_corrections_of_account", UNIQUE, Copy("account_corrections", "correction", {"content": "'y'"})),
    Case("account_corrections_once", UNIQUE,
         Copy("account_corrections", "correction", {"account_id": "gen_random_uuid()"})),
    *_forbidden("account_corrections", APPEND, *EVERY),
    Case("payee_verifications_verdict", CHECK, Copy("payee_verifications", "verification", {"verdict": "'maybe'"})),
    Case("payee_verifications_occasion", CHECK, Copy("payee_verifications", "verification", {"occasion": "'x'"})),
    Case("payee_verifications_accepted_by_somebody", CHECK,
         Copy("payee_verifications", "verification", {"occasion": "'acceptance'"})),
    *_forbidden("payee_verifications", APPEND, *EVERY),
    *_forbidden("payee_checks", "never_deleted", "DELETE", "TRUNCATE"),
    Case("bank_evidence_once", UNIQUE, Copy("bank_evidence", "evidence")),
    Case("bank_evidence_reaction_known", CHECK,
         Copy("bank_evidence", "evidence", {"position": "9", "reaction": "'pay_twice'"})),
    Case("bank_documents_once", UNIQUE, Copy("bank_documents", "document")),
    Case("bank_transmissions_reference", UNIQUE, Copy("bank_transmissions", "transmission")),
    *(Case("bank_transmissions.transmission_rules", RESTRICT,
           ";".join(TOLD.format(part) for part in (first, then) if part)) for first, then in TRANSMISSION_CHANGED),
    Case("bank_connectors_name_rail", UNIQUE, Copy("bank_connectors", "bank")),
    Case("bank_sequences_one_each", UNIQUE, Copy("bank_sequences", "sequence")),
    Case("payout_batches_one_run_per_fire_time", UNIQUE, Copy("payout_batches", "batch")),
    Case("payout_batches_status_known", CHECK, "UPDATE payout_batches SET status = 'lost'"),
    Case("payout_batches.stays", RESTRICT, "UPDATE payout_batches SET batch_name = 'c' WHERE id = %(batch)s"),
    Case("payout_batch_items.one_currency", CHECK, ITEM.format(batch="%(dollar_batch)s", tenant="%(tenant)s")),
    Case("payout_batch_items.one_currency", CHECK, ITEM.format(batch="%(batch)s", tenant="%(other)s")),
    Case("payout_batch_items.stays", RESTRICT, "UPDATE payout_batch_items SET tenant_id = %(other)s"),
    Case("batch_schedules_name", UNIQUE, "INSERT INTO batch_schedules (id, name, batch_type, cron, time_zone,"
         f" enabled, active_from) VALUES {SCHEDULE}, {SCHEDULE}"),
    Case("payout_batch_items_position", UNIQUE, Copy("payout_batch_items", "item", {"payout_id": "%(busy)s"})),
    Case("payout_batch_items_one_batch_per_payout", UNIQUE, Copy("payout_batch_items", "item", {"position": "2"})),
    Case("payout_sla_rules_days", CHECK, "UPDATE payout_sla_rules SET settlement_days = -1"),
    Case("payout_sla_rules_weekend", CHECK, "UPDATE payout_sla_rules SET weekend = 'sometimes'"),
    Case("payout_sla_rules_fees", CHECK, "UPDATE payout_sla_rules SET base_fee = -1"),
    Case("sandbox_clock_one_row", CHECK, "INSERT INTO sandbox_clock (id, offset_seconds) VALUES (2, 0)"),
    Case("metric_cursor_one_row", CHECK,
         "INSERT INTO metric_cursor (id, audit_id, seen_id, seen_xid) VALUES (2, 0, 0, 0)"),
    Case("metric_totals_one_each", UNIQUE, "INSERT INTO metric_totals (metric, label, bucket, observations, total)"
         " VALUES ('m', 'l', 0, 1, 0), ('m', 'l', 0, 1, 0)"),
    Case("routing_cursor_one_row", CHECK, "INSERT INTO routing_cursor (id) VALUES (2)"),
    Case("routing_statistics_one_each", UNIQUE, "INSERT INTO routing_statistics (bank_connector_id, institution,"
         " measure, bucket, seen) VALUES (%(bank)s, '', 'm', 0, 1), (%(bank)s, '', 'm', 0, 1)"),
    Case("idempotency_keys_for_ever", UNIQUE, "INSERT INTO idempotency_keys (tenant_id, route, key, fingerprint)"
         " VALUES (%(tenant)s, 'r', 'k', ''), (%(tenant)s, 'r', 'k', '')"),
    # What is only ever added to, and what is never deleted.
    *_forbidden("payout_audit_log", APPEND, *EVERY),
    *_forbidden("audit_seals", APPEND, *EVERY),
    *_forbidden("bank_evidence", APPEND, *EVERY),
    *_forbidden("bank_letters", APPEND, *EVERY),
    *_forbidden("routing_decisions", APPEND, *EVERY),
    *_forbidden("ledger_entries", APPEND, *EVERY),
    *_forbidden("ledger_transfers", APPEND, *EVERY, also=("ledger_entries.append_only",)),
    *_forbidden("ledger_accounts", APPEND, *EVERY, also=("ledger_entries.append_only",)),
    *_forbidden("payouts", "never_deleted", "DELETE", "TRUNCATE", also=NEVER),
    *_forbidden("payout_holds", "never_deleted", "DELETE", "TRUNCATE"),
    *_forbidden("payout_retry_log", "never_deleted", "DELETE", "TRUNCATE"),
    *_forbidden("bank_transmissions", "never_deleted", "DELETE", "TRUNCATE"),
]  # fmt: skip
# Tested below, as tables of states; and one that the primary key implies (a foreign key needs it by name).
ELSEWHERE = {
    "payout_alerts.by_hand",  # refuse nothing: tests/test_audit_by_hand.py
    "payout_sla_rules.by_hand",
    "bank_connectors.by_hand",
    "bank_connector_state.by_hand",
    "tenants.by_hand",
    "beneficiaries.by_hand",
    "beneficiary_accounts.by_hand",
    "account_corrections.by_hand",
    "payouts.by_hand",
    "payout_retry_log.attempt_rules",
    "payout_retry_log.ends_expiry",  # It acts: tests/test_second_person.py.
    "payouts.payout_rules",
    "ledger_accounts_id_currency",
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rule_refuses_and_nothing_changes(rows: Rows, case: Case) -> None:
    before = contents()
    assert refusal(case.statement, rows) == Refusal(case.sqlstate, raised_by(case.rule))
    assert contents() == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_without_the_rule_the_same_statement_passes(rows: Rows, case: Case) -> None:
    lift(case.rule, *case.also)
    assert refusal(case.statement, rows) is None


def test_every_rule_of_the_database_has_a_case(rows: Rows) -> None:
    assert (
        rules_of_the_database()
        == {case.rule for case in CASES if not _is_foreign_key(case)} | ELSEWHERE
    )


def _is_foreign_key(case: Case) -> bool:
    return case.sqlstate == FOREIGN_KEY


def test_the_same_key_is_free_in_another_tenant(rows: Rows) -> None:
    changes = {"external_id": "external_id", "tenant_id": "%(other)s"}
    assert refusal(Copy("payouts", "payout", changes), rows) is None


def test_every_foreign_key_refuses_a_row_that_points_at_nothing(rows: Rows) -> None:
    keys = foreign_keys()
    assert len(keys) == 10
    for name, table, column in keys:
        run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        statement = f"UPDATE {table} SET {column} = gen_random_uuid()"
        where = " WHERE id = %(item)s" if table == "payout_batch_items" else ""
        assert refusal(statement + where, rows) == Refusal(FOREIGN_KEY, name)
        lift(name)
        assert refusal(statement + where, rows) is None
