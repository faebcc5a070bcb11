"""A ring says "look now"; it carries nothing. A ring that is lost costs one poll.

`ring` is called by verbs, inside or outside a transaction: whoever listens hears it after the commit.
It never raises and never makes a request wait for a broker that is away. A broker that takes rings does not
mean that anybody works on them: a listener leaves word, so that the poller can tell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.core.cache import cache
from django.db import connection, transaction

log = logging.getLogger(__name__)

Ringer = Callable[[str, float], None]  # queue, delay in seconds
LONGEST_DELAY_S = (
    60.0  # A broker delivers twice what it keeps for longer than it remembers; rows know when.
)
QUIET_AFTER_FAILURE_S = 1.0  # While the broker is away, requests do not each wait for its time-out.

_ringer: list[Ringer] = []
_quiet_until: list[float] = [0.0]


class _Ring:
    """What is called after the commit; knows its queue, so that one transaction rings it once."""

    def __init__(self, queue: str, delay_s: float) -> None:
        self.queue = queue
        self.delay_s = delay_s

    def __call__(self) -> None:
        ring_now(self.queue, delay_s=self.delay_s)


def install(ringer: Ringer) -> None:
    """Say who carries rings; `payouts.tasks` does, at start."""
    _ringer[:] = [ringer]


def ring(queue: str, *, delay_s: float = 0.0) -> None:
    """Ring after the commit, once per transaction, queue and delay."""
    waiting: list[Any] = [entry[1] for entry in connection.run_on_commit]
    if any(
        isinstance(entry, _Ring) and (entry.queue, entry.delay_s) == (queue, delay_s)
        for entry in waiting
    ):
        return
    transaction.on_commit(_Ring(queue, delay_s), robust=True)


def ring_now(queue: str, *, delay_s: float = 0.0) -> bool:
    """Ring at once. Returns whether the ring was taken; what lies further ahead is left to the poller."""
    if not _ringer or time.monotonic() < _quiet_until[0] or delay_s > LONGEST_DELAY_S:
        return False
    try:
        _ringer[0](queue, delay_s)
    except Exception as error:  # noqa: BLE001  (any broker failure whatever: the poller finds the rows)
        _quiet_until[0] = time.monotonic() + QUIET_AFTER_FAILURE_S
        log.warning("the doorbell %s was not heard: %s", queue, type(error).__name__)
        return False
    return True


def note_heard(queue: str) -> None:
    """Leave word that a ring was heard. Whoever cannot leave it passes for nobody, which costs nothing."""
    try:
        cache.set(f"heard:{queue}", str(uuid4()), timeout=None)
    except Exception as error:  # noqa: BLE001  (no task fails for that)
        log.debug("no word could be left: %s", type(error).__name__)


def last_heard(queue: str) -> str | None:
    """Another word each time that a ring was heard; None when nobody has left any."""
    try:
        word: str | None = cache.get(f"heard:{queue}")
    except Exception:  # noqa: BLE001  (as if nobody had heard)
        return None
    return word
