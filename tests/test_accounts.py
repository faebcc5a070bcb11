"""What people type as an account is brought to one canonical form, or refused with a code."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.accounts import AccountInvalid, canonical_details, is_valid_routing_number

IBAN = "DE89370400440532013000"
US = {"routing_number": "021000021", "account_number": "123456789012", "account_type": "checking"}
UK = {"sort_code": "089999", "account_number": "66374958"}

ACCEPTED = [
    ("iban", {"iban": IBAN}, {"iban": IBAN}, "3000", "COBADEFF", "DE"),
    # B61: lower case and spaces.
    ("iban", {"iban": " de89 3704 0044 0532 0130 00 "}, {"iban": IBAN}, "3000", "COBADEFF", "DE"),
    (
        "iban",
        {"iban": IBAN, "bic": "cobadeff xxx"},
        {"iban": IBAN, "bic": "COBADEFFXXX"},
        "3000",
        "COBADEFF",
        "DE",
    ),
    (  # A bank the registry does not know is named by its national code.
        "iban",
        {"iban": "SN08SN0100152000048500003035"},
        {"iban": "SN08SN0100152000048500003035"},
        "3035",
        "SNSN010",
        "SN",
    ),
    ("us_bank", US, US, "9012", "021000021", "US"),
    (
        "us_bank",
        {**US, "account_number": "12 345-67A", "account_type": "Savings"},
        {**US, "account_number": "12345-67A", "account_type": "savings"},
        "-67A",
        "021000021",
        "US",
    ),
    (
        "us_bank",
        {**US, "account_number": "123"},
        {**US, "account_number": "123"},
        "",
        "021000021",
        "US",
    ),
    ("uk_bank", UK, UK, "4958", "089999", "GB"),
    (
        "uk_bank",
        {"sort_code": "08-99-99", "account_number": "6637 4958"},
        UK,
        "4958",
        "089999",
        "GB",
    ),
    (
        "mobile_money",
        {"msisdn": "+2250700000001"},
        {"msisdn": "+2250700000001"},
        "0001",
        "orange",
        "CI",
    ),
    (
        "mobile_money",
        {"msisdn": "+221 77 123-45-67", "operator": "Orange"},
        {"msisdn": "+221771234567", "operator": "orange"},
        "4567",
        "orange",
        "SN",
    ),
    (
        "swift",
        {"bic": "chasus33", "account_number": "000 123 456 789"},
        {"bic": "CHASUS33", "account_number": "000123456789"},
        "6789",
        "CHASUS33",
        "US",
    ),
]


@pytest.mark.parametrize(("kind", "raw", "details", "last4", "institution", "country"), ACCEPTED)
def test_an_account_is_brought_to_its_canonical_form(
    kind: str,
    raw: dict[str, str],
    details: dict[str, str],
    last4: str,
    institution: str,
    country: str,
) -> None:
    account = canonical_details(kind, raw, "FR")
    assert dict(account.details) == details
    assert (account.last4, account.institution, account.country) == (last4, institution, country)
    again = canonical_details(kind, account.details, "FR")
    assert again == account


REFUSED = [
    # B60
    ("iban", {"iban": "DE88370400440532013000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "DE8937040044053201300"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "XX0012345678901234"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "US89370400440532013000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": ""}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "9" * 5000}, {"iban": "invalid_iban"}),
    ("iban", {}, {"iban": "invalid_iban"}),
    # B62
    ("iban", {"iban": "DE89370400440532013\u200b000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "\uff24\uff2589370400440532013000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "D\u041589370400440532013000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "DE89\n370400440532013000"}, {"iban": "invalid_iban"}),
    ("iban", {"iban": "DE89\u00a0370400440532013000"}, {"iban": "invalid_iban"}),
    # B64
    ("iban", {"iban": IBAN, "bic": "BNPAFRPPXXX"}, {"bic": "bic_mismatch"}),
    ("iban", {"iban": IBAN, "bic": "DEUTDEFFXXX"}, {"bic": "bic_mismatch"}),
    ("iban", {"iban": IBAN, "bic": "COBADEFFX"}, {"bic": "invalid_bic"}),
    ("iban", {"iban": IBAN, "bic": "COBAZZFF"}, {"bic": "invalid_bic"}),
    ("iban", {"iban": "nope", "bic": "nope"}, {"iban": "invalid_iban", "bic": "invalid_bic"}),
    # B65
    (
        "us_bank",
        {**US, "routing_number": "021000022"},
        {"routing_number": "invalid_routing_number"},
    ),
    (
        "us_bank",
        {**US, "routing_number": "000000000"},
        {"routing_number": "invalid_routing_number"},
    ),
    ("us_bank", {**US, "routing_number": "02100002"}, {"routing_number": "invalid_routing_number"}),
    (
        "us_bank",
        {**US, "routing_number": "0210000210"},
        {"routing_number": "invalid_routing_number"},
    ),
    (
        "us_bank",
        {**US, "routing_number": "\u0660\u0662\u0661\u0660\u0660\u0660\u0660\u0662\u0661"},
        {"routing_number": "invalid_routing_number"},
    ),
    (
        "us_bank",
        {**US, "routing_number": "490000018"},
        {"routing_number": "invalid_routing_number"},
    ),
    ("us_bank", {**US, "account_number": "1" * 18}, {"account_number": "invalid_account_number"}),
    ("us_bank", {**US, "account_number": "12\n34"}, {"account_number": "invalid_account_number"}),
    ("us_bank", {**US, "account_number": "---"}, {"account_number": "invalid_account_number"}),
    ("us_bank", {**US, "account_type": "gold"}, {"account_type": "invalid_account_type"}),
    (
        "us_bank",
        {},
        {
            "routing_number": "invalid_routing_number",
            "account_number": "invalid_account_number",
            "account_type": "invalid_account_type",
        },
    ),
    # B66
    ("uk_bank", {**UK, "sort_code": "08999"}, {"sort_code": "invalid_sort_code"}),
    ("uk_bank", {**UK, "account_number": "6637495"}, {"account_number": "invalid_account_number"}),
    ("uk_bank", {**UK, "sort_code": 89999}, {"sort_code": "invalid_sort_code"}),
    ("uk_bank", {**UK, "account_number": "66374959"}, {"account_number": "modulus_check_failed"}),
    ("iban", {"iban": "FR8420041010050500013M02607"}, {"iban": "national_check_failed"}),
    # B67
    ("mobile_money", {"msisdn": "+22177123456"}, {"msisdn": "invalid_msisdn"}),
    ("mobile_money", {"msisdn": "+2217712345678"}, {"msisdn": "invalid_msisdn"}),
    ("mobile_money", {"msisdn": "+221881234567"}, {"msisdn": "invalid_msisdn"}),
    ("mobile_money", {"msisdn": "+22177ABCDEFG"}, {"msisdn": "invalid_msisdn"}),
    ("mobile_money", {"msisdn": "0700000001"}, {"msisdn": "invalid_msisdn"}),
    ("mobile_money", {"msisdn": "+2257000000"}, {"msisdn": "invalid_msisdn"}),
    (
        "mobile_money",
        {"msisdn": "+2250700000001", "operator": "a;b"},
        {"operator": "invalid_operator"},
    ),
    ("swift", {"bic": "nope", "account_number": "1"}, {"bic": "invalid_bic"}),
    (
        "swift",
        {"bic": "CHASUS33", "account_number": ""},
        {"account_number": "invalid_account_number"},
    ),
    (
        "swift",
        {"bic": "CHASUS33", "account_number": "\u0661"},
        {"account_number": "invalid_account_number"},
    ),
    # The rest.
    ("iban", {"iban": IBAN, "colour": "red"}, {"colour": "unknown_field"}),
    ("gold_bars", {}, {"type": "unsupported_account_type"}),
]


@pytest.mark.parametrize(("kind", "raw", "codes"), REFUSED)
def test_a_bad_account_is_refused_with_a_code_per_field(
    kind: str, raw: Mapping[str, str], codes: dict[str, str]
) -> None:
    with pytest.raises(AccountInvalid) as refusal:
        canonical_details(kind, raw, "DE")
    assert {error.field: error.code for error in refusal.value.errors} == codes
    assert len(refusal.value.errors) == len(codes)


def test_no_number_is_ever_shown() -> None:
    account = canonical_details("iban", {"iban": IBAN}, "DE")
    assert IBAN not in repr(account)
    with pytest.raises(AccountInvalid) as refusal:
        canonical_details("us_bank", {**US, "account_number": "4111111111111111-1"}, "US")
    told = str(refusal.value) + repr(refusal.value.errors)
    assert "4111111111111111" not in told


@pytest.mark.parametrize(
    "number", ["021000021", "011401533", "231380104", "031300012", "121042882"]
)
def test_real_routing_numbers_pass(number: str) -> None:
    assert is_valid_routing_number(number)


@given(
    kind=st.sampled_from(["iban", "us_bank", "uk_bank", "mobile_money", "swift"]),
    raw=st.dictionaries(
        st.sampled_from(
            [
                "iban",
                "bic",
                "routing_number",
                "account_number",
                "account_type",
                "sort_code",
                "msisdn",
                "operator",
            ]
        ),
        st.text(max_size=40),
    ),
)
def test_any_text_is_accepted_or_refused_but_never_crashes(kind: str, raw: dict[str, str]) -> None:
    with contextlib.suppress(AccountInvalid):
        account = canonical_details(kind, raw, "DE")
        assert all(value.isascii() for value in account.details.values())
