"""ACH: what we write, what an ODFI's answers prove, and what its reports say about our payouts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import achkit
import pytest

from connectors.base import (
    ConnectorError,
    ConnectorMisconfigured,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    PayoutInstruction,
    Reaction,
    StatusEvent,
    UnreadableDocument,
)
from connectors.formats.nacha import NachaFile, PaymentNote, read_nacha
from connectors.rails.ach import AchConnector
from tests.bank_stub import (
    MONDAY,
    NUMBERS,
    account,
    bank_stub,
    canned_json,
    config,
    instruction,
    transmission,
)

ONE, TWO = instruction("ach", 1), instruction("ach", 2)
SENT = transmission(
    AchConnector(config("ach")).prepare([ONE, TWO], NUMBERS), ONE.reference, TWO.reference
)


def written(payouts: Sequence[PayoutInstruction], **numbers: Any) -> NachaFile:
    drawn = dataclasses.replace(NUMBERS, **numbers)
    prepared = AchConnector(config("ach")).prepare(payouts, drawn)
    assert prepared.errors == {}
    assert achkit.validate(prepared.body.decode("ascii"))["ok"]
    file = read_nacha(prepared.body)
    assert file.header.file_reference == prepared.reference
    return file


def test_what_is_written_carries_what_was_asked() -> None:
    savings = account(
        "ach",
        holder_name="Société Générale d'Équipement et de Services",
        holder_type="merchant",
        details={
            "routing_number": "231380104",
            "account_number": "12-34a",
            "account_type": "savings",
        },
    )
    company = instruction("ach", 2, account=savings, amount=Decimal("99999999.99"))
    file = written([ONE, company])
    ccd, ppd = file.batches
    assert (ccd.standard_entry_class, ppd.standard_entry_class) == ("CCD", "PPD")
    assert {batch.service_class for batch in file.batches} == {"220"}
    assert {batch.effective_on for batch in file.batches} == {MONDAY}
    (entry,) = ccd.entries
    assert (entry.transaction_code, entry.routing_number) == ("32", "231380104")
    assert (entry.account_number, entry.amount) == ("12-34a", Decimal("99999999.99"))
    assert entry.name == "Societe Generale d'Equ"
    assert entry.individual_id == company.reference
    (entry,) = ppd.entries
    assert (entry.transaction_code, entry.amount) == ("22", Decimal("10.01"))
    assert entry.addenda == (PaymentNote(text=f"{ONE.payout_id} Invoice 1"),)


def test_a_long_description_is_cut_and_the_payout_id_never_is() -> None:
    (entry,) = written([instruction("ach", 1, description="é" * 500)]).entries
    assert entry.addenda == (PaymentNote(text=f"{ONE.payout_id} {'e' * 43}"),)


def test_payouts_are_grouped_by_class_and_date() -> None:
    tuesday = date(2026, 12, 1)
    file = written([ONE, instruction("ach", 2, execution_date=tuesday), instruction("ach", 3)])
    assert [(batch.effective_on, len(batch.entries)) for batch in file.batches] == [
        (MONDAY, 2),
        (tuesday, 1),
    ]
    assert [batch.number for batch in file.batches] == [1, 2]


FILE_NUMBERS = [
    (0, "261124-A-1234567890"),
    (25, "261124-Z-1234567890"),
    (26, "261124-0-1234567890"),
    (35, "261124-9-1234567890"),
    (36, "261124-A-1234567891"),
    (71, "261124-9-1234567891"),
]


@pytest.mark.parametrize(("number", "reference"), FILE_NUMBERS)
def test_a_file_number_becomes_modifier_and_origin(number: int, reference: str) -> None:
    assert written([ONE], file_number=number).header.file_reference == reference


def test_a_day_has_36_files_for_each_origin() -> None:
    ach = AchConnector(config("ach"))
    assert ach.capabilities().transmissions_per_day == 72
    assert AchConnector(config("ach", origin_count=None)).capabilities().transmissions_per_day == 36
    with pytest.raises(ConnectorError, match="file_numbers_exhausted"):
        ach.prepare([ONE], dataclasses.replace(NUMBERS, file_number=72))


def test_trace_numbers_rise_from_the_number_that_was_drawn() -> None:
    payouts = [instruction("ach", number) for number in range(1, 6)]
    traces = [entry.trace for entry in written(payouts, first_trace=41).entries]
    assert traces == [f"02100002{number:07d}" for number in range(41, 46)]


def test_where_trace_numbers_start_over_a_new_batch_begins() -> None:
    payouts = [instruction("ach", number) for number in range(1, 5)]
    file = written(payouts, first_trace=9_999_998)
    assert [[entry.trace[8:] for entry in batch.entries] for batch in file.batches] == [
        ["9999998", "9999999"],
        ["0000001", "0000002"],
    ]


def test_what_the_control_record_cannot_sum_is_left_out() -> None:
    payouts = [
        instruction("ach", number, amount=Decimal("99999999.99")) for number in range(1, 103)
    ]
    prepared = AchConnector(config("ach")).prepare(payouts, NUMBERS)
    assert {error.code for error in prepared.errors.values()} == {"file_total_exceeded"}
    file = read_nacha(prepared.body)
    assert len(file.entries) == 100
    assert len(prepared.errors) == 2


BAD_ORIGINATORS = [
    ("immediate_origin", "123"),
    ("immediate_destination", "021000022"),
    ("odfi_routing", "021000021"),
    ("company_name", "\U0001f600"),
]


@pytest.mark.parametrize(("name", "value"), BAD_ORIGINATORS)
def test_an_originator_that_is_none_is_a_misconfiguration(name: str, value: str) -> None:
    with pytest.raises(ConnectorMisconfigured, match=name):
        AchConnector(config("ach", **{name: value})).prepare([ONE], NUMBERS)


def test_a_senseless_number_of_origins_is_a_misconfiguration() -> None:
    for value in ("0", "-1", "x", 12345):
        with pytest.raises(ConnectorMisconfigured, match="origin_count"):
            AchConnector(config("ach", origin_count=value))


def row(number: int, status: str, code: str = "", **changes: Any) -> dict[str, Any]:
    payout = instruction("ach", number)
    return {
        "individual_id": payout.reference,
        "trace_number": f"02100002{number:07d}",
        "amount": str(payout.amount),
        "status": status,
        "code": code,
        "bank_reference": f"BANK{number}",
        **changes,
    }


def ack(status: str, *entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "type": "ack",
        "file_reference": SENT.reference,
        "status": status,
        "code": "",
        "detail": "",
        "total_credit": "20.03",
        "entries": list(entries),
        **changes,
    }


def submit(answer: object) -> Outcome:
    with bank_stub(canned_json(answer)) as bank:
        return AchConnector(config("ach", bank.url)).submit(SENT)


def told(events: Iterable[StatusEvent]) -> list[tuple[EventKind, str, str]]:
    return [(event.kind, event.reference, event.code) for event in events]


ANSWERS: list[
    tuple[str, object, tuple[OutcomeKind, str, bool], list[tuple[EventKind, str, str]]]
] = [
    (
        "all accepted",
        ack("accepted", row(1, "accepted"), row(2, "accepted")),
        (OutcomeKind.ACCEPTED, "", False),
        [(EventKind.ACCEPTED, ONE.reference, ""), (EventKind.ACCEPTED, TWO.reference, "")],
    ),
    ("accepted, none listed", ack("accepted"), (OutcomeKind.ACCEPTED, "", False), []),
    (
        "accepted, one not mentioned",
        ack("accepted", row(1, "accepted")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "partly accepted",
        ack("partial", row(1, "accepted"), row(2, "rejected", "R16")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, ""), (EventKind.REJECTED, TWO.reference, "R16")],
    ),
    (
        "later statuses",
        ack("accepted", row(1, "settled"), row(2, "returned", "R03")),
        (OutcomeKind.ACCEPTED, "", False),
        [(EventKind.SETTLED, ONE.reference, ""), (EventKind.RETURNED, TWO.reference, "R03")],
    ),
    (
        "a damaged file",
        ack("rejected", code="FILE_INVALID", detail="hash"),
        (OutcomeKind.REJECTED, "FILE_INVALID", False),
        [],
    ),
    (
        "a known file",
        ack("rejected", code="DUPLICATE_FILE"),
        (OutcomeKind.UNKNOWN, "DUPLICATE_FILE", True),
        [],
    ),
    (
        "a known entry",
        ack("partial", row(1, "accepted"), row(2, "rejected", "R24")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "a refusal that contradicts itself",
        ack("rejected", row(1, "accepted"), code="FILE_INVALID"),
        (OutcomeKind.UNKNOWN, "FILE_INVALID", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "entries of somebody else",
        ack("accepted", row(7, "accepted"), row(8, "rejected", "R03")),
        (OutcomeKind.ACCEPTED, "", True),
        [],
    ),
    (
        "a status that nobody knows",
        ack("accepted", row(1, "what"), row(2, "accepted")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, TWO.reference, "")],
    ),
    (
        "another file",
        ack("rejected", file_reference="261124-B-1234567890", code="FILE_INVALID"),
        (OutcomeKind.UNKNOWN, "answer_mismatch", False),
        [],
    ),
    ("no status", ack("what"), (OutcomeKind.UNKNOWN, "answer_unreadable", False), []),
    (
        "an amount as a number",
        ack("rejected", row(1, "rejected", "R03", amount=10.01)),
        (OutcomeKind.UNKNOWN, "answer_unreadable", False),
        [],
    ),
    (
        "entries that are none",
        ack("rejected", entries=[1]),
        (OutcomeKind.UNKNOWN, "answer_unreadable", False),
        [],
    ),
    ("a list", [ack("accepted")], (OutcomeKind.UNKNOWN, "answer_unreadable", False), []),
]


@pytest.mark.parametrize(("what", "answer", "expected", "events"), ANSWERS)
def test_what_an_answer_proves(
    what: str,
    answer: object,
    expected: tuple[OutcomeKind, str, bool],
    events: list[tuple[EventKind, str, str]],
) -> None:
    outcome = submit(answer)
    assert (outcome.kind, outcome.code, outcome.partial) == expected, what
    assert told(outcome.events) == events
    assert outcome.document == json.dumps(answer).encode()
    with bank_stub(canned_json(answer)) as bank:
        inquiry = AchConnector(config("ach", bank.url)).inquire(SENT)
    assert inquiry == outcome
    assert bank.asked[0].path == f"/ach/default/files/{SENT.reference}"


def test_what_the_bank_states_comes_with_the_event() -> None:
    event = submit(ack("accepted", row(1, "accepted", amount="99.9"))).events[0]
    assert (event.amount, event.currency) == (Decimal("99.9"), "USD")
    assert (event.bank_reference, event.transmission_reference) == ("BANK1", SENT.reference)


def parse(document_type: str, body: object) -> list[StatusEvent]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    document = InboundDocument(remote_id="1", document_type=document_type, body=raw)
    return AchConnector(config("ach")).parse_report(document)


def test_a_settlement_is_read() -> None:
    entries = [row(1, "", currency="USD"), row(2, "", currency="USD")]
    report = {"type": "settlement", "settlement_date": "2026-11-30", "entries": entries}
    events = parse("ach.settlement", report)
    assert told(events) == [
        (EventKind.SETTLED, ONE.reference, ""),
        (EventKind.SETTLED, TWO.reference, ""),
    ]
    assert {event.value_date for event in events} == {MONDAY}
    assert [event.amount for event in events] == [Decimal("10.01"), Decimal("10.02")]
    assert {event.currency for event in events} == {"USD"}


@pytest.mark.parametrize(
    "changes", [{"type": "x"}, {"settlement_date": "soon"}, {"entries": None}, {"entries": [{}]}]
)
def test_a_settlement_that_is_none_is_unreadable(changes: dict[str, Any]) -> None:
    report = {"type": "settlement", "settlement_date": "2026-11-30", "entries": []}
    with pytest.raises(UnreadableDocument):
        parse("ach.settlement", {**report, **changes})


def test_a_refusal_after_acceptance_is_read() -> None:
    events = parse("ach.ack", ack("partial", row(1, "rejected", "R32")))
    assert told(events) == [(EventKind.REJECTED, ONE.reference, "R32")]


def test_an_acknowledgement_of_a_whole_file_names_the_file() -> None:
    (event,) = parse("ach.ack", ack("rejected", code="FILE_INVALID"))
    assert (event.kind, event.reference, event.code) == (EventKind.REJECTED, "", "FILE_INVALID")
    assert event.transmission_reference == SENT.reference
    assert parse("ach.ack", ack("rejected", code="DUPLICATE_FILE")) == []
    assert parse("ach.ack", ack("partial")) == []


REACTIONS = {
    Reaction.RETRY: "R18 R31 R32",
    Reaction.REFUSE: "R02 R03 R04 R06 R14 R15 R16 R23 R34",
    Reaction.REPAIR: "R12 R13 R17 R19 R20 R21 R22 R24 R25 R26 R27 R28 R01 R99 FILE_INVALID",
}


@pytest.mark.parametrize("reaction", REACTIONS)
def test_what_a_code_leads_to(reaction: Reaction) -> None:
    ach = AchConnector(config("ach"))
    for code in REACTIONS[reaction].split():
        assert ach.reaction(code) is reaction, code


BENEFICIARIES = [
    ({"routing_number": "021000022"}, ["invalid_routing_number"]),
    ({"routing_number": "000000000"}, ["invalid_routing_number"]),
    ({"routing_number": "490000018"}, ["invalid_routing_number"]),
    ({"account_number": "1" * 18}, ["invalid_account_number"]),
    ({"account_type": "loan"}, ["invalid_account_type"]),
    ({"iban": "x"}, ["unknown_field"]),
    ({}, []),
]


@pytest.mark.parametrize(("changes", "codes"), BENEFICIARIES)
def test_what_stands_against_an_account(changes: dict[str, str], codes: list[str]) -> None:
    details = {**account("ach").details, **changes}
    errors = AchConnector(config("ach")).check_beneficiary(account("ach", details=details))
    assert [error.code for error in errors] == codes
