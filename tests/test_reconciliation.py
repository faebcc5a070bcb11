"""Bookings of banks against our payouts: settled and reconciled are two things."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from payouts import inbound, reconciliation
from payouts.models import BankDocument, BankEvidence, Payout, PayoutAuditLog
from tests.fixtures_folder import fixture
from tests.test_evidence import say
from tests.world import World

STATEMENT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>STMT-{number}</MsgId><CreDtTm>2026-11-24T10:00:00Z</CreDtTm></GrpHdr>
<Stmt><Id>1</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>
{entries}</Stmt></BkToCstmrStmt></Document>"""
ENTRY = """<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<ValDt><Dt>2026-11-24</Dt></ValDt><NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>
<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls></NtryDtls></Ntry>"""


def statement(*bookings: tuple[str, str]) -> bytes:
    entries = "".join(ENTRY.format(reference=r, amount=a) for r, a in bookings)
    return STATEMENT.format(number=len(entries), entries=entries).encode()


def settled_without_amount(world: World) -> Payout:
    """The bank says that it settled, and does not state the booking."""
    world.bank.fault(
        "silent", rail="sepa", seconds=600
    )  # Or it would state it by itself, on a banking day.
    payout = world.create()
    world.reach(payout, "sent")
    say(world, payout, "settled")
    assert reconciliation.match() == 0
    return Payout.objects.get(pk=payout.pk)


def run(file: Path, *options: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", str(file), "--json", *options, stdout=out)
    assert isinstance(ended.value.code, int)
    return ended.value.code, json.loads(out.getvalue())


def test_a_settlement_report_settles_and_a_booking_reconciles(sandbox: World) -> None:
    payout = sandbox.create()
    settled = sandbox.settle(payout)
    assert settled.reconciliation_status == "unreconciled"
    assert reconciliation.match() == 1
    done = Payout.objects.get(pk=payout.pk)
    assert (done.status, done.reconciliation_status) == ("settled", "reconciled")
    assert done.reconciled_at is not None
    assert (
        PayoutAuditLog.objects.filter(payout_id=payout.pk, action="payout.reconciled").count() == 1
    )
    assert reconciliation.match() == 0


def test_a_statement_file_lists_matched_unmatched_and_different(
    sandbox: World, tmp_path: Path
) -> None:
    one, other = settled_without_amount(sandbox), settled_without_amount(sandbox)
    first, second = (sandbox.attempts(p)[0].reference for p in (one, other))
    file = tmp_path / "statement.xml"
    file.write_bytes(statement((first, "100.00"), (second, "99.00"), ("SOMEBODY-ELSES", "5.00")))
    code, told = run(file)
    assert code == 1
    assert told["counts"] == {"matched": 1, "different": 1, "unmatched": 1}
    assert told["state"] == "taken in"
    status = dict(Payout.objects.values_list("pk", "reconciliation_status"))
    assert (status[one.pk], status[other.pk]) == ("reconciled", "different")
    assert BankEvidence.objects.filter(effect="unmatched", reference="SOMEBODY-ELSES").count() == 1


def test_importing_twice_changes_nothing(sandbox: World, tmp_path: Path) -> None:
    payout = settled_without_amount(sandbox)
    file = tmp_path / "statement.xml"
    file.write_bytes(statement((sandbox.attempts(payout)[0].reference, "100.00")))
    assert run(file)[0] == 0
    before = (
        BankEvidence.objects.count(),
        BankDocument.objects.count(),
        PayoutAuditLog.objects.count(),
    )
    code, told = run(file)
    assert (code, told["state"]) == (0, "was taken in before: nothing changed")
    after = (
        BankEvidence.objects.count(),
        BankDocument.objects.count(),
        PayoutAuditLog.objects.count(),
    )
    assert after == before


def test_a_dry_run_changes_nothing(sandbox: World, tmp_path: Path) -> None:
    payout = settled_without_amount(sandbox)
    file = tmp_path / "statement.xml"
    file.write_bytes(statement((sandbox.attempts(payout)[0].reference, "100.00")))
    documents = BankDocument.objects.count()
    code, told = run(file, "--dry-run")
    assert (code, told["counts"]["matched"]) == (0, 1)
    assert BankDocument.objects.count() == documents
    assert Payout.objects.get(pk=payout.pk).reconciliation_status == "unreconciled"


def test_a_statement_settles_what_was_only_sent(sandbox: World, tmp_path: Path) -> None:
    sandbox.bank.fault("silent", rail="sepa", seconds=600)
    payout = sandbox.create()
    sandbox.reach(payout, "sent")
    file = tmp_path / "statement.xml"
    file.write_bytes(statement((sandbox.attempts(payout)[0].reference, "100.00")))
    assert run(file)[0] == 0
    done = Payout.objects.get(pk=payout.pk)
    assert (done.status, done.reconciliation_status) == ("settled", "reconciled")
    assert sandbox.balance() == (Decimal(9900), Decimal(0))


@pytest.mark.parametrize(
    ("name", "count"), [("camt/camt053.v8.xml", None), ("nacha/return-WEB.ach", None)]
)
def test_files_of_others_are_read_and_nothing_of_them_is_ours(
    sandbox: World, tmp_path: Path, name: str, count: None
) -> None:
    file = tmp_path / "file"
    file.write_bytes(fixture(name))
    _, told = run(file, "--dry-run")
    assert told["counts"]["matched"] == told["counts"]["different"] == 0


@pytest.mark.parametrize("content", [b"", b"hello", b"<a/>", b"101 too short", b"\x00\xff"])
def test_what_is_no_statement_is_refused_and_nothing_is_kept(
    sandbox: World, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(CommandError) as refused:
        call_command("reconcile", str(file))
    assert refused.value.returncode == 2
    assert inbound.read_waiting() == 0
    assert not BankDocument.objects.exists()
