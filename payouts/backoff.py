"""When to try again: pure values, no clock and no database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random

LONGEST_ASKED_S = 86_400.0  # What a bank asks for by Retry-After is believed up to a day.


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with full jitter. All in seconds.

    The wait before try n (n = 1 for the first repetition) lies anywhere between nothing and
    min(cap, base * factor ** (n - 1)), so that what failed together does not come back together. `limit`
    repetitions, then a person must look.
    """

    base_s: float
    factor: float
    cap_s: float
    limit: int = 3

    def ceiling_s(self, repetition: int) -> float:
        """The longest wait before a repetition."""
        exponent = min(max(repetition, 1) - 1, 64)  # 2 ** 64 seconds is beyond any cap.
        return min(self.cap_s, self.base_s * self.factor**exponent)

    def delay_s(
        self,
        repetition: int,
        *,
        at_least_s: float = 0.0,
        left_s: float | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> float:
        """How long to wait before a repetition; `jitter` gives a number from 0 to 1, by chance unless told.

        `left_s` is the time until a try comes too late for the day on which it was to be paid: the wait is
        drawn from what is left, as long as anything is. `at_least_s` is what the bank asked for: its wish
        outranks both.
        """
        ceiling = self.ceiling_s(repetition)
        if left_s is not None and left_s > 0:
            ceiling = min(ceiling, left_s)
        return max(ceiling * (jitter or random)(), min(at_least_s, LONGEST_ASKED_S))


def inquiry_delay_s(*, first_s: float, cap_s: float, asked: int) -> float:
    """How long to wait before asking a bank again: `first_s`, three times as long each time, up to `cap_s`."""
    return float(min(cap_s, first_s * 3 ** min(asked, 20)))
