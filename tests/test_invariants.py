"""What must always be true: it is, and each query sees it when it is not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from ledger import verification
from payouts import alerts, dispatch, invariants
from payouts.models import Payout, PayoutAlert
from tests.world import World

# name: raw SQL that breaks it, with the database's own rules lifted for the moment
BREAKING = {
    "book": "UPDATE ledger_balances SET available = available + 1 WHERE currency = 'EUR'",
    "held_is_in_flight": "UPDATE ledger_balances SET held = held + 1 WHERE currency = 'EUR'",
    "one_hold_each": "UPDATE payout_holds SET hold_amount = 1",
    "holds_are_booked": "DELETE FROM ledger_entries WHERE amount > 0",
    "fees_are_booked": "WITH t AS (INSERT INTO ledger_transfers (id, kind, tenant_id, payout_id, reference)"
    " SELECT gen_random_uuid(), 'fee', tenant_id, id, '' FROM payouts RETURNING id)"
    " INSERT INTO ledger_entries (transfer_id, account_id, amount, currency)"
    " SELECT t.id, gen_random_uuid(), v.amount, 'EUR' FROM t, (VALUES (1), (-1)) v (amount)",
    "a_bank_that_contradicts_itself_is_told_of": "INSERT INTO bank_evidence (source, source_key, position,"
    " bank_connector_id, attempt_id, payout_id, tenant_id, reference, kind, code, detail, currency, bank_reference,"
    " reaction, effect, recorded_at) SELECT source, 'later', n, bank_connector_id, attempt_id, payout_id, tenant_id,"
    " reference, v.kind, '', '', '', '', '', 'moved', now() - interval '6 minutes' FROM bank_evidence,"
    " (VALUES (1, 'rejected'), (2, 'settled')) v (n, kind);"
    " UPDATE bank_evidence SET recorded_at = now() - interval '6 minutes'",
    "hold_follows_status": "UPDATE payout_holds SET status = 'reversed', resolved_at = now()",
    "one_live_attempt": "DROP INDEX payout_retry_log_one_live_attempt; INSERT INTO payout_retry_log (id, payout_id,"
    " tenant_id, attempt_number, connector, bank_connector_id, rail, reference, transmission_id, state, sends,"
    " error_class, error_code, error_message, bank_reference, actor) SELECT gen_random_uuid(), payout_id, tenant_id,"
    " 2, connector, bank_connector_id, rail, 'another', transmission_id, state, 1, '', '', '', '', 'x'"
    " FROM payout_retry_log",
    "closed_is_nowhere": "UPDATE payouts SET status = 'cancelled'",
    "paid_was_said": "DELETE FROM bank_evidence",
    "nothing_is_forgotten": "UPDATE payouts SET status = 'failed', next_retry_at = NULL",
    "tenants_apart": "UPDATE payout_retry_log SET tenant_id = gen_random_uuid()",
    "recall_is_told": "ALTER TABLE payouts DROP CONSTRAINT payouts_recall_status;"
    " UPDATE payouts SET recall_status = 'returned'",
    "approved_by_another": "ALTER TABLE payouts DROP CONSTRAINT payouts_approved_by_another;"
    " UPDATE payouts SET approved_by = created_by",
    "every_change_has_an_author": "DELETE FROM payout_audit_log WHERE sequence = 2",
    "audit_chain_unbroken": "INSERT INTO audit_seals (number, upto, members, previous, hash) VALUES (2, 1, '', '', '')",
    "audit_is_sealed": "UPDATE payout_audit_log SET created_at = now() - interval '6 minutes'",
    "batches_add_up": "INSERT INTO payout_batches (id, batch_name, batch_type, currency, schedule_cron, time_zone,"
    " scheduled_at, status, total_payouts, total_amount) VALUES (gen_random_uuid(), 'x', 'x', 'EUR', '', 'UTC',"
    " now(), 'open', 1, 1)",
}  # fmt: skip


@pytest.fixture
def sent(sandbox: World) -> Payout:
    payout = sandbox.create()
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    return payout


def lifted(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql)
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_all_hold_and_each_has_a_way_to_be_broken(sent: Payout) -> None:
    assert [verdict.name for verdict in invariants.ask() if verdict.broken] == []
    assert set(BREAKING) == set(invariants.NAMES)


@pytest.mark.parametrize("name", invariants.NAMES)
def test_an_invariant_sees_what_breaks_it(sent: Payout, name: str) -> None:
    lifted(BREAKING[name])
    (verdict,) = invariants.ask([name])
    assert verdict.broken


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        # What the database itself cannot refuse: a row that is written as if it had been approved.
        ("approved_by_another", "UPDATE payouts SET above_limit = true"),
        (
            "fees_are_booked",
            "UPDATE payouts SET status = 'settled', settled_at = now(), fee_amount = 1",
        ),
    ],
)
def test_and_it_sees_the_other_half_of_what_it_says(sent: Payout, name: str, sql: str) -> None:
    lifted(sql)
    assert invariants.ask([name])[0].broken


def test_a_broken_invariant_is_a_critical_alert_until_it_holds_again(sent: Payout) -> None:
    lifted(BREAKING["held_is_in_flight"])
    assert alerts.sweep("invariant_broken") >= 1
    found = PayoutAlert.objects.filter(alert_type="invariant_broken", resolved=False)
    assert {alert.severity for alert in found} == {"critical"}
    lifted("UPDATE ledger_balances SET held = held - 1 WHERE currency = 'EUR'")
    alerts.sweep("invariant_broken")
    assert not PayoutAlert.objects.filter(alert_type="invariant_broken", resolved=False).exists()


def test_the_command_says_which_and_ends_accordingly(real_sandbox: World) -> None:
    """With real commits: the snapshot of all of them needs a transaction of its own."""
    real_sandbox.create()
    assert told_by_command() == (0, [])
    with transaction.atomic():
        lifted(BREAKING["held_is_in_flight"])
    code, broken = told_by_command()
    assert code == 1
    assert "held_is_in_flight" in broken


def test_the_ledger_alone_is_checked_account_by_account(real_sandbox: World) -> None:
    real_sandbox.create()
    code, told = asked("check_ledger")
    assert (code, told["ok"], told["accounts"]) == (0, True, 8)  # Two in each of four currencies.
    steps = list(verification.verify_in_steps(merchants_at_once=1))
    assert [step.done for step in steps] == [0, 8]
    with transaction.atomic():
        lifted("UPDATE ledger_balances SET held = held + 1, available = available - 1")
    code, told = asked("check_ledger")
    names = [check["name"] for check in told["checks"] if check["broken"]]
    assert (code, names) == (1, ["book", "held_is_in_flight"])
    assert f"a balance differs from its entries: {real_sandbox.tenant_id} " in str(told)


def told_by_command() -> tuple[int, list[str]]:
    code, told = asked("check_invariants")
    return code, [check["name"] for check in told["checks"] if check["broken"]]


def asked(command: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(command, "--json", stdout=out)
    assert isinstance(ended.value.code, int)
    return ended.value.code, json.loads(out.getvalue())
