"""For the tests of the bank simulator: a bank to talk to over HTTP, and samples written by hand.

Nothing here is shared with the connectors or with the simulator's own readers.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lxml import etree

from connectors.bank_simulator.__main__ import build, serve
from tests.fixtures_folder import fixture

ROOT = Path(__file__).resolve().parent.parent
KEY = "sandbox-bank-key"
IBAN = "DE89370400440532013000"
DEBTOR_IBAN = "NL58HDNL0657267333"


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """What any HTTP client could say to the bank at this port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        timeout: float = 5,
        key: str | None = KEY,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))

    def sepa(self, body: bytes, *, bank: str = "default", timeout: float = 5) -> Answer:
        return self.call("POST", f"/sepa/{bank}/payment-orders", body, timeout=timeout)

    def ach(self, body: bytes, *, timeout: float = 5) -> Answer:
        return self.call("POST", "/ach/default/files", body, timeout=timeout)

    def records(self, since: int = 0) -> list[dict[str, Any]]:
        answer = self.call("GET", f"/_sim/records?since={since}", key=None)
        assert answer.status == 200
        rows: list[dict[str, Any]] = answer.json
        return rows

    def states(self) -> list[tuple[str, str]]:
        return [(row["reference"], row["state"]) for row in self.records()]

    def fault(self, name: str, **fields: Any) -> Answer:
        body = json.dumps({"fault": name, **fields}).encode()
        return self.call("POST", "/_sim/faults", body, key=None)

    def hits(self) -> list[int]:
        return [fault["hits"] for fault in self.call("GET", "/_sim/faults", key=None).json]

    def heal(self) -> Any:
        return self.call("DELETE", "/_sim/faults", key=None).json

    def advance(self, **by: float) -> Answer:
        body = json.dumps({"advance_seconds": timedelta(**by).total_seconds()}).encode()
        return self.call("POST", "/_sim/clock", body, key=None)

    def now(self) -> datetime:
        return datetime.fromisoformat(self.call("GET", "/_sim/clock", key=None).json["now"])

    def reports(
        self, bank: str = "sepa/default", after: int = 0, limit: int = 100
    ) -> list[tuple[int, str, bytes]]:
        page = self.call("GET", f"/{bank}/reports?after={after}&limit={limit}").json
        return [(d["id"], d["type"], base64.b64decode(d["content"])) for d in page["documents"]]


class LocalBank(Client):
    """A bank in a thread of this process; `restart` builds a new one from what is on disk."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        super().__init__(self._start())

    def _start(self) -> int:
        self.server = build(port=0, state_dir=self.state_dir, api_key=KEY)
        self.thread = threading.Thread(target=serve, args=(self.server,), daemon=True)
        self.thread.start()
        return int(self.server.server_address[1])

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def restart(self) -> None:
        self.stop()
        self.port = self._start()


class BankProcess(Client):
    """A bank as a process of its own, to be killed."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            super().__init__(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        environment = os.environ | {
            "BANK_SIMULATOR_PORT": str(self.port),
            "STATE_DIR": str(self.state_dir),
            "BANK_SIMULATOR_API_KEY": KEY,
        }
        self.log = open(self.state_dir / "stderr.log", "ab")  # noqa: SIM115 - closed in end()
        command = [sys.executable, "-m", "connectors.bank_simulator"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=self.log)
        until(self.is_up)

    def is_up(self) -> bool:
        try:
            return self.call("GET", "/_sim/health", key=None).status == 200
        except OSError:
            return False

    def end(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        status = self.process.wait(10)
        self.log.close()
        return status


@contextlib.contextmanager
def local_bank(state_dir: Path) -> Iterator[LocalBank]:
    bank = LocalBank(state_dir)
    try:
        yield bank
    finally:
        bank.stop()


def until(true: Callable[[], Any], *, seconds: float = 6) -> Any:
    """Wait until a condition holds, and return what made it true."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.03)
    return found


def assert_valid(document: bytes) -> None:
    """Hold a message against the official schema that its namespace names."""
    root = etree.fromstring(document)
    name = etree.QName(root).namespace.rpartition(":")[2]
    schema = etree.XMLSchema(etree.fromstring(fixture(f"xsd/{name}.xsd")))
    schema.assertValid(root)


@dataclass
class Pay:
    """One SEPA payment of a sample message."""

    reference: str
    amount: str = "12.30"
    iban: str = IBAN
    instruction: str = ""
    name: str = "Ada Example"
    currency: str = "EUR"
    text: str = "Payout 1"
    address: str = ""

    def xml(self) -> str:
        instruction = self.instruction or uuid.uuid5(uuid.NAMESPACE_URL, self.reference).hex
        return (
            f"<CdtTrfTxInf><PmtId><InstrId>{instruction}</InstrId>"
            f"<EndToEndId>{self.reference}</EndToEndId></PmtId>"
            f'<Amt><InstdAmt Ccy="{self.currency}">{self.amount}</InstdAmt></Amt>'
            f"<Cdtr><Nm>{self.name}</Nm>{self.address}</Cdtr>"
            f"<CdtrAcct><Id><IBAN>{self.iban}</IBAN></Id></CdtrAcct>"
            f"<RmtInf><Ustrd>{self.text}</Ustrd></RmtInf></CdtTrfTxInf>"
        )


def pain001(
    *payments: Pay,
    message: str = "MSG-1",
    date: str = "",
    count: str = "",
    total: str = "",
    changes: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A pain.001 with right totals unless others are given; `changes` are made in its text."""
    total = total or str(sum(int(p.amount.replace(".", "")) for p in payments) / 100)
    totals = f"<NbOfTxs>{count or len(payments)}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
    date = date or datetime.now(UTC).date().isoformat()
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
        f"<GrpHdr><MsgId>{message}</MsgId><CreDtTm>2026-11-24T10:00:00</CreDtTm>{totals}"
        "<InitgPty><Nm>Molam</Nm></InitgPty></GrpHdr>"
        f"<PmtInf><PmtInfId>{message}-1</PmtInfId><PmtMtd>TRF</PmtMtd>{totals}"
        "<PmtTpInf><SvcLvl><Cd>SEPA</Cd></SvcLvl></PmtTpInf>"
        f"<ReqdExctnDt><Dt>{date}</Dt></ReqdExctnDt><Dbtr><Nm>Molam</Nm></Dbtr>"
        f"<DbtrAcct><Id><IBAN>{DEBTOR_IBAN}</IBAN></Id></DbtrAcct>"
        "<DbtrAgt><FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt>"
        f"<ChrgBr>SLEV</ChrgBr>{''.join(p.xml() for p in payments)}</PmtInf>"
        "</CstmrCdtTrfInitn></Document>"
    )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def read_statuses(document: bytes) -> dict[str, tuple[str, str, str]]:
    """A pain.002 as {EndToEndId: (status, code, amount)}, and {"": (group status, code, MsgId)}."""
    root = etree.fromstring(document)
    for node in root.iter():
        node.tag = etree.QName(node).localname
    group = root.find(".//OrgnlGrpInfAndSts")
    assert group is not None

    def text(node: Any, path: str) -> str:
        return node.findtext(path) or ""

    told = {
        "": (
            text(group, "GrpSts"),
            text(group, "StsRsnInf/Rsn/Cd"),
            text(group, "OrgnlMsgId"),
        )
    }
    for node in root.iter("TxInfAndSts"):
        told[text(node, "OrgnlEndToEndId")] = (
            text(node, "TxSts"),
            text(node, "StsRsnInf/Rsn/Cd"),
            text(node, "OrgnlTxRef/Amt/InstdAmt"),
        )
    return told


@dataclass
class Credit:
    """One ACH credit of a sample file."""

    reference: str
    cents: int = 1230
    account: str = "123456789012"
    rdfi: str = "021000021"
    code: str = "22"
    information: str = ""
    name: str = "ADA EXAMPLE"


def nacha(
    *credits: Credit,
    modifier: str = "A",
    created: str = "261124",
    effective: str = "",
    entry_class: str = "PPD",
    service: str = "220",
    changes: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """A file of one batch with right controls; `changes` are replacements in its text."""
    effective = effective or f"{datetime.now(UTC):%y%m%d}"
    lines = [
        f"101 0210000211234567890{created}1000{modifier}094101{'BANK':23}{'MOLAM':23}{'':8}",
        f"5{service}{'MOLAM':16}{'':20}{'1234567890':10}{entry_class}{'PAYOUT':10}{'':6}"
        f"{effective}   1021000020000001",
    ]
    for number, credit in enumerate(credits, start=1):
        payout = uuid.uuid5(uuid.NAMESPACE_URL, credit.reference)
        information = credit.information or f"{payout} payout"
        lines += [
            f"6{credit.code}{credit.rdfi}{credit.account:17}{credit.cents:010d}"
            f"{credit.reference:15}{credit.name:22}  102100002{number:07d}",
            f"705{information:80}0001{number:07d}",
        ]
    count, total = 2 * len(credits), sum(credit.cents for credit in credits)
    entry_hash = sum(int(credit.rdfi[:8]) for credit in credits) % 10**10
    totals = f"{entry_hash:010d}{0:012d}{total:012d}"
    lines.append(f"8{service}{count:06d}{totals}{'1234567890':10}{'':25}021000020000001")
    blocks = -(-(len(lines) + 1) // 10)
    lines.append(f"9{1:06d}{blocks:06d}{count:08d}{totals}{'':39}")
    lines += ["9" * 94] * (blocks * 10 - len(lines))
    text = "\n".join(lines) + "\n"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode("ascii")
