"""Transactions that the database gave up because two of them stood in each other's way: tried again, briefly.

For transactions that touch nothing but the database. A call to a bank is never inside one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError

TRIES = 3
LONGEST_WAIT_S = 0.05
# serialization_failure and deadlock_detected: nothing was written, and the same again may succeed.
IN_THE_WAY = ("40001", "40P01")

Result = TypeVar("Result")


def again(act: Callable[[], Result]) -> Result:
    """Do a whole transaction, up to three times while others stand in its way."""
    for left in reversed(range(TRIES)):
        try:
            return act()
        except OperationalError as error:
            if not left or sqlstate(error) not in IN_THE_WAY:
                raise
            time.sleep(random.uniform(0, LONGEST_WAIT_S))  # noqa: S311  (so that they do not meet again)
    raise AssertionError("the last try either returned or raised")


def sqlstate(error: OperationalError) -> str | None:
    """PostgreSQL's own word for what happened."""
    code: str | None = getattr(error.__cause__, "sqlstate", None)
    return code
