"""How Wave and a clearing bank are asked for money, and what their answers prove: against a bank that says anything."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from connectors import registry
from connectors.abilities import RecallOrder, RecallReason, Recalls
from connectors.base import EventKind, InboundDocument, Outcome, Transmission
from tests.bank_stub import Asked, Canned, bank_stub, canned_json, config

RECALL = "RC" + "A" * 28
WAVE_SAYS = {
    "id": "pt-1", "client_reference": "OURS", "currency": "XOF", "receive_amount": "1000", "status": "succeeded",
}  # fmt: skip


def recall(driver: str, answer: Canned, **changes: Any) -> tuple[Outcome, list[Asked]]:
    values: dict[str, Any] = {
        "reference": RECALL, "payment_reference": "OURS", "bank_reference": "pt-1", "amount": Decimal(1000),
        "currency": "XOF", "reason": RecallReason.FRAUD, "detail": "Gemeldet von Müller & Söhne",
        "created_at": datetime(2026, 11, 24, tzinfo=UTC),
        "transmission": Transmission(
            reference="T", body=b"{}", content_type="application/json", instruction_references=("OURS",)
        ),
    }  # fmt: skip
    with bank_stub(answer) as stub:
        connector = cast(Recalls, registry.build(driver, config(driver, stub.url)))
        outcome = connector.recall(RecallOrder(**values | changes))
    return outcome, stub.asked


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (Canned(body=b""), "accepted", ""),
        (Canned(body=b"{}"), "accepted", ""),
        (Canned(body=b"<html>"), "unknown", "answer_unreadable"),  # Somebody else's 200.
        (canned_json({"code": "insufficient-funds"}, 400), "rejected", "insufficient-funds"),
        (
            canned_json({"code": "payout-reversal-time-limit-exceeded"}, 400),
            "rejected",
            "payout-reversal-time-limit-exceeded",
        ),
        (canned_json({"code": "something-new"}, 400), "unknown", "http_400"),
        (canned_json({"code": "not-found"}, 404), "unknown", "http_404"),
        (canned_json({}, 503), "not_sent", "bank_busy"),
        (canned_json({}, 500), "unknown", "http_500"),
    ],
)  # fmt: skip
def test_what_waves_answer_proves(answer: Canned, kind: str, code: str) -> None:
    outcome, (asked,) = recall("wave", answer)
    assert (outcome.kind, outcome.code) == (kind, code)
    assert (asked.method, asked.path) == ("POST", "/mobile_money/wave/v1/payout/pt-1/reverse")
    assert asked.headers["Idempotency-Key"] == RECALL
    back = [(event.kind, event.reference) for event in outcome.events]
    assert back == ([(EventKind.RETURNED, "OURS")] if kind == "accepted" else [])


def test_a_payout_whose_id_we_never_heard_is_looked_for_first() -> None:
    answer = canned_json({"result": [WAVE_SAYS]})
    outcome, (asked, reversed_) = recall("wave", answer, bank_reference="MOBILE_MONEY01")
    assert asked.path.endswith("/v1/payouts/search?client_reference=OURS")
    assert reversed_.path.endswith("/v1/payout/pt-1/reverse")
    assert outcome.code == "answer_unreadable"  # The stub says the same to everything.
    outcome, (asked,) = recall("wave", canned_json({"result": []}), bank_reference="")
    assert (outcome.kind, outcome.code) == ("unknown", "not_found")


@pytest.mark.parametrize("reference", ["pt-1/../../other", "pt-1?x=1", "pt-é", "PT-1"])
def test_no_reference_of_a_bank_becomes_another_address(reference: str) -> None:
    _, asked = recall("wave", canned_json({"result": []}), bank_reference=reference)
    assert [one.path.partition("?")[0] for one in asked] == ["/mobile_money/wave/v1/payouts/search"]


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (canned_json({"requestId": RECALL}, 202), "accepted", ""),
        (canned_json({"requestId": "another"}, 202), "unknown", "answer_mismatch"),
        (Canned(body=b"x", status=202), "unknown", "answer_unreadable"),
        (canned_json({"code": "NOOR"}, 400), "rejected", "NOOR"),
        (canned_json({"code": "RETURN_REQUEST_TOO_LATE"}, 400), "rejected", "RETURN_REQUEST_TOO_LATE"),
        (canned_json({"code": "BAD_REQUEST"}, 400), "unknown", "http_400"),
        (canned_json({}, 429), "not_sent", "bank_busy"),
    ],
)  # fmt: skip
def test_what_a_clearing_banks_answer_proves(answer: Canned, kind: str, code: str) -> None:
    outcome, (asked,) = recall(
        "faster_payments", answer, amount=Decimal("12.3"), currency="GBP", bank_reference="FPS01"
    )
    assert (outcome.kind, outcome.code, outcome.events) == (kind, code, ())
    assert asked.path == "/faster_payments/default/v3/payments/fps/return-requests"
    assert asked.headers["X-Request-Id"] == RECALL
    assert asked.headers["DigitalSignature"]
    assert json.loads(asked.body) == {
        "requestId": RECALL,
        "originalEndToEndIdentification": "OURS",
        "originalTransactionId": "FPS01",
        "amount": {"instructedAmount": "12.30", "currency": "GBP"},
        "reason": {"code": "FRAD", "information": "Gemeldet von Muller + Sohne"},
    }


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("duplicate", "DUPL"), ("technical", "TECH"), ("fraud", "FRAD"), ("customer", "CUST"),
        ("wrong_amount", "AM09"), ("wrong_account", "AC03"),
    ],
)  # fmt: skip
def test_each_reason_has_its_code(reason: str, code: str) -> None:
    _, (asked,) = recall("faster_payments", Canned(), reason=RecallReason(reason))
    assert json.loads(asked.body)["reason"]["code"] == code


def test_an_answer_by_report_names_payment_and_recall() -> None:
    payload = {
        "endToEndIdentification": "OURS", "requestId": RECALL, "reasonCode": "CUST", "status": "Settled",
        "amount": "12.30", "currencyCode": "GBP", "transactionId": "FPS01",
    }  # fmt: skip
    listed = [
        {"Type": kind, "Payload": payload}
        for kind in ("ReturnRequestRefused", "ReturnRequestAccepted")
    ]
    body = json.dumps({"events": listed}).encode()
    connector = registry.build("faster_payments", config("faster_payments"))
    document = InboundDocument(remote_id="1", document_type="fps.events", body=body)
    assert [
        (e.kind, e.reference, e.transmission_reference, e.code)
        for e in connector.parse_report(document)
    ] == [
        (EventKind.RECALL_REFUSED, "OURS", RECALL, "CUST"),
        (EventKind.RECALL_ACCEPTED, "OURS", RECALL, "CUST"),
    ]
