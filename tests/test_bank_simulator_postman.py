"""How the simulated banks tell their customer: a few times, to the customer's own address, and M-Pesa's order."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.bank_simulator.__main__ import build, serve
from tests.bank_simulator_client import KEY, Client, until
from tests.bank_stub import BankStub, Canned, bank_stub


@contextmanager
def telling(tmp_path: Path, to: str) -> Iterator[Client]:
    server = build(port=0, state_dir=tmp_path, api_key=KEY, events_url=to)
    thread = threading.Thread(target=serve, args=(server,), daemon=True)
    thread.start()
    try:
        yield Client(int(server.server_address[1]))
    finally:
        server.shutdown()
        thread.join(10)


def ask(bank: Client, path: str, content: Any, **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", bank.port, timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(content).encode() if content is not None else b""
    connection.request("GET" if content is None else "POST", path, body, named)
    answer = connection.getresponse()
    told = json.loads(answer.read() or b"null")
    connection.close()
    return answer.status, told


def wave(bank: Client, *, number: str = "+221770000001") -> str:
    reference = uuid.uuid4().hex
    content = {
        "currency": "XOF", "receive_amount": "1000", "mobile": number, "name": "Awa",
        "client_reference": reference, "payment_reason": str(uuid.uuid4()),
    }  # fmt: skip
    how = {"Authorization": f"Bearer {KEY}", "Idempotency_Key": reference}
    assert ask(bank, "/mobile_money/wave/v1/payout", content, **how)[0] == 200
    return reference


ORDER: dict[str, Any] = {
    "InitiatorName": "molam", "SecurityCredential": base64.b64encode(bytes(256)).decode(),
    "CommandID": "BusinessPayment", "Amount": 1000, "PartyA": "600997", "PartyB": "254700000001",
    "Remarks": "PAYOUT", "Occassion": str(uuid.uuid4()),
}  # fmt: skip


def token(bank: Client) -> str:
    pair = base64.b64encode(f"molam:{KEY}".encode()).decode()
    path = "/mobile_money/mpesa/oauth/v1/generate?grant_type=client_credentials"
    status, told = ask(bank, path, None, Authorization=f"Basic {pair}")
    assert status == 200
    return f"Bearer {told['access_token']}"


def mpesa(bank: Client, url: str, **changes: Any) -> tuple[int, Any, str]:
    reference = uuid.uuid4().hex
    content = {
        **ORDER, "OriginatorConversationID": reference, "ResultURL": url, "QueueTimeOutURL": url, **changes,
    }  # fmt: skip
    content = {name: value for name, value in content.items() if value is not None}
    path = "/mobile_money/mpesa/mpesa/b2c/v3/paymentrequest"
    return *ask(bank, path, content, Authorization=token(bank)), reference


def told(customer: BankStub) -> list[str]:
    return [asked.path for asked in customer.asked]


def test_a_message_is_repeated_a_few_times_with_the_same_bytes_and_then_given_up(
    tmp_path: Path,
) -> None:
    with bank_stub(Canned(503)) as customer, telling(tmp_path, customer.url) as bank:
        wave(bank)
        until(lambda: len(customer.asked) == 4, seconds=8)
        time.sleep(0.5)
        assert told(customer) == ["/wave:mobile_money"] * 4
        assert len({asked.body for asked in customer.asked}) == 1
        assert len({asked.headers["Wave-Signature"] for asked in customer.asked}) == 1


def test_a_message_that_was_taken_is_not_repeated(tmp_path: Path) -> None:
    with bank_stub(Canned(200)) as customer, telling(tmp_path, customer.url) as bank:
        reference = wave(bank)
        until(lambda: customer.asked)
        time.sleep(0.6)
        (asked,) = customer.asked
        assert json.loads(asked.body)["data"]["client_reference"] == reference
        # And a bank that starts again has nothing to add.
    with bank_stub(Canned(200)) as customer, telling(tmp_path, customer.url):
        time.sleep(0.6)
        assert customer.asked == []


def test_only_the_customers_own_address_is_called(tmp_path: Path) -> None:
    with (
        bank_stub(Canned(200)) as customer,
        bank_stub(Canned(200)) as stranger,
        telling(tmp_path, customer.url) as bank,
    ):
        assert mpesa(bank, f"{stranger.url}/result")[0] == 200
        reference = mpesa(bank, f"{customer.url}/mpesa:mobile_money?token=x")[2]
        until(lambda: customer.asked)
        (asked,) = customer.asked
        assert asked.path == "/mpesa:mobile_money?token=x"
        result = json.loads(asked.body)["Result"]
        assert (result["ResultCode"], result["OriginatorConversationID"]) == (0, reference)
        time.sleep(0.5)
        assert stranger.asked == []


def test_m_pesa_calls_once_whatever_it_hears(tmp_path: Path) -> None:
    with bank_stub(Canned(500)) as customer, telling(tmp_path, customer.url) as bank:
        mpesa(bank, f"{customer.url}/x")
        until(lambda: customer.asked)
        time.sleep(1.2)
        assert len(customer.asked) == 1


def test_m_pesa_has_no_memory(tmp_path: Path) -> None:
    with telling(tmp_path, "") as bank:
        for _ in range(2):
            status, answer, _ = mpesa(bank, "http://x/y", OriginatorConversationID="SAME")
            assert (status, answer["ResponseCode"]) == (200, "0")
        assert bank.states() == [("SAME", "booked")] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"ResultURL": None}, {"QueueTimeOutURL": "x"}, {"CommandID": "Pay"}, {"Amount": "1000"}, {"Amount": 10.5},
        {"Amount": 9}, {"Amount": True}, {"SecurityCredential": "password"}, {"InitiatorName": ""},
        {"PartyA": "Molam"}, {"PartyB": "me"}, {"OriginatorConversationID": ""},
    ],
)  # fmt: skip
def test_what_is_no_m_pesa_order_is_refused_and_not_booked(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with telling(tmp_path, "") as bank:
        status, answer, _ = mpesa(bank, "http://x/y", **changes)
        assert (status, answer["code"]) == (400, "BAD_REQUEST")
        assert bank.records() == []


def test_without_an_address_nobody_is_told(tmp_path: Path) -> None:
    with telling(tmp_path, "") as bank:
        wave(bank)
        assert mpesa(bank, "http://127.0.0.1:1/x")[0] == 200
        until(lambda: len(bank.reports("mobile_money/wave")) == 1)
