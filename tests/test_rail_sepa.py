"""SEPA: what we write, what a bank's answers prove, and what its reports say about our payouts."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from connectors.base import (
    ConnectorMisconfigured,
    EventKind,
    InboundDocument,
    Outcome,
    OutcomeKind,
    Reaction,
    StatusEvent,
)
from connectors.formats.iso20022 import read_pain001
from connectors.rails.sepa import SepaConnector
from connectors.schemes.reasons import DUPLICATE_CODES, ISO_SCT, is_duplicate
from tests.bank_stub import (
    NUMBERS,
    Canned,
    account,
    bank_stub,
    config,
    instruction,
    transmission,
)
from tests.fixtures_folder import fixture

ONE, TWO = instruction("sepa", 1), instruction("sepa", 2)
SENT = transmission(
    SepaConnector(config("sepa")).prepare([ONE, TWO], NUMBERS), ONE.reference, TWO.reference
)


def tx(payout_number: int, status: str, reason: str = "", amount: str = "") -> str:
    payout = instruction("sepa", payout_number)
    told = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    stated = amount or str(payout.amount)
    return (
        f"<TxInfAndSts><OrgnlInstrId>{payout.payout_id.hex}</OrgnlInstrId>"
        f"<OrgnlEndToEndId>{payout.reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>{told}"
        f"<AcctSvcrRef>BANK{payout_number}</AcctSvcrRef><OrgnlTxRef><Amt>"
        f'<InstdAmt Ccy="EUR">{stated}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>'
    )


def pain002(
    group: str, *transactions: str, reason: str = "", message_id: str = SENT.reference
) -> bytes:
    told = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    listed = (
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>P</OrgnlPmtInfId>{''.join(transactions)}"
        "</OrgnlPmtInfAndSts>"
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>BANKMSG</MsgId><CreDtTm>2026-11-24T10:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{message_id}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId><GrpSts>{group}</GrpSts>{told}"
        f"</OrgnlGrpInfAndSts>{listed if transactions else ''}</CstmrPmtStsRpt></Document>"
    ).encode()


def submit(body: bytes) -> Outcome:
    with bank_stub(Canned(200, body, "application/xml")) as bank:
        return SepaConnector(config("sepa", bank.url)).submit(SENT)


def told(events: object) -> list[tuple[EventKind, str, str]]:
    return [(event.kind, event.reference, event.code) for event in events]  # type: ignore[attr-defined]


ANSWERS = [
    (
        "all accepted",
        pain002("ACCP", tx(1, "ACCP"), tx(2, "ACCP")),
        (OutcomeKind.ACCEPTED, "", False),
        [(EventKind.ACCEPTED, ONE.reference, ""), (EventKind.ACCEPTED, TWO.reference, "")],
    ),
    ("accepted, none listed", pain002("ACTC"), (OutcomeKind.ACCEPTED, "", False), []),
    ("merely received", pain002("RCVD"), (OutcomeKind.ACCEPTED, "", False), []),
    (
        "accepted, one not mentioned",
        pain002("ACCP", tx(1, "ACCP")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "partly accepted",
        pain002("PART", tx(1, "ACCP"), tx(2, "RJCT", "AC04")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, ""), (EventKind.REJECTED, TWO.reference, "AC04")],
    ),
    (
        "settled by now",
        pain002("ACCP", tx(1, "ACSC"), tx(2, "ACCP")),
        (OutcomeKind.ACCEPTED, "", False),
        [(EventKind.SETTLED, ONE.reference, ""), (EventKind.ACCEPTED, TWO.reference, "")],
    ),
    ("refused whole", pain002("RJCT", reason="FF01"), (OutcomeKind.REJECTED, "FF01", False), []),
    (
        "refused whole, one by one",
        pain002("RJCT", tx(1, "RJCT", "AC01"), tx(2, "RJCT", "AC04")),
        (OutcomeKind.REJECTED, "", False),
        [(EventKind.REJECTED, ONE.reference, "AC01"), (EventKind.REJECTED, TWO.reference, "AC04")],
    ),
    ("a known message", pain002("RJCT", reason="AM05"), (OutcomeKind.UNKNOWN, "AM05", True), []),
    (
        "one payment known",
        pain002("PART", tx(1, "ACCP"), tx(2, "RJCT", "AM05")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "refused whole for a payment that is known",
        pain002("RJCT", tx(1, "RJCT", "AC04"), tx(2, "RJCT", "DUPL")),
        (OutcomeKind.REJECTED, "", True),
        [(EventKind.REJECTED, ONE.reference, "AC04")],
    ),
    (
        "a refusal that contradicts itself",
        pain002("RJCT", tx(1, "ACCP"), reason="FF01"),
        (OutcomeKind.UNKNOWN, "FF01", True),
        [(EventKind.ACCEPTED, ONE.reference, "")],
    ),
    (
        "a status that nobody knows",
        pain002("WHAT"),
        (OutcomeKind.UNKNOWN, "status_unknown", True),
        [],
    ),
    (
        "a payment status that nobody knows",
        pain002("ACCP", tx(1, "WHAT"), tx(2, "ACCP")),
        (OutcomeKind.ACCEPTED, "", True),
        [(EventKind.ACCEPTED, TWO.reference, "")],
    ),
    (
        "payments of somebody else",
        pain002("ACCP", tx(7, "ACCP"), tx(8, "RJCT", "AC04")),
        (OutcomeKind.ACCEPTED, "", True),
        [],
    ),
    (
        "another message",
        pain002("RJCT", message_id="OTHER", reason="FF01"),
        (OutcomeKind.UNKNOWN, "answer_mismatch", False),
        [],
    ),
    ("cut", pain002("RJCT")[:-20], (OutcomeKind.UNKNOWN, "answer_unreadable", False), []),
]


@pytest.mark.parametrize(("what", "body", "expected", "events"), ANSWERS)
def test_what_an_answer_proves(
    what: str,
    body: bytes,
    expected: tuple[OutcomeKind, str, bool],
    events: list[tuple[EventKind, str, str]],
) -> None:
    outcome = submit(body)
    assert (outcome.kind, outcome.code, outcome.partial) == expected, what
    assert told(outcome.events) == events
    assert outcome.document == body
    with bank_stub(Canned(200, body, "application/xml")) as bank:
        inquiry = SepaConnector(config("sepa", bank.url)).inquire(SENT)
    assert inquiry == outcome
    assert bank.asked[0].path == f"/sepa/default/payment-orders/{SENT.reference}"


def test_what_the_bank_states_comes_with_the_event() -> None:
    outcome = submit(pain002("ACCP", tx(1, "ACCP", amount="99.99"), tx(2, "ACCP")))
    first = outcome.events[0]
    assert (first.amount, first.currency) == (Decimal("99.99"), "EUR")
    assert (first.bank_reference, first.transmission_reference) == ("BANK1", SENT.reference)
    assert outcome.bank_reference == "BANKMSG"


def test_the_backup_bank_has_its_own_path() -> None:
    with bank_stub(Canned(503)) as bank:
        SepaConnector(config("sepa", bank.url, bank="backup")).submit(SENT)
    assert bank.asked[0].path == "/sepa/backup/payment-orders"


def test_what_is_written_carries_what_was_asked() -> None:
    late = instruction("sepa", 3, execution_date=date(2026, 12, 1))
    with_bic = instruction(
        "sepa",
        4,
        account=account("sepa", details={"iban": "de89 3704 0044 0532 0130 00", "bic": "COBADEFF"}),
        description="Größe //" + "x" * 200,
    )
    prepared = SepaConnector(config("sepa")).prepare([late, ONE, with_bic], NUMBERS)
    message = read_pain001(prepared.body)
    assert message.message_id == prepared.reference
    assert [payment.execution_date for payment in message.payments] == [
        ONE.execution_date,
        late.execution_date,
    ]
    first, second = message.payments[0].transfers
    assert UUID(first.instruction_id) == ONE.payout_id
    assert (first.end_to_end_id, first.amount, first.currency) == (
        ONE.reference,
        Decimal("10.01"),
        "EUR",
    )
    assert (second.creditor_iban, second.creditor_bic) == ("DE89370400440532013000", "COBADEFF")
    assert second.remittance.startswith("Grosse /x")
    assert len(second.remittance) == 140
    assert b"PstlAdr" not in prepared.body


def test_a_message_name_fits_and_depends_on_its_content() -> None:
    sepa = SepaConnector(config("sepa"))
    one = sepa.prepare([ONE], NUMBERS).reference
    assert len(one + "-999") <= 35
    assert one != sepa.prepare([TWO], NUMBERS).reference


@pytest.mark.parametrize(
    ("name", "value"),
    [("debtor_iban", "DE00"), ("debtor_bic", "NOPE"), ("debtor_name", "\U0001f600")],
)
def test_a_debtor_that_is_none_is_a_misconfiguration(name: str, value: str) -> None:
    with pytest.raises(ConnectorMisconfigured, match=name):
        SepaConnector(config("sepa", **{name: value})).prepare([ONE], NUMBERS)


BENEFICIARIES = [
    ("DE89370400440532013000", []),
    ("CH9300762011623852957", []),
    ("GB29NWBK60161331926819", []),
    ("NO9386011117947", []),
    ("SN08SN0100152000048500003035", ["country_unsupported"]),
    ("AE070331234567890123456", ["country_unsupported"]),
    ("DE88370400440532013000", ["invalid_iban"]),
]


@pytest.mark.parametrize(("iban", "codes"), BENEFICIARIES)
def test_only_ibans_of_the_sepa_zone_are_payable(iban: str, codes: list[str]) -> None:
    errors = SepaConnector(config("sepa")).check_beneficiary(
        account("sepa", details={"iban": iban})
    )
    assert [error.code for error in errors] == codes


def entry(
    direction: str = "DBIT",
    *,
    reference: str = ONE.reference,
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    extra: str = "",
    reason: str = "",
    amount: str = '<Amt Ccy="EUR">10.01</Amt>',
) -> str:
    back = f"<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>" if reason else ""
    return (
        f'<Ntry><Amt Ccy="EUR">10.01</Amt><CdtDbtInd>{direction}</CdtDbtInd>{extra}{status}'
        "<ValDt><Dt>2026-11-30</Dt></ValDt><NtryDtls><TxDtls><Refs>"
        f"<AcctSvcrRef>BANK1</AcctSvcrRef><EndToEndId>{reference}</EndToEndId></Refs>"
        f"{amount}{back}</TxDtls></NtryDtls></Ntry>"
    )


def camt054(*entries: str) -> InboundDocument:
    body = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>'
        "<GrpHdr><MsgId>N1</MsgId><CreDtTm>2026-11-30T06:00:00Z</CreDtTm></GrpHdr>"
        f"<Ntfctn><Id>N1</Id>{''.join(entries)}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
    return InboundDocument(remote_id="1", document_type="camt.054.001.08", body=body.encode())


SETTLED = (EventKind.SETTLED, ONE.reference, "")
ENTRIES = [
    ("a debit settles", entry(), [SETTLED]),
    ("the old form of a status too", entry(status="<Sts>BOOK</Sts>"), [SETTLED]),
    ("a pending debit does not", entry(status="<Sts><Cd>PDNG</Cd></Sts>"), []),
    ("a mere information does not", entry(status="<Sts><Cd>INFO</Cd></Sts>"), []),
    (
        "a credit with a reason returns",
        entry("CRDT", reason="AC04"),
        [(EventKind.RETURNED, ONE.reference, "AC04")],
    ),
    (
        "even with a reason that elsewhere means duplicate",
        entry("CRDT", reason="AM05"),
        [(EventKind.RETURNED, ONE.reference, "AM05")],
    ),
    (
        "a reversed debit returns",
        entry("CRDT", extra="<RvslInd>true</RvslInd>"),
        [(EventKind.RETURNED, ONE.reference, "RVSL")],
    ),
    ("a plain credit is somebody's payment", entry("CRDT"), []),
    ("a reversed credit is not a payout", entry(extra="<RvslInd>true</RvslInd>"), []),
    ("a payment without a reference is not ours", entry(reference="NOTPROVIDED"), []),
    (
        "an entry at odds with itself proves nothing",
        entry(amount='<Amt Ccy="EUR">10.01</Amt><CdtDbtInd>CRDT</CdtDbtInd>'),
        [],
    ),
]


@pytest.mark.parametrize(("what", "booked", "expected"), ENTRIES)
def test_what_an_entry_says(
    what: str, booked: str, expected: list[tuple[EventKind, str, str]]
) -> None:
    events = SepaConnector(config("sepa")).parse_report(camt054(booked))
    assert told(events) == expected, what
    for event in events:
        assert (event.amount, event.currency) == (Decimal("10.01"), "EUR")
        assert (event.value_date, event.bank_reference) == (date(2026, 11, 30), "BANK1")


def test_the_amount_of_a_lone_payment_may_stand_on_its_entry_only() -> None:
    (event,) = SepaConnector(config("sepa")).parse_report(camt054(entry(amount="")))
    assert (event.amount, event.currency) == (Decimal("10.01"), "EUR")


def parse(document_type: str, body: bytes) -> list[StatusEvent]:
    return SepaConnector(config("sepa")).parse_report(
        InboundDocument(remote_id="1", document_type=document_type, body=body)
    )


def test_a_statement_of_another_bank_is_read() -> None:
    events = parse("camt.053.001.14", fixture("camt/statement_ac04.xml"))
    assert [(e.kind, e.reference, e.code, e.amount) for e in events] == [
        (EventKind.RETURNED, "E2E-0001", "AC04", Decimal("1500.00")),
        (EventKind.RETURNED, "E2E-0002", "AC06", Decimal("980.50")),
    ]


def test_a_refusal_after_acceptance_is_read() -> None:
    events = parse("pain.002.001.10", pain002("PART", tx(1, "RJCT", "ED05")))
    assert told(events) == [(EventKind.REJECTED, ONE.reference, "ED05")]
    assert events[0].transmission_reference == SENT.reference


def test_a_report_on_a_whole_message_names_the_message() -> None:
    (event,) = parse("pain.002.001.10", pain002("RJCT", reason="FF01"))
    assert (event.kind, event.reference) == (EventKind.REJECTED, "")
    assert (event.transmission_reference, event.code) == (SENT.reference, "FF01")
    assert parse("pain.002.001.10", pain002("RJCT", reason="AM05")) == []
    assert parse("pain.002.001.10", pain002("PART")) == []


REACTIONS = {
    Reaction.RETRY: "AB01 AB06 AB10 AG10 ED05 ED06 NOAS TM01 DT01",
    Reaction.FUND_FIRST: "AM04 AG07",
    Reaction.RETRY_OTHER_RAIL: "AB05 AG03 AM02 AM13 AM14 AM21 AM23 CNOR RC07",
    Reaction.REFUSE: "AC01 AC03 AC04 AC06 AC07 AG01 MD07 RR04 FR01 AM07 CUST FOCR ARDT MS02",
    Reaction.REPAIR: "BE01 BE04 RC01 RR03 FF01 AM09 AM10 AM11 AM12 BE16 NARR MS03 AM05 XXXX",
}


@pytest.mark.parametrize("reaction", REACTIONS)
def test_what_a_code_leads_to(reaction: Reaction) -> None:
    sepa = SepaConnector(config("sepa"))
    for code in REACTIONS[reaction].split():
        assert sepa.reaction(code) is reaction, code


def test_every_listed_code_exists_in_the_official_code_sets() -> None:
    known: set[str] = set()
    for name in ("status", "return"):
        content = json.loads(fixture(f"codesets/external_{name}_reason_code.json"))
        known |= _strings(content)
    listed = (set(ISO_SCT.reactions) | DUPLICATE_CODES) - {"R24"}
    assert listed <= known, listed - known


def _strings(value: object) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value}.union(*(_strings(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(_strings(item) for item in value))
    return {value} if isinstance(value, str) else set()


def test_no_duplicate_code_may_lead_to_money_back_or_a_new_payment() -> None:
    for code in DUPLICATE_CODES:
        assert is_duplicate(code)
        assert ISO_SCT.reaction(code) is Reaction.REPAIR
    assert is_duplicate("DUPLICATE_FILE")
    assert not is_duplicate("AC04")
