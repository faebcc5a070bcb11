"""Reason codes as data: what each leads to on its rail, and words for merchants and for operators."""

from __future__ import annotations

import json
import re

import pytest

from connectors.base import EventKind, InboundDocument, Reaction
from connectors.registry import CONNECTORS
from connectors.schemes import reasons
from connectors.schemes.reason_topics import TOPICS
from connectors.schemes.reasons import BY_DRIVER, BY_RAIL, OURS, find
from tests.bank_stub import config
from tests.fixtures_folder import fixture

TABLES = {**BY_RAIL, **BY_DRIVER, "ours": OURS}
ROWS = [(name, row) for name, table in TABLES.items() for row in table.rows.values()]
# Reckoned by hand from the schemes' own guidance: (driver, rail) -> what follows -> codes.
CLASSES: dict[tuple[str, str], dict[str, str]] = {
    ("ach", "ach"): {
        "retry": "R18 R31 R32",
        "retry_other_rail": "R84",
        "refuse": "R02 R03 R04 R06 R14 R15 R16 R23 R34",
        "repair": "R01 R05 R07 R08 R09 R10 R11 R12 R13 R17 R19 R20 R21 R22 R24 R25 R26 R27 R28 R29 R33 R37 R38 R39"
        " R50 R51 R52 R53 R61 R68 R73 R80 C01 C02 C05 C09 C13 R99",
    },
    ("sepa", "sepa"): {
        "retry": "AB01 AB02 AB03 AB04 AB06 AB07 AB08 AB09 AB10 AG10 AG11 ED05 ED06 TM01 NOAS DT01",
        "retry_other_rail": "AB05 AG03 CNOR RC07 AM02 AM13 AM14 AM21 AM23",
        "fund_first": "AM04 AG07",
        "refuse": "AC01 AC03 AC04 AC06 AC07 AG01 MD07 RR04 FR01 AM07 CUST FOCR ARDT MS02",
        "repair": "AC13 AC14 AC15 BE01 BE04 BE06 RC01 RC03 RC04 RR03 FF01 AM05 DUPL AM09 AM10 AM11 AM12 BE16 NARR"
        " MS03 R02 XXXX",
    },
    ("sepa_instant", "sepa_instant"): {
        "retry": "AB01 AB02 AB03 AB04 AG10 ED05 TM01",
        "retry_other_rail": "AB05 AB06 AB07 AB08 AB09 AB10 AG11 MS03 CNOR AM23",
        "fund_first": "AM04 AG07",
        "refuse": "AC04 MD07",
        "repair": "BE08 AM05",
    },
    ("wire", "wire"): {
        "retry": "ED05 TM01 AB09",
        "retry_other_rail": "AG03 CNOR RC07",
        "fund_first": "AM04",
        "refuse": "AC04 RR04",
        "repair": "AM02 AM13 AM14 AM21 AM23 MS03",
    },
    ("rtp", "rtp"): {
        "retry_other_rail": "AB06 MS03 AG11",
        "fund_first": "AM04",
        "refuse": "AC04",
        "repair": "BE08",
    },
    ("faster_payments", "faster_payments"): {
        "retry": "BE08 MS03",
        "retry_other_rail": "AM02",
        "fund_first": "AM04",
        "refuse": "AC03 AC06 AC07 AG01 MD09 CB_AccountHoldersBankrupt CB_AccountSwitched",
        "repair": "AC09 PY01 CB_AccountNameAndNumberMismatch CB_ReferenceMissing CB_BeneficiaryNameMissing AC04",
    },
    ("mtn", "mobile_money"): {
        "retry": "SERVICE_UNAVAILABLE EXPIRED COULD_NOT_PERFORM_TRANSACTION",
        "fund_first": "NOT_ENOUGH_FUNDS PAYER_LIMIT_REACHED",
        "refuse": "PAYEE_NOT_FOUND PAYEE_NOT_ALLOWED_TO_RECEIVE",
        "repair": "REJECTED NOT_ALLOWED INVALID_CURRENCY INTERNAL_PROCESSING_ERROR 2020",
    },
    ("wave", "mobile_money"): {
        "retry": "service-unavailable",
        "fund_first": "insufficient-funds",
        "refuse": "recipient-account-inactive recipient-account-blocked recipient-minor country-mismatch"
        " recipient-limit-exceeded",
        "repair": "request-validation-error currency-mismatch idempotency-mismatch NOT_ENOUGH_FUNDS",
    },
    ("mpesa", "mobile_money"): {
        "retry": "17 26 1001 1019",
        "fund_first": "1",
        "refuse": "2040 8006",
        "repair": "1037 2001 400.002.02 2000",
    },
    ("orange", "mobile_money"): {
        "fund_first": "2020 2021",
        "refuse": "2000 2001",
        "repair": "2011 2013 2041 4003 50",
    },
}
CASES = [
    (driver, rail, reaction, code)
    for (driver, rail), classes in CLASSES.items()
    for reaction, codes in classes.items()
    for code in codes.split()
]


@pytest.mark.parametrize(("driver", "rail", "reaction", "code"), CASES)
def test_a_code_leads_to_what_its_scheme_means_by_it(
    driver: str, rail: str, reaction: str, code: str
) -> None:
    assert find(code, driver=driver, rail=rail).reaction == Reaction(reaction)


@pytest.mark.parametrize("driver", sorted(CONNECTORS))
def test_a_connector_and_the_table_say_the_same_of_every_code(driver: str) -> None:
    connector = CONNECTORS[driver](config(driver))
    rail = connector.capabilities().rail
    for _, row in ROWS:
        assert connector.reaction(row.code) is find(row.code, driver=driver, rail=rail).reaction, (
            row.code
        )


def test_a_drivers_word_stands_over_its_rails_and_that_over_ours() -> None:
    assert find("BE08", driver="faster_payments", rail="faster_payments").reaction == "retry"
    assert find("BE08", driver="sepa", rail="sepa").says == "Our own name is missing"
    assert find("2001", driver="orange", rail="mobile_money").reaction == "refuse"
    assert find("2001", driver="mpesa", rail="mobile_money").reaction == "repair"
    assert not find("2001", driver="mtn", rail="mobile_money").listed
    assert find("bank_busy", driver="mtn", rail="mobile_money").merchant_code == "bank_unavailable"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("QQ99", "bank_problem"),
        ("http_500", "outcome_unknown"),
        ("DUPLICATE_ORDER", "under_review"),
    ],
)
def test_an_unknown_code_needs_a_person_and_has_general_words(code: str, told: str) -> None:
    row = find(code, driver="sepa", rail="sepa")
    assert (row.reaction, row.merchant_code, row.listed) == (Reaction.REPAIR, told, False)
    assert row.merchant
    assert row.operator


# What a merchant need not know, as whole words.
JARGON = re.compile(
    r"\b(ACH|NACHA|SEPA|ISO|IBAN|BIC|RDFI|ODFI|camt|pain|pacs|addend\w+|trace|float|clearing|scheme|rail|AM\d\d)\b"
)


@pytest.mark.parametrize("name", TABLES)
def test_every_code_has_words_for_both(name: str) -> None:
    for row in TABLES[name].rows.values():
        for text in (row.merchant, row.operator):
            assert 20 <= len(text) <= 200, text
            assert text.endswith(".")
            assert not re.search(r"[0-9]{4,}", text), f"it looks like an account: {text}"
        assert row.merchant != row.operator
        assert not JARGON.search(row.merchant), row.merchant
        assert row.code not in row.merchant
        assert row.source
        assert row.effective_from.year >= 2020


def test_merchants_read_a_short_list_of_stable_codes() -> None:
    assert {topic.code for topic in TOPICS.values()} == {
        "account_closed", "account_blocked", "account_invalid", "details_mismatch", "refused_by_beneficiary",
        "limit_exceeded", "bank_unavailable", "outcome_unknown", "under_review", "bank_problem", "account_updated",
    }  # fmt: skip
    used = {id(row.topic) for _, row in ROWS} | {id(TOPICS["unexplained"])}
    assert used == {id(topic) for topic in TOPICS.values()}


def test_no_merchant_learns_that_our_own_account_is_empty() -> None:
    funds = [row for _, row in ROWS if row.reaction == Reaction.FUND_FIRST]
    assert len({row.code for row in funds}) >= 7
    for row in funds:
        assert row.topic is TOPICS["funding"]
        assert not re.search("fund|money|balance|lack", row.merchant, re.IGNORECASE)
        assert row.operator.count("Fund first") == 1


def test_every_return_and_change_of_nacha_is_listed() -> None:
    unassigned = {48, 49} | set(range(54, 61)) | {78, 79}
    returns = {f"R{n:02d}" for n in range(1, 86) if n not in unassigned}
    changes = {f"C{n:02d}" for n in range(1, 15)}
    assert set(reasons.ACH.rows) == returns | changes | {"FILE_INVALID"}


# Status reasons that no credit transfer of ours can be given: requests to pay, mandates and card tokens, signatures
# and order handling of EBICS, trackers of other schemes, settlement instructions of RTGS systems elsewhere.
FOREIGN = re.compile(
    r"AB(12|13|15|21|26)|AEXR|ALAC|AMSE|APAR|ARFR|ARJR|ATNS|BDAY|CH(09|10|11|12|19|22)|CHCO|CHQC|CNNS|DS..|EDT[LR]|FF09"
    r"|G00[012356]|ID01|IEDT|INAR|IPNS|IRNR|ISWS|NOAR|NOFR|NOPG|NRCH|OSNS|PINS|RC16|RCON|RECI|REPR|RQNR|RTNS|S00."
    r"|SBRN|SNRD|SPII|TD01|TK..|TS0[14]"
)


def test_every_iso_code_that_can_reach_a_credit_transfer_is_listed() -> None:
    listed = set(reasons.ISO_SCT.rows)
    returns = set(json.loads(fixture("codesets/external_return_reason_code.json"))["codes"])
    statuses = set(json.loads(fixture("codesets/external_status_reason_code.json"))["codes"])
    assert returns - listed == set()
    assert {code for code in statuses - listed if not FOREIGN.fullmatch(code)} == set()
    assert listed - returns - statuses == set()


@pytest.mark.parametrize("name", sorted(BY_DRIVER))
def test_what_is_in_doubt_is_no_refusal_of_an_operators(name: str) -> None:
    table = BY_DRIVER[name]
    for code in table.refusals - {"BAD_REQUEST"}:
        assert table.rows[code].topic.code != "outcome_unknown"
    assert (
        "50" not in reasons.ORANGE.refusals
    )  # "We do not know": to be asked about, never a refusal.
    assert "idempotency-mismatch" not in reasons.WAVE.refusals


@pytest.mark.parametrize(
    ("driver", "code", "kinds"),
    [
        ("orange", "50", []), ("orange", "2000", [EventKind.REJECTED]), ("mpesa", "1037", []),
        ("mpesa", "2040", [EventKind.REJECTED]), ("wave", "50", [EventKind.REJECTED]),
    ],
)  # fmt: skip
def test_a_failure_that_the_operator_is_not_sure_of_frees_no_payment(
    driver: str, code: str, kinds: list[EventKind]
) -> None:
    failed = {"reference": "R", "status": "FAILED", "code": code, "amount": "5", "currency": "XOF"}
    body = json.dumps({"transactions": [failed]}).encode()
    document = InboundDocument(remote_id="", document_type="wallet.report", body=body)
    told = CONNECTORS[driver](config(driver)).parse_report(document)
    assert [event.kind for event in told] == kinds


def test_a_line_that_cannot_be_read_is_an_error_at_once() -> None:
    for lines in ("AC01 refuse number", "AC01 vanish number | Gone", "AC01 refuse nothing | Gone"):
        table = reasons.ReasonTable(
            scheme="x", source="x", effective_from=OURS.effective_from, lines=lines
        )
        with pytest.raises((ValueError, KeyError)):
            assert table.rows
