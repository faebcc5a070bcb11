"""What is carried where: limits by their day, hours, repetition, recall and finality, told as they are."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectors.schemes import limits
from connectors.schemes.limits import RailLimits, history, limits_on
from ops import capability_rows
from payouts import banks, routing
from payouts.statistics import Seen
from tests.world import World

# Written from the schemes' announcements: rail, currency, a day -> what one payment may be worth then.
LIMITS = """
    ach             USD 2026-11-28 99999999.99    ten digits of cents
    wire            USD 2026-11-28 9999999999.99  a cent below ten thousand million
    rtp             USD 2025-02-08 1000000        the day before
    rtp             USD 2025-02-09 10000000       ten millions from this day
    faster_payments GBP 2022-02-06 250000         the day before
    faster_payments GBP 2022-02-07 1000000        a million from this day
    sepa            EUR 2026-11-28 999999999.99   the field's size
    sepa_instant    EUR 2025-10-04 100000         the last rulebook with a maximum
    sepa_instant    EUR 2025-10-05 999999999.99   none beyond the field any more
    mobile_money    KES 2023-08-14 150000         the day before
    mobile_money    KES 2023-08-15 250000         M-Pesa's higher amount
    mobile_money    XOF 2026-11-28 2000000        a wallet of the BCEAO's zone
"""


@pytest.mark.parametrize("case", [line.split(maxsplit=4) for line in LIMITS.strip().splitlines()])
def test_a_limit_is_that_of_its_day(case: list[str]) -> None:
    rail, currency, day, most, _ = case
    assert limits_on(rail, date.fromisoformat(day), currency).max_amount == Decimal(most)


SAME_DAY = [("2019-01-01", 25_000), ("2022-03-17", 100_000), ("2022-03-18", 1_000_000)]


@pytest.mark.django_db
@pytest.mark.parametrize(("day", "most"), SAME_DAY)
def test_same_day_ach_has_the_limit_of_its_day(sandbox: World, day: str, most: int) -> None:
    (ach,) = [line for line in banks.lines() if line.rail == "ach"]
    on = date.fromisoformat(day)
    (row,) = [a for a in ach.abilities if a.product == "same day" and a.in_force(on)]
    assert row.max_amount == most


def row(**values: Any) -> RailLimits:
    base = RailLimits(
        rail="x", currency="XOF", min_amount=Decimal(1), max_amount=Decimal(1), calendar="",
        effective_from=date(2020, 1, 1), source="a test",
    )  # fmt: skip
    return replace(base, **values)


def test_an_operators_own_limit_stands_over_the_rails(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        row(max_amount=Decimal(100)),
        row(operator="wave", max_amount=Decimal(50)),
        row(operator="wave", country="ML", max_amount=Decimal(20)),
        row(operator="wave", country="ML", max_amount=Decimal(30), effective_from=date(2026, 1, 1)),
    )
    monkeypatch.setattr(limits, "_LIMITS", rows)
    limits_on.cache_clear()
    try:
        day = date(2025, 6, 1)
        assert limits_on("x", day, "XOF").max_amount == 100
        assert limits_on("x", day, "XOF", operator="mtn", country="CI").max_amount == 100
        assert limits_on("x", day, "XOF", operator="wave", country="SN").max_amount == 50
        assert limits_on("x", day, "XOF", operator="wave", country="ML").max_amount == 20
        later = date(2026, 1, 1)
        assert limits_on("x", later, "XOF", operator="wave", country="ML").max_amount == 30
        with pytest.raises(KeyError):
            limits_on("x", date(2019, 12, 31), "XOF")
    finally:
        limits_on.cache_clear()


def test_every_limit_names_its_source_and_its_days_rise() -> None:
    for rail in ("ach", "wire", "rtp", "faster_payments", "sepa", "sepa_instant"):
        days = [limit.effective_from for limit in history(rail)]
        assert days == sorted(set(days))
        assert all(limit.source for limit in history(rail))


@pytest.mark.django_db
def test_routing_takes_the_limit_of_the_day_on_which_it_sends(
    sandbox: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    lower = row(
        rail="sepa", currency="EUR", min_amount=Decimal("0.01"), max_amount=Decimal(500),
        effective_from=date(2026, 11, 26),
    )  # fmt: skip
    monkeypatch.setattr(limits, "_LIMITS", (*limits._LIMITS, lower))
    limits_on.cache_clear()
    lines = [line for line in banks.lines() if line.key == "default:sepa"]
    choices = routing.Choices(lines=lines, rules=[], seen=Seen({}), failure_cost={}, now=now)
    wish = routing.Wish(
        payout_method="bank_transfer", account_type="iban", currency="EUR", amount=Decimal(501),
        country="DE", institution="COBADEFFXXX", priority="standard",
    )  # fmt: skip
    try:
        refused = {
            days: choices.survey(replace(wish, scheduled_at=now + timedelta(days=days)))[0].refused
            for days in (0, 1, 2, 3)
        }
    finally:
        limits_on.cache_clear()
    assert refused == {0: "", 1: "", 2: "amount", 3: "amount"}


def told(*options: str) -> str:
    out = io.StringIO()
    call_command("capabilities", *options, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_rails_page_shows_the_table_as_it_is(sandbox: World) -> None:
    page = Path("docs/rails.md").read_text()
    shown = page.split("<!-- capabilities -->\n")[1].split("<!-- end of capabilities -->")[0]
    assert shown == told("--markdown", "--on", "2026-11-28"), (
        "see ./dev manage capabilities --markdown"
    )


@pytest.mark.django_db
def test_programs_read_the_table_as_json(sandbox: World) -> None:
    rows = json.loads(told("--json", "--on", "2026-11-28"))
    by_key = {
        (r["rail"], r["operator"], r["country"], r["currency"], r["product"]): r for r in rows
    }
    assert len(by_key) == len(rows)
    instant = by_key["sepa_instant", "", "", "EUR", ""]
    assert (instant["max_amount"], instant["effective_from"]) == ("999999999.99", "2025-10-05")
    assert instant["hours"] == "at any hour"
    wave = by_key["mobile_money", "wave", "SN", "XOF", ""]
    assert (wave["max_amount"], wave["repetition"]) == ("2000000", "24 hours")
    orange = by_key["mobile_money", "orange", "CI", "XOF", ""]
    assert orange["repetition"] == "never"
    same_day = by_key["ach", "", "", "USD", "same day"]
    assert same_day["max_amount"] == "1000000.00"
    ach = by_key["ach", "", "", "USD", ""]
    assert (ach["finality"], ach["provisional_days"], ach["recall_days"]) == ("provisional", 2, 5)
    assert all(r["source"] and r["cancel"] for r in rows)
    earlier = json.loads(told("--json", "--on", "2022-02-06"))
    assert {r["max_amount"] for r in earlier if r["rail"] == "faster_payments"} == {"250000.00"}
    assert len(json.loads(told("--json", "--history"))) > len(rows)


@pytest.mark.django_db
def test_people_read_it_as_a_table(sandbox: World) -> None:
    text = told()
    for title in capability_rows.TITLES:
        assert title.split()[0] in text
    assert "faster_payments" in text
    with pytest.raises(CommandError):
        told("--on", "yesterday")
