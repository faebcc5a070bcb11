"""Engines that are wrong in one plausible way each. The proof is believed because it catches every one of them.

A mutant is a few cuts in a copy of the sources (a copy makes its own database, so migrations are text too).
It starts, and pays whoever is paid without trouble; under faults it pays twice, or loses, or forgets. Where a
rule is held twice, in Python and by the database, both have to go before anything can be wrong at all.

`options` let the chaos run meet its weak spot soon; the engine as it is passes with the same options.
`caught_by` are the invariants of which at least one must be named.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.specification import Cut

# Orders that the bank has booked and nobody was told so.
DOUBT = "simulator.cut,simulator.late_answer,simulator.garbage,bank.swallow,bank.first_byte"


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    says: str
    caught_by: tuple[str, ...]
    cuts: tuple[Cut, ...]
    options: tuple[str, ...]


def only(faults: str, *more: str, often: int = 4, seconds: int = 30) -> tuple[str, ...]:
    """Options that meet it soon. Killing is left out: on a slow machine a worker that dies often does nothing wrong."""
    return ("--only", faults, "--often", str(often), "--seconds", str(seconds), *more)


NO_TRIGGER = Cut(  # Whatever its function says, and however often a later migration replaces that.
    path="payouts/migrations/0003_rules.py",
    old="CREATE TRIGGER payout_rules BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE",
    new="CREATE TRIGGER payout_rules BEFORE UPDATE ON payouts FOR EACH ROW WHEN (false) EXECUTE",
)

NEW_REFERENCE = Mutant(
    "new_reference",
    "after a time-out it sends the payment again under a new reference",
    ("I22", "I23"),
    (
        Cut(
            path="payouts/evidence.py",
            old='"unknown": "unknown", "accepted": "accepted", "rejected": "rejected", "not_sent": "not_sent",',
            new='"unknown": "rejected", "accepted": "accepted", "rejected": "rejected", "not_sent": "not_sent",',
        ),
        Cut(
            path="payouts/evidence.py",
            old='return [("in_doubt", _error(statement))] if doubtful else []',
            new='return [("failed", {"next_retry_at": _in(1), **_error(statement)})] if doubtful else []',
        ),
    ),
    only(DOUBT),
)

TIMEOUT_IS_FAILURE = Mutant(
    "timeout_is_failure",
    "it takes a time-out for a refusal and gives the hold back",
    ("I23",),
    (
        Cut(
            path="payouts/evidence.py",
            old='"unknown": "unknown", "accepted": "accepted", "rejected": "rejected", "not_sent": "not_sent",',
            new='"unknown": "rejected", "accepted": "accepted", "rejected": "rejected", "not_sent": "not_sent",',
        ),
        Cut(
            path="payouts/evidence.py",
            old='return [("in_doubt", _error(statement))] if doubtful else []',
            new='return [("rejected", _error(statement))] if doubtful else []',
        ),
    ),
    only(DOUBT),
)

NOT_FOUND_IS_BELIEVED = Mutant(
    "not_found_is_believed",
    "a bank that does not know an order yet is believed: the payment starts anew",
    ("I22", "I23"),
    (
        Cut(
            path="payouts/doubt.py",
            old="if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED):",
            new="if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.NOT_FOUND):",
        ),
        Cut(
            path="payouts/evidence.py",
            old='"settled": "settled", "returned": "settled",\n    },\n    # A bank that has',
            new='"settled": "settled", "returned": "settled",\n        "not_found": "rejected",\n'
            "    },\n    # A bank that has",
        ),
        Cut(
            path="payouts/evidence.py",
            old='    if kind == "rejected":\n        return _rejection_steps',
            new='    if kind in ("rejected", "not_found"):\n        return _rejection_steps',
        ),
    ),
    only("simulator.late_booking"),
)

CALL_IN_TRANSACTION = Mutant(
    "call_in_transaction",
    "it calls the bank inside the transaction that claims: a crash forgets what was sent",
    ("I22", "I23"),
    (
        Cut(
            path="payouts/dispatch.py",
            old="    while time.monotonic() < until and (claim := claim_due(bank)) is not None:\n"
            '        doorbell.ring_now("dispatch")  # Somebody else can take the next while we wait for the bank.\n'
            "        told += len(claim.payout_ids)\n        carry(bank, claim)\n    return told\n",
            new="    while time.monotonic() < until:\n        with transaction.atomic():\n"
            "            connection.atomic_blocks[-1]._from_testcase = True  # Durable blocks do not mind.\n"
            "            if (claim := claim_due(bank)) is None:\n                return told\n"
            "            told += len(claim.payout_ids)\n            carry(bank, claim)\n    return told\n",
        ),
    ),
    only("simulator.late_answer,bank.swallow,bank.delay"),
)

TWO_LIVE_ATTEMPTS = Mutant(
    "two_live_attempts",
    "nothing keeps a payout that may be at a bank from being told to one again",
    ("I06", "I22"),
    (
        Cut(
            path="payouts/migrations/0002_tables.py",
            old='fields=("payout",),\n                name="payout_retry_log_one_live_attempt",',
            new='fields=("payout", "attempt_number"),\n                name="payout_retry_log_one_live_attempt",',
        ),
        NO_TRIGGER,
        Cut(
            path="payouts/verdicts.py",
            old='    if payout.live_attempt:\n        return Refused(payout.id, PayoutError("outcome_unknown"))\n',
            new="",
        ),
        Cut(
            path="payouts/dispatch.py",
            old="if p.currency == payouts[0].currency and not p.live_attempt]",
            new="if p.currency == payouts[0].currency]",
        ),
        Cut(
            path="payouts/failover.py",
            old="(a.state IN ('intent', 'unknown', 'accepted', 'settled')\"\n    \" OR t.state = 'sending'))\"",
            new='false)"',
        ),
    ),
    only("simulator.wrong_amount,bank.swallow", often=12),
)

IDEMPOTENCY_IN_REDIS = Mutant(
    "idempotency_in_redis",
    "only Redis remembers which keys were used",
    ("I25",),
    (
        Cut(
            path="payouts/creation.py",
            old="    if missing:\n        with connection.cursor() as cursor:",
            new="    if not keycache._usable():\n        with connection.cursor() as cursor:",
        ),
        Cut(
            path="payouts/creation.py",
            old='conflict="(tenant_id, external_id)"',
            new='conflict="(id)"',
        ),
        Cut(
            path="payouts/migrations/0002_tables.py",
            old='fields=("tenant_id", "external_id"), name="payouts_idempotency_key"',
            new='fields=("tenant_id", "external_id", "id"), name="payouts_idempotency_key"',
        ),
    ),
    only("valkey.flush,database.commit_after"),
)

LOST_LEASE_LOSES_EVIDENCE = Mutant(
    "lost_lease_loses_evidence",
    "what a bank said to a worker that lost its lease is thrown away",
    ("I18",),
    (
        Cut(
            path="payouts/outcomes.py",
            old="SELECT sends, state = 'sending' AND lease_token IS DISTINCT FROM %s FROM",
            new="SELECT sends, NOT coalesce(lease_until > clock_timestamp(), false), %s::uuid FROM",
        ),
        Cut(
            path="payouts/outcomes.py",
            old="            sends, others_send = cursor.fetchone()\n",
            new="            sends, late, _ = cursor.fetchone()\n            others_send = False\n"
            '        if source == "answer" and late:\n            return\n',
        ),
    ),
    only("stop.worker,bank.swallow,simulator.late_answer", often=8, seconds=14),
)

HOLD_EXPIRES_IN_FLIGHT = Mutant(
    "hold_expires_in_flight",
    "a hold ends by time although the payment may be at a bank",
    ("I08", "I23"),
    (
        Cut(
            path="payouts/creation.py",
            old="at + timedelta(hours=settings.APPROVAL_TTL_H)\n            for draft in created\n"
            "            if draft.status == Status.REQUIRES_APPROVAL\n",
            new="at + timedelta(seconds=2)\n            for draft in created\n",
        ),
        Cut(
            path="payouts/migrations/0013_second_person.py",
            old="WHERE h.payout_id = w.payout_id AND h.expires_at IS NOT NULL;",
            new="WHERE false;",
        ),
        Cut(
            path="payouts/funds.py",
            old='"UPDATE payout_holds SET expires_at = NULL WHERE payout_id = ANY(%s) AND expires_at IS NOT NULL"',
            new='"SELECT %s::uuid[]"',
        ),
        Cut(
            path="payouts/lifecycle.py",
            old="\" AND p.status IN ('requires_approval', 'scheduled', 'pending')\"\n"
            '        " AND NOT EXISTS (SELECT FROM payout_retry_log a WHERE a.payout_id = p.id)"\n',
            new="\" AND p.status IN ('pending', 'in_doubt', 'failed')\"\n",
        ),
        Cut(
            path="payouts/states.py",
            old='{"sent", "settled", "failed", "rejected", "returned", "processing", "dlq"}',
            new='{"sent", "settled", "failed", "rejected", "returned", "processing", "dlq", "cancelled"}',
        ),
        NO_TRIGGER,
        Cut(
            path="payouts_project/settings.py",
            old='"payouts.tasks.expire_payouts", "schedule": 60.0}',
            new='"payouts.tasks.expire_payouts", "schedule": 1.0}',
        ),
    ),
    only(DOUBT),
)

CAPTURED_AT_SENT = Mutant(
    "captured_at_sent",
    "the money leaves the merchant's hold when the bank takes the order, not when it has paid",
    ("I04", "I05"),
    (
        Cut(
            path="payouts/funds.py",
            old='c for c, old, new in changes if new == "settled" or (new == "returned" and old != "settled")',
            new='c for c, old, new in changes if new == "sent" or (new in ("settled", "returned")'
            ' and old not in ("sent", "settled"))',
        ),
        Cut(
            path="payouts/migrations/0008_watching.py",
            old="FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION hold_payout_follows",
            new="FOR EACH ROW WHEN (false) EXECUTE FUNCTION hold_payout_follows",
        ),
    ),
    only("simulator.return", seconds=10),
)

BALANCE_UNCHECKED = Mutant(
    "balance_unchecked",
    "nobody looks whether the merchant has the money",
    ("I03",),
    (
        Cut(
            path="ledger/book.py",
            old='            " AND b.available + d.available >= 0 AND b.held + d.held >= 0",\n',
            new='            "",\n',
        ),
        Cut(
            path="ledger/migrations/0001_initial.py",
            old='condition=models.Q(("available__gte", 0)),',
            new='condition=models.Q(("available__lt", 10**15)),',
        ),
    ),
    only("simulator.return", seconds=30),
)

MUTANTS = (
    NEW_REFERENCE,
    TIMEOUT_IS_FAILURE,
    NOT_FOUND_IS_BELIEVED,
    CALL_IN_TRANSACTION,
    TWO_LIVE_ATTEMPTS,
    IDEMPOTENCY_IN_REDIS,
    LOST_LEASE_LOSES_EVIDENCE,
    HOLD_EXPIRES_IN_FLIGHT,
    CAPTURED_AT_SENT,
    BALANCE_UNCHECKED,
)
