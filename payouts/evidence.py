"""What banks said, from wherever: the only place that stores it and turns it into a status.

Statements are applied by rank: intent < unknown < accepted | rejected < settled < returned. A statement
that says less than what is known changes nothing; one that contradicts an end is stored, and an alert
asks a person. Replaying any statement changes nothing (`bank_evidence` is unique by source and position).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from payouts import bulk, clock, corrections, recall_states, retrying, states
from payouts.audit import Actor
from payouts.statements import Statement, clean
from payouts.states import TRANSITIONS, LockedPayout, Move

__all__ = ["Statement", "clean"]


@dataclass(slots=True)
class _Attempt:
    """An attempt under its payout's lock, with what the statements make of it."""

    id: UUID
    payout_id: UUID
    reference: str
    state: str
    sends: int
    crashes: int
    bank: tuple[UUID, str, str]  # The connection, its name and its rail.
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Case:
    """One payout while statements are applied: where it will be, and the steps there."""

    payout: LockedPayout
    status: str
    live: bool
    moves: list[Move] = field(default_factory=list)


# attempt state -> statements that move it, and to what. What is absent says nothing new.
ATTEMPT_MOVES: dict[str, dict[str, str]] = {
    "intent": {
        "unknown": "unknown", "accepted": "accepted", "rejected": "rejected", "not_sent": "not_sent",
        "settled": "settled", "returned": "settled",
    },
    "unknown": {
        "accepted": "accepted", "rejected": "rejected", "settled": "settled", "returned": "settled",
    },
    # A bank that has what we were certain not to have sent must be believed.
    "not_sent": {"accepted": "accepted", "settled": "settled", "returned": "settled"},
    "accepted": {"rejected": "rejected", "settled": "settled", "returned": "settled"},
    "settled": {},
    "rejected": {"settled": "settled", "returned": "settled"},  # Settled outranks refused.
}  # fmt: skip
# What breaks our own worker every time must reach a person, even when it kills the process: then whoever
# finds the claim counts the crash (outcomes.note_crash).
ENGINE_FAULTS = ("claim_lost", "prepare_failed")
POISON_TRIES = 8
# What banks say beside the status of a payment: it moves neither attempt nor payout.
BESIDE = ("correction", *recall_states.ANSWERS)
PAID_KINDS = ("accepted", "settled", "returned")
EVIDENCE_TYPES = {
    "source": "text", "source_key": "text", "position": "int", "bank_connector_id": "uuid", "attempt_id": "uuid",
    "payout_id": "uuid", "tenant_id": "uuid", "reference": "text", "kind": "text", "code": "text",
    "detail": "text", "amount": "numeric", "currency": "text", "value_date": "date", "bank_reference": "text",
    "reaction": "text", "effect": "text",
}  # fmt: skip


def record(statements: Sequence[Statement], *, actor: Actor) -> dict[str, int]:
    """Store statements and apply what is new. Returns how many had which effect.

    Effects: moved, nothing_new, contradiction, mismatch, unmatched, replayed; of what stands beside a
    status: noted, unusable (a correction that makes no account).
    """
    assert connection.in_atomic_block, "evidence is recorded inside its own transaction"  # noqa: S101
    attempts = _find_attempts(statements)
    payouts = states.lock_payouts(attempt.payout_id for attempt in attempts.values())
    attempts = _find_attempts(statements)  # Again, now that nobody else can change them.
    fresh = _not_yet_stored(statements)
    at = clock.now()
    cases = {p.id: _Case(p, p.status, p.live_attempt) for p in payouts.values()}
    effects: dict[str, int] = defaultdict(int, replayed=len(statements) - len(fresh))
    rows = []
    for statement in fresh:
        attempt = attempts.get((statement.bank_connector_id, statement.reference))
        case = cases.get(attempt.payout_id) if attempt else None
        effect = "unmatched"
        if attempt and case:
            beside = statement.kind in BESIDE
            apply = _apply_beside if beside else _apply
            effect = apply(statement, attempt, case, actor)
        effects[effect] += 1
        rows.append(_evidence_row(statement, attempt, case, effect))
    bulk.insert("bank_evidence", EVIDENCE_TYPES, rows)
    _write_attempts([a for a in attempts.values() if a.columns])
    _run_moves(list(cases.values()), actor=actor, at=at)
    return dict(effects)


def _find_attempts(statements: Sequence[Statement]) -> dict[tuple[UUID, str], _Attempt]:
    keys = sorted({(s.bank_connector_id, s.reference) for s in statements})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.bank_connector_id, a.reference, a.id, a.payout_id, a.state, a.sends, a.crashes,"
            " a.connector, a.rail FROM payout_retry_log a"
            " JOIN unnest(%s::uuid[], %s::text[]) AS w (connector, reference)"
            " ON a.bank_connector_id = w.connector AND a.reference = w.reference",
            [[key[0] for key in keys], [key[1] for key in keys]],
        )
        return {
            (row[0], row[1]): _Attempt(
                row[2], row[3], row[1], row[4], row[5], row[6], (row[0], *row[7:])
            )
            for row in cursor.fetchall()
        }


def _not_yet_stored(statements: Sequence[Statement]) -> list[Statement]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source_key, position FROM bank_evidence WHERE source_key = ANY(%s)",
            [sorted({s.source_key for s in statements})],
        )
        known = set(cursor.fetchall())
    return [s for s in statements if (s.source_key, s.position) not in known]


def _apply_beside(statement: Statement, attempt: _Attempt, case: _Case, actor: Actor) -> str:
    """A correction of the account, or an answer to a recall. Returns the effect."""
    if statement.kind == "correction":
        return corrections.apply(
            case.payout,
            attempt_id=attempt.id,
            code=statement.code,
            corrected=statement.corrected,
            actor=actor,
        )
    news = recall_states.answer(
        case.payout,
        kind=statement.kind,
        code=statement.code,
        reference=statement.recall_reference,
        actor=actor,
    )
    return "noted" if news else "nothing_new"


def _apply(statement: Statement, attempt: _Attempt, case: _Case, actor: Actor) -> str:
    """Apply one statement to an attempt and its payout. Returns the effect."""
    if statement.kind in PAID_KINDS and not _same_money(statement, case.payout):
        return _freeze(statement, attempt, case)
    if case.payout.frozen and statement.kind in PAID_KINDS and not _names_money(statement):
        return "nothing_new"
    if case.status in ("cancelled", "rejected") and statement.kind in PAID_KINDS:
        return "contradiction"
    if attempt.state == "rejected" and (statement.kind == "accepted" or case.live):
        return "contradiction" if statement.kind in PAID_KINDS else "nothing_new"
    if attempt.state == "settled" and statement.kind == "rejected":
        return "contradiction"
    if case.status == "returned" and statement.kind == "settled" and statement.code:
        # With a reason: a return that was not taken. The payee keeps what the merchant has back.
        return "contradiction"
    if attempt.state == "not_sent" and case.live and statement.kind in PAID_KINDS:
        return "contradiction"  # Another attempt lives: a person must look at both.
    new_state = ATTEMPT_MOVES[attempt.state].get(statement.kind)
    steps = _steps(statement, attempt, case)
    if new_state is None and not steps:
        return "nothing_new"
    if new_state is not None:
        _note_attempt(statement, attempt, new_state)
        case.live = new_state in ("intent", "unknown", "accepted", "settled")
    # It may have been given to another bank meanwhile; the one that has it is the one whose money leaves.
    back = states.give_back_to(case.payout, attempt.bank) if case.live else {}
    for to, columns in steps:
        _step(case, statement, to, columns | back | _recall_columns(statement, case, to))
        if "next_retry_at" in columns and attempt.columns:
            attempt.columns["next_retry_at"] = columns["next_retry_at"]
    return "moved"


def _recall_columns(statement: Statement, case: _Case, to: str) -> dict[str, Any]:
    """Money that is back ends a recall; so does an order that was refused: there is nothing to ask back."""
    if to not in ("returned", "rejected", "cancelled") or not recall_states.is_open(case.payout):
        return {}
    state = "returned" if to == "returned" else "refused"
    return recall_states.end(case.payout, state=state, code=statement.code)


def _same_money(statement: Statement, payout: LockedPayout) -> bool:
    if statement.amount is not None and statement.amount != payout.amount:
        return False
    return not statement.currency or statement.currency == payout.currency


def _names_money(statement: Statement) -> bool:
    """What two people have read in a bank's letter is about this very order and its money."""
    return statement.amount is not None or statement.source == "letter"


def _freeze(statement: Statement, attempt: _Attempt, case: _Case) -> str:
    """A bank that names other money than we asked for: nothing automatic happens to this payout any more."""
    # The bank has something: whatever was believed, this attempt is live now, so nobody retries or cancels.
    if attempt.state == "intent":
        _note_attempt(statement, attempt, "unknown")
    elif attempt.state in ("not_sent", "rejected") and not case.live:
        _note_attempt(statement, attempt, "accepted")
    case.live = True
    if case.status == "pending":
        _step(case, statement, "processing", {})
    if "dlq" in TRANSITIONS[case.status]:
        _step(
            case,
            statement,
            "dlq",
            {"last_error_code": "bank_mismatch", "last_error": "the bank names other money"},
        )
    return "mismatch"


def _steps(
    statement: Statement, attempt: _Attempt, case: _Case
) -> list[tuple[str, dict[str, Any]]]:
    """The statuses a statement leads a payout through, with the columns each step writes."""
    kind, status = statement.kind, case.status
    if kind == "unknown":
        doubtful = status == "processing" and attempt.state in ("intent", "unknown")
        return [("in_doubt", _error(statement))] if doubtful else []
    if kind == "not_sent":
        return _not_sent_steps(statement, attempt, case)
    if kind == "rejected":
        return _rejection_steps(statement, attempt, case)
    if kind == "settled" and attempt.state == "settled":
        return []
    to = "sent" if kind == "accepted" else kind
    if kind == "accepted" and attempt.state not in ("intent", "unknown", "not_sent"):
        return []
    columns = _success_columns(statement)
    if to in TRANSITIONS[status]:
        return [(to, columns)]
    if (
        status == "failed"
    ):  # Believed unsent, but the bank has it: the table's way leads through the dlq.
        return [("dlq", {}), (to, columns)]
    if status == "pending":  # A person had asked for a retry meanwhile.
        return [("processing", {}), (to, columns)]
    return []


def _not_sent_steps(
    statement: Statement, attempt: _Attempt, case: _Case
) -> list[tuple[str, dict[str, Any]]]:
    """Certainly not sent this time. If an earlier send of the same bytes is in doubt, it stays in doubt."""
    if attempt.state == "unknown":
        return [("in_doubt", _error(statement))] if case.status == "processing" else []
    if attempt.state != "intent" or case.status not in ("processing", "in_doubt"):
        return []
    if statement.reaction == "repair" and not case.payout.cancel_requested:
        return [("dlq", _error(statement))]
    if case.payout.cancel_requested:
        return [("failed", _error(statement)), ("cancelled", {})]
    if statement.code in ENGINE_FAULTS and attempt.crashes >= POISON_TRIES:
        return [("dlq", _error(statement))]
    again_at_once = statement.code == "claim_lost" and attempt.sends <= 2
    delay = 0.0
    if not again_at_once:
        delay = retrying.wait_s(case.payout, attempt.sends, asked_s=statement.retry_after_s)
    return [("failed", {"next_retry_at": _in(delay), **_error(statement)})]


def _rejection_steps(
    statement: Statement, attempt: _Attempt, case: _Case
) -> list[tuple[str, dict[str, Any]]]:
    """Finally refused: what follows is data (`reaction`), the limit of retries and an open wish to cancel."""
    if attempt.state not in ("intent", "unknown", "accepted"):
        return []
    status, error = case.status, _error(statement)
    retries = case.payout.retry_count
    # What was to be cancelled, or was asked back, is not sent anew.
    unwanted = case.payout.cancel_requested or recall_states.is_open(case.payout)
    if unwanted and status in ("processing", "in_doubt", "sent"):
        return [("failed", error), ("cancelled", {})]
    if statement.reaction == "refuse" and "rejected" in TRANSITIONS[status]:
        return [("rejected", error)]
    if status == "dlq":
        return [("cancelled", {})] if unwanted else []
    if statement.reaction == "fund_first" and "failed" in TRANSITIONS[status]:
        # Our own purse is empty: no fault of the payout's, so none of its retries are spent on it.
        delay = retrying.fund_wait_s(statement.retry_after_s)
        return [("failed", {"next_retry_at": _in(delay), **error})]
    wants_retry = statement.reaction in ("retry", "retry_other_rail")
    if wants_retry and retries < case.payout.max_retries and "failed" in TRANSITIONS[status]:
        delay = retrying.wait_s(case.payout, retries + 1, asked_s=statement.retry_after_s)
        return [("failed", {"next_retry_at": _in(delay), "retry_count": retries + 1, **error})]
    return [("dlq", error)] if "dlq" in TRANSITIONS[status] else []


def _success_columns(statement: Statement) -> dict[str, Any]:
    columns: dict[str, Any] = {"last_error": "", "last_error_code": ""}
    if statement.bank_reference:
        columns["bank_reference"] = statement.bank_reference
    if statement.kind == "returned":
        columns |= {
            "return_code": statement.code,
            "last_error_code": statement.code,
            "last_error": statement.detail,
        }
    if statement.final_on is not None:
        final = datetime.combine(statement.final_on, datetime.max.time(), tzinfo=clock.now().tzinfo)
        columns["settlement_final_at"] = final
    return columns


def _step(case: _Case, statement: Statement, to: str, columns: dict[str, Any]) -> None:
    data = {"source": statement.source, "evidence": statement.kind, "code": statement.code}
    case.moves.append(
        Move(payout=case.payout, to=to, reason=statement.code, data=data, columns=columns)
    )
    case.status = to


def _note_attempt(statement: Statement, attempt: _Attempt, new_state: str) -> None:
    attempt.state = new_state
    attempt.columns |= {"state": new_state}
    if statement.kind in ("rejected", "unknown", "not_sent"):
        attempt.columns |= {
            "error_class": statement.kind, "error_code": statement.code, "error_message": statement.detail,
        }  # fmt: skip
    if statement.bank_reference:
        attempt.columns["bank_reference"] = statement.bank_reference


def _error(statement: Statement) -> dict[str, Any]:
    return {"last_error": statement.detail, "last_error_code": statement.code}


def _in(seconds: float) -> datetime:
    return clock.technical_now() + timedelta(seconds=seconds)


def _evidence_row(
    statement: Statement, attempt: _Attempt | None, case: _Case | None, effect: str
) -> dict[str, Any]:
    row = {name: getattr(statement, name, None) for name in EVIDENCE_TYPES}
    spoke = statement.kind in ("rejected", "returned")
    amount, detail = statement.as_written()
    return row | {
        "amount": amount,
        "detail": detail,
        "reaction": statement.reaction if spoke else "",
        "attempt_id": attempt.id if attempt else None,
        "payout_id": attempt.payout_id if attempt else None,
        "tenant_id": case.payout.tenant_id if case else None,
        "effect": effect,
    }


def _write_attempts(attempts: Sequence[_Attempt]) -> None:
    """Attempt states first: the trigger on payouts looks at them."""
    if not attempts:
        return
    names = ["error_class", "error_code", "error_message", "bank_reference", "next_retry_at"]
    values = [[a.columns.get(name) for a in attempts] for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payout_retry_log a SET state = v.state, updated_at = clock_timestamp(),"
            " error_class = coalesce(v.error_class, a.error_class), error_code = coalesce(v.error_code, a.error_code),"
            " error_message = coalesce(v.error_message, a.error_message),"
            " bank_reference = coalesce(v.bank_reference, a.bank_reference), next_retry_at = v.next_retry_at"
            " FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])"
            " AS v (id, state, error_class, error_code, error_message, bank_reference, next_retry_at)"
            " WHERE a.id = v.id",
            [[a.id for a in attempts], [a.columns["state"] for a in attempts], *values],
        )


def _run_moves(cases: Sequence[_Case], *, actor: Actor, at: datetime) -> None:
    """Run every payout's first step together, then every second one, and so on."""
    depth = max((len(case.moves) for case in cases), default=0)
    for n in range(depth):
        moves = [case.moves[n] for case in cases if len(case.moves) > n]
        states.transition(moves, actor=actor, at=at)


def digest(body: bytes) -> bytes:
    """What makes a document from a bank the same document."""
    return hashlib.sha256(body).digest()
