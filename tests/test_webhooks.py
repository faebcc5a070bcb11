"""How banks' own messages are proved and read, connector by connector, without a network."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connectors.abilities import ReadsWebhooks, WebhookRefused
from connectors.base import (
    ConnectorConfig,
    ConnectorMisconfigured,
    EventKind,
    InboundDocument,
    OutcomeKind,
    UnreadableDocument,
)
from connectors.rails.mpesa import seal_password
from connectors.registry import CONNECTORS, build
from tests.bank_stub import (
    NUMBERS,
    Canned,
    bank_stub,
    canned_json,
    config,
    instruction,
    transmission,
)

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    shown: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return shown.decode()


def with_credentials(driver: str, **changed: str) -> ConnectorConfig:
    plain = config(driver)
    return dataclasses.replace(plain, credentials={**plain.credentials, **changed})


def read(of: ConnectorConfig, driver: str, body: bytes, **how: Any) -> list[Any]:
    """Proved and read. Raises WebhookRefused."""
    connector = build(driver, of)
    assert isinstance(connector, ReadsWebhooks)
    asked = {"headers": {}, "query": {}, "now": NOW} | how
    return connector.parse_report(connector.read_webhook(body=body, **asked).document)


@pytest.mark.parametrize("driver", CONNECTORS)
def test_a_bank_sends_messages_exactly_where_its_connector_says_so(driver: str) -> None:
    connector = build(driver, config(driver))
    assert connector.capabilities().sends_webhooks == isinstance(connector, ReadsWebhooks)
    told = driver in ("faster_payments", "wave", "mtn", "mpesa")
    assert connector.capabilities().sends_webhooks == told


# --- Faster Payments ----------------------------------------------------------------------------------------


def faster(content: dict[str, Any], *, key: Any = RSA, at: datetime = NOW) -> dict[str, Any]:
    body = json.dumps({"Timestamp": at.isoformat(), "Nonce": 1, **content}).encode()
    signature = base64.b64encode(key.sign(body, PKCS1v15(), SHA256())).decode()
    return {"body": body, "headers": {"digitalsignature": signature}}


def test_a_clearing_bank_may_sign_with_rsa() -> None:
    of = with_credentials("faster_payments", webhook_key=pem(RSA))
    message = faster({"Type": "FITestEvent", "Payload": {}})
    assert read(of, "faster_payments", **message) == []
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(WebhookRefused, match="signature_invalid"):
        read(of, "faster_payments", **faster({"Type": "FITestEvent", "Payload": {}}, key=other))


@pytest.mark.parametrize(
    ("minutes", "code"),
    [(-5.1, "timestamp_too_old"), (-4.9, ""), (4.9, ""), (5.1, "timestamp_invalid")],
)
def test_five_minutes_are_the_most(minutes: float, code: str) -> None:
    of = with_credentials("faster_payments", webhook_key=pem(RSA))
    at = NOW + timedelta(minutes=minutes)
    message = faster({"Type": "FITestEvent", "Payload": {}}, at=at)
    if not code:
        assert read(of, "faster_payments", **message) == []
        return
    with pytest.raises(WebhookRefused) as refused:
        read(of, "faster_payments", **message)
    assert refused.value.code == code


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-11-24T09:30:00", 1, None])
def test_without_a_signed_moment_nothing_is_proved(stamp: Any) -> None:
    of = with_credentials("faster_payments", webhook_key=pem(RSA))
    body = json.dumps({"Timestamp": stamp, "Type": "FITestEvent", "Payload": {}}).encode()
    signature = base64.b64encode(RSA.sign(body, PKCS1v15(), SHA256())).decode()
    with pytest.raises(WebhookRefused, match="timestamp_invalid"):
        read(of, "faster_payments", body, headers={"digitalsignature": signature})


@pytest.mark.parametrize("key", ["", "no PEM", pem(ec.generate_private_key(ec.SECP256R1()))])
def test_a_key_that_is_none_is_our_own_fault(key: str) -> None:
    of = with_credentials("faster_payments", webhook_key=key)
    with pytest.raises(ConnectorMisconfigured):
        read(of, "faster_payments", **faster({"Type": "FITestEvent", "Payload": {}}))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PaymentMessageAssessmentFailed", "AssessmentFailure"),
        ("PaymentMessageAssessmentFailed", "AssesmentFailure"),  # As the bank once spelt it.
        ("PaymentMessageValidationFailed", "ValidationFailure"),
    ],
)
def test_what_the_bank_refuses_itself_is_a_refusal_of_each(kind: str, name: str) -> None:
    of = with_credentials("faster_payments", webhook_key=pem(RSA))
    listed = [
        {"EndToEndId": "A", "Reasons": ["Insufficient Funds", "Account closed"]},
        {"EndToEndId": "B", "Reasons": ["CB_ReferenceMissing"]},
        {"EndToEndId": "C", "Reasons": []},
        {"EndToEndId": "D", "Reasons": ["DUPLICATE_REQUEST"]},  # "There already" is no refusal.
    ]
    events = read(of, "faster_payments", **faster({"Type": kind, "Payload": {name: listed}}))
    assert [(e.reference, e.kind, e.code, e.detail) for e in events] == [
        ("A", EventKind.REJECTED, "ASSESSMENT_FAILED", "Insufficient Funds; Account closed"),
        ("B", EventKind.REJECTED, "CB_ReferenceMissing", "CB_ReferenceMissing"),
        ("C", EventKind.REJECTED, "ASSESSMENT_FAILED", ""),
    ]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"DebitCreditCode": "Debit", "IsReturn": False}, EventKind.SETTLED),
        ({"DebitCreditCode": "Credit", "IsReturn": True}, EventKind.RETURNED),
        (
            {"DebitCreditCode": "Credit", "IsReturn": False},
            None,
        ),  # Somebody else's money coming in.
        # What we send back of somebody's money, who may have named it after a payout of ours.
        ({"DebitCreditCode": "Debit", "IsReturn": True}, None),
        ({}, EventKind.SETTLED),
    ],
)
def test_what_settled_is_ours_or_came_back_or_is_not_our_affair(
    content: dict[str, Any], kind: EventKind | None
) -> None:
    of = with_credentials("faster_payments", webhook_key=pem(RSA))
    payload = {"EndToEndTransactionId": "A", "Amount": 12.30, "CurrencyCode": "GBP", **content}
    events = read(
        of, "faster_payments", **faster({"Type": "TransactionSettled", "Payload": payload})
    )
    assert [event.kind for event in events] == ([kind] if kind else [])
    assert all(event.amount == Decimal("12.3") for event in events)


# --- Wave -----------------------------------------------------------------------------------------------------


def test_while_wave_changes_its_secret_either_signature_will_do() -> None:
    body = json.dumps({"type": "merchant.payment_received", "data": {}}).encode()
    stamp = str(int(NOW.timestamp()))
    right = hmac.new(b"known-to-wave-and-us", stamp.encode() + body, hashlib.sha256).hexdigest()
    for signature in (f"t={stamp},v1={right}", f"t={stamp},v1={'0' * 64},v1={right}"):
        assert read(config("wave"), "wave", body, headers={"wave-signature": signature}) == []
    for signature in (f"t={stamp},v1={'0' * 64}", f"t={int(stamp) + 1},v1={right}"):
        with pytest.raises(WebhookRefused, match="signature_invalid"):
            read(config("wave"), "wave", body, headers={"wave-signature": signature})


# --- addresses ------------------------------------------------------------------------------------------------


def address_of(driver: str, number: int, **changed: str) -> str:
    """The address that a bank is given for a payment."""
    of = with_credentials(driver, **changed)
    payout = instruction(driver, number)
    prepared = build(driver, of).prepare([payout], NUMBERS)
    if driver == "mpesa":
        return str(json.loads(prepared.body)["ResultURL"])
    with bank_stub(Canned(202)) as bank:
        connector = build(driver, dataclasses.replace(of, base_url=bank.url))
        connector.submit(transmission(prepared, payout.reference))
    return bank.asked[0].headers.get("X-Callback-Url", "")


def callback(driver: str, reference: str) -> bytes:
    if driver == "mtn":
        return json.dumps({"externalId": reference, "status": "SUCCESSFUL"}).encode()
    return json.dumps({"Result": {"ResultCode": 0, "OriginatorConversationID": reference}}).encode()


@pytest.mark.parametrize("driver", ["mtn", "mpesa"])
def test_an_address_is_good_for_its_own_payment_only(driver: str) -> None:
    first, second = (address_of(driver, number) for number in (1, 2))
    assert first.startswith("https://pay.example/api/bank-events/default:mobile_money?")
    tokens = [dict(parse_qsl(urlsplit(url).query)) for url in (first, second)]
    assert tokens[0]["token"] != tokens[1]["token"]
    ours = instruction(driver, 1).reference
    (event,) = read(config(driver), driver, callback(driver, ours), query=tokens[0])
    assert (event.reference, event.kind) == (ours, EventKind.SETTLED)
    swapped = {**tokens[1], "ref": ours}
    for query in (tokens[1], swapped, {**tokens[0], "token": tokens[0]["token"][:-1]}):
        with pytest.raises(WebhookRefused, match="signature_invalid"):
            read(config(driver), driver, callback(driver, ours), query=query)
    assert address_of(driver, 1, callback_secret="another") != first


def test_an_address_is_good_for_its_own_purpose_only() -> None:
    """M-Pesa's time-out is not its result, whoever changes the word."""
    order = json.loads(
        build("mpesa", config("mpesa")).prepare([instruction("mpesa")], NUMBERS).body
    )
    timeout = dict(parse_qsl(urlsplit(order["QueueTimeOutURL"]).query))
    body = callback("mpesa", instruction("mpesa").reference)
    assert read(config("mpesa"), "mpesa", body, query=timeout) == []
    for what in ("result", "state", "", "else"):
        with pytest.raises(WebhookRefused, match="signature_invalid"):
            read(config("mpesa"), "mpesa", body, query={**timeout, "what": what})


def test_without_a_secret_mtn_is_given_no_address_and_m_pesa_no_order() -> None:
    assert address_of("mtn", 1, callback_secret="") == ""
    with pytest.raises(ConnectorMisconfigured, match="callback_url"):
        address_of("mpesa", 1, callback_secret="")


# --- M-Pesa ---------------------------------------------------------------------------------------------------


def test_an_initiators_password_is_for_m_pesa_alone() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "M-Pesa")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(RSA.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=9)).sign(RSA, SHA256())
    )  # fmt: skip
    sealed = seal_password("Safaricom999!*!", certificate.public_bytes(Encoding.PEM))
    assert RSA.decrypt(base64.b64decode(sealed), PKCS1v15()) == b"Safaricom999!*!"
    with pytest.raises(ConnectorMisconfigured):
        seal_password("x", b"no certificate")


def test_an_order_is_daraja_s_own_and_in_whole_shillings() -> None:
    connector = build("mpesa", config("mpesa"))
    order = json.loads(connector.prepare([instruction("mpesa")], NUMBERS).body)
    assert {name: order[name] for name in ("CommandID", "Amount", "PartyA", "PartyB")} == {
        "CommandID": "BusinessPayment", "Amount": 1001, "PartyA": "600997", "PartyB": "254700000001",
    }  # fmt: skip
    assert order["OriginatorConversationID"] == instruction("mpesa").reference
    assert order["Occassion"] == str(instruction("mpesa").payout_id)
    assert order["ResultURL"] != order["QueueTimeOutURL"]
    cents = instruction("mpesa", amount=Decimal("1000.50"))
    assert connector.prepare([cents], NUMBERS).errors[cents.reference].code == "amount_precision"
    for amount in ("9", "250001"):
        odd = instruction("mpesa", amount=Decimal(amount))
        assert connector.prepare([odd], NUMBERS).errors[odd.reference].code == "amount_out_of_range"


ACKNOWLEDGED = {
    "ConversationID": "AG_1", "OriginatorConversationID": instruction("mpesa").reference, "ResponseCode": "0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (canned_json(ACKNOWLEDGED), OutcomeKind.ACCEPTED, ""),
        (canned_json(ACKNOWLEDGED | {"ResponseCode": "1"}), OutcomeKind.UNKNOWN, "answer_refused"),
        (canned_json(ACKNOWLEDGED | {"OriginatorConversationID": "x"}), OutcomeKind.UNKNOWN, "answer_mismatch"),
        (canned_json(ACKNOWLEDGED | {"ConversationID": ""}), OutcomeKind.UNKNOWN, "answer_unreadable"),
        (canned_json({"errorCode": "400.002.02"}, 400), OutcomeKind.REJECTED, "400.002.02"),
        (canned_json({"errorCode": "400.999.99"}, 400), OutcomeKind.UNKNOWN, "http_400"),
        (canned_json({"errorCode": "500.001.1001"}, 500), OutcomeKind.UNKNOWN, "http_500"),
    ],
)  # fmt: skip
def test_what_an_acknowledgement_proves(answer: Canned, kind: OutcomeKind, code: str) -> None:
    payout = instruction("mpesa")
    with bank_stub(answer) as bank:
        connector = build("mpesa", dataclasses.replace(config("mpesa"), base_url=bank.url))
        sent = transmission(connector.prepare([payout], NUMBERS), payout.reference)
        outcome = connector.submit(sent)
    assert (outcome.kind, outcome.code) == (kind, code)


@pytest.mark.parametrize("code", [None, "", True, [], {}])
def test_a_result_without_a_code_is_unreadable(code: Any) -> None:
    body = json.dumps({"Result": {"ResultCode": code, "OriginatorConversationID": "R"}}).encode()
    document = InboundDocument(remote_id="", document_type="mpesa.result", body=body)
    with pytest.raises(UnreadableDocument):
        build("mpesa", config("mpesa")).parse_report(document)
