"""Money asked back: by a person, once, under one reference, whatever the network does; and what banks answer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from connectors.base import EventKind
from payouts import banks, clock, dispatch, invariants, outcomes, recalls
from payouts.banks import Outcome, OutcomeKind, RecallOrder, StatusEvent
from payouts.models import BankEvidence, BankRecall, Payout, PayoutAuditLog
from tests.api_client import Api, merchant, operator, snapshot
from tests.crashes import after, process
from tests.test_evidence import say
from tests.world import US_ACCOUNT, World

WAVE, KEPT = "+2250700000001", "+2250700000501"
FPS = {"sort_code": "089999", "account_number": "66374958"}
FPS_KEPT = {"sort_code": "089999", "account_number": "90001501"}


def paid(world: World, **account: str) -> Payout:
    """A payout that has arrived: at Wave unless told otherwise."""
    name = str(uuid4())
    details = account or {"msisdn": WAVE, "operator": "wave"}
    world.pay_to(name, **details)
    method = "mobile_money" if "msisdn" in details else "bank_transfer"
    return world.reach(world.create(name, amount="1000", payout_method=method), "settled")


def ask(world: World, payout: Payout, *, key: str | None = None, **body: Any) -> Any:
    wish = {"reason": "duplicate", "detail": "Paid twice for invoice 118", **body}
    return operator(world).post(f"/api/payouts/{payout.id}/recall", wish, key=key)


def now(payout: Payout) -> tuple[str, str]:
    found = Payout.objects.get(pk=payout.pk)
    return found.status, found.recall_status


def told(payout: Payout) -> list[str]:
    rows = PayoutAuditLog.objects.filter(payout_id=payout.pk).order_by("sequence")
    return [row.action.removeprefix("payout.") for row in rows]


def due_at_once() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bank_recalls SET next_ask_at = clock_timestamp()")


def all_holds() -> None:
    assert [verdict.name for verdict in invariants.ask() if verdict.broken] == []


# --- from the request to the money --------------------------------------------------------------------


def test_a_settled_payout_is_recalled_and_comes_back(sandbox: World) -> None:
    before = sandbox.balance("XOF")
    payout = paid(sandbox)
    answer = ask(sandbox, payout)
    assert (answer.status, answer.body["status"], answer.body["recall_status"]) == (
        202, "settled", "requested",
    )  # fmt: skip
    assert recalls.ask_due() == 1
    assert now(payout) == ("returned", "returned")
    assert sandbox.balance("XOF") == before
    (recall,) = BankRecall.objects.all()
    assert (recall.state, recall.asks, recall.requested_by_role) == ("returned", 1, "finance_ops")
    assert [row["state"] for row in sandbox.bank.records(payout.id)] == ["booked", "returned"]
    sandbox.work()  # The operator's report says it again.
    assert told(payout)[-3:] == ["recall_requested", "recall_asked", "returned"]
    assert recalls.ask_due() == 0
    all_holds()


def test_what_is_spent_is_not_given_back_and_may_be_asked_for_again(sandbox: World) -> None:
    payout = paid(sandbox, msisdn=KEPT, operator="wave")
    assert ask(sandbox, payout).status == 202
    recalls.ask_due()
    assert now(payout) == ("settled", "refused")
    assert told(payout)[-1] == "recall_refused"
    (said,) = BankEvidence.objects.filter(payout_id=payout.pk, kind="recall_refused")
    assert (said.code, said.effect) == ("insufficient-funds", "noted")
    assert ask(sandbox, payout).status == 202
    references = set(BankRecall.objects.values_list("reference", flat=True))
    assert (len(references), now(payout)) == (2, ("settled", "requested"))
    all_holds()


@pytest.mark.parametrize(
    ("account", "ends"), [(FPS, ("returned", "returned")), (FPS_KEPT, ("settled", "refused"))]
)
def test_a_clearing_bank_takes_the_request_and_answers_by_report(
    sandbox: World, account: dict[str, str], ends: tuple[str, str]
) -> None:
    payout = paid(sandbox, **account)
    assert ask(sandbox, payout, reason="fraud").status == 202
    recalls.ask_due()
    assert now(payout) == ("settled", "asked")
    sandbox.work_until(lambda: now(payout) == ends)
    kind = "recall_accepted" if ends[0] == "returned" else "recall_refused"
    (said,) = BankEvidence.objects.filter(payout_id=payout.pk, kind=kind)
    assert said.effect == "noted"
    all_holds()


@pytest.mark.parametrize(
    ("number", "ends"),
    [("123456789012", ("returned", "returned")), ("900000000501", ("settled", "refused"))],
)
def test_a_file_rail_reverses_an_entry_and_hears_of_it_days_later(
    sandbox: World, settings: Any, number: str, ends: tuple[str, str]
) -> None:
    settings.FILE_WINDOW_SECONDS = 0
    sandbox.pay_to("dollars", **US_ACCOUNT | {"account_number": number})
    payout = sandbox.settle(sandbox.create("dollars", "20.00"))
    shown = merchant(sandbox).get(f"/api/payouts/{payout.id}").body["payout"]
    assert (shown["status"], shown["settlement_finality"]) == ("settled", "provisional")
    assert ask(sandbox, payout).status == 202
    recalls.ask_due()
    assert now(payout) == ("settled", "asked")
    for _ in range(6):
        if now(payout) == ends:
            break
        sandbox.bank.advance(days=1)
        sandbox._work_for(1.0)
    assert now(payout) == ends
    all_holds()


def test_a_sepa_payment_is_recalled_and_comes_back(sandbox: World) -> None:
    payout = sandbox.settle(sandbox.create())
    assert ask(sandbox, payout).status == 202
    recalls.ask_due()
    assert now(payout) == ("settled", "asked")
    for _ in range(12):
        if now(payout) == ("returned", "returned"):
            break
        sandbox.bank.advance(days=1)
        sandbox._work_for(1.0)
    assert now(payout) == ("returned", "returned")
    said = BankEvidence.objects.filter(payout_id=payout.pk, effect="noted").values_list("kind")
    assert {"recall_asked", "recall_accepted"} <= {kind for (kind,) in said}
    all_holds()


# --- who may, when, what ------------------------------------------------------------------------------


def test_what_cannot_be_recalled_is_refused_by_code_and_nothing_happens(sandbox: World) -> None:
    wallets = {"payout_method": "mobile_money"}
    sandbox.pay_to("mtn", msisdn="+2250500000001", operator="mtn")
    sandbox.pay_to("orange", msisdn="+2250700000001", operator="orange")
    mtn = sandbox.reach(sandbox.create("mtn", amount="1000", **wallets), "settled")
    orange = sandbox.reach(sandbox.create("orange", amount="1000", **wallets), "settled")
    wave = paid(sandbox)
    old = paid(sandbox)
    Payout.objects.filter(pk=old.pk).update(settled_at=clock.now() - timedelta(days=4))
    assert ask(sandbox, wave).status == 202
    pending = sandbox.create()
    before = snapshot()
    for payout, code in (
        (pending, "not_recallable"), (mtn, "recall_not_supported"), (orange, "recall_not_supported"),
        (old, "recall_too_late"), (wave, "recall_in_progress"),
    ):  # fmt: skip
        answer = ask(sandbox, payout)
        assert (answer.status, answer.code) == (409, code)
    assert snapshot() == before
    recalls.ask_due()
    assert ask(sandbox, wave).code == "not_recallable"  # It is back.


def test_only_operators_of_the_merchant_recall(sandbox: World) -> None:
    payout = paid(sandbox)
    before = snapshot()
    path, body = f"/api/payouts/{payout.id}/recall", {"reason": "fraud"}
    assert merchant(sandbox).post(path, body).status == 403
    assert Api(uuid4(), "finance_ops").post(path, body).status == 404
    assert Api(None, "treasury_ops").post(path, body).status == 404
    assert operator(sandbox, "billing_ops").post(path, body).status == 403
    assert snapshot() == before
    assert operator(sandbox, "treasury_ops").post(path, body).status == 202


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "reason"), ({"reason": "regret"}, "reason"), ({"reason": "fraud", "detail": "x" * 106}, "detail")],
)  # fmt: skip
def test_a_recall_needs_a_reason_that_banks_know(sandbox: World, body: Any, param: str) -> None:
    payout = paid(sandbox)
    before = snapshot()
    answer = operator(sandbox).post(f"/api/payouts/{payout.id}/recall", body)
    assert (answer.status, answer.code, answer.body["param"]) == (422, "validation_error", param)
    assert snapshot() == before


def test_the_same_key_recalls_once_and_shows_what_came_of_it(sandbox: World) -> None:
    payout = paid(sandbox)
    assert ask(sandbox, payout, key="once").status == 202
    recalls.ask_due()
    again = ask(sandbox, payout, key="once")
    assert (again.status, again.body["recall_status"]) == (200, "returned")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert ask(sandbox, payout, key="once", reason="fraud").code == "idempotency_key_reused"
    assert BankRecall.objects.count() == 1


def test_a_recall_is_told_in_the_timeline_and_beside_the_status(sandbox: World) -> None:
    payout = paid(sandbox, msisdn=KEPT, operator="wave")
    ask(sandbox, payout)
    path = f"/api/payouts/{payout.id}"
    assert merchant(sandbox).get(f"{path}/timeline").body["next"] == {
        "action": "give_back", "at": None, "who": "bank",
    }  # fmt: skip
    recalls.ask_due()
    shown = merchant(sandbox).get(path).body["payout"]
    assert (shown["recall_status"], shown["settlement_finality"]) == ("refused", "final")
    events = [e["what"] for e in merchant(sandbox).get(f"{path}/timeline").body["events"]]
    assert {"payout.recall_requested", "payout.recall_refused", "bank.recall_refused"} <= set(
        events
    )


def test_an_account_number_typed_into_a_recall_is_not_kept(sandbox: World) -> None:
    payout = paid(sandbox)
    ask(sandbox, payout, detail="meant for DE89370400440532013000")
    assert BankRecall.objects.get().detail == "meant for [left out]"


# --- how the bank is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [{"fault": "busy"}, {"fault": "cut"}, {"fault": "garbage"}]
)  # fmt: skip
def test_without_an_answer_the_bank_is_asked_again_under_the_same_reference(
    sandbox: World, fault: dict[str, str]
) -> None:
    payout = paid(sandbox, **FPS)
    ask(sandbox, payout)
    sandbox.bank.fault(rail="faster_payments", count=1, **fault)
    recalls.ask_due()
    recall = BankRecall.objects.get()
    assert (recall.state, recall.asks) == ("unknown", 1)
    assert recall.code != ""
    assert recall.next_ask_at > clock.technical_now()
    assert now(payout) == ("settled", "requested")
    assert recalls.ask_due() == 0  # Not before its time.
    due_at_once()
    recalls.ask_due()
    asked_again = BankRecall.objects.get()
    assert (asked_again.reference, asked_again.state) == (recall.reference, "sent")
    sandbox.work_until(lambda: now(payout) == ("returned", "returned"))
    assert [row["state"] for row in sandbox.bank.records(payout.id)] == ["booked", "returned"]


def test_the_order_is_the_same_every_time_and_goes_out_with_nothing_open(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RecallOrder] = []

    def silent(bank: banks.BankLine, order: RecallOrder) -> Outcome:
        seen.append(order)
        assert BankRecall.objects.get().state == "unknown"  # Committed before the call.
        return Outcome(kind=OutcomeKind.UNKNOWN, code="deadline")

    monkeypatch.setattr(banks, "recall", silent)
    payout = paid(sandbox)
    ask(sandbox, payout)
    recalls.ask_due()
    due_at_once()
    recalls.ask_due()
    first, second = seen
    assert first == second
    (attempt,) = sandbox.attempts(payout)
    assert (first.payment_reference, first.amount, first.currency, first.reason) == (
        attempt.reference, Decimal(1000), "XOF", "duplicate",
    )  # fmt: skip
    assert first.bank_reference.startswith("pt-")


def test_a_recall_whose_worker_dies_before_or_after_the_call_is_taken_up_again(
    real_sandbox: World, settings: Any
) -> None:
    payout = paid(real_sandbox, **FPS)
    ask(real_sandbox, payout)
    reference = BankRecall.objects.get().reference
    for step in ("_take", "_ask"):  # The intent is committed; the bank was asked.
        with process(recalls.ask_due, partial(after, recalls, step)) as worker:
            assert worker.was_killed()
        recall = BankRecall.objects.get()
        assert (recall.state, recall.reference) == ("unknown", reference)
        due_at_once()
    recalls.ask_due()
    assert BankRecall.objects.get().state == "sent"
    real_sandbox.work_until(lambda: now(payout) == ("returned", "returned"))
    assert len(real_sandbox.bank.records(payout.id)) == 2
    all_holds()


# --- what banks answer, in any order ------------------------------------------------------------------


@pytest.fixture
def asked(sandbox: World) -> Payout:
    """The bank has the request and has not answered it; the reports of the simulator stay unread."""
    payout = paid(sandbox, **FPS)
    ask(sandbox, payout)
    recalls.ask_due()
    assert now(payout) == ("settled", "asked")
    return payout


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (["recall_accepted"], ("settled", "accepted")),
        (["recall_accepted", "recall_accepted"], ("settled", "accepted")),
        (["recall_accepted", "returned"], ("returned", "returned")),
        (["returned", "recall_accepted"], ("returned", "returned")),
        (["returned", "recall_refused"], ("returned", "returned")),
        (["recall_accepted", "recall_refused"], ("settled", "accepted")),
        (["recall_refused"], ("settled", "refused")),
        (["recall_refused", "recall_refused"], ("settled", "refused")),
        (["recall_refused", "recall_accepted"], ("settled", "refused")),
        (["recall_refused", "returned"], ("returned", "refused")),  # It came back all the same.
        (["settled"], ("settled", "asked")),
    ],
)  # fmt: skip
def test_answers_move_a_recall_once_and_never_a_payout(
    sandbox: World, asked: Payout, said: list[str], ends: tuple[str, str]
) -> None:
    state = sandbox.attempts(asked)[-1].state
    for kind in said:
        say(sandbox, asked, kind)
    assert now(asked) == ends
    assert sandbox.attempts(asked)[-1].state == state == "settled"
    rows = told(asked)
    assert len(rows) == len(set(rows)), rows
    all_holds()


def test_an_answer_to_an_earlier_recall_is_not_taken_for_the_new_ones(
    sandbox: World, asked: Payout
) -> None:
    first = BankRecall.objects.get().reference
    say(sandbox, asked, "recall_refused", recall_reference=first)
    ask(sandbox, asked, reason="fraud")
    assert say(sandbox, asked, "recall_refused", recall_reference=first) == {
        "replayed": 0, "nothing_new": 1,
    }  # fmt: skip
    assert now(asked) == ("settled", "requested")
    say(sandbox, asked, "recall_accepted")  # Without a reference: the one that is open.
    assert now(asked) == ("settled", "accepted")


def test_what_was_asked_back_and_is_refused_by_the_bank_is_not_sent_again(sandbox: World) -> None:
    sandbox.pay_to("pounds", **FPS)
    payout = sandbox.create("pounds")
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    assert ask(sandbox, payout).status == 202
    say(sandbox, payout, "rejected", code="BE08", reaction="retry")
    assert now(payout) == ("cancelled", "refused")
    assert told(payout)[-2:] == ["failed", "cancelled"]
    assert recalls.ask_due() == 0
    all_holds()


def test_a_banks_event_carries_its_recalls_reference_to_the_evidence(sandbox: World) -> None:
    bank = next(line for line in banks.lines() if line.rail == "faster_payments")
    event = StatusEvent(
        kind=EventKind.RECALL_REFUSED, reference="ours", transmission_reference="RC1", code="CUST"
    )
    said = outcomes.statement_of(bank, event, source="report", source_key="k", position=0)
    assert (said.kind, said.reference, said.recall_reference) == ("recall_refused", "ours", "RC1")
