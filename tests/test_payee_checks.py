"""Whose account it is, asked of each scheme over real HTTP; and what its codes mean."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from connectors.abilities import PayeeMatch, VerifiesPayees
from connectors.base import AccountDetails, ConnectorError
from connectors.registry import CONNECTORS, build
from connectors.schemes.payee_answers import COP, VOP, WAVE, compare_names
from payouts import banks
from payouts.banks import BankLine
from tests.bank_stub import Canned, account, bank_stub, canned_json, config
from tests.world import World

MATCH, CLOSE, NO, NOT = "match", "close_match", "no_match", "not_possible"
SIMILAR = "Anna Schmitt"


def line_of(driver: str) -> BankLine:
    return next(bank for bank in banks.lines() if bank.driver == driver)


def payee(driver: str, details: Mapping[str, str], name: str = "Anna Schmidt") -> AccountDetails:
    return replace(account(driver), details=details, holder_name=name)


def iban(number: str) -> dict[str, str]:
    return {"iban": number}


def uk(number: str) -> dict[str, str]:
    return {"sort_code": "089999", "account_number": number}


def wave(end: str) -> dict[str, str]:
    return {"msisdn": f"+2250700000{end}", "operator": "wave"}


def mtn(end: str) -> dict[str, str]:
    return {"msisdn": f"+2250500000{end}"}


# Driver, account, kind of holder, verdict, the scheme's code, the name that is told.
TOLD = [
    ("sepa", iban("DE89370400440532013000"), "user", MATCH, "MTCH", ""),
    ("sepa", iban("DE02370400440000000121"), "user", CLOSE, "CMTC", SIMILAR),
    ("sepa", iban("DE23370400440000000131"), "user", NO, "NMTC", ""),
    ("sepa", iban("DE44370400440000000141"), "user", NOT, "NOAP", ""),
    ("sepa_instant", iban("DE89370400440532013000"), "user", MATCH, "MTCH", ""),
    ("sepa_instant", iban("DE02370400440000000121"), "user", CLOSE, "CMTC", SIMILAR),
    ("sepa_instant", iban("DE23370400440000000131"), "user", NO, "NMTC", ""),
    ("sepa_instant", iban("DE44370400440000000141"), "user", NOT, "NOAP", ""),
    ("faster_payments", uk("66374958"), "user", MATCH, "MATCHED", ""),
    ("faster_payments", uk("66374958"), "business", MATCH, "MATCHED", ""),
    ("faster_payments", uk("90009121"), "user", CLOSE, "MBAM", SIMILAR),
    ("faster_payments", uk("90008122"), "user", CLOSE, "BANM", ""),
    ("faster_payments", uk("90008122"), "business", CLOSE, "PANM", ""),
    ("faster_payments", uk("90007123"), "user", CLOSE, "BAMM", SIMILAR),
    ("faster_payments", uk("90007123"), "merchant", CLOSE, "PAMM", SIMILAR),
    ("faster_payments", uk("90002131"), "user", NO, "ANNM", ""),
    ("faster_payments", uk("90005141"), "user", NOT, "OPTO", ""),
    ("faster_payments", uk("90004142"), "user", NOT, "ACNS", ""),
    ("faster_payments", uk("90003143"), "user", NOT, "SCNS", ""),
    ("faster_payments", uk("90002144"), "user", NOT, "CASS", ""),
    ("faster_payments", uk("90001145"), "user", NOT, "AC01", ""),
    ("faster_payments", uk("90000146"), "user", NOT, "IVCR", ""),
    ("wave", wave("001"), "user", MATCH, "MATCH", ""),
    ("wave", wave("131"), "user", NO, "NO_MATCH", ""),
    ("wave", wave("141"), "user", NOT, "NAME_NOT_KNOWN", ""),
    ("mtn", mtn("111"), "user", MATCH, "MATCH", ""),
    ("mtn", mtn("121"), "user", CLOSE, "CLOSE_MATCH", SIMILAR),
    ("mtn", mtn("131"), "user", NO, "NO_MATCH", ""),
    ("mtn", mtn("141"), "user", NOT, "INACTIVE", ""),
    ("mtn", mtn("001"), "user", NOT, "NAME_NOT_SHARED", ""),
]


@pytest.mark.parametrize(("driver", "details", "holder", "match", "code", "name"), TOLD)
def test_each_scheme_says_whose_account_it_is(
    sandbox: World,
    driver: str,
    details: dict[str, str],
    holder: str,
    match: str,
    code: str,
    name: str,
) -> None:
    asked = replace(payee(driver, details), holder_type=holder)
    assert line_of(driver).connector.check_beneficiary(asked) == []
    told = line_of(driver).connector.verify_payee(asked)
    assert (told.match.value, told.code, told.name) == (match, code, name)


SILENT = [
    ("sepa", iban("DE65370400440000000151")),
    ("sepa_instant", iban("DE65370400440000000151")),
    ("faster_payments", uk("90008151")),
    ("wave", wave("151")),
    ("mtn", mtn("151")),
]


@pytest.mark.parametrize(("driver", "details"), SILENT)
def test_nobody_waits_longer_than_the_deadline_for_a_bank_that_is_silent(
    sandbox: World, driver: str, details: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    began = time.monotonic()
    with pytest.raises(ConnectorError, match="deadline"):
        line_of(driver).build(deadline_s=0.4).verify_payee(payee(driver, details))
    assert time.monotonic() - began < 2
    assert "Schmidt" not in caplog.text


@pytest.mark.parametrize("driver", sorted(CONNECTORS))
def test_a_connector_claims_to_verify_payees_exactly_when_it_can(driver: str) -> None:
    connector = build(driver, config(driver))
    assert connector.capabilities().verifies_payee == isinstance(connector, VerifiesPayees)
    able = {"sepa", "sepa_instant", "faster_payments", "wave", "mtn"}
    assert isinstance(connector, VerifiesPayees) == (driver in able)


GARBAGE = [
    b"", b"<html>", b"[]", b"{}", b'{"partyNameMatch": "MAYBE"}', b'{"partyNameMatch": 1}',
    b'{"partyNameMatch": "CMTC", "matchedName": 7}', b'{"matched": "yes"}', b'{"matched": false, "reasonCode": "ZZZZ"}',
    b'{"name_match": "PERHAPS"}', b'{"name_match": null}', b'{"result": true, "given_name": []}',
]  # fmt: skip


@pytest.mark.parametrize("driver", ["sepa", "faster_payments", "wave", "mtn"])
def test_an_answer_that_makes_no_sense_is_no_answer(driver: str) -> None:
    with bank_stub(Canned(), about_payees=True) as stub:
        for body in GARBAGE:
            stub.answer = Canned(body=body)
            connector = build(driver, config(driver, stub.url))
            with pytest.raises(ConnectorError):
                connector.verify_payee(account(driver))  # type: ignore[attr-defined]


def test_the_published_codes_are_all_known() -> None:
    """Written down from the schemes' own lists."""
    assert {code: match.value for code, match in VOP.items()} == {
        "MTCH": MATCH, "CMTC": CLOSE, "NMTC": NO, "NOAP": NOT,
    }  # fmt: skip
    assert {code: match.value for code, match in COP.items()} == {
        "ANNM": NO, "MBAM": CLOSE, "BANM": CLOSE, "PANM": CLOSE, "BAMM": CLOSE, "PAMM": CLOSE,
        "AC01": NOT, "IVCR": NOT, "ACNS": NOT, "OPTO": NOT, "CASS": NOT, "SCNS": NOT,
    }  # fmt: skip
    assert {code: match.value for code, match in WAVE.items()} == {
        "MATCH": MATCH, "NO_MATCH": NO, "NAME_NOT_KNOWN": NOT,
    }  # fmt: skip


NAMES = [
    ("Anna Schmidt", "ANNA SCHMIDT", MATCH), ("Anna Schmidt", "Schmidt Anna", MATCH),
    ("Mme Anaïs Kouassi", "ANAIS KOUASSI", MATCH), ("Kofi Ménsah", "Kofi Mensah", MATCH),
    ("Anna Schmidt", "Anna Maria Schmidt", CLOSE), ("Anna Schmidt", "Anna Schmitt", CLOSE),
    ("Anna", "Anna Schmidt", CLOSE), ("Anna Schmidt", "Kofi Mensah", NO), ("A", "A Schmidt", NO),
    ("Anna Schmidt", "Anna Kouadio", NO), ("Anna Schmidt", "", NOT), ("\U0001f600", "Anna", NOT),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "match"), NAMES)
def test_two_names_are_one_close_or_two(ours: str, theirs: str, match: str) -> None:
    assert compare_names(ours, theirs) is PayeeMatch(match)
    assert compare_names(theirs, ours) is PayeeMatch(match)


def test_what_is_asked_holds_what_the_scheme_wants_and_no_payment() -> None:
    with bank_stub(canned_json({"partyNameMatch": "MTCH"}), about_payees=True) as stub:
        build("sepa", config("sepa", stub.url)).verify_payee(account("sepa"))  # type: ignore[attr-defined]
        (asked,) = stub.asked
    assert asked.path.endswith("/sepa/default/vop/v1/payee-verifications")
    assert json.loads(asked.body) == {
        "party": {"name": account("sepa").holder_name},
        "partyAccount": {"iban": "DE89370400440532013000"},
    }
