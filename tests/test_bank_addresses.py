"""Banks that sign nothing (MTN, M-Pesa): what is called to an address that only they were told is believed.

About one payment, and for one purpose. What holds for every bank is in test_bank_events.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from payouts import inbound
from payouts.models import BankDocument, BankEvidence
from tests.bank_messages import MPESA, MTN, Caller, Message
from tests.test_bank_events import post, sent
from tests.world import World

STRANGE_QUERIES = (
    "ref=R", "token=x", "ref=&token=", "ref=R&what=&token=\u00e9", "ref=%00&token=%00", "ref=%ff&token=%ff",
    "ref=R&ref=S&token=x",
)  # fmt: skip


@pytest.mark.parametrize("sender", [MTN, MPESA])
def test_no_address_whatever_gives_a_500(sandbox: World, sender: Caller) -> None:
    right = sender.to("R", b"").query
    for body in (
        b"",
        b"{}",
        b"\x00\xff",
        b"[" * 3000,
        sender.told("settled", "S"),
        b'{"Result": 5}',
    ):
        for query in (*STRANGE_QUERIES, right, sender.to("R", b"", what="else").query):
            answer = post(sender, Message(body=body, headers={}, query=query))
            assert (answer.status, answer.headers["Content-Type"]) == (
                401,
                "application/problem+json",
            )
    assert not BankDocument.objects.exists()


def test_mtn_may_call_by_put(sandbox: World) -> None:
    payout, reference = sent(sandbox, MTN)
    assert post(MTN, MTN.message("settled", reference), method="PUT").status == 200
    inbound.read_waiting()
    assert sandbox.status(payout) == "settled"


def test_a_time_out_of_m_pesas_queue_is_no_failure(sandbox: World) -> None:
    payout, reference = sent(sandbox, MPESA)
    for body in (MPESA.told("rejected", reference), b"{}", b"not JSON"):
        answer = post(MPESA, MPESA.to(reference, body, what="timeout"))
        assert (answer.status, answer.body["ResultCode"]) == (200, 0)
    assert inbound.read_waiting() == 3
    assert not BankDocument.objects.exclude(error="").exists()
    assert sandbox.status(payout) == "sent"
    assert not BankEvidence.objects.filter(source="report").exists()
    post(MPESA, MPESA.message("settled", reference))
    inbound.read_waiting()
    assert sandbox.status(payout) == "settled"


def _state(reference: str, code: int, **told: Any) -> bytes:
    """The answer to a question about a payment, whose own id is another."""
    listed = [{"Key": key, "Value": value} for key, value in told.items()]
    result = {
        "ResultType": 0, "ResultCode": code, "ResultDesc": "", "OriginatorConversationID": "of the question",
        "ConversationID": "AG_2", "TransactionID": "Q1", "ResultParameters": {"ResultParameter": listed},
    }  # fmt: skip
    return json.dumps({"Result": result}).encode()


@pytest.mark.parametrize(
    ("code", "told", "ends"),
    [
        (0, {"TransactionStatus": "Completed", "Amount": 1000, "ReceiptNo": "NLJ41HAY6Q"}, "settled"),
        (0, {"TransactionStatus": "Failed", "ReasonCode": "2040"}, "rejected"),
        (0, {"TransactionStatus": "Pending"}, "sent"),
        (0, {"TransactionStatus": "Something new"}, "sent"),
        (2032, {"TransactionStatus": "Completed"}, "sent"),  # The question failed, whatever else it says.
        (0, {"TransactionStatus": "Completed", "Amount": 999}, "dlq"),  # Other money than we asked for.
    ],
)  # fmt: skip
def test_the_state_of_an_m_pesa_payment(
    sandbox: World, code: int, told: dict[str, Any], ends: str
) -> None:
    payout, reference = sent(sandbox, MPESA)
    body = _state(reference, code, OriginatorConversationID=reference, **told)
    assert post(MPESA, MPESA.to(reference, body, what="state")).status == 200
    inbound.read_waiting()
    assert sandbox.status(payout) == ends


def test_m_pesas_own_time_out_decides_nothing(sandbox: World) -> None:
    payout, reference = sent(sandbox, MPESA)
    body = MPESA.told("rejected", reference).replace(b"2040", b"1037")
    post(MPESA, MPESA.to(reference, body))
    assert inbound.read_waiting() == 1
    assert sandbox.status(payout) == "sent"
