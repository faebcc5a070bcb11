"""When something is tried again: a table reckoned by hand."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from django.core.exceptions import ImproperlyConfigured

from connectors import http
from payouts import sla
from payouts.backoff import RetryPolicy, inquiry_delay_s
from payouts_project import retries

LIVE = RetryPolicy(base_s=60, factor=4, cap_s=6 * 3600, limit=3)


@pytest.mark.parametrize(
    ("repetition", "longest"), [(0, 60), (1, 60), (2, 240), (3, 960), (4, 3840), (5, 15360), (6, 21600), (10**6, 21600)]
)  # fmt: skip
def test_waits_grow_by_the_factor_up_to_the_cap(repetition: int, longest: float) -> None:
    assert LIVE.ceiling_s(repetition) == longest
    assert (
        LIVE.delay_s(repetition, jitter=lambda: 0.0) == 0
    )  # Full jitter: from nothing to the ceiling.
    assert LIVE.delay_s(repetition, jitter=lambda: 1.0) == longest


def test_no_two_wait_alike_and_they_fill_the_whole_time() -> None:
    waits = [LIVE.delay_s(3) for _ in range(400)]
    assert len(set(waits)) > 390
    assert min(waits) < 96 < 864 < max(waits)  # The first and the last tenth of 960 s.


# what the bank asked for, what is left of the day, jitter -> the wait before the third repetition (960 s at most)
WAITS = [
    (0.0, None, 0.5, 480), (0.0, None, 1.0, 960),
    # Retry-After is kept, whatever the dice say; what is absurd is not believed, or only up to a day.
    (700.0, None, 0.5, 700), (700.0, None, 0.9, 864), (-5.0, None, 0.0, 0), (1e300, None, 0.5, 86_400),
    (float("inf"), None, 0.5, 86_400), (float("nan"), None, 0.5, 480),
    # A cut-off that can still be made is made; one that has passed is nothing to wait for, or to hurry for.
    (0.0, 100.0, 0.5, 50), (0.0, 100.0, 1.0, 100), (0.0, 5000.0, 1.0, 960), (0.0, 0.0, 1.0, 960),
    (0.0, -50.0, 1.0, 960),
    # The bank's wish outranks the cut-off.
    (700.0, 100.0, 0.5, 700),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "left", "dice", "wait"), WAITS)
def test_a_wait_keeps_to_what_the_bank_asked_and_ends_before_the_cut_off(
    asked: float, left: float | None, dice: float, wait: float
) -> None:
    assert LIVE.delay_s(3, at_least_s=asked, left_s=left, jitter=lambda: dice) == wait


# New York, 2026-11-25 is a Wednesday, the 26th Thanksgiving, the 28th a Saturday; UTC-5.
LEFT = [
    ("2026-11-25T22:00:00", 6300.0), ("2026-11-25T23:44:59", 1.0), ("2026-11-25T23:45:00", None),
    ("2026-11-26T20:00:00", None), ("2026-11-28T20:00:00", None), ("2026-11-26T03:00:00", None),
    ("2026-11-27T05:00:00", 67_500.0),
]  # fmt: skip


@pytest.mark.parametrize(("moment", "left"), LEFT)
def test_how_long_a_day_still_takes_orders(moment: str, left: float | None) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    wire = {"cutoff": time(18, 45), "time_zone": "America/New_York", "calendar": "XFED"}
    assert sla.seconds_left(at, **wire) == left
    assert sla.seconds_left(at, **wire | {"cutoff": None}) is None


@pytest.mark.parametrize(
    "value",
    ["0", "7", "99999999999", "-3", "1e9", "nan", "inf", "", "soon", "Wed, 01 Jan 2200 00:00:00 GMT",
     "Wed, 01 Jan 1800 00:00:00 GMT", "Fri, 99 Foo 2026 99:99:99 GMT", "\x00", "１２"],
)  # fmt: skip
def test_no_retry_after_leads_to_more_than_a_day(value: str) -> None:
    answer = http.HttpAnswer(status=503, headers={"retry-after": value}, body=b"", elapsed_s=0)
    asked = http.retry_after_s(answer) or 0.0
    assert 0 <= LIVE.delay_s(1, at_least_s=asked) <= 86_400


def test_inquiries_come_three_times_as_late_each_time() -> None:
    asked = [inquiry_delay_s(first_s=1, cap_s=20, asked=n) for n in range(5)]
    assert asked == [1, 3, 9, 20, 20]


def test_a_rail_may_have_a_policy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRY_POLICY_ACH", "10,3,100,5")
    policies = retries.policies(default=(60, 4, 21600, 3), instant=(5, 2, 300, 3))
    assert policies["ach"] == RetryPolicy(base_s=10, factor=3, cap_s=100, limit=5)
    assert policies["sepa"] == LIVE
    assert policies["sepa_instant"] == RetryPolicy(base_s=5, factor=2, cap_s=300, limit=3)


@pytest.mark.parametrize("text", ["1,2,3", "0,2,3,4", "1,0.5,3,4", "5,2,1,3", "1,2,3,x", "1,2,3,1.5"])  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("RETRY_POLICY_WIRE", text)
    with pytest.raises(ImproperlyConfigured, match="RETRY_POLICY_WIRE"):
        retries.policies(default=(60, 4, 21600, 3), instant=(5, 2, 300, 3))
