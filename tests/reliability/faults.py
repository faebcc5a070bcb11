"""Faults F01 to F62: what is done to the engine, what must come of it, and the tests that show it."""

from __future__ import annotations

from tests.reliability import Proof, Waits

RACES = "tests/test_api_races.py"
DISPATCH = "tests/test_dispatch.py"
ATTACKS = "tests/test_attacks.py"
HTTP = "tests/test_connectors_http.py"
CONTRACT = "tests/test_connectors_contract.py"
EVIDENCE = "tests/test_evidence.py"
FAILOVER = "tests/test_failover.py"

WEBHOOKS = Waits(what="POST /api/bank-events/{connector}", path="payouts/api/urls.py::bank-events")


def _under_way(name: str) -> Proof:
    waits = Waits(what="its test", path=f"tests/test_faults_{name}.py")
    return Proof(id=name, says="", waits=waits)


ROWS: tuple[Proof, ...] = (
    *map(_under_way, ("F01", "F02", "F03")),
    Proof(
        id="F04",
        says="50 creates at once with one key: one payout, one hold, 49 replays.",
        tests=(
            f"{RACES}::test_fifty_creates_with_one_key_make_one_payout",
            f"{RACES}::test_without_the_unique_key_that_race_is_lost",
        ),
    ),
    Proof(
        id="F05",
        says="50 at once with one key and 50 bodies: one payout, 49 refused by idempotency_key_reused.",
        tests=(f"{RACES}::test_fifty_requests_with_one_key_make_the_first_one",),
    ),
    Proof(
        id="F06",
        says="50 at once with money for 3: exactly 3, the balance never below zero.",
        tests=(
            f"{RACES}::test_money_for_three_pays_exactly_three_of_fifty",
            f"{RACES}::test_without_the_condition_on_the_balance_more_are_paid",
        ),
    ),
    *map(
        _under_way,
        ("F07", "F08", "F09", "F10", "F11", "F12", "F13", "F14", "F15", "F16", "F17"),
    ),
    Proof(
        id="F18",
        says="The bank accepts and answers after we gave up: asked for, found, sent, booked once.",
        tests=(f"{DISPATCH}::test_an_order_that_was_booked_but_not_answered_is_found_by_asking",),
    ),
    Proof(
        id="F19",
        says="The bank books long after it said it knew nothing: the same reference again, booked once.",
        tests=(f"{DISPATCH}::test_an_order_booked_late_is_sent_again_under_the_same_reference",),
    ),
    Proof(
        id="F20",
        says="The bank cuts the connection after booking: asked for, found, sent, booked once.",
        tests=(f"{DISPATCH}::test_an_order_that_was_booked_but_not_answered_is_found_by_asking",),
    ),
    *map(_under_way, (f"F{n}" for n in range(21, 29))),
    Proof(id="F29", says="A bank's webhook ten times: one transition.", waits=WEBHOOKS),
    *map(_under_way, ("F30", "F31")),
    Proof(id="F32", says="A signed webhook about nobody: kept, alert, no change.", waits=WEBHOOKS),
    Proof(id="F33", says="A webhook with a bad signature or an old time: 401.", waits=WEBHOOKS),
    *map(_under_way, (f"F{n}" for n in range(34, 39))),
    *map(_under_way, (f"F{n}" for n in range(39, 53))),
    Proof(
        id="F53",
        says="A cancel races with a claim: cancelled without an attempt, or 202; never both.",
        tests=(
            f"{RACES}::test_a_cancelled_payout_is_never_at_a_bank",
            f"{RACES}::test_a_cancellation_waits_for_a_claim_that_is_under_way",
            f"{RACES}::test_without_the_row_lock_only_the_database_stops_it",
        ),
    ),
    *map(_under_way, ("F54", "F55", "F61", "F62")),
)
