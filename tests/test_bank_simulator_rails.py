"""The simulated banks of wire, RTP, Faster Payments and mobile money, spoken to in samples written by hand."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree

from tests.bank_simulator_client import KEY, Answer, LocalBank, assert_valid, local_bank, until

SEED = hashlib.sha256(b"faster_payments signature of " + KEY.encode()).digest()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBank]:
    with local_bank(tmp_path_factory.mktemp("bank")) as running:
        yield running


def ask(bank: LocalBank, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    sent = {"Authorization": f"Bearer {KEY}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", bank.port, timeout=10)
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    answer = Answer(response.status, response.read(), dict(response.getheaders()))
    connection.close()
    return answer


def unique() -> str:
    return str(uuid.uuid4())


@dataclass
class Sent:
    """One payment as it went out: how to say it again, how to ask, and the bank's own name of the rail."""

    rail: str
    reference: str
    path: str
    body: bytes
    headers: dict[str, str]
    question: str
    asked: bytes = b""  # The question's own message, where it is one.

    def inquire(self, bank: LocalBank) -> Answer:
        headers = {k: v for k, v in self.headers.items() if k == "Authorization"}
        return ask(bank, "POST" if self.asked else "GET", self.question, self.asked, **headers)

    def post(self, bank: LocalBank) -> Answer:
        return ask(bank, "POST", self.path, self.body, **self.headers)

    def states(self, bank: LocalBank) -> list[str]:
        return [row["state"] for row in bank.records() if row["reference"] == self.reference]


def interbank(rail: str, account: str) -> Sent:
    """A pacs.008 for wire or RTP."""
    reference, number = unique().replace("-", "")[:30], uuid.uuid4().hex[:8].upper()
    today = datetime.now(UTC).date()
    system, message = {
        "wire": ("FDW", f"{today:%Y%m%d}{number}000001"),
        "rtp": ("TCH", f"M{today:%Y%m%d}021000021T1B000001{number}"),
    }[rail]
    agent = "<FinInstnId><ClrSysMmbId><MmbId>021000021</MmbId></ClrSysMmbId></FinInstnId>"
    body = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08"><FIToFICstmrCdtTrf><GrpHdr>'
        f"<MsgId>{message}</MsgId><CreDtTm>2026-11-24T10:00:00Z</CreDtTm><NbOfTxs>1</NbOfTxs><SttlmInf>"
        f"<SttlmMtd>CLRG</SttlmMtd><ClrSys><Cd>{system}</Cd></ClrSys></SttlmInf></GrpHdr><CdtTrfTxInf>"
        f"<PmtId><InstrId>{uuid.uuid4().hex}</InstrId><EndToEndId>{reference}</EndToEndId>"
        f"<TxId>{reference}</TxId><UETR>{unique()}</UETR></PmtId>"
        f'<IntrBkSttlmAmt Ccy="USD">12.30</IntrBkSttlmAmt><IntrBkSttlmDt>{today}</IntrBkSttlmDt>'
        f"<ChrgBr>SLEV</ChrgBr><InstgAgt>{agent}</InstgAgt><InstdAgt>{agent}</InstdAgt>"
        "<Dbtr><Nm>Molam</Nm><PstlAdr><TwnNm>New York</TwnNm><Ctry>US</Ctry></PstlAdr></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>900</Id></Othr></Id></DbtrAcct><DbtrAgt>{agent}</DbtrAgt>"
        f"<CdtrAgt>{agent}</CdtrAgt><Cdtr><Nm>Ada</Nm></Cdtr>"
        f"<CdtrAcct><Id><Othr><Id>{account}</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>"
        "</FIToFICstmrCdtTrf></Document>"
    ).encode()
    question = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pacs.028.001.03"><FIToFIPmtStsReq><GrpHdr>'
        f"<MsgId>Q{number}</MsgId><CreDtTm>2026-11-24T10:00:20Z</CreDtTm></GrpHdr><TxInf><OrgnlGrpInf>"
        f"<OrgnlMsgId>{message}</OrgnlMsgId><OrgnlMsgNmId>pacs.008.001.08</OrgnlMsgNmId></OrgnlGrpInf>"
        f"<OrgnlEndToEndId>{reference}</OrgnlEndToEndId></TxInf></FIToFIPmtStsReq></Document>"
    )
    path = f"/{rail}/default/credit-transfers"
    asking = f"/{rail}/default/status-requests"
    return Sent(rail, reference, path, body, {}, asking, question.encode())


def faster(account: str) -> Sent:
    """A signed request to the clearing bank."""
    reference, request_id = unique().replace("-", "")[:30], unique()
    scheme = {"code": "SortCodeAccountNumber"}

    def at(number: str) -> dict[str, Any]:
        return {"identification": {"other": {"identification": number, "schemeName": scheme}}}

    transfer = {
        "paymentIdentification": {
            "instructionIdentification": uuid.uuid4().hex,
            "endToEndIdentification": reference,
        },
        "amount": {"instructedAmount": "12.30", "currency": "GBP"},
        "creditor": {"name": "Ada"},
        "creditorAccount": at("089999" + account),
        "remittanceInformation": {
            "structured": {"creditorReferenceInformation": {"reference": "PAYOUT"}}
        },
    }
    instruction = {"debtorAccount": at("04000412345678"), "creditTransfers": [transfer]}
    body = json.dumps({"paymentInstructions": [instruction]}).encode()
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(body)
    path = "/faster_payments/default/v3/payments/fps"
    headers = {"X_Request_Id": request_id, "DigitalSignature": base64.b64encode(signature).decode()}
    return Sent("faster_payments", reference, path, body, headers, f"{path}/{request_id}")


def token(bank: LocalBank, path: str) -> dict[str, str]:
    pair = base64.b64encode(f"molam:{KEY}".encode()).decode()
    told = ask(bank, "POST", path, Authorization=f"Basic {pair}").json
    return {"Authorization": f"Bearer {told['access_token']}"}


def mtn(bank: LocalBank, account: str) -> Sent:
    reference = unique()
    content = {
        "amount": "1000",
        "currency": "XOF",
        "externalId": reference,
        "payee": {"partyIdType": "MSISDN", "partyId": account},
        "payerMessage": unique(),
        "payeeNote": "",
    }
    path = "/mobile_money/mtn/disbursement/v1_0/transfer"
    headers = token(bank, "/mobile_money/mtn/disbursement/token/")
    headers |= {"X_Reference_Id": reference, "X_Target_Environment": "mtnivorycoast"}
    body = json.dumps(content).encode()
    return Sent("mobile_money", reference, path, body, headers, f"{path}/{reference}")


def wave(account: str) -> Sent:
    reference = unique()
    content = {
        "currency": "XOF",
        "receive_amount": "1000",
        "mobile": account,
        "name": "Awa",
        "client_reference": reference,
        "payment_reason": unique(),
    }
    return Sent(
        "mobile_money",
        reference,
        "/mobile_money/wave/v1/payout",
        json.dumps(content).encode(),
        {"Idempotency_Key": reference},
        f"/mobile_money/wave/v1/payouts/search?client_reference={reference}",
    )


def orange(bank: LocalBank, account: str) -> Sent:
    reference = unique()
    content = {
        "partner": {"idType": "MSISDN", "id": "2250700000000", "encryptedPinCode": "x"},
        "customer": {"idType": "MSISDN", "id": account},
        "amount": {"value": 1000, "unit": "XOF"},
        "reference": reference,
        "metadata": {"payout": unique()},
    }
    root = "/mobile_money/default/api/eWallet/v1"
    return Sent(
        "mobile_money",
        reference,
        f"{root}/cashins",
        json.dumps(content).encode(),
        token(bank, "/mobile_money/default/oauth/v1/token"),
        f"{root}/transactions?reference={reference}",
    )


# Ordinary number, and what the numbers with a fixed outcome begin with.
ACCOUNTS = {
    "wire": ("123456789012", "900000000"),
    "rtp": ("123456789012", "900000000"),
    "faster_payments": ("66374958", "90000"),
    "mtn": ("2250500000001", "2250500000"),
    "wave": ("+221770000001", "+221770000"),
    "orange": ("2250700000001", "2250700000"),
}
LATER = ("faster_payments", "mtn")  # They say 202 and report what became of it.
every = pytest.mark.parametrize("name", ACCOUNTS)


def payment(bank: LocalBank, name: str, ending: str = "") -> Sent:
    ordinary, magic = ACCOUNTS[name]
    account = magic + ending if ending else ordinary
    if name in ("wire", "rtp"):
        return interbank(name, account)
    makers = {
        "faster_payments": lambda: faster(account),
        "mtn": lambda: mtn(bank, account),
        "wave": lambda: wave(account),
        "orange": lambda: orange(bank, account),
    }
    return makers[name]()


@every
def test_an_ordinary_account_is_booked_once_even_when_it_is_said_twice(
    bank: LocalBank, name: str
) -> None:
    sent = payment(bank, name)
    first, second = sent.post(bank), sent.post(bank)
    assert first.status == (202 if name in LATER else 200)
    # Orange has no memory in life either; MTN's word for "received, go and ask" is 409.
    assert second.status == (409 if name == "mtn" else first.status)
    assert sent.states(bank) == ["booked"] * (2 if name == "orange" else 1)
    if name not in ("mtn", "orange"):
        assert second.body == first.body
    asked = sent.inquire(bank)
    assert asked.status == 200
    assert sent.reference.encode() in asked.body


@every
def test_what_was_never_sent_is_not_found(bank: LocalBank, name: str) -> None:
    sent = payment(bank, name)
    asked = sent.inquire(bank)
    empty = {"wave": {"result": []}, "orange": {"transactions": []}}
    if name in empty:
        assert (asked.status, asked.json) == (200, empty[name])
    else:
        assert (asked.status, asked.json["code"].endswith("NOT_FOUND")) == (404, True)


@every
@pytest.mark.parametrize("ending", ["101", "201", "401", "601"])
def test_a_refused_account_is_never_booked(bank: LocalBank, name: str, ending: str) -> None:
    sent = payment(bank, name, ending)
    sent.post(bank)
    until(lambda: sent.states(bank))
    assert sent.states(bank) == ["rejected"]


@every
def test_whoever_has_no_key_is_refused(bank: LocalBank, name: str) -> None:
    sent = payment(bank, name)
    sent.headers |= {"Authorization": "Bearer nobody"}
    assert sent.post(bank).status == 401
    assert sent.states(bank) == []


def test_a_body_that_is_signed_by_somebody_else_is_refused(bank: LocalBank) -> None:
    sent = faster("66374958")
    sent.body = sent.body.replace(b"12.30", b"99.30")
    assert sent.post(bank).status == 401
    assert sent.states(bank) == []


@pytest.mark.parametrize("name", ["wire", "rtp"])
def test_answers_and_reports_are_valid_by_the_official_schemas(bank: LocalBank, name: str) -> None:
    for ending in ("", "401", "801"):
        assert_valid(payment(bank, name, ending).post(bank).body)
    broken = payment(bank, name)
    broken.body = broken.body.replace(b"<NbOfTxs>1<", b"<NbOfTxs>2<")
    assert_valid(broken.post(bank).body)
    returned = payment(bank, name, "701")
    returned.post(bank)
    bank.advance(days=4)
    until(lambda: returned.states(bank) == ["booked", "returned"])
    reports = until(lambda: bank.reports(f"{name}/default"))
    assert {kind for _, kind, _ in reports} >= {"camt.054.001.08", "pacs.004.001.10"}
    for _, _, document in reports:
        assert_valid(document)
    codes = [
        node.text
        for _, kind, document in reports
        if kind.startswith("pacs.004")
        for node in etree.fromstring(document).iter("{*}Cd")
    ]
    assert "AC04" in codes


UNSTRUCTURED = b"<PstlAdr><AdrLine>Weg 1</AdrLine><AdrLine>Bonn</AdrLine></PstlAdr>"
HYBRID = b"<PstlAdr><TwnNm>Bonn</TwnNm><Ctry>DE</Ctry><AdrLine>Weg 1</AdrLine></PstlAdr>"
BROKEN = [
    (b"<Nm>Ada</Nm>", b"<Nm>Ada</Nm>" + UNSTRUCTURED, "BE04"),
    (b"<Nm>Ada</Nm>", b"<Nm>Ada</Nm>" + HYBRID, ""),
    (b"<TwnNm>New York</TwnNm><Ctry>US</Ctry>", b"<AdrLine>New York</AdrLine>", "BE07"),
    (b"<NbOfTxs>1</NbOfTxs>", b"<NbOfTxs>1</NbOfTxs><CtrlSum>12.31</CtrlSum>", "AM10"),
    (b"<NbOfTxs>1</NbOfTxs>", b"<NbOfTxs>1</NbOfTxs><CtrlSum>12.30</CtrlSum>", ""),
    (b"<NbOfTxs>1<", b"<NbOfTxs>2<", "AM18"),
]


@pytest.mark.parametrize(("old", "new", "code"), BROKEN)
@pytest.mark.parametrize("name", ["wire", "rtp"])
def test_an_interbank_payment_keeps_the_rules_or_is_refused_by_code(
    bank: LocalBank, name: str, old: bytes, new: bytes, code: str
) -> None:
    sent = payment(bank, name)
    assert old in sent.body
    sent.body = sent.body.replace(old, new)
    told = etree.fromstring(sent.post(bank).body)
    assert [node.text for node in told.iter("{*}Cd")] == ([code] if code else [])
    assert (sent.states(bank) == ["booked"]) == (not code)


@pytest.mark.parametrize("path", ["credit-transfers", "status-requests", "recalls"])
@pytest.mark.parametrize("body", [b"<!DOCTYPE a><a/>", b"<a", b"", b"{}"])
def test_a_bank_reads_nothing_that_is_not_plain_xml(
    bank: LocalBank, path: str, body: bytes
) -> None:
    before = len(bank.records())
    assert ask(bank, "POST", f"/wire/default/{path}", body).status == 400
    assert len(bank.records()) == before
