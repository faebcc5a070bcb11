"""ACH: what files from the bank say about our payouts, and what goes out as CTX."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal

import pytest

from connectors.base import EventKind, InboundDocument, OutcomeKind, StatusEvent, UnreadableDocument
from connectors.formats.nacha import PaymentNote, read_nacha
from connectors.rails.ach import AchConnector
from tests.ach_recalls import recall_order, reversal_of
from tests.bank_stub import (
    NUMBERS,
    account,
    bank_stub,
    canned_json,
    config,
    instruction,
    transmission,
)
from tests.far_side import FAR_SIDE_CHECKS
from tests.fixtures_folder import fixture
from tests.nacha_samples import returned_file


def parse(body: bytes, document_type: str = "ach.return") -> list[StatusEvent]:
    document = InboundDocument(remote_id="1", document_type=document_type, body=body)
    return AchConnector(config("ach")).parse_report(document)


def test_only_credits_that_came_back_are_returns_of_ours() -> None:
    (event,) = parse(fixture("nacha/return-WEB.ach"))
    assert (event.kind, event.code) == (EventKind.RETURNED, "R03")
    assert event.reference == "NmRjZTJmMzItMGN"
    assert (event.amount, event.currency) == (Decimal("45.65"), "USD")


@pytest.mark.parametrize("document_type", ["ach.noc", "ach.return"])
def test_a_notification_of_change_corrects_an_account(document_type: str) -> None:
    (event,) = parse(fixture("nacha/cor-example.ach"), document_type)
    assert (event.kind, event.reference, event.code) == (
        EventKind.CORRECTION,
        "location #23",
        "C01",
    )
    assert event.corrected == {"account_number": "1918171614"}
    assert event.amount is None


def test_corrected_data_that_cannot_be_is_told_and_not_believed() -> None:
    (event,) = parse(returned_file(f"798C02021000020000001{'':6}09101298021000022"))
    assert (event.kind, event.code, dict(event.corrected)) == (EventKind.CORRECTION, "C02", {})
    assert event.detail


# R61 to R70: our bank does not take the return, so the payment stands. R71 to R77: it comes back after all.
DISPUTES = {
    "R03": EventKind.RETURNED,
    "R61": EventKind.SETTLED,
    "R69": EventKind.SETTLED,
    "R71": EventKind.RETURNED,
    "R77": EventKind.RETURNED,
    "R80": EventKind.RETURNED,
}


@pytest.mark.parametrize("code", DISPUTES)
def test_what_a_dispute_over_a_return_says(code: str) -> None:
    (event,) = parse(returned_file(f"799{code}021000020000001"))
    assert (event.kind, event.code) == (DISPUTES[code], code)
    assert (event.reference, event.amount) == ("000000000000001", Decimal("12.34"))


def test_an_acknowledgement_of_receipt_says_nothing_about_a_status() -> None:
    assert parse(fixture("nacha/ack-read.ach")) == []


def test_a_damaged_return_file_is_unreadable() -> None:
    damaged = fixture("nacha/return-WEB.ach").replace(b"0000004565NmR", b"0000004566NmR")
    with pytest.raises(UnreadableDocument, match="total credit"):
        parse(damaged)


def test_a_companys_long_text_goes_out_whole_as_ctx_where_the_bank_takes_it() -> None:
    company = account("ach", holder_name="Acme International Holdings", holder_type="business")
    words = " ".join(f"Invoice-{n}" for n in range(20))
    long, short, person = (
        instruction("ach", 1, account=company, description=words),
        instruction("ach", 2, account=company),
        instruction("ach", 3, description=words),
    )
    body = AchConnector(config("ach", ctx=True)).prepare([long, short, person], NUMBERS).body
    for check in FAR_SIDE_CHECKS["ach"]:
        check(body)
    batches = {batch.standard_entry_class: batch.entries for batch in read_nacha(body).batches}
    assert sorted(batches) == ["CCD", "CTX", "PPD"]
    (entry,) = batches["CTX"]
    texts = [note.text for note in entry.addenda if isinstance(note, PaymentNote)]
    assert len(texts) == 4
    assert "".join(texts).replace(" ", "") == f"{long.payout_id}{words}".replace(" ", "")
    assert entry.name == "Acme Internation"
    assert {len(e.addenda) for e in (*batches["CCD"], *batches["PPD"])} == {1}
    (only,) = read_nacha(AchConnector(config("ach")).prepare([long], NUMBERS).body).batches
    assert (only.standard_entry_class, len(only.entries[0].addenda)) == ("CCD", 1)


def test_a_reversal_is_a_debit_like_the_credit_that_it_takes_back() -> None:
    savings = {**account("ach").details, "account_type": "savings"}
    payout = instruction("ach", 2, account=account("ach", details=savings))
    prepared = AchConnector(config("ach")).prepare([instruction("ach", 1), payout], NUMBERS)
    body = reversal_of(payout, transmission(prepared, payout.reference))
    for check in FAR_SIDE_CHECKS["ach"]:
        check(body)
    (batch,) = read_nacha(body).batches
    (entry,) = batch.entries
    (before,) = read_nacha(prepared.body).batches
    assert (batch.service_class, batch.entry_description) == ("225", "REVERSAL")
    assert batch.effective_on == date(2026, 11, 27)  # The 26th is Thanksgiving.
    assert batch.company_id == before.company_id
    assert batch.standard_entry_class == before.standard_entry_class
    assert (entry.transaction_code, entry.amount) == ("37", payout.amount)
    original = before.entries[1]
    assert (
        dataclasses.replace(
            entry, transaction_code="32", trace=original.trace, addenda=original.addenda
        )
        == original
    )
    assert entry.trace == "021000020000778"  # Drawn from the recall's own reference.


def test_a_file_that_holds_no_such_payment_is_not_sent_to_the_bank() -> None:
    prepared = AchConnector(config("ach")).prepare([instruction("ach", 1)], NUMBERS)
    damaged = prepared.body.replace(b"0000001001", b"0000001002", 1)
    with bank_stub(canned_json({})) as bank:
        sent = dataclasses.replace(transmission(prepared), body=damaged)
        order = recall_order(instruction("ach", 1), sent)
        outcome = AchConnector(config("ach", bank.url)).recall(order)
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "payment_unreadable")
        assert bank.asked == []
