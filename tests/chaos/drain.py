"""After healing: time passes at the bank, operators help where somebody must, until nothing is under way."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from tests.chaos.journal import Trace
from tests.chaos.load import FINANCE, Asked, Client, Heard, Town, send
from tests.chaos.rig import Rig
from tests.chaos.simulator import DAY_S, Simulator

ENDS = ("settled", "rejected", "cancelled", "returned", "dlq")
STEP_S = 1.5
DAYS_S = 2 * DAY_S  # In each step.
QUIET_STEPS = 2  # After the last settlement: what comes back comes within them.
OPERATOR = 1000  # The clients' log knows it by this number.


def open_payouts(dsn: str) -> dict[str, int]:
    """Payouts by status that have not come to an end."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT status, count(*) FROM payouts WHERE NOT status = ANY(%s) GROUP BY 1",
            [list(ENDS)],
        )
        return dict(rows.fetchall())


def drain(
    rig: Rig,
    simulator: Simulator,
    town: Town,
    clients: list[Client],
    *,
    trace: Trace,
    limit_s: float,
) -> bool:
    """Whether everything has come to an end within the limit."""
    deadline = time.monotonic() + limit_s
    operator = _Operator(rig, town)
    quiet = 0
    while time.monotonic() < deadline:
        operator.help()
        simulator.advance(DAYS_S)
        time.sleep(STEP_S)
        talking, unfinished = sum(client.is_alive() for client in clients), open_payouts(rig.dsn)
        trace.note("drain", "step", talking=talking, open=unfinished)
        if talking or unfinished:
            quiet = 0
            continue
        quiet += 1
        if quiet > QUIET_STEPS and _returns_are_known(rig.dsn, simulator):
            return True
    return False


def _returns_are_known(dsn: str, simulator: Simulator) -> bool:
    returned = {r["payout_id"] for r in simulator.records() if r["state"] == "returned"}
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT id::text FROM payouts WHERE status = 'returned'")
        return returned <= {row[0] for row in rows}


class _Operator:
    """Approves what waits for a second person, and tries again what is dead, once."""

    def __init__(self, rig: Rig, town: Town) -> None:
        self.rig, self.town = rig, town
        self.retried: set[str] = set()

    def help(self) -> None:
        with psycopg.connect(self.rig.dsn) as connection:
            rows = connection.execute(
                "SELECT p.id::text, p.tenant_id::text, p.status FROM payouts p WHERE p.status = 'requires_approval'"
                " OR (p.status = 'dlq' AND NOT EXISTS (SELECT FROM payout_retry_log a WHERE a.payout_id = p.id"
                " AND a.state IN ('intent', 'unknown', 'accepted', 'settled')))"
            ).fetchall()
        for payout_id, tenant, status in rows:
            if status == "requires_approval":
                heard = self._act("approve", payout_id, tenant, None)
                if (
                    heard.status == 409
                ):  # Days have passed meanwhile: an approval would come too late.
                    self._act("cancel", payout_id, tenant, {"reason": "nobody approved it in time"})
            elif payout_id not in self.retried:
                self.retried.add(payout_id)
                self._act("retry", payout_id, tenant, {"reason": "the banks are well again"})

    def _act(self, verb: str, payout_id: str, tenant: str, body: Any) -> Heard:
        asked = Asked(
            verb=verb, method="POST", path=f"/api/payouts/{payout_id}/{verb}", tenant=tenant, role=FINANCE,
            user="44444444-4444-4444-8444-444444444444", body=body, payout_id=payout_id,
        )  # fmt: skip
        return send(self.town, OPERATOR, asked)
