"""The second half of the demo: what operators see and do. Through the front doors, like everything in `scenario`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ops.scenario import DAY_S, NotAsExpected, Scenario

TRANSIENT = "ED05"  # Settlement failed; tried again.
BUSY_HITS = 200  # More than anybody will send until the breaker is open.


def daily_batch(demo: Scenario) -> str:
    """Payouts that wait for their batch go together when business time passes its fire time."""
    ids = [
        demo.pay(demo.beneficiaries["iban"], amount, priority="batch") for amount in ("40", "41")
    ]
    for payout_id in ids:
        demo.wait(payout_id, "scheduled", seconds=5)
    demo.bank.call("POST", "/_sim/clock", {"advance_seconds": DAY_S})
    ended = [demo.settle(payout_id) for payout_id in ids]
    runs = {payout["batch_id"] for payout in ended}
    demo.expect(len(runs) == 1 and None not in runs, f"the payouts are in runs {runs}")
    return f"2 payouts in one run, both {ended[0]['status']}"


def late(demo: Scenario) -> str:
    """A promise that passes unfulfilled is marked once, with an alert that a person resolves."""
    demo.fault({"rail": "ach", "fault": "silent"})
    payout_id = demo.pay(demo.beneficiaries["us_bank"], "55.00")
    demo.wait(payout_id, "sent")
    demo.bank.call("POST", "/_sim/clock", {"advance_seconds": 9 * DAY_S})
    _until(lambda: demo.engine.get_payout(payout_id)["sla_violated"], "nobody saw that it is late")
    alert = _until(lambda: _alert(demo, payout_id, "sla_violation"), "there is no alert")
    demo.expect(alert["severity"] == "high", f"its severity is {alert['severity']}")
    demo.bank.call("DELETE", "/_sim/faults")
    ended = demo.settle(payout_id)
    resolved = demo.operator.call(
        "POST",
        f"/api/payouts/ops/alerts/{alert['id']}/resolve",
        {"reason": "The bank was silent and has caught up"},
    )
    demo.expect(resolved.status == 200, f"resolve answered {resolved.status}: {resolved.body}")
    return f"marked late, alert {alert['severity']}, {ended['status']} after all, alert resolved"


def through_the_dlq(demo: Scenario) -> str:
    """Refused until the retries are used up; an operator mends the cause and tries again."""
    demo.fault({"fault": "reject", "code": TRANSIENT, "count": 4})  # on whichever rail it takes
    payout_id = demo.pay(demo.beneficiaries["iban"], "66.00")
    dead = demo.wait(payout_id, "dlq")
    demo.expect(dead["retry_count"] == 3, f"it was retried {dead['retry_count']} times")
    demo.bank.call("DELETE", "/_sim/faults")
    answer = demo.operator.call(
        "POST", f"/api/payouts/{payout_id}/retry", {"reason": "The bank's settlement works again"}
    )
    demo.expect(answer.status == 200, f"retry answered {answer.status}: {answer.body}")
    ended = demo.settle(payout_id)
    return f"3 retries, dlq with code {dead['last_error_code']}, retried by hand, {ended['status']}"


def route_with_a_reason(demo: Scenario) -> str:
    """Why a payout goes the way it goes: what was weighed, and what was chosen."""
    body = demo.body(demo.beneficiaries["us_bank"], "90.00")
    answer = demo.operator.call("POST", "/api/payouts/quote", body)
    demo.expect(answer.status == 200, f"quote answered {answer.status}: {answer.body}")
    quote = answer.body["quote"]
    payout = demo.operator.get_payout(demo.pay(demo.beneficiaries["us_bank"], "90.00"))
    demo.expect(payout["rail"] == quote["rail"], f"quoted {quote['rail']}, took {payout['rail']}")
    demo.expect(payout["sira_routing_score"] is not None, "the choice has no score")
    ways = ", ".join(f"{c['connector']} {c['refused'] or 'able'}" for c in quote["candidates"])
    return f"{quote['routing_reason']} (score {payout['sira_routing_score']}; {ways})"


def connector_down(demo: Scenario) -> str:
    """A bank that does not answer: its breaker opens, what was not sent waits, and it closes again."""
    demo.fault({"rail": "ach", "fault": "busy", "count": BUSY_HITS})
    ids = [demo.pay(demo.beneficiaries["us_bank"], f"{7 + n}.00") for n in range(3)]
    down = _until(lambda: _health(demo, "default:ach", healthy=False), "the breaker stays closed")
    demo.bank.call("DELETE", "/_sim/faults")
    _until(lambda: _health(demo, "default:ach", healthy=True), "the breaker does not close")
    ended = [demo.settle(payout_id) for payout_id in ids]
    return (
        f"breaker {down['breaker']} ({down['message']}), closed again, {len(ended)} payouts settled"
    )


STEPS: tuple[tuple[str, Callable[[Scenario], str]], ...] = (
    ("a daily batch: payouts wait for it and go together", daily_batch),
    ("late: the promise passes, an alert is raised and resolved", late),
    ("retries, dead-letter queue, and out again by hand", through_the_dlq),
    ("a route is chosen, with its reason", route_with_a_reason),
    ("a connector goes down: breaker open, then closed", connector_down),
)


def _until(look: Callable[[], Any], otherwise: str, *, seconds: float = 45) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise NotAsExpected(otherwise)
        time.sleep(0.2)
    return found


def _alert(demo: Scenario, payout_id: str, alert_type: str) -> dict[str, Any] | None:
    path = f"/api/payouts/ops/alerts?payout_id={payout_id}&alert_type={alert_type}&resolved=false"
    alerts: list[dict[str, Any]] = demo.operator.call("GET", path).body["alerts"]
    demo.expect(len(alerts) < 2, f"{len(alerts)} alerts for one payout")
    return alerts[0] if alerts else None


def _health(demo: Scenario, key: str, *, healthy: bool) -> dict[str, Any] | None:
    told = demo.operator.call("GET", "/api/payouts/connectors/health").body["connectors"][key]
    found: dict[str, Any] | None = told if told["healthy"] is healthy else None
    return found
