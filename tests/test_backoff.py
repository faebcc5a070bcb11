"""When something is tried again: a table reckoned by hand."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from payouts.backoff import RetryPolicy, inquiry_delay_s
from payouts_project import retries

LIVE = RetryPolicy(base_s=60, factor=4, cap_s=6 * 3600, limit=3)


@pytest.mark.parametrize(
    ("repetition", "longest"), [(0, 60), (1, 60), (2, 240), (3, 960), (4, 3840), (5, 15360), (6, 21600), (10**6, 21600)]
)  # fmt: skip
def test_waits_grow_by_the_factor_up_to_the_cap(repetition: int, longest: float) -> None:
    assert LIVE.ceiling_s(repetition) == longest
    assert LIVE.delay_s(repetition, jitter=lambda: 0.0) == longest / 2
    assert LIVE.delay_s(repetition, jitter=lambda: 1.0) == longest


def test_no_two_wait_alike() -> None:
    assert len({LIVE.delay_s(3) for _ in range(50)}) > 40


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
