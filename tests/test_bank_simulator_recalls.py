"""Payments asked back at the simulated banks, in samples written by hand: once, in time, kept over a restart."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bank_simulator_client import Answer, LocalBank, local_bank, until
from tests.test_bank_simulator_rails import SEED, Sent, ask, payment

ROOT = "/mobile_money/wave/v1/payout"
REQUESTS = "/faster_payments/default/v3/payments/fps/return-requests"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBank]:
    with local_bank(tmp_path_factory.mktemp("bank")) as running:
        yield running


def settled(bank: LocalBank, name: str, ending: str = "") -> tuple[Sent, str]:
    """A payment that arrived, and the id that the bank gave it."""
    sent = payment(bank, name, ending)
    told = sent.post(bank).json
    feed = "mobile_money/wave" if name == "wave" else "faster_payments/default"
    until(lambda: sent.reference in str(bank.reports(feed, limit=1000)))
    return sent, str(told.get("id", ""))


def reverse(bank: LocalBank, payout: str, key: str = "") -> Answer:
    return ask(bank, "POST", f"{ROOT}/{payout}/reverse", Idempotency_Key=key or str(uuid.uuid4()))


def request_return(bank: LocalBank, reference: str, key: str, **changes: Any) -> Answer:
    content = {
        "requestId": key,
        "originalEndToEndIdentification": reference,
        "amount": {"instructedAmount": "12.30", "currency": "GBP"},
        "reason": {"code": "FRAD"},
        **changes,
    }
    body = json.dumps(content).encode()
    signature = base64.b64encode(Ed25519PrivateKey.from_private_bytes(SEED).sign(body)).decode()
    return ask(bank, "POST", REQUESTS, body, X_Request_Id=key, DigitalSignature=signature)


def events(bank: LocalBank, reference: str) -> list[tuple[str, str]]:
    return [
        (event["Type"], event["Payload"].get("reasonCode", ""))
        for _, _, content in bank.reports("faster_payments/default", limit=1000)
        for event in json.loads(content)["events"]
        if event["Payload"]["endToEndIdentification"] == reference
    ]


def test_wave_reverses_at_once_and_says_the_same_again(bank: LocalBank) -> None:
    sent, payout = settled(bank, "wave")
    for _ in range(2):
        answer = reverse(bank, payout, "one")
        assert (answer.status, answer.body) == (200, b"")
    until(lambda: sent.states(bank) == ["booked", "returned"])
    assert ask(bank, "GET", sent.question).json["result"][0]["status"] == "reversed"
    assert reverse(bank, payout).status == 200  # What is back is back, whoever asks.
    assert sent.states(bank) == ["booked", "returned"]


def test_wave_keeps_what_is_spent_or_was_paid_four_days_ago(bank: LocalBank) -> None:
    _, spent = settled(bank, "wave", "501")
    refused = reverse(bank, spent)
    assert (refused.status, refused.json["code"]) == (400, "insufficient-funds")
    _, old = settled(bank, "wave")
    bank.advance(days=3, minutes=1)
    late = reverse(bank, old)
    assert (late.status, late.json["code"]) == (400, "payout-reversal-time-limit-exceeded")
    assert reverse(bank, "pt-00000999999").status == 404
    never = payment(bank, "wave", "101")
    unpaid = reverse(bank, never.post(bank).json["id"])
    assert (unpaid.status, unpaid.json["code"]) == (400, "payout-reversal-not-possible")


def test_a_fault_lets_any_payment_be_kept(bank: LocalBank) -> None:
    sent, payout = settled(bank, "wave")
    bank.fault("refuse_recall", rail="mobile_money", code="payout-reversal-account-terminated")
    assert reverse(bank, payout, "first").json["code"] == "payout-reversal-account-terminated"
    bank.heal()
    assert reverse(bank, payout, "first").status == 400  # It was decided.
    assert reverse(bank, payout, "second").status == 200
    until(lambda: sent.states(bank) == ["booked", "returned"])


@pytest.mark.parametrize(
    ("ending", "told", "states"),
    [
        ("", ["TransactionSettled", "ReturnRequestAccepted", "TransactionReturned"], ["booked", "returned"]),
        ("501", ["TransactionSettled", "ReturnRequestRefused"], ["booked"]),
    ],
)  # fmt: skip
def test_a_clearing_bank_answers_a_return_request_by_report_once(
    bank: LocalBank, ending: str, told: list[str], states: list[str]
) -> None:
    sent, _ = settled(bank, "faster_payments", ending)
    key = str(uuid.uuid4())
    for _ in range(2):
        answer = request_return(bank, sent.reference, key)
        assert (answer.status, answer.json) == (202, {"requestId": key})
    until(lambda: len(events(bank, sent.reference)) == len(told))
    assert [kind for kind, _ in events(bank, sent.reference)] == told
    assert sent.states(bank) == states
    codes = [code for kind, code in events(bank, sent.reference) if kind == "TransactionReturned"]
    assert codes == ["FOCR"] * codes.count("FOCR")


def test_a_key_is_for_one_request_and_a_payment_for_one_answer(bank: LocalBank) -> None:
    sent, _ = settled(bank, "faster_payments", "501")
    key = str(uuid.uuid4())
    assert request_return(bank, sent.reference, key).status == 202
    other = request_return(bank, sent.reference, key, reason={"code": "DUPL"})
    assert (other.status, other.json["code"]) == (409, "DUPLICATE_REQUEST")
    again = request_return(bank, sent.reference, str(uuid.uuid4()))
    assert (again.status, again.json["code"]) == (400, "ARDT")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"originalEndToEndIdentification": "unheard-of"}, 400, "NOOR"),
        ({"amount": {"instructedAmount": "12.31", "currency": "GBP"}}, 400, "AM09"),
        ({"amount": {"instructedAmount": "12", "currency": "GBP"}}, 400, "BAD_REQUEST"),
        ({"reason": {"code": "WHY"}}, 400, "BAD_REQUEST"),
        ({"requestId": "another"}, 400, "BAD_REQUEST"),
    ],
)
def test_a_clearing_bank_refuses_a_request_that_is_none(
    bank: LocalBank, changes: dict[str, Any], status: int, code: str
) -> None:
    sent, _ = settled(bank, "faster_payments")
    answer = request_return(bank, sent.reference, str(uuid.uuid4()), **changes)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert ask(bank, "POST", REQUESTS, b"{}", X_Request_Id="x").status == 401  # Unsigned.


def test_what_was_decided_survives_a_restart(tmp_path: Path) -> None:
    with local_bank(tmp_path) as bank:
        sent, payout = settled(bank, "wave", "501")
        back, going = settled(bank, "wave")
        reverse(bank, payout, "kept")
        reverse(bank, going, "gone")
        until(lambda: back.states(bank) == ["booked", "returned"])
        bank.restart()
        assert reverse(bank, payout, "kept").json["code"] == "insufficient-funds"
        assert reverse(bank, going, "gone").status == 200
        assert sent.states(bank) == ["booked"]
        assert back.states(bank) == ["booked", "returned"]
