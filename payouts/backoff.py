"""When to try again: pure values, no clock and no database."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with jitter. All in seconds.

    The wait before try n (n = 1 for the first repetition) lies between half and the whole of
    min(cap, base * factor ** (n - 1)): never at once, never all together. `limit` repetitions, then a
    person must look.
    """

    base_s: float
    factor: float
    cap_s: float
    limit: int = 3

    def ceiling_s(self, repetition: int) -> float:
        """The longest wait before a repetition."""
        exponent = min(max(repetition, 1) - 1, 64)  # 2 ** 64 seconds is beyond any cap.
        return min(self.cap_s, self.base_s * self.factor**exponent)

    def delay_s(self, repetition: int, *, jitter: Callable[[], float] = random.random) -> float:
        """How long to wait before a repetition; `jitter` gives a number from 0 to 1."""
        ceiling = self.ceiling_s(repetition)
        return ceiling / 2 + ceiling / 2 * jitter()


def inquiry_delay_s(*, first_s: float, cap_s: float, asked: int) -> float:
    """How long to wait before asking a bank again: `first_s`, three times as long each time, up to `cap_s`."""
    return float(min(cap_s, first_s * 3 ** min(asked, 20)))
