"""Carries what the simulated banks tell their customer by themselves, and tries a few times.

A message that is lost costs nothing but time: the same stands in the report feed. Only addresses below the
one that the customer has registered are called, whatever address an order names.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from connectors.bank_simulator.faults import FaultBoard
from connectors.bank_simulator.rail import Notice, Rail

log = logging.getLogger("bank_simulator")

CARRIERS = 4
CALL_SECONDS = 5.0
PAUSES = (0.2, 0.6, 1.5)  # Before the second, third and fourth try, in seconds.
MOST_WAITING = 20_000
AN_HOUR = 3600.0


@dataclass(slots=True, kw_only=True)
class _Letter:
    """One message under way to one address, sealed: a repetition is the same message."""

    bank: str
    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    most_tries: int
    tries: int = 0


class Postman:
    """Letters by the moment at which they are due, and a few threads that carry them."""

    def __init__(self, *, base_url: str, api_key: str, faults: FaultBoard) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._faults = faults
        self._wake = threading.Condition()
        self._due: list[tuple[float, int, _Letter]] = []
        self._held: list[tuple[float, _Letter]] = []
        self._order = itertools.count()
        self._untried: Counter[str] = Counter()
        self._closed = False
        for _ in range(CARRIERS if base_url else 0):
            threading.Thread(target=self._carry, daemon=True).start()

    def post(
        self,
        bank: str,
        rail: Rail,
        notices: Sequence[Notice],
        *,
        copies: int = 1,
        held_s: float = 0.0,
    ) -> None:
        """Take messages over; returns at once. What faults do to them is decided here.

        With `held_s` they are held back until the next one of this bank, so many seconds at most.
        """
        if not self._base_url or self._faults.seconds_of("silent", rail.name) is not None:
            return
        for notice in notices:
            if self._faults.take("webhook_lost", rail.name):
                continue
            twice = self._faults.take("webhook_doubled", rail.name) is not None
            late = self._faults.take("webhook_reordered", rail.name)
            letter = self._seal(bank, rail, notice)
            with self._wake:
                for _ in range(max(copies, 2 if twice else 1)):
                    self._take(replace(letter), late.seconds if late else held_s)
                if not (late or held_s):
                    self._release(bank)
                self._wake.notify_all()

    def _take(self, letter: _Letter, held_for: float) -> None:
        if held_for:
            self._held.append((time.monotonic() + held_for, letter))
        elif len(self._due) < MOST_WAITING:
            self._untried[letter.bank] += 1
            heapq.heappush(self._due, (time.monotonic(), next(self._order), letter))

    def _release(self, bank: str) -> None:
        """What was held back goes out behind what has just been posted."""
        waiting, self._held = self._held, []
        for until, letter in waiting:
            if letter.bank == bank or until <= time.monotonic():
                self._untried[letter.bank] += 1
                heapq.heappush(self._due, (time.monotonic() + 0.3, next(self._order), letter))
            else:
                self._held.append((until, letter))

    def flush(self, bank: str, seconds: float) -> None:
        """Wait until everything of a bank has been tried once."""
        deadline = time.monotonic() + seconds
        with self._wake:
            while self._untried[bank] > 0 and time.monotonic() < deadline:
                self._wake.wait(deadline - time.monotonic())

    def close(self) -> None:
        """Let the carriers go; what they have not carried is lost."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _carry(self) -> None:
        while (letter := self._next()) is not None:
            try:
                delivered = self._try(letter)
            except Exception:
                log.exception("a message could not be written")
                delivered = True
            with self._wake:
                letter.tries += 1
                if letter.tries == 1:
                    self._untried[letter.bank] -= 1
                if not delivered and letter.tries < min(letter.most_tries, len(PAUSES) + 1):
                    at = time.monotonic() + PAUSES[letter.tries - 1]
                    heapq.heappush(self._due, (at, next(self._order), letter))
                self._wake.notify_all()

    def _next(self) -> _Letter | None:
        with self._wake:
            while not self._closed:
                now = time.monotonic()
                if self._held and min(until for until, _ in self._held) <= now:
                    self._release("")
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)[2]
                moments = [at for at, _, _ in self._due[:1]] + [until for until, _ in self._held]
                self._wake.wait(max(0.0, min(moments) - now) if moments else None)
        return None

    def _try(self, letter: _Letter) -> bool:
        """Whether somebody said 2xx."""
        if not letter.url.startswith(self._base_url + "/"):
            return True  # Not an address of the customer's: nobody to tell.
        parts = urlsplit(letter.url)
        where = http.client.HTTPConnection(parts.netloc, timeout=CALL_SECONDS)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            where.request(letter.method, target, letter.body, letter.headers)
            answer = where.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            log.info("told %s: %s", letter.bank, type(error).__name__)
            return False
        finally:
            where.close()
        log.info("told %s: %d", letter.bank, answer.status)
        return 200 <= answer.status < 300

    def _seal(self, bank: str, rail: Rail, notice: Notice) -> _Letter:
        """Prove it as the bank does, or, under a fault, as somebody else or as of an hour ago."""
        at, key = time.time(), self._api_key
        url = notice.url or f"{self._base_url}/{_address(bank)}"
        if self._faults.take("webhook_old", rail.name):
            at -= AN_HOUR
        if self._faults.take("webhook_unsigned", rail.name):
            key += "?"
            url += "x" if notice.url else ""
        body, headers = rail.seal(notice.body, at=at, api_key=key)
        return _Letter(
            bank=bank,
            method=notice.method,
            url=url,
            body=body,
            headers={"Content-Type": "application/json", **headers},
            most_tries=notice.tries,
        )


def _address(bank: str) -> str:
    """The customer's name for a bank: "wave:mobile_money" for "mobile_money/wave"."""
    rail, _, name = bank.partition("/")
    return f"{name}:{rail}"
