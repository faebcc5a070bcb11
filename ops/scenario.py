"""The demo: what becomes of payouts, shown through the front door and held against the bank's own record.

Nothing here reaches into the engine: requests go to the API, faults and time to the bank simulator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from ops.http_client import Client

WAIT_S = 60.0
DAY_S = 86_400
# Magic account numbers of the simulator (README.md lists them all).
CLOSED_ACCOUNT = "DE08370400440000000401"
COMES_BACK = "900000000701"


class NotAsExpected(Exception):
    """A step of the scenario did not come out as it should."""


@dataclass(slots=True)
class Step:
    """One line of the verdict."""

    title: str
    story: str
    ok: bool
    seconds: float


NamedAct = tuple[str, Callable[["Scenario"], str]]


@dataclass(slots=True)
class Scenario:
    """Runs steps against a running sandbox. `say` gets a line for everything that happens."""

    engine: Client
    bank: Client
    beneficiaries: dict[str, dict[str, str]]
    say: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)
    payouts: list[str] = field(default_factory=list)

    @property
    def operator(self) -> Client:
        """The same merchant's side of the API, as finance operations see it."""
        return Client(
            base_url=self.engine.base_url, tenant_id=self.engine.tenant_id, role="finance_ops"
        )

    def run(self, *, rails: Sequence[NamedAct] = (), incidents: Sequence[NamedAct] = ()) -> bool:
        """Every step, then the bank's record. Returns whether all of it was as it should be.

        Rails come first: later on, routing has learned that some of them were in trouble.
        """
        self.bank.call("DELETE", "/_sim/faults")
        steps: list[tuple[str, Callable[[], str]]] = [
            ("SEPA: created, sent, settled", self.sepa_settles),
            ("ACH: collected into a file, sent, settled", self.ach_settles),
            *((title, partial(act, self)) for title, act in rails),
            ("refused for good: the merchant has the money back", self.refused_for_good),
            ("refused once, tried again, settled", self.retried_then_settled),
            ("settled, then came back: a new entry credits the merchant", self.comes_back),
            ("same key again: the same payout; another body: refused", self.same_key),
            *((title, partial(incident, self)) for title, incident in incidents),
            ("the bank's own record: each settled payout exactly once", self.bank_agrees),
        ]
        for title, act in steps:
            started = time.monotonic()
            try:
                story, ok = act(), True
            except (NotAsExpected, OSError, KeyError) as error:
                story, ok = f"{type(error).__name__}: {error}", False
            self.steps.append(Step(title, story, ok, time.monotonic() - started))
            self.say(
                f"{'ok  ' if ok else 'FAIL'} {title} — {story} ({self.steps[-1].seconds:.1f} s)"
            )
        return all(step.ok for step in self.steps)

    # --- steps ------------------------------------------------------------------------------------

    def sepa_settles(self) -> str:
        payout = self.pay(self.beneficiaries["iban"], "1250.00")
        return self.story(self.settle(payout))

    def ach_settles(self) -> str:
        payout = self.pay(self.beneficiaries["us_bank"], "1000.00")
        return self.story(self.settle(payout))

    def refused_for_good(self) -> str:
        account = {"type": "iban", "currency": "EUR", "iban": CLOSED_ACCOUNT}
        before = self.balance("EUR")
        payout = self.pay(self.add_beneficiary("Closed Account", "DE", account), "75.00")
        ended = self.wait(payout, "rejected")
        if self.balance("EUR") != before:
            raise NotAsExpected(f"the balance was {before}, now {self.balance('EUR')}")
        return f"{self.story(ended)}, code {ended['last_error_code']}, hold reversed"

    def retried_then_settled(self) -> str:
        self.fault({"fault": "reject", "code": "ED05", "count": 1})
        payout = self.pay(self.beneficiaries["iban"], "300.00")
        ended = self.settle(payout)
        self.expect(ended["retry_count"] == 1, f"retried {ended['retry_count']} times")
        return f"{self.story(ended)}, after {ended['retry_count']} retry"

    def comes_back(self) -> str:
        account = {
            "type": "us_bank", "currency": "USD", "routingNumber": "021000021", "accountNumber": COMES_BACK,
            "accountType": "checking",
        }  # fmt: skip
        before = self.balance("USD")
        payout = self.pay(self.add_beneficiary("Gone Away", "US", account), "60.00")
        ended = self.move_time_until(payout, "returned")
        self.expect(self.balance("USD") == before, "the merchant was not credited")
        return f"{self.story(ended)}, code {ended['return_code']}, money credited"

    def same_key(self) -> str:
        key = str(uuid4())
        first = self.ask(self.beneficiaries["iban"], "10.00", key=key)
        again = self.ask(self.beneficiaries["iban"], "10.00", key=key)
        other = self.ask(self.beneficiaries["iban"], "11.00", key=key)
        seen = (first.status, again.status, other.status)
        self.expect(seen == (201, 200, 422), f"answered {seen}")
        self.expect(
            first.body["payout"]["id"] == again.body["payout"]["id"], "two payouts for one key"
        )
        return "201, then 200, then 422"

    def bank_agrees(self) -> str:
        records: list[dict[str, Any]] = self.bank.call("GET", "/_sim/records").body
        for payout_id in self.payouts:
            payout = self.engine.get_payout(payout_id)
            booked = [r for r in records if r["payout_id"] == payout_id and r["state"] == "booked"]
            expected = 1 if payout["status"] in ("settled", "returned") else 0
            self.expect(len(booked) == expected, f"{payout_id} was booked {len(booked)} times")
            for row in booked:
                same = (Decimal(row["amount"]), row["currency"])
                asked = (Decimal(payout["amount"]), payout["currency"])
                self.expect(
                    same == asked, f"{payout_id}: the bank booked {same}, we asked for {asked}"
                )
        return f"{len(self.payouts)} payouts compared, amount and currency equal"

    # --- what steps are made of ---------------------------------------------------------------------

    def body(
        self,
        beneficiary: dict[str, str],
        amount: str,
        *,
        priority: str = "standard",
        method: str = "bank_transfer",
    ) -> dict[str, Any]:
        return {
            "originModule": "connect", "originEntityType": "merchant", "originEntityId": self.engine.tenant_id,
            "beneficiaryType": "user", "beneficiaryId": beneficiary["id"],
            "beneficiaryAccountId": beneficiary["account_id"], "amount": amount,
            "currency": beneficiary["currency"], "payoutMethod": method, "priority": priority,
            "description": "Weekly settlement", "metadata": {"invoice_id": "inv-123"},
        }  # fmt: skip

    def ask(
        self, beneficiary: dict[str, str], amount: str, *, key: str | None = None, **more: str
    ) -> Any:
        body = self.body(beneficiary, amount, **more)
        return self.engine.call("POST", "/api/payouts", body, key=key)

    def fault(self, fault: dict[str, Any]) -> None:
        """Something goes wrong at the bank."""
        self.expect(
            self.bank.call("POST", "/_sim/faults", fault).status < 300, "the fault was not set"
        )

    def pay(self, beneficiary: dict[str, str], amount: str, **more: str) -> str:
        answer = self.ask(beneficiary, amount, **more)
        self.expect(answer.status == 201, f"create answered {answer.status}: {answer.body}")
        payout_id: str = answer.body["payout"]["id"]
        self.payouts.append(payout_id)
        return payout_id

    def add_beneficiary(self, name: str, country: str, account: dict[str, str]) -> dict[str, str]:
        body = {"name": name, "beneficiaryType": "user", "country": country, "account": account}
        answer = self.engine.call("POST", "/api/beneficiaries", body)
        self.expect(answer.status == 201, f"beneficiary answered {answer.status}: {answer.body}")
        made = answer.body["beneficiary"]
        return {
            "id": made["id"],
            "account_id": made["accounts"][0]["id"],
            "currency": account["currency"],
        }

    def balance(self, currency: str) -> Decimal:
        balances = self.engine.call("GET", "/api/ledger/balances").body["balances"]
        return next(Decimal(b["available"]) for b in balances if b["currency"] == currency)

    def wait(self, payout_id: str, *statuses: str, seconds: float = WAIT_S) -> dict[str, Any]:
        """Wait for a payout to reach one of these statuses, without moving time."""
        deadline = time.monotonic() + seconds
        while True:
            payout = self.engine.get_payout(payout_id)
            if payout["status"] in statuses:
                return payout
            if time.monotonic() > deadline:
                raise NotAsExpected(
                    f"{payout_id} is {payout['status']}, not {' or '.join(statuses)}"
                )
            time.sleep(0.1)

    def settle(self, payout_id: str) -> dict[str, Any]:
        return self.move_time_until(payout_id, "settled")

    def move_time_until(self, payout_id: str, status: str) -> dict[str, Any]:
        """Move the bank's clock on, a day at a time, until a payout that was sent has reached a status."""
        payout = self.wait(payout_id, "sent", "settled", "returned")
        for _ in range(10):
            try:
                return self.wait(payout_id, status, seconds=2.5)
            except NotAsExpected:
                self.bank.call("POST", "/_sim/clock", {"advance_seconds": DAY_S})
        payout = self.engine.get_payout(payout_id)
        raise NotAsExpected(f"{payout_id} is {payout['status']} after ten days, not {status}")

    def story(self, payout: dict[str, Any]) -> str:
        return f"{payout['amount']} {payout['currency']} by {payout['rail']} is {payout['status']}"

    def expect(self, true: bool, otherwise: str) -> None:
        if not true:
            raise NotAsExpected(otherwise)


def watch_first_payouts(scenario: Scenario, *, seconds: float = 8.0) -> bool:
    """Create a payout on each rail and say every step that it takes. Returns whether banks have both."""
    payouts = {
        "SEPA": scenario.pay(scenario.beneficiaries["iban"], "250.00"),
        "ACH": scenario.pay(scenario.beneficiaries["us_bank"], "1000.00"),
    }
    seen = dict.fromkeys(payouts, "")
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        for name, payout_id in payouts.items():
            payout = scenario.engine.get_payout(payout_id)
            if payout["status"] != seen[name]:
                seen[name] = payout["status"]
                elapsed = time.monotonic() - started
                scenario.say(
                    f"{name}  {payout['amount']} {payout['currency']}  {seen[name]}  {elapsed:.1f} s"
                )
        if all(status in ("sent", "settled") for status in seen.values()):
            return True
        time.sleep(0.1)
    return False
