"""What banks send by themselves: proved or refused, kept before it is read, and read like any report.

The messages are written and signed by hand; what the simulated banks send is in test_bank_callbacks.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from ops import demo_data
from payouts import alerts, dispatch, doorbell, inbound, outcomes
from payouts.banks import line_of_key
from payouts.models import BankDocument, BankEvidence, Payout, PayoutAlert, PayoutAuditLog
from tests import api_client, world
from tests.api_client import Reply, acting_as, snapshot
from tests.bank_messages import SENDERS, Caller, Message, Sender
from tests.test_dispatch import expire_leases
from tests.world import World

every_bank = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)


def post(sender: Sender, message: Message, *, method: str = "POST", address: str = "") -> Reply:
    """Over HTTP, with the rights of the web."""
    path = f"/api/bank-events/{address or sender.address}" + (
        f"?{message.query}" if message.query else ""
    )
    return api_client.send(
        method, path, message.body, content_type="application/json", headers=message.headers
    )


def wish(sandbox: World, sender: Sender) -> Payout:
    sandbox.pay_to("whom", **sender.pays)
    if sandbox.currencies["whom"] == "KES":
        sandbox.deposit("KES")
    payout = sandbox.create("whom", sender.amount, payout_method=sender.method)
    assert line_of_key(sender.address).id == payout.bank_connector_id
    return payout


def sent(sandbox: World, sender: Sender) -> tuple[Payout, str]:
    """A payout that the bank has, and our reference for it. No report about it is fetched."""
    payout = wish(sandbox, sender)
    dispatch.dispatch_due()
    assert sandbox.status(payout) == "sent"
    return payout, sandbox.attempts(payout)[0].reference


def moves(payout: Payout, to: str) -> int:
    return PayoutAuditLog.objects.filter(payout_id=payout.pk, to_status=to).count()


# --- what is proved ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "kind"),
    [pytest.param(s, k, id=f"{n}-{k}") for n, s in SENDERS.items() for k in s.kinds],
)
def test_what_a_bank_says_is_kept_first_answered_and_then_read(
    sandbox: World, sender: Sender, kind: str
) -> None:
    payout, reference = sent(sandbox, sender)
    answer = post(sender, sender.message(kind, reference))
    assert answer.status == 200
    document = BankDocument.objects.get(remote_id__startswith="webhook")
    assert (document.read_at, sandbox.status(payout)) == (None, "sent")
    assert reference.encode() not in bytes(document.body)  # Encrypted.
    assert inbound.read_waiting() == 1
    assert sandbox.status(payout) == kind
    document.refresh_from_db()
    assert (document.error, document.event_count) == ("", 1)
    codes = {"settled": "", "rejected": sender.refusal, "returned": sender.return_code}
    assert Payout.objects.get(pk=payout.pk).last_error_code == codes[kind]


@every_bank
def test_F29_a_message_ten_times_is_one_document_and_one_transition(
    sandbox: World, sender: Sender
) -> None:
    payout, reference = sent(sandbox, sender)
    message = sender.message("settled", reference)
    answers = []
    for _ in range(10):
        answers.append(post(sender, message))
        inbound.read_waiting()
    assert {answer.status for answer in answers} == {200}
    assert len({str(answer.body) for answer in answers}) == 1
    assert BankDocument.objects.filter(remote_id__startswith="webhook").count() == 1
    assert (sandbox.status(payout), moves(payout, "settled")) == ("settled", 1)
    # Another message that says the same is kept, too, and moves nothing either.
    post(sender, sender.message("settled", reference, number=2))
    assert inbound.read_waiting() == 1
    assert moves(payout, "settled") == 1


@every_bank
def test_F30_a_message_that_comes_before_the_answer_settles_and_the_answer_adds_nothing(
    sandbox: World, sender: Sender
) -> None:
    payout, line = wish(sandbox, sender), line_of_key(sender.address)
    claim = dispatch.claim_due(line)
    assert claim is not None
    assert dispatch.prepare(line, claim)
    outgoing = dispatch.begin_call(claim)
    assert outgoing is not None
    heard = dispatch.call(line, outgoing)
    assert sandbox.status(payout) == "processing"
    assert (
        post(sender, sender.message("settled", sandbox.attempts(payout)[0].reference)).status == 200
    )
    inbound.read_waiting()
    assert sandbox.status(payout) == "settled"
    outcomes.record_outcome(line, claim.transmission_id, heard)
    expire_leases()
    assert (sandbox.status(payout), moves(payout, "settled")) == ("settled", 1)
    assert len(sandbox.attempts(payout)) == 1


@every_bank
def test_F31_messages_in_the_wrong_order_take_nothing_back(sandbox: World, sender: Sender) -> None:
    payout, reference = sent(sandbox, sender)
    before = sandbox.balance(payout.currency)
    ends = sender.disorder[0]
    for kind in sender.disorder:
        assert post(sender, sender.message(kind, reference, number=len(kind))).status == 200
        inbound.read_waiting()
        assert sandbox.status(payout) == ends
    back = payout.amount if ends == "returned" else 0
    assert sandbox.balance(payout.currency) == (before[0] + back, 0)
    assert moves(payout, ends) == 1


@every_bank
def test_F32_a_message_about_nobody_is_kept_and_told_and_changes_nothing(
    sandbox: World, sender: Sender
) -> None:
    sent(sandbox, sender)
    before = snapshot()
    assert post(sender, sender.message("settled", "NOBODYSREFERENCE")).status == 200
    assert inbound.read_waiting() == 1
    assert snapshot() == before
    evidence = BankEvidence.objects.get(reference="NOBODYSREFERENCE")
    assert (evidence.effect, evidence.payout_id, evidence.tenant_id) == ("unmatched", None, None)
    assert alerts.sweep("unmatched_evidence") == 1
    assert PayoutAlert.objects.get().alert_type == "unmatched_evidence"


# --- what is not ----------------------------------------------------------------------------------------------


def now(**ahead: float) -> datetime:
    return datetime.now(UTC) + timedelta(**ahead)


def _other_body(sender: Sender, body: bytes) -> Message:
    """Signed, or addressed, for one thing and saying another."""
    message = sender.proved(body)
    if isinstance(sender, Caller):
        return sender.to("another payment's", body)
    return Message(body=message.body + b" ", headers=message.headers)


FLAWS: dict[str, tuple[str, Any]] = {
    "no signature": ("signature_missing", lambda sender, body: Message(body=body, headers={})),
    "another bank's": ("signature_invalid", lambda sender, body: sender.proved(body, secret=b"other")),
    "of another body": ("signature_invalid", _other_body),
    "six minutes old": ("timestamp_too_old", lambda sender, body: sender.proved(body, at=now(minutes=-6))),
    "six minutes ahead": ("timestamp_invalid", lambda sender, body: sender.proved(body, at=now(minutes=6))),
}  # fmt: skip


@every_bank
@pytest.mark.parametrize("flaw", FLAWS)
def test_F33_what_is_not_proved_is_401_and_is_not_kept(
    sandbox: World, sender: Sender, flaw: str
) -> None:
    if "minutes" in flaw and not sender.signs:
        return  # There is no time in an address; it is good for one payment, and that is settled once.
    _, reference = sent(sandbox, sender)
    code, spoil = FLAWS[flaw]
    documents, before = BankDocument.objects.count(), snapshot()
    answer = post(sender, spoil(sender, sender.told("settled", reference)))
    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert reference not in json.dumps(answer.body)
    assert inbound.read_waiting() == 0
    assert (BankDocument.objects.count(), snapshot()) == (documents, before)
    # Four minutes are well within what clocks may differ by.
    assert (
        post(sender, sender.proved(sender.told("settled", reference), at=now(minutes=-4))).status
        == 200
    )


STRANGE_HEADERS = {
    "faster_payments": [
        {"DigitalSignature": value} for value in ("!", "AAAA", "\u00e9", "=" * 4000, "QUJD")
    ],
    "wave": [
        {"Wave-Signature": value}
        for value in ("t=", "v1=", "t=,v1=", "t=x,v1=y", "t=-1,v1=y", "t=\u00b2,v1=y", "t=" + "9" * 99 + ",v1=0", ",=,")
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE_HEADERS)
def test_no_signature_whatever_gives_a_500(sandbox: World, name: str) -> None:
    sender = SENDERS[name]
    for headers in STRANGE_HEADERS[name]:
        for body in (b"", b"{}", b"\x00\xff", b"[" * 3000, sender.told("settled", "R")):
            answer = post(sender, Message(body=body, headers=headers))
            assert (answer.status, answer.headers["Content-Type"]) == (
                401,
                "application/problem+json",
            )
    assert not BankDocument.objects.exists()


STRANGE_BODIES: dict[str, list[Any]] = {
    "faster_payments": [
        {"Type": "FITestEvent", "Payload": {}}, {"Type": "TransactionSettled"},
        {"Type": "TransactionSettled", "Payload": {}},
        {"Type": "TransactionSettled", "Payload": {"EndToEndTransactionId": "R", "Amount": "ten"}},
        {"Type": "TransactionSettled", "Payload": {"EndToEndTransactionId": "R", "TimestampSettled": "noon"}},
        {"Type": "TransactionRejected", "Payload": {"EndToEndTransactionId": "\u0000"}},
        {"Type": "PaymentMessageAssessmentFailed", "Payload": {"AssessmentFailure": {}}},
        {"Type": 5, "Payload": []}, {"Payload": 1},
    ],
    "wave": [
        [], 5, {}, {"type": "payout.succeeded"}, {"type": "payout.failed", "data": []},
        {"type": "payout.failed", "data": {"payout_error": 5}}, {"type": 1, "data": {}},
        {"type": "payout.succeeded", "data": {"client_reference": "R", "status": "succeeded", "receive_amount": "1e9"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE_BODIES)
def test_what_is_proved_and_makes_no_sense_is_kept_for_a_person(sandbox: World, name: str) -> None:
    sender = SENDERS[name]
    before = snapshot()
    for content in STRANGE_BODIES[name]:
        if isinstance(content, dict) and name == "faster_payments":
            content = {"Timestamp": now().isoformat(), "Nonce": 7, **content}
        assert post(sender, sender.proved(json.dumps(content).encode())).status == 200
    assert inbound.read_waiting() == len(STRANGE_BODIES[name])
    assert snapshot() == before
    assert BankDocument.objects.exclude(error="").count() >= 5
    assert not BankDocument.objects.filter(error__startswith="reader_broke").exists()


# --- the address --------------------------------------------------------------------------------------------


def test_only_a_bank_that_sends_anything_has_an_address(sandbox: World) -> None:
    sender = SENDERS["wave"]
    message = sender.message("settled", "R")
    for address in (
        "default:sepa", "default:mobile_money", "nobody:sepa", "wave", "mobile_money:wave", ":", "wave:",
        "%00:mobile_money", "wave:mobile_money%00", "\u00e9:sepa", "wave:mobile_money:", "a" * 5000,
        "wave;:mobile_money",
    ):  # fmt: skip
        answer = post(sender, message, address=address)
        assert (answer.status, answer.code) == (404, "not_found"), address
    assert not BankDocument.objects.exists()


def test_other_methods_and_endless_bodies_are_refused(sandbox: World, settings: Any) -> None:
    sender = SENDERS["wave"]
    message = sender.message("settled", "R")
    for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
        answer = post(sender, message, method=method)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")
    settings.MAX_BODY_BYTES = 1000
    big = sender.proved(b'{"type": "' + b"x" * 1000 + b'"}')
    assert (post(sender, big).status, post(sender, big).code) == (413, "payload_too_large")
    many = Message(body=b"{}", headers={}, query="&".join(f"a{n}=1" for n in range(2000)))
    assert post(sender, many).status == 400
    assert not BankDocument.objects.exists()


def test_a_bank_needs_neither_identity_nor_cookie(sandbox: World) -> None:
    sender = SENDERS["wave"]
    message = sender.message("settled", "R")
    answer = Client(enforce_csrf_checks=True).post(
        f"/api/bank-events/{sender.address}",
        message.body,
        "application/json",
        headers=message.headers,
    )
    assert answer.status_code == 200


def test_a_missing_secret_of_ours_makes_the_bank_come_again(sandbox: World) -> None:
    """Not 401, for which a bank would give up; and not 500."""
    sender, line = SENDERS["wave"], line_of_key("wave:mobile_money")
    from payouts import banks

    connection_ = banks.Connection(
        name=line.name, rail=line.rail, driver=line.driver, config=line.config, credentials={"api_key": "x"}
    )  # fmt: skip
    banks.configure([connection_])
    answer = post(sender, sender.message("settled", "R"))
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert answer.headers["Retry-After"]


def test_the_clearing_bank_hears_its_nonce_signed_by_us(sandbox: World) -> None:
    sender = SENDERS["faster_payments"]
    answer = post(sender, sender.message("settled", "R", number=949893874))
    assert answer.body == {"Nonce": 949893874}
    pem = demo_data._signing_key(world.BANK_KEY).encode()
    key: Any = load_pem_private_key(pem, None)
    signature = base64.b64decode(answer.headers["DigitalSignature"])
    key.public_key().verify(signature, json.dumps(answer.body).encode())


def test_whoever_keeps_a_message_rings_for_it(
    sandbox: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "_ringer", [lambda queue, delay_s: rung.append(queue)])
    sender = SENDERS["wave"]
    with django_capture_on_commit_callbacks(execute=True):
        assert post(sender, sender.message("settled", "R")).status == 200
    assert rung == ["documents"]
    with django_capture_on_commit_callbacks(execute=True):
        post(sender, Message(body=b"{}", headers={}))
    assert rung == ["documents"]


def test_the_web_keeps_a_document_and_never_changes_one(sandbox: World) -> None:
    sender = SENDERS["wave"]
    post(sender, sender.message("settled", "R"))
    for sql in (
        "UPDATE bank_documents SET read_at = now()", "DELETE FROM bank_documents", "TRUNCATE bank_documents",
    ):  # fmt: skip
        with (
            acting_as("payouts_web"),
            pytest.raises(ProgrammingError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
    with acting_as("payouts_worker"):
        assert inbound.read_waiting() == 1
