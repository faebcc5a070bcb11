"""What is checked offline before money moves: national check digits, UK modulus, who holds a name a rail can carry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.accounts import (
    AccountInvalid,
    canonical_details,
    is_valid_routing_number,
    parse_iban,
)
from connectors.rails.checks import check_holder_name
from connectors.registry import build
from connectors.schemes.check_digits import passes_modulus, passes_national_check
from tests.bank_stub import account, config

# The examples of the SWIFT IBAN registry: what is printed there must pass.
REGISTRY = [
    "BA391290079401028494", "BE68539007547034", "CZ6508000000192000145399", "EE382200221020145685",
    "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606",
    "IS140159260076545510730339", "IT60X0542811101000000123456", "MC5811222000010123456789030",
    "ME25505000012345678951", "MK07250120000058984", "MR1300020001010000123456753", "NO9386011117947",
    "PL61109010140000071219812874", "PT50000201231234567890154", "RS35260005601001611379",
    "SI56263300012039086", "SK3112000000198742637541", "SM86U0322509800000000270100",
    "TN5910006035183598478831", "DE89370400440532013000", "NL91ABNA0417164300", "AT611904300234573201",
    "IE29AIBK93115212345678", "LU280019400644750000", "SN08SN0100152000048500003035", "HR1210010051863000160",
]  # fmt: skip
# The same with one digit more in the national check digits, and ISO check digits that fit that.
WRONG = [
    "FR8420041010050500013M02607", "IT64Y0542811101000000123456", "ES7421000428450200051332",
    "BE41539007547035", "PT23000201231234567890155", "NO6686011117948", "FI9112345600000786",
    "SI29263300012039087", "MC3111222000010123456789031", "PL36109010150000071219812874",
]  # fmt: skip


@pytest.mark.parametrize("iban", REGISTRY)
def test_the_registrys_examples_pass_their_countrys_own_check(iban: str) -> None:
    parsed = parse_iban(iban)
    assert parsed is not None
    assert passes_national_check(parsed)


@pytest.mark.parametrize("iban", WRONG)
def test_a_wrong_national_check_digit_is_refused_though_the_iban_itself_adds_up(iban: str) -> None:
    with pytest.raises(AccountInvalid) as refusal:
        canonical_details("iban", {"iban": iban}, "FR")
    assert [(e.field, e.code) for e in refusal.value.errors] == [("iban", "national_check_failed")]


# Pay.UK (Vocalink), "Validating account numbers", the published test cases.
MODULUS = [
    ("089999", "66374958", True), ("107999", "88837491", True), ("202959", "63748472", True),
    ("871427", "46238510", True), ("872427", "46238510", True), ("871427", "09123496", True),
    ("871427", "99123496", True), ("820000", "73688637", True), ("827999", "73988638", True),
    ("827101", "28748352", True), ("134020", "63849203", True), ("118765", "64371389", True),
    ("200915", "41011166", True), ("938611", "07806039", True), ("938600", "42368003", True),
    ("938063", "55065200", True), ("772798", "99345694", True), ("086090", "06774744", True),
    ("309070", "02355688", True), ("309070", "12345668", True), ("309070", "12345677", True),
    ("309070", "99345694", True), ("938063", "15764273", False), ("938063", "15764264", False),
    ("938063", "15763217", False), ("118765", "64371388", False), ("203099", "66831036", False),
    ("203099", "58716970", False), ("089999", "66374959", False), ("107999", "88837493", False),
    ("074456", "12345112", True), ("070116", "34012583", True), ("074456", "11104102", True),
    ("180002", "00000190", True),
    ("000000", "12345678", True),  # A sort code that nobody lists.
    ("999999", "00000000", True),
    ("08999", "66374958", False), ("089999", "6637495", False), ("08999\u0669", "66374958", False),
]  # fmt: skip


@pytest.mark.parametrize(("sort_code", "number", "right"), MODULUS)
def test_sort_code_and_account_number_belong_together(
    sort_code: str, number: str, right: bool
) -> None:
    assert passes_modulus(sort_code, number) is right


# The edges of the ranges, each with the check digit that 3-7-1 asks for: only the range decides. Then wrong digits.
ROUTING = [
    ("021000021", True), ("121042882", True), ("010000003", True), ("120000003", True), ("210000007", True),
    ("320000007", True), ("610000005", True), ("720000005", True), ("800000006", True),
    ("000000000", False), ("130000006", False), ("200000004", False), ("330000000", False), ("600000002", False),
    ("730000008", False), ("790000006", False), ("810000009", False), ("021000022", False), ("012000021", False),
]  # fmt: skip


@pytest.mark.parametrize(("number", "right"), ROUTING)
def test_a_routing_number_has_a_known_range_and_adds_up(number: str, right: bool) -> None:
    assert is_valid_routing_number(number) is right


CYRILLIC_70 = "Щ" * 20  # 80 letters once each is written "Shch".
NAMES = [
    ("sepa", "Anna Schmidt", ""), ("sepa", "Ærøskøbing Håndværk A/S", ""), ("sepa", "Γιώργος Παπαδόπουλος", ""),
    ("sepa", "3M", ""), ("sepa", "n" * 70, ""), ("sepa", "n" * 71, "name_too_long"),
    ("sepa", CYRILLIC_70, "name_too_long"), ("sepa_instant", "n" * 71, "name_too_long"),
    ("sepa", "", "invalid_name"), ("sepa", "   ", "invalid_name"), ("sepa", "\U0001f600", "invalid_name"),
    ("sepa", "///", "invalid_name"), ("sepa", "Anna\nSchmidt", "invalid_name"), ("sepa", "\u202e", "invalid_name"),
    ("ach", "n" * 60, ""), ("ach", "張", ""), ("ach", "--", "invalid_name"),
    ("faster_payments", "n" * 140, ""), ("faster_payments", "n" * 141, "name_too_long"),
    ("wire", "n" * 140, ""), ("rtp", "n" * 141, "name_too_long"), ("mobile_money", "n" * 141, ""),
    ("mobile_money", "\u0007", "invalid_name"),
    ("sepa", "/ " * 40 + "Smith", ""), ("sepa", "Jo" + " /" * 40 + " Smith", "name_too_long"),
]  # fmt: skip


@pytest.mark.parametrize(("rail", "name", "code"), NAMES)
def test_a_holders_name_is_one_that_the_rail_can_carry(rail: str, name: str, code: str) -> None:
    error = check_holder_name(name, rail)
    assert (error.code if error else "") == code
    assert error is None or error.field == "holder_name"


REFUSED = [
    ("sepa", {"iban": "BR1500000000000010932840814P2"}, ("iban", "country_unsupported")),
    ("sepa_instant", {"iban": "AE070331234567890123456"}, ("iban", "country_unsupported")),
    ("sepa", {"iban": "NO6686011117948"}, ("iban", "national_check_failed")),
    ("sepa", {"iban": "DE89370400440532013000", "bic": "DEUTDEFF"}, ("bic", "bic_mismatch")),
    (
        "faster_payments",
        {"sort_code": "089999", "account_number": "66374959"},
        ("account_number", "modulus_check_failed"),
    ),
    (
        "ach",
        {"routing_number": "130000006", "account_number": "1", "account_type": "checking"},
        ("routing_number", "invalid_routing_number"),
    ),
    ("mtn", {"msisdn": "+2250700000001"}, ("operator", "operator_unsupported")),  # Orange's range.
    ("mtn", {"msisdn": "+22505000000"}, ("msisdn", "invalid_msisdn")),
]


@pytest.mark.parametrize(("driver", "details", "error"), REFUSED)
def test_a_rail_names_the_field_and_the_code(
    driver: str, details: dict[str, str], error: tuple[str, str]
) -> None:
    bad = replace(account(driver), details=details)
    found = build(driver, config(driver)).check_beneficiary(bad)
    assert (found[0].field, found[0].code) == error


@given(
    rail=st.sampled_from(["sepa", "ach", "faster_payments", "wire", "mobile_money"]),
    text=st.text(max_size=200),
)
def test_no_text_breaks_a_check(rail: str, text: str) -> None:
    check_holder_name(text, rail)
    passes_modulus(text[:6], text[6:])
    parsed = parse_iban(text)
    assert parsed is None or passes_national_check(parsed) in (True, False)
