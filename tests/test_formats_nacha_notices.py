"""NACHA: what comes back (returns dishonoured and contested, changes, acknowledgements) and who is same-day."""

from __future__ import annotations

from datetime import date

import pytest

from connectors.formats.nacha import (
    ChangeNotice,
    ContestedReturn,
    DishonoredReturn,
    ReturnNotice,
    corrected_details,
    read_nacha,
)
from tests.fixtures_folder import fixture
from tests.nacha_samples import returned_with


def test_a_dishonoured_return_is_read() -> None:
    addenda = f"799R69091012980000088{'':6}09101298{'':3}021000020000007" + "33003" + "AMOUNT 12.34"
    assert returned_with(addenda) == DishonoredReturn(
        code="R69",
        original_trace="091012980000088",
        original_rdfi="09101298",
        return_trace="021000020000007",
        return_settled_on="330",
        return_code="R03",
        information="AMOUNT 12.34",
        trace="021000020000009",
    )


def test_a_contested_return_is_read() -> None:
    addenda = (
        "799R73091012980000088"
        + "261125"
        + "09101298"
        + "328"
        + "021000020000007"
        + "330"
        + "03"
        + "091012980000099"
        + "331"
        + "69"
    )
    assert returned_with(addenda) == ContestedReturn(
        code="R73",
        original_trace="091012980000088",
        returned_on="261125",
        original_rdfi="09101298",
        return_trace="021000020000007",
        return_code="R03",
        dishonored_trace="091012980000099",
        dishonored_code="R69",
        trace="021000020000009",
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("R01", ReturnNotice), ("R60", ReturnNotice), ("R61", DishonoredReturn), ("R70", DishonoredReturn),
        ("R71", ContestedReturn), ("R77", ContestedReturn), ("R80", ReturnNotice),
    ],
)  # fmt: skip
def test_the_code_says_what_an_addenda_99_is(code: str, kind: type) -> None:
    assert isinstance(returned_with(f"799{code}091012980000088"), kind)


def test_an_acknowledgement_names_the_trace_that_it_is_for() -> None:
    (batch,) = read_nacha(fixture("nacha/ack-read.ach")).batches
    assert [(entry.transaction_code, entry.individual_id) for entry in batch.entries] == [
        ("24", "031300010000001"),
        ("24", "031300010000002"),
    ]


def test_a_same_day_file_says_so_in_its_descriptive_date() -> None:
    (batch,) = read_nacha(fixture("nacha/same-day-ach-ppd-credit.ach")).batches
    assert (batch.descriptive_date, batch.effective_on) == ("SD1300", date(2019, 1, 8))


# Code, corrected data from place 1 on, and what it says (Nacha Operating Rules, appendix five).
CORRECTIONS: list[tuple[str, str, dict[str, str] | None]] = [
    ("C01", "1918171614", {"account_number": "1918171614"}),
    ("C01", "12 345-6", {"account_number": "12345-6"}),
    ("C02", "231380104", {"routing_number": "231380104"}),
    ("C03", "231380104   77 88", {"routing_number": "231380104", "account_number": "7788"}),
    ("C04", "Awa Diop", {"holder_name": "Awa Diop"}),
    ("C05", "32", {"account_type": "savings"}),
    ("C05", "22", {"account_type": "checking"}),
    ("C06", "77889900            37", {"account_number": "77889900", "account_type": "savings"}),
    (
        "C07",
        "23138010477889900         22",
        {"routing_number": "231380104", "account_number": "77889900", "account_type": "checking"},
    ),
    ("C09", "000000000000001", {}),
    ("C13", "", {}),
    ("C01", "", None),
    ("C01", "?", None),
    ("C02", "231380105", None),
    ("C02", "000000000", None),
    ("C05", "x2", None),
    ("C05", "52", None),
    ("C06", "77889900", None),
]


@pytest.mark.parametrize(("code", "data", "corrected"), CORRECTIONS)
def test_what_a_notification_of_change_corrects(
    code: str, data: str, corrected: dict[str, str] | None
) -> None:
    notice = returned_with(f"798{code}091012980000088{'':6}09101298{data}")
    assert isinstance(notice, ChangeNotice)
    assert corrected_details(notice) == corrected
