"""Every rail from end to end, for the demo: what settles, what is refused, what comes back, what can be asked back.

Payouts of all rails travel together, so that the tour takes as long as its slowest rail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ops.scenario import DAY_S, NotAsExpected, Scenario

US = {"type": "us_bank", "currency": "USD", "routingNumber": "021000021", "accountType": "checking"}
UK = {"type": "uk_bank", "currency": "GBP", "sortCode": "089999"}
WALLET = {"type": "mobile_money", "currency": "XOF"}
IBANS = {"": "DE89370400440532013000", "401": "DE08370400440000000401", "701": "DE56370400440000000701"}  # fmt: skip
UK_ACCOUNTS = {"": "66374958", "401": "90004401", "701": "90005701"}
REFUSED, COMES_BACK = (
    "401",
    "701",
)  # The ends of account numbers with these outcomes, on every rail.
TOUR_S = 90.0
DAY_TAKES_S = 1.6  # A little more than banks are asked for reports (REPORT_POLL_S) here.


@dataclass(frozen=True, slots=True)
class Way:
    """One rail, or one operator of it. `account` makes the account whose number ends as asked ("": an ordinary one)."""

    name: str
    rail: str
    method: str
    country: str
    amount: str
    account: Callable[[str], dict[str, str]]
    recalls: bool  # Money that has settled can be asked back.


def _us(end: str) -> dict[str, str]:
    return {**US, "accountNumber": f"900000000{end}" if end else "123456789012"}


def _uk(end: str) -> dict[str, str]:
    return {**UK, "accountNumber": UK_ACCOUNTS[end]}


def _iban(end: str) -> dict[str, str]:
    return {"type": "iban", "currency": "EUR", "iban": IBANS[end]}


def _wallet(prefix: str, **more: str) -> Callable[[str], dict[str, str]]:
    return lambda end: {**WALLET, **more, "msisdn": f"{prefix}{end or '001'}"}


WAYS = (
    Way("ACH", "ach", "bank_transfer", "US", "20.00", _us, True),
    Way("wire", "wire", "wire", "US", "21.00", _us, True),
    Way("RTP", "rtp", "instant_transfer", "US", "22.00", _us, True),
    Way("SEPA", "sepa", "bank_transfer", "DE", "23.00", _iban, True),
    Way("SEPA Instant", "sepa_instant", "instant_transfer", "DE", "24.00", _iban, True),
    Way("Faster Payments", "faster_payments", "bank_transfer", "GB", "25.00", _uk, True),
    Way("Orange", "mobile_money", "mobile_money", "CI", "2600", _wallet("+2250700000"), False),
    Way("MTN", "mobile_money", "mobile_money", "CI", "2700", _wallet("+2250500000"), False),
    Way("Wave", "mobile_money", "mobile_money", "SN", "2800", _wallet("+221770000", operator="wave"), True),
    Way("M-Pesa", "mobile_money", "mobile_money", "KE", "2900", _wallet("+254700000", currency="KES"), False),
)  # fmt: skip


def every_rail_settles(demo: Scenario) -> str:
    payouts = _pay_all(demo, "")
    _together(demo, payouts, "settled")
    _on_its_rail(demo, payouts)
    return f"{len(payouts)} ways to pay: {', '.join(way.name for way in WAYS)}"


def every_rail_rejects(demo: Scenario) -> str:
    """For good: the money is the merchant's again, and the bank's code says why."""
    payouts = _pay_all(demo, REFUSED)
    ended = _together(demo, payouts, "rejected")
    codes = {name: payout["last_error_code"] for name, payout in ended.items()}
    demo.expect(all(codes.values()), f"a refusal without a code: {codes}")
    return ", ".join(f"{name} {code}" for name, code in codes.items())


def every_rail_returns(demo: Scenario) -> str:
    """Money that had settled comes back, and a new entry credits the merchant."""
    ended = _together(demo, _pay_all(demo, COMES_BACK), "returned")
    return ", ".join(f"{name} {payout['return_code']}" for name, payout in ended.items())


def recalls(demo: Scenario) -> str:
    """Asked back where the rail knows how; elsewhere that is said, and nothing happens."""
    payouts = _pay_all(demo, "")
    answers: dict[str, Any] = {}

    def ask(name: str) -> None:
        """As soon as it has settled: some operators wait for three days only."""
        answers[name] = demo.operator.call(
            "POST",
            f"/api/payouts/{payouts[name]}/recall",
            {"reason": "duplicate", "detail": "Paid twice by mistake"},
        )

    _together(demo, payouts, "settled", once_there=ask)
    for way in WAYS:
        answer = answers[way.name]
        if way.recalls:
            demo.expect(answer.status in (200, 202), f"{way.name}: {answer.status} {answer.body}")
        else:
            refused = (answer.status, answer.body.get("code"))
            demo.expect(refused == (409, "recall_not_supported"), f"{way.name}: {refused}")
    asked = {way.name: payouts[way.name] for way in WAYS if way.recalls}
    _together(demo, asked, "returned")
    refusing = [way.name for way in WAYS if not way.recalls]
    return f"back: {', '.join(asked)}; recall_not_supported: {', '.join(refusing)}"


def _pay_all(demo: Scenario, end: str) -> dict[str, str]:
    """One payout each way, to accounts that end alike. Payout ids by the way's name."""
    payouts = {}
    for way in WAYS:
        to = demo.add_beneficiary(f"{way.name} Receiver", way.country, way.account(end))
        payouts[way.name] = demo.pay(to, way.amount, method=way.method)
    return payouts


def _together(
    demo: Scenario,
    payouts: dict[str, str],
    status: str,
    *,
    once_there: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, Any]]:
    """Let days pass at the bank until each of them has reached a status."""
    begun, day_ends = time.monotonic(), time.monotonic() + DAY_TAKES_S
    there: dict[str, dict[str, Any]] = {}
    while True:
        seen = {n: demo.engine.get_payout(p) for n, p in payouts.items() if n not in there}
        for name, payout in seen.items():
            if payout["status"] == status:
                there[name] = payout
                once_there(name)
        behind = {n: p["status"] for n, p in seen.items() if n not in there}
        if not behind:
            return there
        if time.monotonic() - begun > TOUR_S:
            raise NotAsExpected(f"not {status}: {behind}")
        if time.monotonic() > day_ends and not _being_sent(behind.values()):
            demo.bank.call("POST", "/_sim/clock", {"advance_seconds": DAY_S})
            day_ends = time.monotonic() + DAY_TAKES_S
        time.sleep(0.15)


def _being_sent(statuses: Iterable[str]) -> bool:
    """Time stands still while orders are dated and on their way."""
    return bool({"pending", "processing", "in_doubt", "failed"} & set(statuses))


def _on_its_rail(demo: Scenario, payouts: dict[str, str]) -> None:
    rails = {name: demo.engine.get_payout(payout_id)["rail"] for name, payout_id in payouts.items()}
    demo.expect(rails == {way.name: way.rail for way in WAYS}, f"they took {rails}")


STEPS: list[tuple[str, Callable[[Scenario], str]]] = [
    ("every rail settles", every_rail_settles),
    ("every rail refuses for good", every_rail_rejects),
    ("every rail brings back what had settled", every_rail_returns),
    ("recalled where the rail knows how, 409 elsewhere", recalls),
]
