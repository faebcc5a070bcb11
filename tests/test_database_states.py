"""Statuses of payouts, attempts and holds against raw SQL: tables written by hand, held by the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations, product
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from payouts import clock, states
from payouts.audit import engine
from payouts.models import AttemptState, Status
from payouts.states import TRANSITIONS, Move
from tests import database
from tests.database import CHECK, Copy, Refusal, Rows, lift, refusal, run, settle_constraints

pytestmark = pytest.mark.django_db
rows = database.rows


def put(payout: Any, status: str) -> None:
    """Put a payout where it could not get by itself: rules off, status, rules on."""
    with unruled("payouts", "USER"):
        run(
            "UPDATE payouts SET status = %(s)s, settled_at = now() WHERE id = %(id)s",
            {"s": status, "id": payout},
        )


def set_attempt(rows: Rows, state: str) -> None:
    with unruled("payout_retry_log", "attempt_rules"):
        run(
            "UPDATE payout_retry_log SET state = %(state)s WHERE id = %(attempt)s",
            rows | {"state": state},
        )


def give_back(payout: Any) -> None:
    """The hold alone, as no rule but this one's absence allows."""
    lift("payout_holds.payout_follows")
    run(
        "UPDATE payout_holds SET status = 'reversed', resolved_at = now() WHERE payout_id = %(id)s",
        {"id": payout},
    )


@contextmanager
def unruled(table: str, trigger: str) -> Iterator[None]:
    settle_constraints()
    run(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield
    settle_constraints()
    run(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def move(payout: Any, status: str) -> Refusal | None:
    """Write a status, as anybody with psql could; what is deferred is looked at elsewhere."""
    return refusal(
        "UPDATE payouts SET status = %(s)s WHERE id = %(id)s",
        {"s": status, "id": payout},
        late=False,
    )


def test_only_legal_transitions_pass_and_each_leaves_an_audit_row(rows: Rows) -> None:
    illegal = 0
    for old, new in product(Status.values, repeat=2):
        with transaction.atomic():
            put(rows["payout"], old)
            legal = new in TRANSITIONS[old]
            said = move(rows["payout"], new)
            if old != new and not legal:
                illegal += 1
                assert said == Refusal(CHECK, "payout_rules"), f"{old} -> {new}"
            else:
                assert said is None, f"{old} -> {new}"
            assert _sql_audit(rows["payout"]) == ([(2, old, new)] if legal else [])
            transaction.set_rollback(True)
    assert illegal == 144 - 12 - sum(len(to) for to in TRANSITIONS.values()) == 96


def _sql_audit(payout: Any) -> list[tuple[Any, ...]]:
    """What the database itself wrote, under the name of whoever was connected."""
    return run(
        "SELECT sequence, from_status, to_status FROM payout_audit_log WHERE payout_id = %(id)s"
        " AND actor = 'sql:' || session_user AND actor_role = 'sql' AND action = 'payout.' || to_status",
        {"id": payout},
    )


def test_without_the_table_an_illegal_transition_passes(rows: Rows) -> None:
    run(
        "CREATE OR REPLACE FUNCTION transition_allowed(came_from text, goes_to text) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT true'"
    )
    assert move(rows["payout"], "sent") is None


def test_a_verb_writes_its_own_audit_row_and_the_database_adds_none(rows: Rows) -> None:
    locked = states.lock_payouts([rows["payout"]])
    moves = [Move(payout=locked[rows["payout"]], to="processing")]
    states.transition(moves, actor=engine("test"), at=clock.now())
    assert _sql_audit(rows["payout"]) == []
    written = run(
        "SELECT actor, from_status, to_status FROM payout_audit_log WHERE payout_id = %(payout)s AND sequence = 2",
        rows,
    )
    assert written == [("engine:test", "pending", "processing")]


def test_a_status_by_hand_raises_sequence_and_version(rows: Rows) -> None:
    def numbers() -> tuple[Any, ...]:
        return run("SELECT audit_sequence, version FROM payouts WHERE id = %(payout)s", rows)[0]

    before = numbers()
    assert move(rows["payout"], "processing") is None
    assert numbers() == (before[0] + 1, before[1] + 1)
    lift("payouts.payout_rules")
    assert move(rows["payout"], "failed") is None
    assert numbers() == (before[0] + 1, before[1] + 1)


LIVE = ("intent", "unknown", "accepted", "settled")


@pytest.mark.parametrize("state", AttemptState.values)
@pytest.mark.parametrize("target", ["pending", "cancelled", "rejected"])
def test_money_is_not_given_back_while_an_attempt_may_be_at_a_bank(
    rows: Rows, state: str, target: str
) -> None:
    put(rows["busy"], "dlq")
    set_attempt(rows, state)
    give_back(rows["busy"])
    expected = Refusal(CHECK, "payout_rules") if state in LIVE else None
    assert move(rows["busy"], target) == expected


@pytest.mark.parametrize("state", LIVE)
def test_without_the_rule_money_is_given_back_while_a_bank_has_it(rows: Rows, state: str) -> None:
    put(rows["busy"], "dlq")
    set_attempt(rows, state)
    give_back(rows["busy"])
    lift("payouts.payout_rules")
    assert move(rows["busy"], "cancelled") is None


# What is known of an attempt only grows; `not_sent` may be taken up again, and a bank that has it is believed.
ATTEMPTS = {
    "intent": {"unknown", "accepted", "rejected", "not_sent", "settled"},
    "unknown": {"accepted", "rejected", "settled"},
    "not_sent": {"intent", "accepted", "settled"},
    "accepted": {"rejected", "settled"},
    "rejected": {"accepted", "settled"},  # A bank that paid after all must be believed.
    "settled": set(),
}


@pytest.mark.parametrize(("old", "new"), list(permutations(AttemptState.values, 2)))
def test_an_attempt_never_takes_back_what_is_known(rows: Rows, old: str, new: str) -> None:
    set_attempt(rows, old)
    statement = "UPDATE payout_retry_log SET state = %(new)s WHERE id = %(attempt)s"
    expected = None if new in ATTEMPTS[old] else Refusal(CHECK, "attempt_rules")
    assert refusal(statement, rows | {"new": new}) == expected
    lift("payout_retry_log.attempt_rules")
    assert refusal(statement, rows | {"new": new}) is None


HOLD_MOVES = {("active", "released"), ("active", "reversed")}


@pytest.mark.parametrize(("old", "new"), list(permutations(["active", "released", "reversed"], 2)))
def test_a_hold_is_resolved_once(rows: Rows, old: str, new: str) -> None:
    lift("payout_holds.payout_follows")  # Its payout stays open here.
    statement = (
        "UPDATE payout_holds SET status = %(new)s,"
        " resolved_at = CASE WHEN %(new)s <> 'active' THEN now() END WHERE id = %(hold)s"
    )
    if old != "active":
        assert refusal(statement, rows | {"new": old}) is None
    expected = None if (old, new) in HOLD_MOVES else Refusal(CHECK, "hold_rules")
    assert refusal(statement, rows | {"new": new}) == expected
    lift("payout_holds.hold_rules")
    assert refusal(statement, rows | {"new": new}) is None


def test_a_second_attempt_may_follow_one_that_was_refused(rows: Rows) -> None:
    set_attempt(rows, "rejected")
    changes = {"attempt_number": "2", "reference": "'another'", "state": "'intent'"}
    assert refusal(Copy("payout_retry_log", "attempt", changes), rows) is None


def test_a_settled_payout_with_a_captured_hold_passes(rows: Rows) -> None:
    put(rows["payout"], "sent")
    statement = (
        "INSERT INTO ledger_transfers (id, kind, tenant_id, payout_id, reference) VALUES"
        " (%(fresh)s, 'capture', %(tenant)s, %(payout)s, '');"
        "INSERT INTO ledger_entries (transfer_id, account_id, amount, currency)"
        " VALUES (%(fresh)s, %(pending)s, -20, 'EUR'), (%(fresh)s, %(available)s, 20, 'EUR');"
        "UPDATE payout_holds SET status = 'released', resolved_at = now() WHERE id = %(hold)s;"
        "UPDATE payouts SET status = 'settled' WHERE id = %(payout)s"
    )
    assert refusal(statement, rows | {"fresh": uuid4()}) is None
