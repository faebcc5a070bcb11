"""A bank that has forgotten what it was sent: played where it may not lead to a second payment.

`no_dedup` makes the simulated bank pay an order that it is sent again. It has promised not to, and the engine
resends because of that promise, so that the fault, set while the engine resends, would only show that a promise
was broken. Here, when nothing is under way, a network delivers an old order again, one that the bank had refused:
forgetful, it decides anew, and refuses anew. Nothing about the payout may change.
"""

from __future__ import annotations

import time

import psycopg

from tests.chaos.load import Client, Town
from tests.chaos.rig import Rig
from tests.chaos.simulator import Simulator

RAIL, PATH, KIND = "faster_payments", b"/faster_payments/", "uk_closed"
PATIENCE_S = 15.0


def forget_a_refusal(rig: Rig, simulator: Simulator, town: Town, client: Client) -> bool:
    """Whether the fault was hit: an order, refused and alone in its message, was delivered again."""
    account = next(one for one in town.accounts if one.kind == KIND)
    payout_id = client.pay_to(account)
    reference = _refused(rig.dsn, payout_id) if payout_id else None
    if reference is None:
        return False
    for request in reversed(rig.bank.passed):
        if PATH in request and reference.encode() in request:
            simulator.fault("no_dedup", rail=RAIL, count=1)
            simulator.send_raw(request)
            simulator.heal()
            time.sleep(2)  # Whatever the bank reports about it now is read.
            return simulator.hits["no_dedup"] > 0
    return False


def _refused(dsn: str, payout_id: str) -> str | None:
    """The reference under which a bank has refused it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with psycopg.connect(dsn) as connection:
            row = connection.execute(
                "SELECT a.reference FROM payouts p JOIN payout_retry_log a ON a.payout_id = p.id"
                " WHERE p.id = %s AND p.status = 'rejected'",
                [payout_id],
            ).fetchone()
        if row is not None:
            return str(row[0])
        time.sleep(0.3)
    return None
