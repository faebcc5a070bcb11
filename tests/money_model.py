"""The rules and the model of `test_model`: what merchants, operators, workers and banks do, and what must hold.

The model knows what was asked for and what money came in. After each step it holds the engine to it: the
balances, the answers of the verbs, statuses that only move as the design allows, no payment that the bank
made twice or made of a payout that was given back, and every invariant of the tables.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from payouts import (
    banks,
    clock,
    creation,
    dispatch,
    doubt,
    inbound,
    invariants,
    lifecycle,
    outcomes,
    poller,
)
from payouts.audit import Actor
from payouts.models import Payout
from tests.statuses import GIVEN_BACK, NEXT, OPEN, REACH
from tests.world import IBAN, World

KINDS = {"iban": "EUR", "wallet": "XOF"}
TABLES = (
    "payouts", "payout_holds", "payout_retry_log", "payout_audit_log", "payout_alerts", "payout_batch_items",
    "payout_batches", "idempotency_keys", "ledger_transfers", "ledger_entries", "ledger_balances", "ledger_accounts",
    "beneficiaries", "beneficiary_accounts", "routing_decisions", "bank_transmissions", "bank_evidence",
    "bank_documents", "audit_seals",
)  # fmt: skip


WHICH = st.integers(0, 7)
LIMIT = 500  # Above it two people decide.


@dataclass
class Wanted:
    """A payout as the model knows it."""

    id: UUID
    request: Any
    status: str
    asked_by: str = ""  # Who wants to give it up.

    @property
    def above_limit(self) -> bool:
        return bool(self.request.amount > LIMIT)


def past_all_walls(*statements: str) -> None:
    """What time or an operator's hands would do: no verb of the engine, no trigger."""
    with connection.cursor() as cursor:
        for statement in ("replica", *statements, "origin"):
            known = statement in ("replica", "origin")
            cursor.execute(f"SET session_replication_role = {statement}" if known else statement)


class Engine(RuleBasedStateMachine):
    """The rules. Draws never depend on how far a bank has got, so that a run can be repeated."""

    world: World  # Set before the run.
    drains = False
    met: ClassVar[set[str]] = set()  # Statuses that a whole run has seen.

    @initialize(trouble=st.sampled_from(["cut", "garbage", "busy"]))
    def begin(self, trouble: str) -> None:
        """A new merchant with 10,000 in two currencies; of the one before nothing is left but the bank's record."""
        past_all_walls(*(f"DELETE FROM {table}" for table in TABLES))
        world, tenant = self.world, uuid4()
        world.bank.heal()
        world.tenant_id = tenant
        world.merchant = Actor(id=str(uuid4()), role="merchant_admin", tenant_id=tenant)
        world.operator = Actor(id=str(uuid4()), role="finance_ops", tenant_id=tenant)
        self.another = Actor(id=str(uuid4()), role="treasury_ops", tenant_id=tenant)
        self.payouts: list[Wanted] = []
        self.came_in: dict[str, Decimal] = defaultdict(Decimal)
        self.heard: list[tuple[Any, ...]] = []
        self.booked: dict[str, list[tuple[Decimal, str]]] = defaultdict(list)
        records = world.bank.call("GET", "/_sim/records")
        self.seen = records[-1]["seq"] if records else 0
        for currency in KINDS.values():
            self._deposit(currency, Decimal(10_000))
        world.pay_to("iban", iban=IBAN)
        world.pay_to("wallet", msisdn="+2250700000001")
        for amount, kind in (("250", "iban"), ("300", "wallet"), ("600", "iban"), ("200", "iban")):
            self._create(amount, kind)  # A run leaves some rules out: this much there is always.
        self.tick_with_a_bank_in_trouble(trouble)

    def _deposit(self, currency: str, amount: Decimal) -> None:
        lifecycle.deposit(
            tenant_id=self.world.tenant_id, currency=currency, amount=amount, reference=str(uuid4()),
            actor=self.world.operator,
        )  # fmt: skip
        self.came_in[currency] += amount

    def _at(self, which: int) -> Wanted | None:
        return self.payouts[which % len(self.payouts)] if self.payouts else None

    def _sum(self, currency: str, statuses: set[str]) -> Decimal:
        wanted = (p for p in self.payouts if p.status in statuses)
        return Decimal(sum(p.request.amount for p in wanted if p.request.currency == currency))

    def available(self, currency: str) -> Decimal:
        return self.came_in[currency] - self._sum(currency, set(NEXT) - GIVEN_BACK)

    def held(self, currency: str) -> Decimal:
        return self._sum(currency, OPEN)

    # --- What merchants and operators do ---------------------------------------------------------------

    @rule(amount=st.sampled_from(["250", "600", "4000"]), kind=st.sampled_from(list(KINDS)))
    def create(self, amount: str, kind: str) -> None:
        self._create(amount, kind)

    @rule(days=st.integers(1, 3))
    def create_for_later(self, days: int) -> None:
        """Held now, paid when its day has come."""
        self._create("150", "iban", scheduled_at=clock.now() + timedelta(days=days))

    def _create(self, amount: str, kind: str, **changes: Any) -> None:
        method = "mobile_money" if kind == "wallet" else "bank_transfer"
        request = self.world.request(kind, amount, payout_method=method, **changes)
        result = creation.create_payouts([request], actor=self.world.merchant)[0]
        if request.amount > self.available(request.currency):
            assert isinstance(result, creation.Refused), result
            assert result.error.code == "insufficient_funds"
            return
        assert isinstance(result, creation.Created), result
        due = "pending" if request.scheduled_at is None else "scheduled"
        status = "requires_approval" if request.amount > LIMIT else due
        self.payouts.append(Wanted(result.payout_id, request, status))

    @rule(which=WHICH, times=st.integers(1, 3))
    def create_same_key(self, which: int, times: int) -> None:
        if (wanted := self._at(which)) is not None:
            results = creation.create_payouts([wanted.request] * times, actor=self.world.merchant)
            assert all(isinstance(r, creation.Replayed) for r in results), results
            assert {r.payout_id for r in results} == {wanted.id}

    @rule(which=WHICH)
    def create_same_key_other_body(self, which: int) -> None:
        if (wanted := self._at(which)) is not None:
            request = self.world.request(
                "iban", "1", external_id=wanted.request.external_id, fingerprint=b"another"
            )
            result = creation.create_payouts([request], actor=self.world.merchant)[0]
            assert isinstance(result, creation.Refused), result
            assert result.error.code == "idempotency_key_reused"

    @rule(amount=st.integers(1, 3000), currency=st.sampled_from(list(KINDS.values())))
    def deposit(self, amount: int, currency: str) -> None:
        self._deposit(currency, Decimal(amount))

    def _decide(self, verb: Any, which: int, actor: Actor) -> tuple[str, bool, str] | None:
        """One verb on one payout: its status and whether a bank may have it before, and what came of it."""
        wanted = self._at(which)
        if wanted is None:
            return None
        live = self._is_live(wanted.id)
        result = verb([wanted.id], actor=actor, reason="told to", tenant_id=self.world.tenant_id)[0]
        kind = type(result).__name__
        said = result.error.code if isinstance(result, lifecycle.Refused) else result.status
        return wanted.status, live, f"{kind} {said}"

    def _is_live(self, payout_id: UUID) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM payout_retry_log WHERE payout_id = %s"
                " AND state IN ('intent', 'unknown', 'accepted', 'settled')",
                [payout_id],
            )
            return bool(cursor.fetchone()[0])

    @rule(which=WHICH, own=st.booleans())
    def approve(self, which: int, own: bool) -> None:
        actor = self.world.merchant if own else self.world.operator
        if (found := self._decide(lifecycle.approve_payouts, which, actor)) is not None:
            status, _, said = found
            if status != "requires_approval":
                assert said == "Refused not_approvable"
            else:
                assert said == ("Refused self_approval_forbidden" if own else "Done pending")

    @rule(which=WHICH, another=st.booleans())
    def cancel(self, which: int, another: bool) -> None:
        actor = self.another if another else self.world.operator
        found = self._decide(lifecycle.cancel_payouts, which, actor)
        if found is None:
            return
        (status, live, said), wanted = found, self.payouts[which % len(self.payouts)]
        if status in ("processing", "in_doubt") or (status == "dlq" and live):
            assert said == f"Requested {status}"
        elif status in ("sent", "settled", "returned"):
            assert said == "Refused cancel_too_late"
        elif status == "rejected":
            assert said == "Refused not_cancellable"
        elif status == "dlq" and wanted.above_limit and wanted.asked_by in ("", actor.id):
            assert said == "Requested dlq"  # What a second person ends.
            wanted.asked_by = actor.id
        else:
            assert said == "Done cancelled"

    @rule(which=WHICH)
    def retry(self, which: int) -> None:
        found = self._decide(lifecycle.retry_payouts, which, self.world.operator)
        if found is not None:
            status, live, said = found
            if live:
                assert said == "Refused outcome_unknown"
            elif status in ("failed", "dlq"):
                assert said == f"Done {'failed' if status == 'failed' else 'pending'}"
                if status == "dlq":
                    self.payouts[which % len(self.payouts)].asked_by = ""
            else:
                assert said == "Refused not_retryable"

    # --- What workers do, and how they die -------------------------------------------------------------

    @rule()
    def tick_worker(self) -> None:
        lifecycle.release_scheduled()
        dispatch.dispatch_due()

    @rule(
        fault=st.sampled_from(
            ["busy", "cut", "garbage", "wrong_amount", "late_answer", "late_booking"]
        )
    )
    def tick_with_a_bank_in_trouble(self, fault: str) -> None:
        self.world.bank.fault(fault, count=1, seconds=0.5)
        dispatch.dispatch_due()
        self.world.bank.heal()

    @rule(
        fault=st.sampled_from(["reject", "return"]), code=st.sampled_from(["AC04", "BE01", "AM04"])
    )
    def tick_with_a_bank_that_says_no(self, fault: str, code: str) -> None:
        self.world.bank.fault(fault, rail="sepa", code=code, count=1)
        dispatch.dispatch_due()

    @rule(steps=st.integers(0, 3))
    def crash_after_a_step(self, steps: int) -> None:
        """The worker claims, and then dies: before bytes, before the call, within it, before it wrote it down."""
        for bank in banks.lines():
            claim = dispatch.claim_due(bank)
            if claim is None:
                continue
            if steps and dispatch.prepare(bank, claim) and steps > 1:
                outgoing = dispatch.begin_call(claim)
                if outgoing is not None and steps > 2:
                    outcome = dispatch.call(bank, outgoing)
                    self.heard.append((bank, claim, outcome))
            return

    @rule()
    def expire_leases(self) -> None:
        past_all_walls(
            "UPDATE bank_transmissions SET lease_until = clock_timestamp() - interval '1 s'"
            " WHERE lease_until IS NOT NULL"
        )
        doubt.recover_expired()

    @rule(again=st.booleans())
    def a_dead_worker_says_what_it_heard(self, again: bool) -> None:
        for bank, claim, outcome in self.heard:
            outcomes.record_outcome(
                bank, claim.transmission_id, outcome, lease_token=claim.lease_token
            )
        if not again:
            self.heard.clear()

    @rule()
    def ask_about_doubts(self) -> None:
        self._let_time_pass()
        doubt.resolve_in_doubt()

    def _let_time_pass(self) -> None:
        past_all_walls(
            "UPDATE bank_transmissions SET next_inquiry_at = clock_timestamp(),"
            " last_sent_at = last_sent_at - interval '1 s' WHERE state = 'in_doubt'",
            "UPDATE payouts SET next_retry_at = clock_timestamp() WHERE status = 'failed'",
        )

    @rule()
    def try_again_what_failed(self) -> None:
        self._let_time_pass()
        dispatch.dispatch_due()

    @rule()
    def expire_holds(self) -> None:
        past_all_walls(
            "UPDATE payout_holds SET expires_at = clock_timestamp() - interval '400 days'"
        )
        lifecycle.expire_payouts()

    # --- What banks report -----------------------------------------------------------------------------

    @rule()
    def read_reports(self) -> None:
        inbound.poll_reports()

    @rule(fault=st.sampled_from(["duplicate_report", "reordered_reports", "silent"]))
    def read_confused_reports(self, fault: str) -> None:
        self.world.bank.fault(fault)
        inbound.poll_reports()
        self.world.bank.heal()

    @rule()
    def read_old_reports_again(self) -> None:
        past_all_walls("UPDATE bank_documents SET read_at = NULL")
        inbound.read_waiting()

    @rule(days=st.integers(1, 3))
    def days_pass(self, days: int) -> None:
        self.world.bank.advance(days=days)
        poller.follow_simulator_clock()
        lifecycle.release_scheduled()
        inbound.poll_reports()

    # --- What must hold ----------------------------------------------------------------------------------

    @invariant()
    def statuses_move_as_they_may(self) -> None:
        now = dict(Payout.objects.values_list("id", "status"))
        assert set(now) == {wanted.id for wanted in self.payouts}
        for wanted in self.payouts:
            assert now[wanted.id] in REACH[wanted.status], (wanted.status, now[wanted.id])
            wanted.status = now[wanted.id]
            self.met.add(wanted.status)
        for currency in KINDS.values():
            assert self.world.balance(currency) == (self.available(currency), self.held(currency))

    @invariant()
    def the_tables_agree(self) -> None:
        assert [verdict for verdict in invariants.ask() if verdict.broken] == []

    @invariant()
    def the_bank_agrees(self) -> None:
        """It paid nobody twice, nothing else than was asked for, and nothing that was given back."""
        for row in self.world.bank.call("GET", f"/_sim/records?since={self.seen}"):
            self.seen = row["seq"]
            if row["state"] == "booked":
                paid = (Decimal(row["amount"]), row["currency"])
                self.booked[row["payout_id"]].append(paid)
        for wanted in self.payouts:
            booked = self.booked[str(wanted.id)]
            asked = (wanted.request.amount, wanted.request.currency)
            assert booked in ([], [asked]), (wanted.status, booked)
            if wanted.status in ("settled", "returned"):
                assert booked, wanted.status
            elif wanted.status in ("cancelled", "rejected"):
                assert not booked, wanted.status

    def teardown(self) -> None:
        if self.drains and hasattr(self, "payouts"):
            self._drain()

    def _drain(self) -> None:
        """Heal everything and work: what the bank booked is known, and what waits waits for a person."""
        self.world.bank.heal()
        for _ in range(8):
            self.expire_leases()
            self.ask_about_doubts()
            self.try_again_what_failed()
            self.days_pass(2)
            self.statuses_move_as_they_may()
            self.the_tables_agree()
            self.the_bank_agrees()
        rest = {"requires_approval", "dlq", "settled", *GIVEN_BACK}
        for wanted in self.payouts:
            assert wanted.status in rest, wanted.status
            assert bool(self.booked[str(wanted.id)]) == (wanted.status in ("settled", "returned"))
